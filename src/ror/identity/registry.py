"""
Which clients and signing keys there are at this moment, kept in memory so that looking one up costs nothing.

Nothing has to tell it that something changed: it asks the store whether anybody has committed anything, which costs
microseconds, and reads clients and keys again only when one of them changed. So that asking before each answer, a
client is refused from the first request that comes after its suspension was acknowledged, in every process.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ror.identity import Client
from ror.identity.keeping import IdentityStore
from ror.identity.tokens import SigningKey


@dataclass(frozen=True, slots=True)
class Register:
    """The clients by id, the revoked included, and the keys from the oldest, at one moment."""

    clients: Mapping[str, Client] = field(default_factory=dict)
    keys: Sequence[SigningKey] = ()


class Registry:
    """What a store keeps of clients and keys; safe to share between threads."""

    def __init__(self, store: IdentityStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._signal: int | None = None
        self._changes = (-1, -1)
        self._register = Register()

    def current(self) -> Register:
        """
        What is there, everything included that was done before this call; the same object while nothing changes.

        Raises Unavailable when the store cannot say.
        """
        signal = self._store.change_signal()
        if signal != self._signal:
            with self._lock:
                self._follow()
                # Only now: what a failed reading missed is read by the next call.
                self._signal = signal
        return self._register

    @property
    def known(self) -> Iterable[Client]:
        """The clients as they were last read, without asking whether that is still so."""
        return self._register.clients.values()

    def _follow(self) -> None:
        clients, keys = self._store.clients, self._store.keys
        changes = clients.last_act(), keys.last_change()
        if changes != self._changes:
            self._register = Register(
                {client.id: client for client in clients.all()}, tuple(keys.all())
            )
            self._changes = changes
