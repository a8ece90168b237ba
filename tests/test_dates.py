"""
Versions and instants: what a directory records, what its clients are told, and what an import may
say.

Every rule of decision 31 has a test here, on real files and, where clients are concerned, over
HTTP.
"""

import json
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from ror.access.policy import Policy
from ror.directory import policy_change
from ror.directory.importing import Report, documents, run
from ror.errors import UsageError
from ror.search.language.values import covering, instant_of, instant_text
from ror.store import open_store
from ror.store.contract import Store
from tests.conftest import Server, clean_environment, serving
from tests.waiting import until

OLD, KEPT, NEW = "2024-01-01T00:00:00Z", "2024-06-01T00:00:00Z", "2024-12-01T00:00:00Z"


def place(name: str, date: str | None = None, identity: str = "1", **meta: Any) -> dict[str, Any]:
    """A place whose content is its name, dated by its source when `date` is given."""
    dated = {**meta, "lastUpdated": date} if date else meta
    resource = {"resourceType": "Location", "id": identity, "name": name}
    return {**resource, "meta": dated} if dated else resource


def lines(*resources: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in resources)


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ror.db"


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    opened = open_store(database)
    yield opened
    opened.close()


def imported(store: Store, tmp_path: Path, *resources: dict[str, Any], **terms: bool) -> Report:
    """The report of an import of these resources."""
    file, report = tmp_path / "given.ndjson", Report()
    file.write_bytes(lines(*resources))
    run(store, documents([str(file)]), report, now=time.time_ns() // 1_000, workers=0, **terms)
    return report


def ror(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ror", *arguments]
    environment = {**clean_environment(), "LANG": "en_US.UTF-8"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, **options)


def versions(store: Store, identity: str = "1") -> list[int]:
    return [row.version for row in store.history("Location", identity)]


def kept(store: Store, identity: str = "1") -> Any:
    stored = store.read("Location", identity)
    assert stored is not None
    return stored


def name_of(store: Store, identity: str = "1") -> str:
    return str(json.loads(kept(store, identity).body)["name"])


# --- the instant of a version ---------------------------------------------------------------------


@pytest.mark.parametrize("date", [OLD, NEW, None], ids=["dated", "dated later", "without a date"])
def test_an_instant_is_when_the_directory_recorded_the_version(store, tmp_path, date):
    before = time.time_ns() // 1_000_000 * 1_000

    imported(store, tmp_path, place("a", date))

    assert before <= kept(store).last_updated <= time.time_ns() // 1_000
    assert kept(store).last_updated % 1_000 == 0, "FHIR writes milliseconds"


def test_the_date_of_the_source_is_kept_beside_each_version(store, tmp_path):
    imported(store, tmp_path, place("a", KEPT))
    imported(store, tmp_path, place("b", NEW))
    imported(store, tmp_path, place("c"))

    dates = [row.source_updated for row in store.history("Location", "1")]
    assert dates == [0, covering(NEW).first, covering(KEPT).first]


def test_instants_never_decrease_when_the_clock_goes_back(store, tmp_path):
    imported(store, tmp_path, place("a"), place("a", identity="2"))
    ahead = instant_of("2099-01-01T00:00:00Z")
    # What a clock that was ahead for a while leaves behind.
    with closing(sqlite3.connect(tmp_path / "ror.db", isolation_level=None)) as connection:
        connection.execute("UPDATE change SET recorded_at = ? WHERE seq = 2", (ahead,))

    imported(store, tmp_path, place("b"))
    second = kept(store).last_updated
    store.delete("Location", "1", "test")

    assert second == kept(store).last_updated == ahead
    assert [one.recorded_at for one in store.changes_after(1, 100)] == [ahead] * 3


def test_instants_follow_the_commits_of_several_processes(store, database):
    program = (
        "import sys; from ror.store import open_store; from tests.conftest import draft_of\n"
        "store = open_store(sys.argv[1])\n"
        "for n in range(60):\n"
        "    one = {'resourceType': 'Location', 'id': sys.argv[2], 'name': str(n)}\n"
        "    store.put([draft_of(one)], 'test')\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", program, database, name]) for name in ("a", "b")
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0]

    log = store.changes_after(0, 1_000)
    instants = [one.recorded_at for one in log]
    assert len(log) == 120
    assert instants == sorted(instants)
    for name in ("a", "b"):
        dates = [row.last_updated for row in store.history("Location", name)]
        assert dates == sorted(dates, reverse=True)


