"""
The `_filter` language: comparisons joined with `and`, `or` and `not`, parsed into a search tree.

The parser reads the text once, from left to right. `criteria.py` and `criterion_values.py` read the
names and values of comparisons, as they do for a query string; this module reads operators,
parentheses and quotes. docs/filter.md has the grammar: that of FHIR R4, with the extensions that
published requests use.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, NamedTuple, cast

from ror import messages
from ror.errors import InvalidRequest, NotSupported, RorError, TooCostly
from ror.messages import shown
from ror.search.language.comparing import Prefix
from ror.search.language.criteria import (
    FILTER,
    Condition,
    CriterionPath,
    any_of,
    combine,
    combine_independently,
    criterion_path,
)
from ror.search.language.criterion_values import PREFIXES, Criterion
from ror.search.language.expression import Expression, Not, Or
from ror.search.language.modifiers import modifiers_of
from ror.standard.definitions import FULL_TEXT, SearchParameter

MAX_COMPARISONS: Final = 1_000
"""The most comparisons in a filter; each repeated value counts as one (choice 25)."""

MAX_LEVELS: Final = 64
"""The most levels of parentheses (choice 25)."""

OPERATORS: Final[Mapping[str, tuple[str, ...]]] = {
    "token": ("eq", "ne", "pr"),
    "string": ("eq", "ne", "co", "sw", "ew", "pr"),
    "date": (*PREFIXES, "pr"),
    "number": (*PREFIXES, "pr"),
    "quantity": (*PREFIXES, "pr"),
    "reference": ("eq", "ne", "pr"),
    "uri": ("eq", "ne", "pr"),
    "special": ("eq", "pr"),
}
"""The operators that each type of parameter takes; every type takes `=`."""

NOT_OFFERED: Final = ("po", "ss", "sb", "in", "re")
"""Operators of the standard that are refused by name. Source: FHIR R4, search_filter.html."""

_ALL_OPERATORS: Final = tuple(dict.fromkeys(name for names in OPERATORS.values() for name in names))
_PREFIXED: Final = ("date", "number", "quantity")
_AS_MODIFIER: Final = {"co": "contains", "ew": "ends"}
_KEYWORDS: Final = ("and", "or", "not")
_OPPOSITE: Final = {"true": "false", "false": "true"}


def read_filter(resource_type: str, text: str, *, independent: bool = False) -> Expression:
    """
    The expression of a filter on resources of this type.

    The criteria of one `and` hold on one record and, behind one link, on one resource (choice 2).
    Parentheses around an `and` make a separate group. With `independent`, each criterion holds on
    its own.

    Raises Misread, with the position of the error, and TooCostly beyond a limit. Source: FHIR R4,
    search_filter.html; guide, UC1.S01bis, UC1.S03, UC2.S06, UC3.S02, S04, S05, S10, S12 and
    UC6.S02.
    """
    if "\0" in text:
        raise InvalidRequest("search.control-character", name=FILTER, value=shown(text))
    return combine([_Reading(resource_type, text, independent).whole()])


class Misread(InvalidRequest):
    """An error in a filter: the reason, and the position of the character, counted from 1."""

    def __init__(self, reason: RorError, text: str, at: int) -> None:
        super().__init__(reason.key, expression=reason.expression, **reason.params)
        self.issue = reason.issue
        self.position = at + 1
        before, after = text[max(at - _AROUND, 0) : at], text[at : at + _AROUND]
        self.around = (
            f"{'…' * (at > _AROUND)}{before}{_MARKER}{after}{'…' * (len(text) > at + _AROUND)}"
        )

    def text(self, language: str = messages.DEFAULT_LANGUAGE) -> str:
        reason = super().text(language)
        return messages.text(
            "filter.where", language, reason=reason, position=self.position, around=self.around
        )


_AROUND: Final = 30
"""Characters shown on either side of the position."""
_MARKER: Final = "▶"


class _Value(NamedTuple):
    text: str
    at: int


class _Operand(NamedTuple):
    """
    A side of `and` or `or`; `listed_at` is the position of a repeated value outside parentheses.
    """

    condition: Condition
    listed_at: int | None = None


_SPACES: Final = re.compile(r"\s*")
_PATH: Final = re.compile(r'[^\s()"=<>!\[\]]+')
_OPERATOR: Final = re.compile(r'=|[^\s()"]+')
_BARE_VALUE: Final = re.compile(r'[^\s()"=][^\s()"]*')
_QUOTED: Final = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_PREFIX_IN_VALUE: Final = re.compile(rf"({'|'.join(PREFIXES)})[-0-9]")
_CONNECTIVES: Final = {
    word: re.compile(rf'{word}(?=[\s()"]|\Z)', re.IGNORECASE) for word in _KEYWORDS
}


@dataclass(slots=True)
class _Reading:
    """A filter that was read up to the character `at`."""

    resource_type: str
    text: str
    independent: bool
    at: int = 0
    comparisons: int = 0
    levels: int = 0

    def whole(self) -> Condition:
        operand = self._any()
        self._skip_spaces()
        if self._next() == ")":
            raise self._misread(InvalidRequest("filter.too-many-closing"))
        if self._next():
            raise self._misread(InvalidRequest("filter.expected-connective"))
        return operand.condition

    # --- the grammar ---

    def _any(self) -> _Operand:
        """`all or all or …`"""
        first = self._all()
        operands = [first]
        while self._keyword("or"):
            operands.append(self._all())
        return (
            first
            if len(operands) == 1
            else _Operand(_either([operand.condition for operand in operands]))
        )

    def _all(self) -> _Operand:
        """`factor and factor and …`"""
        first = self._factor()
        operands = [first]
        while self._keyword("and"):
            operands.append(self._factor())
        if len(operands) == 1:
            return first
        for operand in operands:
            if operand.listed_at is not None:
                # "a eq 1 and b eq 2 or 3" is easily misread, so parentheses are required.
                raise self._misread(InvalidRequest("filter.list-beside-and"), operand.listed_at)
        join = combine_independently if self.independent else combine
        return _Operand(((), None, join([operand.condition for operand in operands])))

    def _factor(self) -> _Operand:
        """`not (any)`, `(any)` or a comparison."""
        if self._keyword("not"):
            self._skip_spaces()
            if self._next() != "(":
                raise self._misread(InvalidRequest("filter.expected-parenthesis"))
            return _Operand(((), None, Not(combine([self._parenthesised()]))))
        self._skip_spaces()
        return _Operand(self._parenthesised()) if self._next() == "(" else self._comparison()

    def _parenthesised(self) -> Condition:
        opened_at = self.at
        self.levels += 1
        if self.levels > MAX_LEVELS:
            raise TooCostly("filter.too-deep", limit=MAX_LEVELS)
        self.at += 1
        inside = self._any()
        self._skip_spaces()
        if not self._next():
            raise self._misread(InvalidRequest("filter.unclosed", opened=opened_at + 1))
        if self._next() != ")":
            raise self._misread(InvalidRequest("filter.expected-connective"))
        self.at += 1
        self.levels -= 1
        return inside.condition

    def _comparison(self) -> _Operand:
        """`name operator value or value…`"""
        name_at = self.at
        name = _PATH.match(self.text, name_at)
        if not name or name[0].lower() in _KEYWORDS:
            raise self._misread(InvalidRequest("filter.expected-comparison"))
        self.at = name.end()
        if self._next() == "[":
            raise self._misread(NotSupported("filter.nested"))
        with self._pointing_at(name_at):
            path = criterion_path(self.resource_type, name[0])
        operator = self._operator(path.criterion)
        values = [self._value(path.criterion, operator)]
        listed_at = None
        while (repeated_at := self._repeated_value()) is not None:
            if operator in ("ne", "pr") or path.criterion.modifier in ("not", "missing"):
                raise self._misread(InvalidRequest("filter.list-of-negation", name=shown(name[0])))
            listed_at = listed_at or repeated_at
            values.append(self._value(path.criterion, operator))
        return _Operand(self._compared(path, operator, values), listed_at)

    def _compared(self, path: CriterionPath, operator: str, values: Sequence[_Value]) -> Condition:
        """The condition of a comparison."""
        criterion, negated = _with_operator(path.criterion, operator)
        texts = [
            _OPPOSITE.get(value.text, value.text) if operator == "pr" else value.text
            for value in values
        ]
        try:
            compared = any_of(criterion, texts)
        except RorError:
            # Read each value alone, to point at the first that is invalid.
            for text, value in zip(texts, values, strict=True):
                with self._pointing_at(value.at):
                    any_of(criterion, [text])
            raise
        # A negation and the absence of values apply to the whole resource, not to one record.
        record = None if negated or operator == "pr" else path.record
        return path.hops, record, Not(compared) if negated else compared

    # --- operators and values ---

    def _operator(self, criterion: Criterion) -> str:
        """The next operator. Raises Misread if the parameter does not take it."""
        self._skip_spaces()
        accepted = _operators_of(criterion)
        operators = ", ".join(accepted)
        word = _OPERATOR.match(self.text, self.at)
        if not word or word[0].lower() in _KEYWORDS:
            raise self._misread(
                InvalidRequest(
                    "filter.expected-operator", name=shown(criterion.name), known=operators
                )
            )
        operator = word[0].lower()
        params = {"name": shown(criterion.name), "operator": shown(word[0]), "known": operators}
        if operator in NOT_OFFERED:
            raise self._misread(NotSupported("filter.operator-not-offered", **params))
        if operator != "=" and operator not in _ALL_OPERATORS:
            raise self._misread(InvalidRequest("filter.unknown-operator", **params))
        if operator != "=" and operator not in accepted:
            raise self._misread(NotSupported("filter.wrong-operator", **params))
        self.at = word.end()
        return operator

    def _value(self, criterion: Criterion, operator: str) -> _Value:
        """The next value."""
        self.comparisons += 1
        if self.comparisons > MAX_COMPARISONS:
            raise TooCostly("filter.too-many-comparisons", limit=MAX_COMPARISONS)
        self._skip_spaces()
        value = self._quoted() if self._next() == '"' else self._bare()
        if not value.text or value.text.isspace():
            raise self._misread(
                InvalidRequest("search.empty-value", name=shown(criterion.name)), value.at
            )
        prefix = _PREFIX_IN_VALUE.match(value.text)
        if prefix and operator != "=" and criterion.parameter.type in _PREFIXED:
            params = {
                "name": shown(criterion.name),
                "value": shown(value.text),
                "right": shown(value.text[2:]),
            }
            raise self._misread(
                InvalidRequest("filter.prefix-in-value", prefix=prefix[1], **params), value.at
            )
        return value

    def _bare(self) -> _Value:
        word = _BARE_VALUE.match(self.text, self.at)
        if not word or word[0].lower() in _KEYWORDS:
            raise self._misread(InvalidRequest("filter.expected-value"))
        if "," in word[0]:
            raise self._misread(InvalidRequest("filter.comma"), word.start() + word[0].index(","))
        self.at = word.end()
        return _Value(word[0], word.start())

    def _quoted(self) -> _Value:
        quoted = _QUOTED.match(self.text, self.at)
        if not quoted:
            raise self._misread(InvalidRequest("filter.unclosed-quote"))
        for escape in _ESCAPE.finditer(quoted[1]):
            if escape[1] not in ('"', "\\"):
                raise self._misread(
                    InvalidRequest("filter.escape"), quoted.start(1) + escape.start()
                )
        self.at = quoted.end()
        return _Value(_ESCAPE.sub(r"\1", quoted[1]), quoted.start())

    def _repeated_value(self) -> int | None:
        """
        Move to the value after the next `or` and return its position; None if no value follows.
        """
        before = self.at
        if self._keyword("or"):
            self._skip_spaces()
            word = _BARE_VALUE.match(self.text, self.at)
            if self._next() == '"' or (
                word and word[0].lower() not in _KEYWORDS and not self._is_comparison()
            ):
                return self.at
        self.at = before
        return None

    def _is_comparison(self) -> bool:
        """Whether an operator follows the next word."""
        path = _PATH.match(self.text, self.at)
        if not path:
            return False
        word = _OPERATOR.match(self.text, _end(_SPACES, self.text, path.end()))
        if not word:
            return False
        # A URL may contain "=" as well; the name in a comparison contains no slash.
        return word[0].lower() in (*_ALL_OPERATORS, *NOT_OFFERED) or (
            word[0] == "=" and "/" not in path[0]
        )

    def _keyword(self, keyword: str) -> bool:
        """Whether `keyword` comes next; if so, move past it."""
        start = _end(_SPACES, self.text, self.at)
        match = _CONNECTIVES[keyword].match(self.text, start)
        if match:
            self.at = match.end()
        return match is not None

    def _skip_spaces(self) -> None:
        self.at = _end(_SPACES, self.text, self.at)

    def _next(self) -> str:
        """The next character; "" at the end."""
        return self.text[self.at : self.at + 1]

    # --- refusals ---

    def _misread(self, reason: RorError, at: int | None = None) -> Misread:
        return Misread(reason, self.text, self.at if at is None else at)

    @contextmanager
    def _pointing_at(self, at: int) -> Iterator[None]:
        """Add a position to the errors raised inside, except TooCostly."""
        try:
            yield
        except TooCostly:
            raise
        except RorError as reason:
            raise self._misread(reason, at) from reason


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    """The end of the match of a pattern that always matches."""
    match = pattern.match(text, at)
    assert match is not None
    return match.end()


def _either(conditions: Sequence[Condition]) -> Condition:
    """
    The condition that holds if any of several holds.

    Alternatives behind one link apply to the resource that the link leads to, and alternatives on
    one record to that record. So they still combine with their neighbours, as the values of a comma
    list do.
    """
    hops, record, _ = conditions[0]
    if any(condition[0] != hops for condition in conditions):
        return (), None, Or(tuple(combine([condition]) for condition in conditions))
    one_record = all(condition[1] == record for condition in conditions)
    return (
        hops,
        record if one_record else None,
        Or(tuple(expression for _, _, expression in conditions)),
    )


def _operators_of(criterion: Criterion) -> tuple[str, ...]:
    """The operators that a parameter takes; with a modifier, only `eq`."""
    parameter: SearchParameter = criterion.parameter
    if criterion.modifier is not None:
        return ("eq",)
    if parameter.name in FULL_TEXT:
        return ("eq", "co")
    accepted = OPERATORS[parameter.type]
    return (
        accepted
        if "missing" in modifiers_of(parameter)
        else tuple(operator for operator in accepted if operator != "pr")
    )


def _with_operator(criterion: Criterion, operator: str) -> tuple[Criterion, bool]:
    """
    The criterion with the prefix or modifier of an operator, and whether the result is negated.
    """
    if operator == "pr":
        return criterion._replace(modifier="missing"), False
    if operator == "=":
        # As in a query string, a date or a number may have a prefix.
        return criterion, False
    if criterion.parameter.type in _PREFIXED and criterion.modifier is None:
        return criterion._replace(prefix=cast(Prefix, operator)), False
    if (
        criterion.parameter.type == "string"
        and criterion.parameter.name not in FULL_TEXT
        and operator in _AS_MODIFIER
    ):
        return criterion._replace(modifier=_AS_MODIFIER[operator]), False
    return criterion, operator == "ne"
