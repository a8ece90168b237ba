"""`ror generate`: a fictitious directory as NDJSON, to a file or to a pipe."""

import gzip
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from ror.cli.speaking import say, tell
from ror.errors import UsageError
from ror.generating import SIZES, Size, generate


def size_named(name: str) -> Size:
    """The size of directory of this name. Raises UsageError when there is none."""
    try:
        return Size(name)
    except ValueError:
        raise UsageError("cli.unknown-size", name=name, known=", ".join(size.value for size in SIZES)) from None


def run(size_name: str, seed: int, output: str) -> None:
    """Write a directory to `output`, `-` for standard output; compressed when its name ends in `.gz`."""
    size, count = size_named(size_name), 0
    with _opened(output) as file:
        for line in generate(size, seed):
            file.write(line)
            file.write(b"\n")
            count += 1
    if output != "-":
        tell(say("cli.generated", count=say.number(count), output=output))


@contextmanager
def _opened(output: str) -> Iterator[BinaryIO]:
    if output == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    # Half a directory must not pass for a whole one.
    partial = Path(f"{output}.part")
    try:
        with partial.open("wb") as file:
            if output.endswith(".gz"):
                # Without a date, so that the same directory is the same file.
                with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
                    yield cast(BinaryIO, packed)
            else:
                yield file
        partial.replace(output)
    except OSError as problem:
        raise UsageError("cli.cannot-write", file=output, problem=problem.strerror) from None
    finally:
        partial.unlink(missing_ok=True)
