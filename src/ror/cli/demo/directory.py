"""The directory of the demonstration: made in a folder, unless the folder already has it."""

import shutil
import time
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Final

from ror import runtime
from ror.cli.import_audit import traced
from ror.cli.import_files import renew_snapshot
from ror.cli.terminal import say, write_line
from ror.directory.importing import Document, Place, Report
from ror.directory.importing import run as run_import
from ror.directory.upgrade import needs_upgrade
from ror.errors import UsageError
from ror.samples import Size, generate
from ror.search.index.schema import schema
from ror.settings import Settings
from ror.standard.instants import Micros
from ror.store import database_format, open_store

MARK: Final = "demo"
"""The name, in the store, of the mark that identifies the demonstration."""
MAKING: Final = "making "
"""The prefix of the mark of a demonstration that is incomplete."""

OTHER_RELEASE: Final = "other"
"""The mark of a demonstration in the form of another release."""


def make(settings: Settings, folder: Path, size: Size, seed: int) -> None:
    """
    Fill the database with this demonstration, unless it has it already.

    Raises UsageError if the folder has a directory that is not a demonstration.
    """
    database = settings.database
    # A directory with another index schema cannot be read.
    mark = f"{size.value} {seed} {version('ror')} {schema()}"
    if _mark_of(database, folder) not in (None, mark, MAKING + mark):
        for suffix in ("", "-wal", "-shm"):
            (folder / f"demo.db{suffix}").unlink(missing_ok=True)
        shutil.rmtree(runtime.snapshot_folder(settings), ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    with closing(open_store(database)) as store:
        if store.get_meta(MARK) == mark:
            return
        write_line(say("cli.demo-making", size=size.value, folder=folder))
        store.set_meta(MARK, MAKING + mark)
        report, start = Report(), time.monotonic()
        documents = (
            Document(Place("demo", number), line)
            for number, line in enumerate(generate(size, seed), 1)
        )
        with traced(settings, store, (MARK,), MARK, report, lambda: False):
            now = Micros(time.time_ns() // 1_000)
            run_import(store, documents, report, now=now, author=MARK, keep_dates=True)
        renew_snapshot(store, runtime.snapshot_folder(settings), report)
        store.set_meta(MARK, mark)
        seconds = say.number(time.monotonic() - start, 1)
        write_line(say("cli.demo-made", count=say.number(report.kept), seconds=seconds))


def _mark_of(database: str, folder: Path) -> str | None:
    """The mark of the demonstration in a folder; None without a demonstration."""
    if not (folder / "demo.db").exists():
        return None
    form = database_format(database)
    mark = form.meta.get(MARK)
    if mark is None and form.holds_resources:
        raise UsageError("cli.not-a-demo", folder=folder)
    # A demonstration of another release is made again, not upgraded.
    return OTHER_RELEASE if mark is not None and needs_upgrade(form) else mark
