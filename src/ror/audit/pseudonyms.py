"""
Which values of a request are readable in the audit trail, and which are hashed.

A value that could identify a person is replaced by a keyed hash: without the key of the trail it
reveals nothing; with the key an auditor can search for a given name. The table
`knowledge/audit_parameters.toml` lists what is readable; anything else is hashed. A readable value
must also look like a code, a date, a number or a resource id; other text is hashed there too.
"""

import base64
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from hashlib import blake2b
from importlib.resources import files
from typing import Final, Literal

from ror.errors import RorError
from ror.search.language.comparing import without_spaces
from ror.search.language.criteria import FILTER, criterion_path
from ror.search.language.criterion_values import MAX_VALUES
from ror.search.language.filter import NOT_OFFERED, OPERATORS
from ror.search.language.values import normal_text

MARK: Final = "#"
"""The first character of a hashed value; no readable value starts with it."""

MOST_READ: Final = 32_768
"""Characters of a request that are examined value by value: a thousand codes fit."""

_LEAST_READ: Final = 160
"""What a parameter counts for at least: looking up a name that does not exist takes as long."""

KEY_BYTES: Final = 32
_REMEMBERED_LENGTH: Final = 200
_LONGEST_NAME: Final = 500
_HASH_BYTES: Final = 12

Treatment = Literal["readable", "hashed", "system"]
TREATMENTS: Final[tuple[Treatment, ...]] = ("readable", "system", "hashed")
"""`system` leaves the text before a bar readable: the system of an identifier, not its value."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9:/._|+*-]{0,200}", re.ASCII)
_LONG_NUMBER: Final = re.compile(r"\+?[0-9]{9,}", re.ASCII)
"""A telephone number, or the identifier of a professional or a structure."""
_PLAIN_PATH: Final = re.compile(r"/[A-Za-z0-9/._$-]{0,400}", re.ASCII)

_COMMA: Final = re.compile(r"(?<!\\),")
_COMMA_OR_BAR: Final = re.compile(r"(?<!\\)([,|])")
_FILTER_PIECE: Final = re.compile(r'(\s+|[()]|"[^"\\]*(?:\\.[^"\\]*)*"?|[^\s()"]+)', re.DOTALL)
_FILTER_WORDS: Final = frozenset(
    {
        "and",
        "or",
        "not",
        "=",
        "true",
        "false",
        *NOT_OFFERED,
        *(word for words in OPERATORS.values() for word in words),
    }
)


class Pseudonymizer:
    """Replaces personal values by hashes, with the key of one trail."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._remembered = lru_cache(maxsize=4096)(self._pair)

    def hashed(self, value: str) -> str:
        """
        The hash of a text; texts that a search considers equal share it, unless they are very long.
        """
        text = without_spaces(normal_text(value)) if len(value) <= MOST_READ else value
        digest = blake2b(text.encode(), key=self._key, digest_size=_HASH_BYTES).digest()
        return MARK + base64.urlsafe_b64encode(digest).decode("ascii")

    def pairs(
        self, resource_type: str | None, pairs: Sequence[tuple[str, str]]
    ) -> tuple[tuple[str, str], ...]:
        """
        The parameters of a request on a resource type, as the trail records them, in order.

        Beyond `MOST_READ` characters they are hashed whole: a record must not become much longer
        than its request.
        """
        written, left = [], MOST_READ
        for name, value in pairs:
            left -= max(len(name) + len(value), _LEAST_READ)
            if left < 0:
                written.append((self.hashed(name), self.hashed(value)))
            elif len(name) + len(value) <= _REMEMBERED_LENGTH:
                written.append(self._remembered(resource_type, name, value))
            else:
                written.append(self._pair(resource_type, name, value))
        return tuple(written)

    def path(self, path: str) -> str:
        """The path of a request; hashed if it is not one of ours."""
        return path if _PLAIN_PATH.fullmatch(path) else self.hashed(path)

    def announced(self, value: str | None) -> str | None:
        """The value of a `Ror-*` header; hashed unless it looks like a code."""
        return value if value is None or _looks_like_a_code(value) else self.hashed(value)

    def _pair(self, resource_type: str | None, name: str, value: str) -> tuple[str, str]:
        if name == FILTER and resource_type is not None:
            written = "".join(self._filter(resource_type, value))
            return name, written if len(written) <= MOST_READ else self.hashed(value)
        treatment = treatment_of(resource_type, name)
        if treatment is None:
            return self.hashed(name), self.hashed(value)
        if value.count(",") >= MAX_VALUES:
            return name, self.hashed(value)
        return name, self._listed(value, treatment)

    def _listed(self, text: str, treatment: Treatment) -> str:
        """A comma list with each value, and each part between bars, treated on its own."""
        if treatment == "hashed":
            return ",".join([self.hashed(part) for part in _COMMA.split(text)])
        pieces = _COMMA_OR_BAR.split(text)
        for at in range(0, len(pieces), 2):
            is_open = treatment == "readable" or pieces[at + 1 : at + 2] == ["|"]
            if not (is_open and _looks_like_a_code(pieces[at])):
                pieces[at] = self.hashed(pieces[at])
        return "".join(pieces)

    def _filter(self, resource_type: str, text: str) -> Iterator[str]:
        """
        The pieces of a filter: keywords and known names as they are, values by the name before
        them.
        """
        treatment: Treatment = "hashed"
        for piece in _FILTER_PIECE.findall(text):
            if piece.isspace() or piece in "()" or piece.lower() in _FILTER_WORDS:
                yield piece
            elif piece.startswith('"'):
                yield self._listed(piece.strip('"'), treatment).join('""')
            elif (known_treatment := treatment_of(resource_type, piece)) is not None:
                treatment = known_treatment
                yield piece
            else:
                yield self._listed(piece, treatment)


def _looks_like_a_code(text: str) -> bool:
    return bool(_PLAIN.fullmatch(text)) and not _LONG_NUMBER.fullmatch(text)


def treatment_of(resource_type: str | None, name: str) -> Treatment | None:
    """
    How the values of a parameter are recorded; None for an unknown name.

    >>> treatment_of("HealthcareService", "specialty")
    'readable'
    >>> treatment_of("PractitionerRole", "practitioner.identifier")
    'system'
    """
    tables = treatments()
    if name in tables["answering"]:
        return tables["answering"][name]
    # Clients choose names: long ones must not fill the cache.
    return (
        None
        if resource_type is None or len(name) > _LONGEST_NAME
        else _treatment_of(resource_type, name)
    )


@lru_cache(maxsize=4096)
def _treatment_of(resource_type: str, name: str) -> Treatment | None:
    tables = treatments()
    try:
        criterion = criterion_path(resource_type, name).criterion
    except RorError:
        return None
    by_modifier = tables["modifiers"].get(criterion.modifier or "")
    by_name = tables["parameters"].get(criterion.parameter.name)
    return by_modifier or by_name or tables["types"][criterion.parameter.type]


@cache
def treatments() -> Mapping[str, Mapping[str, Treatment]]:
    """The tables of treatments: by `types`, `parameters`, `modifiers` and `answering`."""
    text = (
        files("ror.standard.knowledge")
        .joinpath("audit_parameters.toml")
        .read_text(encoding="utf-8")
    )
    tables: dict[str, dict[str, Treatment]] = tomllib.loads(text)
    return tables
