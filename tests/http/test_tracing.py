"""What calls leave in the audit trail of a running server, however it ends."""

import asyncio
import errno
import itertools
import resource
import signal
import socket
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ror.audit import pseudonyms as sensitive
from ror.audit.records import Call, instant
from ror.audit.trail import writing
from ror.audit.trail.folder import Folder
from ror.audit.trail.reading import Selection, find
from ror.audit.trail.verifying import verify
from ror.audit.trail.writing import Journal
from ror.directory import policy_change as masking
from ror.errors import Forbidden
from ror.http.exchange import Caller, Exchange, Headers, Response
from ror.http.reporting import MAX_DELAY_S, MAX_HELD, Reporter
from ror.http.routes import ROUTES
from ror.http.tracing import Tracer
from ror.observability import Metrics
from ror.runtime import trail_folder
from ror.settings import Settings
from ror.store import open_store
from tests.access.test_law import write
from tests.access.test_telecoms import telecom
from tests.audit.conftest import Clock
from tests.http.conftest import Server, fill, request, start, stop
from tests.waiting import until

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def directory(tmp_path: Path) -> str:
    """The URL of a directory of one's own."""
    url = f"sqlite:///{tmp_path}/ror.db"
    fill(url)
    return url


def trail_of(database: str) -> Folder:
    return Folder(trail_folder(Settings(database=database)))


def serve(database: str, **variables: str) -> Server:
    return start(database, **{"ROR_ANONYMOUS_PROFILE": "1", "ROR_ACCESS_LOG": "false", **variables})


def calls(database: str) -> list[Call]:
    return [
        one.record for one in find(trail_of(database), Selection()) if isinstance(one.record, Call)
    ]


def traced(database: str, *requests: bytes, **variables: str) -> list[Call]:
    """The calls that the trail tells once a server answered these requests and stopped."""
    server = serve(database, **variables)
    for one in requests:
        server.send(one)
    assert stop(server) == 0
    return calls(database)


Ask = Callable[..., Call]
_numbers = itertools.count()


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """`ask(target)`: the line of a call, as it stands in the trail of a server that goes on."""
    url = f"sqlite:///{tmp_path_factory.mktemp('traced')}/ror.db"
    fill(url)
    server, folder = serve(url), trail_of(url)

    def line_of(target: str, method: str = "GET", body: bytes = b"", **headers: str) -> Call:
        name = f"asked-{next(_numbers)}"
        server.send(request(target, method, body, x_request_id=name, **headers))
        lines = until(lambda: list(find(folder, Selection(request_id=name))))
        assert len(lines) == 1, f"{method} {target}"
        assert isinstance(lines[0].record, Call)
        return lines[0].record

    line_of.folder = folder  # type: ignore[attr-defined]
    yield line_of
    assert stop(server) == 0
    assert found(url) == []


def found(database: str) -> list[str]:
    return [one.what for one in verify(trail_of(database), instant(time.time_ns())[:10]).findings]


# --- one line a call ------------------------------------------------------------------------------


def test_a_read_is_told_with_who_what_and_how_it_went(ask):
    before, begun = instant(time.time_ns()), time.perf_counter()
    headers = {
        "ror_profil_utilisateur_code": "CU22",
        "ror_profil_utilisateur_system": "1.2.250.1.213.1.6.1.66",
        "ror_role_metier_code": "AUTOMATE",
    }
    line = ask("/fhir/Location/l1", **headers)

    assert before <= line.at <= instant(time.time_ns())
    assert (line.client, line.profile, line.certificate) == (None, 1, None)
    assert (line.method, line.route, line.interaction) == ("GET", "[type]/[id]", "read")
    assert (line.path, line.query, line.status) == ("/fhir/Location/l1", (), 200)
    assert (line.total, line.matches, line.included, line.withheld) == (None, 1, 0, 0)
    assert 0 < line.duration_us <= (time.perf_counter() - begun) * 1e6
    assert line.announced is not None
    assert (line.announced.user_profile, line.announced.role) == ("CU22", "AUTOMATE")
    assert (line.announced.user_profile_system, line.announced.role_system) == (
        "1.2.250.1.213.1.6.1.66",
        None,
    )


