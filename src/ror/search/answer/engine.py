"""
A search tree to a bitmap of resources, for one viewer, on one view of the index.

Each leaf is asked of each segment's column and what is no longer alive is taken away; the rest is set algebra on
bitmaps of rids. Chains go through the reference arrays. The meaning of it all is `expression.matches`, and a property
test holds the two together.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pyroaring import BitMap

from ror.access import Perimeter, Viewer
from ror.access.facts import FIELDS
from ror.search.answer.references import (
    leading_nowhere_seen,
    links_by_name,
    literal_sources,
    named_sources,
)
from ror.search.index import bitmaps
from ror.search.index.columns import Column, LinkColumn, NameColumn, PositionColumn
from ror.search.index.columns.column import NOTHING
from ror.search.index.extract import UNSEARCHED
from ror.search.index.segment import LOGICAL, rids_of
from ror.search.index.view import ASTRAY, HIDDEN, Part, View
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
from ror.search.language.values import normal_system
from ror.standard.definitions import RESOURCE_TYPES, search_parameters
from ror.standard.references import literal_reference

_WRITTEN_IDENTIFIER: Final = modifier_entries("", IDENTIFIER)

OF_EVERYBODY: Final = ("Questionnaire", "Measure")
"""The types that no perimeter holds back: they describe the directory, and belong to no region."""


@dataclass(frozen=True, slots=True)
class Step:
    """One node of a tree as it was answered: how deep it stands, what it found, and how long it took."""

    depth: int
    expression: Expression
    resource_type: str
    found: int
    touched: int
    """Entries of the index that were read for it: values that satisfy a leaf, references that were followed."""
    seconds: float


@dataclass(slots=True)
class Search:
    """A viewer asking one view; `trace`, when given, receives every step."""

    view: View
    viewer: Viewer
    trace: list[Step] | None = None
    touched: int = field(default=0, init=False)
    """Entries of the index that were read so far."""
    _depth: int = field(default=0, init=False)
    is_held_back: bool = field(default=True, init=False)
    """Whether there is anything that this viewer does not see; when not, looking for it costs nothing."""

    def __post_init__(self) -> None:
        self.is_held_back = self.viewer.perimeter is not None or bool(
            self.view.hidden(self.viewer.mask)
        )

    def of(self, expression: Expression, resource_type: str) -> BitMap:
        """The resources of a type that satisfy an expression. Do not change the set that is returned."""
        if self.trace is None:
            return self._of(expression, resource_type)
        start, place, before = time.perf_counter(), len(self.trace), self.touched
        self._depth += 1
        found = self._of(expression, resource_type)
        self._depth -= 1
        seconds = time.perf_counter() - start
        touched = self.touched - before
        self.trace.insert(
            place, Step(self._depth, expression, resource_type, len(found), touched, seconds)
        )
        return found

    def _of(self, expression: Expression, resource_type: str) -> BitMap:
        match expression:
            case Everything():
                return self.seen(resource_type)
            case And(parts):
                return self._all_of(parts, resource_type)
            case Or(parts):
                return (
                    BitMap.union(*(self.of(part, resource_type) for part in parts))
                    if parts
                    else BitMap()
                )
            case Not(inner):
                return self.seen(resource_type) - self.of(inner, resource_type)
            case SameRecord(name, inner):
                return self._same_record(name, inner, resource_type)
            case Chain(param, target, inner):
                return self.pointing_at(resource_type, param, target, self.of(inner, target))
            case Has(source, param, inner):
                return self.pointed_at(source, param, resource_type, self.of(inner, source))
            case Upward(inner):
                return self.below(resource_type, self.of(inner, resource_type))
            case ReferenceIs():
                return self.of(as_chains(expression, resource_type), resource_type)
            case Present(param) if leads_to_resources(resource_type, param):
                return self.of(as_chains(expression, resource_type), resource_type)
            case CanonicalIs(param):
                return self._leaf(expression, (resource_type, param + LOGICAL), None)
            case Present(param) if (resource_type, param) in CANONICAL:
                return self._leaf(expression, (resource_type, param + LOGICAL), None)
            case TokenIs(param) if self.is_held_back and param.endswith(_WRITTEN_IDENTIFIER):
                return self._named(expression, (resource_type, param))
            case leaf:
                return self._leaf(
                    leaf, (resource_type, leaf.param), record_of(resource_type, leaf.param)
                )

    def _all_of(self, parts: tuple[Expression, ...], resource_type: str) -> BitMap:
        found = self.of(parts[0], resource_type)
        for part in parts[1:]:
            if not found:
                break
            found = found & self.of(part, resource_type)
        return found

    def _leaf(self, leaf: ValueLeaf, name: tuple[str, str], record: str | None) -> BitMap:
        found = BitMap()
        for part, column, hidden in self.columns(name):
            slots = column.answer(leaf)
            self.touched += len(slots)
            if hidden:
                slots = slots - hidden
            rids = rids_of(part.segment, name[0], record, slots) if record else slots
            found = found | (rids - part.dead if part.dead else rids)
        return self._of_seen(found)

    def _named(self, leaf: ValueLeaf, name: tuple[str, str]) -> BitMap:
        """The resources of which a reference gives such an identifier, and does not lead to something hidden alone."""
        found = BitMap()
        for part, column in self.view.columns(name):
            assert isinstance(column, NameColumn)
            lost = leading_nowhere_seen(self.view, column, self.hidden(), self.seen)
            ranks = column.ranks(leaf)
            found = found | (column.of_ranks(ranks[~lost[ranks]]) - part.dead)
        self.touched += len(found)
        return self._of_seen(found)

    def _same_record(self, name: str, inner: Expression, resource_type: str) -> BitMap:
        found = BitMap()
        for part in self.view.parts:
            hidden = part.segment.masks.hidden_rows((resource_type, name), self.viewer.mask)
            slots = _rows(part, name, inner, resource_type) - hidden
            self.touched += len(slots)
            found = found | (rids_of(part.segment, resource_type, name, slots) - part.dead)
        return self._of_seen(found)

    # --- what the viewer sees ---

    def columns(self, name: tuple[str, str]) -> Iterator[tuple[Part, Column, BitMap]]:
        """
        The columns of a parameter in each segment, and which of their slots the viewer may not see.

        A segment has one for what nothing governs and one for each rule and grade. Do not change the sets given.
        """
        record = record_of(*name)
        for part in self.view.parts:
            masks = part.segment.masks
            plain = part.segment.columns.get(name)
            if plain is not None:
                yield (
                    part,
                    plain,
                    masks.hidden_rows((name[0], record), self.viewer.mask) if record else NOTHING,
                )
            for code, column in part.segment.governed.get(name, {}).items():
                yield part, column, masks.hidden_by(code, self.viewer.mask)

    def seen(self, resource_type: str) -> BitMap:
        """The resources of a type that the viewer sees. Do not change the set that is returned."""
        return self._known(("seen", resource_type), lambda: self._seen(resource_type))

    def hidden(self) -> BitMap:
        """Every live resource that the viewer does not see."""
        return self._known((HIDDEN,), lambda: BitMap.union(*map(self._unseen, RESOURCE_TYPES)))

    def astray(self) -> BitMap:
        """The resources of which a reference leads to what the viewer does not see."""
        return self._known((ASTRAY,), self._astray)

    def rewritten(self) -> dict[int, tuple[bytes, bytes]]:
        """What was made of bodies for all who see the same of this view: by rid, a body and what it became."""
        return self.view.rewritten.setdefault(self.viewer.sight, {})

    def hides(self, reference: Mapping[str, Any]) -> bool:
        """Whether a reference, as it stands in a resource, leads to something, and to nothing that the viewer sees."""
        led_to = self._led_to(reference)
        return any(rids for _, rids in led_to) and not self._is_any_seen(led_to)

    def may_hide(self, reference: Mapping[str, Any]) -> bool:
        """The same of a resource that may be newer than this view: what leads nowhere yet may be hidden as well."""
        led_to = self._led_to(reference)
        return bool(led_to) and not self._is_any_seen(led_to)

    def _is_any_seen(self, led_to: Sequence[tuple[str, BitMap]]) -> bool:
        return any(rids & self.seen(one) for one, rids in led_to)

    def _led_to(self, reference: Mapping[str, Any]) -> list[tuple[str, BitMap]]:
        """What a reference leads to, seen or not, of each type that it may be of; nothing when it can lead nowhere."""
        literal = literal_reference(reference.get("reference", ""))
        if literal is not None:
            asked, types = TokenIs("_id", literal.id), [literal.type]
        else:
            identifier = reference.get("identifier", {})
            if "value" not in identifier:
                return []
            asked = TokenIs(
                "identifier",
                identifier["value"],
                normal_system(identifier.get("system", "")) or None,
            )
            types = [one for one in RESOURCE_TYPES if reference.get("type", one) == one]
        return [(one, self._there(asked, one)) for one in types]

    def _there(self, leaf: TokenIs, resource_type: str) -> BitMap:
        """The resources that bear a token, seen or not."""
        columns = self.view.columns((resource_type, leaf.param))
        return BitMap.union(NOTHING, *(column.answer(leaf) - part.dead for part, column in columns))

    def _key(self, *name: str) -> tuple[object, ...]:
        return (*self.viewer.sight, *name)

    def _known(self, name: tuple[str, ...], find: Callable[[], BitMap]) -> BitMap:
        """What is found once for a view, and for all who have the same profile and the same perimeter."""
        key = self._key(*name)
        found = self.view.known.get(key)
        if found is None:
            found = self.view.known[key] = find()
        return found

    def _of_seen(self, found: BitMap) -> BitMap:
        """What the viewer sees of some resources, which are of one type."""
        return found - self.hidden() if self.is_held_back else found

    def _seen(self, resource_type: str) -> BitMap:
        seen = self.view.of_type(resource_type) - self.view.hidden(self.viewer.mask)
        # An anomaly goes with what it is about (choice 21).
        if resource_type == "Task":
            return (
                self._with_their_focus(seen)
                if self.viewer.perimeter is None
                else self._about_something(seen)
            )
        return (
            seen
            if self.viewer.perimeter is None
            else seen & self._within(self.viewer.perimeter, resource_type)
        )

    def _with_their_focus(self, tasks: BitMap) -> BitMap:
        """These anomalies without those about something hidden, such as an anomaly about something hidden."""
        hidden = self._of_focus(self._unseen) if tasks else NOTHING
        while hidden:
            seen = self._of_focus(self.seen) | self._sources("Task", "focus", "Task", tasks)
            gone = (tasks & hidden) - seen
            tasks = tasks - gone
            hidden = self._sources("Task", "focus", "Task", gone)
        return tasks

    def _about_something(self, tasks: BitMap) -> BitMap:
        """Those of these anomalies that are about something seen: they belong to no region and no field themselves."""
        found = tasks & self._of_focus(self.seen)
        while more := (tasks & self._sources("Task", "focus", "Task", found)) - found:
            found = found | more
        return found

    def _of_focus(self, of_type: Callable[[str], BitMap]) -> BitMap:
        """The anomalies about any of these, which are not anomalies themselves."""
        others = (one for one in RESOURCE_TYPES if one != "Task")
        return BitMap.union(*(self._sources("Task", "focus", one, of_type(one)) for one in others))

    def _within(self, perimeter: Perimeter, resource_type: str) -> BitMap:
        """The resources of a type that are inside a perimeter; what belongs to no region or field is outside."""
        inside = self.view.of_type(resource_type)
        if resource_type in OF_EVERYBODY:
            return inside
        if perimeter.regions:
            tagged = (
                column.answer(TokenIs("_tag", region)) - part.dead
                for part, column in self.view.columns((resource_type, "_tag"))
                for region in perimeter.regions
            )
            inside = inside & BitMap.union(NOTHING, *tagged)
        if perimeter.fields:
            inside = inside & self.view.with_facts(
                sum(FIELDS.get(one, 0) for one in perimeter.fields)
            )
        return inside

    def _astray(self) -> BitMap:
        still = self._astray_still()
        if still is not None:
            return still
        hidden = {one: rids for one in RESOURCE_TYPES if (rids := self._unseen(one))}
        found = NOTHING
        for resource_type in RESOURCE_TYPES:
            for name, parameter in search_parameters(resource_type).items():
                if parameter.type == "reference":
                    # What leads literally to another type was refused; a name without type may lead to any.
                    literal = BitMap.union(
                        NOTHING, *(hidden[one] for one in parameter.targets if one in hidden)
                    )
                    found = found | self._leading((resource_type, name), literal, hidden)
            found = found | self._leading((resource_type, UNSEARCHED), self.hidden(), hidden)
        return found

    def _leading(
        self, name: tuple[str, str], literal: BitMap, named: Mapping[str, BitMap]
    ) -> BitMap:
        """The resources of which a reference under `name` leads literally, or by an identifier, to any of these."""
        by_name = (named_sources(self.view, name, one, rids) for one, rids in named.items())
        return BitMap.union(literal_sources(self.view, name, literal), *by_name)

    def _astray_still(self) -> BitMap | None:
        """What is astray, from what was before a few changes; None when something else is hidden since."""
        earlier = self.view.earlier
        before = earlier.known.get(self._key(ASTRAY)) if earlier else None
        if (
            earlier is None
            or before is None
            or earlier.known.get(self._key(HIDDEN)) != self.hidden()
        ):
            return None
        found = before - earlier.changed
        for part in self.view.parts[1:]:
            for (_, param), column in part.segment.columns.items():
                if param.endswith(LOGICAL):
                    # Whom a name leads to may be in any segment.
                    return None
                if isinstance(column, LinkColumn):
                    found = found | (column.sources(self.hidden()) - part.dead)
        return found

    def _unseen(self, resource_type: str) -> BitMap:
        return self.view.of_type(resource_type) - self.seen(resource_type)

    def below(self, resource_type: str, tops: BitMap) -> BitMap:
        """The resources of `tops` and everything under them."""
        found = fresh = tops
        while fresh:
            fresh = (
                self.pointing_at(resource_type, UPWARD[resource_type], resource_type, fresh) - found
            )
            found = found | fresh
        return found

    # --- references ---

    def pointing_at(self, resource_type: str, param: str, target: str, targets: BitMap) -> BitMap:
        """The resources whose reference `param` points at any of `targets`, all of type `target`."""
        return self._of_seen(self._sources(resource_type, param, target, targets))

    def _sources(self, resource_type: str, param: str, target: str, targets: BitMap) -> BitMap:
        """The same, seen or not."""
        name = (resource_type, param)
        found = literal_sources(self.view, name, targets) | named_sources(
            self.view, name, target, targets
        )
        self.touched += len(found)
        return found

    def pointed_at(self, source: str, param: str, target: str, sources: BitMap) -> BitMap:
        """The resources of type `target` that any of `sources`, of type `source`, points at with its `param`."""
        found = BitMap()
        for part, column in self.view.columns((source, param)):
            assert isinstance(column, LinkColumn)
            rids_pointed_at = column.targets(sources - part.dead)
            self.touched += len(rids_pointed_at)
            # What is only referred to may have a rid beyond those of all that is there.
            size = max(self.view.size, int(rids_pointed_at.max(initial=0)) + 1)
            found = found | bitmaps.of_any(rids_pointed_at, size)
        for slots, rids in links_by_name(self.view, (source, param), target):
            pairs = zip(slots.tolist(), rids.tolist(), strict=True)
            found = found | BitMap([rid for slot, rid in pairs if slot in sources])
        return found & self.seen(target)

    # --- distances ---

    def distances_m(self, near: Near, resource_type: str, places: BitMap) -> dict[int, float]:
        """How far each of `places` within reach of `near` is, in metres; the nearest of its positions."""
        found: dict[int, float] = {}
        for part, column in self.view.columns((resource_type, near.param)):
            assert isinstance(column, PositionColumn)
            slots, distances = column.distances(near, places - part.dead)
            asked = distances <= near.distance_m
            for slot, distance in zip(
                slots[asked].tolist(), distances[asked].tolist(), strict=True
            ):
                found[slot] = min(distance, found.get(slot, distance))
        return found


def _rows(part: Part, record: str, inner: Expression, resource_type: str) -> BitMap:
    """The rows of a record, in one segment, that satisfy an expression on that record's parameters."""

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
                return column.answer(leaf) if column else BitMap()

    def every() -> BitMap:
        owners = part.segment.owners.get((resource_type, record))
        return BitMap(range(len(owners))) if owners is not None else BitMap()

    return rows(inner)
