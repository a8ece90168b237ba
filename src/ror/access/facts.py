"""
Facts about the offers linked to a resource, on which access to the resource depends.

Facts are bits. An offer has its own: whether it is sensitive, and its fields of activity. They
travel along references to places, roles, professionals and structures, which combine the facts of
their offers. The store updates them in the transaction that writes an offer or a reference.

Source: the mapping comments of the guide (`uniteSensible`, `champActivite`); choice 17.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

from ror.access.governed import SENSITIVE_UNIT, name_of_extension

SENSITIVE: Final = 1
FIELDS: Final[Mapping[str, int]] = {"01": 2, "02": 4, "03": 8, "04": 16, "05": 32}
"""The bit of each field of activity (TRE_R227): MCO, SMR, psychiatry, médico-social, ville."""
OTHER_FIELD: Final = 64
"""The bit of an offer whose field of activity is absent or unknown."""
ANY_FIELD: Final = OTHER_FIELD | sum(FIELDS.values())
MEDICO_SOCIAL: Final = FIELDS["04"]
VILLE: Final = FIELDS["05"]

Direction = Literal["along", "against"]

FLOWS: Final[Mapping[tuple[str, str], Direction]] = {
    ("HealthcareService", "Location"): "along",
    ("HealthcareService", "Organization"): "along",
    ("Organization", "Organization"): "along",
    ("PractitionerRole", "HealthcareService"): "against",
    ("PractitionerRole", "Practitioner"): "along",
}
"""
The direction in which facts travel along a reference, by its source and target types.
"""


def own_facts(resource: Mapping[str, Any]) -> int:
    """
    The own facts of an offer; 0 for other resources.

    An offer is sensitive if its flag is true, or has a value that is not understood.

    >>> own_facts({"resourceType": "Location"})
    0
    """
    if resource["resourceType"] != "HealthcareService":
        return 0
    facts = 0
    for extension in resource.get("extension", ()):
        if (
            name_of_extension(extension) == SENSITIVE_UNIT
            and extension.get("valueBoolean") is not False
        ):
            facts = SENSITIVE
    codes = [
        coding.get("code")
        for concept in resource.get("type", ())
        for coding in concept.get("coding", ())
    ]
    for code in codes or [None]:
        facts |= FIELDS.get(code, OTHER_FIELD)
    return facts
