"""
Changing the access policy of a directory: a job recomputes every mask while the servers run.

From the decision on, every write computes its masks with the new policy; the job recomputes the
others in batches. Each batch is one durable transaction, which running servers see before their
next response (decision 22). Bodies and index entries stay unchanged. The next policy change resumes
an interrupted job. A job gives up if another policy is decided meanwhile: the job of that policy
recomputes every mask.
"""

import time
from collections.abc import Callable
from typing import Final

from ror.access.policy import policy_named
from ror.errors import NotFound, Unavailable
from ror.store.contract import Job, Rid, Store
from ror.store.jobs import Work, run_next

KIND: Final = "mask"
"""The kind of these jobs in the store."""

RESOURCES_AT_ONCE: Final = 2_000
"""Resources whose masks one transaction recomputes."""

_POLL_INTERVAL_S: Final = 0.2
"""Seconds between two looks at a job that another process runs."""


def decide(store: Store, policy_name: str, requested_by: str) -> Job:
    """
    The job that applies a policy to a directory; writes use the policy from now on.

    Raises UsageError if there is no such policy.
    """
    policy = policy_named(policy_name)
    store.set_policy(policy.name)
    return store.jobs.add(KIND, requested_by, {"policy": policy.name})


def mask_everything(
    store: Store, on_progress: Callable[[int], None] = lambda masked: None
) -> Callable[[Work], None]:
    """The handler of these jobs; calls `on_progress` with the number of resources done."""

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
            on_progress(masked)
        _check_still_decided(store, job.job)
        job.progress["masked"] = masked

    return work


def _check_still_decided(store: Store, job: Job) -> None:
    """Raises Unavailable if another policy was decided: some masks may follow that policy."""
    decided, now = job.parameters["policy"], store.policy()
    if now != decided:
        raise Unavailable("policy.superseded", policy=decided, now=now)


def apply(
    store: Store,
    policy_name: str,
    requested_by: str,
    on_progress: Callable[[int], None] = lambda masked: None,
    on_wait: Callable[[], None] = lambda: None,
) -> Job:
    """
    The finished job; every mask in the directory follows this policy.

    `on_wait` is called once if another process runs the job.

    Raises UsageError if there is no such policy, Unavailable if the directory cannot be written.
    """
    job = decide(store, policy_name, requested_by)
    handlers = {KIND: mask_everything(store, on_progress)}
    is_waiting = False
    while (current := store.jobs.get(job.id)) is not None and current.state in (
        "waiting",
        "running",
    ):
        # Jobs of former calls come first.
        if run_next(store, f"{requested_by}-{job.id}", handlers) is None:
            if not is_waiting:
                on_wait()
            is_waiting = True
            time.sleep(_POLL_INTERVAL_S)
    done = store.jobs.get(job.id)
    if done is None:
        raise NotFound("policy.job-lost", job=job.id)
    return done
