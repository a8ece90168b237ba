"""
A client that calls more often than it may, over real sockets: what it is told, and what others
notice of it.
"""

import time
from collections.abc import Iterator

import pytest

from ror.audit.records import Call
from ror.audit.trail.folder import Folder
from ror.audit.trail.reading import Selection, find
from ror.identity import Action, Rate
from ror.identity.enrolment import Signature, set_rate
from tests.http.conftest import fill, start, stop
from tests.http.secured import ANNOUNCED, SECRET, Secured, World, a_world, serving
from tests.waiting import until

SLOW = Rate(1, 5)
"""A call a minute in the long run: nothing comes back within a test."""


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    yield from a_world(tmp_path_factory)


def hold(world: World, client_id: str, rate: Rate | None) -> None:
    """Hold a client to a rate, as the command line does in another process."""
    set_rate(world.store.clients, client_id, rate, Signature("tests", "because", 0))


def statuses(server: Secured, token: str, calls: int, **headers: str) -> list[int]:
    return [server.read(token, **headers).status_code for _ in range(calls)]


def figures(server: Secured) -> dict[str, float]:
    """The figures of `/metrics` about rates."""
    lines = server.session.get(f"{server.url}/metrics").text.splitlines()
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines)
        if name[:8] == "ror_rate"
    }


def test_beyond_its_rate_a_client_is_told_when_to_come_back(world: World):
    with serving(world) as server:
        token, other = server.token("regulation"), server.token("crisis")
        hold(world, "regulation", SLOW)
        start = time.monotonic()

        assert statuses(server, token, 7) == [200] * 5 + [429] * 2
        answer = server.read(token, **{"Accept-Language": "en"})
        elapsed_s = time.monotonic() - start

        issue = answer.json()["issue"][0]
        assert (answer.status_code, issue["code"]) == (429, "throttled")
        assert issue[
            "diagnostics"
        ] == "Too many calls: 1 a minute are allowed, 5 of them at once. " + (
            f"Wait {answer.headers['Retry-After']} s (Retry-After)."
        )
        assert 60 - elapsed_s <= int(answer.headers["Retry-After"]) <= 60
        assert server.read(other).status_code == 200
        hold(world, "regulation", None)
        assert statuses(server, token, 10) == [200] * 10


def test_who_waits_as_told_is_served(world: World):
    with serving(world) as server:
        token = server.token("crisis")
        hold(world, "crisis", Rate(15, 1))
        answers = [server.read(token)]

        def is_refused() -> bool:
            answers.append(server.read(token))
            return answers[-1].status_code == 429

        assert until(is_refused)
        time.sleep(int(answers[-1].headers["Retry-After"]))

        assert server.read(token).status_code == 200


def test_workers_share_the_allowance_of_a_client(world: World):
    with serving(world, ROR_WORKERS="3") as server:
        token = server.token("regulation")
        hold(world, "regulation", Rate(1, 12))

        answers = statuses(server, token, 24, Connection="close")

        assert answers == [200] * 12 + [429] * 12
        assert figures(server) == {
            'ror_rate_calls_total{client="regulation",outcome="allowed"}': 12,
            'ror_rate_calls_total{client="regulation",outcome="refused"}': 12,
            'ror_rate_calls_per_minute{client="regulation"}': 1,
            'ror_rate_calls_per_minute{client="crisis"}': 60,
            'ror_rate_burst{client="regulation"}': 12,
            'ror_rate_burst{client="crisis"}': 5,
        }


def test_a_server_that_starts_again_knows_what_was_used(world: World):
    hold(world, "regulation", SLOW)
    with serving(world) as server:
        token = server.token("regulation")
        assert statuses(server, token, 5) == [200] * 4 + [429]

    with serving(world) as server:
        assert statuses(server, token, 1) == [429]


def test_calls_that_are_refused_for_another_reason_count_as_well(world: World):
    with serving(world) as server:
        token = server.token("regulation")
        hold(world, "regulation", SLOW)
        without = [server.read(token, {}).status_code for _ in range(6)]

        assert without == [400] * 5 + [429]


def test_a_request_for_a_token_counts_and_is_refused_in_the_words_of_oauth(world: World):
    hold(world, "public", Rate(1, 3))
    with serving(world) as server:
        start = time.monotonic()
        answers = [server.ask_token(client_id="public", client_secret=SECRET) for _ in range(4)]
        elapsed_s = time.monotonic() - start

        assert [one.status_code for one in answers] == [200, 200, 200, 429]
        assert answers[3].json()["error"] == "temporarily_unavailable"
        assert 60 - elapsed_s <= int(answers[3].headers["Retry-After"]) <= 60
        assert answers[3].headers["Cache-Control"] == "no-store" and SECRET not in answers[3].text


