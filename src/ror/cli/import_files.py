"""`ror import`: import files, report progress and refusals, stop cleanly on a signal."""

import json
import re
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Final

import typer

from ror import runtime
from ror.cli.help import Command, application
from ror.cli.import_audit import traced
from ror.cli.options import ConfigFile, Create, Database, Machine, settings
from ror.cli.terminal import printable, say, write_line, write_notice
from ror.directory.importing import Document, Place, RefusedDocument, Report, check, documents
from ror.directory.importing import run as run_import
from ror.directory.importing.reading import MEGABYTE, STDIN
from ror.directory.importing.references import CheckedReferences
from ror.directory.importing.running import Listeners, OlderDocument
from ror.errors import RorError, Unavailable, UsageError
from ror.search.index.index import STALE_FLOOR, Index
from ror.search.language.values import instant_text
from ror.standard.instants import Micros
from ror.store import database_file, open_store
from ror.store.contract import DanglingReference, Store

app: Final = application()

QUIET_S: Final = 1.0
"""The time before the first report of progress."""
PLAIN_EVERY_S: Final = 5.0
"""The interval between lines of progress if the output is not a terminal."""
DANGLING_SHOWN: Final = 20
ISSUES_SHOWN: Final = 10
"""Issues printed for one resource; the JSON report has all of them."""


