"""
A directory that the previous release wrote is upgraded, whole, or resumed after a kill at any
moment.

Deliberate breakages that these tests caught: past versions left with the masks that they had; an
upgrade that begins anew after a kill and backs up what is half upgraded; index entries rewritten
without their masks.
"""

import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from ror import messages
from ror.access import Viewer
from ror.directory import upgrade as upgrading
from ror.directory.upgrade import Listeners, Rebuilt, needs_upgrade, rebuild, upgrade
from ror.errors import UsageError
from ror.runtime import open_directory, open_existing
from ror.search.answer.sight import Sight
from ror.search.index import extract
from ror.search.index.index import Index
from ror.search.index.schema import FORM, check_schema
from ror.settings import Settings
from ror.store import database_format, open_store
from ror.store.contract import Draft, Store
from tests.conftest import import_lines, keep
from tests.upgrading.conftest import identities, rows

ALL_PROFILES = range(6)
SENSITIVE = ("canonical", "slash", "fragment", "query", "case", "escaped", "version")
"""The offers of the fixture that are sensitive, each under another form of the URL that says so."""


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


def upgraded(path: Path, backup: Path | None = None, listeners: Listeners | None = None):
    return upgrade(url_of(path), path.with_name("index"), backup, listeners or Listeners())


def everything(store: Store) -> dict[str, tuple]:
    """Each live resource: its content, index entries, links, facts and masks."""
    found = {}
    for _, batch in store.all_index_rows():
        for row in batch:
            kept = store.bodies([row.rid])[0]
            entries = extract.unpack(row.entries)
            found[f"{row.type}/{row.id}"] = (
                json.loads(kept.body), entries, row.targets, row.facts, row.visibility, kept.plan,
            )  # fmt: skip
    return found


# --- whole ----------------------------------------------------------------------------------------


def test_an_upgrade_keeps_every_version_client_and_key(old: Path):
    before = list(identities(old))

    report = upgraded(old)

    assert report is not None
    assert (report.rebuilt.resources, report.rebuilt.not_indexed) == (47, 0)
    assert list(identities(old)) == before
    assert not needs_upgrade(database_format(url_of(old)))


def test_an_upgraded_directory_is_as_if_it_had_been_written_today(old: Path, tmp_path: Path):
    upgraded(old)
    store, again = open_existing(url_of(old)), open_store(url_of(tmp_path / "again.db"))
    again.set_policy(store.policy())

    bodies = [kept for _, batch in store.all_index_rows() for kept in batch]
    resources = [json.loads(store.bodies([row.rid])[0].body) for row in bodies]
    keep(again, resources)

    assert {name: row[1] for name, row in everything(store).items()} == {
        name: row[1] for name, row in everything(again).items()
    }
    assert {name: row[3:5] for name, row in everything(store).items()} == {
        name: row[3:5] for name, row in everything(again).items()
    }
    store.close()
    again.close()


def test_what_was_stored_under_another_form_of_a_governed_url_is_hidden(old: Path):
    upgraded(old)
    directory = open_directory(Settings(database=url_of(old), audit=False))
    rid = {name: directory.store.rid("HealthcareService", name) for name in SENSITIVE}

    visible = {
        name: [
            profile
            for profile in ALL_PROFILES
            if number in Sight(directory.index.view, Viewer(profile)).seen("HealthcareService")
        ]
        for name, number in rid.items()
    }

    directory.close()
    assert visible == dict.fromkeys(SENSITIVE, visible["canonical"])
    assert visible["canonical"] != list(ALL_PROFILES)


def test_past_versions_can_be_read_and_none_becomes_visible_to_more(old: Path):
    # The former release called the visibility `shades`.
    before_query = "SELECT rid, version, shades FROM version"
    former = {(rid, version): shades for rid, version, shades in rows(old, before_query)}
    upgraded(old)

    with closing(open_existing(url_of(old))) as store:
        names = [
            json.loads(store.read_version("Organization", "versions", number).body)["name"]
            for number in (1, 2, 3)
        ]
        deleted = store.read_version("Location", "gone", 1)
    assert names == ["Premier nom", "Deuxième nom", "Troisième nom"]
    assert json.loads(deleted.body)["name"] == "Lieu supprimé"
    for rid, version, visibility in rows(old, "SELECT rid, version, visibility FROM version"):
        before = former[rid, version]
        had = dict(zip(before[0::2], before[1::2], strict=True))
        masks = zip(visibility[0::2], visibility[1::2], strict=True)
        assert all(mask & ~had.get(code, mask) == 0 for code, mask in masks)


