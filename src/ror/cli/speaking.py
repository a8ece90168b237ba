"""
How the command line speaks: the language of the environment, numbers as people write them, help and usage errors.
"""

import difflib
import os
import sys
from typing import Any

from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from ror import messages
from ror.errors import UsageError


class _Speaker:
    """Says the texts of the catalogue in one language."""

    def __init__(self, language: str) -> None:
        self.language = language

    def __call__(self, key: str, **params: object) -> str:
        return messages.text(key, self.language, **params)

    def number(self, value: float, decimals: int = 0) -> str:
        """A number with its thousands apart."""
        text = f"{value:,.{decimals}f}"
        return text.replace(",", "\u202f").replace(".", ",") if self.language == "fr" else text


def _environment_language() -> str:
    # The order in which POSIX reads them.
    named = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return messages.preferred_language(next((value for value in named if value), None))


say = _Speaker(_environment_language())
"""The texts of the catalogue in the language of this process."""


def tell(line: str) -> None:
    """Write a line for people on standard error."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201 the terminal is the business of this room


def answer(line: str = "") -> None:
    """Write a line of the answer on standard output, at once: what it says is wanted while a server runs, say."""
    print(line, flush=True)  # noqa: T201 the terminal is the business of this room


def readable(file: str) -> str:
    """The name of a file as a text; bytes in it that are none are escaped."""
    return os.fsencode(file).decode("utf-8", "backslashreplace")


def told_usage(problem: TyperException) -> str:
    """What is wrong with a command line, and how to see what would be right."""
    context: Any = getattr(problem, "ctx", None)
    parameter: Any = getattr(problem, "param", None)
    command = context.command_path if context is not None else "ror"
    name = getattr(problem, "option_name", "") or (
        parameter.get_error_hint() if parameter is not None else ""
    )
    match type(problem).__name__:
        case "NoArgsIsHelpError":
            return problem.format_message()
        case "NoSuchOption":
            near = ", ".join(getattr(problem, "possibilities", None) or ()) or "--help"
            what = say("cli.no-such-option", name=name, near=near)
        case "MissingParameter":
            what = say("cli.missing", name=name)
        case "BadParameter":
            what = say("cli.bad-value", name=name)
        case "BadOptionUsage":
            what = say("cli.bad-option", name=name)
        case _:
            what = say("cli.misused", problem=problem.format_message())
    return f"{what} {say('cli.see-help', command=command)}"


# --- help ------------------------------------------------------------------------------------------------------------


class _SpokenHelp:
    """Gives a command its help in the language of `say`."""

    def get_help_option(self, ctx: Any) -> Any:
        option = super().get_help_option(ctx)  # type: ignore[misc]  # the other parent has it
        if option is not None:
            option.help = say("cli.help-option")
        return option

    def format_help(self, ctx: Any, formatter: Any) -> None:
        # Loaded here, because it takes longer than most commands.
        from typer import rich_utils

        rich_utils.ARGUMENTS_PANEL_TITLE = say("cli.arguments")
        rich_utils.OPTIONS_PANEL_TITLE = say("cli.options")
        rich_utils.COMMANDS_PANEL_TITLE = say("cli.commands")
        rich_utils.DEFAULT_STRING = say("cli.default")
        rich_utils.REQUIRED_LONG_STRING = say("cli.required")
        super().format_help(ctx, formatter)  # type: ignore[misc]  # the other parent has it


class SpokenCommand(_SpokenHelp, TyperCommand):
    """A command."""


class SpokenGroup(_SpokenHelp, TyperGroup):
    """The group of all commands, which says the nearest of them to who mistypes one."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        names = self.list_commands(ctx)
        if args and args[0] not in names and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], names, n=1) or names
            raise UsageError("cli.unknown-command", name=args[0], near=", ".join(near))
        return super().resolve_command(ctx, args)