# --- what is a change -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "again",
    [
        pytest.param(place("a", NEW), id="a newer date"),
        pytest.param(place("a", KEPT, versionId="9"), id="another version of the source"),
        pytest.param(place("a", NEW, versionId="9"), id="both"),
        pytest.param(place("a"), id="no date"),
    ],
)
def test_a_date_or_a_version_alone_changes_nothing(store, tmp_path, again):
    imported(store, tmp_path, place("a", KEPT, versionId="7"))
    before, last = kept(store), store.last_change()

    report = imported(store, tmp_path, again)

    assert (report.unchanged, report.updated, report.older) == (1, 0, 0)
    assert kept(store).last_updated == before.last_updated
    assert (versions(store), store.last_change()) == ([1], last)


def test_a_newer_date_alone_is_noted_and_protects_what_is_kept(store, tmp_path):
    imported(store, tmp_path, place("a", OLD))
    imported(store, tmp_path, place("a", NEW))

    report = imported(store, tmp_path, place("b", KEPT))

    assert kept(store).source_updated == covering(NEW).first
    assert (report.older, name_of(store)) == (1, "a")


def test_the_rest_of_meta_is_content(store, tmp_path):
    imported(store, tmp_path, place("a", KEPT, source="#1"))

    report = imported(store, tmp_path, place("a", KEPT, source="#2"))

    assert (report.updated, versions(store)) == (1, [2, 1])


def test_the_same_date_with_another_content_is_a_version(store, tmp_path):
    imported(store, tmp_path, place("a", KEPT))

    report = imported(store, tmp_path, place("b", KEPT))

    assert (report.updated, name_of(store)) == (1, "b")


def test_a_change_of_what_a_viewer_may_see_is_no_version(store, tmp_path):
    sensitive = {
        "url": "https://interop.esante.gouv.fr/ig/fhir/ror/StructureDefinition/"
        "ror-healthcareservice-sensitive-unit",
        "valueBoolean": True,
    }
    offer = {
        "resourceType": "HealthcareService",
        "id": "hs",
        "location": [{"reference": "Location/1"}],
    }
    imported(store, tmp_path, place("a"), offer)
    before, seq = kept(store), store.last_change()

    imported(store, tmp_path, {**offer, "extension": [sensitive]})

    lines_of_place = [one for one in store.changes_after(seq, 10) if one.rid == before.rid]
    assert len(lines_of_place) == 1, "its visibility changed"
    assert (kept(store).version, kept(store).last_updated) == (1, before.last_updated)
    assert lines_of_place[0].recorded_at >= before.last_updated


# --- older than what is kept ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", "b"], ids=["the same content", "another content"])
def test_what_is_older_than_what_is_kept_changes_nothing_and_is_reported(store, tmp_path, name):
    imported(store, tmp_path, place("a", KEPT))
    before, last = kept(store), store.last_change()

    report = imported(store, tmp_path, place("x", identity="2"), place(name, OLD))

    assert (report.created, report.updated, report.unchanged, report.older) == (1, 0, 0, 1)
    (overtaken,) = report.overtaken
    assert (overtaken.place.line, overtaken.type, overtaken.id) == (2, "Location", "1")
    assert instant_text(overtaken.source_updated) == "2024-01-01T00:00:00.000+00:00"
    assert instant_text(overtaken.kept_updated) == "2024-06-01T00:00:00.000+00:00"
    assert kept(store) == before
    assert store.last_change() == last + 1


