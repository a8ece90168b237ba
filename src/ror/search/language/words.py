"""
The words of a French text, for full-text search, in the same form for the index and for queries.

A word is a run of letters and digits, folded, without an elided article before it. Its stem is
common to its plural and its feminine. The index holds every word: `SMALL_WORDS` are left out of
queries only, and a query of small words alone keeps them.
"""

import re
from functools import lru_cache
from typing import Final

import snowballstemmer

from ror.search.language.values import fold

SMALL_WORDS: Final = frozenset(
    {
        "a",
        "au",
        "aux",
        "avec",
        "ce",
        "ces",
        "chez",
        "d",
        "dans",
        "de",
        "des",
        "du",
        "en",
        "et",
        "l",
        "la",
        "le",
        "les",
        "leur",
        "ou",
        "par",
        "pour",
        "sa",
        "se",
        "ses",
        "son",
        "sur",
        "un",
        "une",
        "vers",
        "y",
    }
)
"""Stop words, left out of a query unless it has no others."""

MAX_WORD_LENGTH: Final = 64
"""Longer runs of letters are truncated: none is a word, and it would make a very long index key."""

_CACHED_LENGTH: Final = 256
"""Longer texts are not cached, so that queries cannot fill the memory."""

_ACRONYM: Final = re.compile(r"(?<![^\W_])(?:[^\W\d_]\.){2,}(?:[^\W\d_](?![^\W_]))?")
"""E.H.P.A.D., which some write without dots."""
_ELISION: Final = re.compile(r"(?<![^\W_])(?:[cdjlmnst]|qu|jusqu|lorsqu|puisqu|quoiqu)'(?=[^\W_])")
_WORD: Final = re.compile(r"[^\W_]+")


def words_of(text: str) -> tuple[str, ...]:
    """
    The words of a text, in order.

    >>> words_of("L’Hôpital d'Œuvilly, C.H.U. de Saint-Étienne (2e)")
    ('hopital', 'oeuvilly', 'chu', 'de', 'saint', 'etienne', '2e')
    """
    return _cached_words(text) if len(text) <= _CACHED_LENGTH else _words_of(text)


def _words_of(text: str) -> tuple[str, ...]:
    folded = fold(text)
    if "." in folded:
        folded = _ACRONYM.sub(lambda match: match[0].replace(".", ""), folded)
    if "'" in folded:
        folded = _ELISION.sub("", folded)
    words = _WORD.findall(folded)
    return tuple(word[:MAX_WORD_LENGTH] for word in words)


_cached_words: Final = lru_cache(maxsize=65536)(_words_of)


def query_words(text: str) -> list[tuple[str, bool]]:
    """
    The words of a query, each with whether it is a prefix: the last word typed is one.

    >>> query_words("Centre de cardio")
    [('centre', False), ('cardio', True)]
    """
    typed = words_of(text)
    words = [(word, at == len(typed)) for at, word in enumerate(typed, start=1)]
    return [(word, prefix) for word, prefix in words if word not in SMALL_WORDS] or words


# --- stems ----------------------------------------------------------------------------------------

_BEFORE_STEMMING: Final = (
    # A plural ending of one letter, after any letter.
    (re.compile(r"(?<=[^\W\d_]{3})(?<!s)s$"), ""),
    # The stemmer recognises these feminines by accents that folding removed: hospitalisée,
    # infirmière, étrangère.
    (re.compile(r"(?<=[^\W\d_]{2})ee$"), "e"),
    (re.compile(r"(?<=[^\W\d_]{2})ere$"), "er"),
)


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """
    The stem that a word shares with its plural and its feminine; a word with a digit is its own
    stem.

    >>> stem("urgences") == stem("urgence"), stem("infirmieres") == stem("infirmier"), stem("t2a")
    (True, True, 't2a')
    """
    if not word.isalpha() or len(word) < 4:
        return word
    for ending, replacement in _BEFORE_STEMMING:
        word = ending.sub(replacement, word)
    # A stemmer has state, so threads must not share it; making one is cheap compared with using it.
    stemmed: str = snowballstemmer.stemmer("french").stemWord(word)
    return stemmed
