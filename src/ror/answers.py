"""
The answers given lately, ready for whoever asks the same while nothing has changed.

Boards that watch for a free bed ask the same few searches all day long. An answer depends on nothing but the view of
the index and on what was asked, by whom and where, so it holds exactly as long as that view is the current one.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

from ror.search.index import View
from ror.searching import Answer

LARGEST_SHARE: Final = 1 / 32
"""An answer that would take more than this share of the room is not kept: it would push out too many others."""


class Answers:
    """
    At most `capacity` bytes of answers to one view at a time, those asked for least lately going first.

    Their bodies are mostly those that `Bodies` keeps as well, and not copied. For one thread.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._view: View | None = None
        self._kept: OrderedDict[Hashable, Answer] = OrderedDict()
        self.size = 0
        """Bytes of the answers kept."""
        self.hits = 0
        self.misses = 0

    def given(self, view: View, asked: Hashable) -> Answer | None:
        """What was answered to this on this view, unless that was too long ago or too large."""
        answer = self._kept.get(asked) if view is self._view else None
        if answer is None:
            self.misses += 1
            return None
        self._kept.move_to_end(asked)
        self.hits += 1
        return answer

    def keep(self, view: View, asked: Hashable, answer: Answer) -> None:
        """Keep what was just answered; what was answered on any other view goes."""
        if view is not self._view:
            self._kept.clear()
            self._view, self.size = view, 0
        if len(answer.pieces) > self._capacity * LARGEST_SHARE or asked in self._kept:
            return
        self._kept[asked] = answer
        self.size += len(answer.pieces)
        while self.size > self._capacity:
            self.size -= len(self._kept.popitem(last=False)[1].pieces)
