"""
What a store keeps of those who call: clients and the keys that sign tokens.

These protocols are parts of the store's contract. They stand here because identity uses them and
lies below the store, which implements them.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from ror.identity.client import Act, Client
from ror.identity.tokens.keys import SigningKey


class ClientStore(Protocol):
    """
    The clients of a directory and what was done to each; safe to call from several threads, like
    the store it is of.
    """

    def change(self, act: Act, change: Callable[[Client | None], Client]) -> Client:
        """
        Do `act`, durable on return: keep what `change` makes of the client as it stands, None when
        there is none.

        `change` sees what every earlier act left, and what it raises comes out with nothing done.
        Returns the client with its number.
        """

    def all(self) -> list[Client]:
        """Every client, the revoked included, by number."""

    def acts(self, client_id: str) -> list[Act]:
        """What was done to a client, the latest last."""

    def last_act(self) -> int:
        """A number that grows with each act; 0 before the first."""


class KeyStore(Protocol):
    """The keys that sign the tokens of a directory; safe to call from several threads."""

    def all(self) -> list[SigningKey]:
        """Every key that was not forgotten, the oldest first."""

    def succeed(self, fresh: SigningKey, newest: str | None, forgotten: Sequence[str] = ()) -> bool:
        """
        Keep a key after the one named `newest`, None when there is none, and forget others.

        False, with nothing done, when another process was quicker and `newest` is not the newest
        any more.
        """

    def last_change(self) -> int:
        """A number that grows with each key that is kept; 0 before the first."""


class IdentityStore(Protocol):
    """The part of a store that says who may call, and whether any of it changed."""

    @property
    def clients(self) -> ClientStore: ...

    @property
    def keys(self) -> KeyStore: ...

    def change_signal(self) -> int:
        """A number that differs once anyone has committed anything, this process included."""