def test_a_directory_of_this_release_needs_no_upgrade(tmp_path: Path):
    with closing(open_store(url_of(tmp_path / "ror.db"))) as store:
        check_schema(store)
    before = (tmp_path / "ror.db").stat().st_mtime_ns

    assert upgraded(tmp_path / "ror.db", tmp_path / "backup") is None
    assert not (tmp_path / "backup").exists()
    assert (tmp_path / "ror.db").stat().st_mtime_ns == before


def test_what_is_imported_again_after_an_upgrade_changes_nothing(old: Path):
    upgraded(old)
    with closing(open_existing(url_of(old))) as store:
        rids = [row.rid for _, batch in store.all_index_rows() for row in batch]
        bodies = [kept.body for kept in store.bodies(rids) if kept is not None]
    # An import refuses the forms of URLs that the former release took.
    misspelt = (*SENSITIVE, "telecom")
    lines = [body for body in bodies if json.loads(body)["id"] not in misspelt]

    report = import_lines(url_of(old), [body.replace(b'"meta":{},', b"") for body in lines])

    assert report.unchanged == len(lines) > 20


# --- before it begins -----------------------------------------------------------------------------


def test_the_backup_is_the_directory_as_it_was_and_as_private(old: Path, tmp_path: Path):
    before = list(identities(old))
    umask = os.umask(0o022)
    try:
        upgraded(old, tmp_path / "backup")
    finally:
        os.umask(umask)

    assert list(identities(tmp_path / "backup")) == before
    assert needs_upgrade(database_format(url_of(tmp_path / "backup")))
    assert oct((tmp_path / "backup").stat().st_mode & 0o777) == "0o600"
    assert not list(tmp_path.glob("*.partial*"))


def test_a_backup_overwrites_nothing(old: Path, tmp_path: Path):
    (tmp_path / "backup").write_text("mine")
    before = old.read_bytes()

    with pytest.raises(UsageError, match="backup"):
        upgraded(old, tmp_path / "backup")

    assert (tmp_path / "backup").read_text() == "mine"
    assert rows(old, "PRAGMA user_version") == [(4,)]
    assert len(old.read_bytes()) == len(before)


HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("SELECT count(*) FROM resource").fetchone()
print("open", flush=True)
sys.stdin.read()
"""


def test_an_upgrade_waits_for_no_server_and_says_that_one_runs(old: Path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(old)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    holder.stdout.readline()

    with pytest.raises(UsageError, match=str(old)) as refusal:
        upgraded(old)

    assert refusal.value.key == "store.in-use"
    holder.communicate()
    assert upgraded(old) is not None


def test_a_directory_of_a_newer_release_is_refused(tmp_path: Path):
    with closing(open_store(url_of(tmp_path / "ror.db"))) as store:
        store.set_meta("index-schema", f"{int(FORM) + 1}-0123")

    with pytest.raises(UsageError) as refusal:
        open_existing(url_of(tmp_path / "ror.db"))

    assert refusal.value.key == "index.newer-schema"


def test_no_directory_is_found_where_there_is_none_and_none_is_made(tmp_path: Path):
    with pytest.raises(UsageError) as refusal:
        upgraded(tmp_path / "typo.db")

    assert refusal.value.key == "store.absent"
    assert list(tmp_path.iterdir()) == []


# --- killed ---------------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from pathlib import Path
from ror.directory import upgrade
from ror.directory.upgrade import Listeners

path, when = Path(sys.argv[1]), sys.argv[2]
upgrade.RESOURCES_AT_ONCE = 5
batches = 0

def die(*ignored):
    os.kill(os.getpid(), signal.SIGKILL)

def rewriting(rebuilt):
    global batches
    batches += 1
    if when == f"after {batches} batches":
        die()

listeners = Listeners(
    backing_up=die if when == "before the backup" else lambda file: None,
    backed_up=die if when == "after the backup" else lambda file: None,
    rewriting=rewriting,
)
begun = die if when == "after the tables" else lambda store, upgraded: None
upgrade.upgrade(f"sqlite:///{path}", path.with_name("index"), path.with_name(sys.argv[3]), listeners, begun)
"""
LAST_BATCH = 10
"""47 resources, five at a time."""


