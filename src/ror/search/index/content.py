"""
The words that a resource can be found by in full text: resource in, words out (choice 9).

Every text that people read counts: names, comments, addresses, texts in extensions, and for each code its label as it
came and as the loaded tables give it, so that a code without label is found too. Codes themselves, identifiers,
addresses of machines, telephone numbers and e-mails are no text: other parameters find them, or nobody should. What a
reference calls the resource that it leads to is said of that one.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from html import unescape
from typing import Any, Final

from ror.search.language.values import Words
from ror.search.language.words import words_of
from ror.standard import terminology
from ror.standard.references import is_reference

NAME: Final = "n"
"""The part of a resource that says what it is called: a word found there counts for more."""
REST: Final = ""

TEXT_MEMBERS: Final = frozenset(
    {
        "alias",
        "answerString",
        "authorString",
        "availabilityExceptions",
        "citation",
        "city",
        "clinicalRecommendationStatement",
        "comment",
        "copyright",
        "country",
        "description",
        "disclaimer",
        "display",
        "district",
        "div",
        "documentation",
        "extraDetails",
        "family",
        "given",
        "guidance",
        "label",
        "line",
        "name",
        "patientInstruction",
        "postalCode",
        "prefix",
        "publisher",
        "purpose",
        "rateAggregation",
        "rationale",
        "riskAdjustment",
        "state",
        "subtitle",
        "suffix",
        "text",
        "title",
        "usage",
        "valueMarkdown",
        "valueString",
    }
)
"""The members whose text is for people to read."""

SKIPPED_MEMBERS: Final = frozenset({"id", "identifier", "telecom"})
"""The members that hold no such text, whatever is below them."""

_NAME_MEMBERS: Final = frozenset({"name", "_name", "alias", "_alias", "title"})

_ROR: Final = "https://interop.esante.gouv.fr/ig/fhir/ror/StructureDefinition/"
_NAME_EXTENSIONS: Final = frozenset({_ROR + "ror-practitionerrole-name"})
_UNREAD_EXTENSIONS: Final = frozenset(
    {
        # Telephone numbers and e-mails, outside any `telecom`.
        _ROR + "ror-healthcareservice-contact-telecom",
        # Who may see a contact says nothing about it.
        _ROR + "ror-confidentiality-level",
        _ROR + "ror-contact-confidentiality-level",
    }
)

_CACHED_LENGTH: Final = 128
"""Names of communes and sorts of street come all the time; long comments do not."""

_TAG: Final = re.compile(r"<[^<>]*>")

_WordSet = dict[str, None]
"""Words as a set that keeps their order, so that a resource always gives the same bytes."""


def content_words(resource: Mapping[str, Any]) -> list[Words]:
    """The words of a valid resource: of its names, then of the rest, each word once; a part without words is absent."""
    named: _WordSet = {}
    rest: _WordSet = {}
    for member, value in resource.items():
        if member in SKIPPED_MEMBERS:
            continue
        if member == "meta":
            _gather("tag", value.get("tag"), rest)
        elif member == "extension":
            for one in value:
                _gather(member, one, named if one.get("url") in _NAME_EXTENSIONS else rest)
        else:
            _gather(member, value, named if member in _NAME_MEMBERS else rest)
    others = [word for word in rest if word not in named]
    return [Words(part, tuple(words)) for part, words in ((NAME, named), (REST, others)) if words]


def narrative_words(resource: Mapping[str, Any]) -> list[Words]:
    """The words of the narrative of a valid resource; no part when it has none."""
    found: _WordSet = {}
    if narrative := resource.get("text"):
        _gather("text", narrative, found)
    return [Words(REST, tuple(found))] if found else []


def _gather(member: str, value: Any, found: _WordSet) -> None:
    """Adds the words of a member of a resource, and of all that is below it."""
    kind = value.__class__
    if kind is dict:
        _gather_below(value, found)
    elif kind is str:
        if member in TEXT_MEMBERS:
            found.update(_words(value))
    elif kind is list:
        for one in value:
            _gather(member, one, found)


def _gather_below(node: dict[str, Any], found: _WordSet) -> None:
    code = node.get("code")
    # A quantity has a code and a system too, those of its unit.
    if code.__class__ is str and "value" not in node:
        found.update(_labels(node.get("system", ""), code, node.get("display", "")))
        return
    if node.get("url") in _UNREAD_EXTENSIONS:
        return
    for name, value in node.items():
        # Most members are no text: what follows says again what `_gather` does, without a call for each.
        kind = value.__class__
        if kind is str:
            if name in TEXT_MEMBERS:
                if name == "display" and is_reference(node):
                    # What it is called is said of another resource, which may be hidden.
                    continue
                found.update(
                    _words(value) if name != "div" else _words(unescape(_TAG.sub(" ", value)))
                )
        elif kind is dict:
            if name not in SKIPPED_MEMBERS:
                _gather_below(value, found)
        elif kind is list and name not in SKIPPED_MEMBERS:
            for one in value:
                if one.__class__ is dict:
                    _gather_below(one, found)
                else:
                    _gather(name, one, found)


def _words(text: str) -> _WordSet:
    """The words of a text. Not to be changed by who receives them."""
    return _cached_words(text) if len(text) <= _CACHED_LENGTH else dict.fromkeys(words_of(text))


@lru_cache(maxsize=16384)
def _cached_words(text: str) -> _WordSet:
    return dict.fromkeys(words_of(text))


@terminology.cached_for_edition(65536)
def _labels(system: str, code: str, display: str) -> _WordSet:
    """The words of a code. Not to be changed by who receives them."""
    return _words(f"{display} {terminology.display(system, code) or ''}")
