"""
A server that switches its audit trail on and off every few milliseconds.

An audit record costs some hundredths of an answer, and two processes of one program differ by more
than that. So one process measures both: the answering thread takes turns of some milliseconds, with
and without the trail, in random order, and the benchmark compares the processor time of answers. It
adds the time of the writing thread, as if nothing ran in parallel.
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

from ror.audit.trail.writing import Journal
from ror.http.application import Application
from ror.http.connections import Listener
from ror.http.exchange import Receive, Scope, Send
from ror.http.memory import keep_what_is_freed
from ror.http.reporting import Reporter
from ror.http.server import Server
from ror.observability import Log, adopt_library_logs
from ror.runtime import Directory
from ror.settings import Settings

TURN_S = 0.01
_WRITER = "audit"
"""The name of the thread that writes the trail."""


@dataclass(slots=True)
class Turns:
    """The answers of one mode, and the processor time that they took the answering thread."""

    reporter: Reporter
    journal: Journal | None
    answers: int = 0
    cpu_s: float = 0.0


class ByTurns(Application):
    """The application of `ror serve`, with a trail that it can switch off."""

    def __init__(self, settings: Settings, log: Log) -> None:
        super().__init__(settings, log)
        self._traced = Turns(self.reporter, None)
        self._untraced = Turns(Reporter(self.service.metrics), None)
        self._answered = 0
        self._writing_s = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or one lifespan event."""
        await super().__call__(scope, receive, send)
        self._answered += scope["type"] == "http"

    def begin(self) -> None:
        """Start to take turns; the directory is open."""
        self._traced.journal = self.service.journal
        writer = next(thread for thread in threading.enumerate() if thread.name == _WRITER)
        assert writer.ident is not None, "it was started"
        # Held, or the task would be garbage-collected.
        self._taking_turns = asyncio.create_task(
            self._take_turns(time.pthread_getcpuclockid(writer.ident))
        )

    async def _take_turns(self, writer_clock: int) -> None:
        while not self.service.stopping:
            for turns in random.sample((self._traced, self._untraced), 2):
                self.reporter, self.service.journal = turns.reporter, turns.journal
                answered, cpu_s = self._answered, time.thread_time()
                await asyncio.sleep(TURN_S)
                turns.answers += self._answered - answered
                turns.cpu_s += time.thread_time() - cpu_s
            self._writing_s = time.clock_gettime(writer_clock)

    def costs(self) -> dict[str, Any]:
        """
        Microseconds of processor time: an answer without trail, its record here, its record in the
        writing thread.
        """
        untraced, traced = (
            turns.cpu_s / turns.answers * 1e6 for turns in (self._untraced, self._traced)
        )
        writing = self._writing_s / self._traced.answers * 1e6
        return {"answer_us": untraced, "noting_us": traced - untraced, "writing_us": writing}


def serve(database: str, profile: int) -> None:
    """
    Serve a directory until stopped, then log what a record costs; the start-up line has the
    address.
    """
    settings = Settings(database=database, port=0, anonymous_profile=profile, access_log=False)
    log = Log("json")
    adopt_library_logs(log)
    keep_what_is_freed()
    # uvicorn raises the signal again once it has stopped; the figures must be logged first.
    signal.signal(signal.SIGTERM, lambda *_: None)
    application = ByTurns(settings, log)
    with socket.create_server((settings.host, 0), backlog=2_048) as listener:
        url = f"http://{settings.host}:{listener.getsockname()[1]}"

        def announce(directory: Directory) -> None:
            application.begin()
            log.write("info", "ready", url=url)

        application.lifespan.on_open = announce
        Server(settings, application, Listener(listener, log)).run()
    log.write("info", "costs", **application.costs())


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
