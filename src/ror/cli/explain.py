"""`ror explain`: how a search is evaluated, step by step."""

import json
from dataclasses import asdict
from typing import Annotated, Final

import typer
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from ror.access import SEES_EVERYTHING, Viewer
from ror.cli.help import Command, application
from ror.cli.opening import opened_index
from ror.cli.options import ConfigFile, Database, Machine, settings
from ror.cli.terminal import console, say, write_line
from ror.search.answer import explaining
from ror.search.answer.bodies import BodyCache
from ror.search.answer.explaining import Explanation

MEGABYTE: Final = 1_000_000

app: Final = application()


@app.command("explain", cls=Command, help=say("cli.explain"))
def explain(
    url: Annotated[str, typer.Argument(metavar="URL", help=say("cli.explain-url"))],
    database: Database = None,
    machine: Machine = False,
    config: ConfigFile = None,
) -> None:
    current = settings(config, database=database)
    with opened_index(current) as (store, index):
        bodies = BodyCache(store, current.body_cache_mb * MEGABYTE)
        # A user who can read the database file can see everything in it.
        viewer = Viewer(SEES_EVERYTHING)
        explanation = explaining.explain(
            index, bodies, viewer, url, say.language, current.max_included
        )
    if machine:
        write_line(json.dumps(asdict(explanation), ensure_ascii=False))
        return
    terminal = console()
    terminal.print(_tree(explanation))
    for warning in explanation.warnings:
        terminal.print(escape(warning))
    terminal.print(_stages(explanation))
    total, pages, size = (
        say.number(number) for number in (explanation.total, explanation.pages, explanation.size)
    )
    terminal.print(say("explain.summary", total=total, pages=pages, size=size))


def _tree(explanation: Explanation) -> Tree:
    """The tree of a search, one node per line."""
    query = "&".join(f"{name}={value}" for name, value in explanation.pairs)
    root = Tree(
        escape(f"{explanation.resource_type}?{query}" if query else explanation.resource_type)
    )
    branches = [root]
    for node in explanation.nodes:
        text = say(
            "explain.node",
            type=node.resource_type,
            meaning=node.meaning,
            found=say.number(node.matches),
            touched=say.number(node.touched),
            milliseconds=say.number(node.seconds * 1000, 3),
        )
        del branches[node.depth + 1 :]
        branches.append(branches[-1].add(escape(text)))
    return root


def _stages(explanation: Explanation) -> Table:
    table = Table(say("explain.stage"), box=None)
    for heading in ("explain.items", "explain.duration", "explain.size"):
        table.add_column(say(heading), justify="right")
    for stage in explanation.stages:
        duration = say("explain.milliseconds", milliseconds=say.number(stage.seconds * 1000, 3))
        size = "" if stage.size is None else say.number(stage.size)
        table.add_row(say(f"explain.{stage.name}"), say.number(stage.items), duration, size)
    return table
