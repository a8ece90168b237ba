"""`ror generate`: a fictitious directory as NDJSON, to a file or to a pipe."""

from typing import Annotated, Final

import typer

from ror.cli.help import Command, application
from ror.cli.options import Seed, SizeName
from ror.cli.output_file import opened
from ror.cli.terminal import say, write_notice
from ror.errors import UsageError
from ror.samples import SIZES, Size
from ror.samples import generate as generate_lines

app: Final = application()


def size_named(name: str) -> Size:
    """The size of directory of this name. Raises UsageError when there is none."""
    try:
        return Size(name)
    except ValueError:
        raise UsageError(
            "cli.unknown-size", name=name, known=", ".join(size.value for size in SIZES)
        ) from None


@app.command("generate", cls=Command, help=say("cli.generate"))
def generate(
    size: SizeName = "small",
    seed: Seed = 1,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help=say("cli.generate-output"))
    ] = "-",
) -> None:
    lines, count = generate_lines(size_named(size), seed), 0
    with opened(output) as file:
        for line in lines:
            file.write(line)
            file.write(b"\n")
            count += 1
    if output != "-":
        write_notice(say("cli.generated", count=say.number(count), output=output))
