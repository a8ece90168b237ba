"""
What is typed: on directories of the previous release, where there is none, and as the pages say.
"""

import json
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from ror.search.index.schema import schema
from ror.store import database_format, open_store
from tests.conftest import clean_environment, import_lines, serving
from tests.following import commands, typed
from tests.upgrading.conftest import identities, rows

UPGRADE, BACKUP = "docs/how-to/upgrade.md", "docs/how-to/backup-and-restore.md"
LINE = b'{"resourceType":"Organization","id":"1","name":"Avant"}'

ON_A_DIRECTORY = (
    ["serve"],
    ["import", "-"],
    ["stats"],
    ["explain", "Organization"],
    ["reindex"],
    ["client", "list"],
    ["client", "add", "x", "--profile", "0"],
    ["keys", "list"],
    ["keys", "rotate"],
    ["policy", "show"],
    ["audit", "restart"],
)
"""Every command that works on a directory, but for those that are about its form."""


def ror(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ror", *arguments],
        cwd=folder,
        env=clean_environment() | {"LANG": "en_GB.UTF-8"} | environment,
        input="",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


# --- a directory of a former release --------------------------------------------------------------


@pytest.mark.parametrize("command", ON_A_DIRECTORY, ids=" ".join)
def test_on_an_old_directory_a_command_says_what_to_type(command: list[str], old: Path):
    before = list(identities(old))

    done = ror(*command, "--database", "ror.db", folder=old.parent)

    assert done.returncode == 2
    assert f"ror upgrade --database sqlite:///{old}" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(identities(old)) == before
    assert rows(old, "PRAGMA user_version") == [(4,)]


OLD_INDEX = pytest.mark.parametrize(
    "noted", ["7", f"{schema()}:12"], ids=["another schema", "interrupted"]
)


@OLD_INDEX
@pytest.mark.parametrize(
    "command", [command for command in ON_A_DIRECTORY if command != ["reindex"]], ids=" ".join
)
def test_with_an_old_index_alone_it_does_so_too(command: list[str], noted: str, tmp_path: Path):
    url = f"sqlite:///{tmp_path}/ror.db"
    with closing(open_store(url)) as store:
        store.set_meta("index-schema", noted)

    done = ror(*command, "--database", "ror.db", folder=tmp_path)

    assert done.returncode == 2
    assert f"ror upgrade --database {url}" in done.stderr


@OLD_INDEX
def test_reindex_rebuilds_an_old_index_from_the_bodies(noted: str, tmp_path: Path):
    url = f"sqlite:///{tmp_path}/ror.db"
    with closing(open_store(url)) as store:
        store.set_meta("index-schema", schema())
    import_lines(url, [b'{"resourceType": "Organization", "id": "o", "name": "Org"}'])
    with closing(open_store(url)) as store:
        store.set_meta("index-schema", noted)

    done = ror("reindex", "--database", "ror.db", folder=tmp_path)

    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert dict(rows(tmp_path / "ror.db", "SELECT * FROM meta"))["index-schema"] == schema()
    assert ror("stats", "--database", "ror.db", folder=tmp_path).returncode == 0
    assert not list(tmp_path.glob("*.before-upgrade-*"))


@pytest.mark.parametrize("command", ["reindex", "upgrade"])
def test_the_index_of_a_newer_release_is_refused(command: str, tmp_path: Path):
    url = f"sqlite:///{tmp_path}/ror.db"
    with closing(open_store(url)) as store:
        store.set_meta("index-schema", "999-abc")

    done = ror(command, "--database", "ror.db", folder=tmp_path)

    assert done.returncode == 2
    assert "999-abc" in done.stderr


def test_the_upgrade_says_where_its_backup_is_and_what_it_did(old: Path):
    before = list(identities(old))

    done = ror("upgrade", "--database", "ror.db", "--by", "alice", folder=old.parent)
    again = ror("upgrade", "--database", "ror.db", folder=old.parent)

    assert done.returncode == 0, done.stderr
    [backup] = old.parent.glob("ror.db.before-upgrade-*")
    assert backup.name in done.stderr
    assert "47" in done.stderr.splitlines()[-1]
    assert list(identities(backup)) == list(identities(old)) == before
    assert (again.returncode, len(list(old.parent.glob("ror.db.before-upgrade-*")))) == (0, 1)
    [act] = [
        json.loads(line)
        for file in (old.parent / "ror.db.audit" / "acts").iterdir()
        for line in file.read_text().splitlines()
        if '"upgrade"' in line
    ]
    assert (act["by"], act["subject"], act["details"]["schema"]) == ("alice", schema(), "7")


def test_a_server_upgrades_at_start_when_told_to(old: Path):
    with serving(f"sqlite:///{old}", **{"upgrade-at-start": "true"}) as server:
        bundle = server.search("Organization", name="troisieme")

    assert bundle["total"] == 1
    assert len(list(old.parent.glob("ror.db.before-upgrade-*"))) == 1


# --- no directory ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", [*ON_A_DIRECTORY, ["upgrade"], ["backup", "b.db"]], ids=" ".join
)
def test_a_mistyped_database_is_refused_and_not_made(command: list[str], tmp_path: Path):
    done = ror(*command, "--database", "typo.db", folder=tmp_path)

    assert done.returncode == 2
    assert "ror init --database sqlite:///typo.db" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_init_makes_a_directory_and_touches_none_that_is_there(tmp_path: Path):
    made = ror("init", "--database", "ror.db", folder=tmp_path)
    import_lines(f"sqlite:///{tmp_path}/ror.db", [LINE])
    again = ror("init", "--database", "ror.db", folder=tmp_path)

    assert (made.returncode, again.returncode) == (0, 2)
    assert json.loads(ror("stats", "--json", folder=tmp_path).stdout)["total"] == 1


