"""
XML to a resource as a dictionary, in one pass over the document.

The order, the number and the names of elements are checked here, and the first fault ends the
reading. What the values must be is the business of validation: a value that is not written as its
type requires ("yes" for a boolean) stays a text, which validation refuses with its path.

The parser is expat, because it tells where in the document an element begins and ends: a narrative
is taken over character by character. Nothing in a document makes it read anything else, and no
document with a DTD reaches it.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, Final, NoReturn
from xml.parsers import expat

import msgspec

from ror.errors import InvalidRequest
from ror.resources.xml.elements import FHIR, XHTML, XmlElement, resource_types, xml_type
from ror.standard.definitions import all_resource_type_names

MAX_DEPTH: Final = 200
"""Elements that may lie inside one another, those of narratives excepted."""

_SEPARATOR: Final = " "
_SCHEMA_LOCATIONS: Final = frozenset(
    f"http://www.w3.org/2001/XMLSchema-instance{_SEPARATOR}{name}"
    for name in ("schemaLocation", "noNamespaceSchemaLocation")
)
"""Attributes that some tools add to the root; they are no part of the resource."""


class NotFhirXml(InvalidRequest):
    """
    A document that is not a resource in XML; `line` counts from 1, `expression` is a FHIRPath.
    """

    issue = "structure"

    def __init__(self, key: str, line: int = 1, expression: str | None = None, **params: object):
        super().__init__(key, expression=expression, line=line, **params)
        self.line = line


def read(document: bytes) -> dict[str, Any]:
    """
    The resource of an XML document, as the dictionary that FHIR JSON has for it.

    The size of the document is for callers to limit. Raises NotFhirXml.

    >>> read(b'<Location xmlns="http://hl7.org/fhir"><id value="1"/></Location>')
    {'resourceType': 'Location', 'id': '1'}
    """
    # UTF-16 would be recognised by the parser; its markup always holds zeros.
    if b"\0" in document:
        raise NotFhirXml("xml.not-utf-8", encoding="UTF-16")
    # Outside comments this can only begin a DTD: attributes cannot hold it, and no other text may.
    at = document.find(b"<!DOCTYPE")
    if at >= 0:
        raise NotFhirXml("xml.dtd", document.count(b"\n", 0, at) + 1)
    return _Reader(document).resource()


# --- values ---------------------------------------------------------------------------------------

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
_decode: Final = msgspec.json.Decoder(float_hook=Decimal).decode

Value = str | bool | int | Decimal


def _boolean(text: str) -> Value:
    return {"true": True, "false": False}.get(text, text)


def _number(text: str) -> Value:
    """The number that JSON would have for this text; the text itself when JSON would have none."""
    if not _NUMBER.fullmatch(text):
        return text
    try:
        number: int | Decimal = _decode(text)
    except (ValueError, ArithmeticError):
        # An exponent that no number has.
        return text
    return number


_VALUES: Final[Mapping[str, Callable[[str], Value]]] = {
    "boolean": _boolean,
    "decimal": _number,
    "integer": _number,
    "positiveInt": _number,
    "unsignedInt": _number,
}


# --- names ----------------------------------------------------------------------------------------

Children = Mapping[str, XmlElement]
"""The elements that may stand somewhere, by namespace and name."""


@cache
def _children(type_name: str) -> Children:
    return {
        _qualified(XHTML if element.kind == "narrative" else FHIR, name): element
        for name, element in xml_type(type_name).elements.items()
    }


@cache
def _roots() -> Children:
    """The elements that are a whole resource."""
    return {
        _qualified(FHIR, name): XmlElement(name, name, "object", name, 0, repeats=False)
        for name in resource_types()
    }


def _qualified(namespace: str, name: str) -> str:
    return f"{namespace}{_SEPARATOR}{name}"


# --- reading --------------------------------------------------------------------------------------


class _Frame:
    """An element whose end was not met yet; `node` has the members read so far."""

    __slots__ = ("children", "depth", "element", "node", "parent", "place", "value")

    def __init__(
        self, parent: "_Frame | None", element: XmlElement, node: dict[str, Any], children: Children
    ) -> None:
        self.parent = parent
        self.element = element
        self.node = node
        self.children = children
        self.depth: int = parent.depth + 1 if parent else 0
        self.place = -1
        """The place of the last element inside it."""
        self.value: Value | None = None
        """The value of a primitive."""


_DOCUMENT: Final = XmlElement("", "", "resource", "Resource", 0, repeats=False)


class _Reader:
    """Reads one document."""

    def __init__(self, document: bytes) -> None:
        self._document = document
        self._frame = _Frame(None, _DOCUMENT, {}, _roots())
        self._narrative_depth = 0
        self._narrative_start = 0
        self._parser = parser = expat.ParserCreate("utf-8", _SEPARATOR)
        parser.buffer_text = True
        parser.XmlDeclHandler = self._on_declaration
        parser.StartElementHandler = self._on_start
        parser.EndElementHandler = self._on_end
        parser.CharacterDataHandler = self._on_text

    def resource(self) -> dict[str, Any]:
        """The resource."""
        try:
            self._parser.Parse(self._document, True)
        except expat.ExpatError as error:
            raise NotFhirXml(
                "xml.not-well-formed",
                error.lineno,
                column=error.offset + 1,
                problem=expat.ErrorString(error.code),
            ) from None
        finally:
            # The parser refers to the methods of this reader, which refers to the parser.
            del self._parser
        return self._frame.node

    def _on_declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.upper() not in ("UTF-8", "UTF8", "US-ASCII"):
            self._refuse("not-utf-8", encoding=encoding[:100])

    def _on_start(self, name: str, attributes: dict[str, str]) -> None:
        if self._narrative_depth:
            self._narrative_depth += 1
            return
        outer = self._frame
        element = outer.children.get(name)
        if element is None:
            self._refuse_name(name)
        if element.place <= outer.place:
            self._check_order(outer, element)
        outer.place = element.place
        if outer.depth >= MAX_DEPTH:
            self._refuse("too-deep", limit=MAX_DEPTH)
        if element.kind == "primitive":
            self._begin_primitive(outer, element, attributes)
        elif element.kind == "object":
            self._begin_object(outer, element, attributes)
        elif element.kind == "resource":
            self._frame = _Frame(outer, element, {}, _roots())
            self._check_attributes(attributes, ())
        else:
            self._frame = _Frame(outer, element, {}, {})
            self._narrative_depth = 1
            self._narrative_start = self._parser.CurrentByteIndex

    def _begin_primitive(
        self, outer: _Frame, element: XmlElement, attributes: dict[str, str]
    ) -> None:
        frame = self._frame = _Frame(outer, element, {}, _children("Element"))
        text = attributes.pop("value", None)
        if text is not None:
            convert = _VALUES.get(element.primitive)
            frame.value = convert(text) if convert else text
        if attributes:
            self._check_attributes(attributes, ("value", "id"))
            frame.node.update(attributes)

    def _begin_object(self, outer: _Frame, element: XmlElement, attributes: dict[str, str]) -> None:
        type_name = element.type_name
        is_resource = outer.element.kind == "resource"
        node: dict[str, Any] = {"resourceType": type_name} if is_resource else {}
        frame = self._frame = _Frame(outer, element, node, _children(type_name))
        if attributes:
            if outer.parent is None:
                for name in _SCHEMA_LOCATIONS & attributes.keys():
                    del attributes[name]
            self._check_attributes(attributes, xml_type(type_name).attributes)
            frame.node.update(attributes)

    def _on_end(self, name: str) -> None:
        if self._narrative_depth > 1:
            self._narrative_depth -= 1
            return
        frame = self._frame
        outer, element = frame.parent, frame.element
        assert outer is not None, "an element ends inside the document"
        value: Any
        if self._narrative_depth:
            self._narrative_depth = 0
            value = self._narrative()
        elif element.kind == "primitive":
            self._end_primitive(outer, frame)
            self._frame = outer
            return
        else:
            value = frame.node
            if not value or (len(value) == 1 and "resourceType" in value):
                self._refuse("empty", name=element.name)
        if outer.element.kind == "resource":
            outer.node = value
        elif element.repeats:
            outer.node.setdefault(element.name, []).append(value)
        else:
            outer.node[element.name] = value
        self._frame = outer

    def _end_primitive(self, outer: _Frame, frame: _Frame) -> None:
        """Give the outer object a primitive value, and its id and extensions as `_name`."""
        name, value, sibling = frame.element.name, frame.value, frame.node
        if value is None and not sibling:
            self._refuse("empty", name=name)
        if not frame.element.repeats:
            if value is not None:
                outer.node[name] = value
            if sibling:
                outer.node["_" + name] = sibling
            return
        # Both arrays, where there are both, are as long: null stands for what is missing.
        values, siblings = outer.node.get(name), outer.node.get("_" + name)
        count = len(values or siblings or ())
        if values is None and value is not None:
            values = outer.node[name] = [None] * count
        if siblings is None and sibling:
            siblings = outer.node["_" + name] = [None] * count
        if values is not None:
            values.append(value)
        if siblings is not None:
            siblings.append(sibling or None)

    def _on_text(self, text: str) -> None:
        if not self._narrative_depth and text.strip(" \t\r\n"):
            self._refuse("text", text=text.strip()[:100])

    # --- narrative --------------------------------------------------------------------------------

    def _narrative(self) -> str:
        """
        The narrative as it stands in the document.

        It must mean the same alone: a namespace that is declared further up is declared on it.
        """
        start_tag = _DIV.match(self._document, self._narrative_start)
        assert start_tag is not None, "the parser found a div here"
        end = start_tag.end()
        if not start_tag[0].endswith(b"/>"):
            end = self._document.index(b">", self._parser.CurrentByteIndex) + 1
        text = self._document[self._narrative_start : end]
        prefix = start_tag["prefix"]
        if prefix:
            text = re.sub(b"(</?)" + re.escape(prefix), rb"\1", text)
        if prefix or not _DECLARES_NAMESPACE.search(start_tag[0]):
            text = b'<div xmlns="%b"%b' % (XHTML.encode(), text.removeprefix(b"<div"))
        return text.decode()

    # --- faults -----------------------------------------------------------------------------------

    def _refuse(self, key: str, inside: str = "", **params: object) -> NoReturn:
        """Raise NotFhirXml for the present element, or for the one named `inside` it."""
        path = ".".join(filter(None, (self._path(self._frame), inside)))
        raise NotFhirXml(f"xml.{key}", self._parser.CurrentLineNumber, path or None, **params)

    def _refuse_name(self, name: str) -> NoReturn:
        """Say what is wrong with the name or the namespace of an element."""
        namespace, _, local = name.rpartition(_SEPARATOR)
        local, frame = local[:100], self._frame
        is_narrative = any(_qualified(XHTML, local) == one for one in frame.children)
        expected = XHTML if is_narrative else FHIR
        if namespace != expected:
            self._refuse("namespace", name=local, namespace=namespace[:200], expected=expected)
        if frame.element.kind != "resource":
            type_name = frame.element.primitive or frame.element.type_name
            self._refuse("unknown-element", local, name=local, type=type_name)
        is_type = local in all_resource_type_names()
        self._refuse("no-table" if is_type else "not-a-resource", type=local)

    def _check_order(self, outer: _Frame, element: XmlElement) -> None:
        """Refuse an element that comes after those it should come before, or comes again."""
        name = element.path_name
        if element.place < outer.place:
            after = next(
                one.path_name for one in outer.children.values() if one.place == outer.place
            )
            self._refuse("order", name, name=name, after=after)
        if not element.repeats:
            self._refuse("repeated", name, name=name)

    def _check_attributes(self, attributes: dict[str, str], allowed: tuple[str, ...]) -> None:
        for name in attributes:
            if name not in allowed:
                local = name.rpartition(_SEPARATOR)[2]
                names = ", ".join(allowed) or "-"
                self._refuse("unknown-attribute", name=local[:100], allowed=names)

    def _path(self, frame: _Frame) -> str:
        """The FHIRPath of an element; the type of a resource inside another is no part of it."""
        parts: list[str] = []
        while frame.parent is not None:
            outer, element = frame.parent, frame.element
            if outer.element.kind != "resource" or outer.parent is None:
                index = f"[{_count(outer.node, element.name)}]" if element.repeats else ""
                parts.append(element.path_name + index)
            frame = outer
        return ".".join(reversed(parts))


_DIV: Final = re.compile(rb"<(?P<prefix>[^\s/>:]+:)?div(?:[^>\"']|\"[^\"]*\"|'[^']*')*>")
_DECLARES_NAMESPACE: Final = re.compile(rb"\sxmlns\s*=")


def _count(node: Mapping[str, Any], name: str) -> int:
    """How many values an object has under this name, ids and extensions alone included."""
    return max(len(node.get(name) or ()), len(node.get("_" + name) or ()))
