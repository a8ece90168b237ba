"""
A search in words: each node of a tree, and each criterion with the matches that it leaves.

The words come from the message catalogue (`explain.toml`), in the language of the client.
"""

from collections.abc import Iterator
from typing import Final

from ror import messages
from ror.search.answer.engine import Search
from ror.search.language.entry_names import parameter_of
from ror.search.language.expression import (
    And,
    CanonicalIs,
    Chain,
    DateIs,
    Everything,
    Expression,
    Has,
    LabelIs,
    Near,
    Not,
    NumberIs,
    Or,
    Present,
    QuantityIs,
    ReferenceIs,
    SameRecord,
    TextIs,
    TokenIs,
    Upward,
    WordIs,
    token_leaves,
)
from ror.search.language.parse import EXPLAIN
from ror.search.language.values import EARLIEST, LATEST, instant_text, normal_system
from ror.standard import terminology
from ror.standard.definitions import search_parameter
from ror.standard.fhirpath import implicit_code_system


def explanation(
    search: Search, expression: Expression, resource_type: str, language: str
) -> Iterator[str]:
    """
    One sentence for each criterion: its meaning and the number of matches that it leaves; then the
    criteria that remove the last matches.

    A criterion is a part of the top conjunction: conditions on one record or behind one link are a
    single criterion.
    """
    criteria = expression.parts if isinstance(expression, And) else (expression,)
    matches = [search.evaluate(criterion, resource_type) for criterion in criteria]
    left = search.sight.seen(resource_type)
    for number, (criterion, alone) in enumerate(zip(criteria, matches, strict=True), start=1):
        search.budget.spend(1, EXPLAIN)
        left = left & alone
        yield messages.text(
            "explain.criterion",
            language,
            number=number,
            meaning=in_words(criterion, language)
            + systems_read(criterion, resource_type, language),
            alone=len(alone),
            left=len(left),
        )
    if left or len(criteria) == 1:
        return
    for number, criterion in enumerate(criteria, start=1):
        others = search.sight.seen(resource_type)
        for other, alone in enumerate(matches, start=1):
            others = others & alone if other != number else others
        if others:
            yield messages.text(
                "explain.culprit",
                language,
                number=number,
                meaning=in_words(criterion, language),
                left=len(others),
            )


def in_words(expression: Expression, language: str) -> str:
    """A whole tree in one sentence."""

    def joined(parts: tuple[Expression, ...]) -> str:
        words = [in_words(part, language) for part in parts]
        inside = [
            f"({text})" if isinstance(part, And | Or) else text
            for part, text in zip(parts, words, strict=True)
        ]
        link = messages.text(
            "explain.linked-and" if isinstance(expression, And) else "explain.linked-or", language
        )
        return f" {link} ".join(inside)

    match expression:
        case And(parts) | Or(parts):
            return joined(parts)
        case (
            Not(inner)
            | SameRecord(_, inner)
            | Chain(_, _, inner)
            | Upward(inner)
            | Has(_, _, inner)
        ):
            return f"{meaning(expression, language)} [{in_words(inner, language)}]"
        case leaf:
            return meaning(leaf, language)


def systems_read(expression: Expression, resource_type: str, language: str) -> str:
    """
    The system in which each code of a tree was read, in parentheses; "" for a tree without codes.

    A list of values names its system once, so the words of a code do not include it (choice 3).

    >>> codes = Or((TokenIs("type", "355", "a.example"), TokenIs("type", "1")))
    >>> systems_read(codes, "Organization", "en")
    ' ("355" in the system a.example; "1" in every system)'
    """
    codes: dict[str | None, dict[str, None]] = {}
    for leaf, leaf_type in token_leaves(expression, resource_type):
        if _could_be_of_several_systems(leaf):
            codes.setdefault(_system_read(leaf, leaf_type), {})[leaf.code or ""] = None
    sentences = [
        messages.text(
            _READ_IN.get(system, "explain.read-in-system"),
            language,
            codes=", ".join(
                messages.text("explain.quoted", language, text=code) for code in system_codes
            ),
            system=_name_of(system or ""),
        )
        for system, system_codes in codes.items()
    ]
    separator = messages.text("explain.separator", language)
    return f" ({separator.join(sentences)})" if sentences else ""


