"""
Writing a trail: callers hand records over in memory, and a thread chains them and writes them.

Handing over costs little more than making the JSON. Records are on disk within `FLUSH_S` plus the
time of the disk; `write_durably` returns once they are. If the disk fails, records wait, the next
flushes retry, and `is_failing` tells callers not to answer what must be recorded.
"""

import atexit
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from ror.audit.records import DAY_LENGTH, LAST_DAY, Act, FileHead, Lost, Record, encode, instant
from ror.audit.trail import chain_file, tending
from ror.audit.trail.chain_file import ChainFile
from ror.audit.trail.folder import Folder
from ror.audit.trail.folder import Journal as JournalName
from ror.errors import Unavailable

FLUSH_S: Final = 0.5
STALLED_S: Final = 10.0
"""A disk that does not respond for this long is failing."""
MOST_WAITING: Final = 100_000
"""
The most records that wait for a disk, some 40 MB; further ones are counted, and the count is
written.
"""
_AT_ONCE: Final = 10_000
"""Records chained and written at once."""


@dataclass(frozen=True, slots=True)
class Listeners:
    """
    Callbacks about the progress of writing.

    `written` gets, after each flush, the number of lines written since the last one and the seconds
    that the oldest record waited. `failed` gets the first of a series of failures, `recovered` is
    called at its end, `vanished` gets the name of a file that was removed.
    """

    written: Callable[[int, float], None] = lambda lines, lag_s: None
    failed: Callable[[Exception], None] = lambda problem: None
    recovered: Callable[[], None] = lambda: None
    vanished: Callable[[str], None] = lambda file: None


class Batch(NamedTuple):
    """
    The number of records, and the records of a day as JSON separated by line ends.

    They share one block of memory: thousands of small waiting objects would slow other code down.
    """

    day: str
    lines: int
    records: bytes


class Journal:
    """
    The part of a journal that one process writes: the file of the day and the waiting records.

    `now` gives the time in nanoseconds since the epoch.
    """

    def __init__(
        self,
        folder: Folder,
        name: JournalName = "calls",
        retention_days: int | None = None,
        listeners: Listeners | None = None,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        self.folder = folder
        self._name: JournalName = name
        self._retention_days = retention_days
        self._listeners = listeners or Listeners()
        self._now = now
        self._waiting: deque[Batch] = deque()
        self._waiting_count = 0
        self._waiting_since = 0.0
        self._handing = threading.Lock()
        """Protects the waiting records and the count of lost ones; held briefly."""
        self._lost = 0
        self.is_failing = False
        """Whether records wait for a disk that fails or does not respond."""
        self._flushing = threading.Lock()
        self._file: ChainFile | None = None
        self._former: FileHead | None = None
        self._linked = 0
        self._oldest: float | None = None
        self._problem: Exception | None = None
        self._beat = time.monotonic()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._flush_until_stopped, name="audit", daemon=True)

    def open(self) -> None:
        """Open the file of the day and start the thread. Raises OSError if that fails."""
        with self._flushing:
            self._turn(instant(self._now()))
        self._thread.start()
        # An interpreter that ends without closing must still write what waits.
        atexit.register(self.close)

    def write(self, record: Record) -> bool:
        """Hand a record over; returns whether there was room for it."""
        return self.write_all(Batch(record.day, 1, encode(record)))

    def write_all(self, batch: Batch) -> bool:
        """Hand over records that share a link; returns whether there was room for them."""
        with self._handing:
            if self._waiting_count + batch.lines > MOST_WAITING:
                self._lost += batch.lines
                return False
            if not self._waiting:
                self._waiting_since = time.monotonic()
            self._waiting.append(batch)
            self._waiting_count += batch.lines
        self.notice_stall()
        return True

    def write_durably(self, record: Record) -> None:
        """
        Hand a record over and return once it is on disk. Raises Unavailable if it is not; it still
        waits.
        """
        has_room = self.write(record)
        self.flush()
        if self._problem is not None or not has_room:
            raise Unavailable("audit.cannot-write")

    def notice_stall(self) -> None:
        """Set `is_failing` if the disk has not responded for long; called with each hand-over."""
        if time.monotonic() - self._beat > STALLED_S:
            self.is_failing = True

    def flush(self) -> None:
        """Write everything that waits, or note the failure."""
        with self._flushing:
            self._beat = time.monotonic()
            if self._waiting and self._oldest is None:
                self._oldest = self._waiting_since
            try:
                self._write_waiting()
            except Exception as problem:
                # Whatever the problem, calls are not being recorded.
                if self._problem is None:
                    self._listeners.failed(problem)
                self._problem = problem
                self._listeners.written(0, self._lag_s())
            else:
                if self._problem is not None:
                    self._listeners.recovered()
                self._problem = None
                self._listeners.written(self._linked, self._lag_s())
                self._linked, self._oldest = 0, None
            self._beat = time.monotonic()
            self.is_failing = self._problem is not None

    def close(self) -> None:
        """Write everything that waits and the last line, and close the file."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        atexit.unregister(self.close)
        if self._thread.is_alive():
            self._thread.join()
        self.flush()
        if self._file is not None and self._problem is None:
            self._file.close(instant(self._now()))
        self._file = None

    # --- in the thread ---

    def _flush_until_stopped(self) -> None:
        while not self._stopping.wait(FLUSH_S):
            self.flush()

    def _lag_s(self) -> float:
        return 0.0 if self._oldest is None else time.monotonic() - self._oldest

    def _write_waiting(self) -> None:
        """Chain the waiting records, write each to the file of its day, and sync."""
        at = instant(self._now())
        self._notice_vanishing()
        while True:
            is_over = self._file is None or self._file.is_ended or at[:DAY_LENGTH] > self._file.day
            if self._file is not None and not self._file.is_ended:
                self._file.send()
                taken = self._take(self._file.day if is_over else LAST_DAY)
                self._linked += sum(batch.lines for batch in taken)
                for batch in taken:
                    self._file.add(batch.records)
                self._file.sync()
                if taken:
                    continue
            if not is_over:
                return
            self._turn(at)

    def _take(self, last_day: str) -> list[Batch]:
        """Remove waiting records up to a day, about as many as are written at once."""
        taken, count = list[Batch](), 0
        with self._handing:
            while self._waiting and count < _AT_ONCE and self._waiting[0].day <= last_day:
                taken.append(self._waiting.popleft())
                count += taken[-1].lines
            self._waiting_count -= count
            if self._lost and not self._waiting:
                lost = Lost(at=instant(self._now()), count=self._lost)
                taken.append(Batch(lost.day, 1, encode(lost)))
                self._lost = 0
        return taken

    def _turn(self, at: str) -> None:
        """Close the file of a past day, tend the folder, open the file of today."""
        if self._file is not None:
            self._file.close(at)
            self._former, self._file = self._file.end, None
        with self.folder.locked():
            tending.end_days(self.folder, at, self._retention_days)
            self._file = chain_file.create(self.folder, self._name, at, self._former)

    def _notice_vanishing(self) -> None:
        """Close a file that was removed; the next file names it, so verification misses it."""
        if self._file is None or self._file.is_in_place():
            return
        self._listeners.vanished(self._file.file)
        gone = self._file.abandon()
        with self._handing:
            self._lost += gone
        self._former, self._file = self._file.end, None


def record_act(folder: Folder, act: Act) -> None:
    """Write an act of management and return once it is on disk. Raises OSError if that fails."""
    with folder.locked():
        tending.record(folder, act)
