"""
Running jobs: a worker claims a job, reports its progress, and stops if the job is cancelled.

There is no broker: workers are threads or processes that poll the store. If a worker dies, the
heartbeat of its job grows old; another worker takes the job over and resumes from `job.progress`.
The `kind` of a job selects its handler. The job keeps the name of its requester.
"""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Final

from ror import messages
from ror.errors import RorError, Unavailable
from ror.store.contract import Job, Store

STALE_AFTER_S: Final = 60.0
# A worker may report more often: each heartbeat is a durable write, so most reports skip it.
BEAT_EVERY_S: Final = 1.0

log = logging.getLogger(__name__)


class JobStopped(Unavailable):
    """The job was cancelled or taken over: its worker must stop."""


class Work:
    """A job that `worker` has claimed."""

    def __init__(self, store: Store, job: Job, worker: str) -> None:
        self.job = job
        self.progress = dict(job.progress)
        self._store = store
        self._worker = worker
        self._next_beat = time.monotonic() + BEAT_EVERY_S

    def report(self, **progress: object) -> None:
        """
        Record the progress, from which a resumed job continues. Call at least every
        `STALE_AFTER_S`.

        Raises JobStopped if the worker must stop.
        """
        self.progress |= progress
        if time.monotonic() < self._next_beat:
            return
        if not self._store.jobs.beat(self.job.id, self._worker, self.progress):
            raise JobStopped("jobs.cancelled", job=self.job.id)
        self._next_beat = time.monotonic() + BEAT_EVERY_S

    def end(self, state: str) -> None:
        """Record how the work ended: `done` or `failed`."""
        self._store.jobs.end(self.job.id, self._worker, state, self.progress)


Handler = Callable[[Work], None]


def run_next(
    store: Store, worker: str, handlers: Mapping[str, Handler], stale_after_s: float = STALE_AFTER_S
) -> Job | None:
    """
    Claim and run the next job. Returns it in its final state; None if no job waits.

    A RorError fails the job, and its text in each language becomes `error` in the progress. Any
    other exception is a bug: the job fails without detail, and the log has the exception.
    """
    job = store.jobs.claim(list(handlers), worker, stale_after_s)
    if job is None:
        return None
    work = Work(store, job, worker)
    try:
        handlers[job.kind](work)
    except JobStopped:
        log.info("job %s was cancelled or taken over", job.id)
    except RorError as error:
        work.progress["error"] = {language: error.text(language) for language in messages.LANGUAGES}
        work.end("failed")
    except Exception:
        log.exception("job %s failed", job.id)
        work.end("failed")
    else:
        work.progress.pop("error", None)
        work.end("done")
    return store.jobs.get(job.id)
