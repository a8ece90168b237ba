"""
Which form the index entries of a directory have.

A directory notes it as the name of the schema. While `ror upgrade` rewrites its entries, the note is
`8-1f3a:1500`: of the schema 8-1f3a up to the resource number 1500, and no program takes it for whole.
"""

from typing import Final

from ror.errors import UsageError
from ror.standard.definitions import search_parameters_digest
from ror.store.contract import Rid, Store

FORM: Final = "11"
"""Changes whenever `search.index.extract` reads a search parameter in another way."""
NOTE: Final = "index-schema"
"""The fact of a store that says which schema its entries have."""


def schema() -> str:
    """The form of entries, which changes with `FORM` and with what search parameters read."""
    return f"{FORM}-{search_parameters_digest()}"


def check_schema(store: Store) -> None:
    """
    Have a new directory know that its entries are of this form.

    Raises UsageError when they are of another: entries of two forms in one directory would answer searches wrongly.
    """
    noted = store.set_meta_once(NOTE, schema())
    if _form(noted) > int(FORM):
        raise UsageError("index.newer-schema", noted=noted, known=schema())
    if noted != schema():
        raise UsageError("index.older-schema", url=store.url)


def note_progress(store: Store, rid: Rid) -> None:
    """Note that the entries of the resources up to this number are of the present schema."""
    store.set_meta(NOTE, f"{schema()}:{rid}")


def note_complete(store: Store) -> None:
    """Note that all entries are of the present schema."""
    store.set_meta(NOTE, schema())


def progress_in(noted: str) -> Rid:
    """
    The number of the resource up to which entries are of the present schema.

    >>> progress_in("1"), progress_in("1:1500"), progress_in(f"{schema()}:1500")
    (0, 0, 1500)
    """
    name, _, rid = noted.partition(":")
    return Rid(int(rid) if name == schema() and rid else 0)


def _form(noted: str) -> int:
    form = noted.partition(":")[0].partition("-")[0]
    return int(form) if form.isdecimal() else 0
