"""A search that was read: its criteria, its order, its inclusions and its page."""

from dataclasses import dataclass
from typing import Literal

from ror.errors import RorError
from ror.resources.subset import Subset
from ror.search.language.cursor import Cursor
from ror.search.language.expression import Expression, Near

Total = Literal["accurate", "none", "estimate"]


@dataclass(frozen=True, slots=True)
class SortKey:
    """
    A parameter to sort by. Resources without a value come last.

    `hops` are the `(param, type)` pairs of the chain that leads to the parameter. A sort by
    distance takes its points, `near`, from the criterion of the same name; the nearest point
    counts. A sort by score takes in `words` the expression that matches are scored against.
    """

    param: str
    descending: bool
    hops: tuple[tuple[str, str], ...] = ()
    near: tuple[Near, ...] = ()
    words: Expression | None = None


@dataclass(frozen=True, slots=True)
class Include:
    """
    An `_include`, or a `_revinclude` if `reverse` is set.

    `source` is the type that has the reference `param`. A `target` of None means every type that
    the reference may lead to.
    """

    source: str
    param: str
    target: str | None
    iterate: bool
    reverse: bool


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """
    A search that was read without error.

    `count` is the page size. `summary` is "count" if the client requests the total alone; `subset`
    says which elements it requests, None for whole resources. `total` is the value of `_total`; the
    total is exact whatever it says. `pairs` are the name and value pairs that were applied, spelled
    correctly, for the self link; `_count` is the value applied, and the cursor is left out.
    `ignored` lists the parameters without value and, in lenient handling, those that cannot be
    read.
    """

    resource_type: str
    expression: Expression
    sort: tuple[SortKey, ...]
    count: int
    cursor: Cursor | None
    includes: tuple[Include, ...]
    summary: Literal["count"] | None
    subset: Subset | None
    total: Total | None
    ignored: tuple[RorError, ...]
    pairs: tuple[tuple[str, str], ...]
    explain: bool = False
    """Whether the response explains how the search was understood."""
    strict: bool = False
    """Whether an unknown code is refused rather than reported (choice 35)."""
