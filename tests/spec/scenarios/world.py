"""
A small directory for every published search: for each scenario something to find, and something
that nearly fits.

Ids are unique whatever the type, so that a row of `searches.toml` names what it expects by id
alone. The values that the guide prints (identifiers, ids, codes) are those of the guide. What was
changed lately says so; the rest is `OLD`.
"""

from collections.abc import Iterator
from typing import Any

Resource = dict[str, Any]

OLD = "2022-01-01T00:00:00Z"
ROR = "https://interop.esante.gouv.fr/ig/fhir/ror/StructureDefinition/"
UCUM = "http://unitsofmeasure.org"
RPPS = "urn:oid:1.2.250.1.71.4.2.1"
FINESS = "urn:oid:1.2.250.1.71.4.2.2"


def nomenclature(name: str) -> str:
    """
    The system of a nomenclature of the NOS.

    >>> nomenclature("TRE_R30-RegionOM")
    'https://mos.esante.gouv.fr/NOS/TRE_R30-RegionOM/FHIR/TRE-R30-RegionOM'
    """
    return f"https://mos.esante.gouv.fr/NOS/{name}/FHIR/{name.replace('_', '-', 1)}"


ACT = nomenclature("TRE_R210-ActeSpecifique")
ACTIVITY = nomenclature("TRE_R211-ActiviteOperationnelle")
ADMISSION = nomenclature("TRE_R338-ModaliteAccueil")
CARE = nomenclature("TRE_R213-ModePriseEnCharge")
COMMUNE = nomenclature("TRE_R13-CommuneOM")
ESTABLISHMENT = nomenclature("TRE_R66-CategorieEtablissement")
FUNCTION = nomenclature("TRE_R343-FonctionLieu")
OFFER = nomenclature("TRE_R244-CategorieOrganisation")
PLACE_IDENTIFIER = nomenclature("TRE_R354-TypeIdentifiantRessourceOperationnelle")
REGION = nomenclature("TRE_R30-RegionOM")
SKILL = nomenclature("TRE_R243-CompetenceSpecifique")
SPECIALISATION = nomenclature("TRE_R245-SpecialisationDePriseEnCharge")
ANOMALY = nomenclature("TRE_R352-StatutMetierAnomalie")


def concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def coded(url: str, nomenclature_name: str, code: str) -> dict[str, Any]:
    """The part of a complex extension that holds a code."""
    return {"url": url, "valueCodeableConcept": concept(nomenclature(nomenclature_name), code)}


def resource(
    resource_type: str, resource_id: str, region: str, updated: str, content: Resource
) -> Resource:
    meta = {"lastUpdated": updated, "tag": [{"system": REGION, "code": region}]}
    given = {name: value for name, value in content.items() if value not in (None, [], {})}
    return {"resourceType": resource_type, "id": resource_id, "meta": meta, **given}


# --- structures -----------------------------------------------------------------------------------


def organization(
    resource_id: str,
    name: str,
    region: str,
    *,
    part_of: str | None = None,
    identifier: str | None = None,
    kind: tuple[str, str] | None = None,
    extensions: list[Resource] | None = None,
    updated: str = OLD,
) -> Resource:
    content = {
        "name": name,
        "identifier": [{"system": FINESS, "value": identifier}] if identifier else None,
        "type": [concept(*kind)] if kind else None,
        "partOf": {"reference": f"Organization/{part_of}"} if part_of else None,
        "extension": extensions,
    }
    return resource("Organization", resource_id, region, updated, content)


PRICE_PARTS = {
    "priceType": "TRE_R246-TypeTarif",
    "residentialType": "TRE_R242-TypeHabitation",
    "specialPrice": "TRE_R250-ConditionTarifaire",
    "dependencyLevel": "TRE_R237-GroupeTarifaireDependance",
    "welcomeType": "TRE_R240-TemporaliteAccueil",
}


