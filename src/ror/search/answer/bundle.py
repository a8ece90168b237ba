"""
A search from its request to the bundle that goes out: what is found (`finding.py`), with its bodies, as one viewer may
see them.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from pyroaring import BitMap

from ror.access import Viewer
from ror.access.references import without_references
from ror.resources import bundles as wire
from ror.resources.bundles import Pieces
from ror.resources.subset import Subset, subsetted
from ror.search.answer.bodies import Addressed, Bodies
from ror.search.answer.engine import Search
from ror.search.answer.finding import Found, find, in_the_clear
from ror.search.index import bitmaps
from ror.search.index.bitmaps import Numbers
from ror.search.index.columns.column import NOTHING
from ror.search.index.index import Index
from ror.search.language.parse import SearchRequest

REWRITTEN_KEPT: Final = 2_000
"""Bodies without their hidden references that are kept for each view and kind of viewer."""

_FORGOTTEN: Final = (b"", b"changed")
"""A body of which it is not known any more that nothing was taken out of it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """
    The bundle as it goes out, and what is in it; `total` counts every match, `matches` those of this page.

    `withheld` counts the resources of the page of which the viewer does not see everything.
    """

    pieces: Pieces
    total: int
    matches: int
    included: int
    withheld: int

    def __len__(self) -> int:
        return len(self.pieces)

    @property
    def body(self) -> bytes:
        """The bundle in one piece, for whoever reads it instead of sending it."""
        return bytes(self.pieces)


def search(
    index: Index,
    bodies: Bodies,
    viewer: Viewer,
    request: SearchRequest,
    base_url: str,
    language: str,
    max_included: int | None = None,
) -> Answer:
    """
    The answer to a search, as one viewer may see it; links and addresses start with `base_url`, without final slash.

    At most `max_included` resources come along with the page (None: as many as there are); what stays behind is told in
    an entry of its own.

    Raises InvalidRequest when its page link was made for another search.
    """
    index.see_for(viewer)
    return answer(
        find(index.view, viewer, request, base_url, language, max_included, in_the_clear), bodies
    )


def answer(found: Found, bodies: Bodies) -> Answer:
    """The bundle of what was found on a view that is known to be the present one as far as masks go."""
    entries = [
        *_entries("match", found, found.matches, bodies, found.subset, found.scores),
        *_entries("include", found, found.along, bodies, found.subset_along, {}),
        *found.remarks,
    ]
    pieces = wire.search_bundle(
        bundle_id=new_id(), total=found.total, links=found.links, entries=entries
    )
    return Answer(
        pieces,
        found.total,
        len(found.matches),
        len(found.along),
        _withheld(found.asking, found.given),
    )


def _withheld(asking: Search, given: BitMap) -> int:
    """Of how many of these resources, whose bodies were just made, the viewer does not see everything."""
    cut = given & asking.view.altered(asking.viewer.mask)
    if not asking.is_held_back:
        return len(cut)
    astray = (given & asking.astray()) - cut
    if not astray:
        return len(cut)
    # One that may lead astray may also lead elsewhere by the same name, and then nothing was taken out of it.
    known = asking.rewritten()
    pairs = (known.get(rid, _FORGOTTEN) for rid in astray)
    return len(cut) + sum(before != after for before, after in pairs)


def new_id() -> str:
    """An id for a bundle, which no other has."""
    return secrets.token_hex(16)


# --- entries ---------------------------------------------------------------------------------------------------------

Mode = Literal["match", "include"]


def _entries(
    mode: Mode,
    found: Found,
    rids: Numbers,
    bodies: Bodies,
    subset: Subset | None,
    scores: Mapping[int, int],
) -> Iterator[Pieces]:
    """The entries of these resources: all in one, or one by one where some have a distance or a score."""
    start = b'{"fullUrl":"%b/' % found.base_url.encode()
    end = wire.ending(mode)
    distances = found.distances
    there = seen_bodies(found.asking, bodies, rids, found.given)
    if subset or distances or scores:
        for rid, body in zip(there.rids.tolist(), there.bodies, strict=True):
            cut_down = _cut_down(body, subset) if subset else body
            yield Pieces.of(start, cut_down, wire.ending(mode, distances.get(rid), scores.get(rid)))
    elif there.bodies:
        between = end + b"," + start
        pieces = [between] * (2 * len(there.bodies) + 1)
        pieces[0], pieces[1::2], pieces[-1] = start, there.bodies, end
        yield Pieces(pieces, there.size + len(there.bodies) * len(between) - len(b","))


def seen_bodies(asking: Search, bodies: Bodies, rids: Numbers, given: BitMap) -> Addressed:
    """
    The addressed bodies of resources that a viewer sees, without what the viewer may not see of them.

    `given` is a set that has all of `rids`.
    """
    mask = asking.viewer.mask
    found = bodies.addressed(rids, mask, asking.view.altered(mask) & given)
    if not asking.is_held_back or not len(found.rids):
        return found
    # Asked after the bodies are at hand: any of these may refer to what the view does not know that it refers to.
    changed = bodies.changed_since(asking.view.seq)
    newer = given if changed is None else given & BitMap(changed) if changed else NOTHING
    concerned = given & asking.astray()
    if newer:
        concerned = concerned | newer
    if not concerned:
        return found
    rewritten, size = list(found.bodies), found.size
    for at in np.flatnonzero(bitmaps.are_in(found.rids, concerned)).tolist():
        rid, before = int(found.rids[at]), rewritten[at]
        rewritten[at] = _without_hidden(
            asking, rid, before, asking.may_hide if rid in newer else asking.hides
        )
        size += len(rewritten[at]) - len(before)
    return Addressed(found.rids, rewritten, size)


def _without_hidden(
    asking: Search, rid: int, addressed: bytes, is_hidden: Callable[[Mapping[str, Any]], bool]
) -> bytes:
    """An addressed body without its references to what the viewer does not see, found once for a view."""
    known = asking.rewritten()
    before = known.get(rid)
    if before is not None and before[0] is addressed:
        return before[1]
    after = _rewritten(addressed, lambda whole: without_references(whole, is_hidden))
    if len(known) >= REWRITTEN_KEPT:
        known.clear()
    known[rid] = (addressed, after)
    return after


def _cut_down(addressed: bytes, subset: Subset) -> bytes:
    """What the subset leaves of a body, after the same address."""
    resource_type = addressed.partition(b"/")[0].decode()
    return _rewritten(addressed, lambda whole: subsetted(whole, resource_type, subset))


def _rewritten(addressed: bytes, rewrite: Callable[[bytes], bytes]) -> bytes:
    """What is made of a body, after the same address."""
    address, between, body = addressed.partition(b'","resource":')
    return b"".join((address, between, rewrite(body)))
