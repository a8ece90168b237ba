"""
Trails in real folders, written by the real journal; days go by because the journal is told what
time it is.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from ror.audit.records import Act, Call, instant
from ror.audit.trail.folder import Folder
from ror.audit.trail.writing import Journal


class Clock:
    """What time it is for a journal; a millisecond later each time that it is looked at."""

    def __init__(self, text: str) -> None:
        self.set(text)

    def set(self, text: str) -> None:
        self.now = int(datetime.fromisoformat(text).timestamp() * 1e9)

    def __call__(self) -> int:
        self.now += 1_000_000
        return self.now


def call(clock: Clock, number: int = 0, **facts: object) -> Call:
    """A read of a place at this moment."""
    told = {
        "request_id": f"r{number}",
        "client": None,
        "profile": 1,
        "method": "GET",
        "route": "[type]/[id]",
        "interaction": "read",
        "path": f"/fhir/Location/l{number}",
        "status": 200,
        "matches": 1,
        "duration_us": 250,
        **facts,
    }
    return Call(at=instant(clock()), **told)  # type: ignore[arg-type]


def act(clock: Clock, subject: str = "c1") -> Act:
    return Act(
        at=instant(clock()),
        action="client-suspend",
        subject=subject,
        by="somebody",
        reason="lost its key",
    )


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A fresh trail."""
    made = Folder(tmp_path / "trail")
    made.make()
    return made


@pytest.fixture
def clock() -> Clock:
    """A Tuesday morning."""
    return Clock("2026-11-24T10:00:00Z")


OpenJournal = Callable[..., Journal]


@pytest.fixture
def journal(folder: Folder, clock: Clock) -> Iterator[OpenJournal]:
    """`with journal() as one`: a journal of the trail, closed at the end."""

    @contextmanager
    def opened(**options: object) -> Iterator[Journal]:
        one = Journal(folder, now=clock, **options)  # type: ignore[arg-type]
        one.open()
        try:
            yield one
        finally:
            one.close()

    yield opened


def write(journal: OpenJournal, clock: Clock, count: int = 5, **options: object) -> None:
    """A process that answers a few calls and stops."""
    with journal(**options) as one:
        for number in range(count):
            one.write(call(clock, number))
