"""
Reading one resource by its id.
"""

from dataclasses import replace

from ror.access import Viewer
from ror.access.cutting import cut, hidden_codes, may_see
from ror.access.references import without_references
from ror.errors import Gone, NotFound
from ror.resources.versions import with_version
from ror.search.answer.bodies import written_since
from ror.search.answer.sight import Sight
from ror.search.index.index import Index
from ror.search.index.view import View
from ror.search.language.values import instant_text
from ror.store.contract import ResourceVersion, Store


def read(
    store: Store,
    index: Index,
    viewer: Viewer,
    resource_type: str,
    resource_id: str,
    signal: int | None = None,
) -> tuple[ResourceVersion, bool]:
    """
    The current version of a resource as the viewer may see it, and whether anything was removed.

    `signal` is what `catch_up_masks` returned when the request began, if it was called.

    Raises NotFound if the viewer sees no such resource, Gone if it was deleted.
    """
    # An older view may lack a resource that is hidden now, and so references to it.
    if signal is None:
        signal = index.catch_up_masks()
    sight = Sight(index.view, viewer)
    if sight.hides_anything:
        # A perimeter or a reference hides depending on the current state of other resources.
        index.catch_up(signal)
        sight = Sight(index.view, viewer)
    stored = store.read(resource_type, resource_id)
    if stored is None or not may_see(stored.visibility, viewer.mask):
        raise _not_found(resource_type, resource_id, stored)
    if stored.deleted and viewer.perimeter is None:
        raise Gone("read.gone", type=resource_type, id=resource_id)
    if sight.hides_anything and stored.rid not in sight.seen(resource_type):
        raise _not_found(resource_type, resource_id, stored)
    hidden = hidden_codes(stored.visibility, viewer.mask)
    visible = cut(stored.body, stored.plan, hidden) if hidden else stored.body
    full = body = with_version(visible, stored.version, instant_text(stored.last_updated))
    if sight.hides_anything:
        if _may_be_newer(stored, store, index, sight.view):
            body = without_references(full, sight.may_lead_to_hidden)
        elif stored.rid in sight.refers_to_hidden():
            body = without_references(full, sight.leads_only_to_hidden)
    return replace(stored, body=body), bool(hidden) or body is not full


def _may_be_newer(stored: ResourceVersion, store: Store, index: Index, view: View) -> bool:
    """Whether a resource that was just read may have been written after a view."""
    if index.is_up_to_date(view):
        return False
    newer = written_since(store, view.seq)
    return newer is None or stored.rid in newer


def _not_found(resource_type: str, resource_id: str, stored: ResourceVersion | None) -> NotFound:
    """The error for an absent resource; its text is the same for a hidden one."""
    is_hidden = stored is not None and not stored.deleted
    return NotFound("read.not-found", type=resource_type, id=resource_id, hidden=is_hidden)