def price(amount: float, since: str, **codes: str) -> Resource:
    parts = [coded(name, PRICE_PARTS[name], code) for name, code in codes.items()]
    money = {"url": "amount", "valueMoney": {"value": amount, "currency": "EUR"}}
    start = {"url": "startDate", "valueDateTime": since}
    return {"url": ROR + "ror-organization-price", "extension": [*parts, money, start]}


MACON_PRICES = [
    price(65.10, "2025-01-01", priceType="02", residentialType="03", specialPrice="03"),
    price(5.90, "2024-01-01", priceType="03", dependencyLevel="02", welcomeType="02"),
]
"""One price meets all of UC5.S02, another all of UC5.S03."""
VANNES_PRICES = [
    price(68, "2026-01-01", priceType="02", residentialType="01", specialPrice="03"),
    price(90, "2025-06-01", priceType="02", residentialType="03", specialPrice="03"),
    price(30, "2025-06-01", priceType="03", dependencyLevel="02", welcomeType="02"),
    price(5, "2025-06-01", priceType="03", dependencyLevel="01", welcomeType="02"),
]
"""Every criterion of UC5.S02 and of UC5.S03 is met, never all of them by one price."""


def organizations() -> Iterator[Resource]:
    yield organization("ej-nantes", "Centre Hospitalier Universitaire de Nantes", "52")
    yield organization(
        "eg-nantes",
        "CHU de Nantes, Hôtel-Dieu",
        "52",
        part_of="ej-nantes",
        identifier="440000271",
        kind=(ESTABLISHMENT, "101"),
        updated="2026-06-15T08:00:00Z",
    )
    yield organization("pole-nantes", "Pôle Cœur et poumons", "52", part_of="eg-nantes")
    yield organization(
        "uf-nantes", "Unité des adolescents", "52", part_of="pole-nantes", kind=(CARE, "032")
    )
    yield organization("ej-brest", "Les Abers", "53", updated="2026-07-01T08:00:00Z")
    yield organization(
        "eg-brest",
        "Centre des Abers",
        "53",
        part_of="ej-brest",
        identifier="1290004324",
        kind=(ESTABLISHMENT, "189"),
    )
    yield organization("oi-brest", "Unité des enfants", "53", part_of="eg-brest")
    yield organization("ej-paris", "Fondation de la Bièvre", "11")
    yield organization(
        "eg-paris",
        "Hôpital de la Bièvre",
        "11",
        part_of="ej-paris",
        identifier="750000001",
        kind=(ESTABLISHMENT, "101"),
        updated="2023-05-05T08:00:00Z",
    )
    yield organization(
        "eg-macon",
        "Résidence de la Saône",
        "27",
        kind=(ESTABLISHMENT, "500"),
        extensions=MACON_PRICES,
    )
    yield organization(
        "eg-vannes",
        "Résidence du Golfe",
        "53",
        kind=(ESTABLISHMENT, "500"),
        extensions=VANNES_PRICES,
    )
    yield organization("eg-cabinets", "Cabinets réunis", "24")


# --- places ---------------------------------------------------------------------------------------


def location(
    resource_id: str,
    city: str,
    postal_code: str,
    region: str,
    carrier: str,
    *,
    commune: str | None = None,
    position: tuple[float, float] | None = None,
    identifiers: dict[str, str] | None = None,
    function: str | None = None,
    name: str | None = None,
    status: str = "active",
    records: list[Resource] | None = None,
    updated: str = OLD,
) -> Resource:
    """
    A place; `identifiers` are values by type, 25 the functional identifier and 26 the external one.
    """
    communes = (
        [{"url": ROR + "ror-commune-cog", "valueCodeableConcept": concept(COMMUNE, commune)}]
        if commune
        else []
    )
    content = {
        "extension": [*communes, *(records or [])],
        "identifier": [
            {"type": concept(PLACE_IDENTIFIER, kind), "value": value}
            for kind, value in (identifiers or {}).items()
        ],
        "status": status,
        "name": name,
        "type": [concept(FUNCTION, function)] if function else None,
        "address": {"city": city, "postalCode": postal_code},
        "position": {"longitude": position[1], "latitude": position[0]} if position else None,
        "managingOrganization": {"reference": f"Organization/{carrier}"},
    }
    return resource("Location", resource_id, region, updated, content)


