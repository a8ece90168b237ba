"""
A client: a registered program, its grants, and its states.

A consumer reads under an access profile. A supplier declares beds for a list of establishments and
reads nothing. A consumer of profile 0 authenticates with a secret; every other client with a
certificate, recognised by its subject.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final

from ror.access import Perimeter, Viewer
from ror.errors import UsageError
from ror.standard.instants import Micros

PUBLIC_PROFILE: Final = 0
"""
The access profile of open data; only its clients authenticate with a secret
(docs/authentication.md#clients).
"""

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


class Kind(Enum):
    """The purpose of a client."""

    CONSUMER = "consumer"
    SUPPLIER = "supplier"


class State(Enum):
    """Whether a client is served."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate limit: calls a minute in the long run, and `burst` calls at once."""

    calls_per_minute: int
    burst: int


BURST_S: Final = 10
"""The default burst is the number of calls that the limit allows in this many seconds."""


def rate_of(calls_per_minute: int, burst: int | None = None) -> Rate:
    """
    The rate limit of `calls_per_minute`, with the default burst unless one is stated.

    >>> rate_of(600)
    Rate(calls_per_minute=600, burst=100)
    """
    return Rate(calls_per_minute, burst or max(1, calls_per_minute * BURST_S // 60))


@dataclass(frozen=True, slots=True)
class Client:
    """
    A registered client.

    `profile` is None for a supplier. A client has either `subject`, the distinguished name of its
    certificate, or `secret`, the hash of its secret. `user_profiles` and `roles` are the codes that
    its calls may announce. The store allots `number`, which is small and never reused.
    """

    id: str
    name: str
    kind: Kind = Kind.CONSUMER
    profile: int | None = None
    subject: str | None = None
    secret: str | None = field(default=None, repr=False)
    perimeter: Perimeter | None = None
    user_profiles: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    establishments: frozenset[str] = frozenset()
    rate: Rate | None = None
    state: State = State.ACTIVE
    number: int = 0

    @property
    def viewer(self) -> Viewer | None:
        """The viewer that it reads as; None for a supplier."""
        return None if self.profile is None else Viewer(self.profile, self.perimeter, self.id)

    @property
    def has_secret(self) -> bool:
        """Whether it authenticates with a secret rather than a certificate."""
        return self.profile == PUBLIC_PROFILE


class Action(Enum):
    """A kind of act on a client."""

    ADD = "add"
    SUSPEND = "suspend"
    RESUME = "resume"
    REVOKE = "revoke"
    ROTATE_SECRET = "rotate-secret"  # noqa: S105 the name of an action
    GRANT_ESTABLISHMENTS = "grant-establishments"
    SET_RATE = "set-rate"


@dataclass(frozen=True, slots=True)
class Act:
    """An act on a client; `at` is in microseconds since the epoch, `details` says what changed."""

    client_id: str
    action: Action
    at: Micros
    by: str
    reason: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Step:
    """The states in which an action is allowed, and the state it leads to; None keeps the state."""

    states: Sequence[State]
    leads_to: State | None = None


_LIVING: Final = (State.ACTIVE, State.SUSPENDED)
_STEPS: Final[Mapping[Action, _Step]] = {
    Action.SUSPEND: _Step((State.ACTIVE,), State.SUSPENDED),
    Action.RESUME: _Step((State.SUSPENDED,), State.ACTIVE),
    # Final: a client that returns is registered again, under another id.
    Action.REVOKE: _Step(_LIVING, State.REVOKED),
    Action.ROTATE_SECRET: _Step(_LIVING),
    Action.GRANT_ESTABLISHMENTS: _Step(_LIVING),
    Action.SET_RATE: _Step(_LIVING),
}


def after_action(client: Client, action: Action) -> Client:
    """
    The client in the state that an action leads to. Raises UsageError if its state forbids the
    action.

    >>> after_action(Client("sas", "SAS"), Action.SUSPEND).state
    <State.SUSPENDED: 'suspended'>
    """
    step = _STEPS[action]
    if client.state not in step.states:
        allowed = ", ".join(state.value for state in step.states)
        raise UsageError(
            "clients.not-in-this-state",
            id=client.id,
            action=action.value,
            state=client.state.value,
            allowed=allowed,
        )
    return replace(client, state=step.leads_to or client.state)


def check_consistency(client: Client) -> Client:
    """
    The client, if its members are consistent. Raises UsageError otherwise.

    A consumer has a profile and a supplier has none; a client has a certificate subject unless its
    profile is 0.
    """
    if not _ID.fullmatch(client.id):
        raise UsageError("clients.bad-id", id=client.id[:100])
    is_consumer = client.kind is Kind.CONSUMER
    if is_consumer != (client.profile is not None):
        raise UsageError("clients.profile-or-supplier", id=client.id)
    if client.has_secret and client.subject is not None:
        raise UsageError("clients.no-certificate", id=client.id)
    if not client.has_secret and client.subject is None:
        raise UsageError("clients.needs-certificate", id=client.id)
    if is_consumer and client.establishments:
        raise UsageError("clients.only-suppliers", id=client.id)
    if not is_consumer and (client.perimeter or client.user_profiles or client.roles):
        raise UsageError("clients.only-consumers", id=client.id)
    return client
