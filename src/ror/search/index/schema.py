"""Which form the index entries of a directory have."""

from typing import Final

from ror.errors import UsageError
from ror.standard.definitions import search_parameters_digest
from ror.store.contract import Store

FORM: Final = "11"
"""Changes whenever `search.index.extract` reads a search parameter in another way."""


def schema() -> str:
    """The form of entries, which changes with `FORM` and with what search parameters read."""
    return f"{FORM}-{search_parameters_digest()}"


def check_schema(store: Store) -> None:
    """
    Have a new directory know that its entries are of this form.

    Raises UsageError when they are of another: entries of two forms in one directory would answer searches wrongly.
    """
    known = store.settled_meta("index-schema", schema())
    if known != schema():
        raise UsageError("index.other-schema", found=known, known=schema())
