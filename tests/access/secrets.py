"""
Directories that are alike for the public and differ in everything else, drawn from two seeds: one
open, one secret.

For profile 0 some parts of every resource are hidden, and some resources as a whole. What these say
comes from the secret seed: how many capacities, levels of contacts, words, links, which of them
were deleted. All bear the same ids: whoever asks for a hidden one by its name finds it in each
directory, or would if they saw it.
"""

from collections.abc import Callable
from random import Random
from typing import Any

import msgspec

from ror.store import open_store
from tests.conftest import import_lines, keep
from tests.search.worlds import ROR

Json = dict[str, Any]

NOS = "https://mos.esante.gouv.fr/NOS/"
FIELD = f"{NOS}TRE_R227-ChampActivite/FHIR/TRE-R227-ChampActivite"
ACT = f"{NOS}TRE_R210-ActeSpecifique/FHIR/TRE-R210-ActeSpecifique"
OPEN = f"{NOS}TRE_R213-ModePriseEnCharge/FHIR/TRE-R213-ModePriseEnCharge"
REGION = f"{NOS}TRE_R30-RegionOM/FHIR/TRE-R30-RegionOM"
CODES = ("01", "02", "03", "04", "06")
SECRET_LETTERS, OPEN_LETTERS = "abcde", "mnopq"
MOST = 200
"""Numbers go from 0 to this."""

OPEN_SLOTS, HIDDEN_SLOTS, FIRST_KEPT = 16, 16, 6
"""
How many resources of each type there are, seen and hidden; hidden ones from `FIRST_KEPT` on may be
deleted.
"""

TYPES = {
    "o": "Organization",
    "h": "HealthcareService",
    "l": "Location",
    "p": "Practitioner",
    "r": "PractitionerRole",
}


def word(random: Random, letters: str = SECRET_LETTERS) -> str:
    return "".join(random.choice(letters) for _ in range(6))


def number(random: Random) -> int:
    return random.randint(0, MOST)


def day(random: Random) -> str:
    return f"2024-{random.randint(1, 12):02}-{random.randint(1, 28):02}T10:00:00Z"


def concept(code: str, system: str = "https://example.org/codes", **more: Any) -> Json:
    return {"coding": [{"system": system, "code": code, **more}]}


def coded(url: str, code: str, **more: Any) -> Json:
    return {"url": url, "valueCodeableConcept": concept(code, **more)}


def link(name: str, number: int) -> Json:
    return {"reference": f"{TYPES[name[-1]]}/{name}{number}"}


def several(part: Callable[[Random], Json], most: int, random: Random) -> list[Json]:
    """At least one: that something is hidden is no secret."""
    return [part(random) for _ in range(random.randint(1, most))]


# --- parts: each random says where its values come from -------------------------------------------


def telecom(random: Random, level: str) -> Json:
    return {
        "extension": [coded(f"{ROR}ror-telecom-confidentiality-level", level)],
        "system": "phone",
        "value": f"02{random.randint(10**7, 10**8)}",
    }


def contact(random: Random, level: str) -> Json:
    return {
        "extension": [
            coded(f"{ROR}ror-contact-confidentiality-level", level),
            {"url": f"{ROR}ror-contact-description", "valueString": word(random)},
        ],
        "name": {"text": word(random)},
        "purpose": concept(random.choice(CODES)),
        "telecom": [telecom(random, random.choice("123"))],
    }


def hidden_contact(random: Random) -> Json:
    return contact(random, random.choice("23"))


def contact_of_offer(random: Random) -> Json:
    parts = [
        coded(f"{ROR}ror-confidentiality-level", random.choice("23")),
        {"url": "name", "valueHumanName": {"text": word(random)}},
        {"url": "description", "valueString": word(random)},
    ]
    return {"url": f"{ROR}ror-healthcareservice-contact", "extension": parts}


def capacity(random: Random) -> Json:
    parts = [
        coded("capacityStatus", random.choice(CODES)),
        coded("capacityType", random.choice(CODES)),
        coded("crisisType", random.choice(CODES), display=word(random)),
        coded("temporaryAssignement", random.choice(("01", "02"))),
        {"url": "nbCapacity", "valueInteger": number(random)},
        {"url": "capacityUpdateDate", "valueDateTime": day(random)},
        {"url": "comment", "valueString": word(random)},
    ]
    return {"url": f"{ROR}ror-location-supported-capacity", "extension": parts}


