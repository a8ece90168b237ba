"""How a refusal is told: the reply that its route gives, and the headers that go with its kind."""

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
from ror.http.exchange import Header, Reply, Route, outcome_of, retry_after
from ror.identity.tokens import InvalidToken

_RETRY_AFTER_S: Final = b"2"


class RequestTooSlow(RorError):
    """The request did not arrive in time."""

    status, issue = 408, "timeout"


def described(error: RorError) -> str:
    """What is told of an error where OAuth wants plain ASCII without quotes or backslashes (RFC 6749 section 5.2)."""
    told = error.text("en").replace('"', "'")
    return "".join(one if " " <= one <= "~" and one != "\\" else "?" for one in told)


def refusal(error: RorError, language: str, route: Route | None = None) -> Reply:
    """The reply to a request that is refused."""
    reply = route.refused(error, language) if route else outcome_of(error, language)
    reply.headers = (*reply.headers, *_with_refusal(error))
    reply.withheld = int(isinstance(error, NotFound) and error.hidden)
    return reply


def _with_refusal(error: RorError) -> Iterator[Header]:
    """The headers that a refusal carries, by kind of refusal."""
    match error:
        case MethodNotAllowed():
            yield b"allow", ", ".join(error.allow).encode()
        case Unauthenticated():
            yield b"www-authenticate", b'Bearer realm="ror"'
        case InvalidToken():
            told = described(error).encode()
            yield (
                b"www-authenticate",
                b'Bearer realm="ror", error="invalid_token", error_description="%b"' % told,
            )
        case TooManyCalls():
            yield retry_after(error)
        case Unavailable():
            yield b"retry-after", _RETRY_AFTER_S
        case TooLarge() | RequestTooSlow():
            # What is left of the body will not be read.
            yield b"connection", b"close"
