"""The directory that a command works on. Opening it never makes one."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

from ror import runtime
from ror.errors import UsageError
from ror.search.index.index import Index
from ror.settings import Settings
from ror.store import database_file, open_store
from ror.store.contract import Store


def existing_store(database: str) -> Store:
    """The store of a directory. Raises UsageError when there is no such directory."""
    path = database_file(database)
    if urlsplit(database).scheme == "sqlite" and not path.exists():
        raise UsageError("cli.no-database", path=path)
    return open_store(database)


@contextmanager
def opened_index(settings: Settings) -> Iterator[tuple[Store, Index]]:
    """The store of a directory and its index, up to date."""
    runtime.use_tables(settings)
    with closing(existing_store(settings.database)) as store:
        index = Index(store, runtime.snapshot_folder(settings.database))
        index.open()
        yield store, index
