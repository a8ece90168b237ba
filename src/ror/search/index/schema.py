"""Which form the index entries of a directory have."""

from typing import Final

from ror.errors import UsageError
from ror.store.contract import Store

SCHEMA: Final = "8"
"""Changes whenever `search.extract` would give other entries of the same resource."""


def check_schema(store: Store) -> None:
    """
    Have a new directory know that its entries are of this form.

    Raises UsageError when they are of another: entries of two forms in one directory would answer searches wrongly.
    """
    known = store.settled_meta("index-schema", SCHEMA)
    if known != SCHEMA:
        raise UsageError("index.other-schema", found=known, known=SCHEMA)
