"""
One establishment after the other, complete: owner, site, internal organisations, places, offers,
professionals.

What is referred to comes before what refers to it, so that a stream cut anywhere is a small
directory that holds together. Numbers that depend on one another (organisations, places, roles for
the offers made so far) are evened out as establishments go by.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ror.samples import prices, structures
from ror.samples.catalogue import OfferKind, catalogue
from ror.samples.fragments import Json
from ror.samples.lodgings import location, managed_location
from ror.samples.models import AT_HOME, HOME, HOSPITAL, PRACTICE, Model
from ror.samples.names import HOUSE_NAMES
from ror.samples.offers import healthcare_service
from ror.samples.people import People, practitioner_role
from ror.samples.places import Site, address
from ror.samples.registrar import Registrar

_SHARE_OF_SENSITIVE = 0.01
_LARGE_HOSPITAL = 8
_FORMER = 9000
"""Added to the rank of an establishment, the rank of its former site in the same company."""

_INTERNAL_SHARE = 0.92
"""
How much of the organisations owed hospitals may fill: what follows them needs a legal entity for
few offers.
"""

_POLE_OF_KEY = {
    **dict.fromkeys(
        ("obstetrics", "neonatology", "neonatal intensive", "neonatal resuscitation"),
        "Femme-Mère-Enfant",
    ),
    **dict.fromkeys(("gynaecology", "paediatrics", "family planning"), "Femme-Mère-Enfant"),
    **dict.fromkeys(
        ("orthopaedics", "digestive", "day surgery", "urology", "vascular"),
        "Chirurgie et anesthésie",
    ),
    **dict.fromkeys(
        ("neurosurgery", "otology", "ophthalmology", "operating"), "Chirurgie et anesthésie"
    ),
    **dict.fromkeys(("acute geriatrics", "mobile geriatrics", "long stay"), "Gériatrie"),
}
_POLE_OF_FIELD = {"02": "Réadaptation", "03": "Psychiatrie"}


@dataclass(frozen=True, slots=True)
class Ratios:
    """How many resources of each type go with one offer."""

    organizations: float
    roles: float
    roles_per_person: float


@dataclass(frozen=True, slots=True)
class _Offered:
    """An offer that was just made, as its professionals need to know it."""

    id: str
    kind: OfferKind
    provider: str
    place: str


class Builder:
    """Builds establishments; keeps the counts that must stay in proportion from one to the next."""

    def __init__(self, registrar: Registrar, ratios: Ratios) -> None:
        self._registrar = registrar
        self._chance = registrar.chance
        self._ratios = ratios
        self._sensitive = 0
        self._owners: dict[str, tuple[structures.LegalEntity, int]] = {}
        self._people = People(registrar, ratios.roles_per_person)

    def enter_region(self) -> None:
        """Begin another region, where neither owners nor professionals of the last one work."""
        self._owners.clear()
        self._people.forget()

    def establishment(self, model: Model, where: Site) -> Iterator[Json]:
        """Every resource of one establishment of this model, referred before referring."""
        chance = self._chance
        words = {"commune": where.commune.name, "house": chance.pick(HOUSE_NAMES)}
        practice = self._registrar.rpps() if model.category == "SA07" else ""
        owner, entity, rank = self._owner(model, where, words, practice)
        if owner is not None:
            yield owner
        street = address(chance, where)
        keys, maternity = self._offer_keys(model)
        closed = (
            "PRO"
            if len(keys) < _LARGE_HOSPITAL and chance.turn("establishment: closed", 70)
            else ""
        )
        site = structures.geographic_entity(
            self._registrar, where, entity, rank, model.name.format(**words), model.category,
            street,
            practice=self._practice(model, practice, where), participation=model.participation,
            extensions=self._extensions(model, keys), hospital=model.family == HOSPITAL,
            closed=closed,
        )  # fmt: skip
        yield site
        yield from self._former_structures(model, where, entity, rank, street, words)
        offered: list[_Offered] = []
        yield from self._offers(
            keys, maternity, where, site["id"], street, closed, offered, model.family == HOSPITAL
        )
        if chance.turn("place: managed", 30):
            kind = catalogue().kinds[keys[0]]
            yield managed_location(self._registrar, where, street, kind, site["id"])
        yield from self._professionals(where, offered)

    def _owner(
        self, model: Model, where: Site, words: dict[str, str], practice: str
    ) -> tuple[Json | None, structures.LegalEntity, int]:
        """
        The legal entity, without its resource when it is known already, and the rank of its
        establishment.
        """
        known = self._owners.get(model.owner)
        owed = self._ratios.organizations * self._done("HealthcareService") - self._done(
            "Organization"
        )
        if known is not None and owed < 0 and model.family not in {HOSPITAL, PRACTICE}:
            entity, rank = known
            self._owners[model.owner] = entity, rank + 1
            return None, entity, rank + 1
        owner, entity = structures.legal_entity(
            self._registrar, where, model.owner.format(**words), model.legal_status,
            model.aggregate,
            practice=f"{practice}00" if practice else "", in_finess=model.family != PRACTICE,
        )  # fmt: skip
        self._owners[model.owner] = entity, 1
        return owner, entity, 1

    def _offer_keys(self, model: Model) -> tuple[list[str], str]:
        """The offers of an establishment of this model, and the type of its maternity, if any."""
        chance = self._chance
        keys = list(model.offers)
        wanted = chance.between(*model.extra)
        if model.category == "SA07":
            keys.append(chance.next_of("practice", model.among))
        elif wanted:
            # A ring of neighbours: `among` may hold a kind twice when it is common, an
            # establishment does not.
            keys += [
                key for key in dict.fromkeys(chance.some(model.among, wanted)) if key not in keys
            ]
        maternity = chance.next_of(f"maternity of {model.category}", model.maternity)
        keys += catalogue().maternity.get(maternity, ())
        if (
            len(keys) >= _LARGE_HOSPITAL
            and self._sensitive <= self._done("HealthcareService") * _SHARE_OF_SENSITIVE
        ):
            self._sensitive += 1
            keys.append(chance.next_of("sensitive", catalogue().sensitive))
        return keys, maternity

    def _practice(self, model: Model, person: str, where: Site) -> tuple[str, str]:
        """
        Kind and number of the practice of self-employed professionals; nothing for the
        establishments of FINESS.
        """
        if model.family != PRACTICE:
            return "", ""
        if self._chance.turn("practice: adeli", 9):
            return "0", self._registrar.adeli(where.department) + "01"
        return "4", (person or self._registrar.rpps()) + "01"

    def _extensions(self, model: Model, keys: list[str]) -> tuple[Json, ...]:
        """What the family of the establishment publishes about itself."""
        registrar = self._registrar
        if model.family == HOSPITAL:
            own = structures.hospital_extensions(self._chance, heliport="smur" in keys)
            charged = prices.prices_of_rehabilitation(registrar) if model.category == "109" else []
        elif model.family == HOME:
            own = structures.home_extensions(self._chance)
            kinds = catalogue().kinds
            housing = next((kinds[key].housing for key in keys if kinds[key].housing), ())
            charged = prices.prices_of_home(registrar, housing) if self._is_priced(keys) else []
        else:
            own = ()
            charged = (
                prices.prices_at_home(registrar)
                if model.family == AT_HOME and "home help" in keys
                else []
            )
        return (*own, *charged)

    def _is_priced(self, keys: list[str]) -> bool:
        """Whether a home publishes its prices: every second one for the elderly does."""
        return catalogue().kinds[keys[0]].ages[0] >= 60 and self._chance.turn("home: prices", 2)

    def _former_structures(
        self,
        model: Model,
        where: Site,
        entity: structures.LegalEntity,
        rank: int,
        street: Json,
        words: dict[str, str],
    ) -> Iterator[Json]:
        """Now and then, a site that closed for good, or an owner that is no more."""
        if model.family == PRACTICE:
            return
        if self._chance.turn("former site", 40):
            yield structures.geographic_entity(
                self._registrar, where, entity, _FORMER + rank,
                "Ancien site - " + model.name.format(**words),
                model.category, street,
                closed=self._chance.next_of("former site: closing", ("DEF", "CHP", "DEF", "ERR")),
            )  # fmt: skip
        if self._chance.turn("former owner", 80):
            yield structures.legal_entity(
                self._registrar,
                where,
                "Ancien organisme fictif de " + where.commune.name,
                "60",
                "2100",
                closed=True,
            )[0]

    def _offers(
        self,
        keys: list[str],
        maternity: str,
        where: Site,
        site_id: str,
        street: Json,
        closed: str,
        offered: list[_Offered],
        hospital: bool,
    ) -> Iterator[Json]:
        """
        The internal organisations, places and offers of one site; `offered` receives what was made.
        """
        chance = self._chance
        poles: dict[str, str] = {}
        shared_place = ""
        for key in keys:
            kind = catalogue().kinds[key]
            provider = site_id
            if hospital and len(keys) >= _LARGE_HOSPITAL:
                organisations = self._internal_organisations(
                    poles, key, kind, where.region, site_id
                )
                yield from organisations
                pole = _pole(key, kind)
                provider = (
                    organisations[-1]["id"]
                    if organisations
                    else poles.get(f"{pole} 1", poles[pole])
                )
            closing = closed
            if (
                not closed
                and not kind.sensitive
                and not maternity
                and chance.turn("offer: closed", 30)
            ):
                closing = chance.next_of("offer: closing", ("PRO", "DEF", "PRO"))
            if (
                shared_place
                and not kind.unit
                and self._done("Location") > self._done("HealthcareService")
            ):
                places = [shared_place]
            else:
                lodging = list(self._places(key, kind, where, street, bool(closing)))
                yield from lodging
                places = [each["id"] for each in lodging]
            if not kind.unit and not kind.sensitive:
                shared_place = places[0]
            offer = healthcare_service(
                self._registrar, kind, where, provider, places,
                expertise=maternity if key == "obstetrics" else "", closing=closing,
            )  # fmt: skip
            yield offer
            offered.append(_Offered(offer["id"], kind, provider, places[0]))

    def _internal_organisations(
        self, poles: dict[str, str], key: str, kind: OfferKind, region: str, site_id: str
    ) -> list[Json]:
        """
        The organisations that an offer brings: its pole and service when they are new, a functional
        unit if owed.

        `poles` keeps the ids of poles by name, and of their services by name and number.
        """
        made: list[Json] = []
        pole = _pole(key, kind)
        if pole not in poles:
            made.append(self._internal(region, structures.POLE, f"Pôle {pole} (fictif)", site_id))
            poles[pole] = made[-1]["id"]
        service = f"{pole} 1"
        if service not in poles and self._owes_organisation():
            made.append(
                self._internal(
                    region, structures.SERVICE, f"Service {service} (fictif)", poles[pole]
                )
            )
            poles[service] = made[-1]["id"]
        if service in poles and self._owes_organisation():
            closed = not kind.sensitive and self._chance.turn("functional unit: closed", 40)
            name = f"UF {kind.name} (fictive)"
            made.append(
                self._internal(
                    region, structures.FUNCTIONAL_UNIT, name, poles[service], closed=closed
                )
            )
        return made

    def _internal(
        self, region: str, level: str, name: str, parent: str, *, closed: bool = False
    ) -> Json:
        return structures.internal_organisation(
            self._registrar, region, level, name, parent, closed=closed
        )

    def _owes_organisation(self) -> bool:
        """
        Whether there are fewer organisations than the offers made, and the one in the making, call
        for.
        """
        offers = self._done("HealthcareService") + 1
        return (
            self._ratios.organizations * _INTERNAL_SHARE * offers - self._done("Organization") >= 1
        )

    def _places(
        self, key: str, kind: OfferKind, where: Site, street: Json, closed: bool
    ) -> Iterator[Json]:
        """
        The place of an offer; delivery rooms come with a maternity, and some places have a place
        inside them.
        """
        main = location(self._registrar, where, street, kind, closed=closed)
        yield main
        if key == "obstetrics":
            for function in ("013", "014"):
                room = replace(
                    kind,
                    name="Salle de naissance",
                    function=function,
                    unit="",
                    equipment=("145", "223"),
                )
                yield location(self._registrar, where, street, room)
        elif kind.unit and self._chance.turn("place: inside", 40):
            inner = location(
                self._registrar,
                where,
                street,
                replace(kind, name="Chambres dédiées", unit="", housing=()),
            )
            inner["partOf"] = {"reference": f"Location/{main['id']}"}
            yield inner

    def _professionals(self, where: Site, offered: list[_Offered]) -> Iterator[Json]:
        """
        As many roles as are due for the offers made so far, spread over the offers of this
        establishment.
        """
        due = int(self._ratios.roles * self._done("HealthcareService")) - self._done(
            "PractitionerRole"
        )
        start = self._chance.between(0, len(offered) - 1)
        for rank in range(due):
            offer = offered[(start + rank) % len(offered)]
            resource, person = self._people.someone(offer.kind, where.region)
            if resource is not None:
                yield resource
            yield practitioner_role(
                self._registrar, person, offer.kind, where, offer.id, offer.provider, offer.place
            )

    def _done(self, resource_type: str) -> int:
        return self._registrar.done.get(resource_type, 0)


def _pole(key: str, kind: OfferKind) -> str:
    if key in _POLE_OF_KEY:
        return _POLE_OF_KEY[key]
    if kind.field in _POLE_OF_FIELD:
        return _POLE_OF_FIELD[kind.field]
    if kind.care_mode == "55":
        return "Médico-technique"
    return "Urgences et soins critiques" if kind.critical else "Médecine"
