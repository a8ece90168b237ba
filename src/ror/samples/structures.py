"""
The bodies that provide offers, as Organization resources: legal entities, geographic entities,
internal organisations.

The three levels are one resource type; what tells them apart (identifiers, types, dates, parent) is
written here, one function for each level.
"""

from dataclasses import dataclass

from ror.samples.chance import Chance
from ror.samples.fragments import (
    ALERT_PHONE,
    EMAIL,
    FAX,
    LANDLINE,
    MOBILE,
    PUBLIC,
    RESTRICTED,
    SD,
    VERY_RESTRICTED,
    WEB,
    Json,
    coded,
    concept,
    flag,
    telecom,
)
from ror.samples.places import Site, address, geolocation, insee_code, position
from ror.samples.registrar import (
    Registrar,
    closing,
    internal_organisation_identifier,
    structure_identifier,
    structure_identifiers,
    template,
)

_PERIOD = "http://hl7.org/fhir/StructureDefinition/organization-period"

POLE, SERVICE, FUNCTIONAL_UNIT = "1", "2", "3"
"""Levels of internal organisation (J203)."""


@dataclass(frozen=True, slots=True)
class LegalEntity:
    """What the establishments of a legal entity need to know of it."""

    id: str
    siren: str


def legal_entity(
    registrar: Registrar,
    where: Site,
    name: str,
    legal_status: str,
    aggregate: str,
    *,
    practice: str = "",
    in_finess: bool = True,
    closed: bool = False,
) -> tuple[Json, LegalEntity]:
    """
    A legal entity (EJ): its resource, and what its establishments need.

    `legal_status` is a code of J199, `aggregate` of J200. An entity that is not `in_finess` is
    known by its SIREN, or by `practice`, the RPPS practice number of a professional who is the
    entity in person.
    """
    chance = registrar.chance
    resource_id = registrar.next_id("Organization")
    siren = registrar.siren()
    created = f"{chance.between(1950, 2020)}-0{chance.between(1, 9)}-15"
    extensions = [
        {"url": SD + "ror-organization-creation-date", "valueDate": created},
        registrar.creation(),
    ]
    if chance.turn("legal entity: comment", 5):
        extensions.append({"url": SD + "ror-meta-comment", "valueString": "Enregistrement fictif"})
    if closed:
        extensions.append(
            {"url": _PERIOD, "valuePeriod": {"end": registrar.days_ago(chance.between(100, 2000))}}
        )
        extensions.append(closing(chance.next_of("legal entity: closing", ("DEF", "CHP"))))
    if practice:
        identifiers = [*structure_identifiers("4", practice), structure_identifier("2", siren)]
    elif in_finess:
        finess = registrar.finess(where.department)
        identifiers = [*structure_identifiers("1", finess), structure_identifier("2", siren)]
    else:
        identifiers = structure_identifiers("2", siren)
    resource: Json = {
        "resourceType": "Organization",
        "id": resource_id,
        "meta": registrar.meta("ror-organization", where.region),
        "extension": extensions,
        "identifier": identifiers,
        "type": (concept("J199", legal_status), concept("J200", aggregate)),
        "name": name,
    }
    if chance.turn("legal entity: more name", 4):
        additional = {"url": SD + "ror-organization-additional-name", "valueString": "Siège fictif"}
        resource["_name"] = {"extension": (additional,)}
    resource["address"] = (_registered_address(chance, where),)
    if practice or chance.maybe(0.8):
        return resource, LegalEntity(resource_id, siren)
    resource["contact"] = (
        _contact(
            "Direction générale", "10", "01", RESTRICTED,
            [telecom(LANDLINE, registrar.phone(where.region), RESTRICTED, "Appels professionnels")],
            "Heures ouvrées",
        ),
    )  # fmt: skip
    return resource, LegalEntity(resource_id, siren)


