"""The output of a command: a file, complete or absent, or standard output."""

import gzip
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from ror.errors import UsageError


@contextmanager
def opened(output: str, mode: int = 0o666) -> Iterator[BinaryIO]:
    """
    A file to write, `-` for standard output; compressed if its name ends in `.gz`.

    `mode` is that of the file. Raises UsageError if it cannot be written.
    """
    if output == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    # An incomplete file must not look like a complete one.
    partial = Path(f"{output}.part")
    try:
        with os.fdopen(os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, mode), "wb") as file:
            if output.endswith(".gz"):
                # Without a date, so that the same content is the same file.
                with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
                    yield cast(BinaryIO, packed)
            else:
                yield file
        partial.replace(output)
    except OSError as problem:
        raise UsageError("cli.cannot-write", file=output, problem=problem.strerror) from None
    finally:
        partial.unlink(missing_ok=True)
