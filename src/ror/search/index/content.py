"""
The words of a resource for full-text search (choice 9).

Every text for people counts: names, comments, addresses, texts in extensions, and the labels of
codes, both as written and from the nomenclatures, so that a code without label matches too. Codes,
identifiers, URLs, telephone numbers and e-mail addresses are not text: other parameters search
them, or none does. The display of a reference belongs to its target.
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
"""The part with the names of a resource: a word in it has a higher score."""
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
"""The members whose text is for people."""

SKIPPED_MEMBERS: Final = frozenset({"id", "identifier", "telecom"})
"""The members without such text, at any depth."""

_NAME_MEMBERS: Final = frozenset({"name", "_name", "alias", "_alias", "title"})

_ROR: Final = "https://interop.esante.gouv.fr/ig/fhir/ror/StructureDefinition/"
_NAME_EXTENSIONS: Final = frozenset({_ROR + "ror-practitionerrole-name"})
_UNREAD_EXTENSIONS: Final = frozenset(
    {
        # Telephone numbers and e-mails, outside any `telecom`.
        _ROR + "ror-healthcareservice-contact-telecom",
        # The visibility of a contact does not describe it.
        _ROR + "ror-confidentiality-level",
        _ROR + "ror-contact-confidentiality-level",
    }
)

_CACHED_LENGTH: Final = 128
"""The longest text that is cached: names of communes recur, long comments do not."""

_TAG: Final = re.compile(r"<[^<>]*>")

_WordSet = dict[str, None]
"""A set of words in order, so that a resource always gives the same bytes."""


def content_words(resource: Mapping[str, Any]) -> list[Words]:
    """
    The words of a valid resource, each once: those of its names, then the rest. Empty parts are
    absent.
    """
    names: _WordSet = {}
    rest: _WordSet = {}
    for member, value in resource.items():
        if member in SKIPPED_MEMBERS:
            continue
        if member == "meta":
            _gather("tag", value.get("tag"), rest)
        elif member == "extension":
            for extension in value:
                is_name = extension.get("url") in _NAME_EXTENSIONS
                _gather(member, extension, names if is_name else rest)
        else:
            _gather(member, value, names if member in _NAME_MEMBERS else rest)
    others = [word for word in rest if word not in names]
    return [Words(part, tuple(words)) for part, words in ((NAME, names), (REST, others)) if words]


def narrative_words(resource: Mapping[str, Any]) -> list[Words]:
    """The words of the narrative of a valid resource; empty if it has none."""
    words: _WordSet = {}
    if narrative := resource.get("text"):
        _gather("text", narrative, words)
    return [Words(REST, tuple(words))] if words else []


def _gather(member: str, value: Any, words: _WordSet) -> None:
    """Add the words of a member of a resource and of everything below it."""
    kind = value.__class__
    if kind is dict:
        _gather_below(value, words)
    elif kind is str:
        if member in TEXT_MEMBERS:
            words.update(_words(value))
    elif kind is list:
        for item in value:
            _gather(member, item, words)


def _gather_below(node: dict[str, Any], words: _WordSet) -> None:
    code = node.get("code")
    # A quantity also has a code and a system: those of its unit.
    if code.__class__ is str and "value" not in node:
        words.update(_labels(node.get("system", ""), code, node.get("display", "")))
        return
    if node.get("url") in _UNREAD_EXTENSIONS:
        return
    if ("reference" in node or "identifier" in node) and is_reference(node):
        # What it says, in its extensions too, is said of another resource, which may be hidden.
        return
    for name, value in node.items():
        # Most members are not text: this repeats `_gather` inline to save a call for each.
        kind = value.__class__
        if kind is str:
            if name in TEXT_MEMBERS:
                words.update(
                    _words(value) if name != "div" else _words(unescape(_TAG.sub(" ", value)))
                )
        elif kind is dict:
            if name not in SKIPPED_MEMBERS:
                _gather_below(value, words)
        elif kind is list and name not in SKIPPED_MEMBERS:
            for item in value:
                if item.__class__ is dict:
                    _gather_below(item, words)
                else:
                    _gather(name, item, words)


def _words(text: str) -> _WordSet:
    """The words of a text. Callers must not change the result."""
    return _cached_words(text) if len(text) <= _CACHED_LENGTH else dict.fromkeys(words_of(text))


@lru_cache(maxsize=16384)
def _cached_words(text: str) -> _WordSet:
    return dict.fromkeys(words_of(text))


@terminology.cached_for_edition(65536)
def _labels(system: str, code: str, display: str) -> _WordSet:
    """The words of the labels of a code. Callers must not change the result."""
    return _words(f"{display} {terminology.display(system, code) or ''}")
