"""The page about explanations shows what the command prints."""

import os
import re
import shlex
import subprocess
import sys

from tests.how_to.pages import blocks


def test_the_command_prints_the_lines_of_the_page(server):
    _, *arguments = shlex.split(blocks("read-an-explain.md", "sh")[0])
    arguments[arguments.index("--database") + 1] = server.database

    explained = subprocess.run(
        [sys.executable, "-m", "ror", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "LANG": "en", "COLUMNS": "200"},
        check=True,
    )

    shown = blocks("read-an-explain.md", "text")[0]
    assert [
        line for line in map(sentence, shown.splitlines()) if line not in explained.stdout
    ] == []


def sentence(line: str) -> str:
    """A line without its figures and table cells, which depend on the machine and the directory."""
    return re.split(r"→|  +|\b\d+ matches", line.strip(" │├└─"))[0].strip()
