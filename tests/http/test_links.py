"""Every link that the server gives: a strict client can read it, and it is never too long."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from ror import settings
from ror.errors import UsageError
from ror.search.answer.page_links import MAX_LINK_BYTES, STORED
from ror.standard.definitions import type_definition
from tests.conftest import import_lines
from tests.http.conftest import Answer, Server, start, stop
from tests.rfc3986 import is_uri

ORIGIN = "http://ror.test"
URI_HEADERS = ("location", "content-location")
EVERY_CHARACTER = "".join(map(chr, range(0x20, 0x7F))) + "é œ ’ 漢 😀"


def links_of(answer: Answer) -> Iterator[str]:
    """The URLs of an answer: links, addresses of entries, URLs of a description, headers."""
    yield from (answer.headers[name] for name in URI_HEADERS if name in answer.headers)
    yield from re.findall(r"<([^>]*)>", answer.headers.get("link", ""))
    yield from re.findall(r'(https?://[^"]*)', answer.headers.get("www-authenticate", ""))
    if answer.body:
        yield from _urls(answer.json)


def _urls(node: Any, name: str = "") -> Iterator[str]:
    """The values of the members that hold a URL; a canonical goes without its version."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _urls(value, key)
    elif isinstance(node, list):
        for value in node:
            yield from _urls(value, name)
    elif name in _URL_MEMBERS:
        yield node.partition("|")[0] if name in _CANONICAL_MEMBERS else node


_CANONICAL_MEMBERS = {"profile", "supportedProfile", "definition", "instantiates"} | {
    "implementationGuide"
}
_URL_MEMBERS = {"url", "fullUrl", "system", "issuer", "token_endpoint", "jwks_uri"} | (
    _CANONICAL_MEMBERS
)


def test_the_members_that_hold_urls_are_those_of_the_standard():
    held = {
        element.name
        for part in ("", ".rest", ".implementation", ".rest.resource", ".rest.resource.searchParam")
        for element in type_definition(f"CapabilityStatement{part}").elements.values()
        if set(element.types) & {"url", "uri", "canonical"}
    }

    assert held - _URL_MEMBERS == {"implicitRules", "compartment", "imports"}


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("/Location?_count=1", id="pages"),
        pytest.param(f"/Location?_count=1&name:not-exact={quote('|')}", id="a refusal"),
        pytest.param("/Location?near=48.5|2.3|500|km&_count=1", id="raw bars"),
        pytest.param("/Location?near=48.5%7C2.3%7C500%7Ckm&_count=1", id="escaped bars"),
        pytest.param("/Location?_sort=-name&_count=1&__explain=true", id="a sort, explained"),
        pytest.param("/Location?organization:Organization.name=centre&_count=1", id="a chain"),
        pytest.param(
            "/Organization?_has:Location:organization:status=active", id="a reverse chain"
        ),
        pytest.param("/Location?_include=Location:organization&_count=1", id="an inclusion"),
        pytest.param('/Location?_filter=name sw "Lieu"&_count=1', id="a filter"),
        pytest.param(f"/Location?name:contains={quote(EVERY_CHARACTER)}", id="every character"),
        pytest.param("/Location/l1", id="a read"),
        pytest.param("/Location/absent", id="an absent resource"),
        pytest.param("/metadata", id="the CapabilityStatement"),
        pytest.param("", id="the root"),
        pytest.param("/Location/l1/_history", id="an interaction that is not offered"),
    ],
)
@pytest.mark.parametrize("mount", ["/fhir", ""])
def test_every_link_of_every_answer_is_a_valid_uri(server: Server, mount: str, target: str):
    answer = server.get(f"{mount}{target.replace(' ', '%20')}" or "/")

    assert [one for one in links_of(answer) if not is_uri(one)] == []


@pytest.mark.parametrize(
    "target",
    [
        "/auth/realms/ror/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server/auth/realms/ror",
    ],
)
def test_every_address_of_the_authorisation_server_is_a_valid_uri(server: Server, target: str):
    links = list(links_of(server.get(target)))

    assert len(links) >= 3
    assert all(map(is_uri, links))


