"""
Clients: what may be granted together, the states they go through, their secrets, names of
certificates.
"""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ror.access import Perimeter
from ror.errors import UsageError
from ror.identity import Action, Client, Kind, State, after_action, announcements, check_consistency
from ror.identity.certificates import distinguished_name, is_same_name, name_text
from ror.identity.secrets import hash_secret, is_secret_of, new_secret

PUBLIC = Client("public", "Public", profile=0)
READER = Client("sas", "SAS", profile=2, subject="CN=SAS,C=FR")
SUPPLIER = Client("lits", "Lits", kind=Kind.SUPPLIER, subject="CN=LITS,C=FR")


@pytest.mark.parametrize("client", [PUBLIC, READER, SUPPLIER], ids=lambda client: client.id)
def test_what_holds_together_is_accepted(client):
    assert check_consistency(client) is client


@pytest.mark.parametrize(
    ("client", "key"),
    [
        pytest.param(replace(PUBLIC, id="a b"), "clients.bad-id", id="an id with a space"),
        pytest.param(replace(PUBLIC, id=""), "clients.bad-id", id="no id"),
        pytest.param(replace(READER, profile=None), "clients.profile-or-supplier", id="neither"),
        pytest.param(replace(SUPPLIER, profile=2), "clients.profile-or-supplier", id="both"),
        pytest.param(
            replace(PUBLIC, subject="CN=X"), "clients.no-certificate", id="profile 0 by certificate"
        ),
        pytest.param(
            replace(READER, subject=None), "clients.needs-certificate", id="profile 2 without one"
        ),
        pytest.param(
            replace(SUPPLIER, subject=None),
            "clients.needs-certificate",
            id="a supplier without one",
        ),
        pytest.param(
            replace(READER, establishments=frozenset("1")),
            "clients.only-suppliers",
            id="a reader's beds",
        ),
        pytest.param(
            replace(SUPPLIER, roles=frozenset("1")),
            "clients.only-consumers",
            id="a supplier's role",
        ),
        pytest.param(
            replace(SUPPLIER, perimeter=Perimeter(frozenset({"11"}))),
            "clients.only-consumers",
            id="a supplier's region",
        ),
    ],
)
def test_what_does_not_hold_together_is_refused(client, key):
    with pytest.raises(UsageError) as refused:
        check_consistency(client)

    assert refused.value.key == key


ACTIVE, SUSPENDED, REVOKED = State


@pytest.mark.parametrize(
    ("state", "action", "then"),
    [
        (ACTIVE, Action.SUSPEND, SUSPENDED),
        (SUSPENDED, Action.SUSPEND, None),
        (REVOKED, Action.SUSPEND, None),
        (ACTIVE, Action.RESUME, None),
        (SUSPENDED, Action.RESUME, ACTIVE),
        (REVOKED, Action.RESUME, None),
        (ACTIVE, Action.REVOKE, REVOKED),
        (SUSPENDED, Action.REVOKE, REVOKED),
        (REVOKED, Action.REVOKE, None),
        (ACTIVE, Action.ROTATE_SECRET, ACTIVE),
        (SUSPENDED, Action.ROTATE_SECRET, SUSPENDED),
        (REVOKED, Action.ROTATE_SECRET, None),
        (SUSPENDED, Action.GRANT_ESTABLISHMENTS, SUSPENDED),
        (REVOKED, Action.GRANT_ESTABLISHMENTS, None),
    ],
    ids=lambda value: getattr(value, "value", str(value)),
)
def test_a_client_goes_from_state_to_state(state, action, then):
    client = replace(READER, state=state)

    if then is None:
        with pytest.raises(UsageError, match="not possible"):
            after_action(client, action)
    else:
        assert after_action(client, action) == replace(client, state=then)


def test_a_client_reads_under_its_own_profile_and_perimeter():
    perimeter = Perimeter(frozenset({"11"}))
    viewer = replace(READER, perimeter=perimeter).viewer

    assert (viewer.profile, viewer.perimeter, viewer.client_id) == (2, perimeter, "sas")
    assert SUPPLIER.viewer is None


