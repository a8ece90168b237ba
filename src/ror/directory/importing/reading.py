"""
The documents in files, folders and pipes, one at a time: NDJSON, single resources, entries of
Bundles, the last two in JSON or in XML.

The content gives the format, because pipes have no name: gzip by its first bytes, XML by its first
character, NDJSON by a first line that is a whole document. Memory holds one document at a time, and
none larger than a limit, however small it is when compressed.
"""

import gzip
import itertools
import re
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, cast

import msgspec

from ror.directory.draft import Refusal
from ror.errors import NOT_JSON, UsageError
from ror.resources import xml
from ror.resources.repeated_names import has_repeated_names, repeated_names
from ror.resources.validation import Issue

STDIN: Final = "-"
SUFFIXES: Final = (".json", ".ndjson", ".xml", ".gz")
"""The suffixes of the files that are read in a folder."""

MEGABYTE: Final = 1_000_000
MAX_DOCUMENT_BYTES: Final = 16 * MEGABYTE
"""
The default limit in bytes of a line, or of a document over several lines.
"""

_SKIPPED_AT_ONCE: Final = 65_536
_BOM: Final = b"\xef\xbb\xbf"
_GZIP: Final = b"\x1f\x8b"


class Place(NamedTuple):
    """
    The start of a document: a file, a line from 1 and, inside a Bundle, an entry from 0.
    """

    file: str
    line: int
    entry: int | None = None


class Document(NamedTuple):
    """A resource in JSON and its place, or the reason why it cannot be read."""

    place: Place
    content: bytes | Refusal


def documents(names: Sequence[str], largest: int = MAX_DOCUMENT_BYTES) -> Iterator[Document]:
    """
    Every document of these files and folders, in this order; a folder is read by file name.

    `-` is standard input. A document that cannot be read, or has more than `largest` bytes, is a
    refusal. Raises UsageError, before anything is read, for a missing file or an empty folder.
    """
    paths = [path for name in names for path in _files(name)]
    return itertools.chain.from_iterable(_of_file(path, largest) for path in paths)


def _files(name: str) -> list[str]:
    path = Path(name)
    if name == STDIN:
        return [name]
    if path.is_dir():
        files = sorted(
            str(file)
            for file in path.rglob("*")
            if file.is_file() and file.suffix.lower() in SUFFIXES
        )
        if not files:
            raise UsageError("import.empty-folder", folder=name, suffixes=", ".join(SUFFIXES))
        return files
    if not path.exists():
        raise UsageError("import.no-file", file=name)
    return [name]


def _of_file(name: str, largest: int) -> Iterator[Document]:
    """
    The documents of one file; a read error is a refusal after the documents before it.
    """
    line = 1
    try:
        with _opened(name) as stream:
            for document in _of_stream(name, stream, largest):
                line = document.place.line
                yield document
    except (OSError, EOFError, zlib.error) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        yield _refused(Place(name, line), "import.unreadable", "incomplete", problem=reason)


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    """The bytes of a file, decompressed if they are gzip."""
    with sys.stdin.buffer if name == STDIN else Path(name).open("rb") as raw:
        # Both are buffered readers, which can look ahead without consuming.
        if raw.peek(2)[:2] == _GZIP:  # type: ignore[union-attr]
            with gzip.open(raw) as unpacked:
                yield cast(BinaryIO, unpacked)
        else:
            yield cast(BinaryIO, raw)


def _of_stream(name: str, stream: BinaryIO, largest: int) -> Iterator[Document]:
    numbered = _lines(stream, largest)
    head = list(itertools.islice(numbered, 2))
    if not head:
        return
    is_xml = _begins_xml(head[0][1])
    if not is_xml and _begins_lines(*(line for _, line in head)):
        for number, line in itertools.chain(head, numbered):
            if line is None:
                yield _refused(
                    Place(name, number), "import.long-line", "too-long", **_size(largest)
                )
            else:
                yield from _of_document(Place(name, number), line)
        return
    place, start = Place(name, head[0][0]), b"".join(_with_gaps(head))
    rest = stream.read(max(0, largest - len(start)) + 1)
    if any(line is None for _, line in head) or len(start) + len(rest) > largest:
        yield _refused(place, "import.large-document", "too-long", **_size(largest))
    elif is_xml:
        yield from _of_xml(place, start + rest)
    else:
        yield from _of_document(place, start + rest)


def _begins_xml(first: bytes | None) -> bool:
    """Whether the first line of a stream is that of an XML document; no JSON begins so."""
    return first is not None and first.lstrip().startswith(b"<")


def _of_xml(place: Place, content: bytes) -> Iterator[Document]:
    """What `_of_document` gives for the same resource in JSON."""
    try:
        resource = xml.read(content)
    except xml.NotFhirXml as fault:
        params = {name: str(value) for name, value in fault.params.items()}
        issue = Issue("error", fault.issue, fault.expression or "", fault.key, params)
        yield Document(place, Refusal((issue,), fault.line - 1))
    else:
        yield from _of_document(place, _encode(resource))


