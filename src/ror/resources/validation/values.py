"""
The values that the primitive types of FHIR R4 accept: one table for the fast and the full check.

The table is stricter than the published regular expressions where these accept unusable values:
30 February, control characters, the start of a date. Values are those of decoded JSON: str, bool,
int and Decimal.
Source: FHIR R4, datatypes.html and references.html.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from html.entities import html5
from typing import Any, Final
from xml.parsers import expat

from ror.standard.definitions import all_resource_type_names

LARGEST_INTEGER: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Primitive:
    """
    A primitive type: the Python classes of its JSON value, and a function that accepts values.

    `is_cacheable` is true for types whose values are often repeated (codes, URLs).
    """

    classes: tuple[type, ...]
    accepts: Callable[[Any], bool]
    is_cacheable: bool = False


# Every character that XML allows; a string may contain line ends and tabs.
_CHARACTER = r"[^\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]"
_SIGN = r"[^\s\x00-\x1f\ud800-\udfff\ufffe\uffff]"
_ID = r"[A-Za-z0-9\-.]{1,64}"

_YEAR = r"(?!0000)[0-9]{4}"
_LEAP_YEAR = r"(?!0000)(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
_DAY_OF_ANY_YEAR = (
    r"(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
_DAY = rf"(?:{_YEAR}-{_DAY_OF_ANY_YEAR}|{_LEAP_YEAR}-02-29)"
_MONTH = rf"{_YEAR}-(?:0[1-9]|1[0-2])"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
_ZONE = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_INSTANT = rf"{_DAY}T{_TIME}{_ZONE}"


def _full_match(pattern: str) -> Callable[[str], bool]:
    """A function that says whether a pattern matches a whole string."""
    fullmatch = re.compile(pattern).fullmatch
    return lambda text: fullmatch(text) is not None


_is_long_text = _full_match(rf"{_CHARACTER}+")


def is_text(value: str) -> bool:
    """Whether a string is not empty and has only characters that XML allows."""
    return (value.isprintable() and value != "") or _is_long_text(value)


def is_base64(value: str) -> bool:
    """
    Whether a string is base64, white space allowed.

    The published regular expression takes exponential time on some strings.
    """
    digits = re.sub(r"\s", "", value)
    return (
        digits != ""
        and len(digits) % 4 == 0
        and re.fullmatch(r"[A-Za-z0-9+/]*={0,2}", digits) is not None
    )


def _integer_between(least: int, most: int) -> Callable[[int], bool]:
    return lambda value: least <= value <= most


# --- narrative ------------------------------------------------------------------------------------

XHTML_NAMESPACE: Final = "http://www.w3.org/1999/xhtml"

# FHIR R4, narrative.html, txt-1: formatting only; no scripts, frames or forms.
_NARRATIVE_ELEMENTS: Final = re.compile(
    "a|abbr|acronym|b|big|blockquote|br|caption|cite|code|col|colgroup|dd|dfn|div|dl|dt|em"
    "|h[1-6]|hr|i|img|kbd|li|ol|p|pre|q|samp|small|span|strong|sub|sup|table|tbody|td|tfoot|th"
    "|thead|tr|tt|ul|var"
)
_HTML_ENTITY = re.compile(r"&(?!(?:amp|lt|gt|quot|apos);)([A-Za-z][A-Za-z0-9]*;)")


def is_narrative(value: str) -> bool:
    """
    Whether a string is one XHTML `div` of formatting elements that is not blank.

    Browsers parse it as HTML, so constructs that HTML and XML delimit differently are refused:
    processing instructions, CDATA, comments that HTML takes for empty.

    >>> is_narrative('<div xmlns="http://www.w3.org/1999/xhtml">Bonjour&nbsp;!</div>')
    True
    >>> is_narrative('<div xmlns="http://www.w3.org/1999/xhtml"><script>x</script></div>')
    False
    """
    has_content = False
    depth = 0

    def on_start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, has_content
        namespace, _, local = name.rpartition(" ")
        is_allowed = _NARRATIVE_ELEMENTS.fullmatch(local) if depth else local == "div"
        if namespace != XHTML_NAMESPACE or not is_allowed:
            raise ValueError(name)
        if any(_is_active_content(*item) for item in attributes.items()):
            raise ValueError(name)
        has_content = has_content or local == "img"
        depth += 1

    def on_end(_: str) -> None:
        nonlocal depth
        depth -= 1

    def on_text(text: str) -> None:
        nonlocal has_content
        has_content = has_content or not text.isspace()

    def on_comment(text: str) -> None:
        if text.startswith((">", "->")):
            raise ValueError("a comment that HTML takes for empty")

    def on_forbidden_markup(*_: object) -> None:
        raise ValueError("an XML declaration, a document type, a processing instruction or CDATA")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler = on_start, on_end
    parser.CharacterDataHandler, parser.CommentHandler = on_text, on_comment
    parser.StartDoctypeDeclHandler = parser.ProcessingInstructionHandler = on_forbidden_markup
    parser.StartCdataSectionHandler = parser.XmlDeclHandler = on_forbidden_markup
    try:
        parser.Parse(without_html_entities(value), True)
    except (expat.ExpatError, ValueError):
        return False
    return has_content


def without_html_entities(narrative: str) -> str:
    """
    A narrative with numeric references instead of the entities that only HTML defines.

    >>> without_html_entities("&eacute;&amp;&nbsp;")
    '&#233;&amp;&#160;'
    """
    return _HTML_ENTITY.sub(_numeric_references, narrative)


def _numeric_references(entity: re.Match[str]) -> str:
    """
    An HTML entity as numeric references, because expat supports only those of XML.

    An unknown entity stays as it is, for expat to refuse. The result is never the character itself:
    `&LT;` would become markup.
    """
    return "".join(f"&#{ord(character)};" for character in html5.get(entity[1], "")) or entity[0]


def _is_active_content(attribute: str, value: str) -> bool:
    """Whether an attribute is an event handler or a script URL; browsers ignore spaces in URLs."""
    return (
        attribute.lower().startswith("on") or "script:" in re.sub(r"[\x00-\x20]", "", value).lower()
    )


# --- references -----------------------------------------------------------------------------------

_relative = re.compile(rf"([A-Za-z]+)/{_ID}(?:/_history/{_ID})?").fullmatch
_absolute = re.compile(rf"[A-Za-z][A-Za-z0-9+.\-]*:{_SIGN}+").fullmatch
_absolute_with_type = re.compile(
    rf"https?://{_SIGN}*?/([A-Z][A-Za-z]+)/{_ID}(?:/_history/{_ID})?"
).fullmatch


def is_reference(value: str) -> bool:
    """
    Whether a string is a literal reference: `Type/id`, with or without a version, an absolute URL
    or URN, or `#id`.

    >>> [is_reference(text) for text in ("Location/l1", "Organization", "urn:uuid:0", "Lieu/l1")]
    [True, False, True, False]
    """
    relative = _relative(value)
    if relative:
        return relative[1] in all_resource_type_names()
    return value.startswith("#") or _absolute(value) is not None


def referenced_type(value: str) -> str | None:
    """The resource type that a literal reference names; None if it names none."""
    named = _relative(value) or _absolute_with_type(value)
    return named[1] if named and named[1] in all_resource_type_names() else None


def may_refer_to(reference: dict[str, Any], targets: Collection[str]) -> bool:
    """Whether a well-formed Reference may refer to a resource of one of these types."""
    literal, declared = reference.get("reference"), reference.get("type")
    named = referenced_type(literal) if literal else None
    return all(
        kind is None or kind in targets or kind not in all_resource_type_names()
        for kind in (named, declared)
    )


# --- dates ----------------------------------------------------------------------------------------


def is_not_after(start: str, end: str) -> bool:
    """
    Whether a valid date or dateTime is not after another; True if precision or time zone leave it
    open.

    >>> is_not_after("2024-05", "2024-05-01"), is_not_after("2024-06", "2024-05-31")
    (True, False)
    >>> is_not_after("2024-05-02", "2024-05-01")
    False
    """
    if "T" in start and "T" in end:
        first, last = _instant(start), _instant(end)
        return first is None or last is None or first <= last
    shared = min(len(start), len(end), 10)
    if start[:shared] <= end[:shared]:
        return True
    if "T" in start or "T" in end:
        # A day without a time zone may begin up to 14 hours before or after a day in UTC.
        return (
            shared == 10
            and (date.fromisoformat(start[:10]) - date.fromisoformat(end[:10])).days <= 1
        )
    return False


def _instant(text: str) -> datetime | None:
    """A dateTime with its time zone; None for a leap second, which `datetime` cannot hold."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