def test_a_server_makes_its_directory_with_create(tmp_path: Path):
    command = [sys.executable, "-m", "ror", "serve", "--create", "--database", "ror.db", "--port=0"]
    server = subprocess.Popen(
        command, cwd=tmp_path, env=clean_environment(), stderr=subprocess.PIPE, text=True
    )
    assert server.stderr is not None
    event = json.loads(server.stderr.readline())["event"]
    server.send_signal(signal.SIGTERM)
    server.communicate()

    assert (event, server.returncode) == ("ready", 0)
    assert (tmp_path / "ror.db").exists()


# --- the state folder -----------------------------------------------------------------------------


def test_what_stands_beside_the_database_goes_into_the_state_folder(tmp_path: Path):
    state, data = tmp_path / "var" / "state", tmp_path / "data"
    data.mkdir()
    import_lines(f"sqlite:///{data}/ror.db", [LINE])

    with serving(f"sqlite:///{data}/ror.db", **{"state-folder": str(state)}) as server:
        assert server.get("Organization/1").status_code == 200
        beside = {path.name for path in data.iterdir()}

    assert beside <= {"ror.db", "ror.db-wal", "ror.db-shm"}
    assert {path.name for path in state.iterdir()} == {
        "ror.db.audit",
        "ror.db.index",
        "ror.db.rates",
    }
    assert oct(state.stat().st_mode & 0o777) == "0o700"
    verified = ror(
        "audit", "verify", "--database", "data/ror.db", folder=tmp_path, ROR_STATE_FOLDER=str(state)
    )
    assert verified.returncode == 0, verified.stdout


# --- a directory without its trail ----------------------------------------------------------------


