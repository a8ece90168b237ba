"""
Who calls: from the headers of a request and its connection to a client that is served, or a refusal.

A verified token is remembered with the headers that came with it, by a digest, until it expires or anything is done to
a client or a key: the same request again costs one look into a table. What is remembered holds for one state of the
register, and whether that is still the present one is asked of the store each time.
"""

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from ror.authorising import NOT_SERVED
from ror.clients import HEADERS, Client, Rule, State, announcements, check_announced
from ror.errors import Forbidden, RorError, Unauthenticated
from ror.http.exchange import Caller, Route
from ror.registry import Register
from ror.runtime import Directory
from ror.settings import Settings
from ror.tokens import InvalidToken, Issuer, Verified, accepted, ring_of, verified

Headers = Mapping[bytes, bytes]

_ANNOUNCED: Final = tuple((name, name.lower().encode()) for name in HEADERS)
_REMEMBERED: Final = 4_096
"""Callers remembered at a time; when there are more, all are forgotten."""


class _Known(NamedTuple):
    caller: Caller
    expires_at: float


class Callers:
    """Recognises those who call the service; for one thread."""

    def __init__(self, settings: Settings, anonymous: Caller | None) -> None:
        path = settings.user_profiles_file
        self._announcements = announcements(Path(path) if path else None)
        self._settings = settings
        self._anonymous = anonymous
        self._register: Register | None = None
        self._issuers: Mapping[str, Issuer] = {}
        self._known: dict[bytes, _Known] = {}

    def caller(self, directory: Directory, headers: Headers, route: Route, metadata: str) -> Caller:
        """
        Who sends a request to a route that is not open; `metadata` is what answers everybody.

        Raises Unauthenticated without a token where nobody reads without one, and InvalidToken for one that speaks for
        no client. A client that is known and refused is said to be so, that it be known who was.
        """
        authorization = headers.get(b"authorization")
        if authorization is None:
            if self._anonymous is None:
                raise Unauthenticated("access.login-required", metadata=metadata)
            return self._anonymous
        now = time.time()
        self._follow(directory, now)
        values = (authorization, route.announced.value.encode(), *(headers.get(name, b"") for _, name in _ANNOUNCED))
        digest = hashlib.sha256(b"\n".join(values)).digest()
        known = self._known.get(digest)
        if known is None or known.expires_at <= now:
            known = self._recognised(authorization, headers, route.announced, metadata, now)
            if known.caller.refusal is not None:
                return known.caller
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[digest] = known
        return known.caller

    def _follow(self, directory: Directory, now: float) -> None:
        """Forget what was found out before the register changed."""
        register = directory.registry.current()
        if register is not self._register:
            name = self._settings.issuer
            keys = ring_of(accepted(register.keys, int(now)))
            self._issuers = {name: Issuer(name, self._settings.token_audience, keys)}
            self._known.clear()
            self._register = register

    def _recognised(self, authorization: bytes, headers: Headers, rule: Rule, metadata: str, now: float) -> _Known:
        scheme, _, token = authorization.decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("access.login-required", metadata=metadata)
        found = verified(token.strip(), self._issuers, now)
        client = self._client(found)
        refusal = None
        try:
            self._check(client, headers, rule)
        except RorError as problem:
            refusal = problem
        return _Known(Caller(client.viewer, client, found.certificate, refusal), found.expires_at)

    def _client(self, found: Verified) -> Client:
        """The client that a token speaks for."""
        assert self._register is not None, "the register was just looked at"
        client = self._register.clients.get(found.client_id)
        if client is None:
            raise InvalidToken("tokens.unknown-client")
        return client

    def _check(self, client: Client, headers: Headers, rule: Rule) -> None:
        """
        Nothing, when a client is served that announces what it must.

        Raises InvalidToken when it is not, Forbidden when it does not read, and what `check_announced` raises.
        """
        if client.state is not State.ACTIVE:
            raise InvalidToken(NOT_SERVED[client.state])
        if rule is Rule.REQUIRED and client.viewer is None:
            raise Forbidden("access.does-not-read")
        sent = {name: headers[raw].decode("latin-1").strip() for name, raw in _ANNOUNCED if headers.get(raw)}
        check_announced(rule, {name: value for name, value in sent.items() if value}, client, self._announcements)
