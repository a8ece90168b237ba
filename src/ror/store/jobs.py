"""
Long work as rows of the store: whoever claims a job does it, says how far it is, and stops when asked to.

There is no broker: workers are threads or processes that ask the store for work. A worker that dies leaves a job whose
heartbeat grows old; another one takes it over, and finds in `job.progress` where to go on from. What a job does is
given by its `kind`; who asked for it stays on the row, so that its access policy is evaluated again when it runs.
"""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Final

from ror import messages
from ror.errors import RorError, Unavailable
from ror.store.contract import Job, Store

STALE_AFTER_S: Final = 60.0
# Each beat is a durable write, so a worker may report as often as it likes and is written down this often.
BEAT_EVERY_S: Final = 1.0

log = logging.getLogger(__name__)


class JobStopped(Unavailable):
    """The job was cancelled or taken over: its worker lets go."""


class Work:
    """A claimed job, in the hands of `worker`."""

    def __init__(self, store: Store, job: Job, worker: str) -> None:
        self.job = job
        self.progress = dict(job.progress)
        self._store = store
        self._worker = worker
        self._next_beat = time.monotonic() + BEAT_EVERY_S

    def report(self, **progress: object) -> None:
        """
        Say how far the work is, at least every `STALE_AFTER_S`; what a resumed job needs belongs here.

        Raises Stopped when the work must end here.
        """
        self.progress |= progress
        if time.monotonic() < self._next_beat:
            return
        if not self._store.jobs.beat(self.job.id, self._worker, self.progress):
            raise JobStopped("jobs.cancelled", job=self.job.id)
        self._next_beat = time.monotonic() + BEAT_EVERY_S

    def end(self, state: str) -> None:
        """Write down how the work ended: `done` or `failed`."""
        self._store.jobs.end(self.job.id, self._worker, state, self.progress)


Handler = Callable[[Work], None]


def run_next(
    store: Store, worker: str, handlers: Mapping[str, Handler], stale_after_s: float = STALE_AFTER_S
) -> Job | None:
    """
    The job that was done, however it ended; None when nothing waits.

    A RorError fails the job and is kept in its progress as `error`, a text per language. Any other exception is a bug:
    the job fails without detail, and the exception is logged.
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
