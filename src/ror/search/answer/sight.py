"""
What a viewer sees on a view of the index: resources, columns and references, without any criterion.

Hidden resources behave as if they were absent. Viewers with the same profile and perimeter see the
same, so each set is computed once for a view and shared between them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from pyroaring import BitMap

from ror.access import Perimeter, Viewer
from ror.access.facts import FIELDS
from ror.search.answer.references import literal_sources, named_sources, sources
from ror.search.index.columns import Column, LinkColumn
from ror.search.index.columns.column import NOTHING
from ror.search.index.extract import FOREIGN, UNSEARCHED
from ror.search.index.segment import LOGICAL
from ror.search.index.view import HIDDEN, REFERS_TO_HIDDEN, Part, View
from ror.search.language.entry_names import record_of
from ror.search.language.expression import TokenIs
from ror.search.language.values import normal_identifier, normal_system
from ror.standard.definitions import RESOURCE_TYPES, search_parameters
from ror.standard.references import literal_reference

WITHOUT_PERIMETER: Final = ("Questionnaire", "Measure")
"""The types that every perimeter contains: they describe the directory and belong to no region."""


class Sight:
    """What `viewer` sees on `view`. Do not change the sets that its methods return."""

    __slots__ = ("hides_anything", "view", "viewer")

    def __init__(self, view: View, viewer: Viewer) -> None:
        self.view = view
        self.viewer = viewer
        self.hides_anything = viewer.perimeter is not None or bool(view.hidden(viewer.mask))
        """Whether any resource is hidden from the viewer; if not, nothing needs to be filtered."""

    # --- resources --------------------------------------------------------------------------------

    def seen(self, resource_type: str) -> BitMap:
        """The resources of a type that the viewer sees."""
        return self._cached(("seen", resource_type), lambda: self._seen(resource_type))

    def unseen(self, resource_type: str) -> BitMap:
        """The live resources of a type that the viewer does not see."""
        return self.view.of_type(resource_type) - self.seen(resource_type)

    def hidden(self) -> BitMap:
        """Every live resource that the viewer does not see."""
        return self._cached((HIDDEN,), lambda: BitMap.union(*map(self.unseen, RESOURCE_TYPES)))

    def without_hidden(self, rids: BitMap) -> BitMap:
        """Those of these resources that the viewer sees."""
        return rids - self.hidden() if self.hides_anything else rids

    def columns(self, name: tuple[str, str]) -> Iterator[tuple[Part, Column, BitMap]]:
        """
        The columns of a parameter in each segment, and which of their slots the viewer may not see.

        A segment has one column for ungoverned entries and one for each rule and grade.
        """
        record = record_of(*name)
        for part in self.view.parts:
            masks = part.segment.masks
            plain = part.segment.columns.get(name)
            if plain is not None:
                rows = (name[0], record) if record else None
                yield part, plain, masks.hidden_rows(rows, self.viewer.mask) if rows else NOTHING
            for code, column in part.segment.governed.get(name, {}).items():
                yield part, column, masks.hidden_by(code, self.viewer.mask)

    def rewritten_bodies(self) -> dict[int, tuple[bytes, bytes]]:
        """By rid, a body before and after rewriting; shared by all who see the same."""
        return self.view.rewritten.setdefault(self.viewer.sight, {})

    def _cached(self, name: tuple[str, ...], compute: Callable[[], BitMap]) -> BitMap:
        """A set computed once for a view and for all who have the same profile and perimeter."""
        key = self._key(*name)
        rids = self.view.cache.get(key)
        if rids is None:
            rids = self.view.cache[key] = compute()
        return rids

    def _key(self, *name: str) -> tuple[object, ...]:
        return (*self.viewer.sight, *name)

    def _seen(self, resource_type: str) -> BitMap:
        seen = self.view.of_type(resource_type) - self.view.hidden(self.viewer.mask)
        perimeter = self.viewer.perimeter
        # A viewer sees an anomaly if it sees what the anomaly is about (choice 21).
        if resource_type == "Task":
            if perimeter is None:
                return self._without_hidden_focus(seen)
            return self._about_something_seen(seen)
        return seen if perimeter is None else seen & self._within(perimeter, resource_type)

    def _without_hidden_focus(self, tasks: BitMap) -> BitMap:
        """These anomalies, without those about a hidden resource or anomaly."""
        hidden = self._about(self.unseen) if tasks else NOTHING
        while hidden:
            seen = self._about(self.seen) | self._about_any("Task", tasks)
            removed = (tasks & hidden) - seen
            tasks = tasks - removed
            hidden = self._about_any("Task", removed)
        return tasks

    def _about_something_seen(self, tasks: BitMap) -> BitMap:
        """The anomalies among these about a seen resource or anomaly; they have no region."""
        visible = tasks & self._about(self.seen)
        while more := (tasks & self._about_any("Task", visible)) - visible:
            visible = visible | more
        return visible

    def _about(self, of_type: Callable[[str], BitMap]) -> BitMap:
        """The anomalies about any of these resources, which are not anomalies themselves."""
        others = (name for name in RESOURCE_TYPES if name != "Task")
        return BitMap.union(*(self._about_any(name, of_type(name)) for name in others))

    def _about_any(self, target: str, rids: BitMap) -> BitMap:
        """The anomalies about any of these resources of one type, also by a foreign address."""
        # The foreign column of a Task has its focus only.
        names = (_FOCUS, ("Task", FOREIGN))
        return BitMap.union(*(sources(self.view, name, target, rids) for name in names))

    def _within(self, perimeter: Perimeter, resource_type: str) -> BitMap:
        """The resources of a type inside a perimeter; those without region or field are outside."""
        inside = self.view.of_type(resource_type)
        if resource_type in WITHOUT_PERIMETER:
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
                sum(FIELDS.get(name, 0) for name in perimeter.fields)
            )
        return inside

    # --- references -------------------------------------------------------------------------------

    def leads_only_to_hidden(self, reference: Mapping[str, Any]) -> bool:
        """Whether a reference has targets and all of them are hidden."""
        targets = self._targets(reference)
        return any(rids for _, rids in targets) and not self._is_any_seen(targets)

    def may_lead_to_hidden(self, reference: Mapping[str, Any]) -> bool:
        """
        The same for a reference of a resource that may be newer than the view.

        Its target may be hidden and not be in the view yet.
        """
        targets = self._targets(reference)
        return bool(targets) and not self._is_any_seen(targets)

    def _is_any_seen(self, targets: Sequence[tuple[str, BitMap]]) -> bool:
        return any(rids & self.seen(resource_type) for resource_type, rids in targets)

    def _targets(self, reference: Mapping[str, Any]) -> list[tuple[str, BitMap]]:
        """The targets of a reference, seen or not, by possible type; empty if it has none."""
        literal = literal_reference(reference.get("reference", ""))
        if literal is not None:
            return [(literal.type, self._bearers(TokenIs("_id", literal.id), literal.type))]
        identifier = reference.get("identifier", {})
        if "value" not in identifier:
            return []
        system = normal_system(identifier.get("system", "")) or None
        token = TokenIs("identifier", normal_identifier(identifier["value"]), system)
        types = (name for name in RESOURCE_TYPES if reference.get("type", name) == name)
        return [(name, self._bearers(token, name)) for name in types]

    def _bearers(self, token: TokenIs, resource_type: str) -> BitMap:
        """The resources that have a token, seen or not."""
        columns = self.view.columns((resource_type, token.param))
        return BitMap.union(
            NOTHING, *(column.answer(token) - part.dead for part, column in columns)
        )

    def refers_to_hidden(self) -> BitMap:
        """The resources with a reference to a hidden resource."""
        return self._cached((REFERS_TO_HIDDEN,), self._refers_to_hidden)

    def _refers_to_hidden(self) -> BitMap:
        updated = self.updated_refers_to_hidden()
        if updated is not None:
            return updated
        hidden = {name: rids for name in RESOURCE_TYPES if (rids := self.unseen(name))}
        referring = NOTHING
        for resource_type in RESOURCE_TYPES:
            for name, parameter in search_parameters(resource_type).items():
                if parameter.type == "reference":
                    # Import refuses a literal reference to another type; a reference by
                    # identifier without a type may lead to any type.
                    literal = BitMap.union(
                        NOTHING,
                        *(hidden[target] for target in parameter.targets if target in hidden),
                    )
                    referring = referring | self._referring((resource_type, name), literal, hidden)
            for name in (FOREIGN, UNSEARCHED):
                column = (resource_type, name)
                referring = referring | self._referring(column, self.hidden(), hidden)
        return referring

    def _referring(
        self, name: tuple[str, str], literal: BitMap, named: Mapping[str, BitMap]
    ) -> BitMap:
        """The resources that refer under `name` to any of these, literally or by identifier."""
        by_name = (named_sources(self.view, name, target, rids) for target, rids in named.items())
        return BitMap.union(literal_sources(self.view, name, literal), *by_name)

    def updated_refers_to_hidden(self) -> BitMap | None:
        """The same set, updated from an earlier view; None if it must be recomputed."""
        earlier = self.view.earlier
        before = earlier.cache.get(self._key(REFERS_TO_HIDDEN)) if earlier else None
        if (
            earlier is None
            or before is None
            or earlier.cache.get(self._key(HIDDEN)) != self.hidden()
        ):
            return None
        referring = before - earlier.changed
        for part in self.view.parts[1:]:
            for (_, param), column in part.segment.columns.items():
                if param.endswith(LOGICAL):
                    # The resources with an identifier may be in any segment.
                    return None
                if isinstance(column, LinkColumn):
                    referring = referring | (column.sources(self.hidden()) - part.dead)
        return referring


_FOCUS: Final = ("Task", "focus")
