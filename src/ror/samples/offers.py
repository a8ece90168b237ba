"""
The offers of the directory, as HealthcareService resources.

A row of a catalogue gives the codes of an offer; what differs from one offer of a kind to the next
is drawn here: acts, contacts at the three confidentiality levels, hours, zone served, closing.
"""

from functools import cache

from ror.samples.catalogue import ALWAYS, BED, EVERY_DAY, SOME_DAYS, WEEKDAYS, OfferKind
from ror.samples.chance import Chance
from ror.samples.fragments import (
    ALERT_EMAIL,
    ALERT_PHONE,
    ANTARES,
    EMAIL,
    LANDLINE,
    PUBLIC,
    RESTRICTED,
    SD,
    VERY_RESTRICTED,
    WEB,
    YEARS,
    Fragment,
    Json,
    coded,
    coding,
    concept,
    flag,
    ready,
    telecom,
    telecom_extension,
    typed,
)
from ror.samples.places import Site, intervention_zone
from ror.samples.registrar import OFFER_IDENTIFIER_TYPE, Registrar, template

_SENSITIVE = SD + "ror-healthcareservice-sensitive-unit"
_WITHOUT_CONSENT = SD + "ror-healthcareservice-no-consent-habilitation"
_SECTOR = SD + "ror-healthcareservice-psychiatric-sector"

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = {
    ALWAYS: (("01", range(1, 8), "00:00:00", "23:59:00"),),
    EVERY_DAY: (("02", range(1, 8), "08:00:00", "20:00:00"),),
    WEEKDAYS: (("04", range(1, 6), "09:00:00", "17:00:00"),),
    SOME_DAYS: (("01", (1, 2, 4), "08:30:00", "18:30:00"), ("07", (3, 5), "09:00:00", "12:30:00")),
}
"""Hours by kind of opening: kind of hours (J41), days from 1 for Monday, start, end."""

_EFFECTIVE_SINCE: dict[str, tuple[Json, ...]] = {
    kind: (
        {
            "url": SD + "ror-available-time-effective-opening-closing-date",
            "valuePeriod": {"start": "2024-01-01"},
        },
    )
    for kind in ("02", "03")
}
"""The kinds of hours that say since when they hold."""

_RARE_HOURS = (("03", range(6, 8), "08:00:00", "20:00:00"), ("06", (6,), "09:00:00", "12:00:00"))


def healthcare_service(
    registrar: Registrar,
    kind: OfferKind,
    where: Site,
    provider: str,
    locations: list[str],
    *,
    expertise: str = "",
    closing: str = "",
) -> Json:
    """
    The offer of that kind provided by an Organization at some Locations, all given by id.

    `expertise` adds a level (J227) to those of the kind; `closing` is DEF or PRO when the offer is
    closed (J185).
    """
    chance = registrar.chance
    resource: Json = {
        "resourceType": "HealthcareService",
        "id": registrar.next_id("HealthcareService"),
        "meta": registrar.meta("ror-healthcareservice", where.region),
        "extension": _extensions(registrar, kind, where),
        "identifier": (
            {
                "type": typed(OFFER_IDENTIFIER_TYPE, "35"),
                "value": f"{where.region}/{registrar.number('offer'):07}",
            },
        ),
        "providedBy": {"reference": f"Organization/{provider}"},
        "category": (concept("J238", kind.category),),
        "type": (concept("J20", kind.field),),
        "specialty": _specialties(kind.activity, kind.family),
        "location": [{"reference": f"Location/{each}"} for each in locations],
        "name": f"{kind.name} - {where.commune.name} (fictif)",
        "characteristic": _characteristics(chance, kind, expertise, closing),
    }
    if chance.turn("offer: comment", 9):
        resource["comment"] = "Description revue avec l'équipe, données fictives"
    if chance.maybe(0.1):
        mailbox = f"offre.{resource['id']}@{where.region}.mssante.example"
        resource["telecom"] = (
            telecom(EMAIL, mailbox, RESTRICTED, "Messagerie sécurisée de santé"),
        )
    # Hours weigh half a kilobyte a day: one offer in sixteen gives its own, the others keep those
    # of the site.
    if chance.maybe(0.06):
        resource["availableTime"] = _hours(kind.hours, chance.turn("offer: rare hours", 10))
    if closing:
        resource["notAvailable"] = (_closed_period(registrar, closing),)
    return resource


def _extensions(registrar: Registrar, kind: OfferKind, where: Site) -> list[Json]:
    chance = registrar.chance
    extensions = [
        flag(_SENSITIVE, kind.sensitive),
        _patients(kind.ages, kind.audience if chance.maybe(0.15) else kind.audience[:1]),
        *_contacts(registrar, kind, where.region),
        registrar.creation(),
    ]
    if kind.at_home:
        extensions += intervention_zone(chance, where, chance.between(1, 2))
    elif chance.turn("offer: zone", 16):
        extensions += intervention_zone(chance, where, 1)
    if kind.without_consent or chance.turn("offer: consent stated", 20):
        extensions.append(flag(_WITHOUT_CONSENT, kind.without_consent))
    if kind.sector:
        # RG_RECH_10: département (2 digits, 3 overseas), G for adults or I for children, number of
        # the sector.
        number = chance.between(1, 24)
        extensions.append(
            {"url": _SECTOR, "valueString": f"{where.department}{kind.sector}{number:02}"}
        )
    if chance.turn("offer: template", 6):
        extensions.append(template("healthcareservice"))
    return extensions


@cache
def _patients(ages: tuple[int, int], audience: tuple[str, ...]) -> Fragment:
    low, high = ({"value": age, "system": YEARS, "code": "a"} for age in ages)
    parts = [coded("supportedPatientInfo", "J29", code) for code in audience]
    parts.append({"url": "ageRange", "valueRange": {"low": low, "high": high}})
    return ready({"url": SD + "ror-healthcareservice-patient-type", "extension": parts})


