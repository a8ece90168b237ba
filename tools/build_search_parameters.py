"""
Build src/ror/standard/knowledge/search_parameters.json: every search parameter of the ROR guide, ready to be served.

The list of the published definitions (resource, name, type, expression, canonical, custom, maturity) comes from a CSV
file. This script adds what the definitions lack: the expression that matches the data where the published one does
not, the reference targets, the repeated record a parameter reads, and a description in French and English.

    python tools/build_search_parameters.py search-parameters.csv
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parent.parent / "src/ror/standard/knowledge/search_parameters.json"
EXTENSION = "https://interop.esante.gouv.fr/ig/fhir/ror/StructureDefinition/"

SERVED = (
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

PROVENANCE = {
    "source": "ANS implementation guide ans.fhir.fr.ror 0.7.0 (FHIR R4), expressions corrected where noted",
    "package": "ans.fhir.fr.ror",
    "version": "0.7.0",
    "licence": "CC0-1.0",
    "fhirVersion": "4.0.1",
    "generator": "tools/build_search_parameters.py",
}


def within(resource_type: str, *urls: str) -> str:
    """The FHIRPath of nested extensions, from the resource down."""
    return ".".join([resource_type, *(f"extension.where(url='{url}')" for url in urls)])


CAPACITY = within("Location", EXTENSION + "ror-location-supported-capacity")
EQUIPMENT = within("Location", EXTENSION + "ror-location-equipment")
EQUIPMENT_LIMIT = within(
    "Location", EXTENSION + "ror-location-equipment", EXTENSION + "ror-location-equipment-limit"
)
RESIDENTIAL = within("Location", EXTENSION + "ror-location-residential-capacity")
PRICE = within("Organization", EXTENSION + "ror-organization-price")

# Where each repeated record lies: its root, then the roots of the repeated parts inside it. Criteria about one record
# have to be met by the same one ("a bed that is free and for women", not "a bed, and some free place for women").
RECORDS: dict[str, dict[str, Any]] = {
    "capacity": {"resource": "Location", "roots": [CAPACITY]},
    "equipment": {"resource": "Location", "roots": [EQUIPMENT, EQUIPMENT_LIMIT]},
    "residential": {"resource": "Location", "roots": [RESIDENTIAL]},
    "price": {"resource": "Organization", "roots": [PRICE]},
}

RECORD_OF: dict[tuple[str, str], str] = {
    **{
        ("Location", name): "capacity"
        for name in (
            "temporary-assignement",
            "capacity-status",
            "nb-capacity",
            "capacity-type",
            "temporality-capacity",
            "gender-capacity-available",
            "capacity-closing-type",
            "additional-bed-type",
            "crisis-type",
            "capacity-update-date",
        )
    },
    **{
        ("Location", name): "equipment"
        for name in ("equipment-type", "equipment-feature", "limit-value")
    },
    **{("Location", name): "residential" for name in ("residential-type", "residential-number")},
    **{
        ("Organization", name): "price"
        for name in (
            "price-type",
            "price-amount-value",
            "price-residential-type",
            "special-price",
            "price-dependency-level",
            "price-welcome-type",
            "price-unit",
            "price-validity-start-date",
        )
    },
}

CODEABLE = "The sub-extension holds a CodeableConcept; the published expression looks for a code and finds nothing."
LIMIT_INSIDE = (
    "The limit extension lies inside the equipment extension, not directly under the place."
)


def capacity_code(slice_name: str) -> str:
    return f"{CAPACITY}.extension.where(url='{slice_name}').value.as(CodeableConcept)"


# (resource, name) -> the expression to use instead of the published one, and why.
CORRECTIONS: dict[tuple[str, str], tuple[str | None, str]] = {
    ("Location", "capacity-status"): (capacity_code("capacityStatus"), CODEABLE),
    ("Location", "capacity-type"): (capacity_code("capacityType"), CODEABLE),
    ("Location", "temporality-capacity"): (capacity_code("temporalityCapacity"), CODEABLE),
    ("Location", "gender-capacity-available"): (capacity_code("genderCapacityAvailable"), CODEABLE),
    ("Location", "capacity-closing-type"): (capacity_code("capacityClosingType"), CODEABLE),
    ("Location", "additional-bed-type"): (capacity_code("additionalBedType"), CODEABLE),
    ("Location", "crisis-type"): (capacity_code("crisisType"), CODEABLE),
    ("Location", "equipment-feature"): (
        f"{EQUIPMENT_LIMIT}.extension.where(url='equipmentFeature').value.as(CodeableConcept)",
        LIMIT_INSIDE,
    ),
    ("Location", "limit-value"): (
        f"{EQUIPMENT_LIMIT}.extension.where(url='limitValue').value.as(Quantity)",
        LIMIT_INSIDE,
    ),
    ("Location", "near-insee-code"): (
        "Location.position",
        "The published expression reads an address extension of another guide. The commune of the request gives a "
        "point, and the position of the place is compared with it.",
    ),
    ("Organization", "special-price"): (
        f"{PRICE}.extension.where(url='specialPrice').value.as(CodeableConcept)",
        "The published expression repeats that of price-dependency-level.",
    ),
    ("Organization", "price-validity-start-date"): (
        f"{PRICE}.extension.where(url='startDate').value.as(dateTime)",
        "The published expression names the profile instead of the price extension, and a date where the value is a "
        "dateTime.",
    ),
    ("Organization", "price-amount-value"): (
        f"{PRICE}.extension.where(url='amount').value.as(Money).value",
        "The published definition has the code amount-value; the guide and its requests say price-amount-value. Both "
        "names are accepted.",
    ),
    ("Organization", "oi-name"): (
        "Organization.name",
        "The extension it reads is not part of the guide; the name of an internal organization is Organization.name.",
    ),
    ("HealthcareService", "notavailable-closing-reopeningdate"): (
        "HealthcareService.notAvailable.during",
        "The published expression relies on an element id that instances need not carry; notAvailable is at most one.",
    ),
    ("HealthcareService", "equipment-type"): (
        None,
        "Never matches: the extension it reads belongs to a dropped draft. Ask Location for equipment-type.",
    ),
}

TARGETS: dict[tuple[str, str], tuple[str, ...]] = {
    ("Location", "organization"): ("Organization",),
    ("HealthcareService", "location"): ("Location",),
    ("HealthcareService", "organization"): ("Organization",),
    ("Organization", "partof"): ("Organization",),
    ("PractitionerRole", "service"): ("HealthcareService",),
    ("PractitionerRole", "practitioner"): ("Practitioner",),
    ("PractitionerRole", "organization"): ("Organization",),
    ("Task", "focus"): SERVED,
    ("MeasureReport", "measure"): ("Measure",),
}

ALIASES = {("Organization", "price-amount-value"): ["amount-value"]}

# The expression of a native parameter that the list leaves empty.
NATIVE_EXPRESSIONS = {("Location", "near"): "Location.position"}

# What FHIR R4 defines for every resource, the guide does not list, and is served all the same.
STANDARD: tuple[dict[str, Any], ...] = (
    {
        "resource": "Resource",
        "name": "_text",
        "type": "string",
        "canonical": "http://hl7.org/fhir/SearchParameter/DomainResource-text",
        "custom": False,
        "maturity": "implied",
        "description": {
            "fr": "Texte libre cherché dans le texte de la ressource, ou dans ce qu'il dirait si elle n'en a pas",
            "en": "Free text in the narrative of the resource, or in what it would say where there is none",
        },
    },
)

# name -> description in French and English; a row of one resource type wins over the row of the name alone.
SHARED_DESCRIPTIONS: dict[str, tuple[str, str]] = {
    "_filter": (
        "Expression booléenne sur les critères de la ressource",
        "Boolean expression over the parameters",
    ),
    "_has": (
        "Critère porté par une ressource qui référence celle-ci",
        "Criterion on a resource that refers to this",
    ),
    "_content": (
        "Texte libre cherché dans toute la ressource",
        "Free text, anywhere in the resource",
    ),
    "_id": ("Identifiant technique", "Logical id"),
    "_lastUpdated": ("Date de dernière mise à jour", "Date of the last update"),
    "_tag": ("Région source de la donnée", "Region the data comes from"),
}

DESCRIPTIONS: dict[tuple[str, str], tuple[str, str]] = {
    ("Location", "identifier"): (
        "Identifiant fonctionnel du lieu, ou identifiant externe de synchronisation",
        "Identifier of the place, or its external synchronisation identifier",
    ),
    ("Location", "type"): ("Fonction du lieu", "Function of the place"),
    ("Location", "status"): (
        "Statut FHIR du lieu (active, suspended, inactive)",
        "FHIR status of the place",
    ),
    ("Location", "operational-status"): (
        "Statut du lieu : opérationnel, fermé temporairement, fermé définitivement",
        "Whether the place is open, closed for a time or closed for good",
    ),
    ("Location", "address-postalcode"): (
        "Code postal ou code CEDEX ; deux chiffres suffisent pour un département",
        "Postal or CEDEX code; two digits select a département",
    ),
    ("Location", "address-city"): ("Localité ou bureau CEDEX", "City or CEDEX office"),
    ("Location", "near"): (
        "Lieux autour d'une position : latitude|longitude|distance|unité",
        "Places around a position: latitude|longitude|distance|unit",
    ),
    ("Location", "near-insee-code"): (
        "Lieux autour d'une commune : code INSEE|distance|unité",
        "Places around a commune: INSEE code|distance|unit",
    ),
    ("Location", "commune-cog"): (
        "Commune du lieu (code officiel géographique)",
        "Commune of the place (official geographic code)",
    ),
    ("Location", "temporary-assignement"): (
        "Affectation temporaire de la capacité",
        "Temporary use of the capacity",
    ),
    ("Location", "capacity-status"): ("Statut de la capacité d'accueil", "Status of the capacity"),
    ("Location", "nb-capacity"): ("Nombre de lits ou de places", "Number of beds or places"),
    ("Location", "capacity-type"): (
        "Nature de la capacité : lit ou place",
        "Nature of the capacity: bed or place",
    ),
    ("Location", "temporality-capacity"): (
        "Temporalité de la capacité",
        "When the capacity applies",
    ),
    ("Location", "gender-capacity-available"): (
        "Genre des personnes que la capacité disponible peut accueillir",
        "Gender of the persons whom the free capacity can receive",
    ),
    ("Location", "capacity-closing-type"): (
        "Type de fermeture de la capacité",
        "How the capacity is closed",
    ),
    ("Location", "additional-bed-type"): ("Type de lit supplémentaire", "Kind of additional bed"),
    ("Location", "crisis-type"): (
        "Type de crise auquel répond la capacité",
        "Kind of crisis the capacity is for",
    ),
    ("Location", "capacity-update-date"): (
        "Date de mise à jour de la capacité",
        "Date of the last update of the capacity",
    ),
    ("Location", "equipment-type"): (
        "Type d'équipement présent dans le lieu",
        "Kind of equipment in the place",
    ),
    ("Location", "equipment-feature"): (
        "Caractéristique limitante de l'équipement",
        "Feature of the equipment that has a limit",
    ),
    ("Location", "limit-value"): (
        "Valeur limite de la caractéristique, avec son unité",
        "Limit of the feature of the equipment, with its unit",
    ),
    ("Location", "residential-type"): ("Type d'habitation", "Kind of housing"),
    ("Location", "residential-number"): ("Nombre d'habitations", "Number of housing units"),
    ("Location", "organization"): (
        "Organisation responsable du lieu",
        "Organization in charge of the place",
    ),
    ("HealthcareService", "identifier"): ("Identifiant de l'offre", "Identifier of the offer"),
    ("HealthcareService", "name"): ("Nom de l'offre", "Name of the offer"),
    ("HealthcareService", "service-category"): ("Type d'offre", "Kind of offer"),
    ("HealthcareService", "service-type"): ("Champ d'activité", "Field of activity"),
    ("HealthcareService", "characteristic"): (
        "Caractéristique de l'offre (mode de prise en charge, acte, compétence…) ; le système dit laquelle",
        "Characteristic of the offer (mode of care, act, skill…); its system tells which one",
    ),
    ("HealthcareService", "specialty"): ("Activité opérationnelle", "Operational activity"),
    ("HealthcareService", "location"): (
        "Lieu de réalisation de l'offre",
        "Place where the offer is delivered",
    ),
    ("HealthcareService", "organization"): (
        "Structure qui porte l'offre",
        "Organization that carries the offer",
    ),
    ("HealthcareService", "psychiatric-sector"): (
        "Secteur psychiatrique : département, G ou I, numéro",
        "Psychiatric sector: département, G or I, number",
    ),
    ("HealthcareService", "intervention-zone"): (
        "Zone d'intervention (commune, département, région, territoire)",
        "Area served (commune, département, region, territory)",
    ),
    ("HealthcareService", "patient-type"): ("Public pris en charge", "Kind of persons cared for"),
    ("HealthcareService", "age-range-low"): (
        "Âge minimal accepté, inclus",
        "Lowest age accepted, inclusive",
    ),
    ("HealthcareService", "age-range-high"): (
        "Âge maximal accepté, inclus",
        "Highest age accepted, inclusive",
    ),
    ("HealthcareService", "notavailable-closing-reopeningdate"): (
        "Période de fermeture : de la fermeture à la réouverture prévue",
        "Time of closure: from the closing to the expected reopening",
    ),
    ("HealthcareService", "equipment-type"): (
        "Type d'équipement de l'offre (définition sans donnée)",
        "Kind of equipment of the offer (a definition without data)",
    ),
    ("Organization", "identifier"): (
        "Identifiant national de structure, dont le numéro FINESS",
        "National identifier of the organization, such as its FINESS number",
    ),
    ("Organization", "name"): (
        "Raison sociale, dénomination ou nom de l'organisation interne",
        "Legal name, usual name or name of the internal organization",
    ),
    ("Organization", "type"): (
        "Catégorie d'établissement ou type d'organisation interne",
        "Category of establishment or kind of internal organization",
    ),
    ("Organization", "partof"): ("Structure de rattachement", "Organization it belongs to"),
    ("Organization", "drop-zone"): (
        "Présence d'une zone de poser d'hélicoptère",
        "Has a helicopter landing zone",
    ),
    ("Organization", "closing-type"): (
        "Type de fermeture de l'établissement",
        "How the establishment was closed",
    ),
    ("Organization", "period-end"): (
        "Date de fermeture de l'établissement",
        "Closing date of the establishment",
    ),
    ("Organization", "price-type"): ("Type de tarif", "Kind of price"),
    ("Organization", "price-amount-value"): ("Montant du tarif", "Amount of the price"),
    ("Organization", "price-residential-type"): (
        "Type d'habitation auquel s'applique le tarif",
        "Kind of housing the price is for",
    ),
    ("Organization", "special-price"): (
        "Condition tarifaire particulière",
        "Special condition of the price",
    ),
    ("Organization", "price-dependency-level"): (
        "Groupe tarifaire de dépendance",
        "Level of dependency the price is for",
    ),
    ("Organization", "price-welcome-type"): (
        "Temporalité d'accueil à laquelle s'applique le tarif",
        "Kind of stay the price is for",
    ),
    ("Organization", "price-unit"): ("Unité du prix", "Unit of the price"),
    ("Organization", "price-validity-start-date"): (
        "Date de début de validité du tarif",
        "First day on which the price applies",
    ),
    ("Organization", "oi-name"): (
        "Nom de l'organisation interne",
        "Name of the internal organization",
    ),
    ("Practitioner", "identifier"): (
        "Identifiant national du professionnel (RPPS, ADELI)",
        "National identifier of the professional (RPPS, ADELI)",
    ),
    ("PractitionerRole", "identifier"): (
        "Identifiant de la situation opérationnelle",
        "Identifier of the operational situation",
    ),
    ("PractitionerRole", "service"): (
        "Offre dans laquelle exerce le professionnel",
        "Offer in which the professional works",
    ),
    ("PractitionerRole", "practitioner"): ("Professionnel", "Professional"),
    ("PractitionerRole", "organization"): (
        "Organisation de la situation opérationnelle",
        "Organization of the operational situation",
    ),
    ("Task", "identifier"): ("Identifiant de l'anomalie", "Identifier of the anomaly"),
    ("Task", "focus"): ("Ressource en anomalie", "Resource the anomaly is about"),
    ("Task", "business-status"): ("Statut métier de l'anomalie", "Business status of the anomaly"),
    ("Task", "authored-on"): (
        "Date de création de l'anomalie",
        "Date on which the anomaly was raised",
    ),
    ("Measure", "identifier"): ("Identifiant de l'indicateur", "Identifier of the indicator"),
    ("Measure", "topic"): ("Sujet de l'indicateur", "Topic of the indicator"),
    ("MeasureReport", "date"): ("Date de la mesure", "Date of the measurement"),
    ("MeasureReport", "measure"): ("Indicateur mesuré", "Indicator that is reported"),
    ("Questionnaire", "identifier"): (
        "Identifiant du modèle de saisie",
        "Identifier of the entry template",
    ),
    ("Questionnaire", "context"): (
        "Contexte d'usage : catégorie d'établissement, spécialité ou profession",
        "Context of use: category of establishment, specialty or profession",
    ),
    ("Questionnaire", "status"): (
        "Statut du modèle : draft, active, retired",
        "Status of the template",
    ),
    ("Questionnaire", "date"): (
        "Date de publication du modèle",
        "Publication date of the template",
    ),
    ("Questionnaire", "version"): ("Version du modèle", "Version of the template"),
    ("Questionnaire", "title"): ("Titre du modèle", "Title of the template"),
    ("Questionnaire", "description"): ("Description du modèle", "Description of the template"),
    ("Questionnaire", "name"): ("Nom technique du modèle", "Technical name of the template"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument(
        "csv", type=Path, help="the published list: resource,name,type,expression,canonical,..."
    )
    with parser.parse_args().csv.open(encoding="utf-8", newline="") as lines:
        parameters = [completed(row) for row in csv.DictReader(lines)]
    refuse_leftovers({(parameter["resource"], parameter["name"]) for parameter in parameters})
    parameters.sort(key=lambda parameter: SERVED.index(parameter["resource"]))
    TARGET.write_text(render(parameters), encoding="utf-8")
    print(f"{TARGET}: {len(parameters)} search parameters")


def completed(row: dict[str, str]) -> dict[str, Any]:
    """One parameter as it is served, from one row of the published list."""
    key = (row["resource"], row["name"])
    published = row["expression"] or NATIVE_EXPRESSIONS.get(key)
    expression, correction = CORRECTIONS.get(key, (published, None))
    french, english = DESCRIPTIONS.get(key) or SHARED_DESCRIPTIONS[row["name"]]
    return {
        "resource": row["resource"],
        "name": row["name"],
        "type": row["type"],
        "expression": expression,
        "published": published if published != expression else None,
        "correction": correction,
        "canonical": row["canonical"],
        "custom": row["custom"] == "yes",
        "maturity": row["maturity"],
        "targets": list(TARGETS.get(key, ())),
        "aliases": ALIASES.get(key, []),
        "record": RECORD_OF.get(key),
        "description": {"fr": french, "en": english},
    }


def refuse_leftovers(known: set[tuple[str, str]]) -> None:
    """Raises when a table above names a parameter that the list does not hold: a typing error would go unseen."""
    for table in (RECORD_OF, CORRECTIONS, TARGETS, ALIASES, NATIVE_EXPRESSIONS, DESCRIPTIONS):
        unknown = table.keys() - known
        if unknown:
            raise SystemExit(f"not in the published list: {sorted(unknown)}")


def render(parameters: list[dict[str, Any]]) -> str:
    """JSON with one parameter a line; what is empty is left out."""

    def line(value: object) -> str:
        return json.dumps(value, ensure_ascii=False)

    rows = ",\n".join(
        "  " + line({key: value for key, value in parameter.items() if value not in (None, [])})
        for parameter in parameters
    )
    records = ",\n".join(f"  {line(name)}: {line(record)}" for name, record in RECORDS.items())
    standard = ",\n".join(f"  {line(parameter)}" for parameter in STANDARD)
    return (
        f'{{\n"provenance": {line(PROVENANCE)},\n"records": {{\n{records}\n}},\n'
        f'"standard": [\n{standard}\n],\n"parameters": [\n{rows}\n]\n}}\n'
    )


if __name__ == "__main__":
    main()
