"""
An import, from its documents to its report: prepared in several processes, stored in batches.

A small import runs in this process; worker processes prepare a larger one while this process
writes. Batches are stored in the order of the documents, so that the later of two versions of a
resource wins. The report counts durable results. Running an import again is safe: resources that
did not change stay unchanged, and an interrupted import continues.
"""

import itertools
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from ror.directory.draft import Outward, Prepared, Refusal, prepare_all
from ror.directory.importing.reading import Document, Place
from ror.directory.importing.references import CheckedReferences, OutwardReferences
from ror.errors import Unavailable
from ror.resources.validation import Issue
from ror.search.index.garbage import collect_less_often, fewer_collections
from ror.search.index.schema import check_schema
from ror.standard import terminology
from ror.standard.editions import Overlay, overlaid
from ror.standard.instants import NO_DATE, Micros
from ror.store.contract import CompressedDraft, Draft, Outcome, Store

AUTHOR: Final = "import"
"""The default author of imported versions."""
BATCH_SIZE: Final = 500
BATCH_BYTES: Final = 4_000_000
"""
A batch, which is one durable commit, ends at this many documents or bytes.
"""
PREPARED_HERE: Final = 1_000
"""The first documents are prepared in this process: starting workers takes as long."""
WORKERS: Final = 2
BATCHES_PER_WORKER: Final = 3
"""Batches in progress for each worker; more would only take memory."""
REFUSALS_KEPT: Final = 1_000
"""Refusals that the report lists; it counts all of them, and listeners receive all of them."""
OVERTAKEN_KEPT: Final = 1_000
"""Older documents that the report lists; it counts all of them."""


@dataclass(frozen=True, slots=True)
class RefusedDocument:
    """A refused document and its issues."""

    place: Place
    issues: tuple[Issue, ...]

    def path(self, issue: Issue) -> str:
        """The FHIRPath of an issue in the document; it starts at the Bundle if there is one."""
        if self.place.entry is None:
            return issue.path
        _, dot, rest = issue.path.partition(".")
        return (
            f"Bundle.entry[{self.place.entry}]" + (".resource" if issue.path else "") + dot + rest
        )


@dataclass(frozen=True, slots=True)
class OlderDocument:
    """A document that changed nothing: its source date is older than that of the stored version."""

    place: Place
    type: str
    id: str
    source_updated: Micros
    kept_updated: Micros


@dataclass(slots=True)
class Report:
    """
    The results so far; `created`, `updated` and `unchanged` count durable results only.
    """

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    older: int = 0
    """Documents older than the stored version; they changed nothing."""
    accepted: int = 0
    """Documents that a dry run accepted; 0 in a real import."""
    refused: int = 0
    refusals: list[RefusedDocument] = field(default_factory=list)
    overtaken: list[OlderDocument] = field(default_factory=list)
    """The first older documents, in order."""
    outward: OutwardReferences = field(default_factory=OutwardReferences)
    interrupted: bool = False

    @property
    def kept(self) -> int:
        """How many of the documents are in the store."""
        return self.created + self.updated + self.unchanged

    def _add(self, outcome: Outcome) -> None:
        match outcome:
            case Outcome.CREATED:
                self.created += 1
            case Outcome.UPDATED:
                self.updated += 1
            case Outcome.UNCHANGED:
                self.unchanged += 1
            case Outcome.OLDER:
                self.older += 1


@dataclass(frozen=True, slots=True)
class Listeners:
    """
    Callbacks: each refusal, each older document, the report after each batch, whether to stop.
    """

    refused: Callable[[RefusedDocument], None] = lambda refused: None
    overtaken: Callable[[OlderDocument], None] = lambda overtaken: None
    progress: Callable[[Report], None] = lambda report: None
    stopping: Callable[[], bool] = lambda: False


def run(
    store: Store,
    documents: Iterable[Document],
    report: Report,
    *,
    now: Micros,
    author: str = AUTHOR,
    workers: int = WORKERS,
    own_bases: Sequence[str] = (),
    listeners: Listeners | None = None,
    take_older: bool = False,
    keep_dates: bool = False,
) -> None:
    """
    Store the valid documents, batch by batch; `report` is right at any moment.

    `now`, in microseconds, is the latest date that a source may give. `take_older` and
    `keep_dates` say how to use the dates of the source: see `Store.put`. References to one of
    `own_bases` lead to this directory.

    Raises UsageError if an incompatible version indexed the store, or if source dates cannot be
    kept; Unavailable if the store cannot be written. The reported results are durable even then.
    """
    check_schema(store)
    listeners = listeners or Listeners()
    if keep_dates:
        store.begin_dated_load()

    def keep(places: Sequence[Place], ready: Sequence[CompressedDraft]) -> None:
        outcomes = store.put(ready, author, take_older=take_older, keep_dates=keep_dates)
        for place, draft, outcome in zip(places, ready, outcomes, strict=True):
            report._add(outcome)
            if outcome is Outcome.OLDER and len(report.overtaken) < OVERTAKEN_KEPT:
                report.overtaken.append(overtaken := _overtaken(store, place, draft))
                listeners.overtaken(overtaken)

    work = _Work(now, store.compressor(), tuple(own_bases))
    with fewer_collections():
        _go_through(documents, report, work, keep, workers, listeners)
    if keep_dates and not (report.interrupted or listeners.stopping()):
        store.end_dated_load()