# --- the table ------------------------------------------------------------------------------------

_is_uri = _full_match(rf"{_SIGN}+")

PRIMITIVES: Final[dict[str, Primitive]] = {
    "base64Binary": Primitive((str,), is_base64),
    "boolean": Primitive((bool,), lambda value: True),
    "canonical": Primitive((str,), _is_uri, is_cacheable=True),
    "code": Primitive((str,), _full_match(rf"{_SIGN}+(?: {_SIGN}+)*"), is_cacheable=True),
    "date": Primitive((str,), _full_match(rf"{_DAY}|{_MONTH}|{_YEAR}")),
    "dateTime": Primitive((str,), _full_match(rf"{_INSTANT}|{_DAY}|{_MONTH}|{_YEAR}")),
    "decimal": Primitive((int, Decimal), lambda value: True),
    "id": Primitive((str,), _full_match(_ID)),
    "instant": Primitive((str,), _full_match(_INSTANT)),
    "integer": Primitive((int,), _integer_between(-LARGEST_INTEGER - 1, LARGEST_INTEGER)),
    "markdown": Primitive((str,), is_text),
    "oid": Primitive((str,), _full_match(r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+")),
    "positiveInt": Primitive((int,), _integer_between(1, LARGEST_INTEGER)),
    "string": Primitive((str,), is_text),
    "time": Primitive((str,), _full_match(_TIME)),
    "unsignedInt": Primitive((int,), _integer_between(0, LARGEST_INTEGER)),
    "uri": Primitive((str,), _is_uri, is_cacheable=True),
    "url": Primitive((str,), _is_uri, is_cacheable=True),
    "uuid": Primitive((str,), _full_match(r"urn:uuid:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")),
    "xhtml": Primitive((str,), is_narrative),
}
