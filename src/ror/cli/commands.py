"""
What can be typed: every command with its arguments and options. What they do is in the modules they load.
"""

import inspect
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ror.cli import audit_commands, client_commands, key_commands, pki_commands, policy_commands
from ror.cli.options import ConfigFile, Database, Machine, settings
from ror.cli.speaking import SpokenCommand, SpokenGroup, answer, say
from ror.settings import SETTINGS

app: Final = typer.Typer(
    name="ror",
    cls=SpokenGroup,
    help=say("cli.ror"),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
)

SizeName = Annotated[str, typer.Option("--size", metavar="SIZE", help=say("cli.size"))]
Seed = Annotated[int, typer.Option("--seed", min=0, help=say("cli.seed"))]


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        answer(f"ror {version('ror')}")
        raise typer.Exit


@app.callback()
def ror(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help=say("cli.version")),
    ] = False,
) -> None:
    """Every command begins here; there is nothing to do."""


@app.command("demo", cls=SpokenCommand, help=say("cli.demo"))
def demo(
    size: SizeName = "small",
    port: Annotated[
        int, typer.Option("--port", min=1, max=65_535, help=say("setting.port"))
    ] = 8000,
    tls_port: Annotated[
        int, typer.Option("--tls-port", min=1, max=65_535, help=say("cli.demo-tls-port"))
    ] = 8443,
    seed: Seed = 1,
    directory: Annotated[
        Path, typer.Option("--directory", metavar="FOLDER", help=say("cli.demo-directory"))
    ] = Path("var/demo"),
) -> None:
    from ror.cli import demonstration

    demonstration.run(size, port, tls_port, seed, directory)


def serve(config: ConfigFile = None, **options: str | None) -> None:
    from ror.http import serve as serve_until_stopped

    serve_until_stopped(settings(config, **options))


def _with_every_setting(command: Any) -> Any:
    """The command with one option for each setting: the table of settings is the only list of them."""
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.signature(command).parameters["config"].replace(kind=keyword)]
    for one in SETTINGS:
        shown = "" if one.default in (None, ()) else _as_typed(one.default)
        text = one.description(say.language) + (
            f" {say('cli.default').format(shown)}" if shown else ""
        )
        option = typer.Option(one.option, metavar="TEXT", help=text)
        annotation = Annotated[str | None, option]
        parameters.append(inspect.Parameter(one.name, keyword, default=None, annotation=annotation))
    command.__signature__ = inspect.Signature(parameters)
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    return command


def _as_typed(value: object) -> str:
    """A default value as one would type it."""
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


app.command("serve", cls=SpokenCommand, help=say("cli.serve"))(_with_every_setting(serve))


@app.command("import", cls=SpokenCommand, help=say("cli.import"))
def import_(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help=say("cli.import-files"))],
    database: Database = None,
    author: Annotated[
        str, typer.Option("--author", metavar="NAME", help=say("cli.import-author"))
    ] = "import",
    workers: Annotated[
        int, typer.Option("--workers", min=0, max=64, help=say("cli.import-workers"))
    ] = 2,
    dry_run: Annotated[bool, typer.Option("--dry-run", help=say("cli.import-dry-run"))] = False,
    machine: Machine = False,
    config: ConfigFile = None,
) -> int:
    from ror.cli import importation

    return importation.run(
        settings(config, database=database), files, author, workers, dry_run, machine
    )


@app.command("generate", cls=SpokenCommand, help=say("cli.generate"))
def generate(
    size: SizeName = "small",
    seed: Seed = 1,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help=say("cli.generate-output"))
    ] = "-",
) -> None:
    from ror.cli import generation

    generation.run(size, seed, output)


@app.command("explain", cls=SpokenCommand, help=say("cli.explain"))
def explain(
    url: Annotated[str, typer.Argument(metavar="URL", help=say("cli.explain-url"))],
    database: Database = None,
    machine: Machine = False,
    config: ConfigFile = None,
) -> None:
    from ror.cli import showing

    showing.explanation(settings(config, database=database), url, machine)


@app.command("stats", cls=SpokenCommand, help=say("cli.stats"))
def stats(database: Database = None, machine: Machine = False, config: ConfigFile = None) -> None:
    from ror.cli import showing

    showing.statistics(settings(config, database=database), machine)


@app.command("reindex", cls=SpokenCommand, help=say("cli.reindex"))
def reindex(database: Database = None, config: ConfigFile = None) -> None:
    from ror.cli import showing

    showing.reindexed(settings(config, database=database))


app.add_typer(client_commands.app, name="client")
app.add_typer(key_commands.app, name="keys")
app.add_typer(pki_commands.app, name="pki")
app.add_typer(policy_commands.app, name="policy")
app.add_typer(audit_commands.app, name="audit")
