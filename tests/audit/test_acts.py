"""
Acts of management leave a line in the same trail as calls, whoever does them, and are not done
where they cannot.

Breakages that these tests were seen to catch: the line written after the client had changed; the
line of a key, or that of a policy, left out; a trail made by a command that only looks.
"""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from ror.audit.acts import AuditedClients
from ror.audit.records import Act, instant
from ror.audit.trail.folder import Folder
from ror.audit.trail.reading import Selection, find
from ror.audit.trail.verifying import verify
from ror.errors import Unavailable, UsageError
from ror.identity import Action, Client
from ror.identity import enrolment as enrolling
from ror.identity.enrolment import Signature
from ror.identity.secrets import is_secret_of
from ror.runtime import open_acts
from ror.settings import Settings
from ror.store import open_store
from tests.http.secured import SECRET, make_world, serving
from tests.test_cli import ror

SUBJECT = "CN=CLIENT_TEST_RORN,OU=33333333333,O=GIP - TEST3012,ST=Paris (75),C=FR"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an empty directory."""
    open_store(f"sqlite:///{tmp_path}/ror.db").close()
    return tmp_path


def acts(folder: Path, trail: str = "ror.db.audit") -> list[Act]:
    return [
        one.record
        for one in find(Folder(folder / trail), Selection())
        if isinstance(one.record, Act)
    ]


def told(folder: Path, *arguments: str) -> Any:
    done = ror(*arguments, "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_is_done_to_a_client_is_told_with_who_and_why(folder: Path):
    signed = ("--by", "alice", "--reason", "comité du 3")
    told(folder, "client", "add", "dac", "--profile", "2", "--subject", SUBJECT, *signed)
    told(folder, "client", "suspend", "dac", *signed)
    told(folder, "client", "resume", "dac", *signed)
    told(folder, "client", "set-rate", "dac", "--calls-per-minute", "60", *signed)
    told(folder, "client", "revoke", "dac", *signed)
    told(folder, "client", "add", "beds", "--supplier", "--subject", SUBJECT, *signed)
    told(folder, "client", "grant-establishments", "beds", "750000001", *signed)
    secret = told(folder, "client", "add", "open", "--profile", "0", *signed)["secret"]
    other = told(folder, "client", "rotate-secret", "open", *signed)["secret"]

    found = acts(folder)
    assert [(one.action, one.subject) for one in found] == [
        ("client-add", "dac"),
        ("client-suspend", "dac"),
        ("client-resume", "dac"),
        ("client-set-rate", "dac"),
        ("client-revoke", "dac"),
        ("client-add", "beds"),
        ("client-grant-establishments", "beds"),
        ("client-add", "open"),
        ("client-rotate-secret", "open"),
    ]
    assert {(one.by, one.reason) for one in found} == {("alice", "comité du 3")}
    assert all(one.details["user"] for one in found)
    assert found[0].details["subject"] == SUBJECT and found[0].details["profile"] == 2
    assert found[6].details["granted"] == ["750000001"]
    written = b"".join(path.read_bytes() for path in (folder / "ror.db.audit/acts").iterdir())
    assert (
        secret.encode() not in written
        and other.encode() not in written
        and b"scrypt" not in written
    )
    assert verify(Folder(folder / "ror.db.audit"), instant(time.time_ns())[:10]).findings == []


def test_keys_and_policies_are_told(folder: Path):
    told(folder, "keys", "rotate", "--by", "alice", "--reason", "yearly")
    keys = told(folder, "keys", "rotate", "--at-once", "--by", "bob", "--reason", "leaked")
    told(folder, "policy", "apply", "3.0", "--by", "carol", "--reason", "published")

    first, second, policy = acts(folder)
    assert (first.action, first.by, first.reason, first.details["forgotten"]) == (
        "key-rotate",
        "alice",
        "yearly",
        [],
    )
    assert (second.action, second.subject, second.by) == ("key-rotate", keys[-1]["kid"], "bob")
    assert second.details["forgotten"] == [first.subject]
    assert (policy.action, policy.subject, policy.by, policy.reason) == (
        "policy-apply",
        "3.0",
        "carol",
        "published",
    )
    assert policy.details["before"]
    assert b'"d":' not in b"".join(
        path.read_bytes() for path in (folder / "ror.db.audit/acts").iterdir()
    )


def test_the_key_that_a_server_makes_by_itself_is_told(tmp_path: Path):
    world = make_world(tmp_path)
    with serving(world) as server:
        assert server.ask_token(client_id="public", client_secret=SECRET).status_code == 200
        assert server.ask_token(client_id="public", client_secret=SECRET).status_code == 200

    (made,) = acts(tmp_path)
    assert (made.action, made.by) == ("key-rotate", "ror")
    assert made.subject == world.store.keys.all()[0].kid
    world.store.close()


def test_what_only_looks_leaves_no_trace_and_makes_no_trail(folder: Path):
    told(folder, "client", "list")
    told(folder, "keys", "list")
    told(folder, "policy", "show")

    assert not (folder / "ror.db.audit").exists()


def test_what_is_refused_was_not_done_and_is_not_told(folder: Path):
    told(folder, "client", "add", "dac", "--profile", "2", "--subject", SUBJECT)

    for refused in (
        ("client", "add", "dac", "--profile", "2", "--subject", SUBJECT),
        ("client", "resume", "dac", "--reason", "x"),
        ("client", "suspend", "nobody", "--reason", "x"),
        ("policy", "apply", "9"),
    ):
        assert ror(*refused, folder=folder).returncode != 0

    assert [one.action for one in acts(folder)] == ["client-add"]


def test_an_act_that_cannot_be_traced_is_not_done(folder: Path):
    settings = Settings(database=f"sqlite:///{folder}/ror.db")
    store = open_store(settings.database)
    signature = Signature("alice", "because", 0)
    traced = AuditedClients(store.clients, lambda: open_acts(settings, store))
    added = enrolling.add(traced, Client("open", "open", profile=0), signature)

    def refuse(*_: object) -> None:
        raise Unavailable("audit.cannot-write")

    with pytest.raises(Unavailable):
        enrolling.change_state(
            AuditedClients(store.clients, lambda: refuse), "open", Action.SUSPEND, signature
        )
    with pytest.raises(Unavailable):
        enrolling.rotate_secret(AuditedClients(store.clients, lambda: refuse), "open", signature)

    (present,) = store.clients.all()
    assert present.state.value == "active" and is_secret_of(added.secret or "", present.secret)
    assert [one.action for one in store.clients.acts("open")] == [Action.ADD]
    store.close()


def test_where_the_trail_cannot_be_opened_nothing_is_done(folder: Path):
    (folder / "ror.db.audit").write_text("in the way")

    refused = ror("client", "add", "open", "--profile", "0", folder=folder)

    assert refused.returncode != 0 and "ror.db.audit" in refused.stderr
    assert told(folder, "client", "list") == []


def test_without_a_trail_acts_are_done_all_the_same(folder: Path):
    (folder / "ror.toml").write_text("audit = false\n")

    told(folder, "client", "add", "open", "--profile", "0")

    assert not (folder / "ror.db.audit").exists()
    assert [one["client_id"] for one in told(folder, "client", "list")] == ["open"]


def test_acts_are_found_by_what_they_were_done_to(folder: Path):
    told(folder, "client", "add", "open", "--profile", "0", "--by", "alice")

    done = ror("audit", "search", folder=folder)

    assert done.returncode == 0 and "client-add" in done.stdout and "alice" in done.stdout, (
        done.stderr
    )


def test_a_trail_of_another_key_is_told_as_such(folder: Path):
    told(folder, "client", "add", "open", "--profile", "0")
    (folder / "ror.db.audit/keys/signing.key").unlink()

    refused = ror("client", "suspend", "open", "--reason", "x", folder=folder)

    assert refused.returncode != 0
    with pytest.raises(UsageError):
        Folder(folder / "ror.db.audit").make()
    assert told(folder, "client", "list")[0]["state"] == "active"
