"""`ror generate`: a fictitious directory as NDJSON, to a file or to a pipe."""

from ror.cli.output import opened
from ror.cli.speaking import say, tell
from ror.errors import UsageError
from ror.samples import SIZES, Size, generate


def size_named(name: str) -> Size:
    """The size of directory of this name. Raises UsageError when there is none."""
    try:
        return Size(name)
    except ValueError:
        raise UsageError(
            "cli.unknown-size", name=name, known=", ".join(size.value for size in SIZES)
        ) from None


def run(size_name: str, seed: int, output: str) -> None:
    """Write a directory to `output`, `-` for standard output; compressed when its name ends in `.gz`."""
    size, count = size_named(size_name), 0
    with opened(output) as file:
        for line in generate(size, seed):
            file.write(line)
            file.write(b"\n")
            count += 1
    if output != "-":
        tell(say("cli.generated", count=say.number(count), output=output))
