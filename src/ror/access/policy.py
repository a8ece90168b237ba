"""
Evaluates the access matrix of `knowledge/access_policy.toml`.

A rule and a grade (a confidentiality level, the kind of a capacity) make a `Code`, a byte that is
stored with the resource. A policy turns a code and the facts of the resource into a mask, one bit
for each of the six profiles. Masks are stored too, so reads do not evaluate the matrix.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final, NewType

from ror.access.facts import ANY_FIELD, MEDICO_SOCIAL, SENSITIVE, VILLE
from ror.access.governed import tables
from ror.errors import UsageError

PROFILES: Final = range(6)
"""The access profiles of the ROR."""

ProfileMask = NewType("ProfileMask", int)
"""One bit for each access profile: bit 2 stands for profile 2."""

MASKS: Final = tuple(ProfileMask(1 << profile) for profile in PROFILES)
"""The mask of each profile alone."""

ALL_PROFILES: Final = ProfileMask(0b111111)

INSTALLED, PERMANENT, REGULAR = 1, 2, 4
"""The grade of a capacity, as bits."""

GRADES: Final = 8
"""How many grades a rule may have: levels 1 to 3, or the kinds of a capacity."""

Code = int
"""A rule and a grade, in one byte."""

UNKNOWN_EXTENSION: Final = 160
"""The codes from here on are those of unknown extensions, see `unknown_in`."""
_UNKNOWN_RULE: Final = "unknown-extension"

_TERMS: Final[Mapping[str, Any]] = {
    "yes": lambda facts, grade: True,
    "-": lambda facts, grade: False,
    "S-": lambda facts, grade: not facts & SENSITIVE,
    "MS": lambda facts, grade: facts & ANY_FIELD == MEDICO_SOCIAL,
    "Ville": lambda facts, grade: facts & ANY_FIELD == VILLE,
    "some-MS": lambda facts, grade: bool(facts & MEDICO_SOCIAL),
    "some-Ville": lambda facts, grade: bool(facts & VILLE),
    "L1": lambda facts, grade: grade == 1,
    "L2": lambda facts, grade: grade in (1, 2),
    "installed": lambda facts, grade: bool(grade & INSTALLED),
    "permanent": lambda facts, grade: bool(grade & PERMANENT),
    "regular": lambda facts, grade: bool(grade & REGULAR),
}
"""The condition of each term of a cell, on the facts and the grade."""


@cache
def _rule_numbers() -> Mapping[str, int]:
    # The newest policy has every rule; the order is that of the file, and new rules come last.
    return {rule: number for number, rule in enumerate(tables()["policies"][0]["rules"], 1)}


def code_of(rule: str, grade: int = 0) -> Code:
    """
    The byte of a rule and a grade.

    >>> name_of(code_of("contact", 2))
    'contact.2'
    """
    return _rule_numbers()[rule] * GRADES + grade


def unknown_in(code: Code) -> Code:
    """
    The code of an unknown extension that stands in a part of this code, 0 for none.

    Whoever sees it may see that part, and unknown extensions.

    >>> name_of(unknown_in(code_of("contact", 2)))
    'unknown-extension.contact.2'
    """
    return UNKNOWN_EXTENSION + code


@cache
def name_of(code: Code) -> str:
    """The name of a code, for example of its index columns: its rule and its grade."""
    if code > UNKNOWN_EXTENSION:
        return f"{_UNKNOWN_RULE}.{name_of(code - UNKNOWN_EXTENSION)}"
    if code == UNKNOWN_EXTENSION:
        return f"{_UNKNOWN_RULE}.0"
    rules = {number: rule for rule, number in _rule_numbers().items()}
    return f"{rules[code // GRADES]}.{code % GRADES}"


@cache
def resource_code(resource_type: str) -> Code:
    """The code of the rule that governs a resource as a whole."""
    return code_of(tables()["resources"][resource_type])


@dataclass(frozen=True)
class Policy:
    """A version of the matrix with its switches; equal when they are."""

    version: str
    switches: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """
        The version and the enabled switches, as the store records them.

        >>> Policy("3.0.1", frozenset({"open-installed-capacity"})).name
        '3.0.1+open-installed-capacity'
        """
        return "+".join((self.version, *sorted(self.switches)))

    def mask(self, code: Code, facts: int) -> ProfileMask:
        """The profiles that may see an element with this code in a resource with these facts."""
        return _mask(self.name, code, facts)

    def visibility(self, codes: bytes, facts: int) -> bytes:
        """
        Each code followed by its mask, in order; the first code is that of the whole resource.

        A profile that may not see the resource sees none of its parts.
        """
        return _visibility(self.name, codes, facts)


STRICT: Final = Policy("3.0.1")
"""
The default policy: the newest version with every switch off.
"""


def policy_named(name: str) -> Policy:
    """
    The policy of that name: a version, then the switches that are on, joined by `+`.

    Raises UsageError if the version or a switch does not exist.
    """
    version, *switches = name.split("+")
    _cells(name)
    return Policy(version, frozenset(switches))


def versions() -> tuple[str, ...]:
    """The versions of the policy, newest first."""
    return tuple(policy["version"] for policy in tables()["policies"])


def switches() -> Mapping[str, str]:
    """The reason of each switch, by name."""
    return {switch["name"]: switch["source"] for switch in tables()["switches"]}


def rules() -> tuple[str, ...]:
    """The rules of the matrix, in its order."""
    return tuple(_rule_numbers())


def cell(policy: Policy, rule: str, profile: int) -> str:
    """The text of one cell of the matrix."""
    return _cells(policy.name)[rule][profile]


# --- evaluation -----------------------------------------------------------------------------------


@cache
def _cells(name: str) -> Mapping[str, Sequence[str]]:
    """The matrix of a policy: by rule, a cell for each profile."""
    version, *on = name.split("+")
    by_version = {policy["version"]: policy for policy in tables()["policies"]}
    by_switch = {switch["name"]: switch for switch in tables()["switches"]}
    if version not in by_version:
        raise UsageError("access.unknown-policy", found=version, known=", ".join(by_version))
    for switch in on:
        if switch not in by_switch:
            raise UsageError("access.unknown-switch", found=switch, known=", ".join(by_switch))
    policy = by_version[version]
    before = _cells(policy["after"]) if "after" in policy else {}
    cells = {rule: list(row) for rule, row in {**before, **policy["rules"]}.items()}
    for switch in on:
        for rule, changed in by_switch[switch]["rules"].items():
            for profile, text in changed.items():
                cells[rule][int(profile)] = text
    return cells


@cache
def _mask(name: str, code: Code, facts: int) -> ProfileMask:
    if code > UNKNOWN_EXTENSION:
        of_part = _mask(name, code - UNKNOWN_EXTENSION, facts)
        return ProfileMask(of_part & _mask(name, UNKNOWN_EXTENSION, facts))
    rule = name_of(code).partition(".")[0]
    row = _cells(name)[rule]
    seen_by = (profile for profile in PROFILES if _holds(row[profile], facts, code % GRADES))
    return ProfileMask(sum(1 << profile for profile in seen_by))


def _holds(text: str, facts: int, grade: int) -> bool:
    """
    Whether a cell allows an element of this grade in a resource with these facts.

    >>> _holds("MS L2 S- | L1 S-", MEDICO_SOCIAL, 2), _holds("MS L2 S- | L1 S-", VILLE, 2)
    (True, False)
    """
    return any(_all_hold(alternative.split(), facts, grade) for alternative in text.split("|"))


def _all_hold(terms: Iterable[str], facts: int, grade: int) -> bool:
    return all(_TERMS[term](facts, grade) for term in terms)


@lru_cache(maxsize=65536)
def _visibility(name: str, codes: bytes, facts: int) -> bytes:
    masks = [_mask(name, code, facts) for code in codes]
    return bytes(
        byte for code, mask in zip(codes, masks, strict=True) for byte in (code, mask & masks[0])
    )
