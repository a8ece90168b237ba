"""
A worker process: serves the connections that the supervisor passes to it.

Supervisor and worker share one channel, a pair of sockets. The supervisor sends a byte with each
connection; the worker answers a byte when it is ready, has taken a connection, or has closed one.
The channel closes when the supervisor ends, and the worker ends when the channel closes: no worker
outlives its supervisor.
"""

import asyncio
import os
import select
import signal
import socket
import sys
import threading
import time
from typing import Final

from ror import settings as settings_room
from ror.http.application import Application
from ror.http.connections import Connections
from ror.http.memory import keep_what_is_freed
from ror.http.server import Server
from ror.http.signals import stopping
from ror.observability import Log, adopt_library_logs, log_of

CONNECTION: Final = b"+"
READY: Final = b"r"
TAKEN: Final = b"t"
CLOSED: Final = b"c"

_END_GRACE_S: Final = 5.0
"""The time after `stop_timeout_s` that a worker without supervisor has to end."""


class Channel:
    """The connections that the supervisor passes to this process."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._channel.setblocking(False)
        self._connections: Connections | None = None

    def start(self, connections: Connections) -> None:
        """Tell the supervisor that this worker is ready, and take its connections."""
        self._connections = connections
        connections.on_close = lambda: self._tell(CLOSED)
        asyncio.get_running_loop().add_reader(self._channel.fileno(), self._take, connections)
        self._tell(READY)

    def stop(self) -> None:
        """Take the connections that were already passed, and no more."""
        if self._connections is not None:
            self._take(self._connections)
            asyncio.get_running_loop().remove_reader(self._channel.fileno())

    def _take(self, connections: Connections) -> None:
        while True:
            try:
                # One at a time: the kernel may join the bytes of messages, never their files.
                message, files, _, _ = socket.recv_fds(self._channel, 1, 1)
            except (BlockingIOError, ConnectionResetError):
                return
            if not message:
                asyncio.get_running_loop().remove_reader(self._channel.fileno())
                return
            self._tell(TAKEN)
            # The supervisor respects the limit on files, but another process may lower it.
            for file in files:
                connections.add(socket.socket(fileno=file))
            if not files:
                self._tell(CLOSED)

    def _tell(self, message: bytes) -> None:
        try:
            self._channel.send(message)
        except BlockingIOError:
            # A byte for each event: only a stopped supervisor lets so many pile up.
            asyncio.get_running_loop().call_later(0.1, self._tell, message)
        except OSError:
            pass  # The supervisor is gone, and this process about to end.


def main() -> int:
    """Serve until the supervisor stops this worker, or ends; returns the exit code."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    # The processes that write index snapshots must not keep the channel open.
    channel.set_inheritable(False)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    settings = settings_room.load(environment=os.environ)
    log = log_of(settings.log_format, settings.log_level)
    adopt_library_logs(log)
    threading.Thread(
        target=_end_with_supervisor,
        args=(channel, log, settings.stop_timeout_s),
        name="ror-lifeline",
        daemon=True,
    ).start()
    keep_what_is_freed()
    server = Server(settings, Application(settings, log, is_worker=True), Channel(channel))
    with stopping(server):
        server.run()
    if server.problem is not None:
        log.failure("open", server.problem)
        return 1
    return 0


def _end_with_supervisor(channel: socket.socket, log: Log, stop_timeout_s: int) -> None:
    """Wait until the supervisor is gone, then end this process."""
    poll = select.poll()
    # No event but the end of the connection, which cannot be masked.
    poll.register(channel, 0)
    poll.poll()
    log.write("error", "worker", state="abandoned", pid=os.getpid())
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(stop_timeout_s + _END_GRACE_S)
    os._exit(1)
