"""
What an import leaves in the trail, whether it ends or not: the commands themselves, in processes of
their own.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from ror.audit.records import ImportBegun, ImportEnded, instant
from ror.audit.trail.folder import Folder
from ror.audit.trail.reading import Selection, find
from ror.audit.trail.tending import system_user
from ror.audit.trail.verifying import verify
from ror.runtime import trail_folder
from ror.samples import Size, generate
from ror.settings import Settings
from ror.store import open_store
from tests.conftest import clean_environment
from tests.waiting import until

GOOD = b'{"resourceType":"Organization","id":"o1","name":"CHU"}\n'
BAD = b'{"resourceType":"Organization","id":"o2","name":3}\n'


def importing(folder: Path, *arguments: str, **variables: str) -> "subprocess.Popen[bytes]":
    command = [
        sys.executable,
        "-m",
        "ror",
        "import",
        "--create",
        "--database",
        "ror.db",
        *arguments,
    ]
    environment = {**clean_environment(), "LC_ALL": "en", **variables}
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def lines(folder: Path) -> list[object]:
    trail = Folder(trail_folder(Settings(database=f"sqlite:///{folder}/ror.db")))
    assert verify(trail, instant(time.time_ns())[:10]).is_whole
    return [one.record for one in find(trail, Selection())]


def resources(folder: Path) -> int:
    store = open_store(f"sqlite:///{folder}/ror.db")
    try:
        return sum(store.counts().values())
    finally:
        store.close()


def test_an_import_says_who_imports_what_and_then_what_became_of_it(tmp_path):
    (tmp_path / "given.ndjson").write_bytes(GOOD + BAD)

    process = importing(tmp_path, "given.ndjson", "--author", "somebody")
    process.communicate()

    assert process.returncode == 1
    begun, ended = lines(tmp_path)
    assert isinstance(begun, ImportBegun) and isinstance(ended, ImportEnded)
    assert (begun.author, begun.files, begun.by) == ("somebody", ("given.ndjson",), system_user())
    assert (ended.run, ended.created, ended.refused, ended.interrupted) == (begun.run, 1, 1, False)


def test_a_file_whose_name_is_no_text_is_imported_and_told_of(tmp_path):
    (tmp_path / os.fsdecode(b"\xff.ndjson")).write_bytes(GOOD + BAD)

    process = importing(tmp_path, b"\xff.ndjson", "--json", PYTHONIOENCODING="utf-8:strict")
    answered, _ = process.communicate()

    assert process.returncode == 1
    assert json.loads(answered)["refusals"][0]["file"] == "\\xff.ndjson"
    assert lines(tmp_path)[0].files == ("\\xff.ndjson",)


def test_an_import_that_is_killed_has_said_that_it_began_before_anything_was_kept(tmp_path):
    with (tmp_path / "given.ndjson").open("wb") as file:
        file.writelines(line + b"\n" for line in generate(Size.small, 1))

    process = importing(tmp_path, "given.ndjson", "--workers", "0", ROR_AUDIT_FOLDER="ror.db.audit")
    assert until(lambda: (tmp_path / "ror.db").exists() and resources(tmp_path))
    process.send_signal(signal.SIGKILL)
    process.communicate()

    assert 0 < resources(tmp_path) < 3_000
    trail = Folder(tmp_path / "ror.db.audit")
    [begun] = [one.record for one in find(trail, Selection())]
    assert isinstance(begun, ImportBegun)
    again = importing(tmp_path, "given.ndjson")
    again.communicate()
    assert again.returncode == 0
    assert [type(one).__name__ for one in lines(tmp_path)] == [
        "ImportBegun",
        "ImportBegun",
        "ImportEnded",
    ]


def test_an_import_that_cannot_be_traced_keeps_nothing(tmp_path):
    (tmp_path / "given.ndjson").write_bytes(GOOD)
    (tmp_path / "taken").write_text("a file, where a folder should be")

    process = importing(tmp_path, "given.ndjson", ROR_AUDIT_FOLDER="taken")
    _, told = process.communicate()

    assert process.returncode == 2
    assert b"The audit trail cannot be opened" in told and b"audit_folder" in told
    assert resources(tmp_path) == 0


def test_a_check_and_an_import_without_a_trail_leave_nothing(tmp_path):
    (tmp_path / "given.ndjson").write_bytes(GOOD)

    importing(tmp_path, "given.ndjson", "--dry-run").communicate()
    importing(tmp_path, "given.ndjson", ROR_AUDIT="false").communicate()

    assert resources(tmp_path) == 1
    assert not (tmp_path / "ror.db.audit").exists()