def geographic_entity(
    registrar: Registrar,
    where: Site,
    owner: LegalEntity,
    rank: int,
    name: str,
    category: str,
    street: Json,
    *,
    practice: tuple[str, str] = ("", ""),
    participation: str = "0",
    extensions: tuple[Json, ...] = (),
    hospital: bool = False,
    closed: str = "",
) -> Json:
    """
    A geographic entity (EG), the establishment of that rank of its owner.

    `category` is a code of J55, `participation` of J202, `closed` of J201; `practice` is the kind
    (0 ADELI, 4 RPPS) and number of a practice, which then has no FINESS. `extensions` come on top
    of those that every establishment has.
    """
    chance = registrar.chance
    kind, number = practice if practice[0] else ("1", registrar.finess(where.department))
    period = {"start": f"{chance.between(1990, 2022)}-09-01"}
    own = [registrar.creation(), *extensions]
    if chance.maybe(0.25):
        own.append(where.territory)
    if closed:
        period["end"] = registrar.days_ago(chance.between(20, 300))
        own.append(closing(closed))
    own.append({"url": _PERIOD, "valuePeriod": period})
    own += _occasional_extensions(chance)
    latitude, longitude = position(chance, where)
    resource: Json = {
        "resourceType": "Organization",
        "id": registrar.next_id("Organization"),
        "meta": registrar.meta("ror-organization", where.region),
        "extension": own,
        "identifier": [
            *structure_identifiers(kind, number),
            structure_identifier("3", registrar.siret(owner.siren, rank)),
        ],
        "type": (concept("J55", category), concept("J202", participation)),
        "name": name,
    }
    if chance.turn("establishment: alias", 3):
        resource["alias"] = (
            name.replace(" fictif", "").replace(" (fictif)", "").replace(" fictive", ""),
        )
    if chance.turn("establishment: more name", 9):
        additional = {
            "url": SD + "ror-organization-additional-name",
            "valueString": "Site principal",
        }
        resource["_name"] = {"extension": (additional,)}
    located = [geolocation(latitude, longitude, chance.maybe(0.9))]
    if chance.maybe(0.3):
        located.append(insee_code(where.commune.code, where.commune.name))
    resource["address"] = ({"extension": located, **street},)
    resource["partOf"] = {"reference": f"Organization/{owner.id}"}
    if hospital or chance.maybe(0.2 if practice[0] else 0.6):
        resource["contact"] = _contacts(registrar, where.region, hospital)
    return resource


def internal_organisation(
    registrar: Registrar, region: str, level: str, name: str, parent: str, *, closed: bool = False
) -> Json:
    """
    An internal organisation (OI) of that level (J203) inside another one or an establishment, given
    by id.
    """
    chance = registrar.chance
    period = {"start": f"{chance.between(2005, 2022)}-01-01"}
    extensions = [registrar.creation()]
    if closed:
        period["end"] = registrar.days_ago(chance.between(20, 200))
        reopening = registrar.in_days(chance.between(30, 200))
        extensions.append(closing("PRO"))
        extensions.append({"url": SD + "ror-organization-reopening-date", "valueDate": reopening})
    extensions.append({"url": _PERIOD, "valuePeriod": period})
    resource_id = registrar.next_id("Organization")
    resource: Json = {
        "resourceType": "Organization",
        "id": resource_id,
        "meta": registrar.meta("ror-organization", region),
        "extension": extensions,
        "identifier": (
            internal_organisation_identifier(
                f"{region}/OI/{registrar.number('internal organisation'):07}"
            ),
        ),
        "type": (concept("J203", level),),
        "name": name,
        "partOf": {"reference": f"Organization/{parent}"},
    }
    if level != FUNCTIONAL_UNIT or chance.maybe(0.15):
        mailbox = telecom(
            EMAIL,
            f"oi.{resource_id}@{region}.mssante.example",
            RESTRICTED,
            "Messagerie sécurisée de santé",
        )
        resource["telecom"] = (mailbox,)
    return resource


