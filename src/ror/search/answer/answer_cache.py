"""
The cache of recent answers, valid while nothing changes.

Dashboards that look for a free bed repeat the same few requests all day. An answer depends only on
the view of the index and on the request, its viewer and its address, so it stays valid exactly as
long as that view is current.
"""

from collections import OrderedDict
from collections.abc import Hashable, Sized
from typing import Final

from ror.search.index.view import View

LARGEST_SHARE: Final = 1 / 32
"""The largest share of the cache that one answer may take: a larger one would evict too many."""


class AnswerCache:
    """
    At most `capacity` bytes of answers on one view; the least recently used are evicted first.

    The length of an answer is its size in bytes. Answers share most of their bodies with
    `BodyCache`, without copies. For one thread.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._view: View | None = None
        self._answers: OrderedDict[Hashable, Sized] = OrderedDict()
        self.size = 0
        """Bytes of the cached answers."""
        self.hits = 0
        self.misses = 0

    def get(self, view: View, key: Hashable) -> Sized | None:
        """The cached answer to a request on this view; None if there is none."""
        answer = self._answers.get(key) if view is self._view else None
        if answer is None:
            self.misses += 1
            return None
        self._answers.move_to_end(key)
        self.hits += 1
        return answer

    def put(self, view: View, key: Hashable, *forms: Sized) -> None:
        """
        Cache an answer in the first of these forms that is not too large.

        The answers on any other view are dropped.
        """
        if view is not self._view:
            self._answers.clear()
            self._view, self.size = view, 0
        answer = next((form for form in forms if len(form) <= self._capacity * LARGEST_SHARE), None)
        if answer is None or key in self._answers:
            return
        self._answers[key] = answer
        self.size += len(answer)
        while self.size > self._capacity:
            self.size -= len(self._answers.popitem(last=False)[1])
