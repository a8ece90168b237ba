"""
The `_filter` language: comparisons joined with `and`, `or` and `not`, made into the tree of any other search.

The reader goes once through the text, from left to right. `criteria.py` and `criterion_values.py`
read what a comparison names and what its value means, as they do for a query string; this module
knows operators, parentheses and quotes. The grammar is in docs/filter.md: the one of FHIR R4, with
the liberties that the published requests take.
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
"""Comparisons in one filter, each repeated value counting for one (choice 25)."""

MAX_LEVELS: Final = 64
"""Parentheses inside one another (choice 25)."""

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
"""The operators that each type of parameter takes; `=` always does."""

NOT_OFFERED: Final = ("po", "ss", "sb", "in", "re")
"""Operators of the standard that are refused by name. Source: FHIR R4, search_filter.html."""

_ALL_OPERATORS: Final = tuple(dict.fromkeys(name for names in OPERATORS.values() for name in names))
_PREFIXED: Final = ("date", "number", "quantity")
_AS_MODIFIER: Final = {"co": "contains", "ew": "ends"}
_KEYWORDS: Final = ("and", "or", "not")
_OPPOSITE: Final = {"true": "false", "false": "true"}


def read_filter(resource_type: str, text: str, *, independent: bool = False) -> Expression:
    """
    What a filter asks of a resource of this type.

    The criteria of one `and` hold on one record and behind one link on one resource (choice 2); a pair of parentheses
    around an `and` is a group of its own. With `independent`, each criterion holds on its own.

    Raises Misread, with the place where understanding stopped, and TooCostly beyond a limit.
    Source: FHIR R4, search_filter.html; guide, UC1.S01bis, UC1.S03, UC2.S06, UC3.S02, S04, S05, S10, S12 and UC6.S02.
    """
    if "\0" in text:
        raise InvalidRequest("search.control-character", name=FILTER, value=shown(text))
    return combine([_Reading(resource_type, text, independent).whole()])


class Misread(InvalidRequest):
    """The refusal of a filter: the reason, and the character, counted from 1, where understanding stopped."""

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
"""Characters shown on either side of the place."""
_MARKER: Final = "▶"


class _Value(NamedTuple):
    text: str
    at: int


class _Operand(NamedTuple):
    """What a side of `and` or `or` asks; `listed_at` is where it repeats a comparison, outside of parentheses."""

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
    """A filter, read up to the character `at`."""

    resource_type: str
    text: str
    independent: bool
    at: int = 0
    comparisons: int = 0
    levels: int = 0

    def whole(self) -> Condition:
        read = self._any()
        self._skip_spaces()
        if self._next() == ")":
            raise self._misread(InvalidRequest("filter.too-many-closing"))
        if self._next():
            raise self._misread(InvalidRequest("filter.expected-connective"))
        return read.condition

    # --- the grammar ---

    def _any(self) -> _Operand:
        """`all or all or …`"""
        first = self._all()
        operands = [first]
        while self._keyword("or"):
            operands.append(self._all())
        return (
            first if len(operands) == 1 else _Operand(_either([one.condition for one in operands]))
        )

    def _all(self) -> _Operand:
        """`factor and factor and …`"""
        first = self._factor()
        operands = [first]
        while self._keyword("and"):
            operands.append(self._factor())
        if len(operands) == 1:
            return first
        for one in operands:
            if one.listed_at is not None:
                # "a eq 1 and b eq 2 or 3": the grammar and the eye disagree, so the author has to say.
                raise self._misread(InvalidRequest("filter.list-beside-and"), one.listed_at)
        joined = combine_independently if self.independent else combine
        return _Operand(((), None, joined([one.condition for one in operands])))

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
        """`path operator value or value…`"""
        path_at = self.at
        path = _PATH.match(self.text, path_at)
        if not path or path[0].lower() in _KEYWORDS:
            raise self._misread(InvalidRequest("filter.expected-comparison"))
        self.at = path.end()
        if self._next() == "[":
            raise self._misread(NotSupported("filter.nested"))
        with self._pointing_at(path_at):
            found = criterion_path(self.resource_type, path[0])
        operator = self._operator(found.criterion)
        values = [self._value(found.criterion, operator)]
        listed_at = None
        while (repeated_at := self._repeated_value()) is not None:
            if operator in ("ne", "pr") or found.criterion.modifier in ("not", "missing"):
                raise self._misread(InvalidRequest("filter.list-of-negation", name=shown(path[0])))
            listed_at = listed_at or repeated_at
            values.append(self._value(found.criterion, operator))
        return _Operand(self._compared(found, operator, values), listed_at)

    def _compared(self, found: CriterionPath, operator: str, values: Sequence[_Value]) -> Condition:
        """What a comparison asks, and where."""
        criterion, negated = _with_operator(found.criterion, operator)
        texts = [
            _OPPOSITE.get(one.text, one.text) if operator == "pr" else one.text for one in values
        ]
        try:
            compared = any_of(criterion, texts)
        except RorError:
            # Each of them alone, to point at the first that cannot be read.
            for text, value in zip(texts, values, strict=True):
                with self._pointing_at(value.at):
                    any_of(criterion, [text])
            raise
        # What no value must satisfy, or that none is there, is said of the resource and not of one record.
        record = None if negated or operator == "pr" else found.record
        return found.hops, record, Not(compared) if negated else compared

    # --- the words ---

    def _operator(self, criterion: Criterion) -> str:
        """The operator that comes next, one that the parameter takes."""
        self._skip_spaces()
        accepted = _operators_of(criterion)
        known = ", ".join(accepted)
        word = _OPERATOR.match(self.text, self.at)
        if not word or word[0].lower() in _KEYWORDS:
            raise self._misread(
                InvalidRequest("filter.expected-operator", name=shown(criterion.name), known=known)
            )
        operator = word[0].lower()
        told = {"name": shown(criterion.name), "operator": shown(word[0]), "known": known}
        if operator in NOT_OFFERED:
            raise self._misread(NotSupported("filter.operator-not-offered", **told))
        if operator != "=" and operator not in _ALL_OPERATORS:
            raise self._misread(InvalidRequest("filter.unknown-operator", **told))
        if operator != "=" and operator not in accepted:
            raise self._misread(NotSupported("filter.wrong-operator", **told))
        self.at = word.end()
        return operator

    def _value(self, criterion: Criterion, operator: str) -> _Value:
        """The value that comes next."""
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
            told = {
                "name": shown(criterion.name),
                "value": shown(value.text),
                "right": shown(value.text[2:]),
            }
            raise self._misread(
                InvalidRequest("filter.prefix-in-value", prefix=prefix[1], **told), value.at
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
        """Goes to the value that comes next after an `or`, and says where it is; None when there is none."""
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
        """Whether the word that comes next has an operator after it."""
        path = _PATH.match(self.text, self.at)
        if not path:
            return False
        word = _OPERATOR.match(self.text, _end(_SPACES, self.text, path.end()))
        if not word:
            return False
        # A value may hold the sign, as an address does; what stands before it in a comparison is a name.
        return word[0].lower() in (*_ALL_OPERATORS, *NOT_OFFERED) or (
            word[0] == "=" and "/" not in path[0]
        )

    def _keyword(self, keyword: str) -> bool:
        """Whether `keyword` comes next; goes past it when it does."""
        start = _end(_SPACES, self.text, self.at)
        found = _CONNECTIVES[keyword].match(self.text, start)
        if found:
            self.at = found.end()
        return found is not None

    def _skip_spaces(self) -> None:
        self.at = _end(_SPACES, self.text, self.at)

    def _next(self) -> str:
        """The character that comes next, "" at the end."""
        return self.text[self.at : self.at + 1]

    # --- refusals ---

    def _misread(self, reason: RorError, at: int | None = None) -> Misread:
        return Misread(reason, self.text, self.at if at is None else at)

    @contextmanager
    def _pointing_at(self, at: int) -> Iterator[None]:
        """Adds the place to what is refused inside; a limit is refused as it is."""
        try:
            yield
        except TooCostly:
            raise
        except RorError as reason:
            raise self._misread(reason, at) from reason


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    """Where a pattern that always matches ends."""
    found = pattern.match(text, at)
    assert found is not None
    return found.end()


def _either(askings: Sequence[Condition]) -> Condition:
    """
    What holds when any of several does.

    Alternatives behind one link are alternatives for what the link leads to, and likewise on one record: so they still
    hold together with their neighbours, as the values of a comma list do.
    """
    hops, record, _ = askings[0]
    if any(one[0] != hops for one in askings):
        return (), None, Or(tuple(combine([one]) for one in askings))
    one_record = all(one[1] == record for one in askings)
    return (
        hops,
        record if one_record else None,
        Or(tuple(expression for _, _, expression in askings)),
    )


def _operators_of(criterion: Criterion) -> tuple[str, ...]:
    """The operators that a parameter takes; a modifier says the rest by itself."""
    parameter: SearchParameter = criterion.parameter
    if criterion.modifier is not None:
        return ("eq",)
    if parameter.name in FULL_TEXT:
        return ("eq", "co")
    accepted = OPERATORS[parameter.type]
    return (
        accepted
        if "missing" in modifiers_of(parameter)
        else tuple(one for one in accepted if one != "pr")
    )


def _with_operator(criterion: Criterion, operator: str) -> tuple[Criterion, bool]:
    """The parameter as the operator has it compared, and whether the comparison must fail."""
    if operator == "pr":
        return criterion._replace(modifier="missing"), False
    if operator == "=":
        # As in a query string, where a date or a number may bring a prefix.
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
