"""
Writing a trail: records are handed over in memory, and a thread of its own chains them and brings them to disk.

Handing over costs no more than making the JSON. What was handed over is on disk within `FLUSH_S` and the time that the
disk takes; `write_durably` returns once it is. When the disk refuses, nothing is dropped: records wait, the next
flushes try again, and `is_failing` says meanwhile that whoever must be traced should not be answered.
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
"""A disk that has not answered for that long is failing."""
MOST_WAITING: Final = 100_000
"""Records that wait for a disk, at most: some 40 MB. Those beyond are counted, and the count is written."""
_AT_ONCE: Final = 10_000
"""Records that are chained and sent in one go."""


@dataclass(frozen=True, slots=True)
class Listeners:
    """
    Who is told how the writing goes.

    `written` hears after each flush how many lines are on disk since the last one, and how many seconds the oldest
    record waited, or waits still. `failed` hears the first of several failures, `recovered` their end, `vanished` of a
    file that somebody took away.
    """

    written: Callable[[int, float], None] = lambda lines, lag_s: None
    failed: Callable[[Exception], None] = lambda problem: None
    recovered: Callable[[], None] = lambda: None
    vanished: Callable[[str], None] = lambda file: None


class Batch(NamedTuple):
    """
    Records of a day, as JSON, with an end of line between each and the next; how many there are.

    One piece of memory for all of them: thousands of small ones that wait for half a second slow the others down.
    """

    day: str
    lines: int
    records: bytes


class Journal:
    """
    One process's part of a journal: the file of the day, and what waits to be written to it.

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
        self._told = listeners or Listeners()
        self._now = now
        self._waiting: deque[Batch] = deque()
        self._waiting_count = 0
        self._waiting_since = 0.0
        self._handing = threading.Lock()
        """Held while what waits is added to or taken from, or counted as lost; hence never for long."""
        self._lost = 0
        self.is_failing = False
        """Whether records wait for a disk that refuses them or does not answer, as far as was noticed."""
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
        """Open the file of the day and begin to write. Raises OSError when it cannot be."""
        with self._flushing:
            self._turn(instant(self._now()))
        self._thread.start()
        # An interpreter that ends without closing has things left to say.
        atexit.register(self.close)

    def write(self, record: Record) -> bool:
        """Hand a record over; whether there was room for it."""
        return self.write_all(Batch(record.day, 1, encode(record)))

    def write_all(self, batch: Batch) -> bool:
        """Hand records over that will be linked together; whether there was room for them."""
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
        """Hand a record over and return once it is on disk. Raises Unavailable when it is not; it then still waits."""
        has_room = self.write(record)
        self.flush()
        if self._problem is not None or not has_room:
            raise Unavailable("audit.cannot-write")

    def notice_stall(self) -> None:
        """Be failing when the disk has not answered for long; noticed at least whenever records are handed over."""
        if time.monotonic() - self._beat > STALLED_S:
            self.is_failing = True

    def flush(self) -> None:
        """Bring everything that was handed over to disk, or remember that it cannot be."""
        with self._flushing:
            self._beat = time.monotonic()
            if self._waiting and self._oldest is None:
                self._oldest = self._waiting_since
            try:
                self._bring_to_disk()
            except Exception as problem:
                # Whatever it is, whoever must be traced is not.
                if self._problem is None:
                    self._told.failed(problem)
                self._problem = problem
                self._told.written(0, self._lag_s())
            else:
                if self._problem is not None:
                    self._told.recovered()
                self._problem = None
                self._told.written(self._linked, self._lag_s())
                self._linked, self._oldest = 0, None
            self._beat = time.monotonic()
            self.is_failing = self._problem is not None

    def close(self) -> None:
        """Write everything that waits and the last line, and let go of the file."""
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

    def _bring_to_disk(self) -> None:
        """Chain what waits and send it, each record to the file of its day, and sync."""
        at = instant(self._now())
        self._notice_vanishing()
        while True:
            is_over = self._file is None or self._file.is_ended or at[:DAY_LENGTH] > self._file.day
            if self._file is not None and not self._file.is_ended:
                self._file.send()
                taken = self._taken(self._file.day if is_over else LAST_DAY)
                self._linked += sum(batch.lines for batch in taken)
                for batch in taken:
                    self._file.add(batch.records)
                self._file.sync()
                if taken:
                    continue
            if not is_over:
                return
            self._turn(at)

    def _taken(self, last_day: str) -> list[Batch]:
        """Records that wait, up to those of a day, about as many as are sent in one go."""
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
        """Close the file of the day that is over, tend the folder, open the file of today."""
        if self._file is not None:
            self._file.close(at)
            self._former, self._file = self._file.end, None
        with self.folder.locked():
            tending.tend(self.folder, at, self._retention_days)
            self._file = chain_file.create(self.folder, self._name, at, self._former)

    def _notice_vanishing(self) -> None:
        """Let go of a file that somebody took away; the next one names it, so that it is missed."""
        if self._file is None or self._file.is_in_place():
            return
        self._told.vanished(self._file.file)
        gone = self._file.abandon()
        with self._handing:
            self._lost += gone
        self._former, self._file = self._file.end, None


def record_act(folder: Folder, act: Act) -> None:
    """Write an act of management, and return once it is on disk. Raises OSError when it cannot be."""
    with folder.locked():
        tending.record(folder, act)
