"""The benchmark measures something of everything, and tells it; how fast is not for a test to say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page written by one short run on a small directory, over a former one."""
    written = tmp_path_factory.mktemp("benchmarks") / "performance.md"
    written.write_text(
        "# Performance\n\nWords.\n\n<!-- measured: small -->\nold\n<!-- end of small -->\n\nMore words.\n"
    )
    command = [sys.executable, "-m", "benchmarks", "--size", "small", "--seconds", "0.3", "--output", str(written)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert told.returncode == 0, told.stderr
    return written.read_text()


@pytest.mark.parametrize(
    "figure",
    [
        "load rate",
        "disk per resource",
        "index ready, of which",
        *(
            f"{name} {what}"
            for name in ("W1", "W2", "W3")
            for what in ("median", "99th percentile", "ratio to the ceiling")
        ),
    ],
)
def test_a_run_gives_every_figure(page, figure):
    row = re.search(rf"\| {figure} \| ([0-9.,]+)", page)

    assert row
    assert float(row[1].replace(",", "")) > 0


def test_a_run_replaces_the_former_figures_and_nothing_else(page):
    assert "old" not in page
    assert page.startswith("# Performance\n\nWords.\n\n<!-- measured: small -->")
    assert page.endswith("<!-- end of small -->\n\nMore words.\n")


def test_what_cannot_be_measured_is_refused_by_name():
    command = [sys.executable, "-m", "benchmarks", "--only", "W9"]

    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    assert told.returncode == 2
    assert '"W9"' in told.stderr
    assert "load, start, W1, W2, W3" in told.stderr
