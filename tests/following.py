"""
Following a page of the documentation: the commands of its `sh` blocks, typed in a folder of their
own.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import clean_environment

ROOT = Path(__file__).parent.parent
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def section(page: str, heading: str) -> str:
    """The text of a section of a page, without its heading."""
    text = (ROOT / page).read_text(encoding="utf-8")
    _, found, rest = text.partition(f"\n## {heading}\n")
    assert found, f"{page} has no section {heading}"
    return rest.partition("\n## ")[0]


def commands(page: str, heading: str) -> str:
    """The shell blocks of a section, in order, as one script."""
    blocks = _BLOCK.findall(section(page, heading))
    assert blocks, f"{page}, {heading}: no command"
    return "".join(blocks)


def typed(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """
    What the shell makes of a script in a folder, where `ror` is the command of this environment.
    """
    programs = folder / ".programs"
    programs.mkdir(exist_ok=True)
    ror = programs / "ror"
    ror.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ror "$@"\n', encoding="utf-8")
    ror.chmod(0o755)
    environment = clean_environment() | {"LANG": "en_GB.UTF-8"}
    environment["PATH"] = f"{programs}{os.pathsep}{environment['PATH']}"
    return subprocess.run(
        ["sh", "-eu", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
