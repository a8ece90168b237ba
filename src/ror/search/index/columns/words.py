"""Full text: columns of the words of resources, searched by stem or by prefix."""

from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Final

import numpy as np
from pyroaring import BitMap

from ror.search.index import bitmaps
from ror.search.index.columns.column import (
    NOTHING,
    Array,
    Arrays,
    Column,
    Slots,
    without_repetition,
)
from ror.search.index.columns.column import starts as starts_of
from ror.search.index.content import NAME
from ror.search.index.extract import SEPARATOR
from ror.search.language.expression import Present, ValueLeaf, WordIs
from ror.search.language.words import stem

_BETWEEN: Final = b"\xff"
"""Never occurs in UTF-8, and sorts after all of it."""

EXACT, SAME_STEM, PREFIX = 1_000, 900, 800
"""The score of a word in a name, per mille: for an equal word, for the same stem, for a prefix."""
ELSEWHERE: Final = 2
"""The divisor of the score for a word outside the name."""


class WordColumn(Column):
    """
    The words of resources. Each word has two sets of slots: in the name, and elsewhere.

    `words` and `stems` are sorted texts; `stem_words` are the ranks of the words of each stem, from
    `stem_starts` on. The sets are serialised roaring bitmaps, one after the other in `sets`, two
    for each word, each up to its `set_ends`. Half the directory contains common words, so a bit for
    each resource costs less than four bytes.
    """

    kind = "words"

    def select(self, leaf: ValueLeaf) -> BitMap:
        match leaf:
            case Present():
                return self.present
            case WordIs():
                return BitMap.union(NOTHING, *(slots for _, slots in self.graded(leaf)))
        raise TypeError(f"a word column cannot answer {leaf}")

    def graded(self, leaf: WordIs) -> Iterator[tuple[int, BitMap]]:
        """The slots with a word that satisfies `leaf`, by score; a slot may occur several times."""
        exact, same_stem, prefixed = self._ranks(leaf)
        for score, ranks in ((EXACT, exact), (SAME_STEM, same_stem), (PREFIX, prefixed)):
            if len(ranks):
                yield score, self._union(ranks * 2)
                yield score // ELSEWHERE, self._union(ranks * 2 + 1)

    def _ranks(self, leaf: WordIs) -> tuple[Array, Array, Array]:
        """The ranks of the word, of others with its stem, and of others that start with it."""
        word = leaf.word.encode()
        first = bisect_left(self._words, word)
        exact = np.arange(first, first + (first < len(self._words) and self._words[first] == word))
        same_stem = np.setdiff1d(self._of_stem(stem(leaf.word)), exact)
        if not leaf.prefix:
            return exact, same_stem, np.zeros(0, np.int64)
        prefixed = np.arange(first, bisect_left(self._words, word + _BETWEEN, lo=first))
        return exact, same_stem, np.setdiff1d(prefixed, np.union1d(exact, same_stem))

    def _of_stem(self, stem_text: str) -> Array:
        key = stem_text.encode()
        rank = bisect_left(self._stems, key)
        if rank == len(self._stems) or self._stems[rank] != key:
            return np.zeros(0, np.int64)
        first, after = self.arrays["stem_starts"][rank : rank + 2].tolist()
        return self.arrays["stem_words"][first:after].astype(np.int64)

    def _union(self, numbers: Array) -> BitMap:
        """The slots that are in any of these sets."""
        return BitMap.union(NOTHING, *map(self._set, numbers.tolist()))

    def _set(self, number: int) -> BitMap:
        ends = self._set_ends
        start = ends[number - 1] if number else 0
        return (
            BitMap.deserialize(bytes(self._sets[start : ends[number]]))
            if ends[number] > start
            else NOTHING
        )

    @cached_property
    def _sets(self) -> memoryview:
        return self.arrays["sets"].data

    @cached_property
    def _set_ends(self) -> memoryview:
        return self.arrays["set_ends"].data

    @cached_property
    def _words(self) -> "_Texts":
        return _Texts(self.arrays["words"], self.arrays["word_ends"])

    @cached_property
    def _stems(self) -> "_Texts":
        return _Texts(self.arrays["stems"], self.arrays["stem_ends"])

    def sort_keys(self, descending: bool) -> tuple[Slots, Array]:
        raise TypeError("full text is not sorted by; its score is")


