"""
One server that leaves a line in the audit trail of each call for a moment, and none the next.

What a line costs is some hundredths of an answer, and two processes of the same program differ by more than that from
the moment they start. So it is measured in one: the thread that answers is given turns of some milliseconds, with the
trail and without, in random order, and the processor time that it takes to answer is compared. What the thread that
writes takes meanwhile is added to it, as if nothing of that could be done beside.
"""

import asyncio
import random
import signal
import socket
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

import uvicorn
from ror.http.accounts import Accounts
from ror.http.door import Door, Receive, Scope, Send

from ror.audit.trail.writing import Journal
from ror.http.memory import keep_what_is_freed
from ror.http.serving import uvicorn_config
from ror.observability import Log, adopt_library_logs
from ror.runtime import Directory
from ror.settings import Settings

TURN_S = 0.01
_WRITER = "audit"
"""The name of the thread that writes the trail."""


@dataclass(slots=True)
class Turns:
    """The answers that were given in one way, and the processor time that this took the thread that answers."""

    accounts: Accounts
    journal: Journal | None
    answers: int = 0
    cpu_s: float = 0.0


class ByTurns(Door):
    """A door that is told at each turn in which way to answer."""

    def __init__(self, settings: Settings, log: Log) -> None:
        super().__init__(settings, log)
        self._traced = Turns(self.accounts, None)
        self._untraced = Turns(Accounts(self.service.metrics), None)
        self._answered = 0
        self._writing_s = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or follow the life of the server."""
        await super().__call__(scope, receive, send)
        self._answered += scope["type"] == "http"

    def begin(self) -> None:
        """Take turns from now on; the directory is open."""
        self._traced.journal = self.service.journal
        writer = next(one for one in threading.enumerate() if one.name == _WRITER)
        assert writer.ident is not None, "it was started"
        # Kept, so that nobody takes it for garbage.
        self._taking_turns = asyncio.create_task(
            self._take_turns(time.pthread_getcpuclockid(writer.ident))
        )

    async def _take_turns(self, writer_clock: int) -> None:
        while not self.service.stopping:
            for turns in random.sample((self._traced, self._untraced), 2):
                self.accounts, self.service.journal = turns.accounts, turns.journal
                answered, cpu_s = self._answered, time.thread_time()
                await asyncio.sleep(TURN_S)
                turns.answers += self._answered - answered
                turns.cpu_s += time.thread_time() - cpu_s
            self._writing_s = time.clock_gettime(writer_clock)

    def told(self) -> dict[str, Any]:
        """Microseconds of processor time: of an answer without the trail, of its line here and where it is written."""
        untraced, traced = (one.cpu_s / one.answers * 1e6 for one in (self._untraced, self._traced))
        writing = self._writing_s / self._traced.answers * 1e6
        return {"answer_us": untraced, "noting_us": traced - untraced, "writing_us": writing}


def serve(database: str, profile: int) -> None:
    """Serve a directory until told to stop, and then tell what a line costs; the start-up line says where."""
    settings = Settings(database=database, port=0, anonymous_profile=profile, access_log=False)
    log = Log("json")
    adopt_library_logs(log)
    keep_what_is_freed()
    # uvicorn raises the signal again once it has stopped, to die of it; there is something left to tell.
    signal.signal(signal.SIGTERM, lambda *_: None)
    door = ByTurns(settings, log)
    with socket.create_server((settings.host, 0), backlog=2_048) as listener:
        url = f"http://{settings.host}:{listener.getsockname()[1]}"

        def announce(directory: Directory) -> None:
            door.begin()
            log.write("info", "ready", url=url)

        door.on_open = announce
        uvicorn.Server(uvicorn_config(settings, door)).run(sockets=[listener])
    log.write("info", "told", **door.told())


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
