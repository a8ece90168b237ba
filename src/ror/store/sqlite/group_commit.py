"""
Group commit: concurrent writes share one durable transaction.

A commit waits for the disk and costs the same for one resource as for a thousand. So a single
thread writes: it takes all work in the queue, runs each piece in a savepoint of its own, commits
once, and then returns each result. Nothing here depends on the engine or on what is written.
"""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from ror.errors import Unavailable

# Bounds of a group: its first caller must not wait long, and its pages must fit the engine's cache.
MAX_CALLERS: Final = 256
MAX_WEIGHT: Final = 10_000


class DriverConnection(Protocol):
    """A driver's connection in autocommit mode."""

    def execute(self, statement: str, /) -> object: ...


Connection = TypeVar("Connection", bound=DriverConnection)
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Work(Generic[Connection]):
    """A function that writes, the number of resources it writes, and its caller's future."""

    work: Callable[[Connection], Any]
    weight: int
    future: Future[Any]


class GroupCommit(Generic[Connection]):
    """
    The only writer of a connection; any thread but the writer's may call `run`.

    The statement `begin` opens a write transaction. `translate` turns a driver's error into one for
    callers. `on_rollback` runs after a rollback: state that the work cached may be wrong.
    """

    def __init__(
        self,
        connection: Connection,
        begin: str,
        translate: Callable[[Exception], Exception],
        on_rollback: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._begin = begin
        self._translate = translate
        self._on_rollback = on_rollback
        self._waiting: queue.SimpleQueue[_Work[Connection] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(
            target=self._write_until_closed, name="ror-writer", daemon=True
        )
        self._thread.start()

    def run(self, work: Callable[[Connection], Result], weight: int = 1) -> Result:
        """
        The result of `work`, once its writes are durable; `weight` is how many resources it writes.

        Raises the translated error of `work`, and Unavailable after `close`.
        """
        future: Future[Result] = Future()
        with self._lock:
            if self._closed:
                raise Unavailable("store.closed")
            self._waiting.put(_Work(work, weight, future))
        return future.result()

    def close(self) -> None:
        """Finish the work in the queue and stop the thread; the connection stays open."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._waiting.put(None)
        self._thread.join()

    def _write_until_closed(self) -> None:
        while (first := self._waiting.get()) is not None:
            group, closing = self._group_after(first)
            self._write(group)
            if closing:
                return

    def _group_after(self, first: _Work[Connection]) -> tuple[list[_Work[Connection]], bool]:
        """The work to commit with `first`, and whether the writer must stop after it."""
        group, weight = [first], first.weight
        while len(group) < MAX_CALLERS and weight < MAX_WEIGHT:
            try:
                request = self._waiting.get_nowait()
            except queue.Empty:
                break
            if request is None:
                return group, True
            group.append(request)
            weight += request.weight
        return group, False

    def _write(self, group: list[_Work[Connection]]) -> None:
        """Run the group in one transaction; then give each caller its result or its error."""
        results: list[tuple[Future[Any], Any]] = []
        failed: list[tuple[Future[Any], Exception]] = []
        try:
            self._connection.execute(self._begin)
            for request in group:
                try:
                    results.append((request.future, self._attempt(request.work)))
                except _WorkFailed as failure:
                    failed.append((request.future, failure.reason))
            self._connection.execute("COMMIT")
        except Exception as error:
            self._on_rollback()
            # The engine may have ended the transaction already, for instance because the disk is
            # full.
            with suppress(Exception):
                self._connection.execute("ROLLBACK")
            for request in group:
                request.future.set_exception(self._translate(error))
            return
        for future, result in results:
            future.set_result(result)
        for future, reason in failed:
            future.set_exception(self._translate(reason))

    def _attempt(self, work: Callable[[Connection], Any]) -> Any:
        """
        The result of `work`, run in a savepoint.

        Raises _WorkFailed if only this work was rolled back, and the error itself if the whole
        transaction was.
        """
        self._connection.execute("SAVEPOINT caller")
        try:
            result = work(self._connection)
        except Exception as error:
            self._on_rollback()
            try:
                self._connection.execute("ROLLBACK TO SAVEPOINT caller")
                self._connection.execute("RELEASE SAVEPOINT caller")
            except Exception:
                raise error from None
            raise _WorkFailed(error) from error
        self._connection.execute("RELEASE SAVEPOINT caller")
        return result


class _WorkFailed(Exception):
    """The work of one caller failed and was rolled back; the rest of the group stands."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason
