"""
How lines are chained, and where a chain does not hold.

A line is the JSON of a record. The last of those that were written together is a link, which ends with the number of
the line in its file, counted from 1, and a hash:

    {"kind":"call",…}
    {"kind":"call",…,"n":7,"chain":"<64 hexadecimal digits>"}

The hash is the SHA-256 of the hash of the link before, followed by everything that stands between that link and this
hash: the lines before this one, then this one up to `,"chain"`. Before the first link stands the SHA-256 of the name of
the file. So no line can be changed, moved, taken away or put in without the hash of the next link telling, and the last
hash stands for all of them. `sha256sum` is enough to check it.
"""

import re
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Final, NamedTuple

from ror.audit.records import Closed, Kept, Opened, Sealed, decode
from ror.errors import NOT_JSON

_LINK: Final = re.compile(rb',"n":([0-9]{1,18}),"chain":"([0-9a-f]{64})"\}')
_LONGEST_LINK: Final = len(b',"n":,"chain":""}') + 18 + 64
_HASH: Final = b',"chain":"'


class Chain:
    """The end of a chain, to which lines are added; a fresh one begins with the name of its file."""

    def __init__(self, file: str, lines: int = 0, head: str | None = None) -> None:
        self.lines = lines
        self.head = head or genesis(file)

    def link(self, records: bytes) -> bytes:
        """
        The lines of records that are written together, with their ends of line; the last one becomes the last link.

        They are given as JSON, with an end of line between each and the next.
        """
        self.lines += records.count(b"\n") + 1
        linked = b'%b,"n":%d' % (records[:-1], self.lines)
        self.head = sha256(self.head.encode() + linked).hexdigest()
        return b'%b%b%b"}\n' % (linked, _HASH, self.head.encode())


def genesis(file: str) -> str:
    """What stands for the hash before the first link of a file."""
    return sha256(file.encode()).hexdigest()


# --- reading ---------------------------------------------------------------------------------------------------------


class Link(NamedTuple):
    """A line that is a link: its number, what is hashed of it, its hash."""

    number: int
    body: bytes
    head: str


def as_link(text: bytes) -> Link | None:
    """The link that a line is, given without its end of line; None when it is none."""
    found = _LINK.search(text, max(0, len(text) - _LONGEST_LINK))
    if found is None or found.end() != len(text):
        return None
    return Link(int(found[1]), text[: found.end(1)], found[2].decode())


def last_link(text: bytes) -> tuple[Link | None, bytes]:
    """The last link in the end of a file, and what stands after its end of line; None and all of it without one."""
    at = len(text)
    while (at := text.rfind(_HASH, 0, at)) >= 0:
        start, end = text.rfind(b"\n", 0, at) + 1, text.find(b"\n", at)
        # Only this line is copied: where links were damaged, all of them are tried.
        link = as_link(text[start:end] if end >= 0 else text[start:])
        if link is not None:
            return link, text[end + 1 :] if end >= 0 else b""
    return None, text


def as_record(text: bytes) -> Kept | None:
    """The record that a line tells, link or not; None when it tells none."""
    try:
        found: Kept = decode(text)
    except NOT_JSON:
        return None
    return found


class Break(NamedTuple):
    """
    A place where a chain does not hold: what is wrong there, and at which line, counted from 1.

    A link tells of the lines before it, too: what is wrong may be at any since `since`.
    """

    what: str
    at: int
    since: int | None = None


class Walk:
    """
    What is found while the lines of a file go by.

    `seen` is how many went by; `lines` and `head` are those of the last link, `opened` is the first record, `ended` the
    one that ends the chain.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self.seen = 0
        self.opened: Opened | None = None
        self.ended: Closed | Sealed | None = None
        self._astray = 0
        """How far lines stand behind where the last link says that they do."""
        self._holds_records = False
        """Whether there is any record but a seal."""
        self._torn, self._torn_bytes = range(0), 0
        """The lines before this one that are none, and their length: a seal may tell of them."""
        self._follow(0, genesis(file))

    def _follow(self, lines: int, head: str) -> None:
        """What comes next is chained to this hash."""
        self.lines, self.head = lines, head
        self._hashing = sha256(head.encode())
        self._since = self.seen + 1

    def over(self, texts: Iterable[bytes]) -> Iterator[Kept | Break]:
        """The records of lines given without their ends, and the breaks of the chain where they are found."""
        for text in texts:
            record, link = as_record(text), as_link(text)
            if self.seen == 0 and isinstance(record, Opened) and record.file != self._file:
                yield Break("another-file", 1)
                self._follow(0, genesis(record.file))
            self.seen += 1
            if self.ended is not None:
                yield Break("after-the-end", self.seen)
            if link is None:
                self._hashing.update(text + b"\n")
            else:
                yield from self._of_link(link)
            yield from self._of_record(record, text, is_linked=link is not None)
        yield from self._unread()
        # A process that was killed before its first line was whole leaves a file that only a seal can begin.
        is_stillborn = isinstance(self.ended, Sealed) and not self._holds_records
        if self.seen and self.opened is None and not is_stillborn:
            yield Break("no-opening", 1)

    def _of_link(self, link: Link) -> Iterator[Break]:
        self._hashing.update(link.body)
        if link.number + self._astray != self.seen:
            yield Break("not-in-sequence", self.seen, self._since)
            self._astray = self.seen - link.number
        elif self._hashing.hexdigest() != link.head:
            yield Break("changed", self.seen, self._since)
        # What follows is checked against what this link says, so that one change is told once.
        self._follow(link.number, link.head)

    def _of_record(
        self, record: Kept | None, text: bytes, is_linked: bool
    ) -> Iterator[Kept | Break]:
        if record is None and not is_linked:
            self._torn = range(self._torn.start or self.seen, self.seen + 1)
            self._torn_bytes += len(text)
            return
        if isinstance(record, Sealed) and record.torn_bytes == self._torn_bytes:
            self._torn, self._torn_bytes = range(0), 0
        yield from self._unread()
        if record is None:
            yield Break("not-a-record", self.seen)
        else:
            yield from self._in_place(record, is_linked)

    def _in_place(self, record: Kept, is_linked: bool) -> Iterator[Kept | Break]:
        if isinstance(record, Opened):
            if self.seen != 1:
                yield Break("opened-again", self.seen)
            self.opened = record
        elif isinstance(record, Closed | Sealed):
            self.ended = record
            if not is_linked:
                # The end of a file is written as a link: without one, no hash stands for the lines before it.
                yield Break("changed", self.seen, self._since)
        self._holds_records |= not isinstance(record, Sealed)
        yield record

    def _unread(self) -> Iterator[Break]:
        """The texts before, when they were no lines and no seal tells of them."""
        for number in self._torn:
            yield Break("not-a-line", number)
        self._torn, self._torn_bytes = range(0), 0
