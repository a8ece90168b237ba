"""
One writer, many callers, few commits: work handed over at the same moment shares one durable transaction.

A commit waits for the disk, and costs the same for one resource or for a thousand. So a single thread writes: it takes
everything that waits, does each piece inside a savepoint (one caller's failure is nobody else's), commits once, and
only then tells each caller. Nothing here knows what is written, nor which engine writes it.
"""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from ror.errors import Unavailable

# A group is bounded so that its first caller does not wait for ever, and so that its pages fit in the engine's cache.
MAX_CALLERS: Final = 256
MAX_WEIGHT: Final = 10_000


class DriverConnection(Protocol):
    """What is asked of a driver's connection, in autocommit mode."""

    def execute(self, statement: str, /) -> object: ...


Connection = TypeVar("Connection", bound=DriverConnection)
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Work(Generic[Connection]):
    """A piece of work that waits to be written, how heavy it is, and where its caller waits."""

    work: Callable[[Connection], Any]
    weight: int
    future: Future[Any]


class GroupCommit(Generic[Connection]):
    """
    The only writer of a connection; `run` may be called from any thread but its own.

    `begin` is the statement that opens a transaction able to write. `translate` turns a driver's error into what
    callers are told. `forget` is called when something was rolled back: what the work remembers may not have happened.
    """

    def __init__(
        self,
        connection: Connection,
        begin: str,
        translate: Callable[[Exception], Exception],
        forget: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._begin = begin
        self._translate = translate
        self._forget = forget
        self._waiting: queue.SimpleQueue[_Work[Connection] | None] = queue.SimpleQueue()
        self._door = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(
            target=self._write_until_closed, name="ror-writer", daemon=True
        )
        self._thread.start()

    def run(self, work: Callable[[Connection], Result], weight: int = 1) -> Result:
        """
        What `work` returns, once it is durable; `weight` is how many resources it writes.

        Raises what `work` raises, translated, and Unavailable once closed.
        """
        future: Future[Result] = Future()
        with self._door:
            if self._closed:
                raise Unavailable("store.closed")
            self._waiting.put(_Work(work, weight, future))
        return future.result()

    def close(self) -> None:
        """Finish what was handed over, and stop; the connection stays open."""
        with self._door:
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
        """What is written with `first`: all that waits, within bounds; and whether closing was met on the way."""
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
        """One transaction for the group; each caller is told once it is committed, or why it is not."""
        results: list[tuple[Future[Any], Any]] = []
        refused: list[tuple[Future[Any], Exception]] = []
        try:
            self._connection.execute(self._begin)
            for request in group:
                try:
                    results.append((request.future, self._attempt(request.work)))
                except _WorkFailed as refusal:
                    refused.append((request.future, refusal.reason))
            self._connection.execute("COMMIT")
        except Exception as error:
            self._forget()
            # The engine may have ended the transaction by itself, when its disk was full for instance.
            with suppress(Exception):
                self._connection.execute("ROLLBACK")
            for request in group:
                request.future.set_exception(self._translate(error))
            return
        for future, result in results:
            future.set_result(result)
        for future, reason in refused:
            future.set_exception(self._translate(reason))

    def _attempt(self, work: Callable[[Connection], Any]) -> Any:
        """
        What `work` returns, or nothing of it done.

        Raises _Refused when only this work is undone, and the error itself when the whole transaction is.
        """
        self._connection.execute("SAVEPOINT caller")
        try:
            result = work(self._connection)
        except Exception as error:
            self._forget()
            try:
                self._connection.execute("ROLLBACK TO SAVEPOINT caller")
                self._connection.execute("RELEASE SAVEPOINT caller")
            except Exception:
                raise error from None
            raise _WorkFailed(error) from error
        self._connection.execute("RELEASE SAVEPOINT caller")
        return result


class _WorkFailed(Exception):
    """One caller's work failed and was undone; the others' stands."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason
