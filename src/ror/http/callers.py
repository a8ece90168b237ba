"""
The caller of a request: the client that its token names, or the reason why it is refused.

A verified token is cached with the `Ror-*` headers of its request, under their digest, until the
token expires or a client or signing key changes. Each request checks the store for such a change.
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
"""The cache is cleared when it has so many callers."""


class _Known(NamedTuple):
    caller: Caller
    expires_at: float
    thumbprint: str | None
    """The certificate that each request must show, None if it need not show one."""


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
        """Read the file of user profiles again. Raises UsageError if it cannot be read."""
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
        The caller of a route that needs a token; `metadata` is the address that needs none.

        Raises Unauthenticated without a token, InvalidToken for one that names no client, and
        UnknownKey if an identity provider may have published its signing key since. The refusal of
        a client that was identified is in the caller, so that the audit trail names the client.
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
        cached = self._known.get(digest)
        if cached is None or cached.expires_at <= now:
            cached = self._recognised(
                directory, authorization, scope, headers, route.announced, metadata, now
            )
            if cached.caller.refusal is not None:
                return cached.caller
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[digest] = cached
        elif cached.thumbprint is not None and not is_of(
            cached.thumbprint, self._shown(scope, headers)
        ):
            return replace(cached.caller, refusal=InvalidToken("tokens.another-certificate"))
        return cached.caller

    def _follow(self, directory: Directory, now: float) -> None:
        """Clear the cache if a client or a signing key has changed."""
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
        verified = verify_token(token.strip(), self._issuers, now)
        client = self._client(verified)
        certificate, refusal = verified.certificate, None
        try:
            self._check(client, headers, rule)
            if not verified.issuer.is_ours:
                certificate = self._bound(
                    directory, verified, client, self._shown(scope, headers), now
                )
        except RorError as problem:
            refusal = problem
        return _Known(
            Caller(client.viewer, client, certificate, refusal),
            verified.expires_at,
            verified.thumbprint,
        )

    def _shown(self, scope: Mapping[str, Any], headers: Headers) -> bytes | None:
        return self._proxies.client_certificate(scope, headers)

    def _bound(
        self,
        directory: Directory,
        verified: VerifiedToken,
        client: Client,
        shown: bytes | None,
        now: float,
    ) -> tuple[str, str] | None:
        """
        The serial number and subject of the certificate that another issuer's token is bound to.

        None if it is bound to none. Raises InvalidToken when the request shows another certificate,
        when the token should be bound, or when the certificate is not the client's or not trusted.
        """
        if verified.thumbprint is None:
            if verified.issuer.certificate_bound and client.subject is not None:
                raise InvalidToken("tokens.not-bound")
            return None
        if shown is None or not is_of(verified.thumbprint, shown):
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

    def _client(self, verified: VerifiedToken) -> Client:
        """The client that a token names."""
        assert self._register is not None, "the register was just looked at"
        client = self._register.clients.get(verified.client_id)
        if client is None:
            raise InvalidToken("tokens.unknown-client")
        return client

    def _check(self, client: Client, headers: Headers, rule: Rule) -> None:
        """
        Check that the client is active, may read, and sends the `Ror-*` headers it must.

        Raises InvalidToken, Forbidden, and what `check_announced` raises.
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
    """Whether a thumbprint (`x5t#S256` of RFC 8705) is that of a DER certificate."""
    if certificate is None:
        return False
    digest = urlsafe_b64encode(hashlib.sha256(certificate).digest()).rstrip(b"=")
    return compare_digest(digest, thumbprint.encode())


def _as_of_a_token(problem: TokenRefused) -> RorError:
    """The error of a refused certificate, for a request with a token."""
    kind = Unavailable if problem.error == "temporarily_unavailable" else InvalidToken
    error = kind(problem.key)
    error.params = problem.params
    return error
