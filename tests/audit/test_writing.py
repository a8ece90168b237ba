"""
Writing a trail: what is on disk when, in which file, for whose eyes, and what happens when the disk
refuses.
"""

import json
import resource
import shutil
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from ror.audit import digests
from ror.audit.records import Call
from ror.audit.trail import chain_file, writing
from ror.audit.trail.folder import Folder, day_of
from ror.audit.trail.reading import Selection, find
from ror.audit.trail.verifying import verify
from ror.audit.trail.writing import Journal, Listeners, record_act
from ror.errors import Unavailable, UsageError
from tests.audit.conftest import Clock, act, call, write
from tests.waiting import until

TODAY = "2026-11-24"


def calls(folder: Folder) -> list[Call]:
    return [one.record for one in find(folder, Selection()) if isinstance(one.record, Call)]


def notes(folder: Folder, today: str = TODAY) -> list[str]:
    """What is found in a trail that is whole."""
    verdict = verify(folder, today)
    assert verdict.is_whole, verdict.findings
    return [one.what for one in verdict.findings]


# --- when -----------------------------------------------------------------------------------------


def test_a_durable_record_is_in_the_file_when_the_call_returns(folder, clock, journal):
    with journal() as one:
        one.write_durably(call(clock, 7))

        assert [record.request_id for record in calls(folder)] == ["r7"]


def test_a_record_comes_to_the_file_without_any_other(folder, clock, journal):
    with journal() as one:
        one.write(call(clock, 7))

        assert until(lambda: calls(folder))
        assert [record.request_id for record in calls(folder)] == ["r7"]


def test_the_rest_of_a_line_that_was_being_written_is_no_line(monkeypatch):
    class Written:
        """
        A file of which half a line was there when its end was reached, and the rest a moment later.
        """

        def open(self, mode: str) -> nullcontext[Iterator[bytes]]:
            return nullcontext(iter([b'{"a":1}\n', b'{"a"', b":2}\n"]))

    monkeypatch.setattr(chain_file, "is_in_use", lambda path: True)

    assert list(chain_file.texts(Written())) == [b'{"a":1}']  # type: ignore[arg-type]


