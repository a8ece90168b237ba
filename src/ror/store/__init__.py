"""
Where the directory is kept: one contract, and the engine that a URL names.

    contract     what a store keeps and how it is asked
    jobs         long work as rows
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
    The store at `url`, created when there is none: `sqlite:///relative/path` or `sqlite:////absolute/path`.

    The tables of a former release are brought up to date when `upgrading`.

    Raises UsageError when the URL or the place it names cannot be used, or when the tables are of
    another release.
    """
    return SqliteStore(_checked_file(url), upgrading=upgrading)


def check_exists(url: str) -> None:
    """Raises UsageError when there is no store at `url`: a mistyped name must not make one."""
    path = _checked_file(url)
    if not path.exists():
        raise UsageError("store.absent", path=path, url=url)


def database_format(url: str) -> DatabaseFormat:
    """
    The form of the store at `url`, whichever release wrote it.

    Raises UsageError when there is none, or a newer release wrote it.
    """
    check_exists(url)
    return upkeep.database_format(_checked_file(url))


def check_unused(url: str) -> None:
    """Raises UsageError when another process has the store open, of whichever release it is."""
    upkeep.check_unused(_checked_file(url))


def back_up(url: str, target: Path, progress: Progress = lambda copied, total: None) -> None:
    """
    Copy one consistent moment of the store at `url` to a new file, durable, whole or not at all.

    Servers and imports may run meanwhile.
    Raises UsageError when there is no store, or when `target` exists or cannot be written.
    """
    check_exists(url)
    upkeep.back_up(_checked_file(url), target, progress)


def _checked_file(url: str) -> Path:
    """The file of the store at `url`. Raises UsageError when it is the address of no store."""
    parts = urlsplit(url)
    if parts.scheme in ("postgresql", "postgres"):
        # Without what follows the scheme: a password may be there, and messages end up in logs.
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
    The file of the store at `url`, there or not.

    >>> [str(database_file(url)) for url in ("sqlite:///ror.db", "sqlite:////var/lib/ror%20test.db")]
    ['ror.db', '/var/lib/ror test.db']
    """
    return Path(unquote(urlsplit(url).path.removeprefix("/")))
