"""
The `ror` command: the table of its commands, and the file that each is in.

A file is loaded when one of its commands runs: `ror --version` and `ror --help` load none.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Annotated, Any, Final

import typer

from ror.cli.help import Command, Group, application
from ror.cli.terminal import say, write_line

FILES: Final[Mapping[str, str]] = {
    "demo": "demo.command",
    "serve": "serve",
    "import": "import_files",
    "generate": "generate",
    "explain": "explain",
    "stats": "directory",
    "init": "upkeep",
    "reindex": "upkeep",
    "upgrade": "upkeep",
    "backup": "upkeep",
    "client": "clients",
    "keys": "keys",
    "pki": "pki",
    "policy": "policy",
    "audit": "audit",
}
"""The module in this folder of each command and command group; its `app` has the command."""


def load(name: str) -> Any:
    """The command or command group of this name, ready to run."""
    module = import_module(f"ror.cli.{FILES[name]}")
    app = typer.main.get_command(module.app)
    # An app with several commands of the top level, such as `reindex` and `upgrade`.
    return getattr(app, "commands", {}).get(name, app)


def every_command() -> Iterator[tuple[str, Any]]:
    """Every command with its full name, such as "client add"."""
    for name in FILES:
        command = load(name)
        # A group such as `ror demo` also runs without a subcommand.
        if getattr(command, "invoke_without_command", True):
            yield name, command
        for inner, member in getattr(command, "commands", {}).items():
            yield f"{name} {inner}", member


class _Ror(Group):
    """The `ror` command."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(FILES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The name and summary of a command, for `ror --help`. They need no file."""
        return Command(cmd_name, help=say(f"cli.{cmd_name}")) if cmd_name in FILES else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and load(command.name), rest


app: Final = application(say("cli.ror"), _Ror)


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        from importlib.metadata import version

        write_line(f"ror {version('ror')}")
        raise typer.Exit


@app.callback()
def ror(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help=say("cli.version")),
    ] = False,
) -> None:
    """Runs before every command. It gives the application its options and does nothing else."""
