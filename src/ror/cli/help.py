"""Help and usage errors in the user's language."""

import difflib
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from ror.cli.terminal import say
from ror.errors import UsageError


def usage_error(problem: TyperException) -> str:
    """What is wrong with a command line, and which help shows what is right."""
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
