"""`ror import`: runs an import under the eyes of a person or of a program, and stops it cleanly."""

import json
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

from ror import runtime
from ror.cli.speaking import answer, readable, say, tell
from ror.cli.tracing import traced
from ror.directory.importing import Document, Refused, Report, check, documents
from ror.directory.importing import run as run_import
from ror.directory.importing.reading import MEGABYTE, STDIN
from ror.directory.importing.running import Listeners
from ror.errors import RorError, Unavailable
from ror.search.index.index import STALE_FLOOR, Index
from ror.settings import Settings
from ror.store import open_store
from ror.store.contract import Dangling, Store

QUIET_S: Final = 1.0
"""Nothing is said of progress before."""
PLAIN_EVERY_S: Final = 5.0
"""Between two lines of progress where there is no terminal."""
DANGLING_SHOWN: Final = 20
ISSUES_SHOWN: Final = 10
"""Issues told for one resource; the machine-readable report has them all."""


def run(
    settings: Settings,
    files: Sequence[str],
    author: str,
    workers: int,
    dry_run: bool,
    machine: bool,
) -> int:
    """Import files into the directory that the settings name; the exit code."""
    runtime.use_tables(settings)
    report, stop, start = Report(), Stop(), time.monotonic()
    given = documents(files, settings.max_document_mb * MEGABYTE)
    dangling: tuple[int, list[Dangling]] | None = None
    now = time.time_ns() // 1_000
    with stop.listening(), _progress(start) as progress:
        listeners = Listeners(_tell_refused, progress, stop.is_asked)
        reading = stop.interrupting(given)
        if dry_run:
            check(reading, report, now=now, workers=workers, listeners=listeners)
        else:
            store = open_store(settings.database)
            before = store.last_change()
            try:
                with traced(settings, store, files, author, report, stop.is_asked):
                    run_import(
                        store,
                        reading,
                        report,
                        now=now,
                        author=author,
                        workers=workers,
                        listeners=listeners,
                    )
                if not stop.is_asked():
                    dangling = store.dangling(DANGLING_SHOWN, after=before)
                    renew_snapshot(store, runtime.snapshot_folder(settings.database), report)
            except RorError:
                report.interrupted = True
                _tell_report(report, time.monotonic() - start, dry_run=False)
                raise
            finally:
                store.close()
    report.interrupted |= stop.is_asked()
    seconds = time.monotonic() - start
    if machine:
        answer(json.dumps(_as_json(report, seconds, dangling), ensure_ascii=False))
    else:
        _tell_report(report, seconds, dry_run)
        _tell_dangling(dangling)
    if stop.signal is not None:
        return 128 + stop.signal
    return 1 if report.refused else 0


def renew_snapshot(store: Store, folder: Path, report: Report) -> None:
    """
    Write an index snapshot when the next start would otherwise have much to index.

    A disk that has no room for it takes nothing away from the import: the next start does without.
    """
    changes = report.created + report.updated
    if changes and (changes >= STALE_FLOOR or not any(folder.glob("*.index"))):
        index = Index(store, folder)
        try:
            index.open()
            index.snapshot()
        except Unavailable as problem:
            tell(problem.text(say.language))


# --- stopping --------------------------------------------------------------------------------------------------------


class _Asked(BaseException):
    """Leaves a wait for input that may be long; not an Exception, so that nobody takes it for a failure."""


