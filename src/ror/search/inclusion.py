"""
What comes along with the matches of a page: `_include` and `_revinclude`, as the published requests mean them.

An inclusion applies to the matches, to what other inclusions brought, and, with `:iterate`, again to what it brought
itself, until nothing is new (decision 13; search.md section 4.1). The order in which a client writes its inclusions
makes no difference. Each resource comes once; what is hidden or absent does not come.
"""

from collections.abc import Sequence

from pyroaring import BitMap

from ror.definitions import search_parameter
from ror.search.engine import Search
from ror.search.parse import Include


def included(search: Search, matches: BitMap, resource_type: str, rules: Sequence[Include]) -> BitMap:
    """The resources that the rules bring along with `matches`, which are of `resource_type`; never a match itself."""
    reached: dict[str, BitMap] = {resource_type: BitMap(matches)}
    followed = {rule: BitMap() for rule in rules}
    brought = {rule: BitMap() for rule in rules}
    going_on = True
    while going_on:
        going_on = False
        for rule in followed:
            for start, arrives in _legs(rule):
                new_starts = reached.get(start, BitMap()) - followed[rule]
                if not rule.iterate:
                    new_starts -= brought[rule]
                if not new_starts:
                    continue
                arrived = _follow(search, rule, start, arrives, new_starts) - reached.get(arrives, BitMap())
                followed[rule] |= new_starts
                if arrived:
                    reached[arrives] = reached.get(arrives, BitMap()) | arrived
                    brought[rule] |= arrived
                    going_on = True
    return BitMap.union(*reached.values()) - matches


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
