"""
Which authorities are believed at this moment, and whom they have revoked: files that an operator
replaces at will.

The files are looked at each time they are asked for, and read again when one of them is another
file than before, so that a new revocation list holds from the next token on, without a restart.
"""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ror.errors import Unavailable, UsageError
from ror.identity.certificates import Authorities, read_authorities

_Look = tuple[tuple[int, int, int], ...]


class WatchedAuthorities:
    """The authorities and revocation lists in files. Raises UsageError if they cannot be read."""

    def __init__(self, certificates: Sequence[str], revocations: Sequence[str]) -> None:
        self._certificates: Final = [Path(path) for path in certificates]
        self._revocations: Final = [Path(path) for path in revocations]
        self._lock = threading.Lock()
        try:
            self._look, self._known = self._looked(), self._read()
        except (OSError, ValueError) as problem:
            raise UsageError(
                "certificates.unreadable", files=self._named(), problem=problem
            ) from None

    def current(self) -> Authorities:
        """
        The current content of the files. Raises Unavailable if they cannot be read: nobody is
        trusted then.
        """
        with self._lock:
            try:
                look = self._looked()
                if look != self._look:
                    self._known = self._read()
                    self._look = look
            except (OSError, ValueError) as problem:
                raise Unavailable(
                    "certificates.unreadable", files=self._named(), problem=problem
                ) from problem
            return self._known

    def _looked(self) -> _Look:
        states = (path.stat() for path in (*self._certificates, *self._revocations))
        return tuple((state.st_mtime_ns, state.st_size, state.st_ino) for state in states)

    def _read(self) -> Authorities:
        certificates = b"\n".join(path.read_bytes() for path in self._certificates)
        return read_authorities(certificates, [path.read_bytes() for path in self._revocations])

    def _named(self) -> str:
        return ", ".join(path.name for path in (*self._certificates, *self._revocations))
