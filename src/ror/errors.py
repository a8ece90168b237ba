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
What reading JSON of others raises when it is none, not what was expected, or nested deeper than we
go.
"""


class RorError(Exception):
    """
    The caller can be told; becomes an OperationOutcome with issue code `issue`, answered with
    `status`.
    """

    status = 500
    issue = "exception"
    other_errors: "tuple[RorError, ...]" = ()
    """What else is wrong with the same request, so that the caller can mend it all at once."""

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
    """A code or a system that is in no nomenclature and in nothing that the client sees."""

    status, issue = 400, "code-invalid"


class NotSupported(RorError):
    """Understood, but not something this server does: an unknown parameter, modifier, include."""

    status, issue = 400, "not-supported"


class TooCostly(RorError):
    """A request over one of the published limits."""

    status, issue = 400, "too-costly"


class Unauthenticated(RorError):
    """Nobody in particular is asking, and nobody in particular may see nothing."""

    status, issue = 401, "login"


class MissingHeader(RorError):
    """A header that this request must carry is not there."""

    status, issue = 400, "required"


class Forbidden(RorError):
    """Somebody known is asking for what was not granted to it."""

    status, issue = 403, "forbidden"


class NotFound(RorError):
    """No such resource for this caller: absent and hidden are the same."""

    status, issue = 404, "not-found"

    def __init__(self, key: str, *, hidden: bool = False, **params: object) -> None:
        super().__init__(key, expression=None, **params)
        self.hidden = hidden
        """Whether there is one, for the audit trail alone."""


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
    """No format that the caller accepts can be produced."""

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
    """The caller calls more often than it may; it may again `retry_after_s` seconds from now."""

    status, issue = 429, "throttled"

    def __init__(self, key: str, *, retry_after_s: int, **params: object) -> None:
        super().__init__(key, expression=None, retry_after_s=retry_after_s, **params)
        self.retry_after_s = retry_after_s


class Unavailable(RorError):
    """Not now: starting, stopping or overloaded."""

    status, issue = 503, "transient"


class UsageError(RorError):
    """
    A command, a setting or a file that cannot be used as given; the command line prints it and
    stops.
    """

    status, issue = 400, "invalid"
