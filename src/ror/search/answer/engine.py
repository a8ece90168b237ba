"""
A search tree to a bitmap of resources, for one viewer, on one view of the index.

Each segment's column answers each leaf; resources that are no longer alive are removed; the rest is
set algebra on bitmaps of rids. Chains follow the reference arrays. The meaning of a tree is
`expression.matches`; a property test checks that the engine agrees with it.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from pyroaring import BitMap

from ror.access import Viewer
from ror.search.answer.budget import Budget
from ror.search.answer.references import links_by_name, names_of_hidden_only, sources
from ror.search.answer.sight import Sight
from ror.search.index import bitmaps
from ror.search.index.columns import Column, LinkColumn, NameColumn, PositionColumn
from ror.search.index.segment import LOGICAL, rids_of
from ror.search.index.view import Part, View
from ror.search.language.entry_names import modifier_entries, record_of
from ror.search.language.expression import (
    CANONICAL,
    UPWARD,
    And,
    CanonicalIs,
    Chain,
    Everything,
    Expression,
    Has,
    Near,
    Not,
    Or,
    Present,
    ReferenceIs,
    SameRecord,
    TokenIs,
    Upward,
    ValueLeaf,
    as_chains,
    leads_to_resources,
)
from ror.search.language.modifiers import IDENTIFIER

_IDENTIFIER_ENTRIES: Final = modifier_entries("", IDENTIFIER)
"""The suffix of the names of the entries of `:identifier`."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluated node of a tree: its depth, how many resources match and how long it took."""

    depth: int
    expression: Expression
    resource_type: str
    matches: int
    touched: int
    """Index entries that were read: values that satisfy a leaf, references that were followed."""
    seconds: float


