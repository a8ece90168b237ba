"""
What a caller can be told: one family of errors, each with its HTTP status and its FHIR issue code.

An error names the thing, the value and what would work. It carries the key of its text and the
values that fill it, because only the door knows the caller's language. Anything that is not a
RorError is a bug: logged, answered 500, and revealing nothing.
"""

from collections.abc import Iterable
from typing import Final

from ror import messages

NOT_JSON: Final = (ValueError, RecursionError)
"""
The exceptions of decoding JSON that is malformed, of another shape, or nested too deeply.
"""


class RorError(Exception):
    """
    An error that a response may describe: an OperationOutcome with `issue` and HTTP `status`.
    """

    status = 500
    issue = "exception"
    other_errors: "tuple[RorError, ...]" = ()
    """The other errors of the same request, so that the client can fix them all at once."""

    def __init__(self, key: str, *, expression: str | None = None, **params: object) -> None:
        super().__init__(key)
        self.key = key
        self.expression = expression
        self.params = params

    def text(self, language: str = messages.DEFAULT_LANGUAGE) -> str:
        """The diagnostics in `language`."""
        return messages.text(self.key, language, **self.params)

    def __str__(self) -> str:
        return self.text("en")


def first_of(errors: Iterable[RorError]) -> RorError:
    """The first of several errors about one request, with the others in its `other_errors`."""
    first, *others = errors
    first.other_errors = tuple(others)
    return first


class InvalidRequest(RorError):
    """A value, a parameter or an address that cannot be understood."""

    status, issue = 400, "invalid"


class UnknownCode(RorError):
    """A code or a system in no nomenclature and in no resource that the client sees."""

    status, issue = 400, "code-invalid"


class NotSupported(RorError):
    """A request that this server does not support: an unknown parameter, modifier or include."""

    status, issue = 400, "not-supported"


class TooCostly(RorError):
    """A request over one of the published limits."""

    status, issue = 400, "too-costly"


class Unauthenticated(RorError):
    """The request has no valid token and anonymous requests may read nothing."""

    status, issue = 401, "login"


class MissingHeader(RorError):
    """A required header is missing."""

    status, issue = 400, "required"


class Forbidden(RorError):
    """The client has no right to do this."""

    status, issue = 403, "forbidden"


class NotFound(RorError):
    """The resource is absent or hidden; the response is the same."""

    status, issue = 404, "not-found"

    def __init__(self, key: str, *, hidden: bool = False, **params: object) -> None:
        super().__init__(key, expression=None, **params)
        self.hidden = hidden
        """Whether the resource exists but is hidden; for the audit trail only."""


class UnknownRoute(RorError):
    """No such address or resource type."""

    status, issue = 404, "not-supported"


class MethodNotAllowed(RorError):
    """The interaction is not offered here; `allow` lists the methods that are."""

    status, issue = 405, "not-supported"

    def __init__(self, key: str, *, allow: tuple[str, ...], **params: object) -> None:
        super().__init__(key, expression=None, allow=", ".join(allow), **params)
        self.allow = allow


class NotAcceptable(RorError):
    """The server produces no format that the client accepts."""

    status, issue = 406, "not-supported"


class Gone(RorError):
    """The resource existed and was deleted."""

    status, issue = 410, "deleted"


class TooLarge(RorError):
    """The body is over the limit."""

    status, issue = 413, "too-long"


class AddressTooLong(RorError):
    """The URL is over the limit."""

    status, issue = 414, "too-long"


class UnsupportedMediaType(RorError):
    """The body is in a format that is not read here."""

    status, issue = 415, "not-supported"


class TooManyCalls(RorError):
    """The client exceeds its rate limit; it may retry in `retry_after_s` seconds."""

    status, issue = 429, "throttled"

    def __init__(self, key: str, *, retry_after_s: int, **params: object) -> None:
        super().__init__(key, expression=None, retry_after_s=retry_after_s, **params)
        self.retry_after_s = retry_after_s


class Unavailable(RorError):
    """The server is starting, stopping or overloaded."""

    status, issue = 503, "transient"


class UsageError(RorError):
    """
    An invalid command, setting or file; the command line prints the error and stops.
    """

    status, issue = 400, "invalid"
