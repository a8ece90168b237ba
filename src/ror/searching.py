"""
A search from its request to the bundle that goes out: find, cut the page, bring what comes along, join.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import quote, urlencode

import numpy as np
from pyroaring import BitMap

from ror import wire
from ror.access import Viewer
from ror.access.references import without_references
from ror.bodies import Addressed, Bodies
from ror.errors import TooCostly
from ror.search import bitmaps
from ror.search.bitmaps import Numbers
from ror.search.columns.column import NOTHING
from ror.search.engine import Search
from ror.search.expression import And, Chain, Expression, Near, Or, SameRecord, seeks_words
from ror.search.inclusion import included, within
from ror.search.index import Index, View
from ror.search.ordering import Page, page
from ror.search.parse import SearchRequest
from ror.search.relevance import relevance
from ror.search.telling import told
from ror.subsetting import Subset, subsetted
from ror.wire import Pieces

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
    index.see_masks()
    return answer(index.view, bodies, viewer, request, base_url, language, max_included, in_the_clear)


def answer(
    view: View,
    bodies: Bodies,
    viewer: Viewer,
    request: SearchRequest,
    base_url: str,
    language: str,
    max_included: int | None,
    close: Callable[[str], str],
) -> Answer:
    """
    What `search` answers, on a view that is known to be the present one as far as masks go.

    `close` makes of a cursor what page links show of it.
    """
    asking = Search(view, viewer)
    found = asking.of(request.expression, request.resource_type)
    if request.summary:
        cut = Page([], None, None)
    else:
        cut = page(asking, found, request.resource_type, request.sort, request.count, request.cursor)
    brought = included(asking, BitMap(cut.rids), request.resource_type, request.includes)
    along, behind = (brought, {}) if max_included is None else within(asking, brought, max_included)
    given = along | BitMap(cut.rids)
    distances = _distances(asking, request.expression, request.resource_type, given)
    # `_elements` names elements of the type that is searched; a summary is one of any type.
    of_included = request.subset if request.subset and request.subset.summary else None
    scores = _scores(asking, request, cut.rids)
    entries = [
        *_entries(
            "match", np.array(cut.rids, np.uint32), given, asking, bodies, base_url, distances, request.subset, scores
        ),
        *_entries("include", bitmaps.numbers_of(along), given, asking, bodies, base_url, distances, of_included, {}),
    ]
    if behind:
        entries.append(wire.outcome_entry([_left_behind(behind, len(along))], language))
    if request.ignored:
        entries.append(wire.outcome_entry(request.ignored, language))
    if request.explain:
        sentences = told(asking, request.expression, request.resource_type, language)
        entries.append(wire.information_entry(sentences))
    pieces = wire.search_bundle(
        bundle_id=new_id(), total=len(found), links=_links(request, cut, base_url, close), entries=entries
    )
    return Answer(pieces, len(found), len(cut.rids), len(along), _withheld(asking, given))


def _withheld(asking: Search, given: BitMap) -> int:
    """Of how many of these resources, whose bodies were just made, the viewer does not see everything."""
    cut = given & asking.view.altered(asking.viewer.mask)
    if not asking.is_held_back:
        return len(cut)
    # One that may lead astray may also lead elsewhere by the same name, and then nothing was taken out of it.
    known = asking.rewritten()
    pairs = (known.get(rid, _FORGOTTEN) for rid in (given & asking.astray()) - cut)
    return len(cut) + sum(before != after for before, after in pairs)


def new_id() -> str:
    """An id for a bundle, which no other has."""
    return secrets.token_hex(16)


# --- entries ---------------------------------------------------------------------------------------------------------

Mode = Literal["match", "include"]


def _entries(
    mode: Mode,
    rids: Numbers,
    given: BitMap,
    asking: Search,
    bodies: Bodies,
    base_url: str,
    distances: Mapping[int, float],
    subset: Subset | None,
    scores: Mapping[int, int],
) -> Iterator[Pieces]:
    """The entries of these resources: all in one, or one by one where some have a distance or a score."""
    start = b'{"fullUrl":"%b/' % base_url.encode()
    end = wire.ending(mode)
    there = seen_bodies(asking, bodies, rids, given)
    if subset or distances or scores:
        for rid, body in zip(there.rids.tolist(), there.bodies, strict=True):
            cut_down = _cut_down(body, subset) if subset else body
            yield Pieces.of(start, cut_down, wire.ending(mode, distances.get(rid), scores.get(rid)))
    elif there.bodies:
        between = end + b"," + start
        pieces = [between] * (2 * len(there.bodies) + 1)
        pieces[0], pieces[1::2], pieces[-1] = start, there.bodies, end
        yield Pieces(pieces, there.size + len(there.bodies) * len(between) - len(b","))


def _left_behind(behind: Mapping[str, int], along: int) -> TooCostly:
    """What is told of a page that would bring more than the `along` that it may: how many of each type stay behind."""
    counts = ", ".join(f"{number} {name}" for name, number in behind.items())
    most = max(behind, key=behind.__getitem__)
    return TooCostly("explain.inclusions-left-out", left_out=counts, limit=along, example=most)


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
        rewritten[at] = _without_hidden(asking, rid, before, asking.may_hide if rid in newer else asking.hides)
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


def _scores(asking: Search, request: SearchRequest, rids: Sequence[int]) -> dict[int, int]:
    """How well each match shown says what full text asked, per mille; empty when nothing was asked in full text."""
    if not rids or not seeks_words(request.expression):
        return {}
    shown = BitMap(rids)
    return dict(zip(shown, relevance(asking, request.expression, request.resource_type, shown).tolist(), strict=True))


def _distances(asking: Search, expression: Expression, resource_type: str, shown: BitMap) -> dict[int, float]:
    """How far each place shown is from where the search looked, in metres (decision 8)."""
    found: dict[int, float] = {}
    for near, place_type in _nears(expression, resource_type):
        for rid, distance in asking.distances_m(near, place_type, shown).items():
            found[rid] = min(distance, found.get(rid, distance))
    return found


def _nears(expression: Expression, resource_type: str) -> Iterator[tuple[Near, str]]:
    """The criteria of position, with the type they are about; what is negated has no distance to tell."""
    match expression:
        case Near():
            yield expression, resource_type
        case And(parts) | Or(parts):
            for part in parts:
                yield from _nears(part, resource_type)
        case SameRecord(_, inner):
            yield from _nears(inner, resource_type)
        case Chain(_, target, inner):
            yield from _nears(inner, target)
        case _:
            return


# --- links -----------------------------------------------------------------------------------------------------------


def in_the_clear(cursor: str) -> str:
    """A cursor as it is, for links that do not leave the program."""
    return cursor


def _links(request: SearchRequest, cut: Page, base_url: str, close: Callable[[str], str]) -> list[tuple[str, str]]:
    """`self`, `next` and `previous`; the self link says what was understood, and on which page."""
    query = urlencode(request.pairs, quote_via=quote, safe=":/,.|-_~")
    pages = (("self", request.cursor), ("next", cut.next), ("previous", cut.previous))
    return [
        (relation, _url(f"{base_url}/{request.resource_type}", query, close(cursor.encode()) if cursor else None))
        for relation, cursor in pages
        if cursor is not None or relation == "self"
    ]


def _url(address: str, query: str, cursor: str | None) -> str:
    pairs = [query] if query else []
    if cursor is not None:
        pairs.append(f"_cursor={cursor}")
    return f"{address}?{'&'.join(pairs)}" if pairs else address
