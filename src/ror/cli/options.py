"""The options that several commands share, and the settings that follow from them."""

import os
from pathlib import Path
from typing import Annotated

import typer

from ror.cli.terminal import say
from ror.settings import Settings, load

Database = Annotated[
    str | None, typer.Option("--database", metavar="URL", help=say("setting.database"))
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help=say("cli.config"))
]
Machine = Annotated[bool, typer.Option("--json", help=say("cli.json"))]
By = Annotated[str | None, typer.Option("--by", metavar="NAME", help=say("cli.by"))]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help=say("cli.reason"))]
Create = Annotated[bool, typer.Option("--create", help=say("cli.create"))]
SizeName = Annotated[str, typer.Option("--size", metavar="SIZE", help=say("cli.size"))]
Seed = Annotated[int, typer.Option("--seed", min=0, help=say("cli.seed"))]


def settings(config: Path | None = None, **options: object) -> Settings:
    """The settings of this command: its options, then the environment, then the file."""
    return load(options, os.environ, config)
