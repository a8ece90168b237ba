"""`ror policy …`: the access policy of a directory, shown and changed."""

import json
from contextlib import closing
from typing import Any

from rich.table import Table

from ror.access.policy import PROFILES, Policy, cell, policy_named, rules, switches, versions
from ror.audit.trail.tending import user
from ror.cli.showing import console, existing_store
from ror.cli.speaking import answer, say, tell
from ror.directory import policy_change as masking
from ror.errors import Unavailable
from ror.runtime import open_acts
from ror.settings import Settings
from ror.store.contract import Job


def show(settings: Settings, name: str | None, machine: bool) -> None:
    """The matrix of a policy: the one of the directory, or the one named."""
    if name is None:
        with closing(existing_store(settings.database)) as store:
            name = store.policy()
    policy = policy_named(name)
    matrix = {rule: [cell(policy, rule, profile) for profile in PROFILES] for rule in rules()}
    if machine:
        answer(json.dumps({"policy": policy.name, "matrix": matrix}, ensure_ascii=False))
        return
    terminal = console()
    terminal.print(say("policy.shown", policy=policy.name), highlight=False)
    terminal.print(_table(matrix))
    terminal.print(say("policy.terms"), highlight=False)
    choices = say("policy.choices", versions=", ".join(versions()), switches=", ".join(switches()))
    terminal.print(choices, highlight=False)


def apply(
    settings: Settings,
    version: str,
    switched_on: tuple[str, ...],
    by: str | None,
    reason: str,
    machine: bool,
) -> None:
    """Bring the directory under a policy; on return every resource has its masks."""
    policy = policy_named(Policy(version, frozenset(switched_on)).name)
    asked_by = by or user()
    with closing(existing_store(settings.database)) as store:
        before = store.policy()
        # Before it holds for anybody.
        open_acts(settings, store)(
            "policy-apply", policy.name, asked_by, reason, {"before": before}
        )
        told = _tell_progress if not machine else _silence
        job = masking.apply(
            store, policy.name, asked_by, told, waits=lambda: tell(say("policy.waits"))
        )
        now = store.policy()
    facts: dict[str, Any] = {
        "policy": policy.name,
        "before": before,
        "state": job.state,
        **job.progress,
    }
    if machine:
        answer(json.dumps(facts, ensure_ascii=False))
    if now != policy.name:
        raise Unavailable("policy.superseded", policy=policy.name, now=now)
    if job.state != "done":
        raise Unavailable("policy.not-applied", policy=policy.name, state=job.state)
    if not machine:
        tell(
            say(
                "policy.applied", policy=policy.name, before=before, masked=say.number(_masked(job))
            )
        )


def _masked(job: Job) -> int:
    """How many resources a job gave their masks."""
    masked = job.progress.get("masked", 0)
    return masked if isinstance(masked, int) else 0


def _table(matrix: dict[str, list[str]]) -> Table:
    table = Table(say("policy.rule"), box=None)
    for profile in PROFILES:
        table.add_column(say("policy.profile", profile=profile))
    for rule, cells in matrix.items():
        table.add_row(rule, *cells)
    return table


def _tell_progress(masked: int) -> None:
    if masked % 100_000 < masking.RESOURCES_AT_ONCE:
        tell(say("policy.progress", masked=say.number(masked)))


def _silence(masked: int) -> None:
    """Programs are told the result only."""
