"""What a FHIR client sees of a running server."""

import gzip
import json
import re
import socket
import time
from collections.abc import Iterator
from importlib.resources import files

import msgspec
import pytest
import zstandard

from ror.directory.capability import RESULT_PARAMETERS, served_parameters
from ror.http.proxies import is_in, networks
from ror.http.routes import OFFERED
from ror.search.language.parse import parse
from ror.standard.definitions import RESOURCE_TYPES, includes
from ror.standard.fhirpath import types_read
from tests.conftest import import_lines
from tests.http.conftest import UPDATED, Server, read_answer, request, resources, start, stop
from tests.waiting import until

PLACE = "/fhir/Location/l1"
JSON = "application/fhir+json; charset=utf-8"
XML = "application/fhir+xml; charset=utf-8"


# --- reading and searching ------------------------------------------------------------------------


def test_a_resource_is_read_byte_for_byte_with_its_version_and_date(server: Server):
    answer = server.get(PLACE)

    assert answer.status == 200
    content = next(one for one in resources() if one["id"] == "l1")
    assert answer.json == content | {"meta": {"versionId": "1", "lastUpdated": UPDATED}}
    assert answer.headers["content-type"] == JSON
    assert answer.headers["etag"] == 'W/"1"'
    assert answer.headers["last-modified"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "accept-encoding" in answer.headers["vary"].lower()


def test_a_resource_whose_date_no_calendar_of_http_has_is_read(tmp_path):
    early = {"lastUpdated": "0001-01-01T00:00:00+14:00"}
    kept = {"resourceType": "Location", "id": "early", "meta": early}
    import_lines(f"sqlite:///{tmp_path}/ror.db", [json.dumps(kept).encode()])
    running = start(f"sqlite:///{tmp_path}/ror.db", ROR_ANONYMOUS_PROFILE="1")

    answer = running.get("/fhir/Location/early")

    assert stop(running) == 0
    assert answer.json["meta"]["lastUpdated"] == "0001-01-01T00:00:00.000+00:00"
    assert answer.headers["last-modified"] == "Mon, 01 Jan 0001 00:00:00 GMT"


@pytest.mark.parametrize("mount", ["/ws-diffusion-fhir", "/fhir", ""])
def test_every_mount_point_answers_with_its_own_links(server: Server, mount):
    bundle = server.get(f"{mount}/Location?_count=1").json

    assert bundle["total"] == 400
    assert bundle["entry"][0]["fullUrl"].startswith(f"http://ror.test{mount}/Location/")
    assert all(
        link["url"].startswith(f"http://ror.test{mount}/Location?") for link in bundle["link"]
    )


def test_the_next_link_leads_to_the_other_places(server: Server):
    first = server.get("/fhir/Location?_count=300&_format=json").json
    link = next(one["url"] for one in first["link"] if one["relation"] == "next")

    second = server.get(link.removeprefix("http://ror.test"), accept="application/fhir+xml").json

    seen = [entry["resource"]["id"] for bundle in (first, second) for entry in bundle["entry"]]
    assert sorted(seen) == sorted(f"l{number}" for number in range(400))


@pytest.mark.parametrize(
    "city",
    [
        pytest.param("Saint-L%C3%B4", id="escaped"),
        pytest.param("Saint-Lô", id="raw accents"),
        pytest.param("saint+lo", id="a plus for a space"),
        pytest.param("saint lo", id="a raw space"),
        pytest.param("saint%20lo", id="an escaped space"),
    ],
)
def test_a_city_is_found_however_it_is_written(server: Server, city):
    found = server.get(f"/fhir/Location?address-city={city}&_count=0")

    assert (found.status, found.json["total"]) == (200, 200)


def test_a_raw_address_is_understood_however_it_arrives(server: Server):
    raw = request("/fhir/Location?_summary=count&address-city=Saint Lô")

    received = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        for piece in (raw[:2], raw[2:50], raw[50:], raw + raw[:40], raw[40:]):
            connection.sendall(piece)
            # So that the server gets it apart from the next.
            time.sleep(0.02)
        connection.shutdown(socket.SHUT_WR)
        while piece := connection.recv(65_536):
            received += piece

    assert received.count(b"HTTP/1.1 200") == received.count(b"address-city=Saint%20L%C3%B4") == 3
    assert received.count(b"HTTP/1.1") == 3


def test_raw_bars_and_colons_are_accepted(server: Server):
    near = server.get("/fhir/Location?near=48.5|0|10|km&_include:iterate=Location:organization")

    ids = [entry["resource"]["id"] for entry in near.json["entry"]]
    assert ids[:2] == ["l0", "l1"] and "o1" in ids


def test_a_posted_search_adds_the_form_to_the_address(server: Server):
    sent = request(
        "/fhir/Location/_search?_count=1",
        "POST",
        b"address-city=Nantes&_format=application/fhir+json",
        content_type="application/x-www-form-urlencoded",
    )

    answer = server.send(sent)

    assert answer is not None
    assert (answer.json["total"], len(answer.json["entry"])) == (200, 1)


def test_a_form_that_waits_for_leave_to_be_sent_gets_it(server: Server):
    answer = server.get(
        "/fhir/Location/_search",
        "POST",
        b"_count=0",
        content_type="application/x-www-form-urlencoded",
        expect="100-continue",
    )

    assert answer.json["total"] == 400


@pytest.mark.parametrize(
    "target", [PLACE, "/fhir/Location", "/fhir/metadata", "/fhir/Location/absent", "/metrics"]
)
def test_head_is_get_without_the_body(server: Server, target):
    get, head = server.get(target), server.get(target, "HEAD")

    assert (head.status, head.body) == (get.status, b"")
    ignored = {"date", "x-request-id"} | ({"content-length"} if target == "/metrics" else set())
    assert {name: head.headers[name] for name in head.headers if name not in ignored} == {
        name: get.headers[name] for name in get.headers if name not in ignored
    }


def test_leniency_is_granted_reported_and_confirmed(server: Server):
    strict = server.get("/fhir/Location?colour=blue")
    lenient = server.get(
        "/fhir/Location?colour=blue&_count=1", prefer='respond-async, handling="lenient"'
    )

    assert (strict.status, strict.issue["code"]) == (400, "not-supported")
    assert lenient.status == 200 and lenient.headers["preference-applied"] == "handling=lenient"
    assert lenient.json["entry"][-1]["search"]["mode"] == "outcome"


def test_an_unknown_code_is_a_warning_and_in_strict_handling_a_refusal(server: Server):
    target = "/fhir/Location?status=actif&_count=0"

    warned = server.get(target)
    strict = server.get(target, prefer="handling=strict")

    (outcome,) = warned.json["entry"]
    assert (warned.status, warned.json["total"], outcome["search"]["mode"]) == (200, 0, "outcome")
    assert outcome["resource"]["issue"][0]["severity"] == "warning"
    assert "active" in outcome["resource"]["issue"][0]["diagnostics"]
    assert (strict.status, strict.issue["severity"]) == (400, "error")
    assert strict.issue["code"] == outcome["resource"]["issue"][0]["code"] == "code-invalid"
    accepted = server.get("/fhir/Location?status=active&_count=0", prefer="handling=strict")
    assert accepted.status == 200
    assert accepted.headers["preference-applied"] == "handling=strict"


def test_every_unknown_parameter_is_named_at_once(server: Server):
    search = server.get("/fhir/Location?colour=blue&size=2&_count=1&colour=red")
    read = server.get(f"{PLACE}?colour=blue&size=2")

    for answer in (search, read):
        said = [one["diagnostics"] for one in answer.json["issue"]]
        assert answer.status == 400 and len(said) == 2
        assert "colour" in said[0] and "size" in said[1]


def test_a_parameter_without_value_is_ignored_and_reported(server: Server):
    answer = server.get("/fhir/Location?address-city=&_format=&_pretty=&_count=1")

    (outcome,) = (one for one in answer.json["entry"] if one["search"]["mode"] == "outcome")
    issues = outcome["resource"]["issue"]
    assert (answer.status, answer.json["total"]) == (200, 400)
    assert [issue["severity"] for issue in issues] == ["warning"] * 3
    for name, issue in zip(("address-city", "_format", "_pretty"), issues, strict=True):
        assert name in issue["diagnostics"]
    assert answer.json["link"][0]["url"].endswith("/Location?_count=1")


# --- freshness ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"if_none_match": 'W/"1"'}, 304, id="the version held"),
        pytest.param({"if_none_match": '"1"'}, 304, id="compared weakly"),
        pytest.param({"if_none_match": '"7", W/"1"'}, 304, id="one of several"),
        pytest.param({"if_none_match": "*"}, 304, id="any version"),
        pytest.param({"if_none_match": 'W/"2"'}, 200, id="another version"),
        pytest.param(
            {"if_modified_since": "Tue, 14 Nov 2023 22:13:20 GMT"}, 304, id="not modified since"
        ),
        pytest.param(
            {"if_modified_since": "Tue, 14 Nov 2023 22:13:19 GMT"}, 200, id="modified since"
        ),
        pytest.param(
            {"if_none_match": 'W/"2"', "if_modified_since": "Fri, 01 Jan 2038 00:00:00 GMT"},
            200,
            id="the tag decides",
        ),
    ],
)
def test_a_client_that_is_up_to_date_gets_no_body(server: Server, headers, status):
    answer = server.get(PLACE, **headers)

    assert answer.status == status
    assert answer.headers["etag"] == 'W/"1"'
    if status == 304:
        assert answer.body == b"" and "content-length" not in answer.headers


