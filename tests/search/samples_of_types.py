"""Values of each FHIR type that a search parameter can read, and whether a search finds them."""

from decimal import Decimal
from typing import Any

_PERIOD = {"start": "2024-01-01", "end": "2024-02"}

VALUES: dict[str, list[tuple[Any, bool]]] = {
    "CodeableConcept": [
        ({"coding": [{"system": "urn:x", "code": "1"}]}, True),
        ({"text": "x"}, True),
    ],
    "Coding": [({"system": "urn:x", "code": "1"}, True), ({"display": "x"}, True)],
    "Identifier": [({"system": "urn:x", "value": "1"}, True), ({"use": "old"}, True)],
    "ContactPoint": [({"system": "phone", "value": "01"}, True), ({"use": "work"}, True)],
    "code": [("active", True)],
    "id": [("x", True)],
    "string": [("x", True)],
    "markdown": [("*x*", True)],
    "boolean": [(True, True), (False, True)],
    "uri": [("urn:x", True)],
    "url": [("http://x.example", True)],
    "oid": [("urn:oid:1.2", True)],
    "uuid": [("urn:uuid:c757873d-ec9a-4326-a141-556f43239520", True)],
    "canonical": [("http://x.example/y|1", True), ("http://x.example/y", True)],
    "HumanName": [
        ({"family": "Ode", "given": ["Anne", None, "Lise"], "prefix": ["Dr"]}, True),
        ({"text": "Anne Ode"}, True),
        ({"use": "old"}, False),
    ],
    "Address": [
        ({"line": ["1 rue x", None], "city": "Paris", "postalCode": "75001"}, True),
        ({"extension": [{"url": "urn:x", "valueCode": "1"}]}, False),
    ],
    "date": [("2024", True), ("2024-05-06", True)],
    "dateTime": [("2024-05-06T07:08:09+02:00", True)],
    "instant": [("2024-05-06T07:08:09.123Z", True)],
    "Period": [(_PERIOD, True), ({"start": "2024"}, True), ({}, True)],
    "Timing": [
        ({"event": ["2024-01-01", "2025"]}, True),
        ({"repeat": {"boundsPeriod": _PERIOD}}, True),
        ({"repeat": {"frequency": 1}}, False),
        ({"code": {"text": "x"}}, False),
    ],
    "integer": [(0, True), (-3, True)],
    "positiveInt": [(1, True)],
    "unsignedInt": [(0, True)],
    "decimal": [(Decimal("2.10"), True)],
    **{
        name: [
            ({"value": Decimal("2.10"), "system": "http://unitsofmeasure.org", "code": "a"}, True),
            ({"value": 2, "unit": "ans"}, True),
            ({"value": 2}, True),
            ({"unit": "a"}, False),
        ]
        for name in ("Quantity", "Age", "Count", "Distance", "Duration")
    },
    "Money": [({"value": 2, "currency": "EUR"}, True), ({"currency": "EUR"}, False)],
    "Reference": [
        ({"reference": "Organization/1"}, True),
        ({"identifier": {"system": "urn:x", "value": "1"}}, True),
        ({"display": "x"}, False),
    ],
    "Location.position": [({"latitude": 1, "longitude": 2}, True), ({"latitude": 1}, False)],
}
