"""
The resources included with the matches of a page: `_include` and `_revinclude`.

They mean what the published requests mean. An inclusion applies to the matches, to what other
inclusions reached, and, with `:iterate`, again to what it reached itself, until nothing is new
(choice 13; docs/search.md#inclusions). The order of the inclusions makes no difference. Each
resource is included once; hidden and absent resources are not. What exceeds the limit of a page is
left out, and the answer says so.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from pyroaring import BitMap

from ror.search.answer.engine import Search
from ror.search.language.request import Include
from ror.standard.definitions import RESOURCE_TYPES, search_parameter


def included(
    search: Search, matches: BitMap, resource_type: str, rules: Sequence[Include]
) -> BitMap:
    """The resources that the rules include with `matches` of a type; never a match itself."""
    legs = [leg for rule in dict.fromkeys(rules) for leg in _steps(rule)]
    followed = {leg: BitMap() for leg in legs}
    reached = BitMap()
    # What came, of which type, and which rule reached it.
    came: deque[tuple[BitMap, str, Include | None]] = deque([(matches, resource_type, None)])
    while came:
        some, some_type, by = came.popleft()
        for leg in legs:
            if leg.start != some_type or (leg.rule is by and not by.iterate):
                continue
            fresh = some - followed[leg]
            if fresh:
                followed[leg] |= fresh
                # Even if another rule reached them first: the order of the rules does not matter.
                linked = _follow(search, leg, fresh)
                reached |= linked
                came.append((linked, leg.arrives, leg.rule))
    return reached - matches


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """
    One step of a rule, from one type to another; a reference to several types makes several legs.

    Each rule has legs of its own, so that identity distinguishes them.
    """

    rule: Include
    start: str
    arrives: str


@cache
def _steps(rule: Include) -> tuple[_Step, ...]:
    parameter = search_parameter(rule.source, rule.param)
    assert parameter is not None
    targets = (rule.target,) if rule.target else parameter.targets
    if rule.reverse:
        return tuple(_Step(rule, target, rule.source) for target in targets)
    return tuple(_Step(rule, rule.source, target) for target in targets)


def _follow(search: Search, leg: _Step, starts: BitMap) -> BitMap:
    if leg.rule.reverse:
        return search.pointing_at(leg.rule.source, leg.rule.param, leg.start, starts)
    return search.pointed_at(leg.rule.source, leg.rule.param, leg.arrives, starts)


def limited(search: Search, reached: BitMap, most: int) -> tuple[BitMap, Mapping[str, int]]:
    """
    At most `most` of the included resources, and how many of each type are left out.

    Types with few resources are kept whole, so that a page with very many roles keeps its places;
    the others share what is left, each keeping its lowest rids.
    """
    if len(reached) <= most:
        return reached, {}
    by_type = {name: reached & search.view.of_type(name) for name in RESOURCE_TYPES}
    kept, left_out = BitMap(), {}
    for place, (name, some) in enumerate(sorted(by_type.items(), key=lambda one: len(one[1]))):
        share = some[: (most - len(kept)) // (len(by_type) - place)]
        kept |= share
        if len(share) < len(some):
            left_out[name] = len(some) - len(share)
    return kept, left_out
