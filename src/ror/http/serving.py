"""
Serving: one process or several behind one socket, from start-up line to last answer.

The socket is opened first, so that a port that cannot be had is told in plain words before anything is loaded. One
worker runs in this process; several are separate processes that receive the settings as environment variables.
"""

import errno
import os
import shutil
import signal
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import cast

import uvicorn
from uvicorn.supervisors import Multiprocess

from ror import messages
from ror import settings as settings_room
from ror.errors import UsageError
from ror.http.application import Application
from ror.http.memory import keep_what_is_freed
from ror.http.protocol import Protocol
from ror.http.routes import VERSION
from ror.http.tls import tls_context
from ror.observability import SHARED_FOLDER, Level, Log, adopt_library_logs
from ror.runtime import Directory, open_directory, open_trail
from ror.settings import Settings

KEEP_ALIVE_S = 75
"""How long an idle connection is kept: longer than a proxy in front keeps it, so that it never reuses a dead one."""


def create_app() -> Application:
    """The application of a worker process, set as the environment says; it ends when it cannot open its directory."""
    settings = settings_room.load(environment=os.environ)
    log = _log(settings)
    adopt_library_logs(log)
    keep_what_is_freed()
    application = Application(settings, log, is_worker=True)

    def give_up(problem: Exception) -> None:
        log.failure("open", problem)
        # The supervisor starts another worker, which may have more luck with a database that was away.
        signal.raise_signal(signal.SIGTERM)

    application.lifespan.on_failure = give_up
    return application


def serve(settings: Settings) -> None:
    """
    Serve until told to stop (SIGTERM or SIGINT), then finish what is under way and return.

    Raises UsageError when the address cannot be listened on, and whatever prevents the directory from being opened.
    """
    log = _log(settings)
    adopt_library_logs(log)
    if settings.tls_certificate:
        # Here first, so that what is wrong is told once and plainly.
        tls_context(settings)
    with _listening(settings) as listener, _variables(settings_room.as_environment(settings)):
        if settings.workers == 1:
            _serve_here(settings, log, listener)
        else:
            _serve_with_workers(settings, log, listener)
    log.write("info", "stopped")


class _Server(uvicorn.Server):
    """The server of one process, which stops when the directory cannot be opened."""

    def __init__(
        self,
        config: uvicorn.Config,
        application: Application,
        announce: Callable[[Directory], None],
    ) -> None:
        super().__init__(config)
        self.problem: Exception | None = None
        self._application = application
        application.lifespan.on_open = announce
        application.lifespan.on_failure = self._give_up

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop, and tell those who ask meanwhile that nobody more will be served."""
        self._application.service.stopping = True
        super().handle_exit(sig, frame)

    def _give_up(self, problem: Exception) -> None:
        self.problem = problem
        self.should_exit = True


def _serve_here(settings: Settings, log: Log, listener: socket.socket) -> None:
    keep_what_is_freed()
    application, url = Application(settings, log), _url(settings, listener)
    server = _Server(
        uvicorn_config(settings, application),
        application,
        lambda directory: _announce(log, directory, url),
    )
    # uvicorn raises the signal again once it has stopped, to die of it; we have things left to say.
    with _ignoring(signal.SIGTERM, signal.SIGINT):
        server.run(sockets=[listener])
    if server.problem is not None:
        raise server.problem


def _serve_with_workers(settings: Settings, log: Log, listener: socket.socket) -> None:
    # Opened here first: what is wrong is told once rather than by workers that die again and again, and they all start
    # from the snapshot that this leaves.
    directory = open_directory(settings)
    _announce(log, directory, _url(settings, listener))
    try:
        journal = open_trail(settings, directory.store)
        if journal is not None:
            journal.close()
    finally:
        directory.close()
    folder = tempfile.mkdtemp(prefix="ror-metrics-")
    try:
        with _variables({SHARED_FOLDER: folder}):
            Multiprocess(uvicorn_config(settings, "ror.http:create_app"), sockets=[listener]).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def uvicorn_config(settings: Settings, app: Application | str) -> uvicorn.Config:
    """How uvicorn serves an application, or the one that the function of this name makes."""
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        workers=settings.workers,
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
        ssl_context_factory=partial(_of_settings, settings) if settings.tls_certificate else None,
    )


def _of_settings(
    settings: Settings, config: uvicorn.Config, default: Callable[[], ssl.SSLContext]
) -> ssl.SSLContext:
    """The TLS of the settings, in place of uvicorn's own; a function of this module, so that workers can have it."""
    return tls_context(settings)


# --- address ---------------------------------------------------------------------------------------------------------


@contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    """A socket bound to the address of the settings."""
    host, port = settings.host, settings.port
    try:
        family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[
            0
        ]
        listener = socket.socket(family, kind, number)
    except OSError as problem:
        raise UsageError(
            "serve.bad-address", host=host, port=port, problem=problem.strerror
        ) from None
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            # Two processes may bind one port as long as neither listens.
            listener.listen(2_048)
        except OSError as problem:
            raise _unusable(problem, host, port) from None
        listener.set_inheritable(True)
        yield listener


def _unusable(problem: OSError, host: str, port: int) -> UsageError:
    if problem.errno == errno.EADDRINUSE:
        return UsageError(
            "serve.port-taken", host=host, port=port, other=port + 1 if port < 65_535 else port - 1
        )
    if problem.errno == errno.EACCES:
        return UsageError("serve.port-forbidden", host=host, port=port)
    return UsageError("serve.bad-address", host=host, port=port, problem=problem.strerror)


def _url(settings: Settings, listener: socket.socket) -> str:
    """Where the service is, for whoever started it."""
    mount = settings.mounts[0]
    if settings.public_url is not None:
        return settings.public_url + mount
    host, port = listener.getsockname()[:2]
    return (
        f"{settings.scheme}://[{host}]:{port}{mount}"
        if ":" in host
        else f"{settings.scheme}://{host}:{port}{mount}"
    )


# --- words -----------------------------------------------------------------------------------------------------------


def _log(settings: Settings) -> Log:
    return Log(settings.log_format, cast(Level, settings.log_level))


def _announce(log: Log, directory: Directory, url: str) -> None:
    """The start-up line: version, resources, time, address; then who may read."""
    language = messages.preferred_language(os.environ.get("LANG"))
    count = directory.index.view.resources()
    shown, seconds = f"{count:,}".replace(",", "\u202f"), f"{directory.ready_in_s:.1f}"
    if language == "fr":
        seconds = seconds.replace(".", ",")
    else:
        shown = f"{count:,}"
    told = messages.text(
        "serve.ready", language, version=VERSION, count=shown, seconds=seconds, url=url
    )
    log.write(
        "info",
        "ready",
        message=told,
        version=VERSION,
        resources=count,
        url=url,
        ready_in_s=directory.ready_in_s,
    )
    profile = directory.settings.anonymous_profile
    key = "serve.nobody" if profile is None else "serve.anonymous"
    log.write(
        "info",
        "access",
        message=messages.text(key, language, profile=profile),
        anonymous_profile=profile,
    )


# --- surroundings ----------------------------------------------------------------------------------------------------


@contextmanager
def _variables(values: dict[str, str]) -> Iterator[None]:
    """Environment variables for the processes started inside."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _ignoring(*signals: int) -> Iterator[None]:
    """These signals do nothing inside, but for who handles them there."""
    before: Sequence[tuple[int, object]] = [
        (one, signal.signal(one, lambda *_: None)) for one in signals
    ]
    try:
        yield
    finally:
        for one, handler in before:
            signal.signal(one, handler)  # type: ignore[arg-type]
