"""Finding records in a trail: the selected days of all files, in the order of their instants."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final, NamedTuple, TypeGuard

from ror.audit.chain import as_record
from ror.audit.records import DAY_LENGTH, LAST_DAY, AnyRecord, AuditedRecord, Call
from ror.audit.trail import chain_file
from ror.audit.trail.folder import Folder, Journal, day_after, day_of

ANONYMOUS: Final = "-"
"""Selects calls without a token, in place of a client."""

_SHORT: Final = 1_000_000
"""Files up to this size, in bytes, are read at once."""


@dataclass(frozen=True, slots=True)
class Selection:
    """
    The records to find; a member that is None or empty selects everything.

    `since` and `until` are inclusive instants. `status` is like 404 or 4xx, `path` a part of a
    path, `value` the hash of a parameter value.
    """

    since: str = ""
    until: str = LAST_DAY
    client: str | None = None
    status: str | None = None
    path: str | None = None
    request_id: str | None = None
    value: str | None = None
    journals: tuple[Journal, ...] = ("calls", "acts")

    @property
    def _is_about_calls(self) -> bool:
        return any(
            criterion is not None
            for criterion in (self.client, self.status, self.path, self.request_id, self.value)
        )

    def holds(self, record: AnyRecord) -> TypeGuard[AuditedRecord]:
        """Whether a record is selected."""
        if not isinstance(record, AuditedRecord) or not self.since <= record.at <= self.until:
            return False
        if not isinstance(record, Call):
            return not self._is_about_calls
        return (
            (self.client is None or self.client == (record.client or ANONYMOUS))
            and (self.status is None or _is_like(str(record.status), self.status))
            and (self.path is None or self.path in record.path)
            and (self.request_id is None or self.request_id == record.request_id)
            and (self.value is None or any(self.value in text for _, text in record.query))
        )


class Match(NamedTuple):
    """A selected record: the bytes of its line, its file, and its line number there, from 1."""

    record: AuditedRecord
    text: bytes
    file: str
    number: int


def find(folder: Folder, wanted: Selection) -> Iterator[Match]:
    """The selected records, oldest first. Skips damaged lines: `verifying` reports them."""
    first, last = wanted.since[:DAY_LENGTH], day_after(wanted.until[:DAY_LENGTH])
    # A call answered at midnight may be in the file of the next day.
    files = [file for file in folder.files(*wanted.journals) if first <= day_of(file) <= last]
    for _, of_day in groupby(files, day_of):
        yield from heapq.merge(
            *(_in_file(folder, file, wanted) for file in of_day), key=lambda match: match.record.at
        )


def _in_file(folder: Folder, file: str, wanted: Selection) -> Iterator[Match]:
    texts = chain_file.texts(folder.path / file)
    # A day may have more short files than a process can keep open.
    for number, text in enumerate(
        list(texts) if (folder.path / file).stat().st_size <= _SHORT else texts, 1
    ):
        record = as_record(text)
        if record is not None and wanted.holds(record):
            yield Match(record, text, file, number)


def _is_like(status: str, pattern: str) -> bool:
    return len(status) == len(pattern) and all(
        a in ("x", "X", s) for s, a in zip(status, pattern, strict=True)
    )
