"""
Evaluation of searches: brief ones in the event loop, the others in threads, within a budget.

A search starts in the event loop with a brief budget, which is enough for nearly all: handing them
to a thread would cost more than they do. When a search exceeds the brief budget, or is long to
read, it runs in a thread with the budget of the settings, so that no request makes others wait. It
is abandoned when its client leaves (docs/decisions/0029).
"""

import asyncio
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from ror.errors import Unavailable
from ror.http.exchange import Evaluation, Receive, Response
from ror.http.forms import ClientDisconnected
from ror.search.answer.budget import Abandoned, Budget, Limits, NotBrief, brief_budget
from ror.settings import Settings

BRIEF_TEXT: Final = 4_000
"""Characters of parameters that the event loop reads; a dozen filters of the guide take fewer."""

SWITCH_S: Final = 0.001

THREADS: Final = 2
"""Searches evaluated at once, beside the event loop: they share one interpreter."""


def evaluated(
    evaluation: Evaluation, parameters: Sequence[tuple[str, str]]
) -> Response | Evaluation:
    """The response to a brief search; the evaluation itself if a thread has to do it."""
    if sum([len(value) for _, value in parameters]) <= BRIEF_TEXT:
        with suppress(NotBrief):
            evaluation.in_loop(brief_budget())
            return evaluation.response()
    return evaluation


class Evaluations:
    """Evaluates deferred searches, for the event loop of one process."""

    def __init__(self, settings: Settings) -> None:
        self._limits = Limits(
            settings.max_search_entries_m * 1_000_000,
            settings.max_search_mb * 1_000_000,
            settings.max_search_processor_ms / 1_000,
        )
        self._wait_s = settings.max_search_wait_s
        # A thread that computes gives the interpreter back to the event loop this soon.
        sys.setswitchinterval(SWITCH_S)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="ror-search")
        self._running: set[_Task] = set()

    def close(self) -> None:
        """Abandon the running searches and shut down the threads."""
        for task in self._running:
            task.abandon()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def response(self, evaluation: Evaluation, receive: Receive) -> Response:
        """
        The response to a search that a thread evaluates.

        Raises ClientDisconnected when the client leaves first, and Unavailable when the machine
        is too busy to end the search in time.
        """
        task = _Task(evaluation, self._limits)
        self._running.add(task)
        result = asyncio.wrap_future(self._threads.submit(task))
        departure = asyncio.ensure_future(_departure(receive))
        try:
            done, _ = await asyncio.wait(
                (result, departure), timeout=self._wait_s, return_when=asyncio.FIRST_COMPLETED
            )
            if result in done:
                result.result()
                return evaluation.response()
            if departure in done:
                raise ClientDisconnected
            raise Unavailable("http.overloaded", limit=self._wait_s)
        finally:
            task.abandon()
            departure.cancel()
            result.cancel()
            self._running.discard(task)


class _Task:
    """One evaluation, as a thread does it."""

    def __init__(self, evaluation: Evaluation, limits: Limits) -> None:
        self._evaluation = evaluation
        self._limits = limits
        self._budget: Budget | None = None
        self._is_abandoned = False

    def __call__(self) -> None:
        # Made here, because its clock is that of this thread.
        budget = self._budget = Budget(self._limits)
        if self._is_abandoned:
            raise Abandoned
        self._evaluation.in_thread(budget)

    def abandon(self) -> None:
        """Stop the evaluation at its next step."""
        self._is_abandoned = True
        if self._budget is not None:
            self._budget.is_abandoned = True


async def _departure(receive: Receive) -> None:
    """Returns when the client leaves."""
    while (await receive())["type"] != "http.disconnect":
        pass