_READ_IN: Final[dict[str | None, str]] = {
    None: "explain.read-in-every-system",
    "": "explain.read-in-none",
}


def _system_read(leaf: TokenIs, resource_type: str) -> str | None:
    """The system in which a code was read: its own, or the one that its element implies."""
    parameter = search_parameter(resource_type, parameter_of(leaf.param))
    implied = implicit_code_system(parameter) if parameter and not leaf.system else ""
    return normal_system(implied) if implied else leaf.system


def _could_be_of_several_systems(leaf: TokenIs) -> bool:
    """Whether a leaf is a code: not an id, a boolean or a modifier."""
    return bool(leaf.code) and not (
        leaf.code in ("true", "false") or leaf.param == "_id" or ":" in leaf.param
    )


def _name_of(system: str) -> str:
    """The name of a system in the nomenclatures, or its URL without its scheme."""
    loaded = terminology.code_system(f"https://{system}")
    return loaded.name if loaded else system


def meaning(expression: Expression, language: str) -> str:
    """
    The meaning of one node of a tree, without its children.

    >>> meaning(TokenIs("active", "true"), "en")
    'active has the code "true"'
    """

    def say(key: str, **params: object) -> str:
        return messages.text(f"explain.{key}", language, **params)

    match expression:
        case Everything():
            return say("everything")
        case TokenIs(param, None, system):
            return say("any-code", param=param, system=system)
        case TokenIs(param, code, system):
            label = _label(param, code or "", system)
            return say("code", param=param, code=code, label=f" — {label}" if label else "")
        case LabelIs(param, text):
            return say("label", param=param, text=text)
        case TextIs(param, text, how):
            return say(f"text-{how}", param=param, text=text)
        case WordIs(param, word, begun):
            return say("word-begun" if begun else "word", param=param, word=word)
        case DateIs(param, prefix, first, last):
            between = f"[{_instant(first)}, {_instant(last)}]"
            return say("compares", param=param, how=say(f"prefix-{prefix}"), value=between)
        case NumberIs(param, prefix, value, _):
            return say("compares", param=param, how=say(f"prefix-{prefix}"), value=value)
        case QuantityIs(param, prefix, value, _, unit):
            shown = f"{value} {unit.rpartition('|')[2]}" if unit else str(value)
            return say("compares", param=param, how=say(f"prefix-{prefix}"), value=shown)
        case ReferenceIs(param, target, identity):
            return say(
                "reference", param=param, target=f"{target}/{identity}" if target else identity
            )
        case CanonicalIs(param, url, version):
            return say("reference", param=param, target=f"{url}|{version}" if version else url)
        case Near(param, latitude, longitude, distance_m):
            return say(
                "near",
                param=param,
                km=f"{distance_m / 1000:g}",
                latitude=latitude,
                longitude=longitude,
            )
        case Present(param):
            return say("present", param=param)
        case Not():
            return say("not")
        case And():
            return say("and")
        case Or():
            return say("or")
        case SameRecord(name, _):
            return say("same-record", name=name)
        case Chain(param, target, _):
            return say("chain", param=param, target=target)
        case Upward():
            return say("upward")
        case Has(source, param, _):
            return say("has", source=source, param=param)


def _label(param: str, code: str, system: str | None) -> str | None:
    """The label of a code; without a system, the label that the systems of the guide agree on."""
    if system:
        return terminology.display(f"https://{system}", code)
    if param in _UNLABELLED or param.startswith("identifier"):
        return None
    labels = {terminology.display(system.url, code) for system in terminology.code_systems()} - {
        None
    }
    # The search covers every system with this code: no label is better than a wrong label.
    return labels.pop() if len(labels) == 1 else None


_UNLABELLED: Final = frozenset({"_id", "_tag"})
"""Token parameters whose values are not codes, besides identifiers."""


def _instant(microseconds: int) -> str:
    if microseconds in (EARLIEST, LATEST):
        return "…"
    try:
        return instant_text(microseconds)
    except OverflowError:
        # Year 1 in Paris begins before year 1 in UTC: no ISO date exists.
        return "…"
