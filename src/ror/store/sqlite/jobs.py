"""
The jobs of a directory in its SQLite file: implements `contract.JobStore`.
"""

import json
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final

from ror.store.contract import Job
from ror.store.sqlite.clients import WriteTransaction
from ror.store.sqlite.file import as_json, now_us
from ror.store.sqlite.queries import jobs as jobs_sql

_ENDS: Final = ("done", "failed")


class SqliteJobs:
    """`write` runs a function in a durable transaction; `read` returns the rows of a query."""

    def __init__(
        self, write: WriteTransaction, read: Callable[[str, Sequence[object]], list[Any]]
    ) -> None:
        self._write = write
        self._read = read

    def add(self, kind: str, requested_by: str, parameters: dict[str, object]) -> Job:
        now = now_us()
        job = Job(
            str(uuid.uuid4()), kind, requested_by, "waiting", parameters, {}, now, now, None, None
        )
        self._change(
            jobs_sql.ADD,
            (job.id, kind, requested_by, as_json(parameters), now, now),
        )
        return job

    def claim(self, kinds: Sequence[str], worker: str, stale_after_s: float) -> Job | None:
        now = now_us()
        claim = jobs_sql.CLAIM
        parameters = (worker, now, as_json(kinds), now - int(stale_after_s * 1e6))
        rows = self._write(lambda connection: connection.execute(claim, parameters).fetchall())
        return _job(rows[0]) if rows else None

    def beat(self, job_id: str, worker: str, progress: dict[str, object]) -> bool:
        now = now_us()
        return self._change(
            jobs_sql.BEAT,
            (as_json(progress), now, now, job_id, worker),
        )

    def end(self, job_id: str, worker: str, state: str, progress: dict[str, object]) -> bool:
        if state not in _ENDS:
            raise ValueError(f'a job ends as one of {_ENDS}, not "{state}"')
        return self._change(
            jobs_sql.END,
            (state, as_json(progress), now_us(), job_id, worker),
        )

    def cancel(self, job_id: str) -> bool:
        return self._change(
            jobs_sql.CANCEL,
            (now_us(), job_id),
        )

    def resume(self, job_id: str) -> bool:
        return self._change(
            jobs_sql.RESUME,
            (now_us(), job_id),
        )

    def get(self, job_id: str) -> Job | None:
        rows = self._read(jobs_sql.GET, (job_id,))
        return _job(rows[0]) if rows else None

    def _change(self, statement: str, parameters: Sequence[object]) -> bool:
        """Run one statement in a durable transaction; True if it changed a row."""
        return self._write(
            lambda connection: connection.execute(statement, parameters).rowcount == 1
        )


def _job(row: Sequence[Any]) -> Job:
    """The job in a row of `jobs_sql.GET`."""
    identifier, kind, requested_by, state, parameters, progress, *rest = row
    return Job(
        identifier, kind, requested_by, state, json.loads(parameters), json.loads(progress), *rest
    )
