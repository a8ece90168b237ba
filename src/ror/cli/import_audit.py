"""The audit lines of an import: one before it writes anything, one before it reports anything."""

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ror import runtime
from ror.audit.records import ImportBegun, ImportEnded, instant
from ror.audit.trail.tending import system_user
from ror.audit.trail.writing import Journal
from ror.cli.terminal import printable
from ror.directory.importing import Report
from ror.errors import RorError
from ror.settings import Settings
from ror.store.contract import Store


@contextmanager
def traced(
    settings: Settings,
    store: Store,
    files: Sequence[str],
    author: str,
    report: Report,
    is_stopped: Callable[[], bool],
) -> Iterator[None]:
    """
    Record the import that runs inside in the audit trail, if the settings turn it on.

    Raises UsageError if the trail cannot be opened, Unavailable if a line cannot be written.
    """
    journal = runtime.open_trail(settings, store)
    if journal is None:
        yield
        return
    run = secrets.token_hex(8)
    try:
        begun = ImportBegun(
            at=_now(), run=run, author=author, by=system_user(), files=tuple(map(printable, files))
        )
        journal.write_durably(begun)
        try:
            yield
        except BaseException as problem:
            _end(
                journal,
                run,
                report,
                True,
                problem.key if isinstance(problem, RorError) else type(problem).__name__,
            )
            raise
        _end(journal, run, report, is_stopped(), None)
    finally:
        journal.close()


def _end(
    journal: Journal, run: str, report: Report, interrupted: bool, problem: str | None
) -> None:
    journal.write_durably(
        ImportEnded(
            at=_now(),
            run=run,
            created=report.created,
            updated=report.updated,
            unchanged=report.unchanged,
            older=report.older,
            refused=report.refused,
            interrupted=interrupted or report.interrupted,
            problem=problem,
        )
    )


def _now() -> str:
    return instant(time.time_ns())
