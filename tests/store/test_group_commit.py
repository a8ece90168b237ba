"""One writer, many callers, few commits: on a connection that only notes what it is told."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from ror.store.sqlite.group_commit import GroupCommit
from tests.waiting import until


class Notebook:
    """A connection that notes its statements, and fails on one of them when asked to."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.failing = ""

    def execute(self, statement: str, /) -> None:
        self.statements.append(statement)
        if statement == self.failing:
            raise OSError(statement)


@pytest.fixture
def connection() -> Notebook:
    return Notebook()


@pytest.fixture
def writer(connection: Notebook) -> Iterator[GroupCommit[Notebook]]:
    writer = GroupCommit(connection, "BEGIN", lambda error: error, lambda: None)
    yield writer
    writer.close()


def together(writer: GroupCommit[Notebook], works: list[object]) -> list[Future[object]]:
    """Hand over several pieces of work while the writer is busy with another one."""
    busy, free = threading.Event(), threading.Event()

    def hold(_: Notebook) -> None:
        busy.set()
        free.wait()

    with ThreadPoolExecutor(len(works) + 1) as pool:
        pool.submit(writer.run, hold)
        busy.wait()
        futures = [pool.submit(writer.run, work) for work in works]  # type: ignore[arg-type]
        try:
            assert until(lambda: writer._waiting.qsize() == len(works))
        finally:
            free.set()
    return futures


def test_callers_at_the_same_moment_share_a_commit(
    writer: GroupCommit[Notebook], connection: Notebook
) -> None:
    futures = together(writer, [lambda _, number=number: number for number in range(20)])

    assert sorted(str(future.result()) for future in futures) == sorted(
        str(number) for number in range(20)
    )
    assert connection.statements.count("COMMIT") == 2


def test_a_group_is_bounded(
    writer: GroupCommit[Notebook], connection: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ror.store.sqlite.group_commit.MAX_CALLERS", 5)

    together(writer, [lambda _: None] * 20)

    assert connection.statements.count("COMMIT") == 1 + 4


def test_one_callers_failure_is_nobody_elses(
    writer: GroupCommit[Notebook], connection: Notebook
) -> None:
    refused, *kept = together(writer, [lambda _: 1 // 0, lambda _: "kept", lambda _: "kept"])

    with pytest.raises(ZeroDivisionError):
        refused.result()
    assert [future.result() for future in kept] == ["kept", "kept"]
    assert connection.statements.count("ROLLBACK TO SAVEPOINT caller") == 1


@pytest.mark.parametrize("failing", ["BEGIN", "COMMIT"])
def test_nobody_is_acknowledged_when_the_transaction_fails(
    writer: GroupCommit[Notebook], connection: Notebook, failing: str
) -> None:
    connection.failing = failing

    with pytest.raises(OSError, match=failing):
        writer.run(lambda _: "kept")
    connection.failing = ""

    assert writer.run(lambda _: "kept") == "kept"


def test_what_was_handed_over_before_closing_is_written(connection: Notebook) -> None:
    writer = GroupCommit(connection, "BEGIN", lambda error: error, lambda: None)
    with ThreadPoolExecutor(1) as pool:
        busy = threading.Event()
        slow = pool.submit(writer.run, lambda _: busy.set() or time.sleep(0.05))  # type: ignore[func-returns-value]
        busy.wait()

        writer.close()

        assert slow.done() or slow.result(1) is None
    assert connection.statements[-1] == "COMMIT"
