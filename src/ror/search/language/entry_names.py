"""
The names of the index entries of a search parameter.

The values of `specialty` have the name `specialty`. The entries of its modifier `:text` have the
name `specialty:text` (`modifiers.py` says which modifiers have entries). Entries that come from a
governed part of a resource also carry the code of its rule: `specialty:text!act.0`.
"""

from functools import lru_cache

from ror.standard.definitions import search_parameters


def modifier_entries(parameter: str, modifier: str) -> str:
    """
    The name of the entries that a modifier of a parameter compares.

    >>> modifier_entries("specialty", "text")
    'specialty:text'
    """
    return f"{parameter}:{modifier}"


def governed_entries(name: str, code: str) -> str:
    """
    The name of the entries that come from a governed part, under the code of its rule.

    >>> governed_entries("specialty:text", "act.0")
    'specialty:text!act.0'
    """
    return f"{name}!{code}"


def split_governed(entries_name: str) -> tuple[str, str]:
    """
    The name without the code of a rule, and that code; "" if no rule governs the entries.

    >>> split_governed("specialty:text!act.0"), split_governed("specialty")
    (('specialty:text', 'act.0'), ('specialty', ''))
    """
    name, _, code = entries_name.partition("!")
    return name, code


def parameter_of(entries_name: str) -> str:
    """
    The parameter that entries belong to.

    >>> parameter_of("specialty:text"), parameter_of("specialty!act.0")
    ('specialty', 'specialty')
    """
    return split_governed(entries_name)[0].partition(":")[0]


@lru_cache(maxsize=4096)
def record_of(resource_type: str, entries_name: str) -> str | None:
    """The record whose rows hold the entries; None if they belong to the whole resource."""
    parameter = search_parameters(resource_type).get(parameter_of(entries_name))
    return parameter.record if parameter else None
