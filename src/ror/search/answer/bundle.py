"""
From a search request to its Bundle: the page of results (`finding.py`) with its bodies, as one
viewer may see them.
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
from ror.resources.subset import Subset, apply_subset
from ror.search.answer.bodies import AddressedBodies, BodyCache
from ror.search.answer.budget import Budget
from ror.search.answer.finding import ResultPage, find
from ror.search.answer.page_links import plain_link
from ror.search.answer.sight import Sight
from ror.search.index import bitmaps
from ror.search.index.bitmaps import Numbers
from ror.search.index.columns.column import NOTHING
from ror.search.index.index import Index
from ror.search.language.request import SearchRequest
from ror.search.language.values import instant_text

MAX_REWRITTEN: Final = 2_000
"""Cached bodies without their hidden references, for each view, profile and perimeter."""

_EXPECTED_BYTES: Final = 2_000
"""The expected size of a body."""

_NOT_CACHED: Final = (b"", b"changed")
"""Stands for a body that is no longer cached: it counts as changed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """
    A bundle to send; `total` counts every match, `matches` those of this page.

    `withheld` counts the resources of the page that the viewer sees only in part.
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
        """The Bundle in one piece, for callers that read it."""
        return bytes(self.pieces)


def search(
    index: Index,
    bodies: BodyCache,
    viewer: Viewer,
    request: SearchRequest,
    base_url: str,
    language: str,
    max_included: int | None = None,
) -> Answer:
    """
    The answer to a search, as one viewer may see it.

    Links and addresses start with `base_url`, which has no final slash. At most `max_included`
    resources are included (None: no limit); a separate entry lists what is left out.

    Raises InvalidRequest if its page link was made for another search.
    """
    index.catch_up_for(viewer)
    return answer(
        find(index.view, viewer, request, base_url, language, max_included, plain_link), bodies
    )


def answer(page: ResultPage, bodies: BodyCache, budget: Budget | None = None) -> Answer:
    """
    The bundle of a page of results, on a view whose masks must be current.

    Raises what spending from `budget` raises.
    """
    budget = budget or Budget()
    budget.foresee_bytes(_EXPECTED_BYTES * len(page.rids))
    entries = [
        *_entries("match", page, page.matches, bodies, page.subset, page.scores, budget),
        *_entries("include", page, page.included, bodies, page.included_subset, {}, budget),
        *page.outcomes,
    ]
    # The last commit in the view: a copy that searches from it next time misses nothing.
    last_commit = page.sight.view.last_updated
    pieces = wire.search_bundle(
        bundle_id=new_id(),
        total=page.total,
        links=page.links,
        entries=entries,
        last_updated=instant_text(last_commit) if last_commit else None,
    )
    return Answer(
        pieces,
        page.total,
        len(page.matches),
        len(page.included),
        _withheld(page.sight, page.rids),
    )


def _withheld(sight: Sight, rids: BitMap) -> int:
    """How many of these resources, whose bodies were just rewritten, the viewer sees in part."""
    cut = rids & sight.view.altered(sight.viewer.mask)
    if not sight.hides_anything:
        return len(cut)
    referring = (rids & sight.refers_to_hidden()) - cut
    if not referring:
        return len(cut)
    # A reference by identifier may also lead to a seen resource: then the body was unchanged.
    rewritten = sight.rewritten_bodies()
    pairs = (rewritten.get(rid, _NOT_CACHED) for rid in referring)
    return len(cut) + sum(before != after for before, after in pairs)


def new_id() -> str:
    """A random id for a Bundle."""
    return secrets.token_hex(16)


# --- entries --------------------------------------------------------------------------------------

Mode = Literal["match", "include"]


def _entries(
    mode: Mode,
    page: ResultPage,
    rids: Numbers,
    bodies: BodyCache,
    subset: Subset | None,
    scores: Mapping[int, int],
    budget: Budget,
) -> Iterator[Pieces]:
    """The entries of these resources, in one piece unless they differ in more than the body."""
    start = b'{"fullUrl":"%b/' % page.base_url.encode()
    end = wire.entry_end(mode)
    distances = page.distances
    read = seen_bodies(page.sight, bodies, rids, page.rids)
    budget.spend_bytes(read.size)
    if subset or distances or scores:
        for rid, body in zip(read.rids.tolist(), read.bodies, strict=True):
            budget.spend(1, "_elements" if subset else "")
            part = _subset_of(body, subset) if subset else body
            yield Pieces.of(start, part, wire.entry_end(mode, distances.get(rid), scores.get(rid)))
    elif read.bodies:
        between = end + b"," + start
        pieces = [between] * (2 * len(read.bodies) + 1)
        pieces[0], pieces[1::2], pieces[-1] = start, read.bodies, end
        yield Pieces(pieces, read.size + len(read.bodies) * len(between) - len(b","))


def seen_bodies(sight: Sight, bodies: BodyCache, rids: Numbers, among: BitMap) -> AddressedBodies:
    """
    The addressed bodies of resources that a viewer sees, cut to what the viewer may see.

    `among` is a set that contains all of `rids`.
    """
    mask = sight.viewer.mask
    read = bodies.addressed(rids, mask, sight.view.altered(mask) & among)
    if not sight.hides_anything or not len(read.rids):
        return read
    # After the bodies are read: a newer body may have references that the view does not have.
    changed = bodies.changed_since(sight.view.seq)
    newer = among if changed is None else among & BitMap(changed) if changed else NOTHING
    concerned = among & sight.refers_to_hidden()
    if newer:
        concerned = concerned | newer
    if not concerned:
        return read
    rewritten, size = list(read.bodies), read.size
    for at in np.flatnonzero(bitmaps.are_in(read.rids, concerned)).tolist():
        rid, before = int(read.rids[at]), rewritten[at]
        is_hidden = sight.may_lead_to_hidden if rid in newer else sight.leads_only_to_hidden
        rewritten[at] = _without_hidden(sight, rid, before, is_hidden)
        size += len(rewritten[at]) - len(before)
    return AddressedBodies(read.rids, rewritten, size)


def _without_hidden(
    sight: Sight, rid: int, addressed: bytes, is_hidden: Callable[[Mapping[str, Any]], bool]
) -> bytes:
    """An addressed body without its references to hidden resources, rewritten once for a view."""
    cache = sight.rewritten_bodies()
    before = cache.get(rid)
    if before is not None and before[0] is addressed:
        return before[1]
    after = _rewritten(addressed, lambda body: without_references(body, is_hidden))
    if len(cache) >= MAX_REWRITTEN:
        cache.clear()
    cache[rid] = (addressed, after)
    return after


def _subset_of(addressed: bytes, subset: Subset) -> bytes:
    """The subset of a body, after the same address."""
    resource_type = addressed.partition(b"/")[0].decode()
    return _rewritten(addressed, lambda body: apply_subset(body, resource_type, subset))


def _rewritten(addressed: bytes, rewrite: Callable[[bytes], bytes]) -> bytes:
    """A rewritten body, after the same address."""
    address, between, body = addressed.partition(b'","resource":')
    return b"".join((address, between, rewrite(body)))
