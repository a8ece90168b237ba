"""`ror explain`, `ror stats`, `ror reindex`: what is inside a directory, and how it answers."""

import json
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from ror import runtime
from ror.access import SEES_EVERYTHING, Viewer
from ror.cli.speaking import answer, say, tell
from ror.errors import UsageError
from ror.search.answer.bodies import Bodies
from ror.search.answer.explaining import Explanation
from ror.search.answer.explaining import explain as explain_search
from ror.search.index.index import Index
from ror.settings import Settings
from ror.standard import terminology
from ror.store import database_file, open_store
from ror.store.contract import Store

MEGABYTE: Final = 1_000_000
UNFOLDED: Final = 1_000
"""Columns of a line that goes to a file or a pipe."""


@contextmanager
def _opened(settings: Settings) -> Iterator[tuple[Store, Index]]:
    """The store and its index, current at this moment."""
    runtime.use_tables(settings)
    store = existing_store(settings.database)
    try:
        index = Index(store, runtime.snapshot_folder(settings.database))
        index.open()
        yield store, index
    finally:
        store.close()


def existing_store(database: str) -> Store:
    """The store of a directory that is there: looking at one that is not must not make it."""
    path = database_file(database)
    if urlsplit(database).scheme == "sqlite" and not path.exists():
        raise UsageError("cli.no-database", path=path)
    return open_store(database)


def console() -> Console:
    """The terminal; what is not one has no width to fold lines at."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else UNFOLDED)


# --- explain ---------------------------------------------------------------------------------------------------------


def explanation(settings: Settings, url: str, machine: bool) -> None:
    """Run a search and show how it went."""
    with _opened(settings) as (store, index):
        bodies = Bodies(store, settings.body_cache_mb * MEGABYTE)
        # Whoever can read the database file can see everything in it.
        viewer = Viewer(SEES_EVERYTHING)
        found = explain_search(index, bodies, viewer, url, say.language, settings.max_included)
    if machine:
        answer(json.dumps(asdict(found), ensure_ascii=False))
        return
    terminal = console()
    terminal.print(_tree(found))
    terminal.print(_stages(found))
    total, pages, size = (say.number(number) for number in (found.total, found.pages, found.size))
    terminal.print(say("explain.summary", total=total, pages=pages, size=size))


def _tree(found: Explanation) -> Tree:
    """The tree of the search, a node a line."""
    query = "&".join(f"{name}={value}" for name, value in found.pairs)
    root = Tree(escape(f"{found.resource_type}?{query}" if query else found.resource_type))
    branches = [root]
    for node in found.nodes:
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


def _stages(found: Explanation) -> Table:
    table = Table(say("explain.stage"), box=None)
    for heading in ("explain.items", "explain.duration", "explain.size"):
        table.add_column(say(heading), justify="right")
    for stage in found.stages:
        duration = say("explain.milliseconds", milliseconds=say.number(stage.seconds * 1000, 3))
        size = "" if stage.size is None else say.number(stage.size)
        table.add_row(say(f"explain.{stage.name}"), say.number(stage.items), duration, size)
    return table


# --- stats -----------------------------------------------------------------------------------------------------------


def statistics(settings: Settings, machine: bool) -> None:
    """Show what a directory holds and the room it takes."""
    with _opened(settings) as (store, index):
        facts = _facts(store, index)
    if machine:
        answer(json.dumps(facts, ensure_ascii=False))
        return
    terminal = console()
    terminal.print(_counts(facts))
    terminal.print(_sizes(facts))


def _facts(store: Store, index: Index) -> dict[str, object]:
    counts = store.counts()
    size, total = store.size_on_disk(), sum(counts.values())
    provenance = terminology.provenance()
    return {
        "counts": counts,
        "total": total,
        "changes": store.last_change(),
        "last_change": _last_change(store),
        "disk_bytes": size,
        "bytes_per_resource": round(size / total) if total else None,
        "index_bytes": index.view.memory_bytes(),
        "dangling": store.dangling(0)[0],
        "terminology": {name: provenance[name] for name in ("publisher", "version", "read_on")},
    }


def _last_change(store: Store) -> str | None:
    """When the newest change was written, as an instant; None for an empty directory."""
    newest = store.changes_after(store.last_change() - 1, 1)
    if not newest:
        return None
    [row] = store.index_rows([newest[0].rid])
    written = store.history(row.type, row.id)[0].recorded_at
    return datetime.fromtimestamp(written / 1_000_000, UTC).isoformat(timespec="seconds")


def _counts(facts: dict[str, object]) -> Table:
    table = Table(say("cli.stats-type"), box=None, show_footer=True)
    table.columns[0].footer = say("cli.stats-total")
    table.add_column(say("cli.stats-count"), justify="right", footer=_number(facts["total"]))
    counts = facts["counts"]
    assert isinstance(counts, dict)
    for resource_type, count in counts.items():
        table.add_row(resource_type, say.number(count))
    return table


def _sizes(facts: dict[str, object]) -> Table:
    table = Table(box=None, show_header=False)
    each = facts["bytes_per_resource"]
    origin = facts["terminology"]
    assert isinstance(origin, dict)
    index_bytes, total = facts["index_bytes"], facts["total"]
    rows = {
        "cli.stats-changes": _number(facts["changes"]),
        "cli.stats-last-change": str(facts["last_change"] or say("cli.stats-never")),
        "cli.stats-disk": say(
            "cli.stats-bytes", megabytes=_megabytes(facts["disk_bytes"]), each=_number(each or 0)
        ),
        "cli.stats-index": say(
            "cli.stats-bytes", megabytes=_megabytes(index_bytes), each=_each(index_bytes, total)
        ),
        "cli.stats-dangling": _number(facts["dangling"]),
        "cli.stats-terminology": say(
            "cli.stats-release",
            publisher=origin["publisher"],
            release=origin["version"],
            read=origin["read_on"],
        ),
    }
    for key, value in rows.items():
        table.add_row(say(key), escape(value))
    return table


def _number(value: object) -> str:
    assert isinstance(value, int)
    return say.number(value)


def _megabytes(value: object) -> str:
    assert isinstance(value, int)
    return say.number(value / MEGABYTE, 1)


def _each(size: object, count: object) -> str:
    assert isinstance(size, int)
    assert isinstance(count, int)
    return say.number(size / count if count else 0)


# --- reindex ---------------------------------------------------------------------------------------------------------


def reindexed(settings: Settings) -> None:
    """Write a fresh index snapshot from the resources alone; a running server goes on with the one it has."""
    folder, start = runtime.snapshot_folder(settings.database), time.monotonic()
    store = existing_store(settings.database)
    try:
        shutil.rmtree(folder, ignore_errors=True)
        index = Index(store, folder)
        index.open()
        count, memory = index.view.resources(), index.view.memory_bytes()
    finally:
        store.close()
    tell(
        say(
            "cli.reindexed",
            count=say.number(count),
            seconds=say.number(time.monotonic() - start, 1),
            memory=say.number(memory / MEGABYTE, 1),
            folder=folder,
        )
    )
