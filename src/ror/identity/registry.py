"""
The clients and signing keys, cached in memory.

Before each use it asks the store whether anything was committed, which costs microseconds, and
reads clients and keys again only if one of them changed. So every process refuses a client from the
first request after its suspension was acknowledged.
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
    """The clients and keys of a store; safe to share between threads."""

    def __init__(self, store: IdentityStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._signal: int | None = None
        self._changes = (-1, -1)
        self._register = Register()

    def current(self) -> Register:
        """
        The current clients and keys; the same object while nothing changes.

        Raises Unavailable if the store cannot answer.
        """
        signal = self._store.change_signal()
        if signal != self._signal:
            with self._lock:
                self._follow()
                # Set last: after a failed read, the next call reads again.
                self._signal = signal
        return self._register

    @property
    def known(self) -> Iterable[Client]:
        """The clients as last read, without asking the store."""
        return self._register.clients.values()

    def _follow(self) -> None:
        clients, keys = self._store.clients, self._store.keys
        changes = clients.last_act(), keys.last_change()
        if changes != self._changes:
            self._register = Register(
                {client.id: client for client in clients.all()}, tuple(keys.all())
            )
            self._changes = changes
