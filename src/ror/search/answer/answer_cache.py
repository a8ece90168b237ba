"""
The answers given lately, ready for whoever asks the same while nothing has changed.

Boards that watch for a free bed ask the same few things all day long. An answer depends on nothing but the view of
the index and on what was asked, by whom and where, so it holds exactly as long as that view is the current one.
"""

from collections import OrderedDict
from collections.abc import Hashable, Sized
from typing import Final

from ror.search.index.view import View

LARGEST_SHARE: Final = 1 / 32
"""What would take more than this share of the room is not kept: it would push out too many others."""


class AnswerCache:
    """
    At most `capacity` bytes of answers on one view at a time, those asked for least lately going first.

    An answer is whatever says by its length how many bytes it takes.

    Their bodies are mostly those that `Bodies` keeps as well, and not copied. For one thread.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._view: View | None = None
        self._kept: OrderedDict[Hashable, Sized] = OrderedDict()
        self.size = 0
        """Bytes of the answers kept."""
        self.hits = 0
        self.misses = 0

    def get(self, view: View, asked: Hashable) -> Sized | None:
        """What was kept of the answer to this on this view, unless that was too long ago or too large."""
        answer = self._kept.get(asked) if view is self._view else None
        if answer is None:
            self.misses += 1
            return None
        self._kept.move_to_end(asked)
        self.hits += 1
        return answer

    def put(self, view: View, asked: Hashable, *forms: Sized) -> None:
        """
        Keep what was just answered, in the first of these forms that is not too large; what was answered on any other
        view goes.
        """
        if view is not self._view:
            self._kept.clear()
            self._view, self.size = view, 0
        answer = next((one for one in forms if len(one) <= self._capacity * LARGEST_SHARE), None)
        if answer is None or asked in self._kept:
            return
        self._kept[asked] = answer
        self.size += len(answer)
        while self.size > self._capacity:
            self.size -= len(self._kept.popitem(last=False)[1])