# --- formats --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "query", "status", "content_type"),
    [
        (None, "", 200, JSON),
        ("*/*", "", 200, JSON),
        ("application/json", "", 200, JSON),
        ("application/fhir+json;fhirVersion=4.0", "", 200, JSON),
        ("application/fhir+xml;q=1.0, application/fhir+json;q=0.9", "", 200, XML),
        ("application/fhir+xml, application/fhir+json", "", 200, JSON),
        ("application/fhir+xml;q=0.5, application/fhir+json", "", 200, JSON),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "", 200, JSON),
        ("application/*", "", 200, JSON),
        ("text/json", "", 200, JSON),
        ("application/fhir+xml", "", 200, XML),
        ("application/xml", "", 200, XML),
        ("text/xml", "", 200, XML),
        ("application/fhir+xml; fhirVersion=4.0, text/plain", "", 200, XML),
        ("application/fhir+xml; fhirVersion=3.0", "", 406, JSON),
        ("text/html", "", 406, JSON),
        ("application/fhir+json;q=0", "", 406, JSON),
        ("application/fhir+json;q=0, */*", "", 200, XML),
        ("application/fhir+xml;q=0, */*", "", 200, JSON),
        ("application/fhir+json; fhirVersion=3.0", "", 406, JSON),
        ("application/fhir+xml", "?_format=json", 200, JSON),
        ("application/fhir+xml", "?_format=application/fhir+json", 200, JSON),
        ("application/fhir+xml", "?_format=application/fhir%2Bjson", 200, JSON),
        ("application/fhir+xml", "?_format=application%2Ffhir+json", 200, JSON),
        ("application/json", "?_format=xml", 200, XML),
        ("application/json", "?_format=application/fhir+xml", 200, XML),
        ("application/json", "?_format=application%2Ffhir%2Bxml", 200, XML),
        ("application/json", "?_format=text/xml", 200, XML),
        ("application/json", "?_format=", 200, JSON),
        ("application/json", "?_format=turtle", 406, JSON),
        ("application/json", "?_format=xml&_format=turtle", 406, JSON),
    ],
)
def test_the_format_is_agreed_on(server: Server, accept, query, status, content_type):
    answer = server.get(PLACE + query, **({"accept": accept} if accept else {}))

    assert answer.status == status
    assert answer.headers["content-type"] == content_type
    assert answer.body.startswith(b"<?xml" if content_type == XML else b"{")


