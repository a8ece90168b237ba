"""
What every resource of a fictitious directory receives: an id, numbers, dates, the region that is
its source.

No number can belong to anyone. FINESS numbers carry a 9 where the real ones carry a 0, SIREN begin
with 00 and RPPS with 99, none of which was ever given; keys are right, so that a reader who checks
them is content. Telephone numbers come from the ranges that ARCEP reserves for works of fiction;
mail and web addresses from the names reserved by RFC 2606.
"""

from datetime import date, timedelta
from functools import cache

from ror.samples.chance import Chance
from ror.samples.fragments import (
    CANONICAL,
    NOS,
    OTHER_IDENTIFIER_TYPE,
    SD,
    Fragment,
    Json,
    coded,
    coding,
    ready,
    typed,
)

STRUCTURE_IDENTIFIER_TYPE = (
    f"{NOS}TRE_G07-TypeIdentifiantStructure/FHIR/TRE-G07-TypeIdentifiantStructure"
)
OFFER_IDENTIFIER_TYPE = f"{NOS}TRE_R355-TypeIdentifiantOffre/FHIR/TRE-R355-TypeIdentifiantOffre"
PLACE_IDENTIFIER_TYPE = (
    f"{NOS}TRE_R354-TypeIdentifiantRessourceOperationnelle/FHIR/"
    "TRE-R354-TypeIdentifiantRessourceOperationnelle"
)
PERSON_IDENTIFIER_TYPE = (
    f"{NOS}TRE_G08-TypeIdentifiantPersonne/FHIR/TRE-G08-TypeIdentifiantPersonne"
)

FICTION_PHONES = {
    "1": "019900",
    "2": "026191",
    "3": "035301",
    "4": "046571",
    "5": "053649",
    "6": "063998",
}
"""
First six digits of the numbers reserved for fiction, by zone (ARCEP, numbering plan, decision
2018-0881).
"""

_ZONE_OF_REGION = {
    "11": "1",
    **dict.fromkeys(("24", "28", "52", "53", "04", "06"), "2"),
    **dict.fromkeys(("27", "32", "44"), "3"),
    **dict.fromkeys(("84", "93", "94"), "4"),
    **dict.fromkeys(("75", "76", "01", "02", "03"), "5"),
}

_DAYS_OF_UPDATES = 730
_DAYS_OF_CREATIONS = 2600


_LUHN_VALUES = {
    **{str(digit): (sum(divmod(digit * 2, 10)), digit) for digit in range(10)},
    **dict.fromkeys("AB", (0, 0)),
}
"""What a character adds when its rank doubles it, and when it does not."""


def luhn_key(digits: str) -> str:
    """
    The last digit that makes a number pass the Luhn check; a letter (Corsica) counts as 0.

    >>> luhn_key("7992739871")
    '3'
    """
    values = [_LUHN_VALUES[character] for character in reversed(digits)]
    return str(
        -(sum(doubled for doubled, _ in values[::2]) + sum(plain for _, plain in values[1::2])) % 10
    )


