"""
The invariants of FHIR R4 that are worth checking on a directory, as a table: type -> rules.

A rule is asked about a node whose structure is already right, and says whether it holds. Those that need the whole
resource (contained resources and the references to them) are in `walk`. Source: the constraints of the R4 definitions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from ror.resources.validation.values import in_order

Node = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """
    One invariant: its key in the standard, and whether a node respects it. Its text is `validation.<key>`.

    It `is_of_shape` when it only asks which members a node has, not what they hold.
    """

    key: str
    holds: Callable[[Node], bool]
    is_of_shape: bool = False


def _has(node: Node, name: str) -> bool:
    """Whether an element is there, be it without a value and only with extensions."""
    return name in node or "_" + name in node


def _requires(name: str, other: str) -> Callable[[Node], bool]:
    return lambda node: name not in node or _has(node, other)


def _ordered(first: str, last: str) -> Callable[[Node], bool]:
    return lambda node: first not in node or last not in node or in_order(node[first], node[last])


def _never_home(name: str) -> Callable[[Node], bool]:
    return lambda node: all(one.get("use") != "home" for one in node.get(name, ()))


def _value_or_extensions(node: Node) -> bool:
    return ("extension" in node) != any(name.startswith(("value", "_value")) for name in node)


def _low_before_high(node: Node) -> bool:
    low, high = node.get("low", {}), node.get("high", {})
    if "value" not in low or "value" not in high:
        return True
    same_unit = all(low.get(name) == high.get(name) for name in ("unit", "code", "system"))
    return not same_unit or bool(low["value"] <= high["value"])


def _items_where_they_belong(item: Node) -> bool:
    kind = item.get("type")
    return not (kind == "group" and "item" not in item) and not (
        kind == "display" and "item" in item
    )


def _link_ids(node: Node) -> Iterator[str]:
    for item in node.get("item", ()):
        if "linkId" in item:
            yield item["linkId"]
        yield from _link_ids(item)


def _link_ids_are_unique(questionnaire: Node) -> bool:
    link_ids = list(_link_ids(questionnaire))
    return len(link_ids) == len(set(link_ids))


_CODED_QUANTITY = (Rule("qty-3", _requires("code", "system"), is_of_shape=True),)

RULES: Final[dict[str, tuple[Rule, ...]]] = {
    "Extension": (Rule("ext-1", _value_or_extensions, is_of_shape=True),),
    "ContactPoint": (Rule("cpt-2", _requires("value", "system"), is_of_shape=True),),
    "Period": (Rule("per-1", _ordered("start", "end")),),
    "Range": (Rule("rng-2", _low_before_high),),
    "Attachment": (Rule("att-1", _requires("data", "contentType"), is_of_shape=True),),
    "Quantity": _CODED_QUANTITY,
    "Age": _CODED_QUANTITY,
    "Count": _CODED_QUANTITY,
    "Distance": _CODED_QUANTITY,
    "Duration": _CODED_QUANTITY,
    "Organization": (
        Rule("org-1", lambda node: _has(node, "name") or "identifier" in node, is_of_shape=True),
        Rule("org-2", _never_home("address")),
        Rule("org-3", _never_home("telecom")),
    ),
    "Task": (Rule("inv-1", _ordered("authoredOn", "lastModified")),),
    "Questionnaire": (Rule("que-2", _link_ids_are_unique),),
    "Questionnaire.item": (Rule("que-1", _items_where_they_belong),),
    "MeasureReport": (
        Rule("mrp-1", lambda node: node.get("type") != "data-collection" or "group" not in node),
    ),
}