@cache
def _specialties(activity: str, family: str) -> tuple[Json, ...]:
    specialties = [concept("J17", activity)]
    if family:
        specialties.append(concept("J51", family))
    return tuple(specialties)


def _characteristics(chance: Chance, kind: OfferKind, expertise: str, closing: str) -> list[Json]:
    found = [concept("J19", kind.care_mode)]
    found += [concept("J226", code) for code in kind.modalities]
    if kind.reception:
        found.append(concept("J30", kind.reception))
    if kind.opening:
        found.append(concept("J28", kind.opening))
    found += [concept("J26", code) for code in kind.management]
    if expertise:
        found.append(concept("J227", expertise))
    if kind.expertise and chance.maybe(0.25):
        found.append(concept("J227", chance.pick(kind.expertise)))
    if kind.acts and chance.maybe(0.2):
        found += [_act("specificAct", code) for code in chance.some(kind.acts, 2)]
    if kind.outside_acts and chance.maybe(0.3):
        found.append(_act("outsideOfficeAct", chance.pick(kind.outside_acts)))
    if kind.specialisations and chance.maybe(0.2):
        found += [concept("J35", code) for code in chance.some(kind.specialisations, 2)]
    if kind.staff and chance.maybe(0.25):
        found += [concept("J186", code) for code in chance.some(kind.staff, 2)]
    if kind.competences and chance.maybe(0.3):
        found.append(concept("J33", chance.pick(kind.competences)))
    if closing:
        found.append(concept("J185", closing))
    return found


@cache
def _act(act_type: str, code: str) -> Fragment:
    """
    An act; its extension tells the acts done at the practice from those done elsewhere, which share
    J16.
    """
    marked = {"url": SD + "ror-act-type", "valueCode": act_type}
    return ready({"extension": [marked], "coding": [coding("J16", code)]})


def _contacts(registrar: Registrar, kind: OfferKind, region: str) -> list[Json]:
    """
    A contact for the public where the site's does not serve, some for professionals, alert lines
    for emergencies.
    """
    chance = registrar.chance
    contacts = (
        [_secretariat(registrar, kind, region)] if chance.turn("offer: own secretariat", 3) else []
    )
    if chance.maybe(0.2 if kind.unit == BED else 0.05):
        line = telecom_extension(
            LANDLINE, registrar.phone(region), RESTRICTED, "Avis entre professionnels"
        )
        contacts.append(
            _contact(
                "Cadre de santé", "05", "03", RESTRICTED, [line], "Joignable aux heures ouvrées"
            )
        )
    if kind.critical and chance.maybe(0.5):
        channel = chance.next_of("offer: alert", (ALERT_PHONE, ANTARES, ALERT_EMAIL))
        value = (
            f"alerte.{region}@urgences.example.org"
            if channel == ALERT_EMAIL
            else registrar.phone(region)
        )
        line = telecom_extension(channel, value, VERY_RESTRICTED, "Alerte et tension")
        contacts.append(_contact("Ligne d'alerte", "13", "22", VERY_RESTRICTED, [line]))
    return contacts


def _secretariat(registrar: Registrar, kind: OfferKind, region: str) -> Json:
    chance = registrar.chance
    reach = [telecom_extension(LANDLINE, registrar.phone(region), PUBLIC)]
    if chance.turn("offer: web", 12):
        reach.append(
            telecom_extension(
                WEB, f"https://www.example.org/{region}/rendez-vous", PUBLIC, "Rendez-vous"
            )
        )
    function = "05" if chance.maybe(0.2) else ""
    return _contact(
        "Secrétariat", "02" if kind.care_mode == "32" else "07", function, PUBLIC, reach
    )


def _contact(
    name: str, nature: str, function: str, level: str, reach: list[Json], description: str = ""
) -> Json:
    parts = [
        _human_name(name),
        coded("purposeContact", "J221", nature),
        coded(SD + "ror-confidentiality-level", "J222", level),
        *reach,
    ]
    if function:
        parts.append(coded(SD + "ror-contact-function-contact", "J220", function))
    if description:
        parts.append({"url": "description", "valueString": description})
    return {"url": SD + "ror-healthcareservice-contact", "extension": parts}


@cache
def _human_name(text: str) -> Fragment:
    return ready({"url": "name", "valueHumanName": {"text": text}})


@cache
def _hours(opening: str, with_rare: bool) -> tuple[Fragment, ...]:
    spans = _HOURS[opening] + (_RARE_HOURS if with_rare else ())
    return tuple(
        opening_time(kind, day, start, end) for kind, days, start, end in spans for day in days
    )


def opening_time(kind: str, day: int, start: str, end: str) -> Fragment:
    """One range of hours of one day (1 is Monday), with the kind of hours (J41)."""
    extensions = [
        coded(SD + "ror-available-time-type-of-time", "J41", kind),
        {"url": SD + "ror-available-time-number-days-of-week", "valueInteger": day},
        *_EFFECTIVE_SINCE.get(kind, ()),
    ]
    hours = {"daysOfWeek": [_DAYS[day - 1]], "availableStartTime": start, "availableEndTime": end}
    return ready({"extension": extensions, **hours})


def _closed_period(registrar: Registrar, closing: str) -> Json:
    """
    The fixed id and text are those of the profile; an offer closed for good has no reopening date.
    """
    during = {"start": registrar.days_ago(registrar.chance.between(5, 120))}
    if closing == "PRO":
        during["end"] = registrar.in_days(registrar.chance.between(10, 180))
    return {
        "id": "closingReopeningDate",
        "description": "Période de fermeture et de réouverture prévisionnelle",
        "during": during,
    }
