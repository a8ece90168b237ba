"""
Who else may issue tokens, and with which keys at this moment: those that identity providers publish, kept at hand.

Keys are fetched when they are first needed, again after a while, and when a token names one that is not known; not more
often than every `RETRY_S` seconds for each provider, and by one thread at a time, whatever tokens say. While a provider
cannot be reached its last keys are believed for `KEPT_S`, then no more. Nothing here waits but `learn`.
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
from ror.identity.tokens import Issuer, Provider, key_ring

FRESH_S: Final = 300.0
KEPT_S: Final = 3_600.0
RETRY_S: Final = 10.0
TIMEOUT_S: Final = 3.0
"""How long to wait for a connection, and for each piece of an answer."""
WHOLE_WITHIN_S: Final = 6.0
_LARGEST: Final = 1 << 20
_NEVER: Final = float("-inf")

Told = Callable[[str, Exception | None], None]
"""Hears that the keys of an issuer could not be had, and why, or that they were again (None)."""


def nobody(issuer: str, problem: Exception | None) -> None:
    """Tells nobody."""


@dataclass(slots=True)
class _Watched:
    """A provider, its keys, when they were had and last asked for, and why they could not be."""

    provider: Provider
    text: bytes = b""
    keys: Mapping[str, Key] = field(default_factory=dict)
    had_at: float = _NEVER
    tried_at: float = _NEVER
    problem: Exception | None = None
    asking: threading.Lock = field(default_factory=threading.Lock)


class Issuers:
    """The issuers of others; safe to share between threads. `now` gives seconds that never go back."""

    def __init__(
        self,
        providers: Iterable[Provider],
        told: Told,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._watched = {one.issuer: _Watched(one) for one in providers}
        self._told = told
        self._now = now
        self._known: Mapping[str, Issuer] = {}
        self._rebuild()

    def replace(self, providers: Iterable[Provider]) -> None:
        """Believe these providers from now on; the keys of those that did not change stay."""
        former = self._watched
        self._watched = {
            one.issuer: former[one.issuer]
            if one.issuer in former and former[one.issuer].provider == one
            else _Watched(one)
            for one in providers
        }
        self._rebuild()

    def known(self) -> Mapping[str, Issuer]:
        """The issuers by name, with the keys that are at hand; the same object while nothing changes."""
        if self._watched:
            now = self._now()
            for one in self._watched.values():
                age = now - one.had_at
                is_due = age > FRESH_S and now - one.tried_at > RETRY_S and one.had_at != _NEVER
                # One thread is enough, however slow the provider and however many ask.
                if is_due and not one.asking.locked():
                    threading.Thread(
                        target=self._ask, args=(one,), name="issuer", daemon=True
                    ).start()
                if age > KEPT_S and one.keys:
                    one.keys = {}
                    self._rebuild()
        return self._known

    def learn(self, issuer: str) -> None:
        """
        Have the keys of an issuer that were published a moment ago; takes as long as its provider does.

        Raises Unavailable when they cannot be had, or are being asked for by somebody else.
        """
        watched = self._watched.get(issuer)
        if watched is None:
            return
        if not self._ask(watched):
            raise Unavailable("providers.keys-awaited", issuer=issuer)
        if watched.problem is not None:
            raise Unavailable("providers.keys-away", issuer=issuer)

    def _ask(self, one: _Watched) -> bool:
        """Ask a provider for its keys, unless that was just done; False when somebody else is asking."""
        if not one.asking.acquire(blocking=False):
            return False
        try:
            if self._now() - one.tried_at > RETRY_S:
                self._fetch(one)
        finally:
            one.asking.release()
        return True

    def _fetch(self, one: _Watched) -> None:
        name, before = one.provider.issuer, one.problem
        try:
            text = _published(one.provider)
            keys = key_ring(text)
        except (OSError, ValueError, http.client.HTTPException) as problem:
            one.problem = problem
            if before is None:
                self._told(name, problem)
        else:
            one.problem, one.had_at = None, self._now()
            if before is not None:
                self._told(name, None)
            if text != one.text or not one.keys:
                one.text, one.keys = text, keys
                self._rebuild()
        one.tried_at = self._now()

    def _rebuild(self) -> None:
        self._known = {name: _issuer(one.provider, one.keys) for name, one in self._watched.items()}


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


# --- where keys are published ----------------------------------------------------------------------------------------


def _published(provider: Provider) -> bytes:
    """The key set of a provider. Raises OSError, HTTPException or ValueError when it cannot be had."""
    address = provider.address
    if address is None:
        return Path(provider.jwks).read_bytes()
    connection = _connection(provider, address)
    try:
        path = (address.path or "/") + (f"?{address.query}" if address.query else "")
        connection.request("GET", path, headers={"Accept": "application/json"})
        response = connection.getresponse()
        # Another place is not the one that the operator named.
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
    """The body of an answer that is neither endless nor endlessly slow; ValueError otherwise."""
    give_up_at, pieces, size = time.monotonic() + WHOLE_WITHIN_S, [], 0
    while piece := response.read1(65_536):
        pieces.append(piece)
        size += len(piece)
        if size > _LARGEST or time.monotonic() > give_up_at:
            raise ValueError("the answer is too large, or too slow")
    return b"".join(pieces)
