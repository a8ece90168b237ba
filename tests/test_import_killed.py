"""
An import that is killed loses nothing that it reported, and running it again gives the directory it
would have given.

A kill falls between two commits: what was committed is there whole, what was not left no trace.
Running again finds the former unchanged (same digest, no new version) and keeps the latter, so that
each resource has exactly the versions that one import makes, except for a document given twice in
the file: its first version may have to be written again over the second, and the second over it,
which adds two.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ror.directory.importing import Report, documents, run
from ror.samples import generate
from ror.search.index.index import Index
from ror.store import open_store
from tests.waiting import until

RESOURCES = 3_000
NOW = 1_790_000_000_000_000

IMPORT = """
import sys
from ror.directory.importing import Report, documents, run
from ror.directory.importing.running import Listeners
from ror.store import open_store

def main():
    store = open_store(sys.argv[1])
    def tell(report):
        print(report.created, report.updated, report.unchanged, flush=True)
    run(store, documents([sys.argv[2]]), Report(), now=int(sys.argv[3]), listeners=Listeners(progress=tell))

if __name__ == "__main__":
    main()
"""
"""An import that says what is done after each batch."""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("given") / "directory.ndjson"
    lines = [line for line, _ in zip(generate("small", 5), range(RESOURCES), strict=False)]
    path.write_bytes(b"\n".join(lines))
    return path


@pytest.fixture(scope="module")
def undisturbed(file, tmp_path_factory):
    """
    The directory of an import that nobody interrupts, and the seconds between two of its reports.
    """
    database = f"sqlite:///{tmp_path_factory.mktemp('undisturbed')}/ror.db"
    with subprocess.Popen(command(database, file), stdout=subprocess.PIPE) as process:
        at = [time.monotonic() for _ in process.stdout]
    assert process.returncode == 0
    store = open_store(database)
    yield contents(store), (at[-1] - at[0]) / (len(at) - 1)
    store.close()


def command(database, file):
    return [sys.executable, "-c", IMPORT, database, str(file), str(NOW)]


def contents(store):
    """
    Everything that can be read or searched, and the number of versions, whatever the order of
    arrival.
    """
    rows = [row for _, batch in store.all_index_rows() for row in batch]
    bodies = store.bodies([row.rid for row in rows])
    named = {row.rid: (row.type, row.id) for row in rows}
    return {
        (row.type, row.id): (
            (body.body, body.visibility, body.plan),
            row.entries,
            [named.get(target) for target in row.targets],
            len(store.history(row.type, row.id)),
        )
        for row, body in zip(rows, bodies, strict=True)
    }


def of_itself(content):
    """
    What a resource holds whatever else is there: its masks follow from others, which may not have
    come yet.
    """
    (body, _, plan), entries, *_ = content
    return body, plan, entries


def killed(file, database, reports, moment_s):
    """
    What an import leaves that is killed a moment after so many of its six reports, and all that it
    reported.
    """
    process = subprocess.Popen(command(database, file), stdout=subprocess.PIPE, text=True)
    reported = [process.stdout.readline() for _ in range(reports)]
    time.sleep(moment_s)
    process.kill()
    reported += process.communicate()[0].splitlines()
    return open_store(database), reported


@pytest.mark.parametrize("seed", range(3))
def test_an_import_killed_at_any_moment_loses_nothing_and_can_be_run_again(
    file, undisturbed, tmp_path, seed
):
    expected, pause_s = undisturbed
    moment_s = random.Random(seed).uniform(0, pause_s)
    for attempt in range(10):
        store, reported = killed(file, f"sqlite:///{tmp_path}/{attempt}.db", seed + 1, moment_s)
        kept = contents(store)
        if len(kept) < len(expected):
            break
        # On a machine that stalls, the import may come to its end before it is killed.
        store.close()

    done = sum(map(int, reported[-1].split()))
    assert len(kept) >= done > 0, "something reported as done is not there"
    assert len(kept) < len(expected), "nothing was left to do"
    assert all(of_itself(kept[key]) == of_itself(expected[key]) for key in kept)
    first_lines = [json.loads(line) for line in file.read_bytes().splitlines()[:done]]
    assert all((one["resourceType"], one["id"]) in kept for one in first_lines)

    report = Report()
    run(store, documents([str(file)]), report, now=NOW)
    assert contents(store) == expected
    assert (report.unchanged, report.created, report.updated) == (
        len(kept),
        len(expected) - len(kept),
        0,
    )
    # What the facts of an offer reach gets other masks, hence lines of its own in the log, but no
    # version.
    written = {(change.rid, change.version) for change in store.changes_after(0, 100_000)}
    assert len(written) == len(expected)
    index = Index(store, tmp_path / "index")
    index.open()
    assert sum(len(index.view.of_type(name)) for name in store.counts()) == len(expected)
    store.close()


def test_a_kill_leaves_no_worker_behind(file, tmp_path):
    process = subprocess.Popen(
        command(f"sqlite:///{tmp_path}/ror.db", file),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while sum(map(int, process.stdout.readline().split())) <= 1_000:
        pass
    group = process.pid
    assert len(members(group)) > 1, "the worker processes were not there to begin with"

    process.kill()
    process.wait()

    assert until(lambda: members(group) == [])
    process.stdout.close()


def members(group):
    """The living processes of a session."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(folder.name)) == group:
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
                found += [folder.name] if state != "Z" else []
        except (ProcessLookupError, FileNotFoundError):
            continue
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_after_the_batch_and_says_what_is_done(file, tmp_path, number):
    database = f"sqlite:///{tmp_path}/ror.db"
    program = [
        sys.executable,
        "-m",
        "ror",
        "import",
        "-",
        "--create",
        "--database",
        database,
        "--json",
    ]
    process = subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )

    # Standard input stays open: the signal comes while the rest is waited for.
    process.stdin.write(file.read_bytes()[:2_000_000])
    process.stdin.flush()
    store = wait_for_some(tmp_path / "ror.db", database)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)

    report = json.loads(output)
    assert process.returncode == 128 + number
    assert report["interrupted"]
    assert report["created"] == sum(store.counts().values()) > 0
    store.close()


def wait_for_some(path, database):
    """The store, once another process has written something into it."""
    assert until(path.exists)
    store = open_store(database)
    assert until(store.last_change)
    return store
