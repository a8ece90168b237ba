"""What a client that asks for XML gets: the same as in JSON, errors included."""

import json
from collections.abc import Iterator

import pytest

from ror.resources import xml
from tests.conftest import import_lines
from tests.http.conftest import Server, read_answer, request, start, stop

XML = "application/fhir+xml; charset=utf-8"
ACCEPT = {"accept": "application/fhir+xml"}


@pytest.fixture(scope="module")
def with_contained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on a resource that contains one of a type without a table."""
    database = f"sqlite:///{tmp_path_factory.mktemp('contained')}/ror.db"
    extension = {"url": "https://x.org/e", "valueReference": {"reference": "#p"}}
    resource = {
        "resourceType": "Organization",
        "id": "1",
        "name": "CHU",
        "contained": [{"resourceType": "Patient", "id": "p"}],
        "extension": [extension],
    }
    import_lines(database, [json.dumps(resource).encode()])
    running = start(database, ROR_ANONYMOUS_PROFILE="1")
    yield running
    assert stop(running) == 0


@pytest.mark.parametrize(
    "path",
    [
        "/fhir/Location/l1",
        "/fhir/metadata",
        "/fhir/Location?_count=2&_include=Location:organization",
        "/fhir/Location?_count=200",
        "/fhir/Location?_id=none",
        "/fhir/Location?near=48.5%7C0%7C100%7Ckm",
        "/fhir",
    ],
)
def test_the_answer_in_xml_says_what_the_answer_in_json_says(server: Server, path):
    in_json, in_xml = server.get(path), server.get(path, **ACCEPT)

    assert (in_xml.status, in_xml.headers["content-type"]) == (200, XML)
    assert in_xml.headers.get("etag") == in_json.headers.get("etag")
    expected, read = in_json.json, xml.read(in_xml.body)
    if expected["resourceType"] == "Bundle":
        # Each answer is a new Bundle.
        assert read.pop("id") != expected.pop("id")
    assert json.loads(json.dumps(read, default=float)) == expected


def test_a_cached_answer_is_sent_in_either_format(server: Server):
    path = "/fhir/Location?_count=3&address-city=Nantes"

    answers = [server.get(path, **headers) for headers in (ACCEPT, {}, ACCEPT, {})]

    assert [answer.body[:1] for answer in answers] == [b"<", b"{", b"<", b"{"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/fhir/Location?colour=blue", 400),
        ("/fhir/Location/none", 404),
        ("/fhir/Patient", 404),
        ("/nowhere", 404),
        ("/fhir/Location/gone", 410),
        ("/fhir/_history", 405),
        ("/fhir/Location?_pretty=oui", 400),
    ],
)
def test_an_error_is_an_outcome_in_xml(server: Server, path, status):
    by_header = server.get(path, **ACCEPT)
    by_parameter = server.get(f"{path}{'&' if '?' in path else '?'}_format=xml")

    for answer in (by_header, by_parameter):
        assert (answer.status, answer.headers["content-type"]) == (status, XML)
        outcome = xml.read(answer.body)
        assert outcome["resourceType"] == "OperationOutcome"
        assert outcome["issue"][0]["severity"] == "error" and outcome["issue"][0]["diagnostics"]


def test_an_address_that_cannot_be_read_leaves_the_format_to_the_header(server: Server):
    answer = server.get("/fhir/Location?address-city=%ff", **ACCEPT)

    assert (answer.status, answer.headers["content-type"]) == (400, XML)


def test_the_links_of_a_page_keep_the_format(server: Server):
    first = xml.read(server.get("/fhir/Location?_count=2&_format=xml").body)
    [link] = [one["url"] for one in first["link"] if one["relation"] == "next"]

    second = server.get(link.removeprefix("http://ror.test"))

    assert second.headers["content-type"] == XML
    assert len(xml.read(second.body)["entry"]) == 2


def test_an_answer_in_xml_can_be_indented_and_compressed(server: Server):
    indented = server.get("/fhir/Location/l1?_pretty=true", **ACCEPT)
    compressed = server.get("/fhir/Location?_count=50", **ACCEPT, accept_encoding="gzip")

    assert b'\n  <id value="l1"/>\n' in indented.body
    assert compressed.headers["content-encoding"] == "gzip"


def test_what_is_fresh_or_asked_by_head_has_no_body_in_xml_either(server: Server):
    fresh = server.get("/fhir/Location/l1", **ACCEPT, if_none_match='W/"1"')
    whole = server.get("/fhir/Location/l1", **ACCEPT)
    with server.connect() as connection:
        connection.sendall(request("/fhir/Location/l1", "HEAD", **ACCEPT))
        head = read_answer(connection, is_head=True)

    assert (fresh.status, fresh.body) == (304, b"")
    assert head.headers["content-type"] == XML
    assert int(head.headers["content-length"]) == len(whole.body)


@pytest.mark.parametrize("path", ["/health/live", "/metrics"])
def test_what_is_no_resource_has_no_form_in_xml(server: Server, path):
    refused = server.get(path, **ACCEPT)
    answered = server.get(path, accept="application/xml, */*;q=0.1")

    assert refused.status == 406
    assert (answered.status, answered.body[:1] != b"<") == (200, True)


@pytest.mark.parametrize("path", ["/fhir/Organization/1", "/fhir/Organization"])
def test_a_contained_type_without_table_is_refused_by_name(with_contained: Server, path):
    answer = with_contained.get(path, **ACCEPT)

    assert (answer.status, answer.headers["content-type"]) == (406, XML)
    assert "Patient" in xml.read(answer.body)["issue"][0]["diagnostics"]
    assert with_contained.get(path).status == 200


def test_a_body_in_xml_is_refused_where_a_form_is_read(server: Server):
    body = b'<Parameters xmlns="http://hl7.org/fhir"/>'
    with server.connect() as connection:
        content = {"content_type": "application/fhir+xml"}
        connection.sendall(request("/fhir/Location/_search", "POST", body, **ACCEPT, **content))
        answer = read_answer(connection)

    assert (answer.status, answer.headers["content-type"]) == (415, XML)


def test_the_statement_names_the_formats(server: Server):
    formats = server.get("/fhir/metadata").json["format"]

    assert {"application/fhir+json", "application/fhir+xml"} <= set(formats)