def test_a_call_is_told_with_the_policy_that_the_directory_is_under(directory: str):
    server = serve(directory)
    server.get("/fhir/Location/l1")
    server.get("/fhir/metadata")
    assert until(lambda: calls(directory))
    store = open_store(directory)
    masking.apply(store, "3.0", "tests")
    store.close()
    # The policy is looked at every quarter of a second.
    assert until(lambda: server.get("/fhir/Location/l1") and calls(directory)[-1].policy == "3.0")
    server.get("/nowhere")
    assert stop(server) == 0

    in_turn = [policy for policy, _ in itertools.groupby(one.policy for one in calls(directory))]
    assert in_turn == ["3.0.1", "3.0", None]


GOVERNED = (
    {"resourceType": "Organization", "id": "whole", "name": "Une"},
    {
        "resourceType": "Organization",
        "id": "cut",
        "name": "Une autre",
        "telecom": [telecom("2")],
    },
    {"resourceType": "Practitioner", "id": "hidden", "active": True},
)
"""
What profile 4, which sees neither professionals nor restricted telecoms, sees whole, in part and
not at all.
"""

WITHHELD = {
    "/fhir/Organization/whole": (200, 0),
    "/fhir/Organization/cut": (200, 1),
    "/fhir/Organization/cut?_elements=name": (200, 1),
    "/fhir/Practitioner/hidden": (404, 1),
    "/fhir/Practitioner/absent": (404, 0),
    "/fhir/Organization?name=une": (200, 1),
    "/fhir/Organization?_id=whole": (200, 0),
    "/fhir/Organization?name=une&_summary=count": (200, 0),
    "/fhir/Practitioner": (200, 0),
    "/fhir/Practitioner?colour=blue": (400, 0),
}


