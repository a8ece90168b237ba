"""
The script of the page keeps a copy: changes arrive, nothing is missed, and nothing changes twice.
"""

import subprocess
import sys

import pytest

from tests.conftest import clean_environment, import_lines, serving
from tests.how_to.pages import blocks

FIRST = [
    '{"resourceType":"Organization","id":"ch","name":"C.H. de Saint-Malo"}',
    '{"resourceType":"HealthcareService","id":"urgences","name":"Urgences","providedBy":{"reference":"Organization/ch"}}',
]
LATER = ['{"resourceType":"HealthcareService","id":"urgences","name":"Urgences adultes"}']


@pytest.fixture
def script(tmp_path):
    file = tmp_path / "synchronise.py"
    file.write_text(blocks("nightly-copy.md", "python")[0], encoding="utf-8")
    return file


def test_a_copy_follows_its_source(tmp_path, script):
    source, copy = f"sqlite:///{tmp_path}/source.db", f"sqlite:///{tmp_path}/copy.db"
    import_lines(source, [line.encode() for line in FIRST])

    with serving(source) as original:
        first = night(script, original.base_url, tmp_path, copy, "--create")
        import_lines(source, [line.encode() for line in LATER])
        second = night(script, original.base_url, tmp_path, copy)
        third = night(script, original.base_url, tmp_path, copy)
    with serving(copy) as copied:
        names = [entry["resource"]["name"] for entry in copied.search("HealthcareService")["entry"]]

    assert "2 created" in first
    assert "1 updated" in second
    assert "0 created, 0 updated" in third
    assert names == ["Urgences adultes"]


def night(script, base, folder, database, *options) -> str:
    subprocess.run([sys.executable, str(script), base, str(folder)], check=True)
    done = subprocess.run(
        [
            sys.executable, "-m", "ror", "import", *options,
            "--database", database, str(folder / "changes.ndjson"),
        ],
        capture_output=True, text=True, env={**clean_environment(), "LANG": "en_US.UTF-8"}, check=True,
    )  # fmt: skip
    return done.stdout + done.stderr
