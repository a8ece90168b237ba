"""
A resource, as a dictionary or as a JSON body, to XML.

The members of an object come in few combinations. How one is written is worked out when it is
first met, and kept as a list of steps, one for each element in the order of the standard.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from itertools import zip_longest
from typing import Any, Final

import msgspec

from ror.errors import NotAcceptable
from ror.resources.validation.values import is_narrative, without_html_entities
from ror.resources.xml.elements import FHIR, XmlElement, resource_types, xml_type

Step = Callable[[Mapping[str, Any], str], str]
"""The XML of one member of an object; the text is the line break and the indent before each tag."""

DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'

_MAX_SHAPES: Final = 1_024
"""Combinations of members that are kept for each type; bounded, because clients choose them."""

_decode: Final = msgspec.json.Decoder(float_hook=Decimal).decode


class NotWritable(NotAcceptable):
    """The resource has a part that cannot be written in XML."""


def written(resource: Mapping[str, Any], *, is_pretty: bool = False) -> bytes:
    """
    The XML of a resource, in UTF-8; `is_pretty` indents it.

    Raises NotWritable for a type or an element without a table, and for a value of the wrong kind.

    >>> written({"resourceType": "Location", "id": "1"}).decode().partition("\\n")[2]
    '<Location xmlns="http://hl7.org/fhir"><id value="1"/></Location>'
    """
    content = _resource(resource, f' xmlns="{FHIR}"', "\n" if is_pretty else "")
    return f"{DECLARATION}{content.lstrip()}".encode()


def from_json(body: bytes, *, is_pretty: bool = False) -> bytes:
    """
    The XML of a resource that is given as JSON.

    The entries of a Bundle are decoded one at a time, so that a large one takes little memory.
    """
    members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    entries = members.pop("entry", None)
    resource = {name: _decode(value) for name, value in members.items()}
    if entries is not None:
        resource["entry"] = map(_decode, msgspec.json.decode(entries, type=list[msgspec.Raw]))
    return written(resource, is_pretty=is_pretty)


# --- objects --------------------------------------------------------------------------------------


def _resource(resource: Mapping[str, Any], attributes: str, line: str) -> str:
    type_name = resource.get("resourceType")
    if type_name not in resource_types():
        raise NotWritable("xml.no-table", type=str(type_name)[:100])
    content = _content(resource, type_name, line and line + "  ")
    return f"{line}<{type_name}{attributes}>{content}{line}</{type_name}>"


def _content(node: Mapping[str, Any], type_name: str, line: str) -> str:
    return "".join([step(node, line) for step in _writer(type_name).steps(tuple(node))])


@dataclass(frozen=True, slots=True)
class _Writer:
    """How the objects of a type are written; `known` has the steps of the shapes met so far."""

    type_name: str
    known: dict[tuple[str, ...], Sequence[Step]]

    def steps(self, shape: tuple[str, ...]) -> Sequence[Step]:
        """The steps that write an object with these members, attributes excepted."""
        steps = self.known.get(shape)
        if steps is None:
            if len(self.known) >= _MAX_SHAPES:
                self.known.clear()
            steps = self.known[shape] = self._steps(shape)
        return steps

    def _steps(self, shape: tuple[str, ...]) -> Sequence[Step]:
        definition = xml_type(self.type_name)
        names = dict.fromkeys(name.removeprefix("_") for name in shape)
        for name in definition.attributes:
            names.pop(name, None)
        if self.type_name in resource_types():
            names.pop("resourceType", None)
        unknown = [name for name in names if name not in definition.elements]
        if unknown:
            raise NotWritable("xml.no-element", type=self.type_name, name=unknown[0][:100])
        elements = sorted(map(definition.elements.__getitem__, names), key=lambda one: one.place)
        return tuple(_step(element, "_" + element.name in shape) for element in elements)


@cache
def _writer(type_name: str) -> _Writer:
    return _Writer(type_name, {})


def _attributes_of(node: Mapping[str, Any], type_name: str) -> str:
    return "".join(
        f' {name}="{_text(node[name])}"' for name in xml_type(type_name).attributes if name in node
    )


# --- members --------------------------------------------------------------------------------------


def _step(element: XmlElement, has_sibling: bool) -> Step:
    """
    How a member is written; `has_sibling` when a `_name` may give its values an id or extensions.
    """
    name, sibling_name = element.name, "_" + element.name
    if has_sibling:
        return lambda node, line: "".join(
            _with_sibling(element, value, sibling, line)
            for value, sibling in zip_longest(
                _values(node.get(name)), _values(node.get(sibling_name))
            )
        )
    write = _WRITERS[element.kind]
    if element.repeats:
        return lambda node, line: "".join(
            [write(element, value, line) for value in _repeated(element, node[name])]
        )
    return lambda node, line: write(element, node[name], line)


def _values(member: Any) -> Sequence[Any]:
    """The values of a member, which may be absent or may not repeat."""
    return member if isinstance(member, list) else [member]


def _repeated(element: XmlElement, values: Any) -> Iterable[Any]:
    if isinstance(values, str | Mapping) or not isinstance(values, Iterable):
        raise NotWritable("xml.wrong-kind", name=element.name)
    return values


def _primitive(element: XmlElement, value: Any, line: str) -> str:
    return f'{line}<{element.name} value="{_text(value)}"/>'


def _with_sibling(element: XmlElement, value: Any, sibling: Any, line: str) -> str:
    """A primitive value with its id and its extensions; either may be missing."""
    sibling = sibling or {}
    attributes = _attributes_of(sibling, "Element")
    if value is not None:
        attributes += f' value="{_text(value)}"'
    content = _content(sibling, "Element", line and line + "  ")
    if not content:
        return f"{line}<{element.name}{attributes}/>"
    return f"{line}<{element.name}{attributes}>{content}{line}</{element.name}>"


def _object(element: XmlElement, value: Any, line: str) -> str:
    if not isinstance(value, Mapping):
        raise NotWritable("xml.wrong-kind", name=element.name)
    attributes = _attributes_of(value, element.type_name)
    content = _content(value, element.type_name, line and line + "  ")
    if not content:
        return f"{line}<{element.name}{attributes}/>"
    return f"{line}<{element.name}{attributes}>{content}{line}</{element.name}>"


def _inner_resource(element: XmlElement, value: Any, line: str) -> str:
    if not isinstance(value, Mapping):
        raise NotWritable("xml.wrong-kind", name=element.name)
    content = _resource(value, "", line and line + "  ")
    return f"{line}<{element.name}>{content}{line}</{element.name}>"


def _narrative(element: XmlElement, value: Any, line: str) -> str:
    """
    A narrative as it was sent, but for the entities of HTML, which XML does not know.

    What is not well formed would change the meaning of what follows, so it is judged again.
    """
    if not isinstance(value, str) or not is_narrative(value):
        raise NotWritable("xml.wrong-kind", name=element.name)
    return line + without_html_entities(value.strip())


_WRITERS: Final = {
    "primitive": _primitive,
    "object": _object,
    "resource": _inner_resource,
    "narrative": _narrative,
}


# --- values ---------------------------------------------------------------------------------------

_TO_ESCAPE: Final = re.compile('[&<>"\x00-\x1f\ud800-\udfff\ufffe\uffff]')
_ESCAPED: Final = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "\t": "&#9;",
    "\n": "&#10;",
    "\r": "&#13;",
}


def _text(value: Any) -> str:
    """
    A value as the content of an attribute.

    XML has no way to write some control characters. No valid resource has any; in a message that
    repeats what a client sent, U+FFFD stands for them.
    """
    if value.__class__ is str:
        return _TO_ESCAPE.sub(_escape, value) if _TO_ESCAPE.search(value) else value
    if value.__class__ is bool:
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return str(value)
    raise NotWritable("xml.wrong-kind", name=str(value)[:100])


def _escape(character: re.Match[str]) -> str:
    return _ESCAPED.get(character[0], "\ufffd")