class Stop:
    """Whether SIGINT or SIGTERM came: the batch under way is finished first. A second one ends at once."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._waiting = False

    def is_asked(self) -> bool:
        """Whether to stop after the batch under way."""
        return self.signal is not None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Receive the signals."""
        kinds = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(kind, self._ask) for kind in kinds]
        try:
            yield
        finally:
            for kind, handler in zip(kinds, before, strict=True):
                signal.signal(kind, handler)

    def interrupting(self, given: Iterable[Document]) -> Iterator[Document]:
        """The documents given, until a signal comes, even while the next one is waited for."""
        source = iter(given)
        while not self.is_asked():
            try:
                self._waiting = True
                document = next(source)
                self._waiting = False
            except (StopIteration, _Asked):
                self._waiting = False
                return
            yield document

    def _ask(self, number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        self.signal = number
        if self._waiting:
            self._waiting = False
            raise _Asked


# --- telling ---------------------------------------------------------------------------------------------------------


class _Progress:
    """Says how far an import is: a moving line on a terminal, a line from time to time elsewhere."""

    def __init__(self, start: float, status: Any) -> None:
        self._start, self._status = start, status
        self._last = start

    def __call__(self, report: Report) -> None:
        now = time.monotonic()
        if now - self._start < QUIET_S:
            return
        done = report.kept + report.accepted
        rate = say.number(done / (now - self._start))
        text = say(
            "import.progress", done=say.number(done), refused=say.number(report.refused), rate=rate
        )
        if self._status is not None:
            self._status.update(text)
            self._status.start()
        elif now - self._last >= PLAIN_EVERY_S:
            self._last = now
            tell(text)


@contextmanager
def _progress(start: float) -> Iterator[_Progress]:
    if not sys.stderr.isatty():
        yield _Progress(start, None)
        return
    from rich.console import Console

    status = Console(stderr=True).status("")
    try:
        yield _Progress(start, status)
    finally:
        status.stop()


def _tell_refused(refused: Refused) -> None:
    file = say("import.stdin") if refused.place.file == STDIN else readable(refused.place.file)
    where = {"file": file, "line": refused.place.line}
    for issue in refused.issues[:ISSUES_SHOWN]:
        path, reason = refused.path(issue), issue.text(say.language)
        key = "import.refusal" if path else "import.refusal-without-path"
        tell(say(key, path=path, reason=reason, **where))
    if len(refused.issues) > ISSUES_SHOWN:
        tell(say("import.more-issues", count=len(refused.issues) - ISSUES_SHOWN, **where))


def _tell_report(report: Report, seconds: float, dry_run: bool) -> None:
    counts = {name: say.number(getattr(report, name)) for name in _COUNTS}
    key = (
        "import.interrupted"
        if report.interrupted
        else "import.checked"
        if dry_run
        else "import.done"
    )
    answer(say(key, seconds=say.number(seconds, 1), **counts))
    if not (report.kept or report.accepted or report.refused or report.interrupted):
        answer(say("import.nothing"))


def _tell_dangling(dangling: tuple[int, list[Dangling]] | None) -> None:
    count, first = dangling or (0, [])
    if not count:
        return
    answer(say("import.dangling", count=say.number(count)))
    for one in first:
        answer(say("import.dangling-one", source="/".join(one.source), target="/".join(one.target)))
    if count > len(first):
        answer(say("import.dangling-more", count=say.number(count - len(first))))


_COUNTS: Final = ("created", "updated", "unchanged", "accepted", "refused")


def _as_json(
    report: Report, seconds: float, dangling: tuple[int, list[Dangling]] | None
) -> dict[str, object]:
    """The report for programs; `refusals` are the first ones, `refused` counts all."""
    told: dict[str, object] = {name: getattr(report, name) for name in _COUNTS}
    told |= {"interrupted": report.interrupted, "seconds": round(seconds, 3)}
    told["refusals"] = [_refused_as_json(refused) for refused in report.refusals]
    if dangling is not None:
        references = [
            {"source": "/".join(one.source), "target": "/".join(one.target)} for one in dangling[1]
        ]
        told["dangling"] = {"count": dangling[0], "first": references}
    return told


def _refused_as_json(refused: Refused) -> dict[str, object]:
    issues = [
        {"code": issue.code, "path": refused.path(issue), "reason": issue.text(say.language)}
        for issue in refused.issues
    ]
    return {**refused.place._asdict(), "file": readable(refused.place.file), "issues": issues}