CAPACITY_PARTS = {
    "capacityType": "TRE_R329-NatureCapacite",
    "capacityStatus": "TRE_R330-TypeStatutCapacite",
    "temporalityCapacity": "TRE_R331-TemporaliteCapacite",
    "genderCapacityAvailable": "TRE_R332-GenreCapacite",
    "capacityClosingType": "TRE_R333-TypeFermetureCapacite",
}


def beds(count: int, **codes: str) -> Resource:
    parts = [coded(name, CAPACITY_PARTS[name], code) for name, code in codes.items()]
    bed = coded("capacityType", CAPACITY_PARTS["capacityType"], "01")
    number = {"url": "nbCapacity", "valueInteger": count}
    return {"url": ROR + "ror-location-supported-capacity", "extension": [bed, *parts, number]}


def equipment(code: str, **limits: int) -> Resource:
    """
    An equipment; `limits` are values in kg by feature, each after a letter: a name cannot begin
    with a digit.
    """
    parts = [
        {
            "url": ROR + "ror-location-equipment-limit",
            "extension": [
                coded("equipmentFeature", "TRE_R340-TypeCaracteristiqueEquipement", feature[1:]),
                {
                    "url": "limitValue",
                    "valueQuantity": {"value": value, "system": UCUM, "code": "kg"},
                },
            ],
        }
        for feature, value in limits.items()
    ]
    kind = coded("equipmentType", "TRE_R212-Equipement", code)
    return {"url": ROR + "ror-location-equipment", "extension": [kind, *parts]}


IN_ONE_RECORD = [
    beds(3, capacityStatus="02", temporalityCapacity="01", genderCapacityAvailable="01"),
    beds(2, capacityStatus="05", capacityClosingType="01"),
    equipment("088", f001=200),
]
"""What UC4 looks for, each scenario on one record."""
IN_SEVERAL_RECORDS = [
    beds(0, capacityStatus="02", temporalityCapacity="01", genderCapacityAvailable="01"),
    beds(4, capacityStatus="02", temporalityCapacity="01", genderCapacityAvailable="02"),
    beds(1, capacityStatus="05"),
    beds(0, capacityStatus="05", capacityClosingType="01"),
    equipment("088", f001=150),
    equipment("019", f001=250),
]
"""Every criterion of UC4 is met, never all those of a scenario by one record."""


def locations() -> Iterator[Resource]:
    yield location(
        "140",
        "Saint-Herblain",
        "44800",
        "52",
        "eg-nantes",
        commune="44162",
        position=(47.22492, -1.63412),
        identifiers={"25": "52/192675", "26": "1440000271/SSR38888"},
        function="001",
        updated="2024-01-15T08:00:00Z",
    )
    yield location(
        "141",
        "Nantes",
        "44000",
        "52",
        "eg-nantes",
        commune="44109",
        position=(47.23209, -1.54818),
        function="002",
        updated="2024-02-10T08:00:00Z",
    )
    yield location(
        "brest",
        "Brest",
        "29200",
        "53",
        "eg-brest",
        position=(48.40037, -4.50235),
        function="001",
        records=IN_ONE_RECORD,
        updated="2023-08-02T00:00:00+02:00",
    )
    yield location("rennes", "Rennes", "35000", "53", "eg-brest", position=(48.1118, -1.68189))
    yield location(
        "saint-brieuc",
        "Saint-Brieuc",
        "22000",
        "53",
        "eg-vannes",
        updated="2023-08-01T23:59:59+02:00",
    )
    yield location("vannes", "Vannes", "56000", "53", "eg-vannes")
    yield location(
        "chateauroux",
        "Châteauroux",
        "36000",
        "24",
        "eg-cabinets",
        function="002",
        status="inactive",
    )
    yield location(
        "paris-a",
        "Paris",
        "75013",
        "11",
        "eg-paris",
        identifiers={"25": "11/339772"},
        records=IN_SEVERAL_RECORDS,
    )
    yield location(
        "paris-b",
        "Paris",
        "75013",
        "11",
        "eg-paris",
        identifiers={"25": "11/347254"},
        name="Pavillon cardiologique",
    )
    yield location("macon", "Mâcon", "71000", "27", "eg-macon")
    yield location("beauvais", "Beauvais", "60000", "32", "eg-cabinets")
    yield location("le-havre", "Le Havre", "76620", "28", "eg-cabinets")
    # UC3.S10 gives the postal code of Bourges as that of a commune; 13013 is indeed Belcodène.
    yield location("bourges", "Bourges", "18000", "24", "eg-cabinets", commune="18000")
    yield location("belcodene", "Belcodène", "13720", "93", "eg-cabinets", commune="13013")


