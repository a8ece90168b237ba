"""
The extensions that neither a rule of the matrix nor the guide knows, at any depth of a resource.

An extension is known when the guide defines its URL, when a profile of the guide uses it, or when a
rule governs its name. A relative URL names a part of the extension around it and is known where
that extension is. A narrative and what is contained are not looked into: a rule hides them whole.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, Final

from ror.access.governed import is_governed, name_in
from ror.access.parts import UNGOVERNED, GovernedItem, GovernedParts
from ror.access.policy import Code, unknown_in
from ror.standard.definitions import extensions, profiles

_MEMBERS: Final = ("extension", "modifierExtension")
_HIDDEN_WHOLE: Final = ("text", "contained")
_URL: Final = re.compile(rb'"url":"([^"]*)')
_RELATIVE: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]*")


def with_unknown_extensions(
    resource: Mapping[str, Any], written: bytes, governed: GovernedParts
) -> GovernedParts:
    """
    The governed parts of a resource, its unknown extensions included; `written` is it, as our JSON.

    >>> place = {"resourceType": "Location", "extension": [{"url": "urn:x", "valueCode": "x"}]}
    >>> with_unknown_extensions(place, b'"url":"urn:x"', {})
    {'extension': [GovernedItem(code=160, inside=None, keeps_place=False)]}
    """
    # Most resources have known extensions only. If as many parts stand in known extensions as there
    # are relative URLs, there is nothing to hide: counting is faster than looking for it.
    parts = sum(map(_WEIGHTS.__getitem__, _URL.findall(written)))
    if not parts or (
        parts < _UNKNOWN
        and (
            parts == _parts(resource.get("extension", ()), is_inside=False)
            or parts == _parts_at_any_depth(resource)
        )
    ):
        return governed
    looked_into = {name: each for name, each in resource.items() if name not in _HIDDEN_WHOLE}
    return _below(looked_into, governed, 0, is_known=False)


# The weights of the URLs of known extensions, of parts of them, and of all others. The last is more
# than the number of extensions that a resource can hold.
_KNOWN: Final = 0
_PART: Final = 1
_UNKNOWN: Final = 1_000_000


class _Weights(dict[bytes | str, int]):
    """The weight of each URL; bounded, because the sender of a resource chooses its URLs."""

    _most: Final = 8192

    def __missing__(self, url: bytes | str) -> int:
        if len(self) >= self._most:
            self.clear()
        text = url.decode() if isinstance(url, bytes) else url
        is_relative = _RELATIVE.fullmatch(text) is not None
        self[url] = _KNOWN if is_known(text) else _PART if is_relative else _UNKNOWN
        return self[url]


_WEIGHTS: Final = _Weights()


@lru_cache(maxsize=8192)
def is_known(url: str) -> bool:
    """Whether the guide or a rule knows an extension by its URL, with `http` or `https`."""
    return _without_scheme(url) in _known() or is_governed(name_in(url))


@cache
def _known() -> frozenset[str]:
    used = (
        element.profile
        for profile in (*profiles().values(), *extensions().values())
        for element in profile.elements
        if element.profile and element.types == ("Extension",)
    )
    return frozenset(map(_without_scheme, (*extensions(), *used)))


def _without_scheme(url: str) -> str:
    return url.removeprefix("https://").removeprefix("http://")


def _parts(extensions: Sequence[Mapping[str, Any]], is_inside: bool) -> int:
    """How many parts known extensions have; extensions in their values do not count."""
    count = 0
    for extension in extensions:
        weight = _WEIGHTS[extension["url"]]
        if weight == _KNOWN or (is_inside and weight == _PART):
            count += weight
            if "extension" in extension:
                count += _parts(extension["extension"], is_inside=True)
    return count


def _parts_at_any_depth(node: Mapping[str, Any], is_inside: bool = False) -> int:
    """How many parts the known extensions below a node have."""
    count = 0
    for member, value in node.items():
        for item in value if value.__class__ is list else (value,):
            if item.__class__ is not dict:
                continue
            is_extension = member in _MEMBERS
            if is_extension:
                weight = _WEIGHTS[item["url"]]
                if weight == _UNKNOWN or (weight == _PART and not is_inside):
                    continue
                count += weight
            count += _parts_at_any_depth(item, is_extension)
    return count


# --- at any depth ---------------------------------------------------------------------------------


def _below(
    node: Mapping[str, Any], governed: GovernedParts, code: Code, is_known: bool
) -> GovernedParts:
    """
    The governed parts of a node that stands in a part of this code.

    `is_known` says whether the node is a known extension, whose parts have relative URLs.
    """
    found = dict(governed)
    for member, value in node.items():
        if not isinstance(value, dict | list):
            continue
        items = value if isinstance(value, list) else [value]
        before = governed.get(member) or [UNGOVERNED] * len(items)
        after = [
            _governed_item(member, item, part, code, is_known)
            for item, part in zip(items, before, strict=True)
        ]
        if any(part is not UNGOVERNED for part in after):
            found[member] = after
    for member in [name for name in found if name.startswith("_")]:
        if isinstance(node[member], list):
            _keep_places(node, member, found, unknown_in(code))
    return found


def _governed_item(
    member: str, item: Any, part: GovernedItem, code: Code, is_in_known: bool
) -> GovernedItem:
    if not isinstance(item, dict):
        return part
    unknown = unknown_in(part.code or code)
    is_extension = member in _MEMBERS
    if is_extension and not _is_known_here(item["url"], is_in_known):
        return GovernedItem(unknown)
    inside = _below(item, part.inside or {}, part.code or code, is_extension)
    if not inside:
        return part
    # What holds nothing but unknown extensions goes with them: an extension without a value,
    # an element without content are not valid.
    others = [name for name in item if name not in inside and not (is_extension and name == "url")]
    is_unknown = not others and all(each.code == unknown for each in _all_items(inside))
    # `meta` stays: it gets the version and the tag of a part.
    if is_unknown and member != "meta":
        return GovernedItem(unknown)
    return GovernedItem(part.code, inside)


def _is_known_here(url: str, is_in_known: bool) -> bool:
    return is_known(url) or (is_in_known and _RELATIVE.fullmatch(url) is not None)


def _all_items(governed: GovernedParts) -> list[GovernedItem]:
    return [part for items in governed.values() for part in items]


def _keep_places(
    node: Mapping[str, Any], member: str, governed: dict[str, Any], code: Code
) -> None:
    """
    Tell, for the array beside an array of primitives, which of its items leave a null.

    An item of `_given` stands for the one of `given` in the same place. Where that has no value,
    both go; where nothing is left of `_given`, the whole of it goes.
    """
    values: Sequence[Any] = node.get(member[1:]) or ()
    items: list[GovernedItem] = governed[member]
    is_alone = [
        part.code == code and (place >= len(values) or values[place] is None)
        for place, part in enumerate(items)
    ]
    if any(is_alone[: len(values)]):
        governed[member[1:]] = [
            GovernedItem(code) if place < len(is_alone) and is_alone[place] else UNGOVERNED
            for place in range(len(values))
        ]
    is_empty = all(
        item is None or part.code == code for item, part in zip(node[member], items, strict=True)
    )
    governed[member] = [
        GovernedItem(code)
        if is_empty
        else part._replace(keeps_place=part.code == code and not alone)
        for part, alone in zip(items, is_alone, strict=True)
    ]
