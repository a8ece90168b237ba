"""
An import from its documents to its report: prepare in several processes, keep by batches, count
what is durable.

A small import runs here alone; a larger one is prepared by worker processes while this one writes.
Batches are kept in the order of the documents, so that of two versions of a resource the later
wins. Running an import again is safe: what is already there is unchanged, and an import that was
cut short goes on where it matters.
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
"""Who wrote what was imported, unless somebody is named."""
BATCH_SIZE: Final = 500
BATCH_BYTES: Final = 4_000_000
"""
A batch is cut at this many documents or bytes, whichever comes first: a batch is one durable
commit.
"""
PREPARED_HERE: Final = 1_000
"""The first documents are prepared here: worker processes take as long to start."""
WORKERS: Final = 2
BATCHES_PER_WORKER: Final = 3
"""Batches under way for each worker; more would only take memory."""
REFUSALS_KEPT: Final = 1_000
"""The report lists this many refusals; all are counted, and told as they come."""
OVERTAKEN_KEPT: Final = 1_000
"""The report lists this many documents that are older than what is kept; all are counted."""


@dataclass(frozen=True, slots=True)
class RefusedDocument:
    """A document that was not kept, and why."""

    place: Place
    issues: tuple[Issue, ...]

    def path(self, issue: Issue) -> str:
        """The FHIRPath of an issue in what was given: inside the Bundle when there is one."""
        if self.place.entry is None:
            return issue.path
        _, dot, rest = issue.path.partition(".")
        return (
            f"Bundle.entry[{self.place.entry}]" + (".resource" if issue.path else "") + dot + rest
        )


@dataclass(frozen=True, slots=True)
class OlderDocument:
    """A document that changed nothing: its source dates it earlier than what is kept."""

    place: Place
    type: str
    id: str
    source_updated: Micros
    kept_updated: Micros


@dataclass(slots=True)
class Report:
    """
    What an import did so far; `created`, `updated` and `unchanged` count what is durable, nothing
    else.
    """

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    older: int = 0
    """What changed nothing, because its source dates it earlier than what is kept."""
    accepted: int = 0
    """What a check found fit to be kept; 0 in a real import."""
    refused: int = 0
    refusals: list[RefusedDocument] = field(default_factory=list)
    overtaken: list[OlderDocument] = field(default_factory=list)
    """The first of what is older, in order."""
    outward: OutwardReferences = field(default_factory=OutwardReferences)
    interrupted: bool = False

    @property
    def kept(self) -> int:
        """How many of the documents read are in the store."""
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
    Who is told what happens: each refusal, the report after each batch; and who is asked whether to
    stop.
    """

    refused: Callable[[RefusedDocument], None] = lambda refused: None
    overtaken: Callable[[OlderDocument], None] = lambda overtaken: None
    progress: Callable[[Report], None] = lambda report: None
    stopping: Callable[[], bool] = lambda: False


def run(
    store: Store,
    given: Iterable[Document],
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
    Keep what is fit of the documents given, batch by batch; `report` is right at any moment.

    `now`, in microseconds, is the instant after which no source may date anything. `take_older` and
    `keep_dates` say what the dates of the source mean: see `Store.put`. References to one of
    `own_bases` are to this directory.

    Raises UsageError when the store was indexed by an incompatible version, or when its dates
    cannot be kept; Unavailable when it cannot be written. What the report counts is kept all the
    same.
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
        _go_through(given, report, work, keep, workers, listeners)
    if keep_dates and not (report.interrupted or listeners.stopping()):
        store.end_dated_load()


def _overtaken(store: Store, place: Place, draft: CompressedDraft) -> OlderDocument:
    """A draft that changed nothing, with the date of what is kept."""
    kept = store.read(draft.type, draft.id)
    kept_updated = kept.source_updated if kept else NO_DATE
    return OlderDocument(place, draft.type, draft.id, draft.source_updated, kept_updated)


def check(
    given: Iterable[Document],
    report: Report,
    *,
    now: Micros,
    workers: int = WORKERS,
    own_bases: Sequence[str] = (),
    listeners: Listeners | None = None,
) -> CheckedReferences:
    """
    Do everything that `run` does, but keep nothing: `report` counts what would be accepted.

    The references of what would be accepted are returned.
    """
    references = CheckedReferences()

    def count(places: Sequence[Place], ready: Sequence[CompressedDraft]) -> None:
        report.accepted += len(ready)
        references.add(ready)

    work = _Work(now, _only_named, tuple(own_bases))
    _go_through(given, report, work, count, workers, listeners or Listeners())
    return references


def _only_named(draft: Draft) -> CompressedDraft:
    """What is left of a draft that is not to be kept: its name and its links."""
    named = draft.type, draft.id, draft.source_updated
    return CompressedDraft(
        *named, b"", b"", draft.links, b"", 0, b"", b"", foreign_links=draft.foreign_links
    )


class _Work(NamedTuple):
    """
    What preparing needs besides the documents: the instant in microseconds, how drafts are packed,
    our bases.
    """

    now: Micros
    pack: Callable[[Draft], CompressedDraft]
    own_bases: Sequence[str]


def _go_through(
    given: Iterable[Document],
    report: Report,
    work: _Work,
    keep: Callable[[Sequence[Place], Sequence[CompressedDraft]], None],
    workers: int,
    listeners: Listeners,
) -> None:
    for places, prepared in _prepared(_batches(given), work, workers):
        fit = [place for at, place in enumerate(places) if at not in prepared.refused]
        keep(fit, prepared.ready)
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


# --- preparing, here or elsewhere -----------------------------------------------------------------


class _Batch(NamedTuple):
    places: list[Place]
    contents: list[bytes | Refusal]


def _batches(given: Iterable[Document]) -> Iterator[_Batch]:
    batch, size = _Batch([], []), 0
    for document in given:
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
    """Each batch with what became of it, in order."""
    here = batches if workers == 0 else itertools.islice(batches, PREPARED_HERE // BATCH_SIZE)
    for batch in here:
        yield batch.places, prepare_all(batch.contents, *work)
    first = next(batches, None)
    if first is not None:
        yield from _prepared_elsewhere(itertools.chain([first], batches), work, workers)


def _prepared_elsewhere(
    batches: Iterator[_Batch], work: _Work, workers: int
) -> Iterator[tuple[list[Place], Prepared]]:
    under_way: deque[tuple[list[Place], Future[_Sent]]] = deque()
    with _pool(workers) as pool:
        try:
            for batch in batches:
                under_way.append(
                    (batch.places, pool.submit(_prepare_and_send, batch.contents, work))
                )
                if len(under_way) >= workers * BATCHES_PER_WORKER:
                    places, future = under_way.popleft()
                    yield places, _received(future.result())
            for places, future in under_way:
                yield places, _received(future.result())
        except BrokenProcessPool:
            raise Unavailable("import.worker-died") from None


_Sent = tuple[bytes, dict[int, Refusal], list[Outward]]
"""
What comes back from a worker process: `Prepared`, in MessagePack, which takes 2 µs a resource and
pickle 14.
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
    # Not a fork of this process: it has threads and an open store.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    pool = ProcessPoolExecutor(
        workers,
        mp_context=context,
        initializer=_begin_work,
        initargs=(terminology.in_force().overlay,),
    )
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _begin_work(overlay: Overlay | None) -> None:
    """
    Know codes as the parent does; leave stopping to it, and do not outlive it, however it ends; do
    not look for cycles all the time.
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