def test_what_is_older_is_taken_on_demand(store, tmp_path):
    imported(store, tmp_path, place("a", KEPT))
    before = kept(store)

    report = imported(store, tmp_path, place("b", OLD), take_older=True)

    assert (report.updated, report.older, name_of(store)) == (1, 0, "b")
    assert kept(store).source_updated == covering(OLD).first
    assert kept(store).last_updated >= before.last_updated, "the instant is still ours"


def test_of_two_versions_in_one_import_the_older_date_loses(store, tmp_path):
    report = imported(store, tmp_path, place("new", NEW), place("old", OLD))

    assert (report.created, report.older, name_of(store)) == (1, 1, "new")


def test_what_was_deleted_here_comes_back_whatever_its_date(store, tmp_path):
    imported(store, tmp_path, place("a", KEPT))
    store.delete("Location", "1", "test")

    report = imported(store, tmp_path, place("b", OLD))

    assert (report.created, name_of(store)) == (1, "b")


def test_the_command_reports_what_is_older_and_takes_it_on_demand(database, tmp_path):
    given, late = tmp_path / "kept.ndjson", tmp_path / "late.ndjson"
    given.write_bytes(lines(place("a", KEPT)))
    late.write_bytes(lines(place("b", OLD)))
    assert ror("import", "--create", "--database", database, str(given)).returncode == 0

    told = ror("import", "--database", database, str(late))
    machine = ror("import", "--database", database, "--json", str(late))
    taken = ror("import", "--database", database, "--json", "--take-older", str(late))

    assert told.returncode == 0
    for text in (f"{late}:1", "Location/1", "2024-01-01T00:00", "2024-06-01T00:00"):
        assert text in told.stderr
    assert "--take-older" in told.stdout
    assert json.loads(machine.stdout)["older"] == 1
    assert json.loads(machine.stdout)["overtaken"][0]["resource"] == "Location/1"
    assert json.loads(taken.stdout)["updated"] == 1


# --- keeping the dates of a source ----------------------------------------------------------------


def test_the_first_load_may_keep_the_dates_of_its_source(store, tmp_path):
    report = imported(store, tmp_path, place("a", KEPT), place("b", identity="2"), keep_dates=True)

    assert report.created == 2
    assert kept(store).last_updated == covering(KEPT).first
    assert kept(store, "2").last_updated > covering(NEW).first, "without a date, its own instant"


