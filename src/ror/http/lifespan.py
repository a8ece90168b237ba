"""
The life of a server process: the directory opens when it starts and closes after the last response.

The directory opens in a thread, so that the process answers `/health/live` meanwhile.
"""

import asyncio
from collections.abc import Callable

from ror.audit.trail.writing import Journal
from ror.http.exchange import Receive, Send, Service
from ror.http.memory import keep_out_of_collections
from ror.http.reporting import Reporter
from ror.http.routes import report_directory
from ror.http.tracing import Tracer, listeners
from ror.runtime import Directory, open_directory, open_trail
from ror.search.index.index import Work
from ror.store import check_exists


class Lifespan:
    """
    Opens and closes the directory of a service.

    A worker (`is_worker`) accepts no request before its directory is open: the other workers
    answer meanwhile. `on_open` receives the open directory, `on_failure` the error that prevented
    the opening.
    """

    def __init__(self, service: Service, reporter: Reporter, is_worker: bool) -> None:
        self._service = service
        self._reporter = reporter
        self._is_worker = is_worker
        self._opening: asyncio.Task[None] | None = None
        self.on_open: Callable[[Directory], None] = lambda directory: None
        self.on_failure: Callable[[Exception], None] = lambda problem: service.log.failure(
            "open", problem
        )

    async def follow(self, receive: Receive, send: Send) -> None:
        """Open the directory at start-up, close it at shutdown, then return."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._opening = asyncio.create_task(self._open())
                if self._is_worker:
                    await self._opening
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _open(self) -> None:
        try:
            directory, journal = await asyncio.to_thread(self._opened)
        except Exception as problem:
            self.on_failure(problem)
            return
        if journal is not None:
            self._service.journal = journal
            self._reporter.trace(Tracer(journal, directory.store.policy))
        self._service.opened = directory
        report_directory(self._service)
        self.on_open(directory)

    def _opened(self) -> tuple[Directory, Journal | None]:
        service = self._service
        # A server never makes a directory: its file may have been removed since.
        check_exists(service.settings.database)
        directory = open_directory(service.settings, self._log_issuer, self._log_index)
        try:
            keep_out_of_collections()
            trail_listeners = listeners(service.metrics, service.log)
            return directory, open_trail(service.settings, directory.store, trail_listeners)
        except BaseException:
            directory.close()
            raise

    def _log_issuer(self, issuer: str, problem: Exception | None) -> None:
        if problem is None:
            self._service.log.write("info", "issuer", issuer=issuer, state="recovered")
        else:
            self._service.log.write(
                "warning", "issuer", issuer=issuer, state="failing", problem=str(problem)
            )

    def _log_index(self, work: Work, problem: Exception | None) -> None:
        self._service.metrics.set_index_failing(work, problem is not None)
        if problem is None:
            self._service.log.write("warning", "index", work=work, state="recovered")
        else:
            self._service.log.failure("index", problem, work=work, state="failing")

    async def _close(self) -> None:
        service = self._service
        service.stopping = True
        if self._opening is not None:
            await asyncio.wait([self._opening])
        self._reporter.flush()
        if service.opened is not None:
            directory, service.opened = service.opened, None
            await asyncio.to_thread(directory.close)
        if service.journal is not None:
            await asyncio.to_thread(service.journal.close)
