"""`ror policy …`: show and change the access policy of a directory."""

import json
from contextlib import closing
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from ror.access.policy import PROFILES, Policy, cell, policy_named, rules, switches, versions
from ror.audit.trail.tending import system_user
from ror.cli.help import Command, application
from ror.cli.options import By, ConfigFile, Database, Machine, Reason, settings
from ror.cli.terminal import console, say, write_line, write_notice
from ror.directory import policy_change
from ror.errors import Unavailable
from ror.runtime import open_acts, open_existing
from ror.store.contract import Job

app: Final = application(say("cli.policy"))


@app.command("show", cls=Command, help=say("cli.policy-show"))
def show(
    name: Annotated[
        str | None, typer.Argument(metavar="POLICY", help=say("cli.policy-name"))
    ] = None,
    database: Database = None,
    machine: Machine = False,
    config: ConfigFile = None,
) -> None:
    if name is None:
        with closing(open_existing(settings(config, database=database).database)) as store:
            name = store.policy()
    policy = policy_named(name)
    matrix = {rule: [cell(policy, rule, profile) for profile in PROFILES] for rule in rules()}
    if machine:
        write_line(json.dumps({"policy": policy.name, "matrix": matrix}, ensure_ascii=False))
        return
    terminal = console()
    terminal.print(say("policy.shown", policy=policy.name), highlight=False)
    terminal.print(_table(matrix))
    terminal.print(say("policy.terms"), highlight=False)
    choices = say("policy.choices", versions=", ".join(versions()), switches=", ".join(switches()))
    terminal.print(choices, highlight=False)


def _table(matrix: dict[str, list[str]]) -> Table:
    table = Table(say("policy.rule"), box=None)
    for profile in PROFILES:
        table.add_column(say("policy.profile", profile=profile))
    for rule, cells in matrix.items():
        table.add_row(rule, *cells)
    return table


@app.command("apply", cls=Command, help=say("cli.policy-apply"))
def apply(
    version: Annotated[str, typer.Argument(metavar="VERSION", help=say("cli.policy-version"))],
    switched_on: Annotated[
        list[str] | None, typer.Option("--switch", metavar="NAME", help=say("cli.policy-switch"))
    ] = None,
    by: By = None,
    reason: Reason = "",
    database: Database = None,
    machine: Machine = False,
    config: ConfigFile = None,
) -> None:
    current, author = settings(config, database=database), by or system_user()
    policy = policy_named(Policy(version, frozenset(switched_on or ())).name)
    with closing(open_existing(current.database)) as store:
        before = store.policy()
        # The audit trail records the change before the policy applies.
        open_acts(current, store)("policy-apply", policy.name, author, reason, {"before": before})
        job = policy_change.apply(
            store,
            policy.name,
            author,
            _ignore_progress if machine else _write_progress,
            on_wait=lambda: write_notice(say("policy.waits")),
        )
        now = store.policy()
    result = {"policy": policy.name, "before": before, "state": job.state, **job.progress}
    if machine:
        write_line(json.dumps(result, ensure_ascii=False))
    if now != policy.name:
        raise Unavailable("policy.superseded", policy=policy.name, now=now)
    if job.state != "done":
        raise Unavailable("policy.not-applied", policy=policy.name, state=job.state)
    if not machine:
        masked = say.number(_masked(job))
        write_notice(say("policy.applied", policy=policy.name, before=before, masked=masked))


def _masked(job: Job) -> int:
    """The number of resources whose masks a job has set."""
    masked: Any = job.progress.get("masked", 0)
    return masked if isinstance(masked, int) else 0


def _write_progress(masked: int) -> None:
    if masked % 100_000 < policy_change.RESOURCES_AT_ONCE:
        write_notice(say("policy.progress", masked=say.number(masked)))


def _ignore_progress(masked: int) -> None:
    """A program reads the result only."""