def test_what_the_policy_kept_from_an_answer_is_told_also_when_it_is_at_hand(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/ror.db"
    store = open_store(url)
    write(store, GOVERNED)
    store.close()

    targets = [target for target in WITHHELD for _ in range(2)]
    found = traced(url, *map(request, targets), ROR_ANONYMOUS_PROFILE="4")

    assert [(one.status, one.withheld) for one in found] == [WITHHELD[target] for target in targets]


def test_a_search_is_told_with_what_was_found(ask):
    line = ask("/fhir/Location?address-postalcode=44000&_count=3&_include=Location:organization")

    assert line.query == (
        ("address-postalcode", "44000"),
        ("_count", "3"),
        ("_include", "Location:organization"),
    )
    assert (line.total, line.matches, line.included) == (400, 3, 1)


def test_a_form_is_told_like_an_address(ask):
    line = ask("/fhir/Location/_search?_count=1", "POST", b"status=active", content_type=FORM)

    assert (line.query, line.matches) == ((("_count", "1"), ("status", "active")), 1)


def test_names_that_were_asked_for_are_nowhere_in_the_trail_and_yet_can_be_looked_for(ask):
    lines = [
        ask("/fhir/Organization?name=Zorglub"),
        ask("/fhir/Organization?nom=Zorglub"),
        ask("/fhir/Zorglub"),
        ask("/fhir/Organization/_search", "POST", b"_content=Zorglub", content_type=FORM),
        ask("/fhir/Organization?_filter=name%20co%20%22Zorglub%22"),
        ask("/fhir/Organization?name=Zorglub%E9"),
        ask("/fhir/Organization/Zorglub%20Zorglub"),
        ask("/fhir/Organization", ror_role_metier_code="Zorglub Zorglub"),
    ]

    assert [line.status for line in lines] == [200, 400, 404, 200, 200, 400, 404, 200]
    files = [path for path in ask.folder.path.rglob("*") if path.is_file()]
    assert [path for path in files if b"orglub" in path.read_bytes().lower()] == []
    hashed = ask.folder.veil().hashed("ZORGLUB")
    assert len(list(find(ask.folder, Selection(value=hashed)))) == 4


@pytest.mark.parametrize(
    ("target", "method", "status", "route"),
    [
        pytest.param("/fhir/Location/absent", "GET", 404, "[type]/[id]", id="what is not there"),
        pytest.param(
            "/fhir/Location?colour=blue", "GET", 400, "[type]", id="what is not understood"
        ),
        pytest.param("/fhir/Location/l1", "DELETE", 405, "[type]/[id]", id="what is not offered"),
        pytest.param(
            "/fhir/Location/$everything",
            "GET",
            405,
            "[type]/[operation]",
            id="what is refused by name",
        ),
        pytest.param("/nowhere/at/all", "GET", 404, "-", id="what is nowhere"),
    ],
)
def test_what_is_refused_is_told_too(ask, target, method, status, route):
    line = ask(target, method)

    assert (line.status, line.route, line.matches) == (status, route, 0)


def test_who_reads_without_being_anybody_is_told(directory):
    [line] = traced(directory, request("/fhir/Location/l1"), ROR_ANONYMOUS_PROFILE="")

    assert (line.status, line.client, line.profile) == (401, None, None)


def test_what_somebody_asked_who_was_refused_at_once_can_be_looked_for(directory):
    lines = traced(
        directory,
        request("/fhir/Location?_id=l1&organization.name=Zorglub", x_request_id="nobody"),
        request("/fhir/Location?_id=l1", "DELETE"),
        ROR_ANONYMOUS_PROFILE="",
    )

    hashed = trail_of(directory).veil().hashed("Zorglub")
    assert [(line.status, line.query) for line in lines] == [
        (401, (("_id", "l1"), ("organization.name", hashed))),
        (405, (("_id", "l1"),)),
    ]
    assert [
        one.record.request_id for one in find(trail_of(directory), Selection(value=hashed))
    ] == ["nobody"]


def test_what_is_open_to_everybody_is_not_told(directory):
    asked = [
        request(target)
        for target in ("/", "/fhir/metadata", "/health/live", "/health/ready", "/metrics")
    ]

    lines = traced(
        directory, *asked, request("/fhir/Location", "OPTIONS"), request("/fhir/Location/l1")
    )

    assert [line.path for line in lines] == ["/fhir/Location/l1"]


def test_without_a_trail_there_is_none(directory):
    assert traced(directory, request("/fhir/Location/l1"), ROR_AUDIT="false") == []
    assert not trail_of(directory).path.exists()


def test_a_trail_is_where_the_settings_say(directory, tmp_path):
    assert (
        traced(
            directory, request("/fhir/Location/l1"), ROR_AUDIT_FOLDER=str(tmp_path / "elsewhere")
        )
        == []
    )

    assert not trail_of(directory).path.exists()
    assert len(list(find(Folder(tmp_path / "elsewhere"), Selection()))) == 1


# --- however it ends ------------------------------------------------------------------------------


def test_nothing_is_lost_when_the_server_is_told_to_stop(directory):
    server = serve(directory)
    for number in range(200):
        server.get(f"/fhir/Location/l{number}")
    server.process.send_signal(signal.SIGTERM)
    server.process.communicate(timeout=20)

    assert len(calls(directory)) == 200
    assert found(directory) == []


def test_an_answer_that_nobody_waits_for_is_told_when_the_server_stops(directory):
    server = serve(directory, ROR_STOP_TIMEOUT_S="1")
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_024)
        # Pages upon pages, of which one byte is read: the server cannot get rid of them.
        connection.sendall(request("/fhir/Location?_count=400") * 40)
        assert connection.recv(1)
        assert stop(server) == 0

    lines = calls(directory)
    assert lines and {line.status for line in lines} == {200}
    assert found(directory) == []


def test_a_server_that_is_killed_loses_only_its_last_moments_and_the_next_one_says_so(directory):
    server, numbers = serve(directory), itertools.count()

    def ask_some() -> int:
        """How many calls were answered so far."""
        for number in itertools.islice(numbers, 50):
            server.get(f"/fhir/Location/l{number % 400}", x_request_id=str(number))
        return number + 1

    for _ in range(3):
        answered = ask_some()
        assert until(lambda answered=answered: len(calls(directory)) == answered)
    answered_at_last = ask_some()
    server.process.kill()
    server.process.communicate()

    assert found(directory) == ["unfinished"]
    assert stop(serve(directory)) == 0
    assert found(directory) in (["killed"], ["torn"])
    kept = [int(line.request_id) for line in calls(directory)]
    assert kept == list(range(len(kept)))
    assert answered <= len(kept) <= answered_at_last


def test_each_worker_has_its_own_file_and_no_call_is_lost(directory):
    server = serve(directory, ROR_WORKERS="2")
    # One file was for looking whether a trail can be opened at all.
    assert until(lambda: len(trail_of(directory).files()) == 3)
    for number in range(100):
        server.get(f"/fhir/Location/l{number}")
    assert stop(server) == 0

    assert len(calls(directory)) == 100
    assert found(directory) == []
    assert len(trail_of(directory).files()) == 3


