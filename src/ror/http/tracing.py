"""
What is written of a call in the audit trail: one line, once the answer is on its way.

Everything that is not open to everybody is traced, tokens included, what is refused as well. The request is written as
the caller meant it, with what could name somebody hashed. While the trail cannot be written, nothing is answered that
would have to be.
"""

import asyncio
import atexit
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final

from ror.audit.records import Announced, Call, Certificate, instant
from ror.definitions import RESOURCE_TYPES
from ror.errors import RorError
from ror.http.exchange import NOBODY, Reply, Route
from ror.observability import Log, Metrics
from ror.trail.writing import Journal, Listeners

Headers = Mapping[bytes, bytes]

UNKNOWN: Final = "-"
"""The route of a request that found none."""

_ANNOUNCING: Final = (
    b"ror-profil-utilisateur-code",
    b"ror-profil-utilisateur-system",
    b"ror-role-metier-code",
    b"ror-role-metier-system",
)
_NOTHING_ANNOUNCED: Final = (None, None, None, None)


TOGETHER: Final = 64
WITHIN_S: Final = 0.25
"""
Calls are made lines of so many at a time, or after that long: one after the other costs a third of one now and then,
for what it takes is at hand.
"""

_Waiting = tuple[Route | None, tuple[str, bytes, bytes], tuple[bytes | None, ...], str, Reply, int, float]


class Tracer:
    """
    Writes the calls of one process to its journal; for the thread of its event loop.

    `policy` tells which access policy the directory is under; it is asked every `WITHIN_S`.
    """

    def __init__(self, journal: Journal, policy: Callable[[], str]) -> None:
        self._journal = journal
        self._policy_now = policy
        self._policy: str | None = None
        self._policy_asked_at = float("-inf")
        self._waiting: deque[_Waiting] = deque()
        self._will_look = False
        """Whether what waits will be handed over in time, without anything more coming."""
        # An interpreter that ends without closing its door still has lines to write.
        atexit.register(self.hand_over)
        self._veil = journal.folder.veil()
        # A client announces the same in each of its calls.
        self._announced = lru_cache(maxsize=1_024)(self._said)

    def trace(
        self,
        route: Route | None,
        scope: Mapping[str, Any],
        headers: Headers,
        request_id: str,
        reply: Reply,
        seconds: float,
    ) -> None:
        """Remember what the line of a call is made of; it is made soon."""
        if route is not None and (not route.is_traced or scope["method"] == "OPTIONS"):
            return
        # What was sent need not wait for its line.
        reply.body = b""
        announced = tuple(map(headers.get, _ANNOUNCING))
        called = scope["method"], scope["raw_path"], scope["query_string"]
        self._waiting.append((route, called, announced, request_id, reply, time.time_ns(), seconds))
        if len(self._waiting) >= TOGETHER:
            self.hand_over()
        elif not self._will_look:
            self._will_look = True
            asyncio.get_running_loop().call_later(WITHIN_S, self._look)

    def _look(self) -> None:
        self._will_look = False
        self.hand_over()

    def hand_over(self) -> None:
        """Make the lines of the calls that wait, and hand them to the journal."""
        if not self._waiting:
            return
        now = time.monotonic()
        if now - self._policy_asked_at > WITHIN_S:
            self._policy_asked_at = now
            # A database that is away or closed under a policy is still under it.
            with suppress(RorError):
                self._policy = self._policy_now()
        while self._waiting:
            self._journal.write(self._call(*self._waiting.popleft()))

    def _call(
        self,
        route: Route | None,
        called: tuple[str, bytes, bytes],
        announced: tuple[bytes | None, ...],
        request_id: str,
        reply: Reply,
        at: int,
        seconds: float,
    ) -> Call:
        """The record of a call; `called` is its method, its path and its query."""
        method, path, query = called
        caller = reply.caller or NOBODY
        return Call(
            at=instant(at),
            request_id=request_id,
            client=caller.client.id if caller.client else None,
            certificate=Certificate(*caller.certificate) if caller.certificate else None,
            profile=caller.viewer.profile if caller.viewer else None,
            announced=None if announced == _NOTHING_ANNOUNCED else self._announced(announced),
            method=method,
            route=route.path if route else UNKNOWN,
            interaction=route.interaction if route else UNKNOWN,
            path=self._path(route, path.decode("latin-1")),
            query=() if route and route.authenticates else self._query(path, query, reply.pairs),
            status=reply.status,
            total=reply.total,
            matches=reply.matches,
            included=reply.included,
            withheld=reply.withheld,
            policy=self._policy if caller.viewer else None,
            duration_us=round(seconds * 1e6),
        )

    def _path(self, route: Route | None, path: str) -> str:
        # What leads nowhere could say anything.
        return self._veil.path(path) if route else self._veil.hashed(path)

    def _said(self, sent: tuple[bytes | None, ...]) -> Announced:
        """What the headers that say for whom a call is made hold."""
        return Announced(*(None if one is None else self._veil.announced(one.decode("latin-1")) for one in sent))

    def _query(self, path: bytes, query: bytes, pairs: Sequence[tuple[str, str]] | None) -> tuple[tuple[str, str], ...]:
        if pairs is None:
            # It was refused before it could be read.
            raw = query.decode("latin-1")
            return ((self._veil.hashed(raw), ""),) if raw else ()
        return self._veil.pairs(_resource_type(path), pairs) if pairs else ()


def _resource_type(path: bytes) -> str | None:
    """The resource type that a path names, below whatever mount point."""
    return next((part for part in path.decode("latin-1").split("/") if part in RESOURCE_TYPES), None)


def listeners(metrics: Metrics, log: Log) -> Listeners:
    """What a journal tells becomes figures and lines of the log."""

    def failed(problem: Exception) -> None:
        metrics.trail_fails(True)
        log.failure("audit", problem, state="failing")

    def recovered() -> None:
        metrics.trail_fails(False)
        log.write("warning", "audit", state="recovered")

    def vanished(file: str) -> None:
        log.write("error", "audit", state="vanished", file=file)

    return Listeners(metrics.trail_written, failed, recovered, vanished)
