"""
What an asker may see of a directory, worked out slowly and plainly from dictionaries: the oracle of
the access tests.

It follows the published matrix and the readings of docs/decisions/0021, and shares nothing with
`ror.access`: rules are written out profile by profile, facts are looked for in the resources each
time, bodies are copied without what is hidden. What is left is the directory that the asker could
as well have been given alone.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Resource = Mapping[str, Any]
Key = tuple[str, str]

ROR = "https://interop.esante.gouv.fr/ig/fhir/ror/StructureDefinition/"
TYPES = (
    "Organization",
    "HealthcareService",
    "Location",
    "Practitioner",
    "PractitionerRole",
    "Task",
    "Questionnaire",
    "Measure",
    "MeasureReport",
)
OPEN_CHARACTERISTICS = ("R213", "R236", "R238", "R240", "R253", "R286", "R338", "R344")
"""
Nomenclatures of what describes an offer; the characteristics of any other are specific acts and the
like.
"""

EVERYTHING, WITHOUT_PERSONS = 1, 4
MEDICO_SOCIAL, TOWN = "04", "05"


@dataclass(frozen=True)
class Asker:
    """An access profile, the perimeter it is held to if any, and the policy that holds."""

    profile: int
    regions: frozenset[str] = frozenset()
    fields: frozenset[str] = frozenset()
    version: str = "3.0.1"
    switches: frozenset[str] = frozenset()

    @property
    def is_held_to_a_perimeter(self) -> bool:
        return bool(self.regions or self.fields)


def seen_by(resources: Iterable[Resource], asker: Asker) -> list[dict[str, Any]]:
    """
    The directory without everything that is hidden from the asker: resources, elements, references.
    """
    world = World({(one["resourceType"], one["id"]): one for one in resources})
    seen = world.seen(asker)
    return [
        without_references(
            without_elements(world, one, asker), lambda reference: world.is_lost(reference, seen)
        )
        for key, one in world.resources.items()
        if key in seen
    ]


def key_of(resource: Resource) -> Key:
    return resource["resourceType"], resource["id"]


# --- the directory as a whole ---------------------------------------------------------------------


@dataclass
class World:
    """The resources of a directory by type and id, and how they are linked."""

    resources: Mapping[Key, Resource]
    _offers: dict[Key, list[Resource]] = field(default_factory=dict)

    def of_type(self, name: str) -> list[Resource]:
        return [one for (resource_type, _), one in self.resources.items() if resource_type == name]

    def offers_of(self, resource: Resource) -> list[Resource]:
        """The offers that a resource is linked to."""
        key = key_of(resource)
        if key not in self._offers:
            self._offers[key] = LINKED.get(key[0], lambda world, one: [])(self, resource)
        return self._offers[key]

    def leads_to(self, reference: Resource) -> set[Key]:
        """
        What a reference leads to: what it names literally, or else those that bear the identifier
        it gives.
        """
        literal = literally(reference)
        if literal:
            return {literal} & self.resources.keys()
        named = reference.get("identifier")
        if not isinstance(named, Mapping) or "value" not in named:
            return set()
        return {
            key
            for key, one in self.resources.items()
            if reference.get("type", key[0]) == key[0]
            for borne in one.get("identifier", ())
            if borne.get("value") == named["value"]
            and bare(named.get("system", "")) in ("", bare(borne.get("system", "")))
        }

    def seen(self, asker: Asker) -> set[Key]:
        """What the asker may see at all."""
        others = {
            key
            for key, one in self.resources.items()
            if key[0] != "Task" and self._may_see(one, asker)
        }
        tasks = {
            key_of(one)
            for one in self.of_type("Task")
            if asker.profile in (EVERYTHING, WITHOUT_PERSONS)
        }
        if asker.is_held_to_a_perimeter:
            return self._with_tasks_about(others, tasks)
        seen = others | tasks
        while lost := {
            key for key in tasks & seen if self._focus_is_lost(self.resources[key], seen)
        }:
            seen -= lost
        return seen

    def is_lost(self, reference: Resource, seen: set[Key]) -> bool:
        """Whether a reference leads to something, and to nothing of what is seen."""
        there = self.leads_to(reference)
        return bool(there) and not there & seen

    def _may_see(self, resource: Resource, asker: Asker) -> bool:
        return WHOLE[resource["resourceType"]](
            Case(asker, self.offers_of(resource))
        ) and self._is_within(resource, asker)

    def _is_within(self, resource: Resource, asker: Asker) -> bool:
        if resource["resourceType"] in ("Questionnaire", "Measure"):
            return True
        regions = {tag.get("code") for tag in resource.get("meta", {}).get("tag", ())}
        fields = {code for one in self.offers_of(resource) for code in fields_of(one)}
        return (not asker.regions or bool(regions & asker.regions)) and (
            not asker.fields or bool(fields & asker.fields)
        )

    def _with_tasks_about(self, seen: set[Key], tasks: set[Key]) -> set[Key]:
        """What is seen, and the anomalies about it: they have no region or field of their own."""
        while about := {
            key
            for key in tasks - seen
            if self.leads_to(self.resources[key].get("focus", {})) & seen
        }:
            seen = seen | about
        return seen

    def _focus_is_lost(self, task: Resource, seen: set[Key]) -> bool:
        return self.is_lost(task.get("focus", {}), seen)


_LITERAL = re.compile(rf"(?:.*/)?({'|'.join(TYPES)})/([A-Za-z0-9.-]{{1,64}})(?:/_history/.*)?")


def literally(reference: Resource) -> Key | None:
    """The type and id that a literal reference names."""
    found = _LITERAL.fullmatch(reference.get("reference", ""))
    return (found[1], found[2]) if found else None


def bare(system: str) -> str:
    """A system without what two spellings of it may differ in."""
    return re.sub(r"^https?://", "", system).rstrip("/")


def _named(resource: Resource, *members: str) -> set[Key]:
    """What the literal references of these members name."""
    found = set()
    for member in members:
        value = resource.get(member, [])
        for reference in value if isinstance(value, list) else [value]:
            if literal := literally(reference):
                found.add(literal)
    return found


def _of_place(world: World, place: Resource) -> list[Resource]:
    return [
        one
        for one in world.of_type("HealthcareService")
        if key_of(place) in _named(one, "location")
    ]


def _of_role(world: World, role: Resource) -> list[Resource]:
    named = _named(role, "healthcareService")
    return [one for one in world.of_type("HealthcareService") if key_of(one) in named]


def _of_professional(world: World, professional: Resource) -> list[Resource]:
    roles = [
        one
        for one in world.of_type("PractitionerRole")
        if key_of(professional) in _named(one, "practitioner")
    ]
    return [offer for role in roles for offer in _of_role(world, role)]


def _of_structure(world: World, structure: Resource) -> list[Resource]:
    """The offers that a structure carries, and those of everything under it."""
    under = {key_of(structure)}
    while below := {
        key_of(one)
        for one in world.of_type("Organization")
        if _named(one, "partOf") & under and key_of(one) not in under
    }:
        under |= below
    return [one for one in world.of_type("HealthcareService") if _named(one, "providedBy") & under]


LINKED: Mapping[str, Callable[[World, Resource], list[Resource]]] = {
    "HealthcareService": lambda world, offer: [offer],
    "Location": _of_place,
    "PractitionerRole": _of_role,
    "Practitioner": _of_professional,
    "Organization": _of_structure,
}


def is_sensitive(offer: Resource) -> bool:
    return any(
        one["url"] == ROR + "ror-healthcareservice-sensitive-unit"
        and one.get("valueBoolean") is not False
        for one in offer.get("extension", ())
    )


def fields_of(offer: Resource) -> set[str | None]:
    """The fields of activity of an offer; {None} when it says none."""
    return {
        coding.get("code") for one in offer.get("type", ()) for coding in one.get("coding", ())
    } or {None}


# --- the matrix -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """An asker before something that depends on these offers."""

    asker: Asker
    offers: Sequence[Resource]

    @property
    def profile(self) -> int:
        return self.asker.profile

    @property
    def is_safe(self) -> bool:
        """No linked offer is a sensitive unit."""
        return not any(map(is_sensitive, self.offers))

    def is_all(self, code: str) -> bool:
        """There are linked offers, and all are of this field of activity and no other."""
        return bool(self.offers) and all(fields_of(one) == {code} for one in self.offers)

    def is_partly(self, code: str) -> bool:
        return any(code in fields_of(one) for one in self.offers)

    def has(self, switch: str) -> bool:
        return switch in self.asker.switches


def _unless_sensitive(case: Case) -> bool:
    return case.profile in (EVERYTHING, WITHOUT_PERSONS) or case.is_safe


def _professional(case: Case) -> bool:
    match case.profile:
        case 0:
            return case.is_partly(TOWN) and case.is_safe
        case 3:
            return case.is_partly(MEDICO_SOCIAL) and case.is_safe
        case _:
            return _person(case)


def _role(case: Case) -> bool:
    match case.profile:
        case 0:
            return case.is_all(TOWN) and case.is_safe
        case 3:
            return case.is_all(MEDICO_SOCIAL) and case.is_safe
        case _:
            return _person(case)


def _person(case: Case) -> bool:
    if case.profile == WITHOUT_PERSONS:
        return case.has("profile-4-professionals")
    return case.profile == EVERYTHING or case.is_safe


def _managers(case: Case) -> bool:
    return case.profile in (EVERYTHING, WITHOUT_PERSONS)


def _everybody(case: Case) -> bool:
    return True


WHOLE: Mapping[str, Callable[[Case], bool]] = {
    "Organization": _everybody,
    "HealthcareService": _unless_sensitive,
    "Location": _unless_sensitive,
    "Practitioner": _professional,
    "PractitionerRole": _role,
    "Task": _managers,
    "Questionnaire": _everybody,
    "Measure": _everybody,
    "MeasureReport": _managers,
}


def sees_level(case: Case, level: int) -> bool:
    """What everybody, professionals, or regulation and crisis management may read."""
    if case.profile == EVERYTHING:
        return True
    if case.profile in (0, 4):
        return level == 1
    if case.profile == 3 and not case.is_all(MEDICO_SOCIAL):
        return level == 1
    return level <= 2


def sees_level_of_offer(case: Case, level: int) -> bool:
    return sees_level(case, level) and (
        case.profile in (EVERYTHING, WITHOUT_PERSONS) or case.is_safe
    )


def sees_crisis_data(case: Case) -> bool:
    return case.profile == EVERYTHING or (
        case.profile == WITHOUT_PERSONS and case.asker.version != "3.0"
    )


def sees_specific(case: Case) -> bool:
    """Equipment, and what is specific to an offer."""
    match case.profile:
        case 0:
            return False
        case 3:
            return case.is_all(MEDICO_SOCIAL) and case.is_safe
        case _:
            return _unless_sensitive(case)


def sees_act(case: Case) -> bool:
    if case.profile == 0 and case.has("open-ms-specific-data"):
        return case.is_all(MEDICO_SOCIAL) and case.is_safe
    return sees_specific(case)


def sees_capacity(case: Case, capacity: Resource) -> bool:
    parts = {one["url"]: one for one in capacity.get("extension", ())}
    status = coded(parts.get("capacityStatus", {}))
    additional = status not in ("01", "02", "03", "04", "05") or "additionalBedType" in parts
    permanent = coded(parts.get("temporaryAssignement", {})) == "01"
    if case.profile in (EVERYTHING, WITHOUT_PERSONS):
        return True
    if not case.is_safe:
        return False
    match case.profile:
        case 0:
            if case.has("open-installed-capacity"):
                return status == "01" and permanent and not additional
            return case.asker.version == "3.0" and status == "01" and permanent
        case 2:
            return not additional
        case 3:
            return case.is_all(MEDICO_SOCIAL) and not additional
        case _:
            return status == "01" and not additional


def coded(extension: Resource) -> str | None:
    """The code of an extension; None when it has none, or several that say different things."""
    codings = extension.get("valueCodeableConcept", {}).get("coding") or [
        extension.get("valueCoding", {})
    ]
    codes = {one.get("code") for one in codings}
    return codes.pop() if len(codes) == 1 else None


# --- elements -------------------------------------------------------------------------------------


def level_of(element: Resource) -> int | None:
    """
    The level that an element states, 3 when nobody knows what it means; None when it states none.
    """
    stated = [
        one for one in element.get("extension", ()) if one["url"].endswith("confidentiality-level")
    ]
    if not stated:
        return None
    return max({"1": 1, "2": 2}.get(coded(one) or "", 3) for one in stated)


def without_elements(world: World, resource: Resource, asker: Asker) -> dict[str, Any]:
    """A resource without the elements that the asker may not see."""
    case = Case(asker, world.offers_of(resource))
    kept = dict(resource)
    if asker.profile != EVERYTHING:
        # Both may say again, or say besides, anything at all.
        kept.pop("text", None)
        kept.pop("contained", None)
    left = PARTS.get(resource["resourceType"], lambda case, one: one)(case, kept)
    if asker.profile != EVERYTHING and "hide-unknown-extensions" in asker.switches:
        left = without_unknown_extensions(left)
    return {name: value for name, value in left.items() if value not in ([], {})}


def _kept(resource: Resource, member: str, keep: Callable[[Any], Any]) -> dict[str, Any]:
    """The resource with what `keep` makes of each item of a list; None takes the item away."""
    if member not in resource:
        return dict(resource)
    items = [keep(one) for one in resource[member]]
    return {**resource, member: [one for one in items if one is not None]}


def _structure(case: Case, resource: Resource) -> dict[str, Any]:
    crisis = {
        ROR + name
        for name in (
            "ror-organization-level-recours-orsan",
            "ror-organization-level-recourse-orsan",
            "ror-organization-drop-zone",
        )
    }

    def contact(one: Resource) -> Resource | None:
        level = level_of(one) or 3
        if not sees_level(case, level):
            return None
        left = _kept(
            one,
            "telecom",
            lambda telecom: _if(sees_level(case, max(level_of(telecom) or level, level)), telecom),
        )
        return {name: value for name, value in left.items() if value not in ([], {})} or None

    left = _kept(resource, "contact", contact)
    # One sensitive unit does not take away what its whole hospital says of itself.
    left = _kept(left, "telecom", lambda one: _if(sees_level(case, level_of(one) or 1), one))
    return _kept(
        left, "extension", lambda one: _if(one["url"] not in crisis or sees_crisis_data(case), one)
    )


def _offer(case: Case, resource: Resource) -> dict[str, Any]:
    def extension(one: Resource) -> Resource | None:
        if one["url"] != ROR + "ror-healthcareservice-contact":
            return one
        level = level_of(one) or 3
        if not sees_level_of_offer(case, level):
            return None

        def part(inner: Resource) -> Resource | None:
            if inner["url"] != ROR + "ror-healthcareservice-contact-telecom":
                return inner
            return _if(sees_level_of_offer(case, max(level_of(inner) or level, level)), inner)

        return _kept(one, "extension", part)

    left = _kept(resource, "extension", extension)
    left = _kept(left, "telecom", lambda one: _if(_follows_or(case, one), one))
    return _kept(left, "characteristic", lambda one: _if(is_open(one) or sees_act(case), one))


def is_open(characteristic: Resource) -> bool:
    """
    Whether a characteristic only describes the offer: all its codes are of nomenclatures known to
    do so.
    """
    systems = [one.get("system", "") for one in characteristic.get("coding", ())]
    return (
        bool(systems)
        and "extension" not in characteristic
        and all(
            any(f"/NOS/TRE_{one}-" in system for one in OPEN_CHARACTERISTICS) for system in systems
        )
    )


def _place(case: Case, resource: Resource) -> dict[str, Any]:
    def extension(one: Resource) -> Resource | None:
        if one["url"] == ROR + "ror-location-equipment":
            return _if(sees_specific(case), one)
        if one["url"] == ROR + "ror-location-supported-capacity":
            return _if(sees_capacity(case, one), one)
        return one

    left = _kept(resource, "extension", extension)
    return _kept(
        left, "telecom", lambda one: _if(sees_level_of_offer(case, level_of(one) or 3), one)
    )


def _professional_parts(case: Case, resource: Resource) -> dict[str, Any]:
    return _kept(resource, "telecom", lambda one: _if(_follows_or(case, one), one))


def _role_parts(case: Case, resource: Resource) -> dict[str, Any]:
    return _kept(
        resource, "telecom", lambda one: _if(sees_level_of_offer(case, level_of(one) or 3), one)
    )


def _follows_or(case: Case, telecom: Resource) -> bool:
    """A telecom without level follows its resource; one that states a level is held to it."""
    level = level_of(telecom)
    return level is None or sees_level_of_offer(case, level)


def _if(condition: bool, one: Resource) -> Resource | None:
    return one if condition else None


PARTS: Mapping[str, Callable[[Case, Resource], dict[str, Any]]] = {
    "Organization": _structure,
    "HealthcareService": _offer,
    "Location": _place,
    "Practitioner": _professional_parts,
    "PractitionerRole": _role_parts,
}


# --- unknown extensions ---------------------------------------------------------------------------

KNOWN = frozenset(
    ROR + name
    for name in (
        "ror-confidentiality-level",
        "ror-contact-confidentiality-level",
        "ror-healthcareservice-contact",
        "ror-healthcareservice-contact-telecom",
        "ror-healthcareservice-sensitive-unit",
        "ror-location-equipment",
        "ror-location-equipment-limit",
        "ror-location-residential-capacity",
        "ror-location-supported-capacity",
        "ror-organization-comment",
        "ror-organization-drop-zone",
        "ror-organization-level-recours-orsan",
        "ror-organization-price",
        "ror-telecom-confidentiality-level",
    )
) | {"http://hl7.org/fhir/StructureDefinition/iso21090-ADXP-houseNumber"}
"""The extensions of the generated worlds that the guide or its profiles define."""


def without_unknown_extensions(resource: Resource) -> dict[str, Any]:
    """A resource without the extensions that nobody defined, nor what they leave empty."""
    found = _without_unknown(resource, is_known_extension=False)
    assert found is not None
    return found


def _without_unknown(node: Resource, is_known_extension: bool) -> dict[str, Any] | None:
    """The node; None when nothing is left of it."""
    left: dict[str, Any] = {}
    for name, value in node.items():
        if name in ("extension", "modifierExtension"):
            extensions = [
                _without_unknown(one, is_known_extension=True)
                for one in value
                if one["url"] in KNOWN or (is_known_extension and ":" not in one["url"])
            ]
            left[name] = [one for one in extensions if one is not None] or None
        elif isinstance(value, list):
            items = [_left_of(one) for one in value]
            left[name] = (
                items if name.startswith("_") else [one for one in items if one is not None]
            )
            if None in value:
                left[name] = items
        else:
            left[name] = _left_of(value)
    for name in [one for one in node if one.startswith("_") and isinstance(node[one], list)]:
        _drop_places(node, left, name)
    left = {name: value for name, value in left.items() if value not in (None, [], {})}
    has_only_url = is_known_extension and left.keys() == {"url"} and len(node) > 1
    return left if left and not has_only_url else None


def _left_of(value: Any) -> Any:
    return _without_unknown(value, is_known_extension=False) if isinstance(value, dict) else value


def _drop_places(node: Resource, left: dict[str, Any], name: str) -> None:
    """Values and their extensions stand in the same places: where both are gone, the place is."""
    values, extensions = node.get(name[1:], []), left[name]
    gone = [
        place
        for place, one in enumerate(extensions)
        if one is None
        and node[name][place] is not None
        and (place >= len(values) or values[place] is None)
    ]
    kept = [one for place, one in enumerate(extensions) if place not in gone]
    left[name] = kept if any(one is not None for one in kept) else None
    if values:
        left[name[1:]] = [one for place, one in enumerate(values) if place not in gone]


# --- references -----------------------------------------------------------------------------------


def without_references(resource: Resource, is_lost: Callable[[Resource], bool]) -> dict[str, Any]:
    """
    A resource without the references that are lost, nor what holds nothing once they are gone.
    """
    found = _without(resource, is_lost)
    assert isinstance(found, dict)
    return found


def _without(value: Any, is_lost: Callable[[Resource], bool]) -> Any:
    """The value without lost references; None when that leaves nothing of it."""
    if isinstance(value, list):
        items = [(one, _without(one, is_lost)) for one in value]
        return [left for _, left in items if left is not None] or None
    if not isinstance(value, Mapping):
        return value
    is_reference = isinstance(value.get("reference"), str) or isinstance(
        value.get("identifier"), Mapping
    )
    if is_reference and is_lost(value):
        return None
    left = {name: _without(one, is_lost) for name, one in value.items()}
    left = {name: one for name, one in left.items() if one is not None}
    # An extension that has lost what it said says nothing.
    is_empty = not left or (left.keys() == {"url"} and len(value) > 1)
    return None if is_empty else left
