"""
How acts of management leave their line in the audit trail: no act without its trace.

A client is changed, and its line is on disk before the change is: a trail that refuses the line undoes the change. The
line of a key is written as soon as the key is there. What a line holds of a secret or of a private key is nothing.
"""

import time
from collections.abc import Callable, Sequence

from ror.audit.records import Act, instant
from ror.audit.trail.folder import Folder
from ror.audit.trail.tending import user
from ror.audit.trail.writing import record_act
from ror.errors import Unavailable
from ror.identity import Act as ClientAct
from ror.identity import Client
from ror.identity.keeping import ClientStore, KeyStore
from ror.identity.tokens import SigningKey

Record = Callable[[str, str, str, str, dict[str, object]], None]
"""Traces an act: what was done, to what, by whom, why, and what it changed. Raises Unavailable when it cannot."""


def untraced(action: str, subject: str, by: str, reason: str, details: dict[str, object]) -> None:
    """Leaves no trace, where the settings want none."""


def recorder(folder: Folder) -> Record:
    """What traces acts in a trail that is there: who acts as they say, and the user of the machine as it is."""

    def record(action: str, subject: str, by: str, reason: str, details: dict[str, object]) -> None:
        told = {**details, "user": user()}
        act = Act(
            at=instant(time.time_ns()),
            action=action,
            subject=subject,
            by=by,
            reason=reason,
            details=told,
        )
        try:
            record_act(folder, act)
        except (OSError, ValueError):
            raise Unavailable("audit.cannot-write") from None

    return record


class TracedClients:
    """`contract.ClientStore`, each act of which is traced; `opening` opens the trail when there is one to be traced."""

    def __init__(self, clients: ClientStore, opening: Callable[[], Record]) -> None:
        self._clients = clients
        self._opening = opening
        self.all, self.acts, self.last_act = clients.all, clients.acts, clients.last_act

    def change(self, act: ClientAct, change: Callable[[Client | None], Client]) -> Client:
        """Do an act, of which the line is on disk before anything is. Raises Unavailable when it cannot be traced."""
        record = self._opening()

        def traced(present: Client | None) -> Client:
            after = change(present)
            record(
                f"client-{act.action.value}", act.client_id, act.by, act.reason, dict(act.details)
            )
            return after

        return self._clients.change(act, traced)


class TracedKeys:
    """`contract.KeyStore`, which tells who has another key sign, and why; `opening` opens the trail when one does."""

    def __init__(
        self, keys: KeyStore, opening: Callable[[], Record], by: str, reason: str = ""
    ) -> None:
        self._keys = keys
        self._opening = opening
        self._by, self._reason = by, reason
        self.all, self.last_change = keys.all, keys.last_change

    def succeed(self, fresh: SigningKey, newest: str | None, forgotten: Sequence[str] = ()) -> bool:
        """Keep a key after another one; its line is on disk on return, unless somebody else was quicker."""
        record = self._opening()
        is_done = self._keys.succeed(fresh, newest, forgotten)
        if is_done:
            record("key-rotate", fresh.kid, self._by, self._reason, {"forgotten": list(forgotten)})
        return is_done
