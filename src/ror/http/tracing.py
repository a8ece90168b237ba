"""
What is written of a call in the audit trail: one line, once the answer is on its way.

Everything that is not open to everybody is traced, tokens included, what is refused as well. The request is written as
the caller meant it, with what could name somebody hashed. While the trail cannot be written, nothing is answered that
would have to be.
"""

import time
from collections.abc import Mapping
from typing import Any, Final

from ror.audit.records import Announced, Call, Certificate, instant
from ror.definitions import RESOURCE_TYPES
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


class Tracer:
    """Writes the calls of one process to its journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._veil = journal.folder.veil()

    def trace(
        self,
        route: Route | None,
        scope: Mapping[str, Any],
        headers: Headers,
        request_id: str,
        reply: Reply,
        seconds: float,
    ) -> None:
        """Hand over the line of a call."""
        if route is not None and (not route.is_traced or scope["method"] == "OPTIONS"):
            return
        caller = reply.caller or NOBODY
        self._journal.write(
            Call(
                at=instant(time.time_ns()),
                request_id=request_id,
                client=caller.client.id if caller.client else None,
                certificate=Certificate(*caller.certificate) if caller.certificate else None,
                profile=caller.viewer.profile if caller.viewer else None,
                announced=self._announced(headers),
                method=scope["method"],
                route=route.path if route else UNKNOWN,
                interaction=route.interaction if route else UNKNOWN,
                path=self._path(route, scope["raw_path"].decode("latin-1")),
                query=() if route and route.authenticates else self._query(scope, reply),
                status=reply.status,
                total=reply.total,
                matches=reply.matches,
                included=reply.included,
                withheld=reply.withheld,
                duration_us=round(seconds * 1e6),
            )
        )

    def _path(self, route: Route | None, path: str) -> str:
        # What leads nowhere could say anything.
        return self._veil.path(path) if route else self._veil.hashed(path)

    def _announced(self, headers: Headers) -> Announced | None:
        """What the headers that say for whom a call is made hold."""
        if not any(name in headers for name in _ANNOUNCING):
            return None
        values = (headers.get(name) for name in _ANNOUNCING)
        return Announced(*(None if one is None else self._veil.announced(one.decode("latin-1")) for one in values))

    def _query(self, scope: Mapping[str, Any], reply: Reply) -> tuple[tuple[str, str], ...]:
        if reply.pairs is None:
            # It was refused before it could be read.
            raw = scope["query_string"].decode("latin-1")
            return ((self._veil.hashed(raw), ""),) if raw else ()
        if not reply.pairs:
            return ()
        return self._veil.pairs(_resource_type(scope["raw_path"]), reply.pairs)


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
