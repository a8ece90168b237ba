"""
The current view of the directory, and how it follows the store.

An `Index` owns the current view. It replaces the view from the change log of the store, in its own
thread or when called. It loads and writes snapshots, and has another process make a new one if the
small segments grow too large.
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
"""The interval between reads of the change log; writes of other processes show after a few."""
CHANGES_AT_ONCE: Final = 1000
"""The most changes in one small segment, so that catching up shows progress."""
SEGMENTS_OF_A_SIZE: Final = 6
"""The number of small segments of similar size that are merged into one."""
STALE_SHARE: Final = 0.2
STALE_FLOOR: Final = 20_000
"""A new snapshot is due if this share of the large segment, and this many resources, changed."""
RETRY_S: Final = 1.0
RENEW_AGAIN_S: Final = 60.0
"""
The delays after a failure: before the next read of the change log, and before the next snapshot.
"""
ABANDONED_S: Final = 3_600.0
"""A partial file that is older belongs to a process that was killed."""

Work = Literal["following", "snapshot"]
"""The background work of an index."""
ProblemListener = Callable[[Work, Exception | None], None]
"""Receives the error when background work fails, and None when it works again."""


class Index:
    """
    The current view of a store, kept current.

    `folder` holds its snapshots. `on_change` receives the rids that changed, before a view shows
    the changes; `on_problem` receives the failures of the background thread. Call `open` once, then
    read `view`. `refresh` updates the view to the last commit; `follow` does so from a thread until
    `close`.
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
        """
        Held while the view is replaced. Requests wait for it, so it is never held for long work.
        """
        self._compacting = threading.Lock()
        self._closing = threading.Event()
        self._follower: threading.Thread | None = None
        self._maker: multiprocessing.process.BaseProcess | None = None
        self._snapshot_seq = 0
        self._renew_from = 0.0
        """The time, on the monotonic clock, from which another snapshot may be made."""

    def open(self) -> None:
        """
        Load the newest snapshot of this store, or index the whole store, then catch up.

        Raises UsageError if the entries in the directory have another schema.
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
        """
        Update the view to the last commit and merge small segments; not for use during a request.
        """
        self.catch_up()
        self._compact()

    def catch_up(self, signal: int | None = None) -> None:
        """
        Update the view to the last commit of any process, and wait if another thread is doing so.

        With `signal`, a change signal of the store, the commits up to that signal are enough.
        """
        if signal is not None and signal == self._signal:
            return
        with self._lock:
            signal = self.store.change_signal()
            if signal == self._signal:
                return
            last = self.store.last_change()
            while self.view.seq < last:
                self.view = self._next(self.view)
            # Set last, so that the next call repeats a read that failed.
            self._signal = signal

    def is_up_to_date(self, view: View, signal: int | None = None) -> bool:
        """
        Whether no commit has happened since a view. It is cheap, and may be False without need.

        `signal` is a change signal of the store read after the view was taken, by default a new
        one.
        """
        # Read our signal first: `catch_up` replaces the view, then the signal.
        own_signal = self._signal
        if signal is None:
            signal = self.store.change_signal()
        return signal == own_signal and view is self.view

    def catch_up_masks(self) -> int:
        """
        Update the view to the last commit if masks have changed since; otherwise it is cheap.

        Other writes become visible shortly after. Call it before each response: once a change of
        masks is acknowledged, no response may use the former masks. Returns the change signal of
        the store, read first.
        """
        signal = self.store.change_signal()
        if signal != self._masks_signal:
            if self.store.masks_changed_at() > self.view.seq:
                self.catch_up()
            self._masks_signal = signal
        return signal

    def catch_up_for(self, viewer: Viewer) -> None:
        """
        Update the view so that it shows this viewer nothing that is hidden by now. Call it before a
        search.

        A viewer with a perimeter needs every commit: if a resource moves to another region, its
        content changes, but no mask does.
        """
        signal = self.catch_up_masks()
        if viewer.perimeter is not None:
            self.catch_up(signal)

    def follow(self) -> None:
        """Start a thread that refreshes the view and renews snapshots until `close`."""
        self._follower = threading.Thread(target=self._follow, name="index", daemon=True)
        self._follower.start()

    def close(self) -> None:
        """Stop the thread, and abandon a snapshot that is being made."""
        self._closing.set()
        if self._follower:
            self._follower.join()
        if self._maker and self._maker.is_alive():
            self._maker.terminate()

    def snapshot(self) -> None:
        """Write a snapshot, unless the newest one is recent enough for a quick start."""
        self.refresh()
        with self._compacting, self._lock:
            if self._is_stale() or self._snapshot_seq == 0:
                self.view = _index_whole_store(self.store)
                self._write_snapshot(_identity(self.store))

    # --- following the store ---

    def _follow(self) -> None:
        pause = POLL_S
        while not self._closing.wait(pause):
            try:
                self.store.check_in_place()
                self.refresh()
                self._renew_snapshot()
            except Exception as problem:
                # Any error may be temporary, and without this thread the view would never change.
                self._report("following", problem)
                pause = RETRY_S
            else:
                self._report("following", None)
                pause = POLL_S

    def _report(self, work: Work, problem: Exception | None) -> None:
        """Report the first failure of work, and its recovery."""
        if (problem is not None) != (work in self._failing):
            self._failing ^= {work}
            self._on_problem(work, problem)

    def _caught_up(self, view: View) -> View:
        """
        The view with all present changes; those made meanwhile are left, as they may never end.
        """
        last = self.store.last_change()
        while view.seq < last:
            view = self._next(view)
        return view

    def _next(self, view: View) -> View:
        """The view with the next changes, at most `CHANGES_AT_ONCE`."""
        changes = self.store.changes_after(view.seq, CHANGES_AT_ONCE)
        rids = sorted({change.rid for change in changes})
        fresh = segments.build(self.store.index_rows(rids))
        if self._on_change:
            self._on_change(rids)
        return view.with_segment(fresh, changes[-1].seq, changes[-1].recorded_at)

    def _compact(self) -> None:
        """Merge small segments of similar size; the view may grow meanwhile."""
        with self._compacting:
            while (group := _mergeable_run(self.view.parts)) is not None:
                merged = _merged(self.view.parts[group], self.store)
                with self._lock:
                    # The merged segment is as recent as the store, so the view catches up first.
                    self.view = self._caught_up(self.view).with_merged(group, merged)

    # --- snapshots ---

    def _is_stale(self) -> bool:
        sizes = [len(part.segment.members) for part in self.view.parts]
        return sum(sizes[1:]) > max(STALE_FLOOR, STALE_SHARE * sizes[0]) if sizes else False

    def _write_snapshot(self, identity: str) -> None:
        """Write the first segment, if it is the only one and so complete."""
        if len(self.view.parts) != 1:
            return
        properties = {"schema": schema(), "directory": identity, "seq": str(self.view.seq)}
        segment_file.save(
            self.view.parts[0].segment, self.folder / f"{self.view.seq:012d}.index", properties
        )
        self._snapshot_seq = self.view.seq
        for old in sorted(self.folder.glob("*.index"))[:-2]:
            old.unlink(missing_ok=True)
        for partial in self.folder.glob("*.partial"):
            with suppress(FileNotFoundError):
                if time.time() - partial.stat().st_mtime > ABANDONED_S:
                    partial.unlink()

    def _newer_snapshot(self, identity: str) -> View | None:
        """
        The view of the newest snapshot of this directory; None if the present snapshot is as new.
        """
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
        """
        Have another process write a snapshot if the present one is stale, and adopt it when it is
        ready.
        """
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
        # The snapshot may contain changes that `on_change` has not received yet.
        self.catch_up()
        # Most of the catching up happens here, before the lock.
        newer = self._caught_up(newer)
        with self._compacting, self._lock:
            # The new view is at least as recent as the one it replaces.
            self.view = self._caught_up(newer)


def _make_snapshot(url: str, folder: str) -> None:
    """
    Index the whole store and write a snapshot, in a separate process, one per directory at a time.
    """
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
    """The view of the whole store, as one segment."""
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
    """One segment of the live resources of several."""
    rids: set[Rid] = set()
    for part in parts:
        rids.update(cast("Iterable[Rid]", part.segment.members - part.dead))
    return segments.build(store.index_rows(sorted(rids)))


def _mergeable_run(parts: Sequence[Part]) -> slice | None:
    """
    The last run of `SEGMENTS_OF_A_SIZE` small segments of similar size, or None. The first is never
    part of it.
    """
    levels = [len(part.segment.members).bit_length() // 3 for part in parts[1:]]
    for end in range(len(levels), SEGMENTS_OF_A_SIZE - 1, -1):
        run = levels[end - SEGMENTS_OF_A_SIZE : end]
        if max(run) - min(run) <= 1:
            return slice(1 + end - SEGMENTS_OF_A_SIZE, 1 + end)
    return None


def _identity(store: Store) -> str:
    """The unique name of a directory, which its snapshots carry."""
    return store.set_meta_once("directory", uuid.uuid4().hex)