class _Texts(Sequence[bytes]):
    """Sorted texts in a file: one after the other, and the offset of the end of each."""

    def __init__(self, blob: Array, ends: Array) -> None:
        self._blob = blob.data
        self._ends = ends.data

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, rank: Any) -> Any:
        return bytes(self._blob[self._ends[rank - 1] if rank else 0 : self._ends[rank]])

    @staticmethod
    def arrays(name: str, texts: Sequence[bytes]) -> Arrays:
        """The arrays of these sorted texts, as `<name>s` and `<name>_ends`."""
        ends = np.cumsum([len(text) for text in texts], dtype=np.uint64)
        return {f"{name}s": np.frombuffer(b"".join(texts), np.uint8), f"{name}_ends": ends}


# --- the builder ----------------------------------------------------------------------------------


class WordColumnBuilder:
    """
    A column of words under construction.

    A directory has tens of millions of words but few distinct ones, so they are numbered from the
    start.
    """

    def __init__(self) -> None:
        self._numbers: defaultdict[str, int] = defaultdict()
        self._numbers.default_factory = self._numbers.__len__
        self._keys = array("I")
        self._slots = array("I")

    def add(self, keys: Sequence[str], slot: int) -> None:
        """Add the words of a resource, as `extract.pack` encodes them: a part, then its words."""
        for key in keys:
            part, _, words = key.partition(SEPARATOR)
            elsewhere = part != NAME
            numbers = [self._numbers[word] * 2 + elsewhere for word in words.split(" ")]
            self._keys.extend(numbers)
            self._slots.extend([slot] * len(numbers))

    def column(self, size: int) -> WordColumn:
        """The column of the words that were added; every slot is less than `size`."""
        words = sorted(self._numbers, key=str.encode)
        ranks = np.empty(len(words), np.int64)
        ranks[[self._numbers[word] for word in words]] = np.arange(len(words))
        keys = np.frombuffer(self._keys, np.uint32).astype(np.int64)
        order, slots = without_repetition(
            ranks[keys // 2] * 2 + keys % 2, np.frombuffer(self._slots, np.uint32)
        )
        bounds = starts_of(order, len(words) * 2)
        sets = [
            _serialised(slots[start:end])
            for start, end in zip(bounds.tolist(), bounds[1:].tolist(), strict=False)
        ]
        arrays: Arrays = {
            "slots": bitmaps.numbers_of(bitmaps.of_any(slots, size)),
            "sets": np.frombuffer(b"".join(sets), np.uint8),
            "set_ends": np.cumsum([len(content) for content in sets], dtype=np.uint64),
            **_Texts.arrays("word", [word.encode() for word in words]),
            **_stem_arrays(words),
        }
        return WordColumn(arrays, size)


def _serialised(slots: Slots) -> bytes:
    """The serialised set of these ascending slots; b"" for none."""
    if not len(slots):
        return b""
    bitmap = bitmaps.of_sorted(slots)
    bitmap.run_optimize()
    return bitmap.serialize()


def _stem_arrays(words: Sequence[str]) -> Arrays:
    """The arrays of the stems of these words, and of the words of each stem."""
    stems = [stem(word).encode() for word in words]
    distinct = sorted(set(stems))
    numbers = {text: number for number, text in enumerate(distinct)}
    of_word = np.fromiter((numbers[text] for text in stems), np.int64, len(stems))
    arranged = np.argsort(of_word, kind="stable")
    return {
        **_Texts.arrays("stem", distinct),
        "stem_starts": starts_of(of_word[arranged], len(distinct)),
        "stem_words": arranged.astype(np.uint32),
    }
