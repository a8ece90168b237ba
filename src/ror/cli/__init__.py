"""
The command line: a thin translator between a terminal and the rooms that do the work.

    audit_commands   `ror audit`
    auditing         what it does
    client_commands  `ror client`
    clients          what it does
    commands         the application and its main commands
    demo_clients     the clients of the demonstration
    demonstration    `ror demo`
    generation       `ror generate`
    importation      `ror import`
    key_commands     `ror keys`
    keys             what it does
    options          options shared by commands
    output           files written whole
    pki              what `ror pki` does
    pki_commands     `ror pki`
    policies         what `ror policy` does
    policy_commands  `ror policy`
    showing          `ror stats`, `ror explain`, `ror reindex`
    speaking         printing in the language of the user
    tracing          audit records of commands
"""

import os
import sys

from ror.cli.commands import app
from ror.cli.speaking import say, tell, told_usage
from ror.errors import RorError

USAGE: int = 2
"""The exit code of a command that cannot be carried out as given."""
INTERRUPTED: int = 130
PIPE_CLOSED: int = 141
"""What a shell reports for a program that is no longer listened to."""


def main() -> int:
    """Run the command of `sys.argv`; its exit code."""
    from typer import Abort
    from typer.exceptions import TyperException

    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except RorError as problem:
        for one in (problem, *problem.also):
            tell(one.text(say.language))
    except TyperException as problem:
        tell(told_usage(problem))
    except BrokenPipeError:
        # Otherwise the interpreter would try again at exit, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except (KeyboardInterrupt, Abort):
        return INTERRUPTED
    return USAGE
