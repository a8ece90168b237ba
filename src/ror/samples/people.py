"""
Professionals and what they do in each offer, as Practitioner and PractitionerRole resources.

A professional who works in two offers has two roles that repeat the same profession, know-how and
name (guide 0.7.0, PractitionerRole); the registrar of people keeps, for the region at hand only,
who could take a second role.
"""

from dataclasses import dataclass
from functools import cache

from ror.samples.catalogue import OfferKind
from ror.samples.fragments import (
    EMAIL,
    LANDLINE,
    MOBILE,
    PUBLIC,
    RESTRICTED,
    SD,
    VERY_RESTRICTED,
    Fragment,
    Json,
    coded,
    concept,
    flag,
    ready,
    telecom,
    typed,
)
from ror.samples.names import FEMALE_FIRST_NAMES, LAST_NAMES, MALE_FIRST_NAMES
from ror.samples.offers import opening_time
from ror.samples.places import Site
from ror.samples.registrar import PERSON_IDENTIFIER_TYPE, Registrar

_CONTRACTED = "https://apifhir.annuaire.sante.fr/ws-sync/exposed/structuredefinition/practitionerRole-contracted"
_HAS_CAS = (
    "https://apifhir.annuaire.sante.fr/ws-sync/exposed/structuredefinition/practitionerRole-hasCAS"
)
_VITALE = "https://apifhir.annuaire.sante.fr/ws-sync/exposed/structuredefinition/practitionerRole-vitaleAccepted"

_SPECIALTIES_OF = {"10": "SM", "40": "SCD", "60": "SI"}
"""How the codes of ordinal specialties (J210) begin for the professions (J229) that have some."""

_HOSPITAL_FIELDS = frozenset({"01", "02", "03"})

_OTHER_KNOW_HOW = (
    ("OP", "J212", "81"), ("OP", "J212", "80"), ("C", "J232", "C05"), ("C", "J232", "C07"), ("CEX",
    "J211", "CEX24"),
    ("CEX", "J211", "CEX64"), ("CAPA", "J213", "CAPA02"), ("CAPA", "J213", "CAPA06"), ("CAPA",
    "J213", "CAPA05"),
    ("PAC", "J214", "PAC00"), ("DNQ", "J215", "DSM200"), ("DNQ", "J215", "DSM206"), ("DEC", "J216",
    "DEC01"),
)  # fmt: skip
"""Know-how other than the specialty: its type (J209), its value set and a code of it."""

_COMPETENCES = ("01", "06", "42", "59", "60")
_TITLES = {"10": ("DR", "DR", "DR", "PR"), "40": ("DR",), "21": ("DR",)}
_PERSONS_REMEMBERED = 40


@dataclass(frozen=True, slots=True)
class Person:
    """A professional, as each of the roles repeats it."""

    id: str
    profession: str
    specialties: tuple[Fragment, ...]
    name: Fragment


class People:
    """
    The professionals of one region, and the share of roles that fall to someone already known.
    """

    def __init__(self, registrar: Registrar, roles_per_person: float) -> None:
        self._registrar = registrar
        self._persons_per_role = 1 / roles_per_person
        self._known: dict[tuple[str, tuple[str, ...]], list[Person]] = {}

    def forget(self) -> None:
        """Begin another region: nobody works in two."""
        self._known.clear()

    def someone(self, kind: OfferKind, region: str) -> tuple[Json | None, Person]:
        """
        A professional for an offer of that kind: with the new resource, or None when the person is
        known already.
        """
        done = self._registrar.done
        enough = (
            done.get("Practitioner", 0) > done.get("PractitionerRole", 0) * self._persons_per_role
        )
        known = self._known.setdefault((kind.profession, kind.specialties), [])
        if enough and known:
            return None, self._registrar.chance.pick(known)
        resource, person = self._new(kind, region)
        if len(known) < _PERSONS_REMEMBERED:
            known.append(person)
        else:
            known[self._registrar.chance.between(0, _PERSONS_REMEMBERED - 1)] = person
        return resource, person

    def _new(self, kind: OfferKind, region: str) -> tuple[Json, Person]:
        registrar = self._registrar
        chance = registrar.chance
        resource_id = registrar.next_id("Practitioner")
        female = chance.maybe(0.55)
        first_name = chance.pick(FEMALE_FIRST_NAMES if female else MALE_FIRST_NAMES)
        resource: Json = {
            "resourceType": "Practitioner",
            "id": resource_id,
            "meta": registrar.meta("ror-practitioner", region),
            "extension": (registrar.creation(),),
            # 8 says that an RPPS number follows (CI-SIS, national identifier of professionals).
            "identifier": (
                {"system": "urn:oid:1.2.250.1.71.4.2.1", "value": "8" + registrar.rpps()},
            ),
            "name": ({"prefix": ("MME" if female else "M",)},),
        }
        if chance.maybe(0.08):
            resource["telecom"] = (
                telecom(EMAIL, f"ps.{resource_id}@pro.mssante.example", RESTRICTED),
            )
        return resource, Person(
            resource_id,
            kind.profession,
            self._know_how(kind),
            _exercise_name(kind.profession, chance.pick(LAST_NAMES), first_name, chance.random()),
        )

    def _know_how(self, kind: OfferKind) -> tuple[Fragment, ...]:
        chance = self._registrar.chance
        if kind.profession == "10" and chance.turn("person: other know-how", 9):
            return _other_know_how(*chance.next_of("person: know-how", _OTHER_KNOW_HOW))
        prefix = _SPECIALTIES_OF.get(kind.profession)
        own = [code for code in kind.specialties if prefix and code.startswith(prefix)]
        return _specialty(chance.pick(own) if own else "")