def test_no_date_that_is_kept_is_in_the_future(store, tmp_path):
    soon = instant_text(time.time_ns() // 1_000 + 120_000_000)

    report = imported(store, tmp_path, place("a", soon), keep_dates=True)

    assert report.created == 1, "clocks differ by a few minutes"
    assert kept(store).last_updated <= time.time_ns() // 1_000
    assert kept(store).source_updated == covering(soon).first


@pytest.mark.parametrize("deleted", [False, True], ids=["holds something", "held something"])
def test_dates_are_kept_only_while_the_directory_is_empty(store, tmp_path, deleted):
    imported(store, tmp_path, place("a", KEPT))
    if deleted:
        store.delete("Location", "1", "test")

    with pytest.raises(UsageError) as refused:
        imported(store, tmp_path, place("b", NEW, "2"), keep_dates=True)

    assert "--keep-dates" in refused.value.text("en")
    assert store.rid("Location", "2") is None


def test_a_load_that_is_complete_is_not_resumed(store, tmp_path):
    imported(store, tmp_path, place("a", KEPT), keep_dates=True)

    with pytest.raises(UsageError):
        imported(store, tmp_path, place("b", NEW, "2"), keep_dates=True)


def test_an_interrupted_load_is_resumed_with_its_dates(database, tmp_path):
    """A kill falls between two commits; what was loaded keeps its dates, and the rest gets them."""
    file = tmp_path / "all.ndjson"
    many = [place(f"n{n}", KEPT, str(n)) for n in range(6_000)]
    file.write_bytes(lines(*many))
    command = [
        sys.executable,
        "-m",
        "ror",
        "import",
        "--create",
        "--database",
        database,
        "--keep-dates",
    ]
    with subprocess.Popen([*command, str(file)], env=clean_environment()) as process:
        watched = open_store(database)
        until(lambda: watched.last_change() > 0)
        process.send_signal(signal.SIGKILL)
    loaded = watched.last_change()

    again = ror("import", "--database", database, "--keep-dates", "--json", str(file))

    assert 0 < loaded < len(many), "it was interrupted"
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["unchanged"] == loaded
    rows = [row for _, batch in watched.all_index_rows() for row in batch]
    assert {row.last_updated for row in rows} == {covering(KEPT).first}
    assert len(rows) == len(many)
    watched.close()


def test_an_interrupted_load_is_not_resumed_over_what_others_wrote(store, tmp_path):
    store.begin_dated_load()
    imported(store, tmp_path, place("a", KEPT))

    with pytest.raises(UsageError):
        imported(store, tmp_path, place("b", NEW, "2"), keep_dates=True)


# --- what clients are told ------------------------------------------------------------------------


def grown(server: Server, *resources: dict[str, Any], tmp_path: Path) -> None:
    """Import into the directory of a running server, and wait until a search sees it."""
    file = tmp_path / "more.ndjson"
    file.write_bytes(lines(*resources))
    assert ror("import", "--database", server.database, str(file)).returncode == 0
    store = open_store(server.database)
    last = instant_text(store.instant_of(store.last_change()))
    store.close()
    until(lambda: server.search("Location", _count="0")["meta"]["lastUpdated"] == last)


@pytest.fixture
def running(database: str, tmp_path: Path) -> Iterator[Server]:
    store = open_store(database)
    imported(store, tmp_path, place("a", KEPT, versionId="7"), place("b", KEPT, "2"))
    store.close()
    with serving(database) as server:
        yield server


def test_bodies_say_their_version_and_instant_on_read_and_search(running, tmp_path):
    grown(running, place("c", NEW), tmp_path=tmp_path)

    read = running.get("Location/1")
    bundle = running.search("Location", _id="1")
    (entry,) = bundle["entry"]
    second = running.get("Location/2").json()["meta"]

    assert read.json() == entry["resource"]
    assert read.json()["meta"]["versionId"] == "2"
    assert read.headers["etag"] == 'W/"2"'
    assert second["versionId"] == "1"
    assert (
        second["lastUpdated"] < read.json()["meta"]["lastUpdated"] <= bundle["meta"]["lastUpdated"]
    )
    assert list(read.json())[:3] == ["resourceType", "id", "meta"]


@pytest.mark.parametrize(
    "part",
    [{"_elements": "name"}, {"_summary": "true"}, {"_summary": "text"}, {"_summary": "data"}],
)
def test_a_part_of_a_resource_says_its_version(running, part):
    read = running.get("Location/1", **part).json()
    (entry,) = running.search("Location", _id="1", **part)["entry"]

    assert read["meta"]["versionId"] == entry["resource"]["meta"]["versionId"] == "1"
    assert read["meta"]["lastUpdated"] == entry["resource"]["meta"]["lastUpdated"]


def test_what_comes_late_is_found_by_a_delta(running, tmp_path):
    known = running.search("Location")["meta"]["lastUpdated"]

    grown(running, place("late", OLD, "3"), place("again", KEPT), tmp_path=tmp_path)

    delta = running.search("Location", _lastUpdated=f"ge{known}")
    ordered = running.search("Location", _sort="-_lastUpdated", _count="2")
    found = {entry["resource"]["id"] for entry in delta["entry"]}
    assert found >= {"1", "3"}
    assert {entry["resource"]["id"] for entry in ordered["entry"]} == {"1", "3"}


def test_what_came_again_is_not_answered_as_not_modified(running, tmp_path):
    before = running.get("Location/1")
    other = running.get("Location/2")

    grown(running, place("again", KEPT), tmp_path=tmp_path)

    def since(path: str, answer: httpx.Response) -> int:
        headers = {"If-Modified-Since": answer.headers["last-modified"]}
        return running.client.get(f"{running.base_url}/{path}", headers=headers).status_code

    assert since("Location/1", before) == 200
    assert since("Location/2", other) == 304


def test_two_versions_of_one_second_are_told_apart(running, tmp_path):
    """HTTP dates have whole seconds: who holds the first of two versions must get the second."""
    store = open_store(running.database)
    until(lambda: time.time() % 1 < 0.3)
    imported(store, tmp_path, place("first", identity="3"))
    held = running.get("Location/3")
    imported(store, tmp_path, place("second", identity="3"))
    rows = store.history("Location", "3")
    store.close()

    headers = {"If-Modified-Since": held.headers["last-modified"]}
    answer = running.client.get(f"{running.base_url}/Location/3", headers=headers)

    assert rows[0].last_updated // 1_000_000 == rows[1].last_updated // 1_000_000
    assert answer.status_code == 200
    assert answer.json()["name"] == "second"


def test_the_instant_of_a_searchset_is_that_of_the_last_commit_it_saw(running, tmp_path):
    store = open_store(running.database)
    try:
        for n in range(3):
            grown(running, place(f"n{n}", OLD, f"more-{n}"), tmp_path=tmp_path)
            newest = store.instant_of(store.last_change())
            for resource_type in ("Location", "Organization"):
                bundle = running.search(resource_type)
                assert bundle["meta"]["lastUpdated"] == instant_text(newest)
    finally:
        store.close()


def test_a_copy_misses_nothing_of_what_others_write_meanwhile(running, database):
    """
    A copy that asks `ge` the instant of the answer before gets every version, in whatever order.
    """
    store, writes = open_store(database), 150
    held: dict[str, str] = {}

    def write() -> None:
        from tests.conftest import draft_of

        for n in range(writes):
            store.put([draft_of(place(f"name {n}", identity=f"w{n % 40}"))], "test")

    writer = threading.Thread(target=write)
    writer.start()
    since, last_round = "2000-01-01T00:00:00.000+00:00", False
    while True:
        bundle = running.search("Location", _lastUpdated=f"ge{since}", _count="1000")
        for entry in bundle.get("entry", ()):
            held[entry["resource"]["id"]] = entry["resource"]["meta"]["versionId"]
        since = bundle["meta"]["lastUpdated"]
        if last_round and since == instant_text(store.instant_of(store.last_change())):
            break
        last_round = not writer.is_alive()
    writer.join()

    expected = {f"w{n}": str(kept(store, f"w{n}").version) for n in range(40)}
    store.close()
    assert {name: held.get(name) for name in expected} == expected


def test_an_empty_directory_has_no_last_commit(database):
    open_store(database).close()
    with serving(database) as server:
        assert "meta" not in server.search("Location")


# --- the last write of `stats` --------------------------------------------------------------------


def test_stats_tell_the_last_write_also_when_it_changed_masks_only(store, database, tmp_path):
    task = {"resourceType": "Task", "id": "t", "status": "requested", "intent": "order"}
    imported(store, tmp_path, place("a", OLD), task, keep_dates=True)
    policy_change.apply(store, Policy("3.0").name, "test")
    newest = store.instant_of(store.last_change())

    facts = json.loads(ror("stats", "--database", database, "--json").stdout)

    assert facts["last_change"] == instant_text(newest // 1_000_000 * 1_000_000).replace(".000", "")
    assert facts["last_change"] > NEW