# --- when it cannot be written --------------------------------------------------------------------


def metric(server: Server, name: str) -> float:
    lines = server.get("/metrics").body.decode().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(f"{name} ")))


def wait_for_readiness(server: Server, state: str) -> bool:
    return until(lambda: server.get("/health/ready").json == {"status": state})


def test_a_server_that_cannot_trace_gives_no_data_until_it_can(directory):
    server = serve(directory)
    assert server.get("/fhir/Location/l1").status == 200
    limits = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    # A write beyond this is refused as on a full disk.
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (500, limits[1]))
    assert server.get("/fhir/Location/l2").status == 200

    assert wait_for_readiness(server, "not-tracing")
    assert server.get("/health/ready").status == 503
    refused = server.get("/fhir/Location/l3", accept_language="en")
    assert (refused.status, refused.issue["code"]) == (503, "transient")
    assert "audit trail" in refused.issue["diagnostics"] and refused.headers["retry-after"]
    assert server.get("/fhir/Location?_count=1").status == 503
    assert (server.get("/fhir/metadata").status, server.get("/health/live").status) == (200, 200)
    assert metric(server, "ror_audit_failing") == 1

    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limits)
    assert wait_for_readiness(server, "ready")
    assert server.get("/fhir/Location/l4").status == 200
    assert metric(server, "ror_audit_failing") == 0
    assert [line["state"] for line in server.log("audit")] == ["failing", "recovered"]
    assert stop(server) == 0
    assert [(line.path[-2:], line.status) for line in calls(directory)] == [
        ("l1", 200),
        ("l2", 200),
        ("l3", 503),
        ("on", 503),
        ("l4", 200),
    ]
    assert found(directory) == []


def test_figures_say_how_many_lines_are_on_disk_and_how_long_they_waited(directory):
    server, begun = serve(directory), time.monotonic()
    for number in range(10):
        server.get(f"/fhir/Location/l{number}")

    assert until(lambda: metric(server, "ror_audit_lines_total") == 10)
    assert 0 <= metric(server, "ror_audit_lag_seconds") <= time.monotonic() - begun
    assert stop(server) == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_whose_trail_cannot_be_opened_does_not_start(directory, tmp_path, workers):
    (tmp_path / "taken").write_text("a file, where a folder should be")

    with pytest.raises(AssertionError, match=r"audit\.cannot-open|trace des accès"):
        serve(directory, ROR_AUDIT_FOLDER=str(tmp_path / "taken"), ROR_WORKERS=workers)


def test_a_file_that_is_taken_away_is_logged_and_missed(directory):
    server = serve(directory)
    server.get("/fhir/Location/l1")
    assert until(lambda: calls(directory))
    [file] = trail_of(directory).files()
    (trail_of(directory).path / file).unlink()
    assert until(lambda: server.log("audit"))
    server.get("/fhir/Location/l2")
    assert [(line["state"], line["file"]) for line in server.log("audit")] == [("vanished", file)]
    assert stop(server) == 0

    assert [line.path for line in calls(directory)] == ["/fhir/Location/l2"]
    assert found(directory) == ["missing"]


# --- before the journal ---------------------------------------------------------------------------


@pytest.fixture
def clock() -> Clock:
    return Clock("2026-11-24T23:59:59.900Z")


@pytest.fixture
def journal(tmp_path: Path, clock: Clock) -> Iterator[Journal]:
    folder = Folder(tmp_path / "trail")
    folder.make()
    opened = Journal(folder, now=clock)
    opened.open()
    yield opened
    opened.close()


@pytest.fixture
def reporter(journal: Journal) -> Reporter:
    one = Reporter(Metrics())
    one.trace(Tracer(journal, lambda: "3.0.1"))
    return one


SEARCH = next(route for route in ROUTES if route.path == "[type]/_search")


NIGHT = Clock("2026-11-24T23:59:59.900Z").now


def end(
    reporter: Reporter, response: Response, headers: Headers | None = None, at: int = NIGHT
) -> None:
    """Have a search be over that was given this response."""
    reporter.begin()
    reporter.end(
        Exchange(
            SEARCH,
            "POST",
            b"/fhir/Location/_search",
            b"",
            headers or {},
            "one",
            response,
            0.001,
            0,
            at,
        )
    )