# --- offers ---------------------------------------------------------------------------------------


def offer(
    resource_id: str,
    name: str,
    region: str,
    carrier: str,
    places: str,
    *,
    activities: str = "",
    category: str | None = None,
    characteristics: tuple[tuple[str, str], ...] = (),
    ages: Resource | None = None,
    zone: str | None = None,
    identifier: str | None = None,
    updated: str = OLD,
) -> Resource:
    """An offer; `places` and `activities` are lists separated by spaces."""
    division = (
        {"url": "codeTerritorialDivision", "valueCodeableConcept": concept(COMMUNE, zone)}
        if zone
        else None
    )
    patients = {"url": "ageRange", "valueRange": ages} if ages else None
    content = {
        "extension": [
            {"url": ROR + extension, "extension": [part]}
            for extension, part in (
                ("ror-territorial-division", division),
                ("ror-healthcareservice-patient-type", patients),
            )
            if part
        ],
        "identifier": [{"value": identifier}] if identifier else None,
        "providedBy": {"reference": f"Organization/{carrier}"},
        "category": [concept(OFFER, category)] if category else None,
        "specialty": [concept(ACTIVITY, code) for code in activities.split()],
        "location": [{"reference": f"Location/{place}"} for place in places.split()],
        "name": name,
        "characteristic": [concept(*one) for one in characteristics],
    }
    return resource("HealthcareService", resource_id, region, updated, content)


def ages(low: int, high: int, **unit: str) -> Resource:
    return {"low": {"value": low, **unit}, "high": {"value": high, **unit}}


