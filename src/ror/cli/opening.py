"""The directory that a command works on. Opening never creates it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from ror import runtime
from ror.search.index.index import Index
from ror.settings import Settings
from ror.store.contract import Store


@contextmanager
def opened_index(settings: Settings) -> Iterator[tuple[Store, Index]]:
    """The store of a directory and its index, up to date."""
    runtime.use_tables(settings)
    with closing(runtime.open_existing(settings.database)) as store:
        index = Index(store, runtime.snapshot_folder(settings))
        index.open()
        yield store, index
