"""
`ror demo`: make a fictitious directory once, then serve it on this machine.

Two servers share the directory. One speaks plain HTTP and lets anyone on this machine read under
profile 2. The other speaks TLS and gives tokens to clients that prove who they are.
"""

import os
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import quote

import typer

from ror import runtime
from ror.audit.acts import AuditedClients
from ror.cli.demo import clients, directory
from ror.cli.demo.ports import FIRST, FIRST_TLS, chosen_or_free
from ror.cli.demo.second_server import second_server, tls_settings
from ror.cli.generate import size_named
from ror.cli.help import Command, application
from ror.cli.options import ConfigFile, Seed, SizeName
from ror.cli.terminal import say, write_line
from ror.errors import UsageError
from ror.http import serve
from ror.settings import Settings, load
from ror.store import open_store

REQUESTS: Final = (
    ("cli.demo-count", "HealthcareService?_summary=count"),
    ("cli.demo-near", "HealthcareService?location.near=48.8566%7C2.3522%7C5%7Ckm&_count=5"),
    ("cli.demo-include", "HealthcareService?_count=3&_include=HealthcareService:organization"),
)
"""Requests to try, each after the message key of its description."""

ANONYMOUS_PROFILE: Final = 2
"""The profile of those who coordinate care: everything but regulation and crisis data."""

ANY_PORT: Final = 0

OWN_FILES: Final = dict.fromkeys(
    ("audit_folder", "tls_certificate", "tls_key", "tls_client_authorities", "tls_client_crl"), ""
)
"""Settings that the demonstration overrides: it keeps its files in its own folder."""

app: Final = application()

Folder = Annotated[
    Path, typer.Option("--directory", metavar="FOLDER", help=say("cli.demo-directory"))
]
DEFAULT_FOLDER: Final = Path("var/demo")


@app.callback(invoke_without_command=True, help=say("cli.demo"))
def demo(
    context: typer.Context,
    size_name: SizeName = "small",
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65_535, help=say("cli.demo-port"))
    ] = None,
    tls_port: Annotated[
        int | None, typer.Option("--tls-port", min=1, max=65_535, help=say("cli.demo-tls-port"))
    ] = None,
    seed: Seed = 1,
    folder: Folder = DEFAULT_FOLDER,
    config: ConfigFile = None,
) -> None:
    if context.invoked_subcommand is not None:
        return
    size = size_named(size_name)
    settings, second = _settings(folder, port, tls_port, config)
    directory.make(settings, folder, size, seed)
    authority = clients.authority_of(folder.absolute())
    with closing(open_store(settings.database)) as store:
        acts = partial(runtime.open_acts, settings, store)
        clients.register(AuditedClients(store.clients, acts), folder)
    with_tls = tls_settings(settings, second, authority)
    instructions = clients.write_instructions(settings, with_tls, authority, folder)
    write_line(say("cli.demo-address", address=clients.address(settings)))
    for key, request in REQUESTS:
        write_line(say(key))
        write_line(f"  curl '{clients.address(settings)}/{request}'")
    write_line(say("cli.demo-clients", file=instructions, command=_clients_command(folder)))
    write_line(say("cli.demo-stop"))
    with second_server(with_tls):
        serve(settings)


def _settings(
    folder: Path, port: int | None, tls_port: int | None, config: Path | None
) -> tuple[Settings, int]:
    """The settings of the demonstration, with a free port, and the port of the second server."""
    database = f"sqlite:///{quote(str(folder / 'demo.db'))}"
    options = {**OWN_FILES, "database": database, "port": port}
    defaults = {"port": ANY_PORT, "anonymous_profile": ANONYMOUS_PROFILE}
    settings = load(options, os.environ, config, defaults)
    settings = replace(settings, port=chosen_or_free(settings, settings.port, FIRST))
    second = chosen_or_free(settings, tls_port, FIRST_TLS)
    return replace(settings, token_issuer=f"https://localhost:{second}"), second


def _clients_command(folder: Path) -> str:
    """The command that shows the clients of this folder."""
    chosen = "" if folder == DEFAULT_FOLDER else f" --directory '{folder}'"
    return f"ror demo clients{chosen}"


@app.command("clients", cls=Command, help=say("cli.demo-clients-help"))
def show_clients(folder: Folder = DEFAULT_FOLDER) -> None:
    try:
        text = (folder / clients.INSTRUCTIONS).read_text(encoding="utf-8")
    except OSError:
        raise UsageError("cli.no-demo", folder=folder) from None
    write_line(text.rstrip("\n"))