@pytest.mark.parametrize(
    "when",
    [
        "before the backup",
        "after the backup",
        "after the tables",
        "after 1 batches",
        "after 6 batches",
        f"after {LAST_BATCH} batches",
    ],
)
def test_a_killed_upgrade_is_resumed(old: Path, tmp_path: Path, when: str):
    before = list(identities(old))
    killed = subprocess.run([sys.executable, "-c", KILLED, str(old), when, "first"], check=False)
    assert killed.returncode == -signal.SIGKILL
    with pytest.raises(UsageError, match="ror upgrade") as refusal:
        open_existing(url_of(old))
    assert refusal.value.key in ("store.older", "index.older-schema")
    resumed: list[Path | None] = []

    report = upgraded(old, tmp_path / "second", Listeners(resuming=resumed.append))

    assert report is not None
    assert list(identities(old)) == before
    is_resumed = when.startswith("after") and when != "after the backup"
    assert resumed == ([tmp_path / "first"] if is_resumed else [])
    assert report.backup == tmp_path / ("first" if is_resumed else "second")
    assert list(identities(report.backup)) == before
    assert rows(report.backup, "PRAGMA user_version") == [(4,)]
    straight = tmp_path / "straight.db"
    straight.write_bytes(report.backup.read_bytes())
    upgraded(straight)
    with (
        closing(open_existing(url_of(old))) as one,
        closing(open_existing(url_of(straight))) as two,
    ):
        assert everything(one) == everything(two)


# --- rebuilding alone -----------------------------------------------------------------------------


def test_a_rebuild_makes_entries_facts_and_masks_again_while_readers_follow(tmp_path: Path):
    path = tmp_path / "ror.db"
    offer = {
        "resourceType": "HealthcareService",
        "id": "o",
        "name": "Offre",
        "location": [{"reference": "Location/l"}],
        "extension": [
            {
                "url": "http://interop.esante.gouv.fr/ig/fhir/ror/StructureDefinition/ror-healthcareservice-sensitive-unit",
                "valueBoolean": True,
            }
        ],
    }
    with closing(open_store(url_of(path))) as store:
        check_schema(store)
        keep(store, [offer, {"resourceType": "Location", "id": "l", "name": "Lieu"}])
        right = everything(store)
        index = Index(store, tmp_path / "index")
        index.open()
        damaged = open_store(url_of(path))
        damaged._write(
            lambda connection: [
                connection.execute(statement)
                for statement in (
                    "UPDATE access SET own = 0, facts = 0, visibility = x'003F'",
                    "UPDATE resource SET entries = (SELECT entries FROM resource WHERE id = 'l'), targets = NULL",
                    "DELETE FROM influence",
                )
            ]
        )
        damaged.close()
        assert everything(store) != right

        rebuilt = Rebuilt()
        rebuild(store, rebuilt)
        index.refresh()

        assert everything(store) == right
        assert (rebuilt.resources, rebuilt.changed) == (2, 2)
        assert not Sight(index.view, Viewer(0)).seen("Location")
        assert Sight(index.view, Viewer(1)).seen("Location")
        assert store.history("Location", "l")[0].version == 1
        index.close()


def test_a_rebuild_that_finds_all_as_it_should_be_changes_nothing(tmp_path: Path):
    metas = [{}, {"meta": {"versionId": "4"}}, {"meta": {"tag": [{"code": "a"}]}}]
    lines = [
        json.dumps({"resourceType": "Organization", "id": str(n), "name": "a", **metas[n % 3]})
        for n in range(9)
    ]
    import_lines(url_of(tmp_path / "ror.db"), map(str.encode, lines))
    with closing(open_store(url_of(tmp_path / "ror.db"))) as store:
        before, last, rebuilt = everything(store), store.last_change(), Rebuilt()

        rebuild(store, rebuilt)

        assert everything(store) == before
        assert (store.last_change(), rebuilt.resources, rebuilt.changed) == (last, 9, 0)


def test_a_body_that_cannot_be_indexed_is_kept_named_and_read_by_id(tmp_path: Path):
    body = b'{"resourceType":"Task","id":"t","authoredOn":"2025-02-31"}'
    with closing(open_store(url_of(tmp_path / "ror.db"))) as store:
        entries, links = extract.pack("Task", {})
        store.put([Draft("Task", "t", 0, body, entries, links, b"digest")], "test")
        rebuilt = Rebuilt()

        rebuild(store, rebuilt)

        stored = store.read("Task", "t")
        assert stored is not None
        assert json.loads(stored.body)["authoredOn"] == "2025-02-31"
        assert (rebuilt.not_indexed, rebuilt.names) == (1, ["Task/t"])


def test_the_room_on_the_disk_is_looked_at_first(old: Path, tmp_path: Path):
    free = upgrading.shutil.disk_usage(tmp_path).free
    with (tmp_path / "huge").open("wb") as file:
        # A sparse file: it takes no room.
        file.truncate(free)

    with pytest.raises(UsageError) as refusal:
        upgrading.check_room(tmp_path / "huge", tmp_path / "backup")

    told = refusal.value.text("en")
    assert refusal.value.key == "upgrade.no-room"
    assert str(tmp_path) in told and "--backup" in told
    assert messages.text("upgrade.no-room", "fr", folder="", free="", needed="")
