"""
Rebuilding the data derived from stored bodies, and upgrading a directory of a former release.

Bodies, versions, clients and keys are the source of truth; index entries, links, facts and masks
are derived. A rebuild recomputes all derived data. An upgrade backs the directory up, migrates its
tables, then rebuilds. A killed upgrade resumes at the next run; until it is complete, every other
command refuses the directory.
"""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ror.directory.draft import redrafted, redrafted_without_entries
from ror.errors import UsageError
from ror.search.index import schema
from ror.store import (
    DatabaseFormat,
    back_up,
    check_unused,
    database_file,
    database_format,
    open_store,
)
from ror.store.contract import Draft, Rid, Store, VersionBody

RESOURCES_AT_ONCE: Final = 500
"""Resources that one transaction rewrites."""
NOT_INDEXED_KEPT: Final = 20
"""Resources that cannot be indexed and that a report names."""
FIRST: Final = Rid(0)
"""Lower than every rid of a resource."""
BACKUP: Final = "upgrade-backup"
"""The store metadata with the path of the backup of an unfinished upgrade, or ""."""
_LOG_BYTES: Final = 32_000_000
"""Room for the write-ahead log while resources are rewritten."""


@dataclass(slots=True)
class Rebuilt:
    """The results of a rebuild: the resources that it read, changed, and could not index."""

    resources: int = 0
    changed: int = 0
    not_indexed: int = 0
    names: list[str] = field(default_factory=list)
    """The first resources that could not be indexed, as `Type/id`."""


@dataclass(slots=True)
class Upgraded:
    """An upgrade: the former tables and schema, its backup, and the results of its rebuild."""

    before: DatabaseFormat
    is_resumed: bool
    backup: Path | None
    rebuilt: Rebuilt = field(default_factory=Rebuilt)


@dataclass(frozen=True, slots=True)
class Listeners:
    """Callbacks for the steps of an upgrade; `rewriting` receives the results so far."""

    backing_up: Callable[[Path], None] = lambda target: None
    backed_up: Callable[[Path], None] = lambda target: None
    resuming: Callable[[Path | None], None] = lambda backup: None
    rewriting: Callable[[Rebuilt], None] = lambda rebuilt: None


def rebuild(
    store: Store,
    rebuilt: Rebuilt,
    after: Rid = FIRST,
    note: Callable[[Rid], None] = lambda rid: None,
    rewriting: Callable[[Rebuilt], None] = lambda rebuilt: None,
) -> None:
    """
    Recompute the derived data of the resources with a rid above `after` from their bodies.

    After each transaction, `note` receives the rid of the last resource.
    """
    while versions := store.upkeep.version_bodies(after, RESOURCES_AT_ONCE):
        drafts = [(version, _redrafted(version, rebuilt)) for version in versions if version.body]
        rebuilt.changed += store.upkeep.rewrite(drafts)
        rebuilt.resources += len({version.rid for version in versions})
        after = versions[-1].rid
        note(after)
        rewriting(rebuilt)


def _redrafted(version: VersionBody, rebuilt: Rebuilt) -> Draft:
    try:
        return redrafted(version.body)
    except (ValueError, ArithmeticError):
        draft = redrafted_without_entries(version.body)
        if version.is_current:
            rebuilt.not_indexed += 1
            if len(rebuilt.names) < NOT_INDEXED_KEPT:
                rebuilt.names.append(f"{draft.type}/{draft.id}")
        return draft


# --- upgrade --------------------------------------------------------------------------------------


def needs_upgrade(form: DatabaseFormat) -> bool:
    """
    Whether a former release wrote the directory, or its upgrade is unfinished.

    Raises UsageError when a newer release wrote it.
    """
    noted = form.meta.get(schema.NOTE, schema.schema())
    schema.check_not_newer(noted)
    return 0 < form.tables < form.newest_tables or noted != schema.schema()


def has_old_index_alone(form: DatabaseFormat) -> bool:
    """Whether a rebuild from the bodies is all that a directory of this form needs."""
    return needs_upgrade(form) and form.tables == form.newest_tables


def upgrade(
    database: str,
    snapshots: Path,
    backup: Path | None,
    listeners: Listeners,
    begun: Callable[[Store, Upgraded], None] = lambda store, upgraded: None,
) -> Upgraded | None:
    """
    Upgrade a directory, or resume an interrupted upgrade; None if it needs no upgrade.

    `backup` is the path of a copy made first, None for no copy; a resumed upgrade already has its
    copy. `begun` is called with the open store before any resource is rewritten.

    Raises UsageError if another process has the directory open, a newer release wrote it, or the
    disk has not enough room.
    """
    form = database_format(database)
    if not needs_upgrade(form):
        return None
    check_unused(database)
    is_resumed = ":" in form.meta.get(schema.NOTE, "")
    if is_resumed:
        backup = Path(form.meta[BACKUP]) if form.meta.get(BACKUP) else None
    upgraded = Upgraded(form, is_resumed, backup)
    check_room(database_file(database), None if is_resumed else backup)
    if is_resumed:
        listeners.resuming(backup)
    elif backup:
        listeners.backing_up(backup)
        back_up(database, backup)
        listeners.backed_up(backup)
    store = open_store(database, upgrading=True)
    try:
        noted = store.get_meta(schema.NOTE) or ""
        after = schema.progress_in(noted)
        store.set_meta(BACKUP, str(backup.absolute()) if backup else "")
        schema.note_progress(store, after)
        begun(store, upgraded)
        rebuild(
            store,
            upgraded.rebuilt,
            after,
            lambda rid: schema.note_progress(store, rid),
            listeners.rewriting,
        )
        # Snapshots of the former schema are obsolete.
        shutil.rmtree(snapshots, ignore_errors=True)
        store.set_meta(BACKUP, "")
        schema.note_complete(store)
    finally:
        store.close()
    return upgraded


def backup_beside(file: Path, now_s: float) -> Path:
    """
    The default path of the backup of an upgrade, in the folder of the database file.

    >>> str(backup_beside(Path("/var/lib/ror/ror.db"), 0))
    '/var/lib/ror/ror.db.before-upgrade-19700101T000000Z'
    """
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_s))
    return file.with_name(f"{file.name}.before-upgrade-{moment}")


def check_room(file: Path, backup: Path | None) -> None:
    """Raises UsageError if a disk has not enough space for the backup and the rebuild."""
    size = file.stat().st_size
    needed = {file.parent: size // 2 + _LOG_BYTES}
    if backup is not None:
        same = backup.parent.exists() and _device(backup.parent) == _device(file.parent)
        folder = file.parent if same else backup.parent
        needed[folder] = needed.get(folder, 0) + size
    for folder, required in needed.items():
        free = shutil.disk_usage(folder).free if folder.is_dir() else required
        if free < required:
            raise UsageError(
                "upgrade.no-room",
                folder=folder.absolute(),
                free=_megabytes(free),
                needed=_megabytes(required),
            )


def _device(folder: Path) -> int:
    return folder.stat().st_dev


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:,.1f}"
