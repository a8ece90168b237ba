"""
One file of a trail: only the process that opened it appends lines.

The writer keeps the file locked while it lives, so other processes can tell a file in use from one
whose writer was killed. An incomplete line is never removed: the seal after it records its length.
"""

import fcntl
import os
import socket
from collections.abc import Iterator
from importlib.metadata import version
from itertools import takewhile
from pathlib import Path
from typing import Final, NamedTuple

from ror.audit.chain import Chain, Link, as_record, last_link
from ror.audit.records import Closed, FileHead, Opened, Sealed, encode
from ror.audit.trail.folder import FILE_MODE, Folder, Journal, day_of

_FIRST_LOOK: Final = 65_536
"""Bytes of the tail of a file that usually hold its last line."""
_ENDS: Final = (b'"kind":"closed"', b'"kind":"sealed"')


class ChainFile:
    """A file open for writing; bytes that the system did not take are kept and sent next time."""

    def __init__(self, folder: Folder, file: str, handle: int) -> None:
        self.file, self.day = file, day_of(file)
        self._path = folder.path / file
        self._handle = handle
        self._chain = Chain(file)
        self._unsent = bytearray()
        self._is_synced = True
        self.is_ended = False

    @property
    def end(self) -> FileHead:
        """The last link so far."""
        return FileHead(self.file, self._chain.lines, self._chain.head)

    def add(self, records: bytes) -> None:
        """Add records, in the form that `Chain.link` takes; the next `send` writes them."""
        self._unsent += self._chain.link(records)

    def send(self) -> None:
        """Write the pending bytes. Raises OSError if the system does not take them."""
        while self._unsent:
            self._is_synced = False
            del self._unsent[: os.write(self._handle, self._unsent)]

    def sync(self) -> None:
        """
        Write the pending bytes and return once they are on disk. Raises OSError if that fails.
        """
        self.send()
        if not self._is_synced:
            os.fdatasync(self._handle)
            self._is_synced = True

    def close(self, at: str) -> None:
        """
        Write the last line and close the file. Raises OSError if that fails; call again to retry.
        """
        if not self.is_ended:
            self._unsent += self._chain.link(encode(Closed(at=at)))
            self.is_ended = True
        self.sync()
        os.close(self._handle)

    def abandon(self) -> int:
        """Close a file that was removed; returns the number of lines that were never written."""
        os.close(self._handle)
        return self._unsent.count(b"\n")

    def is_in_place(self) -> bool:
        """Whether the file still has its name: neither deleted nor replaced."""
        try:
            named, opened = self._path.stat(), os.fstat(self._handle)
        except FileNotFoundError:
            return False
        return (named.st_ino, named.st_dev) == (opened.st_ino, opened.st_dev)


def create(folder: Folder, journal: Journal, at: str, former: FileHead | None = None) -> ChainFile:
    """
    A new file with its first line, durable; the caller holds the lock of the folder.

    `former` is the previous file of this process. Raises OSError if the file cannot be made.
    """
    files = folder.files()
    opened = Opened(
        at=at,
        file=folder.new_file(journal, at),
        process=os.getpid(),
        host=socket.gethostname(),
        version=version("ror"),
        key=folder.fingerprint(),
        before=_end_of(folder, files[-1]) if files else None,
        former=former,
        digest=folder.last_digest(),
    )
    path = folder.path / opened.file
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, FILE_MODE)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        made = ChainFile(folder, opened.file, handle)
        made.add(encode(opened))
        made.sync()
        folder.sync(path.parent)
    except OSError:
        os.close(handle)
        raise
    return made


def _end_of(folder: Folder, file: str) -> FileHead:
    chain = end(folder.path / file).chain(file)
    return FileHead(file, chain.lines, chain.head)


# --- files of others ------------------------------------------------------------------------------


class End(NamedTuple):
    """How a file ends: its last link, whether the link closes it, and the bytes after its line."""

    link: Link | None
    is_over: bool
    rest: bytes
    is_broken_off: bool
    """Whether the last line lacks its line end."""

    @property
    def torn_bytes(self) -> int:
        """The bytes of an incomplete line, and of incomplete seals after it."""
        return sum(
            map(
                len,
                takewhile(lambda text: as_record(text) is None, reversed(self.rest.split(b"\n"))),
            )
        )

    def chain(self, file: str) -> Chain:
        """The chain of the file, so far."""
        return Chain(file, self.link.number, self.link.head) if self.link else Chain(file)


def end(path: Path) -> End:
    """How a file ends; reads its tail only."""
    size = path.stat().st_size
    with path.open("rb") as file:
        looked = min(_FIRST_LOOK, size)
        while True:
            file.seek(size - looked)
            text = file.read(looked)
            link, rest = last_link(text)
            if link is not None or looked == size:
                break
            looked = min(4 * looked, size)
    is_over = link is not None and any(kind in link.body for kind in _ENDS)
    return End(link, is_over, rest, not text.endswith(b"\n"))


def is_in_use(path: Path) -> bool:
    """Whether a living process has the file open for writing."""
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def seal(folder: Folder, file: str, at: str) -> bool:
    """
    Whether a file is complete; seals it if its writer was killed. The caller holds the folder lock.
    """
    path = folder.path / file
    if is_in_use(path):
        return False
    tail = end(path)
    if tail.is_over:
        return True
    sealed = encode(Sealed(at=at, by=os.getpid(), torn_bytes=tail.torn_bytes))
    ended = b"\n" if tail.is_broken_off and (tail.rest or tail.link) else b""
    # The seal links the lines that were written and not linked.
    unlinked = tail.rest + (ended if tail.rest else b"")
    unsent = ended + tail.chain(file).link(unlinked + sealed)[len(unlinked) :]
    handle = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        while unsent:
            unsent = unsent[os.write(handle, unsent) :]
        os.fsync(handle)
    finally:
        os.close(handle)
    return True


def texts(path: Path) -> Iterator[bytes]:
    """The lines of a file without line ends; a line being written does not count."""
    is_live = is_in_use(path)
    with path.open("rb") as file:
        for text in file:
            if text.endswith(b"\n"):
                yield text[:-1]
                continue
            if not is_live:
                yield text
            # By now there may be more, which would be the rest of this line.
            return
