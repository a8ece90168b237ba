"""The server of one process: uvicorn's, with connections from a source and files that reload."""

import asyncio
import signal
import socket
from functools import partial
from types import FrameType

import uvicorn

from ror.http.application import Application
from ror.http.connections import Connections, Source
from ror.http.protocol import Protocol
from ror.http.reloading import Reloader
from ror.http.tls import tls_context
from ror.settings import Settings

KEEP_ALIVE_S = 75
"""How long an idle connection stays open: longer than in most proxies, which then close first."""


class Server(uvicorn.Server):
    """Serves an application until SIGTERM or SIGINT; `problem` is why it could not open."""

    def __init__(self, settings: Settings, application: Application, source: Source) -> None:
        super().__init__(_config(settings, application))
        self.problem: Exception | None = None
        self._settings = settings
        self._application = application
        self._source = source
        application.lifespan.on_failure = self._give_up

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the directory, then take connections."""
        loop = asyncio.get_running_loop()
        reload_now = asyncio.Event()
        loop.add_signal_handler(signal.SIGHUP, reload_now.set)
        self.servers = []
        await self.lifespan.startup()
        self.started = True
        protocol = partial(
            Protocol,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        tls = tls_context(self._settings) if self._settings.tls_certificate else None
        connections = Connections(protocol, tls)
        reloader = Reloader(self._settings, self._application, connections)
        self._reloading = loop.create_task(reloader.run(reload_now))
        if not self.should_exit:
            self._source.start(connections)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, finish the requests in progress, close the directory."""
        self._source.stop()
        self._reloading.cancel()
        await super().shutdown()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop on a signal; `/health/ready` says so at once."""
        self._application.service.stopping = True
        super().handle_exit(sig, frame)

    def _give_up(self, problem: Exception) -> None:
        self.problem = problem
        self.should_exit = True


def _config(settings: Settings, application: Application) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        loop="uvloop",
        http=Protocol,
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=settings.stop_timeout_s,
    )
