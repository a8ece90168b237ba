"""
Extensions that a rule governs, where no rule looks for them: nobody would be kept from reading what they say.

An extension says itself where it may stand, so that one that stands elsewhere is refused, and not guarded there.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from ror.access.facts import SENSITIVE_UNIT, name_of_extension
from ror.access.policy import element_rows

_NOWHERE: Final = ""
"""What stands neither in the resource itself nor in an extension that may hold others."""


class Misplaced(NamedTuple):
    """An extension where it does not belong: its FHIRPath, its name, and where it belongs."""

    path: str
    name: str
    belongs: str


def misplaced(resource: Mapping[str, Any], written: bytes) -> list[Misplaced]:
    """
    The governed extensions of a valid resource that stand elsewhere than a rule says; `written` is it, as our JSON.

    What is contained may say anything: a rule governs it as a whole.

    >>> import json
    >>> flag = {"url": "https://example.org/ror-healthcareservice-sensitive-unit", "valueBoolean": True}
    >>> offer = {"resourceType": "HealthcareService", "modifierExtension": [flag]}
    >>> [one.path for one in misplaced(offer, json.dumps(offer).encode())]
    ['HealthcareService.modifierExtension[0]']
    """
    named, resource_type = len(_names().findall(written)), resource["resourceType"]
    # Most name none, and nearly all have them where they belong: those are not walked.
    if not named or named == _in_place(resource.get("extension", ()), resource_type, None):
        return []
    root = {member: value for member, value in resource.items() if member != "contained"}
    return list(_astray(root, resource_type, resource_type, None))


@cache
def _places() -> Mapping[tuple[str, str | None, str], str]:
    """Where each governed extension may stand, in words: by type, by the extension that it stands in, by its name."""
    keys = {
        (row["type"], row.get("within"), row["extension"])
        for row in element_rows()
        if "extension" in row
    }
    keys.add(("HealthcareService", None, SENSITIVE_UNIT))
    return {
        key: f"{key[0]}.extension" + (f"({key[1]}).extension" if key[1] else "") for key in keys
    }


@cache
def _names() -> re.Pattern[bytes]:
    """What finds the names of governed extensions in JSON, and may find more."""
    # Without the sign before it, which would keep `re` from searching for what all the names begin with.
    names = sorted({re.escape(name) for _, _, name in _places()})
    return re.compile(rf'(?:{"|".join(names)})[|"]'.encode())


def _in_place(
    extensions: Iterable[Mapping[str, Any]], resource_type: str, within: str | None
) -> int:
    """How many of these extensions, and of those inside them, stand where a rule says."""
    names = [(one, name_of_extension(one)) for one in extensions]
    placed = [(one, name) for one, name in names if (resource_type, within, name) in _places()]
    return len(placed) + sum(
        _in_place(one.get("extension", ()), resource_type, name) for one, name in placed
    )


def _astray(
    node: Mapping[str, Any], path: str, resource_type: str, within: str | None
) -> Iterator[Misplaced]:
    """Those below a node that stand nowhere; `within` is the governed extension that the node is, None at the root."""
    for member, value in node.items():
        element = f"{path}.{member.removeprefix('_')}"
        for number, item in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(item, dict):
                continue
            here = f"{element}[{number}]" if isinstance(value, list) else element
            name = (
                name_of_extension(item)
                if member in ("extension", "modifierExtension")
                else _NOWHERE
            )
            is_placed = member == "extension" and (resource_type, within, name) in _places()
            belongs = sorted(words for key, words in _places().items() if key[2] == name)
            if belongs and not is_placed:
                yield Misplaced(here, name, ", ".join(belongs))
            yield from _astray(item, here, resource_type, name if is_placed else _NOWHERE)
