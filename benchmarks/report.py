"""
The figures of a run: what was measured, what was aimed at, whether it is met; for a terminal and for the documentation.
"""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

TITLE: Final = "# Performance"


@dataclass(frozen=True, slots=True)
class Aim:
    """A bound for a figure, and its side."""

    bound: float
    at_least: bool = True

    def is_met(self, value: float) -> bool:
        """Whether a value is on the right side."""
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value; `decimals` are those worth showing."""

    name: str
    value: float
    unit: str = ""
    decimals: int = 0
    aim: Aim | None = None

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """The columns of its row: name, value, aim, whether it is met."""
        shown = self._shown(self.value)
        if self.aim is None:
            return self.name, shown, "", ""
        bound = f"{'≥' if self.aim.at_least else '≤'} {self._shown(self.aim.bound)}"
        return self.name, shown, bound, "yes" if self.aim.is_met(self.value) else "NO"

    def _shown(self, value: float) -> str:
        return f"{value:,.{self.decimals}f} {self.unit}".rstrip()


COLUMNS: Final = ("figure", "measured", "aim", "met")


@dataclass(frozen=True, slots=True)
class Results:
    """The figures of one run on one machine."""

    size: str
    resources: int
    seconds: float
    figures: Sequence[Figure]

    @property
    def conditions(self) -> str:
        """What was measured, where and when, and how busy the machine was over the last five minutes."""
        return (
            f"{self.resources:,} generated resources ({self.size}), {self.seconds:g} s per workload; {machine()}; "
            f"{datetime.now(UTC):%Y-%m-%d}, load average {os.getloadavg()[1]:.1f}"
        )


def machine() -> str:
    """The machine and the interpreter, in one line."""
    return f"{os.cpu_count()} cores of {_cpu_model()}, {_memory()}, Python {platform.python_version()}"


def show(results: Results) -> None:
    """Print the figures as a table."""
    table = Table(*COLUMNS, title=results.conditions, title_justify="left")
    table.columns[1].justify = table.columns[2].justify = "right"
    for figure in results.figures:
        table.add_row(*figure.cells)
    Console().print(table)


def write(results: Results, path: Path) -> None:
    """Put the figures in a Markdown page, in place of the former ones of that size; the rest of the page is kept."""
    begin, end = f"<!-- measured: {results.size} -->", f"<!-- end of {results.size} -->"
    page = path.read_text(encoding="utf-8") if path.exists() else f"{TITLE}\n"
    section = "\n".join((begin, "", results.conditions, "", *_markdown(results.figures), "", end))
    if begin in page and end in page:
        before, _, rest = page.partition(begin)
        page = before + section + rest.partition(end)[2]
    else:
        page = f"{page.rstrip()}\n\n## {results.size.capitalize()}\n\n{section}\n"
    path.write_text(page, encoding="utf-8")


def _markdown(figures: Sequence[Figure]) -> list[str]:
    rows = [COLUMNS, ("---", "---:", "---:", "---"), *(figure.cells for figure in figures)]
    return [f"| {' | '.join(row)} |" for row in rows]


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
