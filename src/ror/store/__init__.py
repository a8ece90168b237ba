"""
The storage of the directory: one interface, and one engine for each kind of URL.

    contract     the interface of every engine
    jobs         running jobs and recording their progress
    sqlite/      the SQLite engine
    migrations/  the schema of each engine, step by step
"""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from ror.errors import UsageError
from ror.store.contract import Store
from ror.store.sqlite import upkeep
from ror.store.sqlite.store import SqliteStore
from ror.store.sqlite.upkeep import DatabaseFormat, Progress

__all__ = [
    "DatabaseFormat",
    "Progress",
    "Store",
    "back_up",
    "check_exists",
    "check_unused",
    "database_file",
    "database_format",
    "open_store",
]


def open_store(url: str, *, upgrading: bool = False) -> Store:
    """
    The store at `url`, created if it is absent.

    The URL is `sqlite:///relative/path` or `sqlite:////absolute/path`. With `upgrading`, the tables
    of an earlier release are migrated.

    Raises UsageError if the URL or its path cannot be used, or if another release wrote the tables.
    """
    return SqliteStore(_checked_file(url), upgrading=upgrading)


def check_exists(url: str) -> None:
    """Raises UsageError if there is no store at `url`: a mistyped name must not create one."""
    path = _checked_file(url)
    if not path.exists():
        raise UsageError("store.absent", path=path, url=url)


def database_format(url: str) -> DatabaseFormat:
    """
    The format of the store at `url`; this or an earlier release wrote it.

    Raises UsageError if there is none, or if a newer release wrote it.
    """
    check_exists(url)
    return upkeep.database_format(_checked_file(url))


def check_unused(url: str) -> None:
    """Raises UsageError if another process of any release has the store open."""
    upkeep.check_unused(_checked_file(url))


def back_up(url: str, target: Path, progress: Progress = lambda copied, total: None) -> None:
    """
    Copy a snapshot of the store at `url` to a new file; on failure there is no file.

    Servers and imports may run meanwhile.
    Raises UsageError if there is no store, or if `target` exists or cannot be written.
    """
    check_exists(url)
    upkeep.back_up(_checked_file(url), target, progress)


def _checked_file(url: str) -> Path:
    """The file of the store at `url`. Raises UsageError if `url` cannot name a store."""
    parts = urlsplit(url)
    if parts.scheme in ("postgresql", "postgres"):
        # Show the scheme only: the rest may hold a password, and messages end up in logs.
        raise UsageError("store.no-postgresql", url=f"{parts.scheme}://…")
    if (
        parts.scheme != "sqlite"
        or parts.netloc
        or parts.path in ("", "/")
        or parts.query
        or parts.fragment
    ):
        raise UsageError(
            "store.unknown-url", url=parts._replace(netloc="…" if parts.netloc else "").geturl()
        )
    return database_file(url)


def database_file(url: str) -> Path:
    """
    The path of the file of the store at `url`; the file may be absent.

    >>> [str(database_file(url)) for url in ("sqlite:///ror.db", "sqlite:////var/lib/ror%20test.db")]
    ['ror.db', '/var/lib/ror test.db']
    """
    return Path(unquote(urlsplit(url).path.removeprefix("/")))
