"""
The resources included with the matches of a page: `_include` and `_revinclude`.

The published requests define their meaning. An inclusion applies to the matches, to the resources
that other inclusions added and, with `:iterate`, to those that it added itself, until nothing is
new (choice 13; docs/search.md#inclusions). The order of the inclusions makes no difference. Each
resource is included once; hidden and absent resources are not included. The resources beyond the
limit of a page are left out, and the response says so.
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
    steps = [step for rule in dict.fromkeys(rules) for step in _steps(rule)]
    followed = {step: BitMap() for step in steps}
    reached = BitMap()
    # Sets of resources to follow, each with its type and the rule that reached it.
    queue: deque[tuple[BitMap, str, Include | None]] = deque([(matches, resource_type, None)])
    while queue:
        rids, rids_type, by = queue.popleft()
        for step in steps:
            if step.source != rids_type or (step.rule is by and not by.iterate):
                continue
            fresh = rids - followed[step]
            if fresh:
                followed[step] |= fresh
                # Even if another rule reached them first: the order of the rules does not matter.
                linked = _follow(search, step, fresh)
                reached |= linked
                queue.append((linked, step.target, step.rule))
    return reached - matches


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """
    One step of a rule, from one type to another; a reference to several types makes several steps.

    Each rule has its own steps, so that identity distinguishes them.
    """

    rule: Include
    source: str
    target: str


@cache
def _steps(rule: Include) -> tuple[_Step, ...]:
    parameter = search_parameter(rule.source, rule.param)
    assert parameter is not None
    targets = (rule.target,) if rule.target else parameter.targets
    if rule.reverse:
        return tuple(_Step(rule, target, rule.source) for target in targets)
    return tuple(_Step(rule, rule.source, target) for target in targets)


def _follow(search: Search, step: _Step, starts: BitMap) -> BitMap:
    if step.rule.reverse:
        return search.pointing_at(step.rule.source, step.rule.param, step.source, starts)
    return search.pointed_at(step.rule.source, step.rule.param, step.target, starts)


def limited(search: Search, reached: BitMap, limit: int) -> tuple[BitMap, Mapping[str, int]]:
    """
    At most `limit` of the included resources, and how many of each type are left out.

    Types with few resources stay whole, so that a page with very many roles keeps its
    locations; the others share the rest, and each keeps its lowest rids.
    """
    if len(reached) <= limit:
        return reached, {}
    by_type = {name: reached & search.view.of_type(name) for name in RESOURCE_TYPES}
    included_rids, left_out = BitMap(), {}
    for place, (name, rids) in enumerate(sorted(by_type.items(), key=lambda item: len(item[1]))):
        share = rids[: (limit - len(included_rids)) // (len(by_type) - place)]
        included_rids |= share
        if len(share) < len(rids):
            left_out[name] = len(rids) - len(share)
    return included_rids, left_out