@pytest.mark.parametrize("loss", ["gone", "another"])
def test_a_directory_restored_without_its_trail_begins_another_only_when_told_to(
    loss: str, tmp_path: Path
):
    def add(client: str) -> subprocess.CompletedProcess[str]:
        return ror("client", "add", client, "--profile", "0", folder=tmp_path)

    ror("init", folder=tmp_path)
    assert add("first").returncode == 0
    trail = tmp_path / "ror.db.audit"
    shutil.rmtree(trail)
    if loss == "another":
        other = tmp_path / "other"
        other.mkdir()
        ror("init", folder=other)
        ror("client", "add", "x", "--profile", "0", folder=other)
        shutil.copytree(other / "ror.db.audit", trail)

    refused, served = add("second"), ror("serve", "--port=0", folder=tmp_path)
    restarted = ror("audit", "restart", "--reason", "disk lost", folder=tmp_path)

    assert (refused.returncode, served.returncode) == (2, 2)
    assert "ror audit restart" in refused.stderr
    assert restarted.returncode == 0, restarted.stderr
    assert add("second").returncode == 0
    assert ror("audit", "verify", folder=tmp_path).returncode == 0
    told = ror("audit", "search", "--json", folder=tmp_path).stdout
    assert "audit-restart" in told and "disk lost" in told


# --- the pages, followed --------------------------------------------------------------------------


def test_the_page_on_upgrading_is_right(old: Path):
    before = list(identities(old))

    done = typed(commands(UPGRADE, "Upgrade a directory"), old.parent)

    assert done.returncode == 0, done.stderr
    assert list(identities(old)) == before
    [copy] = old.parent.glob("ror.db.before-upgrade-*")
    # Going back is restoring the copy.
    shutil.copytree(old.parent / "ror.db.audit", old.parent / "backup.audit")
    copy.rename(old.parent / "backup.db")
    restore, _, _ = commands(BACKUP, "Restore").partition("ror stats")
    assert typed(restore, old.parent).returncode == 0
    assert rows(old, "PRAGMA user_version") == [(4,)]


def test_the_page_on_upgrading_at_start_is_right(old: Path):
    script = commands(UPGRADE, "Upgrade when the server starts").strip()

    done = typed(f"timeout --preserve-status 20 {script} --port 0 & sleep 0; wait $!", old.parent)

    assert database_format(f"sqlite:///{old}").meta["index-schema"] == schema(), done.stderr


@pytest.mark.parametrize("is_trail_lost", [False, True], ids=["with its trail", "trail lost"])
def test_the_page_on_backups_is_right(tmp_path: Path, is_trail_lost: bool):
    url = f"sqlite:///{tmp_path}/ror.db"
    assert ror("init", folder=tmp_path).returncode == 0
    assert ror("client", "add", "first", "--profile", "0", folder=tmp_path).returncode == 0
    with serving(url) as server:
        import_lines(url, [LINE])
        done = typed(commands(BACKUP, "Back up"), tmp_path)
        assert server.get("Organization/1").status_code == 200
    assert done.returncode == 0, done.stderr
    assert oct((tmp_path / "backup.db").stat().st_mode & 0o777) == "0o600"
    assert len(list(tmp_path.glob("backup-20*.db"))) == 1
    before = list(identities(tmp_path / "backup.db"))
    import_lines(url, [LINE.replace(b"Avant", b"Trop tard")])
    if is_trail_lost:
        shutil.rmtree(tmp_path / "ror.db.audit")

    checked = typed(commands(BACKUP, "Check a backup"), tmp_path)
    restored = typed(commands(BACKUP, "Restore"), tmp_path)

    assert checked.returncode == 0, checked.stderr
    # The copy of the trail was made while a server ran: its last file has no end yet.
    assert restored.returncode == int(is_trail_lost), restored.stdout + restored.stderr
    assert list(identities(tmp_path / "ror.db")) == before
    with serving(url) as server:
        assert server.search("Organization", name="avant")["total"] == 1
    assert ror("audit", "verify", folder=tmp_path).returncode == 0


def test_the_page_on_a_lost_trail_is_right(tmp_path: Path):
    ror("init", folder=tmp_path)
    ror("client", "add", "first", "--profile", "0", folder=tmp_path)
    shutil.rmtree(tmp_path / "ror.db.audit")

    done = typed(commands(BACKUP, "Restore without the audit trail"), tmp_path)

    assert done.returncode == 0, done.stderr
    assert ror("audit", "verify", folder=tmp_path).returncode == 0
