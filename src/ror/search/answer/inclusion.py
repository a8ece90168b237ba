"""
What comes along with the matches of a page: `_include` and `_revinclude`, as the published requests mean them.

An inclusion applies to the matches, to what other inclusions brought, and, with `:iterate`, again to what it brought
itself, until nothing is new (choice 13; docs/search.md#inclusions). The order in which a client writes its inclusions
makes no difference. Each resource comes once; what is hidden or absent does not come, and what is more than a page may
bring is told and not brought.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from pyroaring import BitMap

from ror.search.answer.engine import Search
from ror.search.language.parse import Include
from ror.standard.definitions import RESOURCE_TYPES, search_parameter


def included(
    search: Search, matches: BitMap, resource_type: str, rules: Sequence[Include]
) -> BitMap:
    """The resources that the rules bring along with `matches`, which are of `resource_type`; never a match itself."""
    legs = [leg for rule in dict.fromkeys(rules) for leg in _legs(rule)]
    followed = {leg: BitMap() for leg in legs}
    brought = BitMap()
    # What came, of which type, and which rule brought it.
    came: deque[tuple[BitMap, str, Include | None]] = deque([(matches, resource_type, None)])
    while came:
        some, some_type, by = came.popleft()
        for leg in legs:
            if leg.start != some_type or (leg.rule is by and not by.iterate):
                continue
            fresh = some - followed[leg]
            if fresh:
                followed[leg] |= fresh
                # Counted as this rule's even where another brought it first: so the order of rules does not matter.
                found = _follow(search, leg, fresh)
                brought |= found
                came.append((found, leg.arrives, leg.rule))
    return brought - matches


@dataclass(frozen=True, slots=True, eq=False)
class _Leg:
    """
    A way that a rule goes, from one type to another; several for a reference that may be to several types.

    There is one for each rule and way, so that two are told apart without being compared.
    """

    rule: Include
    start: str
    arrives: str


@cache
def _legs(rule: Include) -> tuple[_Leg, ...]:
    parameter = search_parameter(rule.source, rule.param)
    assert parameter is not None
    targets = (rule.target,) if rule.target else parameter.targets
    if rule.reverse:
        return tuple(_Leg(rule, target, rule.source) for target in targets)
    return tuple(_Leg(rule, rule.source, target) for target in targets)


def _follow(search: Search, leg: _Leg, starts: BitMap) -> BitMap:
    if leg.rule.reverse:
        return search.pointing_at(leg.rule.source, leg.rule.param, leg.start, starts)
    return search.pointed_at(leg.rule.source, leg.rule.param, leg.arrives, starts)


def within(search: Search, brought: BitMap, most: int) -> tuple[BitMap, Mapping[str, int]]:
    """
    What comes along when at most `most` resources may, and how many of each type then stay behind.

    The types that come in small numbers come whole, so that a page with very many roles keeps its places; the others
    share what is left, each with those of the lowest rids.
    """
    if len(brought) <= most:
        return brought, {}
    by_type = {name: brought & search.view.of_type(name) for name in RESOURCE_TYPES}
    kept, behind = BitMap(), {}
    for place, (name, some) in enumerate(sorted(by_type.items(), key=lambda one: len(one[1]))):
        share = some[: (most - len(kept)) // (len(by_type) - place)]
        kept |= share
        if len(share) < len(some):
            behind[name] = len(some) - len(share)
    return kept, behind
