"""
The figures of a run, what was aimed at and whether it is met; for a terminal and for the documentation.

Beside the page stands a JSON file with the figures of the last run of each size. The page is written from it, and so is
how each figure grows from one size to another.
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
"""The sizes between which it is told how figures grow."""


class Aim(msgspec.Struct, frozen=True, omit_defaults=True):
    """A bound for a figure, and its side."""

    bound: float
    at_least: bool = True

    def is_met(self, value: float) -> bool:
        """Whether a value is on the right side."""
        return value >= self.bound if self.at_least else value <= self.bound


class Figure(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    One measured value; `decimals` are those worth showing.

    `of` is the workload that it is a figure of, or "disk" or "access" for a part of that. A cost is what is compared
    from size to size.
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
        """Its name where figures of all kinds stand together."""
        return f"{self.of} {self.name}".lstrip()

    @property
    def shown(self) -> str:
        """The value with its unit."""
        return self._shown(self.value)

    @property
    def judged(self) -> tuple[str, str, str, str]:
        """Its row beside its aim."""
        assert self.aim is not None
        bound = f"{'≥' if self.aim.at_least else '≤'} {self._shown(self.aim.bound)}"
        return self.full_name, self.shown, bound, "yes" if self.aim.is_met(self.value) else "NO"

    def _shown(self, value: float) -> str:
        return f"{value:,.{self.decimals}f} {self.unit}".rstrip()


class Results(msgspec.Struct, frozen=True):
    """The figures of one run on one machine; `workloads` says what those are that figures are of."""

    size: str
    resources: int
    conditions: str
    workloads: dict[str, str]
    figures: list[Figure]


def conditions(size: str, resources: int, seconds: float, paces_ms: Sequence[float]) -> str:
    """What is measured, where and when, how busy the machine was over five minutes, and how fast during the run."""
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


# --- tables ----------------------------------------------------------------------------------------------------------

Rows = Sequence[Sequence[str]]
"""The first one is the head."""


def tables(results: Results) -> Iterator[tuple[str, Rows]]:
    """What a run has to show: a title and rows for each table that is not empty."""
    judged = [one.judged for one in results.figures if one.aim is not None]
    yield "What is aimed at", [("figure", "measured", "aim", "met"), *judged]
    general = [one for one in results.figures if not one.of]
    yield (
        "Loading, starting, paging, memory",
        [("figure", "measured"), *((one.name, one.shown) for one in general)],
    )
    yield "Workloads", _by_workload(results)
    yield "Disk per resource", _by_part(results, "disk")
    yield "Disk per resource, to know who may see what", _by_part(results, "access")


def _by_part(results: Results, of: str) -> Rows:
    """The parts of something, the largest first."""
    parts = sorted((one for one in results.figures if one.of == of), key=lambda one: -one.value)
    return [("part", "measured"), *((one.name, one.shown) for one in parts)]


def _by_workload(results: Results) -> Rows:
    """A column for each workload, a row for each of their figures."""
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


# --- the page --------------------------------------------------------------------------------------------------------


def write(results: Results, page: Path) -> None:
    """
    Put the figures in a Markdown page and in the JSON file beside it, in place of the former ones of that size.

    The rest of the page is kept. Where the two sizes of `GROWTH` are known, how figures grow is written again too.
    """
    kept = page.with_suffix(".json")
    known = msgspec.json.decode(kept.read_bytes(), type=dict[str, Results]) if kept.exists() else {}
    known[results.size] = results
    kept.write_bytes(msgspec.json.format(msgspec.json.encode(known), indent=1) + b"\n")
    text = page.read_text(encoding="utf-8") if page.exists() else f"{TITLE}\n"
    text = _with_section(text, results.size, _section(results))
    if all(size in known for size in GROWTH):
        rows = growth(*(known[size] for size in GROWTH))
        text = _with_section(text, "growth", _markdown(rows))
    page.write_text(text, encoding="utf-8")


def _section(results: Results) -> Iterator[str]:
    yield results.conditions
    for title, rows in tables(results):
        if len(rows) > 1:
            yield ""
            yield f"*{title}*"
            yield ""
            yield from _markdown(rows)


def _with_section(page: str, name: str, lines: Iterable[str]) -> str:
    """The page with these lines between the marks of a section, which is added at the end when there is none."""
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


# --- the machine -----------------------------------------------------------------------------------------------------


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
