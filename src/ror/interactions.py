"""
What can be done with one resource: read, for now; the interactions that write come with validation and versions.
"""

from ror.access import Viewer
from ror.errors import Gone, NotFound
from ror.store.contract import Store, Stored


def read(store: Store, viewer: Viewer, resource_type: str, resource_id: str) -> Stored:
    """
    The current version of a resource, as this viewer may see it.

    Raises NotFound when there is none for this viewer, Gone when it was deleted.
    """
    found = store.read(resource_type, resource_id)
    if found is None:
        raise NotFound("read.not-found", type=resource_type, id=resource_id)
    if found.deleted:
        raise Gone("read.gone", type=resource_type, id=resource_id)
    return found
