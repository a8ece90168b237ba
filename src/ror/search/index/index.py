"""
The directory in memory, kept current.

An `Index` owns the view of this moment, and replaces it by reading the store's change log, from a thread of its own or
when told to; it loads and writes snapshots, and has a fresh one made by another process when the small segments weigh
too much.
"""

import fcntl
import multiprocessing
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal, cast

from ror.access import Viewer
from ror.errors import Unavailable
from ror.search.index import segment as segments
from ror.search.index import segment_file
from ror.search.index.garbage import fewer_collections
from ror.search.index.schema import check_schema, schema
from ror.search.index.segment import Segment
from ror.search.index.view import EMPTY, Part, View
from ror.store.contract import NO_CHANGE, IndexRow, Rid, Seq, Store

POLL_S: Final = 0.01
"""How often the change log is looked at; a write elsewhere is visible within a few of these."""
CHANGES_AT_ONCE: Final = 1000
"""How many changes make one small segment at most, so that catching up is seen to progress."""
SEGMENTS_OF_A_SIZE: Final = 6
"""This many small segments of like size are merged into one."""
STALE_SHARE: Final = 0.2
STALE_FLOOR: Final = 20_000
"""A new snapshot is made once this share of the large segment, and at least this many resources, changed."""
RETRY_S: Final = 1.0
RENEW_AGAIN_S: Final = 60.0
"""How long to wait after a failure: before the change log is looked at again, before another snapshot is made."""
ABANDONED_S: Final = 3_600.0
"""A file that nobody wrote to for so long is what is left of a process that was killed."""

Work = Literal["following", "snapshot"]
"""What an index does by itself."""
ProblemListener = Callable[[Work, Exception | None], None]
"""Who is told why such work fails, and of None when it is done again."""


