"""
Adding, changing and revoking clients; each act is stored with its author, instant and reason.

A new secret is returned once; only its hash is stored.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ror.errors import UsageError
from ror.identity import Act, Action, Client, Kind, Rate, State, after_action, check_consistency
from ror.identity.certificates import distinguished_name, is_same_name
from ror.identity.keeping import ClientStore
from ror.identity.secrets import hash_secret, new_secret
from ror.standard.instants import Micros


@dataclass(frozen=True, slots=True)
class Signature:
    """The author, the reason and the instant of an act, in microseconds since the epoch."""

    by: str
    reason: str
    at: Micros


class Enrolled(NamedTuple):
    """A client after an act, and its secret if the act made one."""

    client: Client
    secret: str | None


def add(clients: ClientStore, client: Client, signature: Signature) -> Enrolled:
    """
    Register a client, with a secret if its profile needs one.

    Raises UsageError if its grants are inconsistent, its id was ever used, or a client of the other
    kind has its certificate: the certificate tells consumers from suppliers.
    """
    secret = new_secret() if check_consistency(client).has_secret else None
    _check_certificate(clients, client)
    fresh = replace(client, secret=hash_secret(secret)) if secret else client

    def change(present: Client | None) -> Client:
        if present is not None:
            raise UsageError("clients.exists", id=client.id)
        return fresh

    act = _act(client.id, Action.ADD, signature, profile=client.profile, subject=client.subject)
    return Enrolled(clients.change(act, change), secret)


def _check_certificate(clients: ClientStore, client: Client) -> None:
    for other in clients.all():
        if (
            client.subject is None
            or other.subject is None
            or other.kind is client.kind
            or other.state is State.REVOKED
        ):
            continue
        if is_same_name(other.subject, distinguished_name(client.subject)):
            raise UsageError("clients.same-certificate", subject=client.subject, id=other.id)


def change_state(
    clients: ClientStore, client_id: str, action: Action, signature: Signature
) -> Client:
    """
    Suspend, resume or revoke a client.

    Raises UsageError for an unknown id, or if its state forbids the action.
    """
    return _change(
        clients, _act(client_id, action, signature), lambda client: after_action(client, action)
    )


def rotate_secret(clients: ClientStore, client_id: str, signature: Signature) -> Enrolled:
    """
    Replace the secret of a client; the former secret stops working.

    Raises UsageError for an unknown id, for a client without secret, or if it was revoked.
    """
    secret = new_secret()
    kept = hash_secret(secret)

    def change(client: Client) -> Client:
        if not client.has_secret:
            raise UsageError("clients.no-secret", id=client.id)
        return replace(after_action(client, Action.ROTATE_SECRET), secret=kept)

    return Enrolled(
        _change(clients, _act(client_id, Action.ROTATE_SECRET, signature), change), secret
    )


def grant_establishments(
    clients: ClientStore,
    client_id: str,
    granted: Iterable[str],
    withdrawn: Iterable[str],
    signature: Signature,
) -> Client:
    """
    Add and remove establishments whose beds a supplier may declare.

    Raises UsageError for an unknown id, for a client that is no supplier or was revoked, if no
    establishment is named, or if one to remove was never granted.
    """
    more, less = frozenset(granted), frozenset(withdrawn)

    def change(client: Client) -> Client:
        if client.kind is not Kind.SUPPLIER:
            raise UsageError("clients.only-suppliers", id=client.id)
        if not more | less:
            raise UsageError("clients.no-establishment", id=client.id)
        if less - client.establishments:
            raise UsageError(
                "clients.not-granted",
                id=client.id,
                codes=", ".join(sorted(less - client.establishments)),
            )
        return replace(
            after_action(client, Action.GRANT_ESTABLISHMENTS),
            establishments=(client.establishments | more) - less,
        )

    act = _act(
        client_id,
        Action.GRANT_ESTABLISHMENTS,
        signature,
        granted=sorted(more),
        withdrawn=sorted(less),
    )
    return _change(clients, act, change)


def set_rate(
    clients: ClientStore, client_id: str, rate: Rate | None, signature: Signature
) -> Client:
    """
    Set the rate limit of a client, None for no limit.

    Raises UsageError for an unknown id, or if the client was revoked.
    """
    details = {"calls_per_minute": rate.calls_per_minute, "burst": rate.burst} if rate else {}
    act = _act(client_id, Action.SET_RATE, signature, **details)
    return _change(
        clients, act, lambda client: replace(after_action(client, Action.SET_RATE), rate=rate)
    )


def client_of(clients: ClientStore, client_id: str) -> Client:
    """The client with this id. Raises UsageError for an unknown id."""
    for client in clients.all():
        if client.id == client_id:
            return client
    raise UsageError("clients.unknown", id=client_id[:100])


def _act(client_id: str, action: Action, signature: Signature, **details: Any) -> Act:
    stated = {name: value for name, value in details.items() if value is not None}
    return Act(client_id, action, signature.at, signature.by, signature.reason, stated)


def _change(clients: ClientStore, act: Act, change: Callable[[Client], Client]) -> Client:
    def of_present(client: Client | None) -> Client:
        if client is None:
            raise UsageError("clients.unknown", id=act.client_id[:100])
        return change(client)

    return clients.change(act, of_present)
