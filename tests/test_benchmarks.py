"""The benchmark reports every figure; speed itself is not tested."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from benchmarks import report
from benchmarks.report import Aim, Figure, Results
from benchmarks.seen import Seen
from benchmarks.workloads import WORKLOADS

from ror.samples import generate
from ror.search.language.parse import parse

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """
    The page of one short run on a small directory, replacing former figures; profile 1 is its own
    control.
    """
    written = tmp_path_factory.mktemp("benchmarks") / "performance.md"
    written.write_text(
        "# Performance\n\nWords.\n\n<!-- measured: small -->\nold\n<!-- end of small -->\n\nMore words.\n"
    )
    command = [
        sys.executable,
        "-m",
        "benchmarks",
        "--size",
        "small",
        "--seconds",
        "0.3",
        "--profiles",
        "1,1",
    ]
    run = subprocess.run(
        [*command, "--output", str(written)], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr
    return written


@pytest.fixture(scope="module")
def tables(page):
    """Every figure of that run: the targets, then the other tables."""
    return page.read_text() + report.tables_page(page).read_text()


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What requests can name in a small directory."""
    file = tmp_path_factory.mktemp("seen") / "small.ndjson"
    file.write_bytes(b"\n".join(generate("small")))
    return Seen.in_file(file)


@pytest.mark.parametrize(
    "figure",
    [
        "load rate",
        "disk per resource",
        "table resource",
        "index, keys",
        "disk per resource, access policy",
        "database, masks",
        "index, governed columns",
        "process start to ready, cold",
        "memory after the workloads",
        "exact total of a code, median",
        "page 50 against page 1",
        "page 50 by date against page 1",
        *(f"{name} engine, 99th percentile" for name in ("W2", "W4", "W5")),
        "W3 median, one connection",
        "read with audit trail against without, processor time",
        *(f"{name} profile 1 against 1, time of an answer" for name in WORKLOADS),
    ],
)
def test_a_run_gives_every_figure(tables, figure):
    row = re.search(rf"\| {figure} \| ([0-9.,]+)", tables)

    assert row
    assert float(row[1].replace(",", "")) > 0


@pytest.mark.parametrize(
    "figure", ["median, one connection", "99th percentile", "ratio to the ceiling", "mean answer"]
)
def test_a_run_gives_every_figure_of_every_workload(tables, figure):
    row = re.search(rf"\| {figure} \| (.*) \|\n", tables)

    assert row
    assert len(row[1].split(" | ")) == len(WORKLOADS)
    assert all(float(re.sub(r"[^0-9.]", "", cell)) > 0 for cell in row[1].split(" | "))


def test_a_run_replaces_the_former_figures_and_keeps_the_rest(page):
    text = page.read_text()

    assert "\nold\n" not in text
    assert text.startswith("# Performance\n\nWords.\n\n<!-- measured: small -->")
    assert text.endswith("<!-- end of small -->\n\nMore words.\n")


@pytest.mark.parametrize(
    "sought",
    ["Chain(", "Upward(", "Has(", "Near(", "SameRecord(name='capacity'"],
)
def test_the_requests_contain_the_intended_criteria(seen, sought):
    trees = [
        str(parse(*_request(target)).expression)
        for name in ("W4", "W5")
        for target in _targets(name, seen)
    ]

    assert sum(sought in tree for tree in trees) > 20


def test_a_filter_lists_eleven_values(seen):
    lists = [target for target in _targets("W4", seen) if "_filter=" in target]

    assert lists
    assert all(dict(_request(target)[1])["_filter"].count(" or ") == 10 for target in lists)


@pytest.mark.parametrize("name", WORKLOADS)
def test_requests_are_the_same_for_the_same_seed_and_all_different(seen, name):
    targets = _targets(name, seen)

    assert targets == _targets(name, seen)
    assert len(set(targets)) == len(targets) >= 100


def test_the_growth_table_compares_the_measured_sizes(tmp_path):
    page = tmp_path / "performance.md"

    report.write(_results("medium", 100, 2.0), page)
    before = report.tables_page(page).read_text()
    report.write(_results("national", 1_000, 3.0), page)
    after = report.tables_page(page).read_text()

    assert "grows" not in before
    assert "| resources | 100 | 1,000 | × 10.0 |" in after
    assert "| W2 engine | 2.0 ms | 3.0 ms | × 1.50 |" in after
    assert "| W2 engine | 3.0 ms | ≤ 2.5 ms | NO |" in page.read_text()
    assert "| W2 engine | 2.0 ms | ≤ 2.5 ms | yes |" in page.read_text()


@pytest.mark.parametrize(
    ("options", "culprit", "known"),
    [
        pytest.param(["--only", "W9"], '"W9"', "load, W10, W1, W2, W3, W4, W5", id="a part"),
        pytest.param(["--profiles", "1,6"], '"6"', "0 to 5", id="a profile"),
    ],
)
def test_an_unknown_part_or_profile_is_refused_by_name(options, culprit, known):
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks", *options], cwd=ROOT, capture_output=True, text=True
    )

    assert run.returncode == 2
    assert culprit in run.stderr
    assert known in run.stderr


def _targets(name: str, seen: Seen) -> list[str]:
    return WORKLOADS[name].targets(seen, 1)


def _request(target: str) -> tuple[str, list[tuple[str, str]]]:
    path, _, query = target.partition("?")
    return path.rpartition("/")[2], parse_qsl(query)


def _results(size: str, resources: int, engine_ms: float) -> Results:
    figure = Figure("engine", engine_ms, "ms", 1, Aim(2.5, at_least=False), of="W2", is_cost=True)
    return Results(size, resources, "somewhere", {"W2": "token search"}, [figure])
