"""
Several processes write one trail, and die as processes do: what they leave is whole, and says how
they ended.
"""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ror.audit.records import Call, Sealed, decode, instant
from ror.audit.trail.chain_file import seal, texts
from ror.audit.trail.folder import Folder
from ror.audit.trail.reading import Selection, find
from ror.audit.trail.verifying import verify
from ror.audit.trail.writing import FLUSH_S, Journal
from tests.waiting import until

WRITER = """
import os, signal, sys, time
from pathlib import Path
from ror.audit.records import Call, instant
from ror.audit.trail.folder import Folder
from ror.audit.trail.writing import Journal

name, pause_s, ending = sys.argv[2], float(sys.argv[3]), sys.argv[4]
folder = Folder(Path(sys.argv[1]))
folder.make()
journal = Journal(folder)
journal.open()
for number in range(2_000 if ending != "never" else 10_000_000):
    facts = dict(request_id=f"{name}-{number}", client=None, method="GET", route="[type]/[id]", interaction="read")
    journal.write(Call(at=instant(time.time_ns()), path="/fhir/Location/l1", status=200, duration_us=1, **facts))
    print(number, flush=True)
    time.sleep(pause_s)
if ending == "closed":
    journal.close()
if ending == "killed":
    journal.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""
"""
A process that answers calls, and says which; it ends with or without closing, is killed, or never
ends.
"""

AT = instant(time.time_ns())
TODAY = AT[:10]


def writer(
    folder: Folder, name: str, pause_s: float = 0.0, ending: str = "closed"
) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", WRITER, str(folder.path), name, str(pause_s), ending]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def request_ids(folder: Folder) -> list[str]:
    return [
        one.record.request_id for one in find(folder, Selection()) if isinstance(one.record, Call)
    ]


def what(folder: Folder) -> list[str]:
    return [one.what for one in verify(folder, TODAY).findings]


def killed_while_writing(folder: Folder) -> tuple[int, int]:
    """
    How many calls of a process were on disk while it went on, and how many it answered until it was
    killed.
    """
    # Slow enough for a pipe to hold what it says.
    process = writer(folder, "a", pause_s=0.001, ending="never")
    on_disk = 0
    try:
        # Once could be chance: what comes next is brought to disk as well, without anybody asking.
        for _ in range(3):
            on_disk = until(
                lambda former=on_disk: (now := len(request_ids(folder))) > former and now
            )
            assert on_disk
        time.sleep(random.Random(time.time_ns()).uniform(0, 2 * FLUSH_S))
    finally:
        process.send_signal(signal.SIGKILL)
        said, _ = process.communicate()
    # It may have handed one more over than it came to say.
    return on_disk, said.count(b"\n") + 1


def file_of_a_killed_process(folder: Folder) -> Path:
    """The file of a process that was killed when all its lines were on disk."""
    writer(folder, "a", ending="killed").communicate()
    [file] = folder.files()
    return folder.path / file


def sealed_by_another_process(folder: Folder) -> list[Sealed]:
    one = Journal(folder)
    one.open()
    one.close()
    records = [
        decode(text)
        for file in folder.files()
        for text in texts(folder.path / file)
        if b'"sealed"' in text
    ]
    return [record for record in records if isinstance(record, Sealed)]


def test_several_processes_write_one_trail_at_the_same_time(folder):
    processes = [writer(folder, name) for name in "abc"]
    for process in processes:
        process.communicate()

    assert what(folder) == []
    assert sorted(request_ids(folder)) == sorted(
        f"{name}-{number}" for name in "abc" for number in range(2_000)
    )


@pytest.mark.parametrize("ending", ["closed", "left open"])
def test_a_process_that_ends_by_itself_has_written_everything_and_says_so(folder, ending):
    writer(folder, "a", ending=ending).communicate()

    assert what(folder) == []
    assert request_ids(folder) == [f"a-{number}" for number in range(2_000)]


def test_a_process_that_is_killed_loses_only_its_last_moments(folder):
    on_disk, answered = killed_while_writing(folder)

    assert what(folder) == ["unfinished"]
    [seal] = sealed_by_another_process(folder)

    assert what(folder) == ["torn" if seal.torn_bytes else "killed"]
    kept = request_ids(folder)
    assert kept == [f"a-{number}" for number in range(len(kept))]
    assert on_disk <= len(kept) <= answered


@pytest.mark.parametrize("lost", [1, 2, 50, 150])
def test_a_line_that_was_torn_is_told_and_sealed_by_the_next_process(folder, lost):
    path = file_of_a_killed_process(folder)
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rindex(b"\n", 0, -1) + 1 + lost])
    assert set(what(folder)) == {"not-a-line", "unfinished"}

    [seal] = sealed_by_another_process(folder)

    assert seal.torn_bytes == lost
    assert what(folder) == ["torn"]


def test_a_line_that_lacks_nothing_but_its_break_is_not_torn(folder):
    path = file_of_a_killed_process(folder)
    path.write_bytes(path.read_bytes().removesuffix(b"\n"))

    [seal] = sealed_by_another_process(folder)

    assert seal.torn_bytes == 0
    assert what(folder) == ["killed"]
    assert len(request_ids(folder)) == 2_000


@pytest.mark.parametrize("left", [0, 10])
def test_a_process_killed_before_its_first_line_was_whole_is_told(folder, left):
    path = file_of_a_killed_process(folder)
    path.write_bytes(path.read_bytes()[:left])

    [seal] = sealed_by_another_process(folder)

    assert seal.torn_bytes == left
    assert what(folder) == ["torn" if left else "killed"]


@pytest.mark.parametrize("left", [1, 2, 60])
@pytest.mark.parametrize("of_first_line", [False, True])
def test_a_seal_that_was_torn_in_its_turn_is_told_and_sealed_again(folder, left, of_first_line):
    path = file_of_a_killed_process(folder)
    [file] = folder.files()
    torn = path.read_bytes()[: 20 if of_first_line else -50]
    path.write_bytes(torn)
    seal(folder, file, AT)
    path.write_bytes(path.read_bytes()[: len(torn) + left])

    seal(folder, file, AT)

    assert what(folder) == ["torn"]


def test_a_file_whose_writer_lives_is_left_alone(folder):
    process = writer(folder, "a", pause_s=0.01, ending="never")
    assert process.stdout is not None
    process.stdout.readline()

    assert sealed_by_another_process(folder) == []
    assert what(folder) == ["in-use"]
    process.kill()
    process.communicate()


def test_a_line_changed_in_the_middle_of_an_unsealed_file_is_not_taken_for_a_torn_one(
    folder: Folder,
):
    path = file_of_a_killed_process(folder)
    path.write_bytes(path.read_bytes().replace(b'"a-3"', b'"a-X"'))

    sealed_by_another_process(folder)

    assert sorted(what(folder))[0] == "changed"