@app.command("import", cls=Command, help=say("cli.import"))
def import_files(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help=say("cli.import-files"))],
    database: Database = None,
    author: Annotated[
        str, typer.Option("--author", metavar="NAME", help=say("cli.import-author"))
    ] = "import",
    workers: Annotated[
        int, typer.Option("--workers", min=0, max=64, help=say("cli.import-workers"))
    ] = 2,
    dry_run: Annotated[bool, typer.Option("--dry-run", help=say("cli.import-dry-run"))] = False,
    take_older: Annotated[
        bool, typer.Option("--take-older", help=say("cli.import-take-older"))
    ] = False,
    keep_dates: Annotated[
        bool, typer.Option("--keep-dates", help=say("cli.import-keep-dates"))
    ] = False,
    own_base: Annotated[
        list[str] | None, typer.Option("--own-base", metavar="URL", help=say("cli.import-own-base"))
    ] = None,
    create: Create = False,
    machine: Machine = False,
    config: ConfigFile = None,
) -> int:
    current = settings(config, database=database)
    runtime.use_tables(current)
    report, stop, start = Report(), Stop(), time.monotonic()
    source = documents(files, current.max_document_mb * MEGABYTE)
    dangling: tuple[int, list[DanglingReference]] | None = None
    now = Micros(time.time_ns() // 1_000)
    bases = (*current.bases, *_own_bases(own_base or ()))
    opening = runtime.open_or_create if create else runtime.open_existing
    with stop.listening(), _progress(start) as progress:
        listeners = Listeners(_write_refused, _write_overtaken, progress, stop.is_wanted)
        reading = stop.interrupting(source)
        if dry_run:
            references = check(
                reading,
                report,
                now=now,
                workers=workers,
                own_bases=bases,
                listeners=listeners,
            )
            if not stop.is_wanted():
                dangling = _dangling_of_check(current.database, references)
        else:
            store = opening(current.database)
            before = store.last_change()
            try:
                with traced(current, store, files, author, report, stop.is_wanted):
                    run_import(
                        store,
                        reading,
                        report,
                        now=now,
                        author=author,
                        workers=workers,
                        own_bases=bases,
                        listeners=listeners,
                        take_older=take_older,
                        keep_dates=keep_dates,
                    )
                if not stop.is_wanted():
                    dangling = store.dangling(DANGLING_SHOWN, after=before)
                    renew_snapshot(store, runtime.snapshot_folder(current), report)
            except RorError:
                report.interrupted = True
                _write_report(report, time.monotonic() - start, dry_run=False)
                raise
            finally:
                store.close()
    report.interrupted |= stop.is_wanted()
    seconds = time.monotonic() - start
    if dangling is not None:
        outward = report.outward
        first = [*dangling[1], *outward.first_unresolved][:DANGLING_SHOWN]
        dangling = dangling[0] + outward.unresolved, first
    if machine:
        write_line(json.dumps(_as_json(report, seconds, dangling), ensure_ascii=False))
    else:
        _write_report(report, seconds, dry_run)
        _write_dangling(dangling)
        _write_external(report)
    if stop.signal is not None:
        return 128 + stop.signal
    return 1 if report.refused else 0


def _own_bases(addresses: Sequence[str]) -> list[str]:
    """The addresses of `--own-base`, without final slash. Raises UsageError for an invalid one."""
    for address in addresses:
        if not re.fullmatch(r"https?://[!-~]+", address):
            raise UsageError("import.not-a-base", address=address)
    return [address.rstrip("/") for address in addresses]


def _dangling_of_check(
    database: str, references: CheckedReferences
) -> tuple[int, list[DanglingReference]]:
    """The dangling references of a check, which never creates the database."""
    if not database_file(database).exists():
        return references.dangling(None, DANGLING_SHOWN)
    store = open_store(database)
    try:
        return references.dangling(store, DANGLING_SHOWN)
    finally:
        store.close()


def renew_snapshot(store: Store, folder: Path, report: Report) -> None:
    """
    Write an index snapshot if the next start would otherwise have much to index.

    If the disk has no space for it, the import still succeeds: the next start indexes instead.
    """
    changes = report.created + report.updated
    if changes and (changes >= STALE_FLOOR or not any(folder.glob("*.index"))):
        index = Index(store, folder)
        try:
            index.open()
            index.snapshot()
        except Unavailable as problem:
            write_notice(problem.text(say.language))


# --- stopping -------------------------------------------------------------------------------------


class _Interrupted(BaseException):
    """Ends a wait for input. Not an Exception, so that no handler takes it for a failure."""


class Stop:
    """Stops an import on SIGINT or SIGTERM: after the current batch, or at once the second time."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._waiting = False

    def is_wanted(self) -> bool:
        """Whether to stop after the current batch."""
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

    def interrupting(self, documents: Iterable[Document]) -> Iterator[Document]:
        """The documents, until a signal comes, even while it waits for the next document."""
        source = iter(documents)
        while not self.is_wanted():
            try:
                self._waiting = True
                document = next(source)
                self._waiting = False
            except (StopIteration, _Interrupted):
                self._waiting = False
                return
            yield document

    def _ask(self, number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        self.signal = number
        if self._waiting:
            self._waiting = False
            raise _Interrupted


# --- reporting ------------------------------------------------------------------------------------


class _Progress:
    """Reports progress: a moving line on a terminal, a line every few seconds elsewhere."""

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
            write_notice(text)


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


def _write_refused(refused: RefusedDocument) -> None:
    where = {"file": _shown_file(refused.place), "line": refused.place.line}
    for issue in refused.issues[:ISSUES_SHOWN]:
        path, reason = refused.path(issue), issue.text(say.language)
        key = "import.refusal" if path else "import.refusal-without-path"
        write_notice(say(key, path=path, reason=reason, **where))
    if len(refused.issues) > ISSUES_SHOWN:
        write_notice(say("import.more-issues", count=len(refused.issues) - ISSUES_SHOWN, **where))


def _write_overtaken(overtaken: OlderDocument) -> None:
    write_notice(
        say(
            "import.overtaken",
            file=_shown_file(overtaken.place),
            line=overtaken.place.line,
            type=overtaken.type,
            id=overtaken.id,
            date=instant_text(overtaken.source_updated),
            kept=instant_text(overtaken.kept_updated),
        )
    )


def _shown_file(place: Place) -> str:
    """The file of a document, as people read its name."""
    return say("import.stdin") if place.file == STDIN else printable(place.file)


def _write_report(report: Report, seconds: float, dry_run: bool) -> None:
    counts = {name: say.number(getattr(report, name)) for name in _COUNTS}
    key = (
        "import.interrupted"
        if report.interrupted
        else "import.checked"
        if dry_run
        else "import.done"
    )
    write_line(say(key, seconds=say.number(seconds, 1), **counts))
    if report.older:
        write_line(say("import.older", count=say.number(report.older)))
    if not (report.kept or report.older or report.accepted or report.refused or report.interrupted):
        write_line(say("import.nothing"))


def _write_dangling(dangling: tuple[int, list[DanglingReference]] | None) -> None:
    count, first = dangling or (0, [])
    if not count:
        return
    write_line(say("import.dangling", count=say.number(count)))
    for reference in first:
        write_line(
            say(
                "import.dangling-one",
                source="/".join(reference.source),
                target=_target(reference),
            )
        )
    if count > len(first):
        write_line(say("import.dangling-more", count=say.number(count - len(first))))


def _target(reference: DanglingReference) -> str:
    """The target of a reference as it is written: `Type/id`, or the URN alone."""
    return "/".join(part for part in reference.target if part)


def _write_external(report: Report) -> None:
    for base, count in report.outward.external.most_common(DANGLING_SHOWN):
        write_line(say("import.external", base=printable(base), count=say.number(count)))


_COUNTS: Final = ("created", "updated", "unchanged", "older", "accepted", "refused")


def _as_json(
    report: Report, seconds: float, dangling: tuple[int, list[DanglingReference]] | None
) -> dict[str, object]:
    """The report for programs: the counts, and the first refusals and older documents."""
    result: dict[str, object] = {name: getattr(report, name) for name in _COUNTS}
    result |= {"interrupted": report.interrupted, "seconds": round(seconds, 3)}
    result["refusals"] = [_refused_as_json(refused) for refused in report.refusals]
    result["overtaken"] = [_overtaken_as_json(overtaken) for overtaken in report.overtaken]
    result["external"] = dict(report.outward.external)
    if dangling is not None:
        references = [
            {"source": "/".join(reference.source), "target": _target(reference)}
            for reference in dangling[1]
        ]
        result["dangling"] = {"count": dangling[0], "first": references}
    return result


def _overtaken_as_json(overtaken: OlderDocument) -> dict[str, object]:
    dates = {
        "sourceUpdated": instant_text(overtaken.source_updated),
        "keptUpdated": instant_text(overtaken.kept_updated),
    }
    resource = f"{overtaken.type}/{overtaken.id}"
    place = {**overtaken.place._asdict(), "file": printable(overtaken.place.file)}
    return {**place, "resource": resource, **dates}


def _refused_as_json(refused: RefusedDocument) -> dict[str, object]:
    issues = [
        {"code": issue.code, "path": refused.path(issue), "reason": issue.text(say.language)}
        for issue in refused.issues
    ]
    return {**refused.place._asdict(), "file": printable(refused.place.file), "issues": issues}