def test_records_of_several_threads_make_one_chain(folder, clock, journal):
    with journal() as one:
        threads = [
            threading.Thread(target=lambda: [one.write(call(clock, n)) for n in range(500)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(calls(folder)) == 2_000
    assert notes(folder) == []


def test_it_is_told_how_many_lines_are_on_disk_and_how_long_they_waited(clock, journal):
    told: list[tuple[int, float]] = []
    begun = time.monotonic()
    with journal(
        listeners=Listeners(written=lambda lines, lag_s: told.append((lines, lag_s)))
    ) as one:
        for number in range(3):
            one.write(call(clock, number))
        one.flush()

    assert sum(lines for lines, _ in told) == 3
    assert 0 < max(lag_s for _, lag_s in told) <= time.monotonic() - begun


# --- where ----------------------------------------------------------------------------------------


def test_what_is_made_is_for_its_owner_alone(folder, clock, journal):
    write(journal, clock)
    clock.set("2026-11-25T00:00:00Z")
    write(journal, clock)
    record_act(folder, act(clock))

    modes = {
        path: stat.S_IMODE(path.stat().st_mode) for path in [folder.path, *folder.path.rglob("*")]
    }
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}
    assert len(modes) > 12


def test_what_others_may_read_is_told(folder, clock, journal):
    write(journal, clock)
    (folder.path / folder.files()[0]).chmod(0o640)

    assert notes(folder) == ["open-to-others"]


def test_a_record_goes_to_the_file_of_its_day_and_a_day_that_is_over_is_signed(
    folder, clock, journal
):
    with journal() as one:
        clock.set("2026-11-24T23:59:59.900Z")
        one.write(call(clock, 1))
        late = call(clock, 2)
        clock.set("2026-11-25T00:00:00Z")
        one.write(late)
        one.write(call(clock, 3))
        one.flush()

        by_day = {
            found.record.request_id: day_of(found.file) for found in find(folder, Selection())
        }
        assert by_day == {"r1": "2026-11-24", "r2": "2026-11-24", "r3": "2026-11-25"}
        assert folder.days_signed() == ["2026-11-24"]
        assert notes(folder, "2026-11-25") == ["in-use"]


def test_a_day_is_signed_once_none_of_its_files_is_written_any_more(folder, clock, journal):
    with journal() as one, journal() as other:
        for each in (one, other):
            each.write(call(clock))
            each.flush()
        clock.set("2026-11-25T00:00:01Z")
        one.flush()
        assert folder.days_signed() == []

        other.flush()
        assert folder.days_signed() == ["2026-11-24"]


def test_after_a_clock_that_was_put_back_files_stand_after_the_days_that_are_signed(
    folder, clock, journal
):
    write(journal, clock)
    clock.set("2026-11-26T08:00:00Z")
    write(journal, clock)
    assert folder.days_signed() == ["2026-11-24"]

    clock.set("2026-11-24T08:00:00Z")
    write(journal, clock)

    assert sorted(map(day_of, folder.files())) == ["2026-11-24", "2026-11-25", "2026-11-26"]
    assert notes(folder) == []


def test_anybody_can_check_a_digest_with_openssl(folder, clock, journal):
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not there")
    write(journal, clock)
    clock.set("2026-11-25T00:00:00Z")
    write(journal, clock)
    key, text, signature = (
        folder.path / name
        for name in ("keys/signing.pub", "digests/2026-11-24.json", "digests/2026-11-24.sig")
    )
    command = [
        openssl,
        "pkeyutl",
        "-verify",
        "-pubin",
        "-inkey",
        key,
        "-rawin",
        "-in",
        text,
        "-sigfile",
        signature,
    ]

    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    text.write_bytes(text.read_bytes() + b" ")
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


def test_a_key_that_is_gone_is_not_made_anew_beside_the_lines_it_stood_for(folder, clock, journal):
    write(journal, clock)
    (folder.path / "keys/signing.key").unlink()

    with pytest.raises(UsageError) as refused:
        folder.make()
    assert refused.value.key == "audit.key-gone"


# --- taking old days away -------------------------------------------------------------------------


def days_go_by(clock: Clock, journal, *days: int, **options: object) -> None:
    for day in days:
        clock.set(f"2026-11-{day}T08:00:00Z")
        write(journal, clock, **options)


def test_nothing_is_ever_taken_away_unless_it_is_decided(folder, clock, journal):
    days_go_by(clock, journal, *range(10, 30))

    assert len(folder.files()) == 20


def test_signed_days_beyond_the_retention_go_and_an_act_says_so(folder, clock, journal):
    days_go_by(clock, journal, 10, 11, 12, 13)
    record_act(folder, act(clock))
    last = [record.request_id for record in calls(folder)]

    days_go_by(clock, journal, 14, retention_days=2)

    assert [day_of(file) for file in folder.files("calls")] == [
        "2026-11-12",
        "2026-11-13",
        "2026-11-14",
    ]
    acts = [one.record for one in find(folder, Selection(journals=("acts",)))]
    assert [(one.action, one.subject) for one in acts] == [
        ("client-suspend", "c1"),
        ("audit-pruned", "2026-11-10/2026-11-11"),
    ]
    assert acts[1].details["lines"] == 14 and sorted(acts[1].details["digests"]) == [
        "2026-11-10",
        "2026-11-11",
    ]
    assert len(calls(folder)) == len(last) - 10 + 5
    assert notes(folder, "2026-11-14") == ["pruned"]


def test_acts_are_kept_whatever_the_retention(folder, clock, journal):
    record_act(folder, act(clock))
    clock.set("2026-11-25T08:00:00Z")
    write(journal, clock)
    clock.set("2028-01-01T08:00:00Z")
    write(journal, clock, retention_days=1)

    assert [one.record.action for one in find(folder, Selection(journals=("acts",)))] == [
        "client-suspend",
        "audit-pruned",
    ]


def test_a_day_that_is_missing_without_an_act_is_a_fault(folder, clock, journal):
    days_go_by(clock, journal, 10, 11, retention_days=5)
    (folder.path / folder.files()[0]).unlink()

    assert [one.what for one in verify(folder, "2026-11-11").findings] == ["missing"]


# --- when the disk refuses ------------------------------------------------------------------------


@contextmanager
def full_disk(*, room: int = 0):
    """
    A disk that takes no byte beyond `room` in any file: a write there is refused as on a full disk.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def size_of_the_file(folder: Folder) -> int:
    return (folder.path / folder.files()[-1]).stat().st_size


def test_while_the_disk_is_full_it_is_failing_and_nothing_is_lost(folder, clock, journal):
    told: list[str] = []
    listeners = Listeners(
        failed=lambda problem: told.append("failed"), recovered=lambda: told.append("recovered")
    )
    with journal(listeners=listeners) as one:
        one.write_durably(call(clock, 0))
        assert not one.is_failing
        # Half a line fits.
        with full_disk(room=size_of_the_file(folder) + 100):
            for number in (1, 2, 3):
                one.write(call(clock, number))
            with pytest.raises(Unavailable):
                one.write_durably(call(clock, 4))
            assert one.is_failing
        one.flush()
        assert not one.is_failing

    assert told == ["failed", "recovered"]
    assert [record.request_id for record in calls(folder)] == ["r0", "r1", "r2", "r3", "r4"]
    assert notes(folder) == []


def test_a_disk_that_is_full_at_midnight_delays_the_day_and_loses_nothing(folder, clock, journal):
    with journal() as one:
        one.write_durably(call(clock, 0))
        clock.set("2026-11-25T00:00:00Z")
        with full_disk(room=size_of_the_file(folder)):
            one.write(call(clock, 1))
            one.flush()
            one.flush()
            assert one.is_failing
        one.write_durably(call(clock, 2))

    assert [record.request_id for record in calls(folder)] == ["r0", "r1", "r2"]
    assert folder.days_signed() == ["2026-11-24"]
    assert notes(folder, "2026-11-25") == []


def test_a_seal_for_which_there_is_no_room_is_refused_and_made_later(folder, clock):
    at = call(clock).at
    killed = chain_file.create(folder, "calls", at)
    killed.abandon()

    with full_disk(room=size_of_the_file(folder) + 40), pytest.raises(OSError):
        chain_file.seal(folder, killed.file, at)

    assert chain_file.seal(folder, killed.file, at)
    assert notes(folder) == ["torn"]


def test_what_waits_too_long_for_memory_is_counted_and_the_count_is_written(
    folder, clock, journal, monkeypatch
):
    monkeypatch.setattr(writing, "MOST_WAITING", 10)
    with journal() as one:
        with full_disk(room=size_of_the_file(folder)):
            for number in range(25):
                one.write(call(clock, number))
        one.flush()

    assert [record.request_id for record in calls(folder)] == [f"r{number}" for number in range(10)]
    [lost] = [one for one in verify(folder, TODAY).findings if one.what == "lost"]
    assert lost.told["count"] == 15


def test_a_durable_record_for_which_there_is_no_room_is_not_acknowledged(
    folder, clock, journal, monkeypatch
):
    monkeypatch.setattr(writing, "MOST_WAITING", 1)
    with journal() as one:
        one.write(call(clock, 0))
        with pytest.raises(Unavailable):
            one.write_durably(call(clock, 1))
        one.write_durably(call(clock, 2))

    assert [record.request_id for record in calls(folder)] == ["r0", "r2"]


@pytest.mark.parametrize(
    "look", [Journal.notice_stall, lambda one: one.write(call(Clock(f"{TODAY}T10:00:00Z")))]
)
def test_a_journal_whose_thread_does_not_answer_is_failing_until_it_does(
    journal, monkeypatch, look
):
    with journal() as one:
        look(one)
        assert not one.is_failing
        monkeypatch.setattr(writing, "STALLED_S", 0.1)
        with one._flushing:
            # As long as a disk that hangs.
            time.sleep(1.2)
            look(one)
            assert one.is_failing
        one.flush()
        assert not one.is_failing


def test_a_file_that_is_taken_away_is_told_and_another_one_names_it(folder, clock, journal):
    told: list[str] = []
    with journal(listeners=Listeners(vanished=told.append)) as one:
        one.write_durably(call(clock, 0))
        [gone] = folder.files()
        (folder.path / gone).unlink()
        one.write_durably(call(clock, 1))

    assert told == [gone]
    assert [record.request_id for record in calls(folder)] == ["r1"]
    assert [(one.what, one.file) for one in verify(folder, TODAY).findings] == [("missing", gone)]


def test_a_trail_that_cannot_be_opened_says_why(tmp_path: Path, clock):
    (tmp_path / "trail").write_text("a file, where a folder should be")

    with pytest.raises(OSError):
        Folder(tmp_path / "trail").make()


def test_the_digest_lists_each_file_of_the_day_with_its_end(folder, clock, journal):
    write(journal, clock, count=3)
    record_act(folder, act(clock))
    clock.set("2026-11-25T00:00:00Z")
    write(journal, clock)

    digest = digests.from_bytes(folder.digest("2026-11-24"))

    assert digest is not None
    assert [(one.file.split("/")[0], one.lines) for one in digest.chains] == [
        ("calls", 5),
        ("acts", 3),
    ]
    for one in digest.chains:
        *_, last = (folder.path / one.file).read_bytes().splitlines()
        assert json.loads(last)["chain"] == one.head
        assert (folder.path / one.file).stat().st_size == one.bytes


def test_closing_twice_is_closing_once(folder, clock):
    one = Journal(folder, now=clock)
    one.open()
    one.close()
    one.close()

    assert notes(folder) == []
