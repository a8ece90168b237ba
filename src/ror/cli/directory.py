"""`ror stats`: what a directory contains."""

import json
from datetime import UTC, datetime
from typing import Final

from rich.markup import escape
from rich.table import Table

from ror.cli.help import Command, application
from ror.cli.opening import opened_index
from ror.cli.options import ConfigFile, Database, Machine, settings
from ror.cli.terminal import console, say, write_line
from ror.search.index.index import Index
from ror.standard import terminology
from ror.store.contract import Store

MEGABYTE: Final = 1_000_000

app: Final = application()


@app.command("stats", cls=Command, help=say("cli.stats"))
def stats(database: Database = None, machine: Machine = False, config: ConfigFile = None) -> None:
    with opened_index(settings(config, database=database)) as (store, index):
        figures = _facts(store, index)
    if machine:
        write_line(json.dumps(figures, ensure_ascii=False))
        return
    terminal = console()
    terminal.print(_counts(figures))
    terminal.print(_sizes(figures))


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
    written = store.instant_of(store.last_change())
    if not written:
        return None
    return datetime.fromtimestamp(written / 1_000_000, UTC).isoformat(timespec="seconds")


def _counts(figures: dict[str, object]) -> Table:
    table = Table(say("cli.stats-type"), box=None, show_footer=True)
    table.columns[0].footer = say("cli.stats-total")
    table.add_column(say("cli.stats-count"), justify="right", footer=_number(figures["total"]))
    counts = figures["counts"]
    assert isinstance(counts, dict)
    for resource_type, count in counts.items():
        table.add_row(resource_type, say.number(count))
    return table


def _sizes(figures: dict[str, object]) -> Table:
    table = Table(box=None, show_header=False)
    each = figures["bytes_per_resource"]
    origin = figures["terminology"]
    assert isinstance(origin, dict)
    index_bytes, total = figures["index_bytes"], figures["total"]
    rows = {
        "cli.stats-changes": _number(figures["changes"]),
        "cli.stats-last-change": str(figures["last_change"] or say("cli.stats-never")),
        "cli.stats-disk": say(
            "cli.stats-bytes", megabytes=_megabytes(figures["disk_bytes"]), each=_number(each or 0)
        ),
        "cli.stats-index": say(
            "cli.stats-bytes", megabytes=_megabytes(index_bytes), each=_each(index_bytes, total)
        ),
        "cli.stats-dangling": _number(figures["dangling"]),
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
