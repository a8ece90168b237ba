"""
One file of a trail: lines are added at its end by the one process that opened it, and by nobody else.

The writer keeps the file locked for as long as it lives, so that anybody can tell a file that is being written from one
whose process was killed. A line that was cut in the middle is never taken away: the seal that is put after it says how
long it is.
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
"""Bytes of the end of a file that hold its last line, most of the time."""
_ENDS: Final = (b'"kind":"closed"', b'"kind":"sealed"')


class ChainFile:
    """A file in the hands of the process that writes it; what could not be sent is kept, and sent the next time."""

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
        """Add records, as `Chain.link` takes them; they go out with what is sent next."""
        self._unsent += self._chain.link(records)

    def send(self) -> None:
        """Give the system what it did not take yet. Raises OSError when it still does not."""
        while self._unsent:
            self._is_synced = False
            del self._unsent[: os.write(self._handle, self._unsent)]

    def sync(self) -> None:
        """Send what was not, and return once everything is on disk. Raises OSError when that cannot be."""
        self.send()
        if not self._is_synced:
            os.fdatasync(self._handle)
            self._is_synced = True

    def close(self, at: str) -> None:
        """Write the last line and let go of the file. Raises OSError when that cannot be; it may be tried again."""
        if not self.is_ended:
            self._unsent += self._chain.link(encode(Closed(at=at)))
            self.is_ended = True
        self.sync()
        os.close(self._handle)

    def abandon(self) -> int:
        """Let go of a file that is not where it was put; how many lines it never took."""
        os.close(self._handle)
        return self._unsent.count(b"\n")

    def is_in_place(self) -> bool:
        """Whether the file is still there under its name: neither deleted nor replaced."""
        try:
            found, held = self._path.stat(), os.fstat(self._handle)
        except FileNotFoundError:
            return False
        return (found.st_ino, found.st_dev) == (held.st_ino, held.st_dev)


def create(folder: Folder, journal: Journal, at: str, former: FileHead | None = None) -> ChainFile:
    """
    A new file with its first line, durable, in a folder that is locked.

    `former` is where the same process wrote before. Raises OSError when it cannot be made.
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


# --- files of others -------------------------------------------------------------------------------------------------


class End(NamedTuple):
    """How a file ends: its last link, whether that says that it is over, and the bytes after the link's end of line."""

    link: Link | None
    is_over: bool
    rest: bytes
    is_broken_off: bool
    """Whether the last line has no end."""

    @property
    def torn_bytes(self) -> int:
        """What there is of a line that is not whole, and of seals after it that were torn in their turn."""
        return sum(
            map(
                len,
                takewhile(lambda text: as_record(text) is None, reversed(self.rest.split(b"\n"))),
            )
        )

    def chain(self, file: str) -> Chain:
        """The chain so far of the file of this name."""
        return Chain(file, self.link.number, self.link.head) if self.link else Chain(file)


def end(path: Path) -> End:
    """How a file ends, without reading all of it."""
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
    is_over = link is not None and any(one in link.body for one in _ENDS)
    return End(link, is_over, rest, not text.endswith(b"\n"))


def is_in_use(path: Path) -> bool:
    """Whether a process that lives has the file open to write it."""
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
    Whether a file is over, in a folder that is locked; it is from now on if the process that wrote it was killed.
    """
    path = folder.path / file
    if is_in_use(path):
        return False
    found = end(path)
    if found.is_over:
        return True
    sealed = encode(Sealed(at=at, by=os.getpid(), torn_bytes=found.torn_bytes))
    ended = b"\n" if found.is_broken_off and (found.rest or found.link) else b""
    # What was written and not linked yet is linked by the seal.
    unlinked = found.rest + (ended if found.rest else b"")
    unsent = ended + found.chain(file).link(unlinked + sealed)[len(unlinked) :]
    handle = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        while unsent:
            unsent = unsent[os.write(handle, unsent) :]
        os.fsync(handle)
    finally:
        os.close(handle)
    return True


def texts(path: Path) -> Iterator[bytes]:
    """The lines of a file without their ends; what is being written is none yet."""
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