def test_who_knows_the_name_of_a_client_only_uses_up_nothing_of_it(world: World):
    hold(world, "public", Rate(1, 3))
    with serving(world) as server:
        wrong = [
            server.ask_token(client_id="public", client_secret="x").status_code for _ in range(4)
        ]

        assert wrong == [401] * 4
        assert server.ask_token(client_id="public", client_secret=SECRET).status_code == 200


def test_what_is_open_to_everybody_is_not_counted(world: World):
    hold(world, "regulation", SLOW)
    with serving(world) as server:
        headers = {"Authorization": f"Bearer {server.token('regulation')}", **ANNOUNCED}
        opened = [
            server.session.get(server.url + path, headers=headers).status_code
            for path in ("/fhir/metadata", "/fhir", "/health/live", "/health/ready", "/metrics") * 3
        ]

        assert set(opened) == {200}
        assert statuses(server, headers["Authorization"][7:], 5) == [200] * 4 + [429]


def test_the_trail_tells_who_was_refused(world: World):
    hold(world, "public", Rate(1, 1))
    hold(world, "regulation", Rate(1, 2))
    with serving(world, ROR_AUDIT_FOLDER=world.file("trail")) as server:
        token = server.token("regulation")
        statuses(server, token, 2)
        for _ in range(2):
            server.ask_token(client_id="public", client_secret=SECRET)

    told = (one.record for one in find(Folder(world.folder / "trail"), Selection(status="429")))
    assert [
        (one.interaction, one.client, one.matches) for one in told if isinstance(one, Call)
    ] == [
        ("read", "regulation", 0),
        ("token", "public", 0),
    ]


def test_a_suspended_client_is_still_told_so(world: World):
    hold(world, "regulation", SLOW)
    with serving(world) as server:
        token = server.token("regulation")
        world.act("regulation", Action.SUSPEND)

        assert server.read(token).status_code == 401
        world.act("regulation", Action.RESUME)


# --- without a token ------------------------------------------------------------------------------


def test_addresses_without_a_token_are_held_to_a_rate_when_one_is_set(tmp_path):
    fill(f"sqlite:///{tmp_path}/ror.db")
    server = start(
        f"sqlite:///{tmp_path}/ror.db",
        ROR_ANONYMOUS_PROFILE="0",
        ROR_ANONYMOUS_CALLS_PER_MINUTE="1",
        ROR_TRUSTED_PROXIES="127.0.0.1",
    )
    try:
        first = [server.get("/fhir/Organization", x_forwarded_for="203.0.113.1") for _ in range(2)]
        # What a client writes itself stands before what the proxy writes.
        forged = server.get("/fhir/Organization", x_forwarded_for="198.51.100.9, 203.0.113.1")
        second = server.get("/fhir/Organization", x_forwarded_for="203.0.113.2")
        opened = server.get("/fhir/metadata", x_forwarded_for="203.0.113.1")
    finally:
        assert stop(server) == 0

    assert [one.status for one in (*first, forged, second, opened)] == [200, 429, 429, 200, 200]
    assert first[1].issue["code"] == "throttled" and int(first[1].headers["retry-after"]) <= 60


def test_a_stranger_cannot_say_that_it_calls_from_elsewhere(tmp_path):
    fill(f"sqlite:///{tmp_path}/ror.db")
    server = start(
        f"sqlite:///{tmp_path}/ror.db",
        ROR_ANONYMOUS_PROFILE="0",
        ROR_ANONYMOUS_CALLS_PER_MINUTE="1",
    )
    try:
        answers = [
            server.get("/fhir/Organization", x_forwarded_for=f"203.0.113.{one}") for one in range(2)
        ]
    finally:
        assert stop(server) == 0

    assert [one.status for one in answers] == [200, 429]


def test_a_file_that_cannot_be_opened_is_said_plainly(tmp_path):
    fill(f"sqlite:///{tmp_path}/ror.db")
    (tmp_path / "ror.db.rates").mkdir()

    with pytest.raises(AssertionError, match="rates"):
        start(f"sqlite:///{tmp_path}/ror.db")
