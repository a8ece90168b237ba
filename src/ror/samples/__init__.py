"""
A fictitious directory of any size, repeatable from its seed.

    capacities      beds and places
    catalogue       the kinds of offers that exist
    chance          repeatable random draws
    establishments  establishments with all they hold
    fragments       parts of resources
    lodgings        medico-social housing
    models          kinds of establishments
    names           names of people and places
    offers          HealthcareService
    people          Practitioner and PractitionerRole
    places          addresses and positions
    prices          prices
    registrar       identifiers
    stewardship     Tasks, Measures, Questionnaires
    structures      Organization
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import msgspec

from ror.samples import stewardship
from ror.samples.chance import Chance, Weighted
from ror.samples.establishments import Builder, Ratios
from ror.samples.fragments import Json
from ror.samples.models import HOSPITAL, Model, Steering
from ror.samples.places import INHABITANTS, Site, site, sites_of_region, towns_of_region
from ror.samples.registrar import Registrar
from ror.standard.geography import Commune

REFERENCE_DATE = date(2026, 6, 1)
"""The day on which a generated directory is up to date, unless another is asked."""


class Size(StrEnum):
    """How much directory."""

    small = "small"
    medium = "medium"
    national = "national"


@dataclass(frozen=True, slots=True)
class Counts:
    """How many resources of each type to make; a stream comes within a few percent of them."""

    healthcare_services: int
    locations: int
    organizations: int
    practitioners: int
    practitioner_roles: int

    @property
    def total(self) -> int:
        return (
            self.healthcare_services
            + self.locations
            + self.organizations
            + self.practitioners
            + self.practitioner_roles
        )


SIZES = {
    Size.small: Counts(450, 450, 360, 750, 990),
    Size.medium: Counts(15_000, 15_000, 12_000, 25_000, 33_000),
    Size.national: Counts(150_000, 150_000, 120_000, 250_000, 330_000),
}
"""
Targets by size, without the few templates, indicators and anomalies that each stream also holds.
"""

_ANOMALOUS = 8


def generate(
    size: Size | str, seed: int = 1, *, reference_date: date = REFERENCE_DATE
) -> Iterator[bytes]:
    """
    The resources of a fictitious directory, each as one line of NDJSON in UTF-8 without the line
    feed.

    A resource comes after those it refers to, establishment by establishment and region by region,
    the most populated first: the beginning of a stream is itself a directory. Memory does not grow
    with the size.

    Raises ValueError when the size is none of small, medium, national.
    """
    encode = msgspec.json.Encoder(decimal_format="number").encode
    for resource in _resources(SIZES[_size(size)], seed, reference_date):
        yield encode(resource)


def _size(size: Size | str) -> Size:
    try:
        return Size(size)
    except ValueError:
        raise ValueError(f'"{size}" is not a size of directory; try {", ".join(SIZES)}') from None


def _resources(counts: Counts, seed: int, reference_date: date) -> Iterator[Json]:
    registrar = Registrar(Chance(seed), reference_date)
    yield from stewardship.questionnaires(registrar)
    yield from stewardship.measures(registrar)
    anomalous: list[stewardship.Anomalous] = []
    for resource in _establishments(registrar, counts):
        if len(anomalous) < _ANOMALOUS:
            _note(anomalous, resource)
        yield resource
    yield from stewardship.measure_reports(registrar, reporter=anomalous[0].owner)
    yield from stewardship.tasks(registrar, anomalous)


def _note(anomalous: list[stewardship.Anomalous], resource: Json) -> None:
    """Remember some first structures and offers, to complain about them at the end."""
    parent = resource.get("partOf") or resource.get("providedBy")
    if parent is None or resource["resourceType"] not in {"Organization", "HealthcareService"}:
        return
    owner = parent["reference"].removeprefix("Organization/")
    anomalous.append(
        stewardship.Anomalous(
            resource["resourceType"], resource["id"], resource["identifier"][0], owner
        )
    )


def _establishments(registrar: Registrar, counts: Counts) -> Iterator[Json]:
    """The establishments of every region, until each has its share of the offers."""
    steering = Steering()
    offers = counts.healthcare_services
    ratios = Ratios(
        organizations=counts.organizations / offers,
        roles=counts.practitioner_roles / offers,
        roles_per_person=counts.practitioner_roles / counts.practitioners,
    )
    builder = Builder(registrar, ratios)
    inhabitants = sum(INHABITANTS.values())
    share = 0.0
    for region, millions in INHABITANTS.items():
        share += millions
        target = offers * share / inhabitants
        everywhere, towns = sites_of_region(region), towns_of_region(region)
        builder.enter_region()
        done = registrar.done.get("HealthcareService", 0)
        while done < target:
            model = steering.choose(target - done)
            yield from builder.establishment(
                model, _site(registrar.chance, model, everywhere, towns)
            )
            before, done = done, registrar.done["HealthcareService"]
            steering.carried(done - before)


def _site(
    chance: Chance, model: Model, everywhere: Weighted[Commune], towns: Weighted[Commune]
) -> Site:
    """Somewhere in the region; hospitals are mostly in its towns."""
    in_town = model.family == HOSPITAL and towns.things and chance.maybe(0.8)
    return site(chance.draw(towns if in_town else everywhere))