def _size(largest: int) -> dict[str, str]:
    return {"largest": f"{largest / MEGABYTE:g}"}


def _begins_lines(first: bytes | None, second: bytes | None = b'{"') -> bool:
    """Whether the first two lines of a stream are documents, and not the start of a single one."""
    # The first line of a document over several lines is not valid JSON, and its second line is
    # not a document.
    return first is None or _is_whole(first) or (second or b"").startswith(b'{"')


def _lines(stream: BinaryIO, largest: int) -> Iterator[tuple[int, bytes | None]]:
    """
    The lines that are not blank, with their numbers, without byte order mark; None if too long.
    """
    for number in itertools.count(1):
        line = stream.readline(largest + 1)
        if not line:
            return
        if len(line) > largest and not line.endswith(b"\n"):
            _skip_line(stream)
            yield number, None
            continue
        content = line.removeprefix(_BOM) if number == 1 else line
        if content.strip():
            yield number, content


def _skip_line(stream: BinaryIO) -> None:
    """Skip the rest of a line."""
    while (part := stream.readline(_SKIPPED_AT_ONCE)) and not part.endswith(b"\n"):
        pass


def _with_gaps(head: Iterable[tuple[int, bytes | None]]) -> Iterator[bytes]:
    """
    The first lines of a document with the blank lines between them, so that line numbers are right.
    """
    last = None
    for number, line in head:
        yield b"\n" * (0 if last is None else number - last - 1)
        yield line or b""
        last = number


def _is_whole(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except NOT_JSON:
        return False
    return True


# --- bundles --------------------------------------------------------------------------------------


class _Named(msgspec.Struct):
    resourceType: str = ""  # noqa: N815 named as in FHIR
    id: str = ""


_Members = dict[str, msgspec.Raw]
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


def _of_document(place: Place, content: bytes) -> Iterator[Document]:
    """The document itself, or one for each entry if it is a Bundle of any type."""
    if not _is_bundle(content):
        yield Document(place, content)
        return
    try:
        bundle = msgspec.json.decode(content, type=_Members)
        written = bytes(bundle.get("entry", b"[]"))
        entries = msgspec.json.decode(written, type=list[_Members])
    except NOT_JSON as problem:
        yield _refused(place, "import.bad-bundle", "structure", "Bundle", problem=str(problem))
        return
    # The resources stay encoded: only the names of the Bundle itself are compared.
    if has_repeated_names(content, _encode(bundle)) or has_repeated_names(
        written, _encode(entries)
    ):
        paths = [f"Bundle.{path}" for path in repeated_names(content)]
        yield Document(place, Refusal(tuple(map(_repeated, paths))))
        return
    names = _names_by_address(entries)
    for number, entry in enumerate(entries):
        inside = place._replace(entry=number)
        if "resource" in entry:
            yield Document(inside, _resolved(bytes(entry["resource"]), names))
        else:
            yield _refused(inside, "import.no-resource", "required", "Resource")


def _is_bundle(content: bytes) -> bool:
    # Invalid JSON is not a Bundle: `prepare` reports its error.
    return b'"Bundle"' in content and _name(content).resourceType == "Bundle"


def _name(resource: bytes) -> _Named:
    """The type and the id of a resource, empty if they cannot be read."""
    try:
        return msgspec.json.decode(resource, type=_Named)
    except NOT_JSON:
        return _Named()


def _names_by_address(entries: Sequence[_Members]) -> Mapping[str, str]:
    """By `fullUrl`, the `Type/id` of the resource of each entry that has both."""
    names = {}
    for entry in entries:
        if "fullUrl" in entry and "resource" in entry:
            address, name = msgspec.json.decode(entry["fullUrl"]), _name(bytes(entry["resource"]))
            if isinstance(address, str) and name.resourceType and name.id:
                names[address] = f"{name.resourceType}/{name.id}"
    return names


_REFERENCE: Final = re.compile(rb'("reference"\s*:\s*)("(?:[^"\\]|\\.)*")')


def _resolved(resource: bytes, names: Mapping[str, str]) -> bytes:
    """
    A resource of a Bundle, with `Type/id` in place of references to the `fullUrl` of entries.

    Source: FHIR R4, bundle.html#references.
    """

    def name(reference: re.Match[bytes]) -> bytes:
        address, history, version = _text(reference[2]).partition("/_history/")
        named = names.get(address)
        return reference[0] if named is None else reference[1] + _encode(named + history + version)

    return _REFERENCE.sub(name, resource) if names else resource


def _text(written: bytes) -> str:
    """The value of a JSON string; "" if it is invalid."""
    try:
        return msgspec.json.decode(written, type=str)
    except NOT_JSON:
        return ""


def _repeated(path: str) -> Issue:
    return Issue("error", "structure", path, "import.repeated-name")


def _refused(place: Place, key: str, code: str, path: str = "", **params: str) -> Document:
    return Document(place, Refusal((Issue("error", code, path, key, params),)))