def equipment(random: Random) -> Json:
    limit = {
        "url": f"{ROR}ror-location-equipment-limit",
        "extension": [
            coded("equipmentFeature", random.choice(CODES)),
            {"url": "limitValue", "valueQuantity": {"value": number(random), "unit": "kg"}},
        ],
    }
    parts = [coded("equipmentType", random.choice(CODES)), limit]
    return {"url": f"{ROR}ror-location-equipment", "extension": parts}


def act(random: Random) -> Json:
    return concept(random.choice(CODES), ACT, display=word(random))


def narrative(random: Random) -> Json:
    return {
        "status": "generated",
        "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{word(random)}</div>',
    }


def identifier(random: Random, letters: str) -> list[Json]:
    return [{"system": "https://sirene.fr", "value": word(random, letters)}]


# --- resources ------------------------------------------------------------------------------------


def resource(resource_type: str, resource_id: str, **content: Any) -> Json:
    meta = {"lastUpdated": "2026-05-28T20:26:40Z", "tag": [{"system": REGION, "code": "53"}]}
    return {"resourceType": resource_type, "id": resource_id, "meta": meta, **content}


def seen_by_the_public(at: int, random: Random, secret: Random) -> list[Json]:
    """One resource of each type that profile 0 sees, with parts that it does not see."""

    def other() -> int:
        return random.randrange(OPEN_SLOTS)

    def hidden() -> int:
        return secret.randrange(FIRST_KEPT)

    letters = OPEN_LETTERS
    structure = resource(
        "Organization",
        f"o{at}",
        text=narrative(secret),
        extension=[
            {"url": f"{ROR}ror-organization-drop-zone", "valueBoolean": secret.random() < 0.5},
            coded(
                f"{ROR}ror-organization-level-recours-orsan",
                secret.choice(CODES),
                display=word(secret),
            ),
        ],
        identifier=identifier(random, letters),
        name=word(random, letters),
        type=[concept(random.choice(CODES))],
        telecom=[
            telecom(random, "1"),
            *several(lambda one: telecom(one, secret.choice("23")), 2, secret),
        ],
        contact=[
            *several(hidden_contact, 3, secret),
            {**contact(random, "1"), "telecom": [telecom(secret, "2")]},
        ],
        **({"partOf": link("o", random.randrange(at))} if at else {}),
    )
    offer = resource(
        "HealthcareService",
        f"h{at}",
        text=narrative(secret),
        extension=several(contact_of_offer, 3, secret),
        identifier=identifier(random, letters),
        providedBy=link("o", other()),
        # Professionals of the town alone are seen.
        type=[concept("05", FIELD)],
        location=[link("l", at), link("xl", hidden()), link("l", other())],
        coverageArea=[link("xl", hidden()), link("l", other())],
        name=word(random, letters),
        comment=word(random, letters),
        characteristic=[*several(act, 3, secret), concept(random.choice(CODES), OPEN)],
        telecom=several(lambda one: telecom(one, "3"), 2, secret),
    )
    place = resource(
        "Location",
        f"l{at}",
        text=narrative(secret),
        extension=[
            *several(capacity, 4, secret),
            coded(f"{ROR}ror-commune-cog", random.choice(CODES)),
            *several(equipment, 3, secret),
        ],
        identifier=identifier(random, letters),
        status="active",
        name=word(random, letters),
        telecom=several(lambda one: telecom(one, secret.choice("23")), 2, secret),
        address={"city": word(random, letters)},
        position={"longitude": random.randint(0, 9) / 10, "latitude": 48.5},
        managingOrganization=link("o", other()),
        partOf=link("xl", hidden()),
    )
    professional = resource(
        "Practitioner",
        f"p{at}",
        text=narrative(secret),
        identifier=identifier(random, letters),
        name=[{"family": word(random, letters)}],
        telecom=several(lambda one: telecom(one, secret.choice("23")), 2, secret),
        qualification=[{"code": concept(random.choice(CODES)), "issuer": link("o", other())}],
    )
    role = resource(
        "PractitionerRole",
        f"r{at}",
        text=narrative(secret),
        identifier=identifier(random, letters),
        practitioner=link("p", at),
        healthcareService=[link("h", at)],
        organization=link("o", other()),
        location=[link("xl", hidden()), link("l", at)],
        telecom=[telecom(secret, "2")],
    )
    return [structure, offer, place, professional, role]


