"""`ror init`, `ror reindex`, `ror upgrade`, `ror backup`: create and maintain a directory."""

import shutil
import time
from contextlib import closing
from pathlib import Path
from typing import Annotated, Final

import typer

from ror import runtime
from ror.audit.trail.tending import system_user
from ror.cli.help import Command, application
from ror.cli.options import By, ConfigFile, Database, Reason, settings
from ror.cli.terminal import say, write_line, write_notice
from ror.directory import upgrade as upgrading
from ror.directory.upgrade import Rebuilt, Upgraded
from ror.errors import UsageError
from ror.search.index.index import Index
from ror.search.index.schema import schema
from ror.settings import Settings
from ror.store import back_up, database_file, database_format
from ror.store.contract import Store

MEGABYTE: Final = 1_000_000
PROGRESS_EVERY_S: Final = 5.0


app: Final = application()


# --- init ---


@app.command("init", cls=Command, help=say("cli.init"))
def init(database: Database = None, config: ConfigFile = None) -> None:
    """`ror init`: make an empty directory where there is none."""
    current = settings(config, database=database)
    path = database_file(current.database)
    if path.exists():
        raise UsageError("store.present", path=path)
    runtime.open_or_create(current.database).close()
    write_line(say("cli.initialised", path=path))


def get_ready(current: Settings, create: bool) -> None:
    """
    Prepare a directory for serving.

    Creates it if it is absent and `create` is set, and upgrades it if the settings say so. Raises
    UsageError if there is none, or if the user must upgrade it first.
    """
    if create:
        with closing(runtime.open_or_create(current.database)):
            return
    if current.upgrade_at_start and upgrading.needs_upgrade(database_format(current.database)):
        _upgrade(current, _backup_file(current), system_user(), "")
    runtime.open_existing(current.database).close()


# --- reindex ---


@app.command("reindex", cls=Command, help=say("cli.reindex"))
def reindex(database: Database = None, config: ConfigFile = None) -> None:
    """`ror reindex`: make index entries, facts and masks again from the bodies; servers may run."""
    current = settings(config, database=database)
    if upgrading.has_old_index_alone(database_format(current.database)):
        # The bodies do not change, so no backup is necessary.
        _upgrade(current, None, by=system_user(), reason="")
        return
    runtime.use_tables(current)
    folder, start, rebuilt = runtime.snapshot_folder(current), time.monotonic(), Rebuilt()
    with closing(runtime.open_existing(current.database)) as store:
        upgrading.rebuild(store, rebuilt, rewriting=_Progress())
        shutil.rmtree(folder, ignore_errors=True)
        index = Index(store, folder)
        index.open()
        count, memory = index.view.resources(), index.view.memory_bytes()
    _write_not_indexed(rebuilt)
    write_notice(
        say(
            "cli.reindexed",
            count=say.number(count),
            changed=say.number(rebuilt.changed),
            seconds=say.number(time.monotonic() - start, 1),
            memory=say.number(memory / MEGABYTE, 1),
            folder=folder,
        )
    )


# --- upgrade ---


@app.command("upgrade", cls=Command, help=say("cli.upgrade"))
def upgrade(
    database: Database = None,
    backup: Annotated[
        Path | None, typer.Option("--backup", metavar="FILE", help=say("cli.upgrade-backup"))
    ] = None,
    no_backup: Annotated[
        bool, typer.Option("--no-backup", help=say("cli.upgrade-no-backup"))
    ] = False,
    by: By = None,
    reason: Reason = "",
    config: ConfigFile = None,
) -> None:
    """`ror upgrade`: bring a directory of a former release up to date, or resume doing so."""
    current = settings(config, database=database)
    target = None if no_backup else backup or _backup_file(current)
    if not _upgrade(current, target, by or system_user(), reason):
        write_line(say("upgrade.not-needed"))


def _backup_file(current: Settings) -> Path:
    return upgrading.backup_beside(database_file(current.database), time.time())


def _upgrade(current: Settings, backup: Path | None, by: str, reason: str) -> bool:
    """Upgrade a directory; returns whether there was anything to upgrade."""
    runtime.use_tables(current)
    start = time.monotonic()

    def record(store: Store, upgraded: Upgraded) -> None:
        details: dict[str, object] = {
            "tables": upgraded.before.tables,
            "schema": upgraded.before.meta.get("index-schema"),
            "backup": str(upgraded.backup or ""),
        }
        runtime.open_acts(current, store)("upgrade", schema(), by, reason, details)

    listeners = upgrading.Listeners(
        backing_up=lambda file: write_notice(say("upgrade.backing-up", file=file)),
        backed_up=lambda file: write_notice(say("upgrade.backed-up", file=file)),
        resuming=lambda file: write_notice(
            say("upgrade.resumed", file=file) if file else say("upgrade.resumed-without-backup")
        ),
        rewriting=_Progress(),
    )
    upgraded = upgrading.upgrade(
        current.database, runtime.snapshot_folder(current), backup, listeners, record
    )
    if upgraded is None:
        return False
    _write_not_indexed(upgraded.rebuilt)
    write_notice(
        say(
            "upgrade.done",
            seconds=say.number(time.monotonic() - start, 1),
            count=say.number(upgraded.rebuilt.resources),
            changed=say.number(upgraded.rebuilt.changed),
        )
    )
    return True


def _write_not_indexed(rebuilt: Rebuilt) -> None:
    if rebuilt.not_indexed:
        names = ", ".join(rebuilt.names)
        write_notice(say("upgrade.not-indexed", count=say.number(rebuilt.not_indexed), names=names))


class _Progress:
    """Writes the number of finished resources every few seconds."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, rebuilt: Rebuilt) -> None:
        now = time.monotonic()
        if now - self._last >= PROGRESS_EVERY_S:
            self._last = now
            write_notice(say("upgrade.progress", count=say.number(rebuilt.resources)))


# --- backup ---


@app.command("backup", cls=Command, help=say("cli.backup"))
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=say("cli.backup-file"))],
    database: Database = None,
    config: ConfigFile = None,
) -> None:
    """`ror backup`: copy one consistent moment of a directory to a new file; servers may run."""
    back_up(settings(config, database=database).database, file)
    write_line(
        say("cli.backed-up", file=file, megabytes=say.number(file.stat().st_size / MEGABYTE, 1))
    )
