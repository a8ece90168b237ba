"""
Who calls: from the headers of a request and its connection to a client that is served, or a refusal.

A verified token is remembered with the headers that came with it, by a digest, until it expires or anything is done to
a client or a key: the same request again costs one look into a table. What is remembered holds for one state of the
register, and whether that is still the present one is asked of the store each time.
"""

import hashlib
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from hmac import compare_digest
from pathlib import Path
from typing import Any, Final, NamedTuple

from ror.errors import Forbidden, RorError, Unauthenticated, Unavailable
from ror.http.exchange import Caller, Headers, Route
from ror.http.proxies import Proxies, certificate_of
from ror.identity import HEADERS, Announcements, Client, Rule, State, announcements, check_announced
from ror.identity.certificates import name_text
from ror.identity.registry import Register
from ror.identity.token_service import NOT_SERVED, TokenRefused
from ror.identity.tokens import (
    InvalidToken,
    Issuer,
    VerifiedToken,
    accepted_keys,
    verification_keys,
    verify_token,
)
from ror.runtime import Directory
from ror.settings import Settings

_ANNOUNCED: Final = tuple((name, name.lower().encode()) for name in HEADERS)
_REMEMBERED: Final = 4_096
"""Callers remembered at a time; when there are more, all are forgotten."""


class _Known(NamedTuple):
    caller: Caller
    expires_at: float
    thumbprint: str | None
    """What the certificate of each call must be, None when it need show none."""


class Callers:
    """Identifies the callers of the service; for one thread."""

    _announcements: Announcements
    _register: Register | None

    def __init__(self, settings: Settings, anonymous: Caller | None, proxies: Proxies) -> None:
        self._settings = settings
        self.reload_user_profiles()
        self._anonymous = anonymous
        self._proxies = proxies
        self._known: dict[bytes, _Known] = {}
        self._others: Mapping[str, Issuer] = {}
        self._issuers: Mapping[str, Issuer] = {}

    def reload_user_profiles(self) -> None:
        """Read the file of user profiles again. Raises UsageError when it cannot be read."""
        path = self._settings.user_profiles_file
        self._announcements = announcements(Path(path) if path else None)
        # The next request forgets the callers that were checked against the former table.
        self._register = None

    def caller(
        self,
        directory: Directory,
        scope: Mapping[str, Any],
        headers: Headers,
        route: Route,
        metadata: str,
    ) -> Caller:
        """
        Who sends a request to a route that is not open; `metadata` is what answers everybody.

        Raises Unauthenticated without a token where nobody reads without one, and InvalidToken for one that speaks for
        no client, UnknownKey for one of others whose key may have been published since. A client that is known and
        refused is said to be so, that it be known who was.
        """
        authorization = headers.get(b"authorization")
        if authorization is None:
            if self._anonymous is None:
                raise Unauthenticated("access.login-required", metadata=metadata)
            return self._anonymous
        now = time.time()
        self._follow(directory, now)
        values = (
            authorization,
            route.announced.value.encode(),
            *(headers.get(name, b"") for _, name in _ANNOUNCED),
        )
        digest = hashlib.sha256(b"\n".join(values)).digest()
        known = self._known.get(digest)
        if known is None or known.expires_at <= now:
            known = self._recognised(
                directory, authorization, scope, headers, route.announced, metadata, now
            )
            if known.caller.refusal is not None:
                return known.caller
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[digest] = known
        elif known.thumbprint is not None and not is_of(
            known.thumbprint, self._shown(scope, headers)
        ):
            return replace(known.caller, refusal=InvalidToken("tokens.another-certificate"))
        return known.caller

    def _follow(self, directory: Directory, now: float) -> None:
        """Forget what was found out before the register changed."""
        register, others = directory.registry.current(), directory.issuers.known()
        if register is not self._register or others is not self._others:
            name = self._settings.issuer
            keys = verification_keys(accepted_keys(register.keys, int(now)))
            self._issuers = {**others, name: Issuer(name, self._settings.token_audience, keys)}
            self._known.clear()
            self._register, self._others = register, others

    def _recognised(
        self,
        directory: Directory,
        authorization: bytes,
        scope: Mapping[str, Any],
        headers: Headers,
        rule: Rule,
        metadata: str,
        now: float,
    ) -> _Known:
        scheme, _, token = authorization.decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("access.login-required", metadata=metadata)
        found = verify_token(token.strip(), self._issuers, now)
        client = self._client(found)
        certificate, refusal = found.certificate, None
        try:
            self._check(client, headers, rule)
            if not found.issuer.is_ours:
                certificate = self._bound(
                    directory, found, client, self._shown(scope, headers), now
                )
        except RorError as problem:
            refusal = problem
        return _Known(
            Caller(client.viewer, client, certificate, refusal), found.expires_at, found.thumbprint
        )

    def _shown(self, scope: Mapping[str, Any], headers: Headers) -> bytes | None:
        return self._proxies.client_certificate(scope, headers)

    def _bound(
        self,
        directory: Directory,
        found: VerifiedToken,
        client: Client,
        shown: bytes | None,
        now: float,
    ) -> tuple[str, str] | None:
        """
        The serial number and subject of the certificate with which a token of others is used, None without.

        Raises InvalidToken when the token is bound to another one, or to none and should be, or when the certificate is
        not the client's or not to be believed.
        """
        if found.thumbprint is None:
            if found.issuer.certificate_bound and client.subject is not None:
                raise InvalidToken("tokens.not-bound")
            return None
        if shown is None or not is_of(found.thumbprint, shown):
            raise InvalidToken("tokens.another-certificate")
        certificate = certificate_of(shown)
        if client.subject is not None:
            try:
                directory.tokens.check_certificate(
                    client, certificate, datetime.fromtimestamp(now, UTC)
                )
            except TokenRefused as problem:
                raise _as_of_a_token(problem) from None
        return f"{certificate.serial_number:X}", name_text(certificate.subject)

    def _client(self, found: VerifiedToken) -> Client:
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
        sent = {
            name: headers[raw].decode("latin-1").strip()
            for name, raw in _ANNOUNCED
            if headers.get(raw)
        }
        check_announced(
            rule,
            {name: value for name, value in sent.items() if value},
            client,
            self._announcements,
        )


def is_of(thumbprint: str, certificate: bytes | None) -> bool:
    """Whether a thumbprint (`x5t#S256` of RFC 8705) is that of a certificate, given as DER."""
    if certificate is None:
        return False
    found = urlsafe_b64encode(hashlib.sha256(certificate).digest()).rstrip(b"=")
    return compare_digest(found, thumbprint.encode())


def _as_of_a_token(problem: TokenRefused) -> RorError:
    """What is told of a certificate that is refused where a token is used."""
    kind = Unavailable if problem.error == "temporarily_unavailable" else InvalidToken
    told = kind(problem.key)
    told.params = problem.params
    return told