def hidden_from_the_public(at: int, secret: Random) -> list[Json]:
    """
    A sensitive unit with its place and its people; an anomaly and an indicator: all from the secret
    seed.
    """

    def either(name: str) -> Json:
        """A link to something hidden, or to something seen."""
        return link(f"x{name}" if secret.random() < 0.5 else name, secret.randrange(OPEN_SLOTS))

    letters = SECRET_LETTERS
    offer = resource(
        "HealthcareService",
        f"xh{at}",
        extension=[
            {"url": f"{ROR}ror-healthcareservice-sensitive-unit", "valueBoolean": True},
            *several(contact_of_offer, 2, secret),
        ],
        identifier=identifier(secret, secret.choice((letters, OPEN_LETTERS))),
        # What it has of a place is the place's secret too.
        location=[link("xl", at)],
        providedBy=link("o", secret.randrange(OPEN_SLOTS)),
        type=[concept(secret.choice(("01", "04", "05")), FIELD)],
        name=word(secret),
        characteristic=several(act, 2, secret),
    )
    place = resource(
        "Location",
        f"xl{at}",
        extension=[*several(capacity, 3, secret), *several(equipment, 2, secret)],
        identifier=identifier(secret, letters),
        status="active",
        name=word(secret),
        address={"city": word(secret)},
        position={"longitude": secret.randint(0, 9) / 10, "latitude": 48.5},
        managingOrganization=link("o", secret.randrange(OPEN_SLOTS)),
        partOf=either("l"),
    )
    professional = resource(
        "Practitioner",
        f"xp{at}",
        identifier=identifier(secret, letters),
        name=[{"family": word(secret)}],
    )
    role = resource(
        "PractitionerRole",
        f"xr{at}",
        identifier=identifier(secret, letters),
        practitioner=link("xp", at),
        healthcareService=[link("xh", at)],
        organization=link("o", secret.randrange(OPEN_SLOTS)),
        location=[either("l")],
    )
    anomaly = resource(
        "Task",
        f"xt{at}",
        status="requested",
        intent="order",
        identifier=identifier(secret, letters),
        description=word(secret),
        focus=either(secret.choice("ohl")),
        authoredOn=day(secret),
    )
    indicator = resource(
        "MeasureReport",
        f"xm{at}",
        status="complete",
        type="summary",
        measure="https://example.org/Measure/1",
        date=day(secret),
        period={"start": "2024-01-01"},
        reporter=link("o", secret.randrange(OPEN_SLOTS)),
    )
    return [offer, place, professional, role, anomaly, indicator]


def fill(database: str, seed: int, secret_seed: int) -> None:
    """Make the directory of two seeds."""
    random, secret = Random(seed), Random(secret_seed)
    resources: list[Json] = []
    for at in range(OPEN_SLOTS):
        resources += seen_by_the_public(at, random, secret)
        resources += hidden_from_the_public(at, secret)
    # Rids are given in the order in which resources are heard of: all are, before any says whom it
    # refers to.
    store = open_store(database)
    keep(
        store,
        [
            {
                "resourceType": one["resourceType"],
                "id": one["id"],
                "meta": {"lastUpdated": "2026-05-28T20:26:40Z"},
                "status": "active",
            }
            for one in resources
        ],
    )
    store.close()
    import_lines(database, map(msgspec.json.encode, resources))
    store = open_store(database)
    for at in range(FIRST_KEPT, HIDDEN_SLOTS):
        if secret.random() < 0.5:
            # The offer last: what depends on it is hidden until the end.
            gone = (
                "Task/xt",
                "Location/xl",
                "PractitionerRole/xr",
                "Practitioner/xp",
                "HealthcareService/xh",
            )
            for one, name in (names.split("/") for names in gone):
                keep(store, [{"resourceType": one, "id": f"{name}{at}", "deleted": True}])
    store.close()