@dataclass(slots=True)
class Search:
    """
    Searches of one viewer on one view; `sight` is what the viewer sees.

    `trace`, if present, receives the evaluation of every node. Every step spends from `budget`,
    which has no limits by default.
    """

    view: View
    viewer: Viewer
    trace: list[Evaluation] | None = None
    budget: Budget = field(default_factory=Budget)
    touched: int = field(default=0, init=False)
    """Index entries that were read so far."""
    sight: Sight = field(init=False)
    _depth: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.sight = Sight(self.view, self.viewer)

    def evaluate(self, expression: Expression, resource_type: str) -> BitMap:
        """The resources of a type that match. Do not change the set that is returned."""
        if self.trace is None:
            return self._evaluate(expression, resource_type)
        start, place, before = time.perf_counter(), len(self.trace), self.touched
        self._depth += 1
        rids = self._evaluate(expression, resource_type)
        self._depth -= 1
        seconds = time.perf_counter() - start
        touched = self.touched - before
        self.trace.insert(
            place, Evaluation(self._depth, expression, resource_type, len(rids), touched, seconds)
        )
        return rids

    def _evaluate(self, expression: Expression, resource_type: str) -> BitMap:
        match expression:
            case Everything():
                return self.sight.seen(resource_type)
            case And(parts):
                return self._all_of(parts, resource_type)
            case Or(parts):
                if not parts:
                    return BitMap()
                return BitMap.union(*(self.evaluate(part, resource_type) for part in parts))
            case Not(inner):
                return self.sight.seen(resource_type) - self.evaluate(inner, resource_type)
            case SameRecord(name, inner):
                return self._same_record(name, inner, resource_type)
            case Chain(param, target, inner):
                targets = self.evaluate(inner, target)
                return self.pointing_at(resource_type, param, target, targets)
            case Has(source, param, inner):
                referring = self.evaluate(inner, source)
                return self.pointed_at(source, param, resource_type, referring)
            case Upward(inner):
                return self.with_descendants(resource_type, self.evaluate(inner, resource_type))
            case ReferenceIs():
                return self.evaluate(as_chains(expression, resource_type), resource_type)
            case Present(param) if leads_to_resources(resource_type, param):
                return self.evaluate(as_chains(expression, resource_type), resource_type)
            case CanonicalIs(param):
                return self._leaf(expression, (resource_type, param + LOGICAL), None)
            case Present(param) if (resource_type, param) in CANONICAL:
                return self._leaf(expression, (resource_type, param + LOGICAL), None)
            case TokenIs(param) if self.sight.hides_anything and param.endswith(
                _IDENTIFIER_ENTRIES
            ):
                return self._identifier_leaf(expression, (resource_type, param))
            case leaf:
                record = record_of(resource_type, leaf.param)
                return self._leaf(leaf, (resource_type, leaf.param), record)

    def costs(self, expression: Expression, resource_type: str) -> Iterator[tuple[str, int]]:
        """The criteria of a tree, each with an estimate of the entries that it reads."""
        match expression:
            case Everything():
                return
            case And(parts) | Or(parts):
                for part in parts:
                    yield from self.costs(part, resource_type)
            case Not(inner) | SameRecord(_, inner) | Upward(inner):
                yield from self.costs(inner, resource_type)
            case Chain(_, target, inner) | Has(target, _, inner):
                yield from self.costs(inner, target)
            case ReferenceIs(param) | CanonicalIs(param):
                yield param, 1
            case leaf:
                columns = self.columns((resource_type, leaf.param))
                yield leaf.param, sum(column.cost(leaf) for _, column, _ in columns)

    def _all_of(self, parts: tuple[Expression, ...], resource_type: str) -> BitMap:
        rids = self.evaluate(parts[0], resource_type)
        for part in parts[1:]:
            if not rids:
                break
            rids = rids & self.evaluate(part, resource_type)
        return rids

    def _leaf(self, leaf: ValueLeaf, name: tuple[str, str], record: str | None) -> BitMap:
        matches = BitMap()
        for part, column, hidden in self.columns(name):
            self.budget.spend(column.cost(leaf), leaf.param)
            slots = column.answer(leaf)
            self.touched += len(slots)
            if hidden:
                slots = slots - hidden
            rids = rids_of(part.segment, name[0], record, slots) if record else slots
            matches = matches | (rids - part.dead if part.dead else rids)
        return self.sight.without_hidden(matches)

    def _identifier_leaf(self, leaf: ValueLeaf, name: tuple[str, str]) -> BitMap:
        """
        The resources with a reference by such an identifier.

        References that lead only to hidden resources do not count.
        """
        matches = BitMap()
        for part, column in self.view.columns(name):
            assert isinstance(column, NameColumn)
            leads_to_hidden = names_of_hidden_only(
                self.view, column, self.sight.hidden(), self.sight.seen
            )
            self.budget.spend(len(column), leaf.param)
            ranks = column.ranks(leaf)
            matches = matches | (column.of_ranks(ranks[~leads_to_hidden[ranks]]) - part.dead)
        self.touched += len(matches)
        return self.sight.without_hidden(matches)

    def _same_record(self, name: str, inner: Expression, resource_type: str) -> BitMap:
        matches = BitMap()
        for part in self.view.parts:
            hidden = part.segment.masks.hidden_rows((resource_type, name), self.viewer.mask)
            slots = self._rows(part, name, inner, resource_type) - hidden
            self.touched += len(slots)
            matches = matches | (rids_of(part.segment, resource_type, name, slots) - part.dead)
        return self.sight.without_hidden(matches)

    def _rows(self, part: Part, record: str, inner: Expression, resource_type: str) -> BitMap:
        """The rows of a record, in one segment, that satisfy an expression on its parameters."""

        def rows(node: Expression) -> BitMap:
            match node:
                case Everything():
                    return every()
                case And(parts):
                    return BitMap.intersection(*map(rows, parts))
                case Or(parts):
                    return BitMap.union(*map(rows, parts)) if parts else BitMap()
                case Not(negated):
                    return every() - rows(negated)
                case SameRecord() | Chain() | Has() | Upward() | ReferenceIs():
                    raise TypeError(f"{node} is not about the rows of {record}")
                case leaf:
                    column = part.segment.columns.get((resource_type, leaf.param))
                    if column is None:
                        return BitMap()
                    self.budget.spend(column.cost(leaf), leaf.param)
                    return column.answer(leaf)

        def every() -> BitMap:
            owners = part.segment.owners.get((resource_type, record))
            return BitMap(range(len(owners))) if owners is not None else BitMap()

        return rows(inner)

    def columns(self, name: tuple[str, str]) -> Iterator[tuple[Part, Column, BitMap]]:
        """The columns of a parameter, and which of their slots the viewer may not see."""
        return self.sight.columns(name)

    # --- references -------------------------------------------------------------------------------

    def with_descendants(self, resource_type: str, tops: BitMap) -> BitMap:
        """The resources of `tops` and everything below them."""
        reached = fresh = tops
        while fresh:
            below = self.pointing_at(resource_type, UPWARD[resource_type], resource_type, fresh)
            fresh = below - reached
            reached = reached | fresh
        return reached

    def pointing_at(self, resource_type: str, param: str, target: str, targets: BitMap) -> BitMap:
        """The resources whose `param` points at any of `targets`, all of type `target`."""
        self.budget.spend(len(targets), param)
        rids = sources(self.view, (resource_type, param), target, targets)
        self.touched += len(rids)
        return self.sight.without_hidden(rids)

    def pointed_at(self, source: str, param: str, target: str, referring: BitMap) -> BitMap:
        """
        The resources of type `target` to which `referring` point with their `param`.

        All of `referring` are of type `source`.
        """
        self.budget.spend(len(referring), param)
        rids = BitMap()
        for part, column in self.view.columns((source, param)):
            assert isinstance(column, LinkColumn)
            targets = column.targets(referring - part.dead)
            self.touched += len(targets)
            # A resource that only references mention may have a rid beyond those of the view.
            size = max(self.view.size, int(targets.max(initial=0)) + 1)
            rids = rids | bitmaps.of_any(targets, size)
        for slots, named in links_by_name(self.view, (source, param), target):
            pairs = zip(slots.tolist(), named.tolist(), strict=True)
            rids = rids | BitMap([rid for slot, rid in pairs if slot in referring])
        return rids & self.sight.seen(target)

    # --- distances --------------------------------------------------------------------------------

    def distances_m(self, near: Near, resource_type: str, places: BitMap) -> dict[int, float]:
        """The distance in metres from `near` of each of `places` within its reach."""
        distance_of: dict[int, float] = {}
        for part, column in self.view.columns((resource_type, near.param)):
            assert isinstance(column, PositionColumn)
            slots, distances = column.distances(near, places - part.dead)
            is_near = distances <= near.distance_m
            for slot, distance in zip(
                slots[is_near].tolist(), distances[is_near].tolist(), strict=True
            ):
                distance_of[slot] = min(distance, distance_of.get(slot, distance))
        return distance_of
