"""
Text for a terminal: the user's language, numbers in that language, lines on either output.
"""

import os
import sys
from typing import TYPE_CHECKING

from ror import messages

if TYPE_CHECKING:
    from rich.console import Console

UNFOLDED: int = 1_000
"""The width, in columns, of output that goes to a file or a pipe."""


class _Speaker:
    """The texts of the message catalogue in one language."""

    def __init__(self, language: str) -> None:
        self.language = language

    def __call__(self, key: str, **params: object) -> str:
        return messages.text(key, self.language, **params)

    def number(self, value: float, decimals: int = 0) -> str:
        """A number with a thousands separator."""
        text = f"{value:,.{decimals}f}"
        return text.replace(",", "\u202f").replace(".", ",") if self.language == "fr" else text


def _environment_language() -> str:
    # The order in which POSIX reads them.
    values = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return messages.preferred_language(next((value for value in values if value), None))


say = _Speaker(_environment_language())
"""The texts of the catalogue in the language of this process."""


def write_notice(line: str) -> None:
    """Write a line for a person to standard error."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201 the terminal is the business of this room


def write_line(line: str = "") -> None:
    """Write a line of the result to standard output, and flush: a pipe may be waiting for it."""
    print(line, flush=True)  # noqa: T201 the terminal is the business of this room


def printable(file: str) -> str:
    """The name of a file as text; bytes that are not valid UTF-8 are escaped."""
    return os.fsencode(file).decode("utf-8", "backslashreplace")


def console() -> "Console":
    """A console for tables and trees. Output that goes to a file or a pipe is not folded."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else UNFOLDED)