@cache
def _specialty(code: str) -> tuple[Fragment, ...]:
    """
    The ordinal specialty of that code; without one, the qualified function that every profession
    is.
    """
    if not code:
        return (concept("J209", "FQ"),)
    return concept("J209", "S"), concept("J210", code)


@cache
def _other_know_how(kind: str, value_set: str, code: str) -> tuple[Fragment, ...]:
    return concept("J209", kind), concept(value_set, code)


def _exercise_name(profession: str, last_name: str, first_name: str, draw: float) -> Fragment:
    titles = _TITLES.get(profession, ())
    parts = [coded("exerciseTitle", "J208", titles[int(draw * len(titles))])] if titles else []
    parts.append({"url": "exerciseLastName", "valueString": last_name.upper()})
    parts.append({"url": "exerciseFirstName", "valueString": first_name})
    return ready({"url": SD + "ror-practitionerrole-name", "extension": parts})


def practitioner_role(
    registrar: Registrar,
    person: Person,
    kind: OfferKind,
    where: Site,
    offer: str,
    provider: str,
    place: str,
) -> Json:
    """
    What a person does in an offer of that kind; offer, providing organisation and place are given
    by id.
    """
    chance = registrar.chance
    region = where.region
    self_employed = kind.field == "05" or (
        kind.field in _HOSPITAL_FIELDS and chance.turn("role: self-employed", 9)
    )
    mode = "L" if self_employed else "S"
    if chance.turn("role: volunteer", 150):
        mode = "B"
    extensions = [
        coded(SD + "ror-practitionerrole-unit-exercise-mode", "J217", mode),
        person.name,
        registrar.creation(),
    ]
    if self_employed:
        extensions += _insurance(chance.random(), chance.turn("role: vitale refused", 20))
    if chance.turn("role: comment", 25):
        extensions.append(
            {"url": SD + "ror-meta-comment", "valueString": "Remplacements possibles"}
        )
    specialties = person.specialties
    if chance.turn("role: competence", 10):
        specialties = (*specialties, concept("J33", chance.pick(_COMPETENCES)))
    resource: Json = {
        "resourceType": "PractitionerRole",
        "id": registrar.next_id("PractitionerRole"),
        "meta": registrar.meta("ror-practitionerrole", region),
        "extension": extensions,
        "practitioner": {"reference": f"Practitioner/{person.id}"},
        "organization": {"reference": f"Organization/{provider}"},
        "code": (concept("J229", person.profession),),
        "specialty": specialties,
        "location": ({"reference": f"Location/{place}"},),
        "healthcareService": ({"reference": f"HealthcareService/{offer}"},),
    }
    # The sender's own number of the role: optional, and worth its weight where professionals have
    # several roles.
    if chance.turn("role: identifier", 3):
        number = f"{region}/SO/{registrar.number('role'):07}"
        resource["identifier"] = ({"type": typed(PERSON_IDENTIFIER_TYPE, "30"), "value": number},)
    line = _telecom(registrar, kind, region)
    if line:
        resource["telecom"] = (line,)
    if chance.maybe(0.05):
        resource["availableTime"] = (_consultation(chance.between(1, 5), chance.maybe(0.5)),)
    return resource


@cache
def _consultation(day: int, morning: bool) -> Fragment:
    start, end = ("09:00:00", "12:30:00") if morning else ("14:00:00", "18:00:00")
    return opening_time("07", day, start, end)


def _insurance(draw: float, card_refused: bool) -> tuple[Fragment, ...]:
    sector = "c1" if draw < 0.7 else "c3" if draw < 0.92 else "c2" if draw < 0.97 else "nc"
    return (
        coded(_CONTRACTED, "J218", sector),
        flag(_HAS_CAS, sector == "c3" and draw < 0.8),
        flag(_VITALE, not card_refused),
    )


def _telecom(registrar: Registrar, kind: OfferKind, region: str) -> Json | None:
    chance = registrar.chance
    if kind.field == "05" and chance.maybe(0.15):
        return telecom(LANDLINE, registrar.phone(region), PUBLIC)
    if kind.critical and chance.maybe(0.3):
        return telecom(MOBILE, registrar.mobile(), VERY_RESTRICTED, "Ligne directe, urgences")
    if kind.field != "05" and chance.maybe(0.05):
        return telecom(LANDLINE, registrar.phone(region), RESTRICTED, "Avis")
    return None
