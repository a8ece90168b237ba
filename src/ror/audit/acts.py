"""
Recording acts of management in the audit trail: no act without its record.

The record of a client change is on disk before the change; if it cannot be written, the client does
not change. The record of a key follows the key at once. A record never holds a secret or a private
key.
"""

import time
from collections.abc import Callable, Sequence

from ror.audit.records import Act, instant
from ror.audit.trail.folder import Folder
from ror.audit.trail.tending import system_user
from ror.audit.trail.writing import record_act
from ror.errors import Unavailable
from ror.identity import Act as ClientAct
from ror.identity import Client
from ror.identity.keeping import ClientStore, KeyStore
from ror.identity.tokens import SigningKey

RecordAct = Callable[[str, str, str, str, dict[str, object]], None]
"""Records an act: action, subject, author, reason, details. Raises Unavailable if it cannot."""


def record_nothing(
    action: str, subject: str, by: str, reason: str, details: dict[str, object]
) -> None:
    """Record nothing: the settings turn the trail off."""


def recorder(folder: Folder) -> RecordAct:
    """A function that records acts in a trail, with the user of the machine."""

    def record(action: str, subject: str, by: str, reason: str, details: dict[str, object]) -> None:
        complete = {**details, "user": system_user()}
        act = Act(
            at=instant(time.time_ns()),
            action=action,
            subject=subject,
            by=by,
            reason=reason,
            details=complete,
        )
        try:
            record_act(folder, act)
        except (OSError, ValueError):
            raise Unavailable("audit.cannot-write") from None

    return record


class AuditedClients:
    """A `ClientStore` that records each act; `opening` opens the trail when an act comes."""

    def __init__(self, clients: ClientStore, opening: Callable[[], RecordAct]) -> None:
        self._clients = clients
        self._opening = opening
        self.all, self.acts, self.last_act = clients.all, clients.acts, clients.last_act

    def change(self, act: ClientAct, change: Callable[[Client | None], Client]) -> Client:
        """Do an act; its record is on disk first. Raises Unavailable if it cannot be recorded."""
        record = self._opening()

        def traced(present: Client | None) -> Client:
            after = change(present)
            record(
                f"client-{act.action.value}", act.client_id, act.by, act.reason, dict(act.details)
            )
            return after

        return self._clients.change(act, traced)


class AuditedKeys:
    """A `KeyStore` that records each new signing key; `opening` opens the trail when one comes."""

    def __init__(
        self, keys: KeyStore, opening: Callable[[], RecordAct], by: str, reason: str = ""
    ) -> None:
        self._keys = keys
        self._opening = opening
        self._by, self._reason = by, reason
        self.all, self.last_change = keys.all, keys.last_change

    def succeed(self, fresh: SigningKey, newest: str | None, forgotten: Sequence[str] = ()) -> bool:
        """Keep a new key; its record is on disk on return, unless another process was quicker."""
        record = self._opening()
        is_done = self._keys.succeed(fresh, newest, forgotten)
        if is_done:
            record("key-rotate", fresh.kid, self._by, self._reason, {"forgotten": list(forgotten)})
        return is_done