@pytest.mark.parametrize(
    "host", ["ror.test:8000", "[::1]:8000", "[::ffff:10.0.0.1]", "a_b.example", "10.0.0.1"]
)
def test_links_begin_with_a_valid_host(server: Server, host: str):
    answer = server.get("/fhir/Location?_count=1", host=host)

    links = [one["url"] for one in answer.json["link"]]
    assert all(map(is_uri, links))
    assert urlsplit(links[0]).netloc == host


@pytest.mark.parametrize("host", ["[:::]", "[1.2.3.4]", "[12345::]", "a|b", "a b", "[::1", "a%zz"])
def test_a_host_that_no_uri_may_have_is_refused(server: Server, host: str):
    assert server.get("/fhir/Location?_count=1", host=host).status == 400


@pytest.mark.parametrize(
    "address",
    [
        "https://ror.example.org/a|b",
        'https://ror.example.org/"',
        "https://ror.example.org/%zz",
        "https://ror.example.org/[x]",
        "https://[:::]/",
        "https://a{b.example.org",
    ],
)
@pytest.mark.parametrize("name", ["public_url", "token_issuer"])
def test_a_public_address_that_is_no_uri_is_refused(name: str, address: str):
    assert not is_uri(address)
    with pytest.raises(UsageError):
        settings.load({name: address})


def test_the_next_link_of_a_search_by_position_is_followed_as_it_is(server: Server):
    answer = server.get("/fhir/Location?near=48.5%7C2.3%7C500%7Ckm&_count=2")

    following = server.get(link(answer, "next").removeprefix(ORIGIN))
    assert "near=48.5%7C2.3%7C500%7Ckm" in link(answer, "next")
    assert following.json["total"] == answer.json["total"] > 2
    assert ids(following) and not set(ids(following)) & set(ids(answer))


# --- links that would be too long -----------------------------------------------------------------


def link(answer: Answer, relation: str) -> str:
    """The link of a page in this relation, "" where there is none."""
    links = {one["relation"]: one["url"] for one in answer.json["link"]}
    return links.get(relation, "")


def ids(answer: Answer) -> list[str]:
    """The ids of the resources on a page."""
    return [entry["resource"]["id"] for entry in answer.json.get("entry", ())]


def post(server: Server, form: str) -> Answer:
    """The answer to a search whose criteria are in the body."""
    return server.get(
        "/fhir/Location/_search",
        "POST",
        form.encode(),
        content_type="application/x-www-form-urlencoded",
    )


def long_form(count: int, pages: str = "_count=100") -> str:
    """A search of more than 130 KB that `count` places satisfy."""
    codes = [f"l{number}" for number in range(count)]
    codes += [f"absent-{number:055d}" for number in range(1_000 - count)]
    criterion = f"_id={','.join(codes)}"
    return f"{criterion}&{criterion}&{criterion}&{criterion}&{pages}"


def walk(server: Server, first: Answer, relation: str = "next") -> Iterator[Answer]:
    """A page and those that follow it, each reached by the link of the one before."""
    page = first
    while True:
        assert page.status == 200, page.body[:500]
        yield page
        url = link(page, relation)
        if not url:
            return
        page = server.get(url.removeprefix(ORIGIN))


def test_a_search_too_long_for_an_address_is_paged_both_ways(server: Server):
    form = long_form(350)
    assert len(form) > 130_000

    pages = list(walk(server, post(server, form)))
    back = list(walk(server, pages[-1], "previous"))

    seen = [one for page in pages for one in ids(page)]
    assert len(pages) == 4
    assert sorted(seen) == sorted({f"l{number}" for number in range(350)})
    assert ids(back[-1]) == ids(pages[0])
    for page in pages:
        assert page.json["total"] == 350
        for one in page.json["link"]:
            assert is_uri(one["url"])
            assert len(one["url"].removeprefix(ORIGIN)) <= MAX_LINK_BYTES
    again = server.get(link(pages[1], "self").removeprefix(ORIGIN))
    assert ids(again) == ids(pages[1])