class Registrar:
    """
    Hands out, in order, everything that must be unique or dated; one for each generated directory.
    """

    def __init__(self, chance: Chance, reference_date: date) -> None:
        self.chance = chance
        self.done: dict[str, int] = {}
        self._numbers: dict[str, int] = {}
        self._past = [
            (reference_date - timedelta(days=days)).isoformat()
            for days in range(_DAYS_OF_UPDATES + _DAYS_OF_CREATIONS)
        ]
        self._future = [(reference_date + timedelta(days=days)).isoformat() for days in range(400)]
        self._times = [f"T{quarter // 4:02}:{quarter % 4 * 15:02}:00" for quarter in range(96)]

    def next_id(self, resource_type: str) -> str:
        """
        The technical id of the next resource of that type, counted in `done`: "100001", "100002"...
        """
        count = self.done.get(resource_type, 0) + 1
        self.done[resource_type] = count
        return str(100_000 + count)

    def number(self, series: str) -> int:
        """The next number of a series, from 1."""
        count = self._numbers.get(series, 0) + 1
        self._numbers[series] = count
        return count

    def days_ago(self, days: int) -> str:
        """The date that many days before the reference date, up to nine years."""
        return self._past[days]

    def in_days(self, days: int) -> str:
        """The date that many days after the reference date, up to a year."""
        return self._future[days]

    def instant(self, days: int) -> str:
        """Some quarter of an hour of the day that many days ago, in UTC."""
        return self._past[days] + self.chance.pick(self._times) + "+00:00"

    def meta(self, profile: str, region: str) -> Json:
        """
        Profile, last update (more often recent, never older than two years) and source region of a
        resource.
        """
        draw = self.chance.random()
        # The square makes half of the directory younger than six months, as a directory that is
        # looked after.
        day = self._past[int(_DAYS_OF_UPDATES * draw * draw)]
        return {
            "profile": (SD + profile,),
            "lastUpdated": f"{day}{self.chance.pick(self._times)}.000+00:00",
            "tag": (coding("J237", region),),
        }

    def creation(self) -> Json:
        """The mandatory extension that says when the record was created, before any update."""
        day = self._past[_DAYS_OF_UPDATES + int(self.chance.random() * _DAYS_OF_CREATIONS)]
        return {"url": SD + "ror-meta-creation-date", "valueDateTime": day + "T09:00:00+00:00"}

    def phone(self, region: str) -> str:
        """A land line of the region that rings nowhere."""
        return f"{FICTION_PHONES[_ZONE_OF_REGION[region]]}{int(self.chance.random() * 10_000):04}"

    def mobile(self) -> str:
        """A mobile number that rings nowhere."""
        return f"{FICTION_PHONES['6']}{int(self.chance.random() * 10_000):04}"

    def finess(self, department: str) -> str:
        """A FINESS number of the département, in the block 9 that does not exist."""
        prefix = department[:2] + "9"
        stem = f"{prefix}{self.number('FINESS ' + prefix):05}"
        return stem + luhn_key(stem)

    def siren(self) -> str:
        """A SIREN that begins with 00, as none does."""
        stem = f"00{self.number('SIREN'):06}"
        return stem + luhn_key(stem)

    def siret(self, siren: str, rank: int) -> str:
        """The establishment of that rank in the company."""
        stem = f"{siren}{rank:04}"
        return stem + luhn_key(stem)

    def adeli(self, department: str) -> str:
        """An ADELI number of the département, for the profession 00 that does not exist."""
        return f"{department[:2]}00{self.number('ADELI ' + department[:2]):05}"

    def rpps(self) -> str:
        """An RPPS number that begins with 99, as none does."""
        stem = f"99{self.number('RPPS'):08}"
        return stem + luhn_key(stem)


def structure_identifiers(kind: str, value: str) -> list[Json]:
    """
    The national identifier of a structure and the number it is made from.

    `kind` is the code of the number in TRE_G07: 0 ADELI practice, 1 FINESS, 2 SIREN, 3 SIRET, 4
    RPPS practice.
    """
    return [
        {
            "type": typed(STRUCTURE_IDENTIFIER_TYPE, "40"),
            "system": "urn:oid:1.2.250.1.71.4.2.2",
            "value": kind + value,
        },
        structure_identifier(kind, value),
    ]


_STRUCTURE_SYSTEMS = {
    "0": "https://adelirang.esante.gouv.fr",
    "1": "https://finess.esante.gouv.fr",
    "2": "https://sirene.fr",
    "3": "https://sirene.fr",
    "4": "https://rppsrang.esante.gouv.fr",
}


def structure_identifier(kind: str, value: str) -> Json:
    """One number of a structure, by its code in TRE_G07."""
    return {
        "type": typed(STRUCTURE_IDENTIFIER_TYPE, kind),
        "system": _STRUCTURE_SYSTEMS[kind],
        "value": value,
    }


def internal_organisation_identifier(value: str) -> Json:
    """The functional identifier of an internal organisation."""
    return {
        "type": typed(OTHER_IDENTIFIER_TYPE, "42"),
        "system": "https://oi.esante.gouv.fr",
        "value": value,
    }


@cache
def template(name: str) -> Fragment:
    """The extension that names, with its version, the entry template a record was typed with."""
    canonical = f"{CANONICAL}Questionnaire/ror-questionnaire-{name}|1"
    return ready(
        {"url": SD + "ror-meta-questionnaire-used-as-a-template", "valueCanonical": canonical}
    )


def closing(code: str) -> Fragment:
    """The extension that says how a structure closed (J201): DEF for good, PRO for a time."""
    return coded(SD + "ror-organization-closing-type", "J201", code)