def written(journal: Journal) -> list[Call]:
    journal.flush()
    return [one.record for one in find(journal.folder, Selection()) if isinstance(one.record, Call)]


def test_calls_that_wait_over_midnight_are_found_on_their_days(reporter, clock, journal):
    async def calls() -> None:
        end(reporter, Response(200, pairs=[("name", "before")]), at=clock())
        clock.set("2026-11-25T00:00:00.100Z")
        end(reporter, Response(200, pairs=[("name", "after")]), at=clock())
        reporter.flush()
        journal.flush()

    asyncio.run(calls())

    for day in ("2026-11-24", "2026-11-25"):
        found = [
            one.record.at[:10]
            for one in find(journal.folder, Selection(since=day, until=f"{day}T99"))
        ]
        assert found == [day]


def test_calls_that_asked_much_do_not_wait_for_others(reporter, journal):
    """What is held of calls is bounded, however long their forms are."""

    async def calls() -> int:
        for number in range(8):
            end(reporter, Response(200, pairs=[("name", f"{number}" * (MAX_HELD // 4))]))
        return len(written(journal))

    assert asyncio.run(calls()) == 8


def test_calls_do_not_wait_for_long_when_no_other_comes(reporter, journal):
    async def calls() -> list[int]:
        end(reporter, Response(200, pairs=[]))
        at_once = len(written(journal))
        await asyncio.sleep(2 * MAX_DELAY_S)
        return [at_once, len(written(journal))]

    assert asyncio.run(calls()) == [0, 1]


def test_a_disk_that_stalls_is_noticed_before_the_first_answer_after_a_pause(
    reporter, journal, monkeypatch
):
    async def call() -> list[bool]:
        noticed = [journal.is_failing]
        monkeypatch.setattr(writing, "STALLED_S", 0.1)
        with journal._flushing:
            time.sleep(1.2)
            reporter.begin()
            noticed.append(journal.is_failing)
        return noticed

    assert asyncio.run(call()) == [False, True]


def test_the_body_of_an_answer_is_not_held_until_its_line_is_made(reporter):
    async def call() -> Response:
        response = Response(200, b"x" * 1_000, pairs=[])
        end(reporter, response)
        return response

    assert asyncio.run(call()).body == b""


def test_a_call_that_cannot_be_told_takes_no_other_with_it(reporter, journal, monkeypatch):
    def broken(resource_type: str | None, name: str) -> None:
        raise ValueError(name)

    async def calls() -> None:
        monkeypatch.setattr(sensitive, "treatment_of", broken)
        for pairs in ([("name", "secret")], []):
            end(reporter, Response(200, pairs=pairs))
        reporter.flush()

    asyncio.run(calls())

    first, second = written(journal)
    assert "secret" not in str(first)
    assert (len(first.query), len(second.query)) == (1, 0)


def test_figures_that_cannot_be_counted_take_no_line_with_them(reporter, journal, monkeypatch):
    def full(*counted: object) -> None:
        raise OSError(errno.EFBIG, "the file of the figures cannot grow")

    async def call() -> None:
        end(reporter, Response(200, pairs=[]))
        reporter.flush()

    monkeypatch.setattr(Metrics, "count_responses", full)
    with pytest.raises(OSError, match="cannot grow"):
        asyncio.run(call())

    assert len(written(journal)) == 1


def test_nothing_of_a_call_that_is_refused_stays(reporter):
    """The token of a call is reached from its refusal."""

    class Token:
        pass

    async def calls() -> "weakref.ref[Token]":
        refusal = Forbidden("access.does-not-read")
        token = refusal.token = Token()
        end(reporter, Response(403, pairs=[], caller=Caller(refusal=refusal)))
        reporter.flush()
        return weakref.ref(token)

    assert asyncio.run(calls())() is None


def test_nothing_large_that_a_call_announced_stays(reporter):
    sent = b"x" * 60_000
    held = sys.getrefcount(sent)

    async def calls() -> None:
        end(reporter, Response(200, pairs=[]), {b"ror-role-metier-code": sent})
        reporter.flush()

    asyncio.run(calls())
    assert sys.getrefcount(sent) == held
