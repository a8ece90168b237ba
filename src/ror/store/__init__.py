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
from ror.store.sqlite.store import SqliteStore


def open_store(url: str) -> Store:
    """
    The store at `url`, created when there is none: `sqlite:///relative/path` or `sqlite:////absolute/path`.

    Raises UsageError when the URL or the place it names cannot be used.
    """
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
    return SqliteStore(database_file(url))


def database_file(url: str) -> Path:
    """
    The file of the store at `url`, there or not.

    >>> [str(database_file(url)) for url in ("sqlite:///ror.db", "sqlite:////var/lib/ror%20test.db")]
    ['ror.db', '/var/lib/ror test.db']
    """
    return Path(unquote(urlsplit(url).path.removeprefix("/")))
