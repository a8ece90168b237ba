"""
The command line: a thin translator between a terminal and the rooms that do the work.

    commands      the `ror` command and the table of its commands
    audit         `ror audit`
    clients       `ror client`
    demo          `ror demo`
    directory     `ror stats`
    explain       `ror explain`
    generate      `ror generate`
    import_files  `ror import`
    keys          `ror keys`
    pki           `ror pki`
    policy        `ror policy`
    serve         `ror serve`
    upkeep        `ror init`, `ror reindex`, `ror upgrade`, `ror backup`
    help          help and usage errors in the user's language
    import_audit  what an import writes to the audit trail
    opening       the directory that a command works on
    options       options that several commands share
    output_file   output to a file, written whole or not at all
    terminal      text for a terminal, in the user's language
"""

import os
import sys

from ror.cli.commands import app
from ror.cli.help import usage_error
from ror.cli.terminal import say, write_notice
from ror.errors import RorError

USAGE: int = 2
"""The exit code of a command that reports an error."""
INTERRUPTED: int = 130
PIPE_CLOSED: int = 141
"""The exit code that shells report for a program whose output pipe was closed."""


def main() -> int:
    """Run the command of `sys.argv`; returns its exit code."""
    from typer import Abort
    from typer.exceptions import TyperException

    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except RorError as problem:
        for error in (problem, *problem.other_errors):
            write_notice(error.text(say.language))
    except TyperException as problem:
        write_notice(usage_error(problem))
    except BrokenPipeError:
        # Otherwise the interpreter would try again at exit, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except (KeyboardInterrupt, Abort):
        return INTERRUPTED
    return USAGE
