"""
Invariants as Python functions: the tree of an expression and the type it is about, to a predicate.

Compilation reads the element tables once: which JSON properties an element may have, and which type
comes next. The predicate only reads values.

The values of an element are those of its JSON property; `None` stands for a value that is absent
for a reason (an extension in its `_name` sibling). A comparison with such a value is undecided, as
is that of dates of different precision and of quantities of different units. An undecided invariant
counts as satisfied.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

from ror.resources.validation.expressions import Binary, Call, Expression, Literal, Member, This
from ror.resources.validation.values import PRIMITIVES, is_not_after
from ror.standard.definitions import TypeDefinition, type_definition

Node = Any
Values = Callable[[Node], Sequence[Any]]
Truth = Callable[[Node], bool | None]
"""True, false, or None for the empty collection of FHIRPath."""


class _Undecided(Exception):
    """Ends a predicate that compares something with an unknown value."""


def predicate(expression: Expression, type_name: str) -> Callable[[Node], bool]:
    """
    A function that says whether a value of a type satisfies an expression.

    The empty collection does not satisfy it. Raises ValueError if the expression uses an element, a
    function or an operator that is not supported.

    >>> from ror.resources.validation.expressions import parse
    >>> holds = predicate(parse("code.empty() or system.exists()"), "Quantity")
    >>> holds({"value": 1}), holds({"code": "kg"})
    (True, False)
    """
    truth = _truth(expression, type_name)

    def holds(node: Node) -> bool:
        try:
            return truth(node) is True
        except _Undecided:
            return True

    return holds


def checks_presence_only(expression: Expression) -> bool:
    """Whether an expression depends only on which elements a value has."""
    match expression:
        case Binary("and" | "or" | "xor" | "implies" | "=" | "!=", left, right):
            return checks_presence_only(left) and checks_presence_only(right)
        case Call(inner, "not", ()):
            return checks_presence_only(inner)
        case Call(inner, "exists" | "empty", ()):
            return _names_elements(inner)
    return False


def _names_elements(expression: Expression) -> bool:
    match expression:
        case Member(This(), _):
            return True
        case Binary("|", left, right):
            return _names_elements(left) and _names_elements(right)
    return False


# --- values ---------------------------------------------------------------------------------------


def _values(expression: Expression, type_name: str | None) -> tuple[Values, str | None]:
    """
    A function to the values of an expression, and their type, None if it is unknown.
    """
    match expression:
        case Literal(value):
            return (lambda node: (value,)), None
        case This():
            return (lambda node: (node,)), type_name
        case Member(This(), name):
            return _member(name, type_name)
        case Member(inner, name):
            outer, outer_type = _values(inner, type_name)
            member, member_type = _member(name, outer_type)
            return (
                lambda node: [item for value in outer(node) for item in member(value)]
            ), member_type
        case Call(inner, "trace", _):
            return _values(inner, type_name)
        case Call(inner, "where", (criterion,)):
            outer, outer_type = _values(inner, type_name)
            holds = _truth(criterion, outer_type)
            return (
                lambda node: [value for value in outer(node) if holds(value) is True]
            ), outer_type
        case Call(inner, "select", (projection,)):
            outer, outer_type = _values(inner, type_name)
            projected, projected_type = _values(projection, outer_type)
            return (
                lambda node: [item for value in outer(node) for item in projected(value)]
            ), projected_type
        case Call(inner, "descendants", ()):
            outer, _ = _values(inner, type_name)
            return (lambda node: [item for value in outer(node) for item in _below(value)]), None
        case Call(inner, "count", ()):
            outer, _ = _values(inner, type_name)
            return (lambda node: (len(outer(node)),)), None
        case Call(inner, "toString", ()):
            outer, _ = _values(inner, type_name)
            return (lambda node: [str(_certain(value)) for value in outer(node)]), None
        case Binary("|", left, right):
            return _union(_values(left, type_name)[0], _values(right, type_name)[0]), None
        case Binary("+", left, right):
            return _sum(_values(left, type_name)[0], _values(right, type_name)[0]), None
    truth = _truth(expression, type_name)

    def values_of_truth(node: Node) -> Sequence[Any]:
        result = truth(node)
        return () if result is None else (result,)

    return values_of_truth, None


def _member(name: str, type_name: str | None) -> tuple[Values, str | None]:
    """A function to the values of an element of a value of some type, and their type."""
    if type_name is None:
        return _plain_member(name), None
    elements = [
        element
        for element in type_definition(type_name).elements.values()
        if name in (element.name, element.choice)
    ]
    if not elements:
        raise ValueError(f'{type_name} has no element "{name}"')
    types = {element.types[0] for element in elements}
    member_type = types.pop() if len(types) == 1 else None
    if member_type in PRIMITIVES:
        member_type = None
    if len(elements) == 1:
        return _plain_member(elements[0].name), member_type
    choices = [_plain_member(element.name) for element in elements]
    return (lambda node: [value for choice in choices for value in choice(node)]), member_type


def _plain_member(name: str) -> Values:
    sibling = "_" + name

    def values(node: Node) -> Sequence[Any]:
        if node.__class__ is not dict:
            return ()
        value = node.get(name)
        if value is None:
            return (None,) if sibling in node else ()
        return value if value.__class__ is list else (value,)

    return values


def _below(node: Node) -> Iterator[Any]:
    """Every object and value below a value, in any order."""
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        if not isinstance(child, list):
            yield child
        yield from _below(child)


def _union(left: Values, right: Values) -> Values:
    def values(node: Node) -> Sequence[Any]:
        union: list[Any] = []
        for value in (*left(node), *right(node)):
            if value not in union:
                union.append(value)
        return union

    return values


def _sum(left: Values, right: Values) -> Values:
    def values(node: Node) -> Sequence[Any]:
        terms = (*left(node), *right(node))
        return (sum(map(_certain, terms)),) if len(terms) == 2 else ()

    return values


def _certain(value: Any) -> Any:
    if value is None:
        raise _Undecided
    return value


# --- truth ----------------------------------------------------------------------------------------


def _truth(expression: Expression, type_name: str | None) -> Truth:
    """A function that says whether an expression is true of a value."""
    match expression:
        case Binary(operator, left, right) if operator in _LOGIC:
            return _LOGIC[operator](_truth(left, type_name), _truth(right, type_name))
        case Binary("is", Member(This(), name), Member(This(), kind)):
            chosen = _plain_member(name + kind)
            return lambda node: bool(chosen(node))
        case Binary(operator, left, right) if operator in _COMPARISONS:
            return _comparison(_COMPARISONS[operator], left, right, type_name)
        case Binary("in", left, right):
            return _membership(_values(left, type_name)[0], _values(right, type_name)[0])
        case Call(inner, "not", ()):
            truth = _truth(inner, type_name)
            return lambda node: None if (result := truth(node)) is None else not result
        case Call(inner, "all", (criterion,)):
            values, inner_type = _values(inner, type_name)
            holds = _truth(criterion, inner_type)
            return lambda node: all(holds(value) is True for value in values(node))
        case Call(inner, "exists" | "empty" as function, ()):
            presence = _presence(inner, type_name)
            return presence if function == "exists" else lambda node: not presence(node)
        case Call(inner, "hasValue", ()) if member := _single_member(inner, type_name):
            return lambda node: member in node
        case Call(inner, function, arguments) if function in _TESTS:
            values, _ = _values(inner, type_name)
            texts = [argument.value for argument in arguments if isinstance(argument, Literal)]
            test = _TESTS[function]
            return lambda node: test(values(node), *texts)
        case Call() | Binary() if not _gives_values(expression):
            raise ValueError(f"{expression} is not understood")
    values, _ = _values(expression, type_name)
    return lambda node: _single_truth(values(node))


def _gives_values(expression: Call | Binary) -> bool:
    functions = ("trace", "where", "select", "descendants", "count", "toString")
    name = expression.function if isinstance(expression, Call) else expression.operator
    return name in (*functions, "|", "+")


def _presence(expression: Expression, type_name: str | None) -> Callable[[Node], bool]:
    """A function that says whether an expression has values; own elements are looked up by name."""
    if isinstance(expression, Call) and (expression.inner, expression.function) == (
        This(),
        "where",
    ):
        holds = _truth(expression.arguments[0], type_name)
        return lambda node: holds(node) is True
    if not (_names_elements(expression) and type_name):
        values, _ = _values(expression, type_name)
        return lambda node: bool(values(node))
    names = frozenset(_json_names(expression, type_definition(type_name)))
    if len(names) == 2:
        name, sibling = sorted(names, reverse=True, key=lambda name: name[0] != "_")
        return lambda node: name in node or sibling in node
    return lambda node: not names.isdisjoint(node)


def _json_names(expression: Expression, definition: TypeDefinition) -> Iterator[str]:
    match expression:
        case Binary(_, left, right):
            yield from _json_names(left, definition)
            yield from _json_names(right, definition)
        case Member(_, name):
            names = [
                element.name
                for element in definition.elements.values()
                if name in (element.name, element.choice)
            ]
            if not names:
                raise ValueError(f'{definition.name} has no element "{name}"')
            for property_name in names:
                yield from (property_name, "_" + property_name)


def _single_truth(values: Sequence[Any]) -> bool | None:
    """A collection as a boolean, None if it is empty or has several values."""
    if not values:
        return None
    return _certain(values[0]) is not False if len(values) == 1 else None


def _both(left: Truth, right: Truth) -> Truth:
    def truth(node: Node) -> bool | None:
        first = left(node)
        if first is False:
            return False
        second = right(node)
        return second if first else (False if second is False else None)

    return truth


def _either(left: Truth, right: Truth) -> Truth:
    def truth(node: Node) -> bool | None:
        first = left(node)
        if first:
            return True
        second = right(node)
        return second if first is False else (True if second else None)

    return truth


def _implies(left: Truth, right: Truth) -> Truth:
    return _either(lambda node: None if (result := left(node)) is None else not result, right)


def _exactly_one(left: Truth, right: Truth) -> Truth:
    def truth(node: Node) -> bool | None:
        first, second = left(node), right(node)
        return None if first is None or second is None else first is not second

    return truth


_LOGIC: Final = {"and": _both, "or": _either, "implies": _implies, "xor": _exactly_one}


# --- comparisons and tests ------------------------------------------------------------------------


def _comparison(
    compare: Callable[[Any, Any], bool], left: Expression, right: Expression, type_name: str | None
) -> Truth:
    """A function that compares two single values; None if either side has none or several."""
    first_values, second_values = _values(left, type_name)[0], _values(right, type_name)[0]

    def truth(node: Node) -> bool | None:
        first, second = first_values(node), second_values(node)
        if len(first) != 1 or len(second) != 1:
            return None
        return compare(_certain(first[0]), _certain(second[0]))

    name = _single_member(left, type_name)
    if name is None or not isinstance(right, Literal):
        return truth
    literal = right.value
    # The most frequent comparison by far: spare the collections.
    return lambda node: compare(node[name], literal) if name in node else truth(node)


def _single_member(expression: Expression, type_name: str | None) -> str | None:
    """
    The name of an element of the value itself that does not repeat; None for other expressions.
    """
    match expression:
        case Member(This(), name) if type_name is not None:
            element = type_definition(type_name).elements.get(name)
            return name if element is not None and element.max == 1 else None
    return None


def _membership(left: Values, right: Values) -> Truth:
    def truth(node: Node) -> bool | None:
        values = left(node)
        return _certain(values[0]) in right(node) if len(values) == 1 else None

    return truth


def _at_most(left: Any, right: Any) -> bool:
    if isinstance(left, str):
        return is_not_after(left, right)
    if isinstance(left, dict):
        return _is_no_larger(left, right)
    return bool(left <= right)


def _is_no_larger(left: dict[str, Any], right: dict[str, Any]) -> bool:
    """Whether a quantity is at most another."""
    same_unit = all(left.get(name) == right.get(name) for name in ("unit", "code", "system"))
    if not same_unit or "value" not in left or "value" not in right:
        raise _Undecided
    return bool(left["value"] <= right["value"])


def _less(left: Decimal, right: Decimal) -> bool:
    return left < right


_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<=": _at_most,
    ">=": lambda left, right: _at_most(right, left),
    "<": _less,
    ">": lambda left, right: _less(right, left),
}


def _are_distinct(values: Iterable[Any]) -> bool:
    present = [value for value in values if value is not None]
    return len(present) == len(set(present))


def _text_test(test: Callable[[str, str], bool]) -> Callable[[Sequence[Any], str], bool | None]:
    return lambda values, text: test(_certain(values[0]), text) if len(values) == 1 else None


_TESTS: Final[dict[str, Callable[..., bool | None]]] = {
    "hasValue": lambda values: len(values) == 1 and values[0] is not None,
    "isDistinct": _are_distinct,
    "allFalse": lambda values: all(value is False for value in values),
    "startsWith": _text_test(str.startswith),
    "contains": _text_test(lambda text, part: part in text),
}
