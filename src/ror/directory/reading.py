"""
What can be done with one resource: read, for now; the interactions that write come with validation and versions.
"""

from dataclasses import replace

from ror.access import Viewer
from ror.access.cutting import cut, hidden_codes, may_see
from ror.access.references import without_references
from ror.errors import Gone, NotFound
from ror.search.answer.bodies import written_since
from ror.search.answer.engine import Search
from ror.search.index.index import Index
from ror.search.index.view import View
from ror.store.contract import Store, Stored


def read(
    store: Store, index: Index, viewer: Viewer, resource_type: str, resource_id: str
) -> tuple[Stored, bool]:
    """
    The current version of a resource as this viewer may see it, and whether something was taken away.

    Raises NotFound when there is none for this viewer, Gone when it was deleted.
    """
    # A view from before the first thing was hidden would not look for references to it.
    signal = index.see_masks()
    asking = Search(index.view, viewer)
    if asking.is_held_back:
        # What a perimeter or a reference hides depends on other resources, as they are now.
        index.catch_up(signal)
        asking = Search(index.view, viewer)
    found = store.read(resource_type, resource_id)
    if found is None or not may_see(found.shades, viewer.mask):
        raise _not_found(resource_type, resource_id, found)
    if found.deleted and viewer.perimeter is None:
        raise Gone("read.gone", type=resource_type, id=resource_id)
    hidden = hidden_codes(found.shades, viewer.mask)
    body = cut(found.body, found.plan, hidden) if hidden else found.body
    if asking.is_held_back:
        if found.rid not in asking.seen(resource_type):
            raise _not_found(resource_type, resource_id, found)
        if _may_be_newer(found, store, index, asking.view):
            body = without_references(body, asking.may_hide)
        elif found.rid in asking.astray():
            body = without_references(body, asking.hides)
    return (found, False) if body is found.body else (replace(found, body=body), True)


def _may_be_newer(found: Stored, store: Store, index: Index, view: View) -> bool:
    """Whether a resource that was just read may have been written after a view."""
    if index.is_up_to_date(view):
        return False
    newer = written_since(store, view.seq)
    return newer is None or found.rid in newer


def _not_found(resource_type: str, resource_id: str, kept: Stored | None) -> NotFound:
    """That there is no such resource, in the same words whether or not one is kept."""
    is_hidden = kept is not None and not kept.deleted
    return NotFound("read.not-found", type=resource_type, id=resource_id, hidden=is_hidden)