def test_an_indented_answer_keeps_every_digit(server: Server):
    plain, indented = server.get(PLACE), server.get(f"{PLACE}?_pretty=true")

    assert b'\n  "id": "l1"' in indented.body
    assert json.loads(indented.body) == json.loads(plain.body)
    assert b'\n  "issue"' in server.get("/fhir/Location?colour=blue&_pretty=true").body


def test_what_is_no_json_is_not_indented(server: Server):
    answer = server.get("/metrics?_pretty=true")

    assert (answer.status, answer.body[:7]) == (200, b"# HELP ")
    assert b"ror_requests_in_flight 1.0" in server.get("/metrics").body


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("gzip", "gzip"),
        ("zstd, gzip", "zstd"),
        ("gzip, deflate, br", "gzip"),
        ("gzip;q=0", None),
        ("identity", None),
        ("br", None),
        ("*", "gzip"),
        ("zstd;q=0.5, gzip;q=0.8", "gzip"),
    ],
)
def test_a_large_answer_is_compressed_as_the_client_likes(server: Server, asked, given):
    answer = server.get("/fhir/Location?_count=400", accept_encoding=asked)

    assert answer.headers.get("content-encoding") == given
    decode = {"gzip": gzip.decompress, "zstd": zstandard.decompress, None: bytes}[given]
    assert len(json.loads(decode(answer.body))["entry"]) == 400


