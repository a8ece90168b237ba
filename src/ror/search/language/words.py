"""
The words of a French text, for full-text search: one normal form for what is indexed and what is typed.

A word is a run of letters and digits, folded as all text is, without the elided article before it. Its stem is what it
shares with its plural and its feminine. There is no list of words left out of the index: `SMALL_WORDS` are left out of
questions only, so that none is ever emptied of its meaning.
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
"""Words that say nothing about what is looked for; a question made of nothing else keeps them."""

MAX_WORD_LENGTH: Final = 64
"""Longer runs of letters are cut: none is a word, and an index key should not be a page long."""

_CACHED_LENGTH: Final = 256
"""Longer texts are not remembered: queries bring them too, and a cache must not grow with what strangers send."""

_ACRONYM: Final = re.compile(r"(?<![^\W_])(?:[^\W\d_]\.){2,}(?:[^\W\d_](?![^\W_]))?")
"""E.H.P.A.D., which some write without dots."""
_ELISION: Final = re.compile(r"(?<![^\W_])(?:[cdjlmnst]|qu|jusqu|lorsqu|puisqu|quoiqu)'(?=[^\W_])")
_WORD: Final = re.compile(r"[^\W_]+")


def words_of(text: str) -> tuple[str, ...]:
    """
    The words of a text, in the order in which they stand.

    >>> words_of("L’Hôpital d'Œuvilly, C.H.U. de Saint-Étienne (2e)")
    ('hopital', 'oeuvilly', 'chu', 'de', 'saint', 'etienne', '2e')
    """
    return _cached_words(text) if len(text) <= _CACHED_LENGTH else _words_of(text)


def _words_of(text: str) -> tuple[str, ...]:
    folded = fold(text)
    if "." in folded:
        folded = _ACRONYM.sub(lambda found: found[0].replace(".", ""), folded)
    if "'" in folded:
        folded = _ELISION.sub("", folded)
    words = _WORD.findall(folded)
    return tuple(word[:MAX_WORD_LENGTH] for word in words)


_cached_words: Final = lru_cache(maxsize=65536)(_words_of)


def query_words(text: str) -> list[tuple[str, bool]]:
    """
    The words to look for when someone types a text, each with whether it may go on: the last one typed may.

    >>> query_words("Centre de cardio")
    [('centre', False), ('cardio', True)]
    """
    typed = words_of(text)
    words = [(word, at == len(typed)) for at, word in enumerate(typed, start=1)]
    return [one for one in words if one[0] not in SMALL_WORDS] or words


# --- stems -----------------------------------------------------------------------------------------------------------

_BEFORE_STEMMING: Final = (
    # One letter of plural, whatever stands before it.
    (re.compile(r"(?<=[^\W\d_]{3})(?<!s)s$"), ""),
    # Folding took the accents by which the stemmer knows these feminines: hospitalisée, infirmière, étrangère.
    (re.compile(r"(?<=[^\W\d_]{2})ee$"), "e"),
    (re.compile(r"(?<=[^\W\d_]{2})ere$"), "er"),
)


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """
    What a word has in common with its plural and its feminine; a word with a digit is its own stem.

    >>> stem("urgences") == stem("urgence"), stem("infirmieres") == stem("infirmier"), stem("t2a")
    (True, True, 't2a')
    """
    if not word.isalpha() or len(word) < 4:
        return word
    for ending, instead in _BEFORE_STEMMING:
        word = ending.sub(instead, word)
    # A stemmer works inside itself and must not be shared by threads; making one costs nothing next to using it.
    stemmed: str = snowballstemmer.stemmer("french").stemWord(word)
    return stemmed
