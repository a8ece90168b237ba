"""
The token endpoint: OAuth 2.0 client credentials (RFC 6749), with a secret or a client certificate
(RFC 8705).

Each request checks the client's state and its secret, or its certificate's subject, chain, dates
and revocation. An error reveals only what its recipient may know: a wrong secret and an unknown
client look the same.
"""

from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple
from urllib.parse import unquote_plus

from cryptography import x509

from ror.errors import RorError
from ror.identity import Client, State
from ror.identity.authorities import WatchedAuthorities
from ror.identity.certificates import Untrusted, check_client_certificate, is_same_name, name_text
from ror.identity.keeping import KeyStore
from ror.identity.registry import Registry
from ror.identity.secrets import ProvenSecrets
from ror.identity.tokens import (
    AccessToken,
    SigningKey,
    accepted_keys,
    issue_token,
    may_sign,
    new_signing_key,
)

GRANT_TYPE: Final = "client_credentials"

ErrorCode = Literal[
    "invalid_request",
    "invalid_client",
    "unsupported_grant_type",
    "temporarily_unavailable",
]
STATUSES: Final[dict[ErrorCode, int]] = {
    "invalid_request": 400,
    "invalid_client": 401,
    "unsupported_grant_type": 400,
    "temporarily_unavailable": 503,
}
"""
The HTTP status of each token endpoint error (RFC 6749 section 5.2, plus one for a temporary
failure).
"""


NOT_SERVED: Final = {
    State.SUSPENDED: "oauth.client-suspended",
    State.REVOKED: "oauth.client-revoked",
}
"""The message key for an authenticated client without access, by state."""


class TokenRefused(RorError):
    """
    No token is issued; answered as OAuth JSON in English (RFC 6749 requires ASCII).

    `client` and `certificate`, as far as they were authenticated, are for the audit trail only.
    """

    def __init__(
        self,
        error: ErrorCode,
        key: str,
        *,
        client: Client | None = None,
        certificate: tuple[str, str] | None = None,
        **params: str,
    ) -> None:
        super().__init__(key, **params)
        self.error = error
        self.status = STATUSES[error]
        self.client = client
        self.certificate = certificate


@dataclass(frozen=True, slots=True)
class TokenPolicy:
    """The issuer and audience of tokens, and the lifetimes of tokens and keys."""

    issuer: str
    audience: str
    lifetime_s: int
    key_days: int


class Credentials(NamedTuple):
    """A client id, and its secret if the request has one."""

    client_id: str
    secret: str | None


class SecretToCheck(NamedTuple):
    """A secret, the client that it may be of, and the stored hash of the client's secret if any."""

    client_id: str
    secret: str
    kept: str | None


class Authorised(NamedTuple):
    """A token, its client, and the serial number and subject of the client's certificate."""

    granted: AccessToken
    client: Client
    certificate: tuple[str, str] | None


class TokenService:
    """Issues tokens to the clients of a registry, signed with the newest key of `keys`."""

    def __init__(
        self,
        registry: Registry,
        keys: KeyStore,
        authorities: WatchedAuthorities | None,
        policy: TokenPolicy,
    ) -> None:
        self.policy = policy
        self._registry = registry
        self._keys = keys
        self._authorities = authorities
        self._secrets = ProvenSecrets()

    def secret_to_check(
        self, form: Sequence[tuple[str, str]], authorization: str | None
    ) -> SecretToCheck | None:
        """
        The secret of a request that takes long to check; None if it has none, or was proven before.

        Raises TokenRefused as `authorise` does.
        """
        fields = _fields(form)
        client_id, secret = _credentials(fields, authorization)
        _check_grant(fields)
        if secret is None:
            return None
        kept = self._stored_hash(client_id)
        if self._secrets.includes(secret, kept):
            return None
        return SecretToCheck(client_id, secret, kept)

    def is_right(self, check: SecretToCheck) -> bool:
        """Whether the secret is the client's; slow. `authorise` then takes it without delay."""
        return self._secrets.prove(check.secret, check.kept)

    def _stored_hash(self, client_id: str) -> str | None:
        client = self._registry.current().clients.get(client_id)
        return client.secret if client is not None and client.has_secret else None

    def authorise(
        self,
        form: Sequence[tuple[str, str]],
        authorization: str | None,
        certificate: x509.Certificate | None,
        now: float,
    ) -> Authorised:
        """
        Authenticate a client and issue a token.

        `form` is the body of the request, `authorization` its header, `certificate` the certificate
        of the connection. Raises TokenRefused.
        """
        fields = _fields(form)
        credentials = _credentials(fields, authorization)
        _check_grant(fields)
        client = self._proven(credentials, certificate, datetime.fromtimestamp(now, UTC))
        shown = None if client.has_secret else _named(certificate)
        granted = issue_token(
            self.signing_key(int(now)),
            issuer=self.policy.issuer,
            audience=self.policy.audience,
            client_id=client.id,
            certificate=shown,
            now=int(now),
            lifetime_s=self.policy.lifetime_s,
        )
        return Authorised(granted, client, shown)

    def signing_key(self, now: int) -> SigningKey:
        """The current signing key; a new one if there is none or the newest is too old."""
        while True:
            keys = self._registry.current().keys
            if keys and may_sign(keys[-1], now, self.policy.key_days):
                return keys[-1]
            rotate(self._keys, keys, now)

    def reload_authorities(self) -> None:
        """Read the authorities and revocation lists again. Raises Unavailable if that fails."""
        if self._authorities is not None:
            self._authorities.current()

    def _proven(
        self, credentials: Credentials, certificate: x509.Certificate | None, now: datetime
    ) -> Client:
        """The active client that the credentials or the certificate authenticate."""
        client_id = credentials.client_id
        client = self._registry.current().clients.get(client_id)
        if credentials.secret is not None:
            # Takes the same time for an unknown client, a client without secret and a wrong secret.
            if not self._secrets.prove(credentials.secret, self._stored_hash(client_id)):
                raise TokenRefused("invalid_client", "oauth.bad-credentials")
        else:
            self.check_certificate(client, certificate, now)
        assert client is not None, "an unknown client proves nothing"
        if client.state is not State.ACTIVE:
            shown = None if client.has_secret else _named(certificate)
            raise TokenRefused(
                "invalid_client", NOT_SERVED[client.state], client=client, certificate=shown
            )
        return client

    def check_certificate(
        self, client: Client | None, certificate: x509.Certificate | None, now: datetime
    ) -> None:
        """Check that the certificate is trusted and belongs to the client. Raises TokenRefused."""
        if certificate is None:
            raise TokenRefused("invalid_client", "oauth.no-credentials")
        if self._authorities is None:
            raise TokenRefused("invalid_client", "oauth.no-authorities")
        try:
            check_client_certificate(certificate, self._authorities.current(), now)
        except Untrusted as problem:
            if problem.reason == "list-outdated":
                raise TokenRefused("temporarily_unavailable", "oauth.list-outdated") from problem
            # For the other reasons the signature is not verified, so the names prove nothing.
            signed = _named(certificate) if problem.reason == "revoked" else None
            raise TokenRefused(
                "invalid_client", f"oauth.{problem.reason}", certificate=signed
            ) from None
        if (
            client is None
            or client.subject is None
            or not is_same_name(client.subject, certificate.subject)
        ):
            raise TokenRefused(
                "invalid_client",
                "oauth.not-the-subject",
                certificate=_named(certificate),
                subject=_ascii(name_text(certificate.subject)),
            )