class Index:
    """
    The current view of a store, kept current.

    `folder` is where its snapshots live; `changed` is told the rids of what changed, before a view shows it, `troubled`
    what fails in the thread that follows. Call `open` once, then read `view`; `refresh` brings it up to the last
    commit, `follow` does so from a thread until `close`.
    """

    def __init__(
        self,
        store: Store,
        folder: Path,
        on_change: Callable[[Sequence[Rid]], None] | None = None,
        on_problem: ProblemListener = lambda work, problem: None,
    ) -> None:
        self.store = store
        self.folder = folder
        self._on_change = on_change
        self._on_problem = on_problem
        self._failing: set[Work] = set()
        self.view = EMPTY
        self._signal: int | None = None
        self._masks_signal: int | None = None
        self._lock = threading.Lock()
        """Held while the view is replaced by a later one: answers wait for it, so nothing long is done under it."""
        self._compacting = threading.Lock()
        self._closing = threading.Event()
        self._follower: threading.Thread | None = None
        self._maker: multiprocessing.process.BaseProcess | None = None
        self._snapshot_seq = 0
        self._renew_from = 0.0
        """When another snapshot may be made, by the clock that never goes back."""

    def open(self) -> None:
        """
        Load the newest snapshot that fits the store, or index the whole store, then catch up.

        Raises UsageError when the directory was indexed by an incompatible version.
        """
        identity = _identity(self.store)
        check_schema(self.store)
        with self._lock:
            self._signal = self.store.change_signal()
            view = self._newer_snapshot(identity)
            if view is None:
                self.view = view = _index_whole_store(self.store)
                self._write_snapshot(identity)
            self.view = self._caught_up(view)
        self._compact()

    def refresh(self) -> None:
        """Bring the view up to the last commit, and keep it compact: for who has the time."""
        self.catch_up()
        self._compact()

    def catch_up(self, seen: int | None = None) -> None:
        """
        Bring the view up to the last commit, whoever made it; on return it is there, whoever else was doing so.

        With `seen`, a signal of the store, up to the commits that it told of is enough.
        """
        if seen is not None and seen == self._signal:
            return
        with self._lock:
            signal = self.store.change_signal()
            if signal == self._signal:
                return
            last = self.store.last_change()
            while self.view.seq < last:
                self.view = self._next(self.view)
            # Only now: what a failed reading missed is read by the next call.
            self._signal = signal

    def is_up_to_date(self, view: View, signal: int | None = None) -> bool:
        """
        Whether nobody has committed anything since a view; cheap, and said with caution.

        `signal` is that of the store at a moment after the view was taken, by default this one.
        """
        # In this order: whoever catches up replaces the view first, and the signal after it.
        known = self._signal
        if signal is None:
            signal = self.store.change_signal()
        return signal == known and view is self.view

    def catch_up_masks(self) -> int:
        """
        Bring the view up to the last commit if anybody may see less or more since; cheap when nobody may.

        What else was written becomes visible in its own time. Call it before answering: from the moment when a change
        of masks is acknowledged, no answer is made with the former ones. Returns the signal of the store before.
        """
        signal = self.store.change_signal()
        if signal != self._masks_signal:
            if self.store.masks_changed_at() > self.view.seq:
                self.catch_up()
            self._masks_signal = signal
        return signal

    def catch_up_for(self, viewer: Viewer) -> None:
        """
        Bring the view up to what this viewer may see at this moment: call it before a search.

        Who is held to a perimeter waits for whatever was committed: that a resource moved to another region changes its
        content and no mask.
        """
        signal = self.catch_up_masks()
        if viewer.perimeter is not None:
            self.catch_up(signal)

    def follow(self) -> None:
        """Keep refreshing from a thread of its own, and have snapshots renewed, until `close`."""
        self._follower = threading.Thread(target=self._follow, name="index", daemon=True)
        self._follower.start()

    def close(self) -> None:
        """Stop following; a snapshot in the making is abandoned."""
        self._closing.set()
        if self._follower:
            self._follower.join()
        if self._maker and self._maker.is_alive():
            self._maker.terminate()

    def snapshot(self) -> None:
        """Write a snapshot of the present, unless the newest one is recent enough for a quick start."""
        self.refresh()
        with self._compacting, self._lock:
            if self._is_stale() or self._snapshot_seq == 0:
                self.view = _index_whole_store(self.store)
                self._write_snapshot(_identity(self.store))

    # --- keeping up ---

    def _follow(self) -> None:
        pause = POLL_S
        while not self._closing.wait(pause):
            try:
                self.store.check_in_place()
                self.refresh()
                self._renew_snapshot()
            except Exception as problem:
                # Whatever it is, it may pass, and a thread that ends here would leave the view as it is for ever.
                self._report("following", problem)
                pause = RETRY_S
            else:
                self._report("following", None)
                pause = POLL_S

    def _report(self, work: Work, problem: Exception | None) -> None:
        """Say that work fails, the first time it does, and that it is done again."""
        if (problem is not None) != (work in self._failing):
            self._failing ^= {work}
            self._on_problem(work, problem)

    def _caught_up(self, view: View) -> View:
        """The view after every change that there is by now; not after those made meanwhile, which may never end."""
        last = self.store.last_change()
        while view.seq < last:
            view = self._next(view)
        return view

    def _next(self, view: View) -> View:
        """The view after the changes that follow it, some of them when there are many."""
        changes = self.store.changes_after(view.seq, CHANGES_AT_ONCE)
        rids = sorted({change.rid for change in changes})
        fresh = segments.build(self.store.index_rows(rids))
        if self._on_change:
            self._on_change(rids)
        return view.with_segment(fresh, changes[-1].seq, changes[-1].recorded_at)

    def _compact(self) -> None:
        """Merge small segments where many are of like size; the view may grow meanwhile."""
        with self._compacting:
            while (group := _mergeable_run(self.view.parts)) is not None:
                merged = _merged(self.view.parts[group], self.store)
                with self._lock:
                    # What was merged is as the store has it by now: the view comes to that moment first.
                    self.view = self._caught_up(self.view).with_merged(group, merged)

    # --- snapshots ---

    def _is_stale(self) -> bool:
        sizes = [len(part.segment.members) for part in self.view.parts]
        return sum(sizes[1:]) > max(STALE_FLOOR, STALE_SHARE * sizes[0]) if sizes else False

    def _write_snapshot(self, identity: str) -> None:
        """Write the first segment when it is alone, hence whole."""
        if len(self.view.parts) != 1:
            return
        properties = {"schema": schema(), "directory": identity, "seq": str(self.view.seq)}
        segment_file.save(
            self.view.parts[0].segment, self.folder / f"{self.view.seq:012d}.index", properties
        )
        self._snapshot_seq = self.view.seq
        for old in sorted(self.folder.glob("*.index"))[:-2]:
            old.unlink(missing_ok=True)
        for left in self.folder.glob("*.partial"):
            with suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > ABANDONED_S:
                    left.unlink()

    def _newer_snapshot(self, identity: str) -> View | None:
        """The view in the newest snapshot of this directory, if it is newer than the one we started from."""
        last = self.store.last_change()
        for path in sorted(self.folder.glob("[0-9]*.index"), reverse=True):
            loaded = segment_file.load(path)
            if loaded is None:
                continue
            segment, properties = loaded
            seq = Seq(int(properties["seq"]))
            if (
                properties["schema"] == schema()
                and properties["directory"] == identity
                and self._snapshot_seq < seq <= last
            ):
                self._snapshot_seq = seq
                return EMPTY.with_segment(segment, seq, self.store.instant_of(seq))
        return None

    def _renew_snapshot(self) -> None:
        """Have another process write a snapshot when this one weighs too much; adopt it when it is there."""
        if self._maker is None:
            if self._is_stale() and time.monotonic() >= self._renew_from:
                context = multiprocessing.get_context("spawn")
                self._maker = context.Process(
                    target=_make_snapshot, args=(self.store.url, str(self.folder)), daemon=True
                )
                self._maker.start()
            return
        if self._maker.is_alive():
            return
        code, self._maker = self._maker.exitcode, None
        newer = self._newer_snapshot(_identity(self.store))
        if newer is None:
            self._renew_from = time.monotonic() + RENEW_AGAIN_S
            if code:
                self._report(
                    "snapshot", Unavailable("index.no-new-snapshot", folder=self.folder, code=code)
                )
            return
        self._report("snapshot", None)
        # The snapshot may know of changes that nobody was told of yet.
        self.catch_up()
        # There is much to catch up with at first, and little once that is done.
        newer = self._caught_up(newer)
        with self._compacting, self._lock:
            # Shown once it is as recent as the view it replaces: what was seen never goes away again.
            self.view = self._caught_up(newer)


