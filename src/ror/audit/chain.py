"""
How lines are chained, and where a chain does not hold.

A line is the JSON of a record with its number first and a hash last:

    {"n":7,"kind":"call",…,"chain":"<64 hexadecimal digits>"}

The hash is the SHA-256 of the hash of the line before followed by this line up to `,"chain"`; that of the first line
takes the SHA-256 of the name of the file for the hash before it. So no line can be changed, moved, taken away or put in
without the hash of the next one telling, and the last hash stands for all of them. `sha256sum` is enough to check it.
"""

import re
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Final, NamedTuple

import msgspec

from ror.audit.records import Closed, Kept, Opened, Sealed, decode

_END: Final = re.compile(rb',"chain":"([0-9a-f]{64})"\}')
_END_LENGTH: Final = len(b',"chain":""}') + 64
_NUMBER: Final = re.compile(rb'\{"n":([0-9]{1,18}),')


class Chain:
    """The end of a chain, to which lines are added; a fresh one begins with the name of its file."""

    def __init__(self, file: str, lines: int = 0, head: str | None = None) -> None:
        self.lines = lines
        self.head = head or genesis(file)

    def link(self, content: bytes) -> bytes:
        """The line of a record, given as JSON, which becomes the last one; with its end of line."""
        return self.link_all([content])

    def link_all(self, contents: Iterable[bytes]) -> bytes:
        """The same for several, one after the other."""
        head, number, lines = self.head.encode(), self.lines, list[bytes]()
        for content in contents:
            # What is hashed, in one piece: calls by the thousand come by here.
            hashed = b'%b{"n":%d,%b' % (head, number, content[1:-1])
            head = _hash(hashed).encode()
            lines += hashed[len(head) :], b',"chain":"', head, b'"}\n'
            number += 1
        self.head, self.lines = head.decode(), number
        return b"".join(lines)


def genesis(file: str) -> str:
    """What stands for the hash before the first line of a file."""
    return sha256(file.encode()).hexdigest()


def _hash(chained: bytes) -> str:
    """What stands at the end of a line: `chained` is the hash before it, followed by the line up to there."""
    return sha256(chained).hexdigest()


# --- reading ---------------------------------------------------------------------------------------------------------


class Line(NamedTuple):
    """A line that has the form of one: its number, what is hashed, its hash."""

    number: int
    body: bytes
    head: str


def as_line(text: bytes) -> Line | None:
    """The line that these bytes are, given without their end of line; None when they are none."""
    end, start = _END.fullmatch(text[-_END_LENGTH:]), _NUMBER.match(text)
    if end is None or start is None:
        return None
    return Line(int(start[1]), text[:-_END_LENGTH], end[1].decode())


class Break(NamedTuple):
    """A place where a chain does not hold: what is wrong there, and at which line, counted from 1."""

    what: str
    at: int


class Walk:
    """
    What is found while the lines of a file go by.

    `lines` and `head` are those of the chain so far, `opened` is its first record, `ended` the one that ends it.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self.lines = 0
        self.head = genesis(file)
        self.opened: Opened | None = None
        self.ended: Closed | Sealed | None = None
        self._torn: tuple[bytes, int] | None = None

    def over(self, texts: Iterable[bytes]) -> Iterator[Kept | Break]:
        """The records of lines given without their ends, and the breaks of the chain where they are found."""
        number = 0
        for number, text in enumerate(texts, 1):
            line = as_line(text)
            if line is None:
                yield from self._unread()
                self._torn = text, number
                continue
            yield from self._of_line(line, text, number)
        yield from self._unread()
        # A process that was killed before its first line was whole leaves a file that only a seal can begin.
        is_stillborn = isinstance(self.ended, Sealed) and self.lines == 1
        if number and self.opened is None and not is_stillborn:
            yield Break("no-opening", 1)

    def _of_line(self, line: Line, text: bytes, number: int) -> Iterator[Kept | Break]:
        record = _record(text)
        if self.ended is not None:
            yield Break("after-the-end", number)
        if number == 1 and isinstance(record, Opened) and record.file != self._file:
            yield Break("another-file", number)
            self.head = genesis(record.file)
        if line.number != self.lines:
            yield Break("not-in-sequence", number)
        elif _hash(self.head.encode() + line.body) != line.head:
            yield Break("changed", number)
        # What follows is checked against what this line says, so that one change is told once.
        self.lines, self.head = line.number + 1, line.head
        if isinstance(record, Sealed) and self._torn is not None and _is_told(record, self._torn[0]):
            self._torn = None
        yield from self._unread()
        if record is None:
            yield Break("not-a-record", number)
            return
        if isinstance(record, Opened):
            if number != 1:
                yield Break("opened-again", number)
            self.opened = record
        elif isinstance(record, Closed | Sealed):
            self.ended = record
        yield record

    def _unread(self) -> Iterator[Break]:
        """The text before, when it was no line and no seal tells of it."""
        if self._torn is not None:
            yield Break("not-a-line", self._torn[1])
            self._torn = None


def _record(text: bytes) -> Kept | None:
    try:
        found: Kept = decode(text)
    except msgspec.MsgspecError:
        return None
    return found


def _is_told(seal: Sealed, torn: bytes) -> bool:
    return seal.torn_bytes == len(torn) and seal.torn_sha256 == sha256(torn).hexdigest()