def _named(certificate: x509.Certificate | None) -> tuple[str, str] | None:
    """The serial number and the subject of a certificate."""
    return (
        None
        if certificate is None
        else (f"{certificate.serial_number:X}", name_text(certificate.subject))
    )


def rotate(
    keys: KeyStore, present: Sequence[SigningKey], now: int, *, at_once: bool = False
) -> None:
    """
    Add a signing key, and delete keys whose tokens have all expired.

    `at_once` deletes every former key, which invalidates all their tokens. Does nothing if another
    process has just rotated.
    """
    fresh = new_signing_key(now)
    kept = () if at_once else accepted_keys([*present, fresh], now)
    keys.succeed(
        fresh, present[-1].kid if present else None, [key.kid for key in present if key not in kept]
    )


# --- reading the request --------------------------------------------------------------------------


def _fields(form: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The fields of a form, without empty ones. Refuses a repeated field (RFC 6749)."""
    fields: dict[str, str] = {}
    for name, value in form:
        if name in fields:
            raise TokenRefused("invalid_request", "oauth.twice", name=_ascii(name))
        if value:
            fields[name] = value
    return fields


def _credentials(fields: dict[str, str], authorization: str | None) -> Credentials:
    """The credentials of the header or of the form, not of both."""
    client_id, secret = fields.get("client_id"), fields.get("client_secret")
    if authorization is None:
        if client_id is None:
            raise TokenRefused("invalid_request", "oauth.missing", name="client_id")
        return Credentials(client_id, secret)
    basic = _basic(authorization)
    if secret is not None or (client_id is not None and client_id != basic.client_id):
        raise TokenRefused("invalid_request", "oauth.two-ways")
    return basic


def _basic(authorization: str) -> Credentials:
    scheme, _, coded = authorization.partition(" ")
    try:
        client_id, colon, secret = b64decode(coded.strip(), validate=True).decode().partition(":")
    except ValueError:
        colon = ""
    if scheme.lower() != "basic" or not colon:
        raise TokenRefused("invalid_client", "oauth.not-basic")
    # RFC 6749 section 2.3.1: both are encoded as in a form before they are joined.
    return Credentials(unquote_plus(client_id), unquote_plus(secret))


def _check_grant(fields: dict[str, str]) -> None:
    """
    Check the grant type. Raises TokenRefused.

    A scope is ignored, as RFC 6749 section 3.3 allows: rights depend on the client alone, and
    clients made for other providers send `openid` with every request.
    """
    grant_type = fields.get("grant_type")
    if grant_type is None:
        raise TokenRefused("invalid_request", "oauth.missing", name="grant_type")
    if grant_type != GRANT_TYPE:
        raise TokenRefused("unsupported_grant_type", "oauth.grant-type")


def _ascii(text: str) -> str:
    """A text without the characters that RFC 6749 forbids in an error description."""
    return "".join(
        character if " " <= character <= "~" and character not in '"\\' else "?"
        for character in text[:200]
    )
