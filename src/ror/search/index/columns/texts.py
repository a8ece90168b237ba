"""Strings: a column of texts, searched without regard to spaces and punctuation."""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from pyroaring import BitMap

from ror.search.index.columns.column import Array
from ror.search.index.columns.keys import SLOW_SCAN, KeyColumn
from ror.search.index.extract import SEPARATOR
from ror.search.language.comparing import (
    TextMatch,
    text_compares,
    without_spaces,
    word_breaks,
)
from ror.search.language.expression import TextIs, ValueLeaf
from ror.search.language.values import normal_text

_SEPARATOR: Final = SEPARATOR.encode()
_AFTER_ANY: Final = b"\xff"
_BITS: Final = 64


class TextColumn(KeyColumn):
    """
    Strings in normal form without spaces: keys of two parts, `letters NUL exact`.

    The strings that start with a text are a run of adjacent keys, whatever the spaces. `words` has
    a number for each key: bit `n` is set if a word begins at byte `n`. It tells whether words begin
    where the search requires it.
    """

    kind = "texts"

    @classmethod
    def of(cls, values: Sequence[str], slots: Sequence[int], size: int) -> "TextColumn":
        """
        The column of these `normal NUL exact` keys, in any order, in parallel with their slots.
        """
        keys: dict[str, str] = {}
        words: dict[bytes, int] = {}
        for text in set(values):
            normal, _, exact = text.partition(SEPARATOR)
            key = keys[text] = f"{without_spaces(normal)}{SEPARATOR}{exact}"
            words[key.encode()] = _word_bits(normal.encode())
        column = super().of([keys[text] for text in values], slots, size)
        assert isinstance(column, cls)
        # Columns sort their keys by bytes.
        in_order = map(words.__getitem__, sorted(words))
        column.arrays["words"] = np.fromiter(in_order, np.uint64, len(words))
        return column

    def cost(self, leaf: ValueLeaf) -> int:
        match leaf:
            case TextIs(_, text, how) if how != "exact" and not _has_letters(text):
                return SLOW_SCAN * len(self)
            case TextIs(_, text, "starts") if not word_breaks(text):
                return 1
            case TextIs():
                # The scan reads every key.
                return len(self)
        return super().cost(leaf)

    def select(self, leaf: ValueLeaf) -> BitMap:
        match leaf:
            case TextIs(_, text, "exact"):
                return self._holding(_SEPARATOR + text.encode() + _AFTER_ANY)
            case TextIs(_, text, how) if word_breaks(text) or not _has_letters(text):
                return self.of_ranks(self._comparing(how, text))
            case TextIs(_, text, "starts"):
                return self.starting(without_spaces(text).encode())
            case TextIs(_, text, "contains"):
                return self._holding(without_spaces(text).encode())
            case TextIs(_, text, "ends"):
                return self._holding(without_spaces(text).encode() + _SEPARATOR)
        return super().select(leaf)

    def _comparing(self, how: TextMatch, text: str) -> Array:
        """The ranks of the keys that match a text for which spaces count."""
        letters = without_spaces(text).encode()
        same = range(
            bisect_left(self, letters), bisect_left(self, letters + _SEPARATOR + _AFTER_ANY)
        )
        if len(letters) > self._longest:
            return np.array(same, np.int64)
        ranks, at = self._occurrences(how, letters)
        breaks = _in_bytes(text, word_breaks(text))
        farthest = breaks[-1] if breaks else _BITS
        near = at + farthest < _BITS
        query_bits = np.uint64(_as_bits(breaks) if farthest < _BITS else 0)
        begins = (self.arrays["words"][ranks[near]] >> at[near].astype(np.uint64)) & query_bits
        # Offsets beyond the bits, and texts without letters, are compared as texts.
        compared = [
            rank for rank in np.unique(ranks[~near]).tolist() if self._compares(rank, how, text)
        ]
        return np.concatenate([same, ranks[near][begins == query_bits], compared]).astype(np.int64)

    def _compares(self, rank: int, how: TextMatch, text: str) -> bool:
        exact: str = self[rank].partition(_SEPARATOR)[2].decode()
        return text_compares(how, normal_text(exact), text)

    def _occurrences(self, how: TextMatch, letters: bytes) -> tuple[Array, Array]:
        """
        The ranks of the keys that match the letters as `how` requires, and the byte offsets in the
        keys.
        """
        if how == "starts":
            ranks = np.arange(
                bisect_left(self, letters), bisect_left(self, letters + _AFTER_ANY), dtype=np.int64
            )
            return ranks, np.zeros(len(ranks), np.int64)
        part = letters + _SEPARATOR if how == "ends" else letters
        places = np.fromiter(_places(part, self._blob), np.uint64)
        ends = self.arrays["ends"]
        ranks = np.searchsorted(ends, places, side="right")
        starts = np.where(ranks > 0, ends[ranks - 1], np.uint64(0))
        return ranks, (places - starts).astype(np.int64)


def _has_letters(text: str) -> bool:
    """Whether a text is more than signs and punctuation."""
    return any(map(str.isalnum, text))


def _places(part: bytes, blob: memoryview) -> Iterator[int]:
    """The offsets of a part in the blob, which may overlap."""
    pattern = re.compile(re.escape(part))
    match = pattern.search(blob)
    while match:
        yield match.start()
        match = pattern.search(blob, match.start() + 1)


def _word_bits(normal: bytes) -> int:
    """The number whose bits are the byte offsets of words, without the spaces."""
    bits = spaces = 0
    space = normal.find(b" ")
    while space >= 0 and space - spaces < _BITS:
        bits |= 1 << (space - spaces)
        spaces += 1
        space = normal.find(b" ", space + 1)
    return bits


def _in_bytes(text: str, places: Sequence[int]) -> list[int]:
    """Character offsets in a text without its spaces, as byte offsets in UTF-8."""
    if text.isascii():
        return list(places)
    letters = without_spaces(text)
    return [len(letters[:at].encode()) for at in places]


def _as_bits(places: Sequence[int]) -> int:
    """The number with the bits at these offsets set; offsets beyond its bits are ignored."""
    return sum(1 << at for at in places if at < _BITS)