def offers() -> Iterator[Resource]:
    yield offer(
        "o-pedopsy",
        "Maison des adolescents",
        "52",
        "uf-nantes",
        "141",
        activities="227",
        identifier="52/O/0000227",
        updated="2022-11-06T15:00:00+01:00",
    )
    yield offer(
        "o-cardio",
        "Cardiologie générale",
        "52",
        "pole-nantes",
        "140",
        activities="013",
        identifier="52/O/0000013",
    )
    yield offer(
        "o-cardio-brest",
        "Explorations fonctionnelles",
        "53",
        "eg-brest",
        "brest",
        activities="013 005",
    )
    yield offer(
        "o-itep",
        "Les Goélands",
        "53",
        "oi-brest",
        "rennes",
        activities="481",
        category="50",
        characteristics=((ADMISSION, "01"), (ACT, "0626")),
        ages=ages(0, 17),
        updated="2022-11-06T14:59:59+01:00",
    )
    yield offer(
        "o-smr", "Rééducation", "11", "eg-paris", "paris-a", category="102", ages=ages(18, 110)
    )
    yield offer(
        "o-rehab",
        "Le Dos",
        "11",
        "eg-paris",
        "paris-b",
        activities="233",
        characteristics=((ACT, "0626"),),
        ages=ages(30, 40, system=UCUM, code="a"),
    )
    yield offer(
        "o-cmpp",
        "Les Mouettes",
        "53",
        "eg-vannes",
        "saint-brieuc",
        activities="233",
        category="62",
        characteristics=((ACT, "0626"), (ADMISSION, "01"), (SKILL, "05")),
        ages=ages(0, 17),
    )
    yield offer(
        "o-saad",
        "Aide à domicile",
        "53",
        "eg-brest",
        "",
        activities="293",
        category="30",
        zone="29151",
    )
    yield offer(
        "o-ehpad",
        "Les Tilleuls",
        "27",
        "eg-macon",
        "macon",
        category="21",
        characteristics=((CARE, "46"), (SPECIALISATION, "24")),
        updated="2024-03-03T08:00:00Z",
    )
    yield offer(
        "o-bariatric",
        "Chirurgie de l’obésité",
        "32",
        "eg-cabinets",
        "beauvais le-havre",
        activities="017",
        characteristics=((ACT, "0529"),),
    )
    general = {"activities": "437", "characteristics": ((CARE, "032"),)}
    yield offer("o-bourges", "Médecin de Bourges", "24", "eg-cabinets", "bourges", **general)
    yield offer("o-belcodene", "Médecin de Belcodène", "93", "eg-cabinets", "belcodene", **general)
    yield offer(
        "o-beds",
        "Soins intensifs",
        "53",
        "eg-brest",
        "brest vannes",
        activities="356 391 025",
        zone="29151",
    )
    yield offer(
        "o-beds-apart", "Soins continus", "11", "eg-paris", "paris-a", activities="356 391 025"
    )


# --- people, anomalies ----------------------------------------------------------------------------


def practitioner(resource_id: str, rpps: str, region: str, updated: str = OLD) -> Resource:
    return resource(
        "Practitioner",
        resource_id,
        region,
        updated,
        {"identifier": [{"system": RPPS, "value": rpps}]},
    )


def role(
    resource_id: str,
    person: str,
    service: str,
    region: str,
    *,
    carrier: str | None = None,
    identifier: str | None = None,
    updated: str = OLD,
) -> Resource:
    content = {
        "identifier": [{"value": identifier}] if identifier else None,
        "practitioner": {"reference": f"Practitioner/{person}"},
        "organization": {"reference": f"Organization/{carrier}"} if carrier else None,
        "healthcareService": [{"reference": f"HealthcareService/{service}"}],
    }
    return resource("PractitionerRole", resource_id, region, updated, content)


def task(resource_id: str, status: str, focus: Resource) -> Resource:
    content = {
        "status": "in-progress",
        "intent": "order",
        "businessStatus": concept(ANOMALY, status),
        "focus": focus,
    }
    return {"resourceType": "Task", "id": resource_id, "meta": {"lastUpdated": OLD}, **content}


def people() -> Iterator[Resource]:
    yield practitioner("245876", "10001234567", "84", "2026-01-02T08:00:00Z")
    yield practitioner("p-cardio", "10009876543", "52")
    yield role(
        "753",
        "245876",
        "o-pedopsy",
        "52",
        carrier="uf-nantes",
        identifier="11102379616",
        updated="2023-12-01T00:00:00+01:00",
    )
    yield role("role-cardio", "p-cardio", "o-cardio", "52")
    yield role("role-belcodene", "245876", "o-belcodene", "93")


def tasks() -> Iterator[Resource]:
    """
    Anomalies; two of them name their focus by its identifier alone, as the body of UC10.S01 does.
    """
    yield task("687", "02", {"reference": "HealthcareService/o-pedopsy"})
    yield task(
        "task-by-identifier",
        "10",
        {"type": "HealthcareService", "identifier": {"value": "52/O/0000013"}},
    )
    yield task(
        "task-structure", "02", {"type": "Organization", "identifier": {"value": "1290004324"}}
    )
    yield task("task-place", "08", {"reference": "Location/140"})
    yield task("task-corrected", "08", {"reference": "HealthcareService/o-beds"})


WORLD = (*organizations(), *locations(), *offers(), *people(), *tasks())
