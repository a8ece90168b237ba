"""
The documents in files, folders and pipes, one at a time: NDJSON, single resources, the entries of Bundles.

The form is recognised by the content, not by the name, because pipes have none: gzip by its first bytes, NDJSON by a
first line that is a whole document. Only a document written over several lines is held in memory whole.
"""

import gzip
import itertools
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, cast

import msgspec

from ror.directory.draft import Refusal
from ror.errors import NOT_JSON, UsageError
from ror.resources.validation import Issue

STDIN: Final = "-"
SUFFIXES: Final = (".json", ".ndjson", ".gz")
"""The files that are read in a folder."""

_BOM: Final = b"\xef\xbb\xbf"
_GZIP: Final = b"\x1f\x8b"


class Place(NamedTuple):
    """Where a document begins: a file, its line from 1, and the entry from 0 when it is inside a Bundle."""

    file: str
    line: int
    entry: int | None = None


class Document(NamedTuple):
    """One JSON document and where it is, or why there is none to be read there."""

    place: Place
    content: bytes | Refusal


def documents(names: Sequence[str]) -> Iterator[Document]:
    """
    Every document of these files and folders, in the order given and by name inside a folder; `-` is standard input.

    What cannot be read further on comes as a refusal. Raises UsageError, before anything is read, when a file does not
    exist or a folder has nothing to read.
    """
    paths = [path for name in names for path in _files(name)]
    return itertools.chain.from_iterable(_of_file(path) for path in paths)


def _files(name: str) -> list[str]:
    path = Path(name)
    if name == STDIN:
        return [name]
    if path.is_dir():
        found = sorted(
            str(one) for one in path.rglob("*") if one.is_file() and one.suffix.lower() in SUFFIXES
        )
        if not found:
            raise UsageError("import.empty-folder", folder=name, suffixes=", ".join(SUFFIXES))
        return found
    if not path.exists():
        raise UsageError("import.no-file", file=name)
    return [name]


def _of_file(name: str) -> Iterator[Document]:
    """The documents of one file; a file that breaks on the way gives a refusal after what could be read."""
    line = 1
    try:
        with _opened(name) as stream:
            for document in _of_stream(name, stream):
                line = document.place.line
                yield document
    except (OSError, EOFError, zlib.error) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        yield _refused(Place(name, line), "import.unreadable", "incomplete", problem=reason)


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    """The bytes of a file, decompressed when they are gzip."""
    with sys.stdin.buffer if name == STDIN else Path(name).open("rb") as raw:
        # Both are buffered readers, which can look ahead without consuming.
        if raw.peek(2)[:2] == _GZIP:  # type: ignore[union-attr]
            with gzip.open(raw) as unpacked:
                yield cast(BinaryIO, unpacked)
        else:
            yield cast(BinaryIO, raw)


def _of_stream(name: str, stream: BinaryIO) -> Iterator[Document]:
    numbered = _lines(stream)
    head = list(itertools.islice(numbered, 2))
    if not head:
        return
    # A document over several lines begins with a line that means nothing alone, and its second line is not a document.
    is_lines = len(head) == 1 or _is_whole(head[0][1]) or head[1][1].startswith(b'{"')
    if is_lines:
        for number, line in itertools.chain(head, numbered):
            yield from _of_document(Place(name, number), line)
    else:
        whole = b"".join((*_with_gaps(head), stream.read()))
        yield from _of_document(Place(name, head[0][0]), whole)


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines that hold something, with their numbers, without byte order mark."""
    for number, line in enumerate(stream, 1):
        content = line.removeprefix(_BOM) if number == 1 else line
        if content.strip():
            yield number, content


def _with_gaps(head: Iterable[tuple[int, bytes]]) -> Iterator[bytes]:
    """The first lines of a document with the blank ones between them, so that lines inside it count right."""
    last = None
    for number, line in head:
        yield b"\n" * (0 if last is None else number - last - 1)
        yield line
        last = number


def _is_whole(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except NOT_JSON:
        return False
    return True


# --- bundles ---------------------------------------------------------------------------------------------------------


class _Typed(msgspec.Struct):
    resourceType: str = ""  # noqa: N815 named as in FHIR


class _Entry(msgspec.Struct):
    resource: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Bundle(msgspec.Struct):
    entry: list[_Entry] = []


def _of_document(place: Place, content: bytes) -> Iterator[Document]:
    """The document itself, or one for each entry when it is a Bundle, whatever its type."""
    if not _is_bundle(content):
        yield Document(place, content)
        return
    try:
        bundle = msgspec.json.decode(content, type=_Bundle)
    except NOT_JSON as problem:
        yield _refused(place, "import.bad-bundle", "structure", "Bundle", problem=str(problem))
        return
    for number, entry in enumerate(bundle.entry):
        inside = place._replace(entry=number)
        if isinstance(entry.resource, msgspec.UnsetType):
            yield _refused(inside, "import.no-resource", "required", "Resource")
        else:
            yield Document(inside, bytes(entry.resource))


def _is_bundle(content: bytes) -> bool:
    if b'"Bundle"' not in content:
        return False
    try:
        return msgspec.json.decode(content, type=_Typed).resourceType == "Bundle"
    except NOT_JSON:
        # Broken JSON: preparing it will say where.
        return False


def _refused(place: Place, key: str, code: str, path: str = "", **params: str) -> Document:
    return Document(place, Refusal((Issue("error", code, path, key, params),)))
