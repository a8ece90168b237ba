"""
The routes of the authorisation server: tokens, the public keys that verify them, and its metadata.

The addresses are those that clients of the published service use. Sources: RFC 6749, RFC 7517,
RFC 8414 and OpenID Connect Discovery.
"""

import time
from typing import Final

import msgspec
from cryptography import x509

from ror.errors import InvalidRequest, RorError, TooManyCalls, Unavailable, UnsupportedMediaType
from ror.http.error_responses import ascii_description
from ror.http.exchange import Caller, Request, Response, Route, Service, retry_after
from ror.http.proxies import certificate_of
from ror.http.rate_limits import check_client
from ror.identity.token_service import GRANT_TYPE, TokenRefused
from ror.identity.tokens import accepted_keys, public_key_set
from ror.settings import REALM

TOKEN: Final = "/protocol/openid-connect/token"  # noqa: S105 an address
KEYS: Final = "/protocol/openid-connect/certs"

_JSON: Final = b"application/json"
_NO_STORE: Final = b"no-store"
_KEYS_KEPT_S: Final = 60


def _token(service: Service, request: Request) -> Response:
    """Issue a token to a client."""
    authorised = service.directory.tokens.authorise(
        request.pairs, request.header(b"authorization"), _certificate(request), time.time()
    )
    body = {
        "access_token": authorised.granted.token,
        "token_type": "Bearer",
        "expires_in": authorised.granted.expires_in,
    }
    caller = Caller(authorised.client.viewer, authorised.client, authorised.certificate)
    try:
        # Counted after authentication: a client id alone must not use up the rate limit.
        check_client(service, authorised.client)
    except TooManyCalls as error:
        response = refused(error, request.language)
        response.headers, response.caller = (*response.headers, retry_after(error)), caller
        return response
    return _json(body, _NO_STORE, caller=caller)


def _certificate(request: Request) -> x509.Certificate | None:
    return None if request.certificate is None else certificate_of(request.certificate)


def _keys(service: Service, request: Request) -> Response:
    """The public keys that verify tokens; the first key is made on demand."""
    now, directory = int(time.time()), service.directory
    if not directory.registry.current().keys:
        directory.tokens.signing_key(now)
    keys = accepted_keys(directory.registry.current().keys, now)
    return _json(public_key_set(keys), b"public, max-age=%d" % _KEYS_KEPT_S)


def _description(service: Service, request: Request) -> Response:
    """The metadata of the authorisation server."""
    issuer = service.settings.issuer
    methods = ["client_secret_post", "client_secret_basic", "tls_client_auth"]
    return _json(
        {
            "issuer": issuer,
            "token_endpoint": issuer + TOKEN,
            "jwks_uri": issuer + KEYS,
            "grant_types_supported": [GRANT_TYPE],
            "response_types_supported": [],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "token_endpoint_auth_methods_supported": methods,
            "tls_client_certificate_bound_access_tokens": False,
        },
        b"public, max-age=%d" % _KEYS_KEPT_S,
    )


def _json(
    body: object, cache_control: bytes, status: int = 200, caller: Caller | None = None
) -> Response:
    return Response(
        status,
        msgspec.json.encode(body),
        content_type=_JSON,
        cache_control=cache_control,
        caller=caller,
    )


def refused(error: RorError, language: str) -> Response:
    """The response to an error as OAuth wants it: JSON, in English."""
    match error:
        case TokenRefused():
            code, status = error.error, error.status
        case InvalidRequest() | UnsupportedMediaType():
            code, status = "invalid_request", 400
        case Unavailable() | TooManyCalls():
            code, status = "temporarily_unavailable", error.status
        case _:
            code, status = "invalid_request", error.status
    body = {"error": code, "error_description": ascii_description(error)}
    headers = ((b"www-authenticate", b'Basic realm="ror"'),) if status == 401 else ()
    response = _json(body, _NO_STORE, status)
    response.headers = (*headers, (b"pragma", b"no-cache"))
    if isinstance(error, TokenRefused):
        response.caller = Caller(
            error.client.viewer if error.client else None, error.client, error.certificate
        )
    return response


_READING: Final = ("GET", "HEAD")

AUTHORISATION_ROUTES: Final = (
    Route(
        f"{REALM}{TOKEN}".removeprefix("/"),
        "token",
        ("POST",),
        _token,
        None,
        is_open=True,
        authenticates=True,
        refused=refused,
    ),
    Route(f"{REALM}{KEYS}".removeprefix("/"), "token", _READING, _keys, None, is_open=True),
    Route(
        f"{REALM}/.well-known/openid-configuration".removeprefix("/"),
        "token",
        _READING,
        _description,
        None,
        is_open=True,
    ),
    Route(
        f".well-known/oauth-authorization-server{REALM}",
        "token",
        _READING,
        _description,
        None,
        is_open=True,
    ),
)
"""The routes of the authorisation server, which no mount point changes."""