def test_a_client_that_reads_slowly_gets_every_byte_in_order(server: Server):
    asked = request("/fhir/Location?_count=400")
    with socket.socket() as connection:
        # The system takes a few kilobytes of each page; the rest waits for the client.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.settimeout(10)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(asked + asked)
        time.sleep(0.2)
        first, second = read_answer(connection), read_answer(connection)

    assert first is not None and second is not None
    expected = [f"http://ror.test/fhir/Location/l{number}" for number in range(400)]
    assert [one["fullUrl"] for one in first.json["entry"]] == expected
    assert first.json["entry"] == second.json["entry"]


def test_a_small_answer_is_not_compressed(server: Server):
    assert "content-encoding" not in server.get(PLACE, accept_encoding="gzip, zstd").headers


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (None, "n'a pas de"),
        ("fr", "n'a pas de"),
        ("de", "n'a pas de"),
        ("en", "has no"),
        ("fr;q=0.2,en", "has no"),
    ],
)
def test_errors_speak_the_language_of_the_client(server: Server, language, words):
    answer = server.get(
        "/fhir/Location?colour=blue", **({"accept_language": language} if language else {})
    )

    assert words in answer.issue["diagnostics"]


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "target", "allow"),
    [
        ("DELETE", PLACE, "GET, HEAD, OPTIONS"),
        ("POST", "/fhir/Location", "GET, HEAD, OPTIONS"),
        ("GET", "/fhir/Location/_search", "POST, OPTIONS"),
        ("POST", "/fhir/metadata", "GET, HEAD, OPTIONS"),
        ("GET", f"{PLACE}/_history/1", "OPTIONS"),
        ("DELETE", "/health/live", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_method_that_is_not_offered_is_refused_with_those_that_are(
    server: Server, method, target, allow
):
    answer = server.get(target, method)

    assert (answer.status, answer.headers["allow"]) == (405, allow)
    assert answer.issue["code"] == "not-supported"
    assert server.get(target, "OPTIONS").headers["allow"] == allow


def test_an_unknown_type_is_refused_with_the_nearest_one(server: Server):
    answer = server.get("/fhir/Healthcareservice")

    assert (answer.status, answer.issue["code"]) == (404, "not-supported")
    assert "HealthcareService" in answer.issue["diagnostics"]


def test_absent_and_deleted_resources_are_told_apart(server: Server):
    absent, deleted = server.get("/fhir/Location/absent"), server.get("/fhir/Location/gone")

    assert (absent.status, absent.issue["code"]) == (404, "not-found")
    assert (deleted.status, deleted.issue["code"]) == (410, "deleted")


def test_a_message_repeats_what_was_sent_as_text_only(server: Server):
    answer = server.get("/fhir/Location?<script>=1")

    assert answer.status == 400 and answer.headers["content-type"] == JSON
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "target", [PLACE, "/fhir/Location", "/fhir/Location/absent", "/fhir/Location?x=1"]
)
def test_without_anonymous_profile_data_needs_a_token(closed_server: Server, target):
    without = closed_server.get(target)
    with_one = closed_server.get(target, authorization="Bearer abc")

    assert without.status == with_one.status == 401
    assert without.headers["www-authenticate"] == 'Bearer realm="ror"'
    assert with_one.headers["www-authenticate"].startswith(
        'Bearer realm="ror", error="invalid_token"'
    )
    assert (
        without.issue["code"] == "login"
        and "http://ror.test/fhir/metadata" in without.issue["diagnostics"]
    )
    assert with_one.issue["code"] == "login"


@pytest.mark.parametrize(
    "target", ["/metadata", "/fhir/metadata", "/health/live", "/health/ready", "/metrics", "/"]
)
def test_without_anonymous_profile_what_is_not_data_stays_open(closed_server: Server, target):
    assert closed_server.get(target).status == 200


# --- capability statement -------------------------------------------------------------------------


def test_the_capability_statement_lists_what_the_server_does(server: Server):
    answer = server.get("/fhir/metadata?_format=json")
    statement = answer.json
    (rest,) = statement["rest"]

    assert (statement["kind"], statement["fhirVersion"]) == ("instance", "4.0.1")
    assert statement["implementation"]["url"] == "http://ror.test/fhir"
    assert [one["type"] for one in rest["resource"]] == list(RESOURCE_TYPES)
    assert {code["code"] for one in rest["resource"] for code in one["interaction"]} == {
        "read",
        "search-type",
    }
    assert set(OFFERED) == {"read", "search-type"}
    edition = msgspec.json.decode(
        files("ror.standard.knowledge").joinpath("profiles.json").read_bytes()
    )["provenance"]
    ours = "https://interop.esante.gouv.fr/ig/fhir/ror"
    assert answer.json["implementationGuide"] == [
        f"{ours}/ImplementationGuide/{edition['package']}|{edition['version']}"
    ]
    assert answer.json["instantiates"] == [
        f"{ours}/CapabilityStatement/ror-serveur|{edition['version']}"
    ]
    assert server.get("/fhir/metadata", if_none_match=answer.headers["etag"]).status == 304
    assert server.get("/metadata", if_none_match=answer.headers["etag"]).status == 200
    assert "Directory" in server.get("/fhir/metadata", accept_language="en").json["title"]


def test_the_capability_statement_keeps_its_lists_split(server: Server):
    for resource in server.get("/metadata").json["rest"][0]["resource"]:
        for name in ("searchInclude", "searchRevInclude"):
            assert set(resource.get(name, ["Task:focus"])) <= set(includes())


@pytest.mark.parametrize("resource_type", RESOURCE_TYPES)
def test_every_parameter_and_inclusion_that_is_announced_is_understood(
    server: Server, resource_type
):
    values = {
        "date": "2024-01-01",
        "number": "1",
        "quantity": "1",
        "token": "a",
        "string": "a",
        "special": "48|2|1|km",
        "reference": "x",
        "uri": "urn:x",
    }
    statement = server.get("/metadata").json["rest"][0]
    (resource,) = (one for one in statement["resource"] if one["type"] == resource_type)
    pairs = [
        (one["name"], "true" if "booléen" in one["documentation"].lower() else values[one["type"]])
        for one in resource["searchParam"]
        if one["name"] != "_has"
    ]
    pairs += [("_include", name) for name in resource.get("searchInclude", ())]
    pairs += [("_revinclude", name) for name in resource.get("searchRevInclude", ())]

    for name, value in pairs:
        value = "_id eq a" if name == "_filter" else value
        value = "75056|1" if name == "near-insee-code" else value
        value = "true" if _wants_a_boolean(resource_type, name) else value
        assert parse(resource_type, [(name, value)]).ignored == ()


def _wants_a_boolean(resource_type: str, name: str) -> bool:
    return any(
        one.name == name and "boolean" in types_read(one)
        for one in served_parameters(resource_type)
    )


def test_every_result_parameter_that_is_announced_is_understood():
    values = {
        "_count": "1",
        "_sort": "_id",
        "_include": "Location:organization",
        "_total": "accurate",
    }
    values |= {
        "_revinclude": "HealthcareService:location",
        "_summary": "count",
        "_format": "json",
        "_pretty": "true",
    }
    values |= {"_elements": "name"}

    for name in RESULT_PARAMETERS:
        assert parse("Location", [(name, values[name])]).ignored == ()


# --- running the service --------------------------------------------------------------------------


def test_a_request_id_is_echoed_or_made(server: Server):
    given = server.get(PLACE, x_request_id="abc-123/é"[:7])
    made = {server.get(PLACE).headers["x-request-id"] for _ in range(3)}
    replaced = server.get(PLACE, x_request_id="a b").headers["x-request-id"]

    assert given.headers["x-request-id"] == "abc-123"
    assert len(made) == 3 and "a b" not in {*made, replaced}


def test_each_request_is_a_line_of_the_log(database: str):
    running = start(database, ROR_ANONYMOUS_PROFILE="1")
    try:
        begun = time.perf_counter()
        running.get(
            "/fhir/Location?address-city=Nantes&_count=2",
            x_request_id="mine",
            user_agent="test\r\nx: y",
        )
        running.send(b"nonsense\r\n\r\n")
        assert until(lambda: running.log()[-1]["status"] == 400)
        elapsed_ms = (time.perf_counter() - begun) * 1_000
    finally:
        lines, ready = running.log(), running.log("ready")
        assert stop(running) == 0

    (line,) = (one for one in lines if one["request_id"] == "mine")
    assert line["query"] == "address-city=Nantes&_count=2" and line["path"] == "/fhir/Location"
    assert (line["method"], line["status"], line["total"], line["level"]) == (
        "GET",
        200,
        200,
        "info",
    )
    assert line["bytes"] > 100 and line["time"] and line["user_agent"] == "test"
    assert 0 < line["duration_ms"] <= elapsed_ms
    assert re.fullmatch(
        r"ror [\d.]+ — 401 ressources, index prêt en \d+,\d s — http://\S+", ready[0]["message"]
    )


def test_figures_count_requests_and_resources(server: Server):
    server.get(PLACE)

    figures = server.get("/metrics")

    assert figures.headers["content-type"].startswith("text/plain")
    assert re.search(
        rb'ror_requests_total\{method="GET",route="\[type\]/\[id\]",status="200"\} \d', figures.body
    )
    assert b'ror_resources{type="Location"} 400.0' in figures.body
    assert b"ror_request_seconds_bucket" in figures.body
    for name in (
        b"ror_index_seq",
        b"ror_index_bytes",
        b"ror_requests_in_flight",
        b"ror_body_cache_reads",
    ):
        assert name in figures.body
    assert b"l1" not in figures.body


WATCHING, STRANGER = "203.0.113.9", "198.51.100.7"


@pytest.mark.parametrize(
    ("proxies", "readers", "headers", "status"),
    [
        pytest.param("", "", {}, 200, id="the machine itself"),
        pytest.param(
            "",
            "",
            {"x_forwarded_for": "127.0.0.1"},
            403,
            id="whom a proxy that is not known passes on",
        ),
        pytest.param("", "", {"forwarded": "for=127.0.0.1"}, 403, id="the same, in another header"),
        pytest.param("", "", {"x_forwarded_host": "a.test"}, 403, id="the same, by its host alone"),
        pytest.param("", "", {"x_forwarded_port": "443"}, 403, id="the same, by its port alone"),
        pytest.param(
            "127.0.0.1",
            "",
            {"x_forwarded_host": "a.test"},
            403,
            id="whom a trusted proxy does not name",
        ),
        pytest.param("", WATCHING, {}, 403, id="the machine itself, when it is not named"),
        pytest.param(
            "127.0.0.1",
            "",
            {"x_forwarded_for": f"127.0.0.1, {STRANGER}"},
            403,
            id="a stranger, by a proxy",
        ),
        pytest.param(
            "127.0.0.1", "", {"x_forwarded_for": "unknown"}, 403, id="nobody knows whom, by a proxy"
        ),
        pytest.param(
            "127.0.0.1",
            "203.0.113.0/24",
            {"x_forwarded_for": WATCHING},
            200,
            id="who is named, by a proxy",
        ),
    ],
)
def test_figures_are_for_the_addresses_that_the_settings_name(
    database, proxies, readers, headers, status
):
    given = {"ROR_TRUSTED_PROXIES": proxies, "ROR_METRICS_READERS": readers}
    watched = start(
        database, ROR_ACCESS_LOG="false", **{name: value for name, value in given.items() if value}
    )
    try:
        answer = watched.get("/metrics", accept_language="en", **headers)
    finally:
        stop(watched)

    assert answer.status == status
    if status == 403:
        assert b"ror_" not in answer.body
        assert (
            answer.issue["code"] == "forbidden" and "metrics_readers" in answer.issue["diagnostics"]
        )


def test_a_caller_over_ipv6_is_known_by_its_ipv4_address_too():
    among = networks(["10.0.0.0/8", "2001:db8::/32"])

    assert [is_in(one, among) for one in ("::ffff:10.1.2.3", "10.1.2.3", "2001:db8::1")] == [
        True
    ] * 3
    assert [is_in(one, among) for one in ("::ffff:11.1.2.3", "::1", "10.1.2.3:80", "")] == [
        False
    ] * 4


@pytest.fixture(scope="module")
def trusting(database: str) -> Iterator[Server]:
    """A server that trusts the proxies of this machine."""
    running = start(database, ROR_ANONYMOUS_PROFILE="0", ROR_TRUSTED_PROXIES="127.0.0.0/8")
    yield running
    assert stop(running) == 0


FORWARDED = [
    ({"x_forwarded_proto": "https", "x_forwarded_host": "evil.test, ror.fr"}, "https://ror.fr"),
    ({"x_forwarded_proto": "https", "x_forwarded_port": "8443"}, "https://ror.test:8443"),
    ({"x_forwarded_proto": "https", "x_forwarded_port": "443"}, "https://ror.test"),
    ({"x_forwarded_host": "ror.fr:8000", "x_forwarded_port": "80"}, "http://ror.fr"),
    ({"x_forwarded_host": "[::1]", "x_forwarded_port": "8000"}, "http://[::1]:8000"),
    ({"x_forwarded_prefix": "/a/ror/"}, "http://ror.test/a/ror"),
    ({"x_forwarded_prefix": "/evil, /ror", "x_forwarded_host": "ror.fr"}, "http://ror.fr/ror"),
    ({"x_forwarded_prefix": "/"}, "http://ror.test"),
]


@pytest.mark.parametrize(("headers", "origin"), FORWARDED)
def test_forwarded_headers_are_believed_from_a_trusted_proxy_only(
    trusting: Server, server: Server, headers: dict[str, str], origin: str
):
    believed, ignored = (
        one.get("/fhir/Location?_count=1", **headers).json for one in (trusting, server)
    )

    for bundle, base in ((believed, f"{origin}/fhir"), (ignored, "http://ror.test/fhir")):
        urls = [link["url"] for link in bundle["link"]] + [bundle["entry"][0]["fullUrl"]]
        assert len(urls) >= 3
        assert [url for url in urls if not url.startswith(f"{base}/Location")] == []


@pytest.mark.parametrize(
    "headers",
    [
        {"x_forwarded_port": "99999"},
        {"x_forwarded_port": "8443/x"},
        {"x_forwarded_prefix": "ror"},
        {"x_forwarded_prefix": "//evil.test"},
        {"x_forwarded_prefix": "/a?b"},
        {"x_forwarded_host": "a b"},
    ],
)
def test_forwarded_headers_that_make_no_address_are_refused(trusting: Server, headers):
    answer = trusting.get("/fhir/Location?_count=1", accept_language="en", **headers)

    assert (answer.status, answer.issue["code"]) == (400, "invalid")


def test_a_public_address_is_used_in_links_whatever_the_host(database: str):
    running = start(
        database, ROR_ANONYMOUS_PROFILE="1", ROR_PUBLIC_URL="https://ror.example.org/x/"
    )
    try:
        bundle = running.get("/fhir/Location?_count=1").json
    finally:
        stop(running)

    assert bundle["link"][0]["url"].startswith("https://ror.example.org/x/fhir/Location")
    assert bundle["entry"][0]["fullUrl"].startswith("https://ror.example.org/x/fhir/Location/")
