"""The response to an error: its body as the route wants it, and the headers of its kind."""

from collections.abc import Iterator
from typing import Final

from ror.errors import (
    MethodNotAllowed,
    NotFound,
    RorError,
    TooLarge,
    TooManyCalls,
    Unauthenticated,
    Unavailable,
)
from ror.http.exchange import Header, Response, Route, outcome_response, retry_after
from ror.identity.tokens import InvalidToken

_RETRY_AFTER_S: Final = b"2"


class HeadersTooLarge(RorError):
    """The head of the request is over the limit."""

    status, issue = 431, "too-long"


class RequestTooSlow(RorError):
    """The request did not arrive in time."""

    status, issue = 408, "timeout"


def ascii_description(error: RorError) -> str:
    """The message as OAuth wants it: ASCII without quotes or backslashes (RFC 6749, 5.2)."""
    text = error.text("en").replace('"', "'")
    return "".join(char if " " <= char <= "~" and char != "\\" else "?" for char in text)


def error_response(error: RorError, language: str, route: Route | None = None) -> Response:
    """The response to a request that raised an error."""
    response = route.refused(error, language) if route else outcome_response(error, language)
    response.headers = (*response.headers, *_headers_of(error))
    response.withheld = int(isinstance(error, NotFound) and error.hidden)
    return response


def _headers_of(error: RorError) -> Iterator[Header]:
    """The headers that belong to an error, by its kind."""
    match error:
        case MethodNotAllowed():
            yield b"allow", ", ".join(error.allow).encode()
        case Unauthenticated():
            yield b"www-authenticate", b'Bearer realm="ror"'
        case InvalidToken():
            text = ascii_description(error).encode()
            yield (
                b"www-authenticate",
                b'Bearer realm="ror", error="invalid_token", error_description="%b"' % text,
            )
        case TooManyCalls():
            yield retry_after(error)
        case Unavailable():
            yield b"retry-after", _RETRY_AFTER_S
        case TooLarge() | RequestTooSlow():
            # The server does not read the rest of the body.
            yield b"connection", b"close"
