"""
What is written of a call in the audit trail: one line, once the answer is on its way.

Everything that is not open to everybody is traced, tokens included, what is refused as well. The request is written as
the caller meant it, with what could name somebody hashed. While the trail cannot be written, nothing is answered that
would have to be.
"""

import asyncio
import atexit
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import groupby
from typing import Any, Final

import msgspec

from ror.audit.records import DAY_LENGTH, Announced, Call, Certificate, Particulars, encoded, in_common, instant
from ror.definitions import RESOURCE_TYPES
from ror.errors import RorError
from ror.http.exchange import NOBODY, Caller, Reply, Route
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
_DAY_NS: Final = 86_400 * 10**9
_IN_COMMON: Final = 1_024
"""What calls have in common is remembered of so many kinds of calls; when there are more, all are forgotten."""

TOGETHER: Final = 512
"""
Calls are made lines of so many at a time: what is done once in each call costs three times what it costs many times
over.
"""
MOST_HELD: Final = 1 << 20
WITHIN_S: Final = 0.25
"""They do not wait for others when they are so many characters, nor for longer than that."""

_Announced = tuple[bytes | None, ...]
_Kind = tuple[
    Route | None,
    str,  # method
    _Announced | None,
    str | None,  # client
    tuple[str, str] | None,  # certificate
    int | None,  # profile
    str | None,  # policy
]
"""What calls have in common with many others; by value, so that nothing of a call is kept with it."""


class _Waiting(msgspec.Struct, frozen=True, gc=False):
    """
    What the line of a call is made of; `at` is in nanoseconds since the epoch.

    It is copied from what came and what goes out, which are not held: the next call uses the memory of this one.
    """

    route: Route | None
    method: str
    path: bytes
    query: bytes
    announced: _Announced | None
    request_id: str
    caller: Caller
    status: int
    total: int | None
    matches: int
    included: int
    withheld: int
    pairs: tuple[tuple[str, str], ...] | None
    at: int
    seconds: float


class Tracer:
    """
    Writes the calls of one process to its journal; for the thread of its event loop.

    `policy` tells which access policy the directory is under; it is asked every `WITHIN_S`. `now` gives the time in
    nanoseconds since the epoch.
    """

    def __init__(self, journal: Journal, policy: Callable[[], str], now: Callable[[], int] = time.time_ns) -> None:
        self._journal = journal
        self._now = now
        self._policy_now = policy
        self._policy: str | None = None
        self._policy_asked_at = float("-inf")
        self._waiting: list[_Waiting] = []
        self._held = 0
        """Characters that were asked in the calls that wait."""
        self._will_look = False
        """Whether what waits will be handed over in time, without anything more coming."""
        # An interpreter that ends without closing its door still has lines to write.
        atexit.register(self.hand_over)
        self._veil = journal.folder.veil()
        self._common: dict[_Kind, bytes] = {}

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
        path, query, pairs = scope["raw_path"], scope["query_string"], reply.pairs
        announced = None if headers.keys().isdisjoint(_ANNOUNCING) else tuple(map(headers.get, _ANNOUNCING))
        self._waiting.append(
            _Waiting(
                route,
                scope["method"],
                path,
                query,
                announced,
                request_id,
                reply.caller or NOBODY,
                reply.status,
                reply.total,
                reply.matches,
                reply.included,
                reply.withheld,
                None if pairs is None else tuple(pairs),
                self._now(),
                seconds,
            )
        )
        self._held += len(path) + len(query)
        if pairs:
            self._held += sum(len(name) + len(value) for name, value in pairs)
        if announced:
            self._held += sum(map(len, filter(None, announced)))
        if len(self._waiting) >= TOGETHER or self._held >= MOST_HELD:
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
        waiting, self._waiting, self._held = self._waiting, [], 0
        for day, calls in groupby(waiting, lambda told: told.at // _DAY_NS):
            self._journal.write_all(instant(day * _DAY_NS)[:DAY_LENGTH], list(map(self._line, calls)))

    def _line(self, told: _Waiting) -> bytes:
        """The record of a call, as JSON."""
        route, caller, path = told.route, told.caller, told.path.decode("latin-1")
        particulars = Particulars(
            instant(told.at),
            told.request_id,
            # What leads nowhere could say anything.
            self._veil.path(path) if route else self._veil.hashed(path),
            told.status,
            int(told.seconds * 1e6),
            self._query(told),
            told.total,
            told.matches,
            told.included,
            told.withheld,
        )
        client, viewer = caller.client, caller.viewer
        kind = (
            route,
            told.method,
            told.announced,
            client.id if client else None,
            caller.certificate,
            viewer.profile if viewer else None,
            self._policy if viewer else None,
        )
        common = self._common.get(kind)
        if common is None:
            if len(self._common) >= _IN_COMMON:
                self._common.clear()
            common = self._common[kind] = in_common(self._call(particulars, *kind))
        return encoded(particulars, common)

    def _call(
        self,
        particulars: Particulars,
        route: Route | None,
        method: str,
        announced: _Announced | None,
        client: str | None,
        certificate: tuple[str, str] | None,
        profile: int | None,
        policy: str | None,
    ) -> Call:
        return Call(
            **msgspec.structs.asdict(particulars),
            client=client,
            certificate=Certificate(*certificate) if certificate else None,
            profile=profile,
            announced=None if announced is None else self._said(announced),
            method=method,
            route=route.path if route else UNKNOWN,
            interaction=route.interaction if route else UNKNOWN,
            policy=policy,
        )

    def _said(self, sent: _Announced) -> Announced:
        """What the headers that say for whom a call is made hold."""
        return Announced(*(None if one is None else self._veil.announced(one.decode("latin-1")) for one in sent))

    def _query(self, told: _Waiting) -> tuple[tuple[str, str], ...]:
        """The parameters of a call, as they may be read; hashed whole when it was refused before they could be."""
        if told.pairs:
            try:
                return self._veil.pairs(_resource_type(told.path), told.pairs)
            except Exception:
                # Whatever is wrong with them: neither this call nor those that wait with it may go without a line.
                return ((self._veil.hashed(repr(told.pairs)), ""),)
        if told.pairs is None and told.query:
            return ((self._veil.hashed(told.query.decode("latin-1")), ""),)
        return ()


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
