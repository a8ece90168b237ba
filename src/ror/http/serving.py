"""
Serving: one process, or several behind one socket, from the start-up line to the last response.

The socket opens first, so that an address that cannot be used is reported before anything loads.
"""

import errno
import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from ror import messages
from ror import settings as settings_room
from ror.errors import UsageError
from ror.http.application import Application
from ror.http.connections import Listener, raise_file_limit
from ror.http.memory import keep_what_is_freed
from ror.http.routes import VERSION
from ror.http.server import Server
from ror.http.signals import stopping
from ror.http.supervisor import Supervisor
from ror.http.tls import tls_context
from ror.observability import SHARED_FOLDER, Log, adopt_library_logs, log_of
from ror.runtime import Directory, open_directory, open_trail
from ror.settings import Settings


def serve(settings: Settings) -> None:
    """
    Serve until SIGTERM or SIGINT, then finish the requests in progress and return.

    Raises UsageError when the address cannot be used, and what prevents the directory from opening.
    """
    log = log_of(settings.log_format, settings.log_level)
    adopt_library_logs(log)
    # SIGHUP reloads files; before the server handles it, it must not end the process.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    raise_file_limit()
    if settings.tls_certificate:
        # Checked before anything is loaded, so that the error is the only line.
        tls_context(settings)
    with listening(settings) as listener:
        if settings.workers == 1:
            _serve_alone(settings, log, listener)
        else:
            _serve_with_workers(settings, log, listener)
    log.write("info", "stopped")


def _serve_alone(settings: Settings, log: Log, listener: socket.socket) -> None:
    keep_what_is_freed()
    application, url = Application(settings, log), _url(settings, listener)
    application.lifespan.on_open = lambda directory: _announce(log, directory, url)
    server = Server(settings, application, Listener(listener, log))
    with stopping(server):
        server.run()
    if server.problem is not None:
        raise server.problem


def _serve_with_workers(settings: Settings, log: Log, listener: socket.socket) -> None:
    # Opened here first: an error shows once instead of in workers that die again and again, and
    # all workers start from the snapshot that this leaves.
    directory = open_directory(settings)
    _announce(log, directory, _url(settings, listener))
    try:
        journal = open_trail(settings, directory.store)
        if journal is not None:
            journal.close()
    finally:
        directory.close()
    with tempfile.TemporaryDirectory(prefix="ror-metrics-", ignore_cleanup_errors=True) as folder:
        environment = {**settings_room.as_environment(settings), SHARED_FOLDER: folder}
        Supervisor(listener, settings.workers, environment, settings.stop_timeout_s, log).run()


# --- address --------------------------------------------------------------------------------------


@contextmanager
def listening(settings: Settings) -> Iterator[socket.socket]:
    """
    A socket that listens on the address of the settings.

    Raises UsageError when the address is taken, forbidden or unknown.
    """
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
    """The URL of the service, for the start-up line."""
    mount = settings.mounts[0]
    if settings.public_url is not None:
        return settings.public_url + mount
    host, port = listener.getsockname()[:2]
    return (
        f"{settings.scheme}://[{host}]:{port}{mount}"
        if ":" in host
        else f"{settings.scheme}://{host}:{port}{mount}"
    )


# --- words ----------------------------------------------------------------------------------------


def _announce(log: Log, directory: Directory, url: str) -> None:
    """The start-up line: version, resources, time, address; then who may read."""
    language = messages.preferred_language(os.environ.get("LANG"))
    count = directory.index.view.resources()
    count_text, seconds = f"{count:,}".replace(",", "\u202f"), f"{directory.ready_in_s:.1f}"
    if language == "fr":
        seconds = seconds.replace(".", ",")
    else:
        count_text = f"{count:,}"
    text = messages.text(
        "serve.ready", language, version=VERSION, count=count_text, seconds=seconds, url=url
    )
    log.write(
        "info",
        "ready",
        message=text,
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