def hospital_extensions(chance: Chance, heliport: bool) -> tuple[Json, ...]:
    """
    What crisis management asks of a hospital: its ORSAN line, and whether a helicopter may land.
    """
    return (
        coded(
            SD + "ror-organization-level-recours-orsan",
            "J204",
            chance.next_of("hospital: orsan", ("1", "4")),
        ),
        flag(SD + "ror-organization-drop-zone", heliport),
        flag(SD + "ror-organization-accomodation-family", chance.maybe(0.4)),
    )


def home_extensions(chance: Chance) -> tuple[Json, ...]:
    """
    What people ask of a home before they come: help they may get, places for those helped, lodging
    of families.
    """
    return (
        coded(
            SD + "ror-organization-financial-help-type",
            "J31",
            chance.next_of("home: help", ("01", "02")),
        ),
        {
            "url": SD + "ror-organization-nb-permanent-social-help-place",
            "valueInteger": chance.between(0, 40),
        },
        {
            "url": SD + "ror-organization-nb-temporary-social-help-place",
            "valueInteger": chance.between(0, 4),
        },
        flag(SD + "ror-organization-accomodation-family", chance.maybe(0.3)),
    )


def _occasional_extensions(chance: Chance) -> list[Json]:
    found = []
    if chance.turn("establishment: access", 3):
        conformity = chance.next_of("establishment: conformity", ("1", "5", "6", "2", "3", "4"))
        found.append(coded(SD + "ror-organization-accessibility-location", "J50", conformity))
    if chance.turn("establishment: comment", 6):
        found.append(
            {"url": SD + "ror-organization-comment", "valueString": "Entrée principale par la cour"}
        )
    if chance.turn("establishment: record comment", 10):
        found.append(
            {
                "url": SD + "ror-meta-comment",
                "valueString": "Fiche relue lors de la campagne annuelle",
            }
        )
    if chance.turn("establishment: template", 8):
        found.append(template("organization"))
    return found


def _registered_address(chance: Chance, where: Site) -> Json:
    return {
        "extension": (insee_code(where.commune.code, where.commune.name),),
        **address(chance, where),
    }


def _contacts(registrar: Registrar, region: str, hospital: bool) -> list[Json]:
    chance = registrar.chance
    reach = [telecom(LANDLINE, registrar.phone(region), PUBLIC)]
    if chance.maybe(0.15):
        reach.append(
            telecom(EMAIL, f"accueil.{registrar.number('mail')}@etablissement.example.org", PUBLIC)
        )
    if chance.turn("establishment: web", 4):
        reach.append(
            telecom(WEB, "https://www.example.org/etablissement", PUBLIC, "Site de l'établissement")
        )
    if chance.turn("establishment: fax", 10):
        reach.append(telecom(FAX, registrar.phone(region), RESTRICTED))
    contacts = [_contact("Accueil", "01", "", PUBLIC, reach)]
    if hospital or chance.maybe(0.1):
        line = telecom(LANDLINE, registrar.phone(region), RESTRICTED)
        contacts.append(
            _contact("Admissions", "03", "02", RESTRICTED, [line], "Professionnels de santé")
        )
    if hospital or chance.turn("establishment: alert", 12):
        lines = [
            telecom(ALERT_PHONE, registrar.phone(region), VERY_RESTRICTED, "Plan blanc"),
            telecom(MOBILE, registrar.mobile(), VERY_RESTRICTED, "Astreinte de direction"),
        ]
        contacts.append(_contact("Astreinte de direction", "08", "01", VERY_RESTRICTED, lines))
    return contacts


def _contact(
    name: str, nature: str, function: str, level: str, reach: list[Json], description: str = ""
) -> Json:
    extensions = [coded(SD + "ror-contact-confidentiality-level", "J222", level)]
    if function:
        extensions.append(coded(SD + "ror-contact-function-contact", "J220", function))
    if description:
        extensions.append({"url": SD + "ror-contact-description", "valueString": description})
    return {
        "extension": extensions,
        "purpose": concept("J221", nature),
        "name": {"text": name},
        "telecom": reach,
    }