def test_what_the_door_reads_stays_in_the_link(server: Server):
    first = post(server, long_form(150, "_count=100&_pretty=true&_format=json"))

    second = server.get(link(first, "next").removeprefix(ORIGIN))
    assert second.body.count(b"\n") > 100
    assert len(ids(second)) == 50


def test_a_limit_that_the_operator_lowers_holds_for_links(tmp_path):
    database = f"sqlite:///{tmp_path}/ror.db"
    import_lines(database, places(20, "Lieu"))
    running = start(database, ROR_ANONYMOUS_PROFILE="1", ROR_MAX_URL_KB="1")

    form = "_id=" + ",".join(f"p{number}" for number in range(300)) + "&_count=5"
    pages = list(walk(running, post(running, form)))

    assert stop(running) == 0
    assert sorted(one for page in pages for one in ids(page)) == sorted(
        f"p{number}" for number in range(20)
    )


def test_a_long_search_is_paged_across_workers_and_restarts(tmp_path):
    database = f"sqlite:///{tmp_path}/ror.db"
    import_lines(database, places(40, "Lieu"))
    form = "&".join(f"_id={','.join(f'p{n}' for n in range(1_000))}" for _ in range(10))
    running = start(database, ROR_ANONYMOUS_PROFILE="1", ROR_WORKERS="2")
    first = post(running, f"{form}&_count=2")
    # Each request opens a connection: both workers are asked.
    pages = list(walk(running, first))
    assert stop(running) == 0
    assert f"{STORED}=" in link(first, "next")
    assert sorted(one for page in pages for one in ids(page)) == sorted(
        f"p{number}" for number in range(40)
    )

    running = start(database, ROR_ANONYMOUS_PROFILE="1")
    again = list(walk(running, running.get(link(first, "next").removeprefix(ORIGIN))))

    assert stop(running) == 0
    assert [ids(page) for page in again] == [ids(page) for page in pages[1:]]


@pytest.mark.parametrize("length", [3_000, 7_000, 30_000, 100_000])
@pytest.mark.parametrize("sort", ["name", "-name"])
def test_a_page_sorted_by_a_long_text_has_a_next_page(tmp_path, length: int, sort: str):
    database = f"sqlite:///{tmp_path}/ror.db"
    import_lines(database, places(12, "œ" * length))
    running = start(database, ROR_ANONYMOUS_PROFILE="1")

    pages = list(walk(running, running.get(f"/fhir/Organization?_sort={sort}&_count=5")))

    assert stop(running) == 0
    seen = [one for page in pages for one in ids(page)]
    numbers = [f"p{number}" for number in range(12)]
    assert seen == (numbers if sort == "name" else numbers[::-1])


def places(count: int, name: str) -> Iterator[bytes]:
    """Places and organisations whose names are in the order of their numbers."""
    for number in range(count):
        for resource_type in ("Location", "Organization"):
            yield json.dumps(
                {
                    "resourceType": resource_type,
                    "id": f"p{number}",
                    "meta": {"lastUpdated": "2026-01-01T00:00:00Z"},
                    "name": f"{name} {number:04d}",
                }
            ).encode()


@pytest.mark.parametrize(
    ("target", "status"),
    [
        pytest.param(f"{STORED}={'0' * 32}", 404, id="unknown"),
        pytest.param(f"{STORED}=", 404, id="empty"),
        pytest.param(f"{STORED}={'é' * 500}", 404, id="strange"),
        pytest.param(f"{STORED}=a&{STORED}=b", 400, id="two of them"),
        pytest.param(f"{STORED}:exact=a", 400, id="a modifier"),
    ],
)
def test_a_stored_query_that_is_not_kept_is_refused_by_name(server: Server, target, status):
    answer = server.get(f"/fhir/Location?{target}")

    assert answer.status == status
    assert answer.json["resourceType"] == "OperationOutcome"
