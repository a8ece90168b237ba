"""
Which clients there are at this moment, kept in memory so that looking one up costs nothing.

Nothing has to tell it that something changed: it asks the store whether anybody has committed anything, which costs
microseconds, and reads the clients again only when something was done to one. So that asking before each answer, a
client is refused from the first request that comes after its suspension was acknowledged, in every process.
"""

import threading
from collections.abc import Mapping

from ror.clients import Client
from ror.store.contract import Store


class Registry:
    """The clients of a store; `refresh`, then read `clients`. Safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._signal: int | None = None
        self._last_act = -1
        self.clients: Mapping[str, Client] = {}
        """By id, the revoked included; replaced whole, never changed."""

    def refresh(self) -> None:
        """See everything that was done before this call. Raises Unavailable when the store cannot say."""
        signal = self._store.change_signal()
        if signal == self._signal:
            return
        with self._lock:
            last_act = self._store.clients.last_act()
            if last_act != self._last_act:
                self.clients = {client.id: client for client in self._store.clients.all()}
                self._last_act = last_act
            # Only now: what a failed reading missed is read by the next call.
            self._signal = signal
