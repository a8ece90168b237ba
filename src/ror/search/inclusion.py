"""
What comes along with the matches of a page: `_include` and `_revinclude`, as the published requests mean them.

An inclusion applies to the matches, to what other inclusions brought, and, with `:iterate`, again to what it brought
itself, until nothing is new (decision 13; search.md section 4.1). The order in which a client writes its inclusions
makes no difference. Each resource comes once; what is hidden or absent does not come, and what is more than a page may
bring is told and not brought.
"""

from collections.abc import Mapping, Sequence

from pyroaring import BitMap

from ror.definitions import RESOURCE_TYPES, search_parameter
from ror.search.engine import Search
from ror.search.parse import Include


def included(search: Search, matches: BitMap, resource_type: str, rules: Sequence[Include]) -> BitMap:
    """The resources that the rules bring along with `matches`, which are of `resource_type`; never a match itself."""
    brought: dict[Include, dict[str, BitMap]] = {rule: {} for rule in rules}
    followed = {rule: BitMap() for rule in rules}

    def starts_of(rule: Include, start: str) -> BitMap:
        # What a rule brought is counted as such even where another brought it first: so their order does not matter.
        others = (by_type for other, by_type in brought.items() if rule.iterate or other != rule)
        reached = [by_type[start] for by_type in others if start in by_type]
        return BitMap.union(matches if start == resource_type else BitMap(), *reached)

    going_on = True
    while going_on:
        going_on = False
        for rule, by_type in brought.items():
            for start, arrives in _legs(rule):
                fresh = starts_of(rule, start) - followed[rule]
                if fresh:
                    followed[rule] |= fresh
                    known = by_type.get(arrives, BitMap())
                    by_type[arrives] = known | _follow(search, rule, start, arrives, fresh)
                    going_on |= len(by_type[arrives]) > len(known)
    return BitMap.union(BitMap(), *(found for by_type in brought.values() for found in by_type.values())) - matches


def _legs(rule: Include) -> list[tuple[str, str]]:
    """The types that a rule goes from and to."""
    parameter = search_parameter(rule.source, rule.param)
    assert parameter is not None
    targets = (rule.target,) if rule.target else parameter.targets
    return [(target, rule.source) if rule.reverse else (rule.source, target) for target in targets]


def _follow(search: Search, rule: Include, start: str, arrives: str, starts: BitMap) -> BitMap:
    if rule.reverse:
        return search.pointing_at(rule.source, rule.param, start, starts)
    return search.pointed_at(rule.source, rule.param, arrives, starts)


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
