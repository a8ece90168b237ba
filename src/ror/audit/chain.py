"""
Chaining the lines of a file by hash, and finding where a chain is broken.

A line is the JSON of a record. The last line of a batch is a link: it ends with its line number,
counted from 1, and a hash:

    {"kind":"call",…}
    {"kind":"call",…,"n":7,"chain":"<64 hexadecimal digits>"}

The hash is the SHA-256 of the previous link's hash followed by everything between that link and
this hash: the lines in between, then this line up to `,"chain"`. The first link starts from the
SHA-256 of the file name. So no line can be changed, moved, removed or inserted unless the next hash
shows it, and the last hash covers all lines. `sha256sum` is enough to check a chain.
"""

import re
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Final, NamedTuple

from ror.audit.records import AnyRecord, Closed, Opened, Sealed, decode
from ror.errors import NOT_JSON

_LINK: Final = re.compile(rb',"n":([0-9]{1,18}),"chain":"([0-9a-f]{64})"\}')
_LONGEST_LINK: Final = len(b',"n":,"chain":""}') + 18 + 64
_HASH: Final = b',"chain":"'


class Chain:
    """The end of a chain, to which lines are added; a new chain starts from its file name."""

    def __init__(self, file: str, lines: int = 0, head: str | None = None) -> None:
        self.lines = lines
        self.head = head or genesis(file)

    def link(self, records: bytes) -> bytes:
        """
        The lines of a batch of records, with their line ends; the last line becomes the last link.

        `records` is JSON, one record a line, without the last line end.
        """
        self.lines += records.count(b"\n") + 1
        linked = b'%b,"n":%d' % (records[:-1], self.lines)
        self.head = sha256(self.head.encode() + linked).hexdigest()
        return b'%b%b%b"}\n' % (linked, _HASH, self.head.encode())


def genesis(file: str) -> str:
    """The hash that precedes the first link of a file."""
    return sha256(file.encode()).hexdigest()


# --- reading --------------------------------------------------------------------------------------


class Link(NamedTuple):
    """A line that is a link: its number, its hashed bytes, its hash."""

    number: int
    body: bytes
    head: str


def as_link(text: bytes) -> Link | None:
    """The link that a line, without its line end, holds; None if it holds none."""
    match = _LINK.search(text, max(0, len(text) - _LONGEST_LINK))
    if match is None or match.end() != len(text):
        return None
    return Link(int(match[1]), text[: match.end(1)], match[2].decode())


def last_link(text: bytes) -> tuple[Link | None, bytes]:
    """
    The last link in the tail of a file, and the bytes after its line; None and the whole tail
    without link.
    """
    at = len(text)
    while (at := text.rfind(_HASH, 0, at)) >= 0:
        start, end = text.rfind(b"\n", 0, at) + 1, text.find(b"\n", at)
        # Copies only this line: in a damaged file every candidate is tried.
        link = as_link(text[start:end] if end >= 0 else text[start:])
        if link is not None:
            return link, text[end + 1 :] if end >= 0 else b""
    return None, text


def as_record(text: bytes) -> AnyRecord | None:
    """The record of a line, link or not; None if the line holds none."""
    try:
        record: AnyRecord = decode(text)
    except NOT_JSON:
        return None
    return record


class Break(NamedTuple):
    """
    A break in a chain: what is wrong, and at which line, counted from 1.

    A link covers the lines before it too: the fault may be at any line from `since` on.
    """

    what: str
    at: int
    since: int | None = None


class Walk:
    """
    A pass over the lines of a file.

    `seen` counts the lines so far; `lines` and `head` are those of the last link, `opened` is the
    first record, `ended` the record that ends the chain.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self.seen = 0
        self.opened: Opened | None = None
        self.ended: Closed | Sealed | None = None
        self._offset = 0
        """How many lines the file is ahead of the number in the last link."""
        self._holds_records = False
        """Whether the file holds any record other than a seal."""
        self._torn, self._torn_bytes = range(0), 0
        """The unreadable lines before this one, and their length: a seal may account for them."""
        self._follow(0, genesis(file))

    def _follow(self, lines: int, head: str) -> None:
        """Chain the following lines to this hash."""
        self.lines, self.head = lines, head
        self._hashing = sha256(head.encode())
        self._since = self.seen + 1

    def over(self, texts: Iterable[bytes]) -> Iterator[AnyRecord | Break]:
        """The records of lines without line ends, and the breaks of the chain, in order."""
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
        # A process killed before its first line was complete leaves a file that starts with a seal.
        is_stillborn = isinstance(self.ended, Sealed) and not self._holds_records
        if self.seen and self.opened is None and not is_stillborn:
            yield Break("no-opening", 1)

    def _of_link(self, link: Link) -> Iterator[Break]:
        self._hashing.update(link.body)
        if link.number + self._offset != self.seen:
            yield Break("not-in-sequence", self.seen, self._since)
            self._offset = self.seen - link.number
        elif self._hashing.hexdigest() != link.head:
            yield Break("changed", self.seen, self._since)
        # The next lines are checked against this link, so that one change is reported once.
        self._follow(link.number, link.head)

    def _of_record(
        self, record: AnyRecord | None, text: bytes, is_linked: bool
    ) -> Iterator[AnyRecord | Break]:
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

    def _in_place(self, record: AnyRecord, is_linked: bool) -> Iterator[AnyRecord | Break]:
        if isinstance(record, Opened):
            if self.seen != 1:
                yield Break("opened-again", self.seen)
            self.opened = record
        elif isinstance(record, Closed | Sealed):
            self.ended = record
            if not is_linked:
                # The last record of a file is a link: without it no hash covers the lines before.
                yield Break("changed", self.seen, self._since)
        self._holds_records |= not isinstance(record, Sealed)
        yield record

    def _unread(self) -> Iterator[Break]:
        """Breaks for the unreadable lines before, unless a seal accounts for them."""
        for number in self._torn:
            yield Break("not-a-line", number)
        self._torn, self._torn_bytes = range(0), 0
