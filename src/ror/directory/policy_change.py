"""
What becomes of a directory when its access policy changes: every mask is made again, by a job, while it serves.

From the moment when a policy is decided, what is written gets its masks from it; the job gives them to all the rest,
batch by batch, each in one durable transaction that running servers see before they answer again (decision 22). Bodies
and index entries stay as they are. A job that was cut short is gone on with by whoever applies a policy next, and given
up when another policy was decided meanwhile: the job of that one makes every mask.
"""

import time
from collections.abc import Callable
from typing import Final

from ror.access.policy import policy_named
from ror.errors import NotFound, Unavailable
from ror.store.contract import Job, Rid, Store
from ror.store.jobs import Work, run_next

KIND: Final = "mask"
"""What jobs of this kind are called in the store."""

RESOURCES_AT_ONCE: Final = 2_000
"""How many resources get their masks in one transaction."""

_ASK_AGAIN_AFTER_S: Final = 0.2
"""How often a job that another process works on is looked at."""


def decide(store: Store, policy_name: str, requested_by: str) -> Job:
    """
    The job that brings a directory under a policy, which holds for all that is written from now on.

    Raises UsageError when there is no such policy.
    """
    policy = policy_named(policy_name)
    store.set_policy(policy.name)
    return store.jobs.add(KIND, requested_by, {"policy": policy.name})


def mask_everything(
    store: Store, told: Callable[[int], None] = lambda masked: None
) -> Callable[[Work], None]:
    """The handler of these jobs; `told` hears how many resources have their masks so far."""

    def work(job: Work) -> None:
        match job.progress:
            case {"after": int(after), "masked": int(masked)}:
                last = Rid(after)
            case _:
                last, masked = Rid(0), 0
        while (batch := store.recompute_masks(last, RESOURCES_AT_ONCE)) is not None:
            last, count = batch
            masked += count
            _check_still_decided(store, job.job)
            job.report(after=last, masked=masked)
            told(masked)
        _check_still_decided(store, job.job)
        job.progress["masked"] = masked

    return work


def _check_still_decided(store: Store, job: Job) -> None:
    """Raises Unavailable when another policy than that of the job was decided: some masks may be of that one."""
    wanted, now = job.parameters["policy"], store.policy()
    if now != wanted:
        raise Unavailable("policy.superseded", policy=wanted, now=now)


def apply(
    store: Store,
    policy_name: str,
    requested_by: str,
    told: Callable[[int], None] = lambda masked: None,
    waits: Callable[[], None] = lambda: None,
) -> Job:
    """
    The job, over: when it is done, everything in the directory has the masks of this policy.

    `waits` is called once when another process has the job in hand and has to be waited for.

    Raises UsageError when there is no such policy, Unavailable when the directory cannot be written.
    """
    job = decide(store, policy_name, requested_by)
    handlers = {KIND: mask_everything(store, told)}
    is_waiting = False
    while (current := store.jobs.get(job.id)) is not None and current.state in (
        "waiting",
        "running",
    ):
        # Jobs that others left come first.
        if run_next(store, f"{requested_by}-{job.id}", handlers) is None:
            if not is_waiting:
                waits()
            is_waiting = True
            time.sleep(_ASK_AGAIN_AFTER_S)
    done = store.jobs.get(job.id)
    if done is None:
        raise NotFound("policy.job-lost", job=job.id)
    return done
