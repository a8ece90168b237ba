"""`ror serve`: the HTTP server, with one option for each setting."""

import inspect
from typing import Annotated, Any, Final

import typer

from ror.cli.help import Command, application
from ror.cli.options import ConfigFile, Create, settings
from ror.cli.terminal import say
from ror.settings import SETTINGS

app: Final = application()


def serve(config: ConfigFile = None, create: Create = False, **options: str | None) -> None:
    # Loaded here, because the help of this command does not need a server.
    from ror.cli.upkeep import get_ready
    from ror.http import serve as serve_until_stopped

    current = settings(config, **options)
    get_ready(current, create=create)
    serve_until_stopped(current)


def _with_every_setting(command: Any) -> Any:
    """The command with an option for each row of the table of settings."""
    keyword = inspect.Parameter.KEYWORD_ONLY
    own = inspect.signature(command).parameters
    parameters = [own[name].replace(kind=keyword) for name in ("config", "create")]
    for setting in SETTINGS:
        default = "" if setting.default in (None, ()) else _as_typed(setting.default)
        text = setting.description(say.language) + (
            f" {say('cli.default').format(default)}" if default else ""
        )
        option = typer.Option(setting.option, metavar="TEXT", help=text)
        annotation = Annotated[str | None, option]
        parameters.append(
            inspect.Parameter(setting.name, keyword, default=None, annotation=annotation)
        )
    command.__signature__ = inspect.Signature(parameters)
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def _as_typed(value: object) -> str:
    """A default value as a user would type it."""
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


app.command("serve", cls=Command, help=say("cli.serve"))(_with_every_setting(serve))
