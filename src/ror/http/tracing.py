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
"""The number of kinds whose common part is cached; beyond it, the cache is cleared."""
_LONGEST_ANNOUNCED: Final = 1_000
"""Bytes of `Ror-*` headers above which a kind is not cached: codes are short."""
_POLICY_S: Final = 0.25
_FOUND: Final = 200
"""With this status, the path names only what the directory holds, so it is not hashed."""

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
"""The fields that many calls share; by value, so that no request stays in memory."""


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

    def trace(self, exchanges: Sequence[Exchange]) -> None:
        """Pass the records of finished exchanges to the journal, in the order of their end."""
        now = time.monotonic()
        if now - self._policy_asked_at > _POLICY_S:
            self._policy_asked_at = now
            # While the database is not available, the last policy applies.
            with suppress(RorError):
                self._policy = self._policy_now()
        calls = [self._record(exchange) for exchange in exchanges if _is_traced(exchange)]
        if calls:
            # Around midnight, some records go to the file of the next day; searches look there too.
            self._journal.write_all(Batch(calls[-1].day, len(calls), encode_lines(calls)))

    def notice_stall(self) -> None:
        """Let the journal notice a stalled disk before it has to record a response."""
        self._journal.notice_stall()

    def _record(self, exchange: Exchange) -> EncodedCall:
        """The record of an exchange."""
        route, response, pairs = exchange.route, exchange.response, exchange.response.pairs
        path, query = exchange.path.decode("latin-1"), exchange.query
        return EncodedCall(
            instant(exchange.at),
            exchange.request_id,
            path if response.status == _FOUND else self._path(route, path),
            response.status,
            int(exchange.seconds * 1e6),
            self._query(path, query, pairs) if pairs or query else (),
            response.total,
            response.matches,
            response.included,
            response.withheld,
            client=self._in_common(
                route, exchange.method, exchange.headers, response.caller or NOBODY
            ),
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
        """A call with the fields that all calls of a kind share."""
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

    def _said(self, headers: _Announced) -> RorHeaders:
        """The values of the `Ror-*` headers; unexpected ones are hashed."""
        return RorHeaders(
            *(
                None if value is None else self._veil.announced(value.decode("latin-1"))
                for value in headers
            )
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
                # Whatever the error: this call and the others of its batch must have their lines.
                return ((self._veil.hashed(repr(pairs)), ""),)
        if pairs is None and query:
            return ((self._veil.hashed(query.decode("latin-1")), ""),)
        return ()


def _is_traced(exchange: Exchange) -> bool:
    return exchange.route is None or (exchange.route.is_traced and exchange.method != "OPTIONS")


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
