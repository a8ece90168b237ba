"""`ror keys …`: list and replace the keys that sign tokens. Key material is never shown."""

import json
import time
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Final

import typer

from ror.audit.acts import AuditedKeys
from ror.audit.trail.tending import system_user
from ror.cli.help import Command, application
from ror.cli.options import By, ConfigFile, Database, Machine, Reason, settings
from ror.cli.terminal import say, write_line
from ror.identity import token_service
from ror.identity.keeping import KeyStore
from ror.identity.tokens import accepted_keys
from ror.runtime import open_acts, open_existing

app: Final = application(say("cli.keys"))


@app.command("list", cls=Command, help=say("cli.keys-list"))
def list_(database: Database = None, machine: Machine = False, config: ConfigFile = None) -> None:
    with closing(open_existing(settings(config, database=database).database)) as store:
        _write_keys(store.keys, machine)


@app.command("rotate", cls=Command, help=say("cli.keys-rotate"))
def rotate(
    at_once: Annotated[bool, typer.Option("--at-once", help=say("cli.keys-at-once"))] = False,
    by: By = None,
    reason: Reason = "",
    database: Database = None,
    machine: Machine = False,
    config: ConfigFile = None,
) -> None:
    current = settings(config, database=database)
    with closing(open_existing(current.database)) as store:
        keys = AuditedKeys(
            store.keys, partial(open_acts, current, store), by or system_user(), reason
        )
        token_service.rotate(keys, store.keys.all(), int(time.time()), at_once=at_once)
        _write_keys(store.keys, machine)


def _write_keys(keys: KeyStore, machine: bool) -> None:
    """Write the keys whose tokens are accepted. The one that signs comes last."""
    rows = [
        {"kid": key.kid, "created_at": datetime.fromtimestamp(key.created_at, UTC).isoformat()}
        for key in accepted_keys(keys.all(), int(time.time()))
    ]
    if machine:
        write_line(json.dumps(rows))
        return
    for row in rows:
        write_line(f"{row['created_at']}  {row['kid']}")
