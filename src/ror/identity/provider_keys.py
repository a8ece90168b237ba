"""
The signing keys that identity providers publish, cached.

Keys are fetched at first use, refreshed after a while, and fetched again when a token names an
unknown key: at most every `RETRY_S` seconds for each provider, by one thread at a time. While a
provider cannot be reached, its last keys are trusted for `KEPT_S`. Only `learn` waits.
"""

import http.client
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult

from joserfc.jwk import Key

from ror.errors import Unavailable
from ror.identity.tokens import Issuer, Provider, read_key_set

FRESH_S: Final = 300.0
KEPT_S: Final = 3_600.0
RETRY_S: Final = 10.0
TIMEOUT_S: Final = 3.0
"""Timeout of the connection and of each read."""
WHOLE_WITHIN_S: Final = 6.0
_LARGEST: Final = 1 << 20
_NEVER: Final = float("-inf")

ReportProblem = Callable[[str, Exception | None], None]
"""
Called with an issuer and the problem when its keys cannot be fetched, and with None once they can
again.
"""


def ignore_report(issuer: str, problem: Exception | None) -> None:
    """Ignore the report."""


@dataclass(slots=True)
class _Watched:
    """
    A provider, its keys, the times of the last success and the last attempt, and the last problem.
    """

    provider: Provider
    text: bytes = b""
    keys: Mapping[str, Key] = field(default_factory=dict)
    had_at: float = _NEVER
    tried_at: float = _NEVER
    problem: Exception | None = None
    asking: threading.Lock = field(default_factory=threading.Lock)


class Issuers:
    """
    External token issuers; safe to share between threads. `now` is a monotonic clock in seconds.
    """

    def __init__(
        self,
        providers: Iterable[Provider],
        report: ReportProblem,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._watched = {provider.issuer: _Watched(provider) for provider in providers}
        self._report = report
        self._now = now
        self._known: Mapping[str, Issuer] = {}
        self._rebuild()

    def replace(self, providers: Iterable[Provider]) -> None:
        """Trust these providers from now on; unchanged providers keep their cached keys."""
        former = self._watched
        self._watched = {
            provider.issuer: former[provider.issuer]
            if provider.issuer in former and former[provider.issuer].provider == provider
            else _Watched(provider)
            for provider in providers
        }
        self._rebuild()

    def known(self) -> Mapping[str, Issuer]:
        """The issuers by name with their cached keys; the same object while nothing changes."""
        if self._watched:
            now = self._now()
            for watched in self._watched.values():
                age = now - watched.had_at
                is_due = (
                    age > FRESH_S and now - watched.tried_at > RETRY_S and watched.had_at != _NEVER
                )
                # One thread is enough, however slow the provider and however many callers wait.
                if is_due and not watched.asking.locked():
                    threading.Thread(
                        target=self._ask, args=(watched,), name="issuer", daemon=True
                    ).start()
                if age > KEPT_S and watched.keys:
                    watched.keys = {}
                    self._rebuild()
        return self._known

    def learn(self, issuer: str) -> None:
        """
        Fetch the keys of an issuer now; waits for its provider.

        Raises Unavailable if they cannot be fetched, or if another thread is fetching them.
        """
        watched = self._watched.get(issuer)
        if watched is None:
            return
        if not self._ask(watched):
            raise Unavailable("providers.keys-awaited", issuer=issuer)
        if watched.problem is not None:
            raise Unavailable("providers.keys-away", issuer=issuer)

    def _ask(self, watched: _Watched) -> bool:
        """
        Fetch the keys of a provider, unless that was just done; False if another thread is doing
        so.
        """
        if not watched.asking.acquire(blocking=False):
            return False
        try:
            if self._now() - watched.tried_at > RETRY_S:
                self._fetch(watched)
        finally:
            watched.asking.release()
        return True

    def _fetch(self, watched: _Watched) -> None:
        name, before = watched.provider.issuer, watched.problem
        try:
            text = _published(watched.provider)
            keys = read_key_set(text)
        except (OSError, ValueError, http.client.HTTPException) as problem:
            watched.problem = problem
            if before is None:
                self._report(name, problem)
        else:
            watched.problem, watched.had_at = None, self._now()
            if before is not None:
                self._report(name, None)
            if text != watched.text or not watched.keys:
                watched.text, watched.keys = text, keys
                self._rebuild()
        watched.tried_at = self._now()

    def _rebuild(self) -> None:
        self._known = {
            name: _issuer(watched.provider, watched.keys) for name, watched in self._watched.items()
        }


def _issuer(provider: Provider, keys: Mapping[str, Key]) -> Issuer:
    return Issuer(
        name=provider.issuer,
        audience=provider.audience,
        keys=keys,
        client_claim=provider.client_claim,
        client_ids=provider.clients,
        algorithms=frozenset(provider.algorithms),
        is_ours=False,
        certificate_bound=provider.certificate_bound,
    )


# --- fetching -------------------------------------------------------------------------------------


def _published(provider: Provider) -> bytes:
    """
    The key set of a provider. Raises OSError, HTTPException or ValueError if it cannot be fetched.
    """
    address = provider.address
    if address is None:
        return Path(provider.jwks).read_bytes()
    connection = _connection(provider, address)
    try:
        path = (address.path or "/") + (f"?{address.query}" if address.query else "")
        connection.request("GET", path, headers={"Accept": "application/json"})
        response = connection.getresponse()
        # No redirections: the operator named this address.
        if response.status != HTTPStatus.OK:
            raise ValueError(f"HTTP {response.status}")
        return _whole(response)
    finally:
        connection.close()


def _connection(provider: Provider, address: SplitResult) -> http.client.HTTPConnection:
    host = address.hostname or ""
    if address.scheme == "http":
        return http.client.HTTPConnection(host, address.port, timeout=TIMEOUT_S)
    context = ssl.create_default_context(cafile=provider.authorities)
    return http.client.HTTPSConnection(host, address.port, timeout=TIMEOUT_S, context=context)


def _whole(response: http.client.HTTPResponse) -> bytes:
    """The body of a response. Raises ValueError if it is too large or too slow."""
    give_up_at, pieces, size = time.monotonic() + WHOLE_WITHIN_S, [], 0
    while piece := response.read1(65_536):
        pieces.append(piece)
        size += len(piece)
        if size > _LARGEST or time.monotonic() > give_up_at:
            raise ValueError("the answer is too large, or too slow")
    return b"".join(pieces)
