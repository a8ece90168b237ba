"""`ror keys …`: the keys that sign tokens, shown by name and replaced; never what they are made of."""

import json
import time
from datetime import UTC, datetime
from functools import partial

from ror.audit.acts import TracedKeys
from ror.audit.trail.tending import user
from ror.cli.showing import existing_store
from ror.cli.speaking import answer
from ror.identity import token_service as authorising
from ror.identity.keeping import KeyStore
from ror.identity.tokens import accepted
from ror.runtime import open_acts
from ror.settings import Settings


def rotate(settings: Settings, at_once: bool, by: str | None, reason: str, machine: bool) -> None:
    """Have another key sign from now on."""
    store = existing_store(settings.database)
    try:
        keys = TracedKeys(store.keys, partial(open_acts, settings, store), by or user(), reason)
        authorising.rotate(keys, store.keys.all(), int(time.time()), at_once=at_once)
        _tell(store.keys, machine)
    finally:
        store.close()


def show_all(settings: Settings, machine: bool) -> None:
    """Show the keys whose tokens are accepted, the one that signs last."""
    store = existing_store(settings.database)
    try:
        _tell(store.keys, machine)
    finally:
        store.close()


def _tell(keys: KeyStore, machine: bool) -> None:
    known = [
        {"kid": key.kid, "created_at": datetime.fromtimestamp(key.created_at, UTC).isoformat()}
        for key in accepted(keys.all(), int(time.time()))
    ]
    if machine:
        answer(json.dumps(known))
        return
    for key in known:
        answer(f"{key['created_at']}  {key['kid']}")
