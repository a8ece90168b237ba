"""
Files that an operator renews under a running server: certificates, authorities, tables.

They are read again on SIGHUP, and within seconds of a change. A file that cannot be read is
logged, and its former content stays in use.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from ror.errors import RorError
from ror.http.application import Application
from ror.http.connections import Connections
from ror.http.tls import tls_context
from ror.runtime import use_tables
from ror.settings import Settings

CHECK_EVERY_S: Final = 2.0
"""The interval between two checks of the files: a few system calls each."""

_Stamp = tuple[tuple[int, int, int], ...]
"""The modification time, size and inode of each file."""


class _Watched(NamedTuple):
    """Files that belong together, under the name that the log gives them, and how they reload."""

    name: str
    files: Sequence[str]
    reload: Callable[[], None]


class Reloader:
    """Reloads the files that the settings of a service name."""

    def __init__(
        self, settings: Settings, application: Application, connections: Connections
    ) -> None:
        self._settings = settings
        self._application = application
        self._connections = connections
        self._watched = tuple(self._named_files())
        self._stamps = {watched.name: _stamp(watched.files) for watched in self._watched}

    def _named_files(self) -> Sequence[_Watched]:
        settings, service = self._settings, self._application.service
        tls = _present(settings.tls_certificate, settings.tls_key)
        authorities = (*settings.tls_client_authorities, *settings.tls_client_crl)
        table = (
            _Watched("certificate", tls, self._reload_tls),
            _Watched("authorities", authorities, self._reload_authorities),
            _Watched(
                "terminology", _present(settings.terminology_file), lambda: use_tables(settings)
            ),
            _Watched(
                "user-profiles",
                _present(settings.user_profiles_file),
                self._application.reload_user_profiles,
            ),
            _Watched(
                "identity-providers",
                _present(settings.identity_providers_file),
                lambda: service.directory.reload_identity_providers(),
            ),
        )
        return [watched for watched in table if watched.files]

    async def run(self, now: asyncio.Event) -> None:
        """Watch the files for ever; when `now` is set, read all of them again at once."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(now.wait(), CHECK_EVERY_S)
            is_forced = now.is_set()
            now.clear()
            for watched in self._watched:
                await self._look_at(watched, is_forced)

    async def _look_at(self, watched: _Watched, is_forced: bool) -> None:
        stamp = await asyncio.to_thread(_stamp, watched.files)
        if stamp == self._stamps[watched.name] and not is_forced:
            return
        self._stamps[watched.name] = stamp
        files, log = ", ".join(watched.files), self._application.service.log
        try:
            await asyncio.to_thread(watched.reload)
        except (RorError, OSError, ValueError) as problem:
            log.write(
                "error",
                "reload",
                state="failing",
                what=watched.name,
                files=files,
                problem=str(problem),
            )
        else:
            log.write("info", "reload", state="reloaded", what=watched.name, files=files)

    def _reload_tls(self) -> None:
        self._connections.tls = tls_context(self._settings)

    def _reload_authorities(self) -> None:
        # The handshake checks authorities, the token endpoint their revocation lists too.
        if self._settings.tls_certificate:
            self._reload_tls()
        self._application.service.directory.tokens.reload_authorities()


def _present(*files: str | None) -> tuple[str, ...]:
    return tuple(file for file in files if file is not None)


def _stamp(files: Sequence[str]) -> _Stamp:
    """A value that changes with the files; a missing file has its own stamp."""
    stamps = []
    for file in files:
        try:
            status = Path(file).stat()
        except OSError:
            stamps.append((0, 0, 0))
        else:
            stamps.append((status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(stamps)