def _overtaken(store: Store, place: Place, draft: CompressedDraft) -> OlderDocument:
    """A draft that changed nothing, with the date of the stored version."""
    stored = store.read(draft.type, draft.id)
    kept_updated = stored.source_updated if stored else NO_DATE
    return OlderDocument(place, draft.type, draft.id, draft.source_updated, kept_updated)


def check(
    documents: Iterable[Document],
    report: Report,
    *,
    now: Micros,
    workers: int = WORKERS,
    own_bases: Sequence[str] = (),
    listeners: Listeners | None = None,
) -> CheckedReferences:
    """
    The references of the accepted documents, after a dry run of `run`; `report` counts them.
    """
    references = CheckedReferences()

    def count(places: Sequence[Place], ready: Sequence[CompressedDraft]) -> None:
        report.accepted += len(ready)
        references.add(ready)

    work = _Work(now, _only_named, tuple(own_bases))
    _go_through(documents, report, work, count, workers, listeners or Listeners())
    return references


def _only_named(draft: Draft) -> CompressedDraft:
    """A packed draft with only its name and its links, for a dry run."""
    named = draft.type, draft.id, draft.source_updated
    return CompressedDraft(
        *named, b"", b"", draft.links, b"", 0, b"", b"", foreign_links=draft.foreign_links
    )


class _Work(NamedTuple):
    """
    The arguments of preparation besides the documents: instant in microseconds, packer, own bases.
    """

    now: Micros
    pack: Callable[[Draft], CompressedDraft]
    own_bases: Sequence[str]


def _go_through(
    documents: Iterable[Document],
    report: Report,
    work: _Work,
    keep: Callable[[Sequence[Place], Sequence[CompressedDraft]], None],
    workers: int,
    listeners: Listeners,
) -> None:
    for places, prepared in _prepared(_batches(documents), work, workers):
        accepted = [place for at, place in enumerate(places) if at not in prepared.refused]
        keep(accepted, prepared.ready)
        report.outward.add(prepared.outward)
        for number, refusal in prepared.refused.items():
            place = places[number]
            refused = RefusedDocument(
                place._replace(line=place.line + refusal.line), refusal.issues
            )
            report.refused += 1
            if len(report.refusals) < REFUSALS_KEPT:
                report.refusals.append(refused)
            listeners.refused(refused)
        listeners.progress(report)
        if listeners.stopping():
            report.interrupted = True
            return


# --- preparation -----------------------------------------------------------------


class _Batch(NamedTuple):
    places: list[Place]
    contents: list[bytes | Refusal]


def _batches(documents: Iterable[Document]) -> Iterator[_Batch]:
    batch, size = _Batch([], []), 0
    for document in documents:
        batch.places.append(document.place)
        batch.contents.append(document.content)
        size += len(document.content) if isinstance(document.content, bytes) else 0
        if len(batch.places) >= BATCH_SIZE or size >= BATCH_BYTES:
            yield batch
            batch, size = _Batch([], []), 0
    if batch.places:
        yield batch


def _prepared(
    batches: Iterator[_Batch], work: _Work, workers: int
) -> Iterator[tuple[list[Place], Prepared]]:
    """The places of each batch and its drafts, in order."""
    in_this_process = (
        batches if workers == 0 else itertools.islice(batches, PREPARED_HERE // BATCH_SIZE)
    )
    for batch in in_this_process:
        yield batch.places, prepare_all(batch.contents, *work)
    first = next(batches, None)
    if first is not None:
        yield from _prepared_by_workers(itertools.chain([first], batches), work, workers)


def _prepared_by_workers(
    batches: Iterator[_Batch], work: _Work, workers: int
) -> Iterator[tuple[list[Place], Prepared]]:
    in_progress: deque[tuple[list[Place], Future[_Sent]]] = deque()
    with _pool(workers) as pool:
        try:
            for batch in batches:
                in_progress.append(
                    (batch.places, pool.submit(_prepare_and_send, batch.contents, work))
                )
                if len(in_progress) >= workers * BATCHES_PER_WORKER:
                    places, future = in_progress.popleft()
                    yield places, _received(future.result())
            for places, future in in_progress:
                yield places, _received(future.result())
        except BrokenProcessPool:
            raise Unavailable("import.worker-died") from None


_Sent = tuple[bytes, dict[int, Refusal], list[Outward]]
"""
The result of a worker process: `Prepared` in MessagePack (2 µs for each resource; pickle: 14).
"""

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[CompressedDraft]).decode


def _prepare_and_send(contents: list[bytes | Refusal], work: _Work) -> _Sent:
    prepared = prepare_all(contents, *work)
    return _encode(prepared.ready), prepared.refused, prepared.outward


def _received(sent: _Sent) -> Prepared:
    ready, refused, outward = sent
    return Prepared(_decode(ready), refused, outward)


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    # Not a fork of this process, which has threads and an open store.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    pool = ProcessPoolExecutor(
        workers,
        mp_context=context,
        initializer=_start_worker,
        initargs=(terminology.in_force().overlay,),
    )
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker(overlay: Overlay | None) -> None:
    """
    Set up a worker process: the codes of the parent, no signals, few garbage collections.

    It ends with its parent, however that ends.
    """
    terminology.use(overlay and overlaid(overlay))
    collect_less_often()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
