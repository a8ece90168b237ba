"""
The figures of a run and their targets, for a terminal and for the documentation.

The page shows the targets, and a second page beside it every table. A JSON file beside both holds
the figures of the last run of each size; both pages, and the growth from one size to another, are
written from it.
"""

import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table as Shown

TITLE: Final = "# Performance"
GROWTH: Final = ("medium", "national")
"""The two sizes that the growth table compares."""


class Aim(msgspec.Struct, frozen=True, omit_defaults=True):
    """The target of a figure: a lower or an upper bound."""

    bound: float
    at_least: bool = True

    def is_met(self, value: float) -> bool:
        """Whether a value meets the target."""
        return value >= self.bound if self.at_least else value <= self.bound


class Figure(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    One measured value, shown with `decimals` digits after the point.

    `of` names the workload, or "disk" or "access" for a part of one of these. The growth table
    compares costs.
    """

    name: str
    value: float
    unit: str = ""
    decimals: int = 0
    aim: Aim | None = None
    of: str = ""
    is_cost: bool = False

    @property
    def full_name(self) -> str:
        """The name of the figure with that of its workload."""
        return f"{self.of} {self.name}".lstrip()

    @property
    def shown(self) -> str:
        """The value with its unit."""
        return self._shown(self.value)

    @property
    def judged(self) -> tuple[str, str, str, str]:
        """The row of the figure in the table of targets."""
        assert self.aim is not None
        bound = f"{'≥' if self.aim.at_least else '≤'} {self._shown(self.aim.bound)}"
        return self.full_name, self.shown, bound, "yes" if self.aim.is_met(self.value) else "NO"

    def _shown(self, value: float) -> str:
        return f"{value:,.{self.decimals}f} {self.unit}".rstrip()


class Results(msgspec.Struct, frozen=True):
    """The figures of one run on one machine, and a description of each workload."""

    size: str
    resources: int
    conditions: str
    workloads: dict[str, str]
    figures: list[Figure]


def conditions(size: str, resources: int, seconds: float, paces_ms: Sequence[float]) -> str:
    """
    One line: what was measured, where, when, the load of the machine and its speed during the run.
    """
    paces = ", ".join(f"{pace:.0f}" for pace in paces_ms)
    return (
        f"{resources:,} generated resources ({size}), {seconds:g} s per workload; {machine()}; "
        f"{datetime.now(UTC):%Y-%m-%d}, load average {os.getloadavg()[1]:.1f}, a million additions in {paces} ms"
    )


def machine() -> str:
    """The machine and the interpreter, in one line."""
    return (
        f"{os.cpu_count()} cores of {_cpu_model()}, {_memory()}, Python {platform.python_version()}"
    )


# --- tables ---------------------------------------------------------------------------------------

Rows = Sequence[Sequence[str]]
"""The first row is the header."""


def tables(results: Results) -> Iterator[tuple[str, Rows]]:
    """The title and the rows of each table of a run; the first table holds the targets."""
    yield "Targets", _targets(results)
    general = [figure for figure in results.figures if not figure.of]
    yield (
        "Loading, starting, paging, memory",
        [("figure", "measured"), *((figure.name, figure.shown) for figure in general)],
    )
    yield "Workloads", _by_workload(results)
    yield "Disk per resource", _by_part(results, "disk")
    yield "Disk per resource, access policy", _by_part(results, "access")


def _targets(results: Results) -> Rows:
    rows = [figure.judged for figure in results.figures if figure.aim is not None]
    return [("figure", "measured", "target", "met"), *rows]


def _by_part(results: Results, of: str) -> Rows:
    """The parts of a figure, the largest first."""
    parts = sorted((one for one in results.figures if one.of == of), key=lambda one: -one.value)
    return [("part", "measured"), *((one.name, one.shown) for one in parts)]


def _by_workload(results: Results) -> Rows:
    """One column for each workload, one row for each figure."""
    measured = [
        name for name in results.workloads if any(one.of == name for one in results.figures)
    ]
    cells = {(one.of, one.name): one.shown for one in results.figures if one.of in measured}
    rows = [
        (name, *(cells.get((of, name), "") for of in measured))
        for name in dict.fromkeys(name for _, name in cells)
    ]
    return [("", *measured), *rows]


def growth(before: Results, after: Results) -> Rows:
    """How each cost grows from one size to the other."""
    known = {one.full_name: one for one in before.figures if one.is_cost and one.value}
    pairs = [(known[one.full_name], one) for one in after.figures if one.full_name in known]
    return [
        ("figure", before.size, after.size, "grows"),
        (
            "resources",
            f"{before.resources:,}",
            f"{after.resources:,}",
            f"× {after.resources / before.resources:.1f}",
        ),
        *(
            (one.full_name, one.shown, then.shown, f"× {then.value / one.value:.2f}")
            for one, then in pairs
        ),
    ]


def show(results: Results) -> None:
    """Print the figures as tables."""
    console = Console()
    console.print(results.conditions)
    for title, rows in tables(results):
        if len(rows) > 1:
            table = Shown(*rows[0], title=title, title_justify="left")
            for column in table.columns[1:]:
                column.justify = "right"
            for row in rows[1:]:
                table.add_row(*row)
            console.print(table)


# --- the page -------------------------------------------------------------------------------------


def tables_page(page: Path) -> Path:
    """The page of all tables that belongs to a page of targets."""
    return page.with_stem(f"{page.stem}-tables")


def write(results: Results, page: Path) -> None:
    """
    Write the figures to a Markdown page, to its page of tables and to its JSON file.

    Figures of the same size are replaced; everything else on the pages stays.
    """
    store = page.with_suffix(".json")
    runs = (
        msgspec.json.decode(store.read_bytes(), type=dict[str, Results]) if store.exists() else {}
    )
    runs[results.size] = results
    store.write_bytes(msgspec.json.format(msgspec.json.encode(runs), indent=1) + b"\n")
    targets = _markdown(_targets(results))
    _replace_section(page, results.size, [results.conditions, "", *targets])
    _replace_section(tables_page(page), results.size, _all_tables(results))
    if all(size in runs for size in GROWTH):
        rows = growth(*(runs[size] for size in GROWTH))
        _replace_section(tables_page(page), "growth", _markdown(rows))


def _all_tables(results: Results) -> Iterator[str]:
    yield results.conditions
    _, *others = tables(results)
    for title, rows in others:
        if len(rows) > 1:
            yield from ("", f"*{title}*", "", *_markdown(rows))


def _replace_section(page: Path, name: str, lines: Iterable[str]) -> None:
    text = page.read_text(encoding="utf-8") if page.exists() else f"{TITLE}\n"
    page.write_text(_with_section(text, name, lines), encoding="utf-8")


def _with_section(page: str, name: str, lines: Iterable[str]) -> str:
    """The page with these lines between the marks of a section, added at the end if absent."""
    begin, end = f"<!-- measured: {name} -->", f"<!-- end of {name} -->"
    section = "\n".join((begin, "", *lines, "", end))
    if begin in page and end in page:
        before, _, rest = page.partition(begin)
        return before + section + rest.partition(end)[2]
    return f"{page.rstrip()}\n\n## {name.capitalize()}\n\n{section}\n"


def _markdown(rows: Rows) -> list[str]:
    head, *others = rows
    aligned = [
        "---",
        *(
            "---:" if any(character.isdigit() for character in cell) else "---"
            for cell in others[0][1:]
        ),
    ]
    return [f"| {' | '.join(row)} |" for row in (head, aligned, *others)]


# --- the machine ----------------------------------------------------------------------------------


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _memory() -> str:
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{size / 1e9:.0f} GB of memory"
