"""`ror client …` as an administrator uses it: real processes on a real directory."""

import json

import pytest

from ror.identity.secrets import is_secret_of
from ror.store import open_store
from tests.test_cli import ror

SUBJECT = "CN=CLIENT_TEST_RORN,OU=33333333333,O=GIP - TEST3012,ST=Paris (75),C=FR"


@pytest.fixture
def folder(tmp_path):
    """A folder with an empty directory."""
    open_store(f"sqlite:///{tmp_path}/ror.db").close()
    return tmp_path


def told(folder, *arguments):
    """What a command that succeeds says to a program."""
    done = ror("client", *arguments, "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def kept(folder, client_id):
    store = open_store(f"sqlite:///{folder}/ror.db")
    try:
        return next(one for one in store.clients.all() if one.id == client_id)
    finally:
        store.close()


def test_a_public_client_gets_a_secret_that_is_shown_once_and_kept_nowhere(folder):
    done = ror("client", "add", "sante", "--profile", "0", folder=folder)

    secret = done.stdout.partition("client_secret: ")[2].strip()
    files = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert "not be shown again" in done.stderr and secret not in done.stderr
    assert is_secret_of(secret, kept(folder, "sante").secret)
    assert secret.encode() not in files
    assert "secret" not in told(folder, "show", "sante")
    assert "scrypt" not in ror("client", "show", "sante", folder=folder).stdout


def test_rotating_a_secret_ends_the_former_one(folder):
    before = told(folder, "add", "sante", "--profile", "0")["secret"]

    after = told(folder, "rotate-secret", "sante", "--reason", "leaked")["secret"]

    assert not is_secret_of(before, kept(folder, "sante").secret)
    assert is_secret_of(after, kept(folder, "sante").secret)


def test_a_client_is_granted_what_goes_with_its_profile_unless_more_is_said(folder):
    plain = told(folder, "add", "dac", "--profile", "2", "--subject", SUBJECT)
    held = told(
        folder,
        *("add", "sas-bretagne", "--profile", "1", "--subject", SUBJECT, "--name", "SAS Bretagne"),
        *(
            "--region",
            "53",
            "--field",
            "01",
            "--field",
            "05",
            "--user-profile",
            "CU22",
            "--role",
            "AUTOMATE",
        ),
        *("--calls-per-minute", "120"),
    )

    assert plain["user_profiles"] == ["CU18", "CU20", "CU24"] and plain["roles"] == ["AUTOMATE"]
    assert (plain["regions"], plain["fields"], plain["calls_per_minute"]) == ([], [], None)
    assert (held["regions"], held["fields"], held["user_profiles"]) == (
        ["53"],
        ["01", "05"],
        ["CU22"],
    )
    assert (held["calls_per_minute"], held["burst"], held["subject"]) == (120, 20, SUBJECT)


def test_every_act_says_who_when_and_why(folder):
    told(
        folder,
        "add",
        "dac",
        "--profile",
        "2",
        "--subject",
        SUBJECT,
        "--by",
        "alice",
        "--reason",
        "comité du 3",
    )
    told(folder, "suspend", "dac", "--by", "bob", "--reason", "certificat volé")
    told(folder, "resume", "dac", "--by", "carol", "--reason", "nouveau certificat")

    shown = told(folder, "show", "dac")

    assert shown["state"] == "active"
    assert [(one["action"], one["by"], one["reason"]) for one in shown["acts"]] == [
        ("add", "alice", "comité du 3"),
        ("suspend", "bob", "certificat volé"),
        ("resume", "carol", "nouveau certificat"),
    ]
    assert all(one["at"].startswith("20") and one["at"].endswith("+00:00") for one in shown["acts"])
    assert "certificat volé" in ror("client", "show", "dac", folder=folder).stdout


def test_an_act_on_no_establishment_is_none(folder):
    told(
        folder,
        "add",
        "lits",
        "--supplier",
        "--subject",
        "CN=lits,C=FR",
        "--establishment",
        "750000001",
    )

    done = ror("client", "grant-establishments", "lits", folder=folder)

    assert done.returncode == 2 and "--withdraw" in done.stderr
    assert [act["action"] for act in told(folder, "show", "lits")["acts"]] == ["add"]


def test_a_supplier_is_given_establishments_and_loses_them(folder):
    told(folder, "add", "lits", "--supplier", "--subject", SUBJECT, "--establishment", "750000001")

    told(folder, "grant-establishments", "lits", "750000002", "750000003")
    after = told(folder, "grant-establishments", "lits", "750000004", "--withdraw", "750000001")

    assert after["establishments"] == ["750000002", "750000003", "750000004"]
    assert after["profile"] is None


def test_one_certificate_is_not_for_reading_and_for_supplying_beds(folder):
    told(folder, "add", "regulation", "--profile", "2", "--subject", SUBJECT)

    refused = ror(
        "client", "add", "lits", "--supplier", "--subject", SUBJECT, folder=folder, LANG="en"
    )
    assert (
        refused.returncode == 2
        and "regulation" in refused.stderr
        and "two certificates" in refused.stderr
    )

    told(folder, "add", "coordination", "--profile", "3", "--subject", SUBJECT)
    for one in ("regulation", "coordination"):
        told(folder, "revoke", one, "--reason", "gone")
    assert told(folder, "add", "lits", "--supplier", "--subject", SUBJECT)["client_id"] == "lits"


def test_all_clients_are_listed(folder):
    told(folder, "add", "sante", "--profile", "0", "--name", "Santé pour tous")
    told(folder, "add", "lits", "--supplier", "--subject", SUBJECT)

    shown = ror("client", "list", folder=folder).stdout

    assert [one["client_id"] for one in told(folder, "list")] == ["sante", "lits"]
    assert "Santé pour tous" in shown and SUBJECT in shown


def test_who_acts_by_sudo_is_who_typed_it(folder):
    done = ror("client", "add", "dac", "--profile", "0", "--json", folder=folder, SUDO_USER="alice")

    assert done.returncode == 0, done.stderr
    assert [one["by"] for one in told(folder, "show", "dac")["acts"]] == ["alice"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["show", "nobody"], "nobody", id="an unknown client"),
        pytest.param(
            ["suspend", "nobody", "--reason", "x"], "nobody", id="an unknown client to suspend"
        ),
        pytest.param(["suspend", "sante"], "--reason", id="no reason"),
        pytest.param(
            ["resume", "sante", "--reason", "x"], "suspended", id="a client that was not suspended"
        ),
        pytest.param(["add", "sante", "--profile", "0"], "sante", id="an id that was given"),
        pytest.param(
            ["add", "x", "--profile", "6"], "--profile", id="a profile that does not exist"
        ),
        pytest.param(["add", "x"], "--profile", id="neither reader nor supplier"),
        pytest.param(["add", "x", "--profile", "1"], "--subject", id="no certificate"),
        pytest.param(
            ["add", "x", "--profile", "1", "--subject", "SAS"], "distinguished", id="a bad subject"
        ),
        pytest.param(
            ["add", "x", "--profile", "1", "--certificate", "ror.db"],
            "BEGIN CERTIFICATE",
            id="no certificate",
        ),
        pytest.param(
            ["add", "x", "--profile", "1", "--certificate", "nope.pem"],
            "cannot be read",
            id="no such file",
        ),
        pytest.param(
            ["add", "x", "--profile", "0", "--region", "99"], "99", id="an unknown region"
        ),
        pytest.param(["add", "x", "--profile", "0", "--field", "99"], "99", id="an unknown field"),
        pytest.param(
            ["add", "x", "--profile", "0", "--user-profile", "CU99"],
            "CU99",
            id="an unknown user profile",
        ),
        pytest.param(
            ["add", "x", "--profile", "0", "--role", "10"], "AUTOMATE", id="an unknown role"
        ),
        pytest.param(
            ["add", "x", "--profile", "0", "--burst", "5"], "--calls-per-minute", id="a burst alone"
        ),
        pytest.param(
            ["grant-establishments", "sante", "1"], "supplier", id="establishments of a reader"
        ),
        pytest.param(["sho", "sante"], "show", id="a mistyped command"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line_and_changes_nothing(folder, arguments, said):
    told(folder, "add", "sante", "--profile", "0")
    before = told(folder, "show", "sante")

    done = ror("client", *arguments, folder=folder)

    assert done.returncode == 2 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and said in done.stderr
    assert told(folder, "show", "sante") == before
    assert [one["client_id"] for one in told(folder, "list")] == ["sante"]


def test_clients_are_of_a_directory_that_is_there(tmp_path):
    done = ror("client", "add", "sante", "--profile", "0", folder=tmp_path)

    assert done.returncode == 2 and "ror.db" in done.stderr
    assert not (tmp_path / "ror.db").exists()


def test_the_rate_of_a_client_is_changed_shown_and_taken_away(folder):
    told(folder, "add", "dac", "--profile", "2", "--subject", SUBJECT)

    held = told(folder, "set-rate", "dac", "--calls-per-minute", "600", "--reason", "agreed")
    shown = ror("client", "show", "dac", folder=folder).stdout
    freed = told(folder, "set-rate", "dac")
    alone = ror("client", "set-rate", "dac", "--burst", "5", folder=folder)

    assert (held["calls_per_minute"], held["burst"]) == (600, 100)
    assert "calls_per_minute: 600" in shown and "burst: 100" in shown
    assert (freed["calls_per_minute"], freed["burst"]) == (None, None)
    assert [(one["action"], one["details"]) for one in told(folder, "show", "dac")["acts"]][1:] == [
        ("set-rate", {"calls_per_minute": 600, "burst": 100}),
        ("set-rate", {}),
    ]
    assert alone.returncode != 0 and "--calls-per-minute" in alone.stderr