def _make_snapshot(url: str, folder: str) -> None:
    """Index the whole store and write it down: the work of a process of its own, one at a time per directory."""
    from ror.store import open_store

    with _exclusive_lock(Path(folder) / "making.lock"):
        store = open_store(url)
        try:
            index = Index(store, Path(folder))
            index.open()
            index.snapshot()
        finally:
            store.close()


@contextmanager
def _exclusive_lock(path: Path) -> Iterator[None]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_RDWR, segment_file.FILE_MODE)) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _index_whole_store(store: Store) -> View:
    """The view of everything that a store holds, as one segment."""
    seq = NO_CHANGE

    def rows() -> Iterator[IndexRow]:
        nonlocal seq
        for at, batch in store.all_index_rows():
            seq = at
            yield from batch

    with fewer_collections():
        whole = segments.build(rows())
    return EMPTY.with_segment(whole, seq, store.instant_of(seq))


def _merged(parts: Sequence[Part], store: Store) -> Segment:
    """One segment of what is alive in several."""
    rids: set[Rid] = set()
    for part in parts:
        rids.update(cast("Iterable[Rid]", part.segment.members - part.dead))
    return segments.build(store.index_rows(sorted(rids)))


def _mergeable_run(parts: Sequence[Part]) -> slice | None:
    """
    The last run of `SEGMENTS_OF_A_SIZE` small segments of like size, if there is one; never the first, large one.
    """
    levels = [len(part.segment.members).bit_length() // 3 for part in parts[1:]]
    for end in range(len(levels), SEGMENTS_OF_A_SIZE - 1, -1):
        run = levels[end - SEGMENTS_OF_A_SIZE : end]
        if max(run) - min(run) <= 1:
            return slice(1 + end - SEGMENTS_OF_A_SIZE, 1 + end)
    return None


def _identity(store: Store) -> str:
    """The name of a directory, so that a snapshot is never taken for another's."""
    return store.set_meta_once("directory", uuid.uuid4().hex)