# --- secrets --------------------------------------------------------------------------------------


def test_the_hash_of_a_secret_says_nothing_of_it_and_is_never_twice_the_same():
    secret = new_secret()
    kept = [hash_secret(secret), hash_secret(secret)]

    assert len(secret) >= 43 and new_secret() != secret
    assert kept[0] != kept[1]
    assert all(secret not in one and is_secret_of(secret, one) for one in kept)
    assert not is_secret_of(secret + "x", kept[0])


def test_nobody_has_the_secret_of_a_client_without_one():
    assert not is_secret_of("", None)
    assert not is_secret_of("anything", None)


def test_the_hash_of_a_secret_is_not_shown_with_its_client():
    assert "scrypt" not in repr(replace(PUBLIC, secret=hash_secret("s")))


# --- names of certificates ------------------------------------------------------------------------

REGISTERED = "CN=CLIENT_TEST_RORN,OU=33333333333,O=GIP - TEST3012,ST=Paris (75),C=FR"


@pytest.mark.parametrize(
    ("written", "same"),
    [
        pytest.param(REGISTERED, True, id="as registered"),
        pytest.param(
            REGISTERED.replace("CN=", "cn=").replace("ST=", "sT="), True, id="types in another case"
        ),
        pytest.param(
            REGISTERED.replace("Paris (75)", "Paris \\2875\\29"), True, id="escaped by codes"
        ),
        pytest.param(REGISTERED.replace("OU=", "2.5.4.11="), True, id="a type by its number"),
        pytest.param(REGISTERED.lower(), False, id="values in another case"),
        pytest.param(",".join(reversed(REGISTERED.split(","))), False, id="in another order"),
        pytest.param(REGISTERED.removesuffix(",C=FR"), False, id="a part of it"),
        pytest.param(f"{REGISTERED},DC=x", False, id="more than it"),
        pytest.param(
            REGISTERED.replace("OU=33333333333,O=", "OU=33333333333+O="), False, id="in one step"
        ),
        pytest.param(REGISTERED.replace("CLIENT", "CLIENT "), False, id="a space more"),
    ],
)
def test_names_are_compared_by_what_they_say(written, same):
    assert is_same_name(REGISTERED, distinguished_name(written)) is same


@pytest.mark.parametrize(
    "text", ["", "SAS", "CN=a, O=b", "CN=a;O=b", "XX=a", "CN=a,", 'CN="a"', "CN=a\\"]
)
def test_what_is_no_name_is_refused(text):
    with pytest.raises(UsageError, match="distinguished name"):
        distinguished_name(text)


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", min_codepoint=1), min_size=1, max_size=20), min_size=1
    )
)
def test_any_value_can_be_written_and_read_back(values):
    from cryptography.x509 import Name, NameAttribute, NameOID

    name = Name([NameAttribute(NameOID.ORGANIZATION_NAME, value) for value in values])

    assert is_same_name(name_text(name), name)


# --- what calls announce --------------------------------------------------------------------------


def test_the_table_of_user_profiles_goes_with_the_access_profiles():
    table = announcements()

    assert {profile: sorted(table.of_profile(profile)) for profile in range(6)} == {
        0: ["CU23"],
        1: ["CU22", "CU25"],
        2: ["CU18", "CU20", "CU24"],
        3: ["CU19", "CU21"],
        4: ["CU28", "CU29"],
        5: ["CU30"],
    }
    assert {one.status for one in table.user_profiles.values()} == {"verified", "inferred"}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("nonsense", id="no TOML"),
        pytest.param('system = "1"', id="incomplete"),
        pytest.param(
            'system="1"\nrole_system="2"\nroles=[]\nuser_profiles={CU1={label="a",status="b",profil=1}}',
            id="a name mistyped",
        ),
    ],
)
def test_a_file_that_is_no_table_of_user_profiles_is_refused(text, tmp_path):
    path = tmp_path / "profiles.toml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(UsageError, match=r"profiles\.toml"):
        announcements(path)
