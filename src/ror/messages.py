"""
The catalogue of messages, in French and English: diagnostics, command line and pages.

The texts live in `knowledge/messages/*.toml`, one table per key with a text per language and
`{name}` placeholders. French is the default language.
"""

import difflib
import string
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Final

LANGUAGES: Final = ("fr", "en")
DEFAULT_LANGUAGE: Final = "fr"


@cache
def catalogue() -> dict[str, dict[str, str]]:
    """
    Every text, by key and language: `{"search.unknown-parameter": {"fr": "…", "en": "…"}}`.

    Raises ValueError when two files define the same key or a key lacks a language.
    """
    texts: dict[str, dict[str, str]] = {}
    folder = resources.files("ror.standard.knowledge").joinpath("messages")
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if not file.name.endswith(".toml"):
            continue
        for section, entries in tomllib.loads(file.read_text(encoding="utf-8")).items():
            for name, by_language in entries.items():
                key = f"{section}.{name}"
                if key in texts or set(by_language) != set(LANGUAGES):
                    raise ValueError(f'{file.name}: "{key}" is defined twice or lacks a language')
                texts[key] = by_language
    return texts


def text(key: str, language: str = DEFAULT_LANGUAGE, **params: object) -> str:
    """
    The text of `key` in `language`, its placeholders filled with `params`.

    A placeholder such as `{count:# line|# lines}` has a singular and a plural; `#` stands for the
    number. Raises KeyError when the key is not in the catalogue or a placeholder has no value: both
    are bugs.

    >>> text("audit.found", "en", count=1), text("audit.found", "en", count=0)
    ('1 line.', '0 lines.')
    """
    template = catalogue()[key][language]
    if "|" not in template:
        return template.format_map(params)
    return _FORMATTERS[language].vformat(template, (), params)


_SINGULAR: Final = {"fr": ("0", "1"), "en": ("1",)}
"""The numbers that take the singular, as written."""


class _Formatter(string.Formatter):
    """Chooses between the forms of a placeholder."""

    def __init__(self, language: str) -> None:
        self._singular = _SINGULAR[language]

    def format_field(self, value: object, format_spec: str) -> str:
        singular, separator, plural = format_spec.partition("|")
        if not separator:
            return format(value, format_spec)
        number = str(value)
        return (singular if number in self._singular else plural).replace("#", number)


_FORMATTERS: Final = {language: _Formatter(language) for language in LANGUAGES}


def preferred_language(accept_language: str | None) -> str:
    """
    The preferred language of an `Accept-Language` header or a `LANG`-like variable, by default
    French.

    >>> [preferred_language(text) for text in ("en-GB,en;q=0.8,fr;q=0.5", "de", "en_US.UTF-8")]
    ['en', 'fr', 'en']
    """
    best, best_quality = DEFAULT_LANGUAGE, 0.0
    for part in (accept_language or "").split(","):
        tag, _, parameters = part.strip().partition(";")
        language = tag.strip().lower()[:2]
        quality = _quality(parameters)
        if language in LANGUAGES and quality > best_quality:
            best, best_quality = language, quality
    return best


def _quality(parameters: str) -> float:
    """The `q` of one Accept-Language part; 1 when absent, 0 when it is not a number."""
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


# --- quoted and suggested values ---------- -------------------------------------------------------

_LONGEST_SUGGESTED: Final = 64
"""
Longer names get no suggestion: comparing them would let an attacker waste time.
"""


def shown(value: str) -> str:
    """The value as an error repeats it: its first hundred characters."""
    return value if len(value) <= 100 else f"{value[:100]}…"


def closest(name: str, names: Iterable[str], template: str = "{}") -> str:
    """
    The candidate nearest to an unknown name, or all candidates if none is near.

    >>> closest("Healthcareservice", ("HealthcareService", "Location"))
    'HealthcareService'
    """
    candidates = tuple(names)
    if len(name) <= _LONGEST_SUGGESTED:
        by_lowered = {each.lower(): each for each in candidates}
        for near in difflib.get_close_matches(name.lower(), by_lowered, n=1, cutoff=0.65):
            return template.format(by_lowered[near])
    return ", ".join(template.format(each) for each in candidates)
