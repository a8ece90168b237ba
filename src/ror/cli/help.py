"""Help and usage errors in the user's language."""

import difflib
import re
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from ror.cli.terminal import say
from ror.errors import UsageError


def usage_error(problem: TyperException) -> str:
    """The text of a usage error, with the help that explains the command."""
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
            text = say("cli.no-such-option", name=name, near=near)
        case "MissingParameter":
            text = say("cli.missing", name=name)
        case "BadParameter":
            text = _bad_value(name, parameter)
        case "BadOptionUsage":
            text = say("cli.bad-option", name=name)
        case _:
            extra = _EXTRA.search(problem.format_message())
            text = (
                say("cli.extra-arguments", text=extra[1])
                if extra
                else say("cli.misused", problem=problem.format_message())
            )
    return f"{text} {say('cli.see-help', command=command)}"


_EXTRA: Final = re.compile(r"unexpected extra argument\(?s?\)? \((.*)\)")
"""How the command parser reports arguments that no command takes: it has no error type for them."""


def _bad_value(name: str, option: Any) -> str:
    """The values that an option accepts: a number between its bounds, if it has both."""
    low, high = getattr(option, "min", None), getattr(option, "max", None)
    if low is None or high is None:
        return say("cli.bad-value", name=name)
    return say("cli.out-of-bounds", name=name, low=low, high=high)


class _TranslatedHelp:
    """Prints the help of a command in the language of `say`."""

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


class Command(_TranslatedHelp, TyperCommand):
    """A command."""


class Group(_TranslatedHelp, TyperGroup):
    """A group of commands. For a mistyped command it names the closest one."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        names = self.list_commands(ctx)
        if args and args[0] not in names and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], names, n=1) or names
            raise UsageError("cli.unknown-command", name=args[0], near=", ".join(near))
        return super().resolve_command(ctx, args)


def application(help_text: str | None = None, cls: type[Group] = Group) -> typer.Typer:
    """Commands of the top level; with a help text, a command group."""
    return typer.Typer(
        cls=cls,
        help=help_text,
        no_args_is_help=help_text is not None,
        add_completion=False,
        rich_markup_mode="rich",
    )
