"""
A parser for the FHIRPath of invariants: from text to a tree.

The invariants of FHIR R4 use a part of the language: names, literals, operators and functions. The
parser refuses everything else, so that it never reads an invariant in part. Source: FHIRPath 1.0,
section 11 (operators and their precedence).
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final


@dataclass(frozen=True, slots=True)
class Literal:
    """A text, a number or a boolean."""

    value: str | int | Decimal | bool


@dataclass(frozen=True, slots=True)
class This:
    """The value that the expression is evaluated on: `$this`, or the implicit start of a path."""


@dataclass(frozen=True, slots=True)
class Member:
    """The values of the element `name` of each value of `inner`."""

    inner: "Expression"
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function of the values of `inner`."""

    inner: "Expression"
    function: str
    arguments: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Binary:
    """An operator between two expressions."""

    operator: str
    left: "Expression"
    right: "Expression"


Expression = Literal | This | Member | Call | Binary

_CONSTANTS: Final = {"ucum": "http://unitsofmeasure.org"}
_PRECEDENCE: Final = (
    ("implies",),
    ("or", "xor"),
    ("and",),
    ("in",),
    ("=", "!="),
    ("<=", ">=", "<", ">"),
    ("|",),
    ("is",),
    ("+",),
)
"""The operators, from the lowest precedence to the highest."""

_TOKEN: Final = re.compile(
    r"""
    \s*(?:
        '(?P<text>[^'\\]*)'
      | (?P<number>\d+(?:\.\d+)?)
      | %(?P<constant>\w+)
      | (?P<sign><=|>=|!=|[<>=|+\-().,])
      | \$(?P<this>this)\b
      | `(?P<quoted>\w+)`
      | (?P<name>[A-Za-z_]\w*)
    )
    """,
    re.VERBOSE | re.ASCII,
)


def parse(text: str) -> Expression:
    """
    The tree of an expression.

    Raises ValueError for text that is not supported.

    >>> parse("code.empty()")
    Call(inner=Member(inner=This(), name='code'), function='empty', arguments=())
    """
    reader = _Reader(text)
    expression = reader.expression()
    reader.expect("")
    return expression


class _Reader:
    """The tokens of an expression as pairs of kind and text, and the index of the next token."""

    def __init__(self, text: str) -> None:
        self._text, self._tokens, self._next = text, list[tuple[str, str]](), 0
        at, end = 0, len(text.rstrip())
        while at < end:
            token = _TOKEN.match(text, at)
            if token is None or token.lastgroup is None:
                raise ValueError(f'"{text}" is not understood from "{text[at:]}"')
            self._tokens.append((token.lastgroup, token[token.lastgroup]))
            at = token.end()

    def expect(self, sign: str) -> None:
        """Skip this sign; the empty string stands for the end."""
        if self._peek()[1] != sign:
            raise ValueError(f'"{self._text}" has "{self._peek()[1]}" where "{sign}" is expected')
        self._next += 1

    def expression(self, level: int = 0) -> Expression:
        if level == len(_PRECEDENCE):
            return self._path()
        left = self.expression(level + 1)
        while self._peek()[0] in ("sign", "name") and self._peek()[1] in _PRECEDENCE[level]:
            operator = self._take()[1]
            left = Binary(operator, left, self.expression(level + 1))
        return left

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._next] if self._next < len(self._tokens) else ("end", "")

    def _take(self) -> tuple[str, str]:
        token = self._peek()
        self._next += 1
        return token

    def _path(self) -> Expression:
        path = self._start()
        while self._peek() == ("sign", "."):
            self._next += 1
            path = self._step(path)
        return path

    def _start(self) -> Expression:
        kind, text = self._peek()
        if kind in ("name", "quoted") and text not in ("true", "false"):
            return self._step(This())
        self._next += 1
        match kind, text:
            case "text", _:
                return Literal(text)
            case "number", _:
                return Literal(Decimal(text) if "." in text else int(text))
            case "name", _:
                return Literal(text == "true")
            case "constant", _ if text in _CONSTANTS:
                return Literal(_CONSTANTS[text])
            case "this", _:
                return This()
            case "sign", "-":
                number = self._start()
                if isinstance(number, Literal) and isinstance(number.value, int | Decimal):
                    return Literal(-number.value)
            case "sign", "(":
                inside = self.expression()
                self.expect(")")
                return inside
        raise ValueError(f'"{self._text}" has "{text}" where a value is expected')

    def _step(self, path: Expression) -> Expression:
        kind, name = self._take()
        if kind not in ("name", "quoted"):
            raise ValueError(f'"{self._text}" has "{name}" where a name is expected')
        if self._peek() != ("sign", "("):
            return Member(path, name)
        self._next += 1
        arguments = []
        while self._peek() != ("sign", ")"):
            arguments.append(self.expression())
            if self._peek() == ("sign", ","):
                self._next += 1
        self.expect(")")
        return Call(path, name, tuple(arguments))
