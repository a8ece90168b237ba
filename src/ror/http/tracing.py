"""
The audit record of a request: one line, written once its response is sent.

Requests to all routes but the open ones are traced, token requests and refused ones included.
Values that could name a person are hashed. While the trail cannot be written, traced routes answer
503.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from ror.audit.records import (
    Call,
    Certificate,
    EncodedCall,
    RorHeaders,
    encode_lines,
    instant,
    shared_json,
)
from ror.audit.trail.writing import Batch, Journal, Listeners
from ror.errors import RorError
from ror.http.addresses import parameters
from ror.http.exchange import NOBODY, Caller, Exchange, Headers, Route
from ror.observability import Log, Metrics
from ror.standard.definitions import RESOURCE_TYPES

UNKNOWN: Final = "-"
"""The route of a request to an unknown address."""

_ANNOUNCING: Final = (
    b"ror-profil-utilisateur-code",
    b"ror-profil-utilisateur-system",
    b"ror-role-metier-code",
    b"ror-role-metier-system",
)
_IN_COMMON: Final = 1_024
"""What calls have in common is remembered of so many kinds of calls; when there are more, all are forgotten."""
_LONGEST_ANNOUNCED: Final = 1_000
"""Bytes of what a call may announce for its kind to be remembered: codes are short, what else is sent may be large."""
_POLICY_S: Final = 0.25
_FOUND: Final = 200
"""What has this status is there, so that its address names nothing but what the directory holds."""

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


class Tracer:
    """
    Writes the requests of one process to its journal; for the thread of its event loop.

    `policy` returns the current access policy; it is called every `_POLICY_S`.
    """

    def __init__(self, journal: Journal, policy: Callable[[], str]) -> None:
        self._journal = journal
        self._policy_now = policy
        self._policy: str | None = None
        self._policy_asked_at = float("-inf")
        self._veil = journal.folder.veil()
        self._common: dict[_Kind, msgspec.Raw] = {}

    def trace(self, over: Sequence[Exchange]) -> None:
        """Pass the records of finished exchanges to the journal, in the order in which they ended."""
        now = time.monotonic()
        if now - self._policy_asked_at > _POLICY_S:
            self._policy_asked_at = now
            # While the database is away, its last known policy stays.
            with suppress(RorError):
                self._policy = self._policy_now()
        calls = [self._record(one) for one in over if _is_traced(one)]
        if calls:
            # Around midnight, some records go to the file of the next day; searches look there too.
            self._journal.write_all(Batch(calls[-1].day, len(calls), encode_lines(calls)))

    def notice_stall(self) -> None:
        """Let the journal notice a stalled disk before a response goes out that it cannot record."""
        self._journal.notice_stall()

    def _record(self, over: Exchange) -> EncodedCall:
        """The record of an exchange."""
        route, response, pairs = over.route, over.response, over.response.pairs
        path, query = over.path.decode("latin-1"), over.query
        return EncodedCall(
            instant(over.at),
            over.request_id,
            path if response.status == _FOUND else self._path(route, path),
            response.status,
            int(over.seconds * 1e6),
            self._query(path, query, pairs) if pairs or query else (),
            response.total,
            response.matches,
            response.included,
            response.withheld,
            client=self._in_common(route, over.method, over.headers, response.caller or NOBODY),
        )

    def _path(self, route: Route | None, path: str) -> str:
        """The address, with everything hashed that could name a person."""
        # An unknown address can contain anything.
        return self._veil.path(path) if route else self._veil.hashed(path)

    def _in_common(
        self, route: Route | None, method: str, headers: Headers, caller: Caller
    ) -> msgspec.Raw:
        """The part of the record that many requests share."""
        client, viewer = caller.client, caller.viewer
        announced = (
            None if headers.keys().isdisjoint(_ANNOUNCING) else tuple(map(headers.get, _ANNOUNCING))
        )
        kind = (
            route,
            method,
            announced,
            client.id if client else None,
            caller.certificate,
            viewer.profile if viewer else None,
            self._policy if viewer else None,
        )
        common = self._common.get(kind)
        if common is None:
            common = shared_json(self._call(*kind))
            if announced is None or sum(map(len, filter(None, announced))) <= _LONGEST_ANNOUNCED:
                if len(self._common) >= _IN_COMMON:
                    self._common.clear()
                self._common[kind] = common
        return common

    def _call(
        self,
        route: Route | None,
        method: str,
        announced: _Announced | None,
        client: str | None,
        certificate: tuple[str, str] | None,
        profile: int | None,
        policy: str | None,
    ) -> Call:
        """Some call of a kind."""
        return Call(
            *("", "", "", 0, 0),
            client=client,
            certificate=Certificate(*certificate) if certificate else None,
            profile=profile,
            announced=None if announced is None else self._said(announced),
            method=method,
            route=route.path if route else UNKNOWN,
            interaction=route.interaction if route else UNKNOWN,
            policy=policy,
        )

    def _said(self, sent: _Announced) -> RorHeaders:
        """What the headers that say for whom a call is made hold."""
        return RorHeaders(
            *(None if one is None else self._veil.announced(one.decode("latin-1")) for one in sent)
        )

    def _query(
        self, path: str, query: bytes, pairs: Sequence[tuple[str, str]] | None
    ) -> tuple[tuple[str, str], ...]:
        """The parameters of a request; hashed as a whole when they cannot be read."""
        if pairs is None:
            with suppress(RorError):
                pairs = parameters(query)
        if pairs:
            try:
                return self._veil.pairs(_resource_type(path), pairs)
            except Exception:
                # Whatever is wrong with them: neither this call nor those that wait with it may go without a line.
                return ((self._veil.hashed(repr(pairs)), ""),)
        if pairs is None and query:
            return ((self._veil.hashed(query.decode("latin-1")), ""),)
        return ()


def _is_traced(over: Exchange) -> bool:
    return over.route is None or (over.route.is_traced and over.method != "OPTIONS")


def _resource_type(path: str) -> str | None:
    """The resource type in a path, below any mount point."""
    return next((part for part in path.split("/") if part in RESOURCE_TYPES), None)


def listeners(metrics: Metrics, log: Log) -> Listeners:
    """Turn the events of a journal into metrics and log lines."""

    def failed(problem: Exception) -> None:
        metrics.set_trail_failing(True)
        log.failure("audit", problem, state="failing")

    def recovered() -> None:
        metrics.set_trail_failing(False)
        log.write("warning", "audit", state="recovered")

    def vanished(file: str) -> None:
        log.write("error", "audit", state="vanished", file=file)

    return Listeners(metrics.count_trail_lines, failed, recovered, vanished)
