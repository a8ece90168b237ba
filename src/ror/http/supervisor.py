"""
Several workers behind one socket: accepts connections, passes each to the worker that holds the
fewest, and replaces workers that die.

The supervisor alone holds the listening socket, so that the port is free as soon as it ends.
`worker.py` describes the channel between a worker and the supervisor.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import ror
from ror.http.connections import log_full, log_refused, max_connections
from ror.http.worker import CLOSED, CONNECTION, READY, TAKEN
from ror.observability import Log

_WORKER: Final = "import sys; from ror.http.worker import main; sys.exit(main())"
_ACCEPTED_AT_ONCE: Final = 64
_STALLED_S: Final = 0.05
"""A worker that leaves a connection waiting for longer gets others only when all are stalled."""
_RETRY_S: Final = 0.05
_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 30.0
"""How long a worker that dies before it is ready waits to be replaced: doubled each time."""
_KILL_AFTER_S: Final = 10.0
"""How long after `stop_timeout_s` a worker is killed."""


@dataclass(eq=False)
class _Worker:
    """A worker process, the number of its connections, and those it has not taken yet."""

    process: subprocess.Popen[bytes]
    channel: socket.socket
    is_ready: bool = False
    open: int = 0
    not_taken: deque[float] = field(default_factory=deque)
    """When each connection was passed that the worker has not taken yet."""

    def load(self, now: float) -> tuple[bool, int]:
        """The key to compare workers by: the least comes first."""
        return bool(self.not_taken) and now - self.not_taken[0] > _STALLED_S, self.open

    def give(self, connection: socket.socket) -> bool:
        """Pass a connection to this worker; whether that succeeded."""
        try:
            socket.send_fds(self.channel, [CONNECTION], [connection.fileno()])
        except OSError:
            # Its channel is full, or it is dying.
            return False
        self.open += 1
        self.not_taken.append(time.monotonic())
        return True

    def hear(self, messages: bytes) -> None:
        """Note the messages of the worker."""
        self.is_ready = self.is_ready or READY in messages
        self.open -= messages.count(CLOSED)
        for _ in range(messages.count(TAKEN)):
            self.not_taken.popleft()


class Supervisor:
    """Runs `count` workers on a listening socket; `environment` holds their settings."""

    def __init__(
        self,
        listener: socket.socket,
        count: int,
        environment: Mapping[str, str],
        stop_timeout_s: int,
        log: Log,
    ) -> None:
        self._listener = listener
        self._count = count
        self._environment = environment
        self._stop_timeout_s = stop_timeout_s
        self._log = log
        self._max = max_connections()
        self._workers: set[_Worker] = set()
        self._in_hand: socket.socket | None = None
        """A connection that no worker could take."""
        self._is_accepting = False
        self._is_full = False
        self._wait_s = _FIRST_WAIT_S
        self._stopping = asyncio.Event()

    def run(self) -> None:
        """Supervise until SIGTERM or SIGINT, then stop the workers and return."""
        asyncio.run(self._run())

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        self._listener.setblocking(False)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        loop.add_signal_handler(signal.SIGCHLD, self._replace_dead)
        for _ in range(self._count):
            self._start()
        await self._stopping.wait()
        await self._stop()

    # --- workers ---

    def _start(self, replaces: int | None = None) -> None:
        if self._stopping.is_set():
            return
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            process = subprocess.Popen(  # noqa: S603 this very program
                [sys.executable, "-P", "-c", _WORKER, str(theirs.fileno())],
                env={**os.environ, **self._environment, "PYTHONPATH": _python_path()},
                pass_fds=(theirs.fileno(),),
            )
        worker = _Worker(process, ours)
        self._workers.add(worker)
        asyncio.get_running_loop().add_reader(ours.fileno(), self._hear, worker)
        self._log.write("info", "worker", state="started", pid=process.pid, replaces=replaces)

    def _hear(self, worker: _Worker) -> None:
        try:
            messages = worker.channel.recv(4_096)
        except OSError:
            messages = b""
        if not messages:
            # SIGCHLD reports its end.
            asyncio.get_running_loop().remove_reader(worker.channel.fileno())
            return
        worker.hear(messages)
        if READY in messages:
            self._wait_s = _FIRST_WAIT_S
            self._log.write("info", "worker", state="ready", pid=worker.process.pid)
        self._accept_if_possible()

    def _replace_dead(self) -> None:
        for worker in [
            candidate for candidate in self._workers if candidate.process.poll() is not None
        ]:
            asyncio.get_running_loop().remove_reader(worker.channel.fileno())
            worker.channel.close()
            self._workers.discard(worker)
            if self._stopping.is_set():
                continue
            code, pid = worker.process.returncode, worker.process.pid
            self._log.write(
                "error",
                "worker",
                state="died",
                pid=pid,
                signal=signal.Signals(-code).name if code < 0 else None,
                exit_code=code if code >= 0 else None,
            )
            if worker.is_ready:
                self._start(replaces=pid)
            else:
                # It would die again at once: what it needs may come back.
                asyncio.get_running_loop().call_later(self._wait_s, self._start, pid)
                self._wait_s = min(2 * self._wait_s, _LONGEST_WAIT_S)

    def _reload(self) -> None:
        # A worker that is starting reads the files anyway, and might not handle the signal yet.
        for worker in self._workers:
            if worker.is_ready:
                worker.process.send_signal(signal.SIGHUP)

    def _send_all(self, number: int) -> None:
        for worker in self._workers:
            worker.process.send_signal(number)

    async def _stop(self) -> None:
        loop = asyncio.get_running_loop()
        self._pause()
        self._listener.close()
        self._send_all(signal.SIGTERM)
        # A second Ctrl-C goes to the workers.
        loop.add_signal_handler(signal.SIGINT, self._send_all, signal.SIGINT)
        deadline = loop.time() + self._stop_timeout_s + _KILL_AFTER_S
        while self._workers:
            await asyncio.sleep(0.02)
            if loop.time() > deadline:
                self._send_all(signal.SIGKILL)

    # --- connections ---

    def _accept_if_possible(self) -> None:
        """Accept connections if a worker can take one; else they wait."""
        if self._stopping.is_set() or self._is_accepting:
            return
        if any(worker.is_ready and worker.open < self._max for worker in self._workers):
            asyncio.get_running_loop().add_reader(self._listener.fileno(), self._accept)
            self._is_accepting = True
            if self._in_hand is not None:
                # No event announces it, and the next connection may come much later.
                self._accept()

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            if not self._is_room():
                self._pause()
                return
            try:
                connection = self._in_hand or self._listener.accept()[0]
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as problem:
                log_refused(self._log, problem)
                self._retry()
                return
            self._in_hand = None
            if not self._pass(connection):
                self._in_hand = connection
                self._retry()
                return
            connection.close()

    def _is_room(self) -> bool:
        """Whether a worker can take a connection; the log says when all of them are full."""
        ready = [worker for worker in self._workers if worker.is_ready]
        is_room = any(worker.open < self._max for worker in ready)
        is_full = bool(ready) and not is_room
        if is_full and not self._is_full:
            log_full(self._log, self._max * len(ready))
        self._is_full = is_full
        return is_room

    def _pass(self, connection: socket.socket) -> bool:
        now = time.monotonic()
        candidates = [
            worker for worker in self._workers if worker.is_ready and worker.open < self._max
        ]
        return any(
            worker.give(connection)
            for worker in sorted(candidates, key=lambda worker: worker.load(now))
        )

    def _retry(self) -> None:
        self._pause()
        asyncio.get_running_loop().call_later(_RETRY_S, self._accept_if_possible)

    def _pause(self) -> None:
        if self._is_accepting:
            asyncio.get_running_loop().remove_reader(self._listener.fileno())
            self._is_accepting = False


def _python_path() -> str:
    """The Python path of a worker: it imports this same package, installed or not."""
    here = str(Path(ror.__file__).parent.parent)
    return os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
