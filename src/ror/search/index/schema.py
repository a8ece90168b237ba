"""
The schema of the index entries of a directory.

A directory stores the name of its schema. While `ror upgrade` rewrites the entries, the stored text
is `8-1f3a:1500`: entries have the schema 8-1f3a up to the resource number 1500, and no program
opens the directory.
"""

from typing import Final

from ror.errors import UsageError
from ror.standard.definitions import search_parameters_digest
from ror.store.contract import Rid, Store

FORM: Final = "12"
"""Bump it whenever the entries that `extract` makes change."""
NOTE: Final = "index-schema"
"""The key under which a store holds the schema of its entries."""


def schema() -> str:
    """The schema of the program; it changes with `FORM` and with the table of search parameters."""
    return f"{FORM}-{search_parameters_digest()}"


def check_schema(store: Store) -> None:
    """
    Store the schema in a new directory, and check that of an existing one.

    Raises UsageError if it differs: a directory with entries of two schemas would answer wrongly.
    """
    noted = store.set_meta_once(NOTE, schema())
    check_not_newer(noted)
    if noted != schema():
        raise UsageError("index.older-schema", url=store.url)


def check_not_newer(noted: str) -> None:
    """Raises UsageError when the entries are of the schema of a newer release."""
    if _form(noted) > int(FORM):
        raise UsageError("index.newer-schema", noted=noted, known=schema())


def note_progress(store: Store, rid: Rid) -> None:
    """Store that the entries of the resources up to this number have the present schema."""
    store.set_meta(NOTE, f"{schema()}:{rid}")


def note_complete(store: Store) -> None:
    """Store that all entries have the present schema."""
    store.set_meta(NOTE, schema())


def progress_in(noted: str) -> Rid:
    """
    The number of the resource up to which entries have the present schema.

    >>> progress_in("1"), progress_in("1:1500"), progress_in(f"{schema()}:1500")
    (0, 0, 1500)
    """
    name, _, rid = noted.partition(":")
    return Rid(int(rid) if name == schema() and rid else 0)


def _form(noted: str) -> int:
    form = noted.partition(":")[0].partition("-")[0]
    return int(form) if form.isdecimal() else 0
