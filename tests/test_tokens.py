"""
Tokens: what each of ours says, what is accepted of anybody's, and that no text at all breaks the
reading.
"""

import json
import time
from base64 import urlsafe_b64encode
from dataclasses import replace

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import KeySet

from ror.identity.tokens import (
    ExpiredToken,
    InvalidToken,
    Issuer,
    SigningKey,
    UnknownKey,
    accepted_keys,
    issue_token,
    new_signing_key,
    public_key_set,
    read_key_set,
    verification_keys,
    verify_token,
)

NOW = 1_780_000_000
KEY = new_signing_key(NOW)
OURS = Issuer("https://ror.test", "ror", verification_keys([KEY]))
ISSUERS = {OURS.name: OURS}


def given_to(client_id="sas", certificate=None, now=NOW, lifetime_s=300):
    return issue_token(
        KEY,
        issuer=OURS.name,
        audience=OURS.audience,
        client_id=client_id,
        certificate=certificate,
        now=now,
        lifetime_s=lifetime_s,
    )


def test_a_token_that_we_give_is_read_back():
    token, expires_in = given_to(certificate=("1A", "CN=SAS,C=FR"))

    found = verify_token(token, ISSUERS, NOW + 299)

    assert expires_in == 300
    assert (found.client_id, found.expires_at, found.certificate) == (
        "sas",
        NOW + 300,
        ("1A", "CN=SAS,C=FR"),
    )


def test_another_library_reads_a_token_that_we_give():
    token, _ = given_to(now=int(time.time()))

    key = jwt.PyJWKSet.from_dict(public_key_set([KEY]))[KEY.kid]

    assert (
        jwt.decode(token, key, algorithms=["ES256"], audience="ror", issuer=OURS.name)["sub"]
        == "sas"
    )


def test_two_tokens_are_never_the_same():
    assert given_to().token != given_to().token


@pytest.mark.parametrize(
    ("at", "error"),
    [
        pytest.param(NOW - 61, InvalidToken, id="long before"),
        pytest.param(NOW - 59, None, id="a little before, as clocks differ"),
        pytest.param(NOW + 299.9, None, id="to the end"),
        pytest.param(NOW + 300, ExpiredToken, id="at its end"),
        pytest.param(NOW + 3_000, ExpiredToken, id="long after"),
    ],
)
def test_a_token_is_valid_from_its_beginning_to_its_end(at, error):
    token, _ = given_to()

    if error is None:
        assert verify_token(token, ISSUERS, at).client_id == "sas"
    else:
        with pytest.raises(error):
            verify_token(token, ISSUERS, at)


OTHERS = {
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "RS256": rsa.generate_private_key(65_537, 2_048),
    "PS256": rsa.generate_private_key(65_537, 2_048),
}


def others(algorithm, **more):
    """An issuer elsewhere, with one key of the type that an algorithm wants."""
    jwk = json.loads(
        jwt.algorithms.get_default_algorithms()[algorithm].to_jwk(OTHERS[algorithm].public_key())
    )
    keys = KeySet.import_key_set({"keys": [{**jwk, "kid": "k1"}]})
    return Issuer("https://login.test/realms/region", "ror", {key.kid: key for key in keys}, **more)


def claims(**more):
    return {
        "iss": "https://login.test/realms/region",
        "aud": ["ror", "account"],
        "exp": NOW + 60,
        "azp": "dac",
        **more,
    }


@pytest.mark.parametrize("algorithm", OTHERS)
def test_tokens_of_another_issuer_are_read_with_its_keys(algorithm):
    issuer = others(algorithm)
    token = jwt.encode(claims(), OTHERS[algorithm], algorithm=algorithm, headers={"kid": "k1"})

    assert verify_token(token, {issuer.name: issuer}, NOW).client_id == "dac"


def test_a_secret_published_as_a_key_verifies_nothing():
    secret = "k" * 64
    jwk = {"kty": "oct", "k": urlsafe_b64encode(secret.encode()).decode().rstrip("="), "kid": "k1"}
    issuer = replace(others("ES256"), keys={"k1": KeySet.import_key_set({"keys": [jwk]}).keys[0]})
    token = jwt.encode(claims(), secret, algorithm="HS256", headers={"kid": "k1"})

    with pytest.raises(InvalidToken, match="algorithm"):
        verify_token(token, {issuer.name: issuer}, NOW)


def test_a_claim_of_another_issuer_is_led_to_our_client():
    issuer = others(
        "ES256",
        client_claim="preferred_username",
        client_ids={"service-account-dac": "dac-bretagne"},
    )

    def token(**more):
        return jwt.encode(claims(**more), OTHERS["ES256"], algorithm="ES256", headers={"kid": "k1"})

    known = verify_token(
        token(preferred_username="service-account-dac"), {issuer.name: issuer}, NOW
    )

    assert known.client_id == "dac-bretagne"
    for unknown in ({"preferred_username": "somebody"}, {"preferred_username": 1}, {}):
        with pytest.raises(InvalidToken):
            verify_token(token(**unknown), {issuer.name: issuer}, NOW)


def test_the_only_key_of_an_issuer_needs_no_name():
    issuer = others("ES256")
    token = jwt.encode(claims(), OTHERS["ES256"], algorithm="ES256")

    assert verify_token(token, {issuer.name: issuer}, NOW).client_id == "dac"


def test_a_key_that_is_not_known_yet_is_told_apart():
    issuer = others("ES256")
    token = jwt.encode(claims(), OTHERS["ES256"], algorithm="ES256", headers={"kid": "k2"})

    with pytest.raises(UnknownKey) as refused:
        verify_token(token, {issuer.name: issuer}, NOW)

    assert refused.value.issuer == issuer.name


def test_an_issuer_is_believed_for_its_own_tokens_only():
    elsewhere = others("ES256")
    both = {**ISSUERS, elsewhere.name: elsewhere}
    pretending = jwt.encode(
        claims(iss=OURS.name), OTHERS["ES256"], algorithm="ES256", headers={"kid": "k1"}
    )

    with pytest.raises(InvalidToken):
        verify_token(pretending, both, NOW)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"aud": "another"}, id="another audience"),
        pytest.param({"aud": ["a", "b"]}, id="other audiences"),
        pytest.param({"aud": {"ror": 1}}, id="an audience that is none"),
        pytest.param({"exp": "soon"}, id="an end that is no date"),
        pytest.param({"exp": True}, id="an end that is no number"),
        pytest.param({"exp": 1e400}, id="no end"),
        pytest.param({"nbf": NOW + 600}, id="later"),
        pytest.param({"iat": NOW + 600}, id="made later"),
        pytest.param({"azp": ""}, id="no client"),
        pytest.param({"azp": ["dac"]}, id="a client that is no text"),
    ],
)
def test_a_token_with_a_claim_that_does_not_do_is_refused(changed):
    issuer = others("ES256")
    payload = urlsafe_b64encode(json.dumps(claims(**changed)).encode()).decode().rstrip("=")
    header = urlsafe_b64encode(b'{"alg":"ES256","kid":"k1"}').decode().rstrip("=")
    raw = jwt.algorithms.get_default_algorithms()["ES256"].sign(
        f"{header}.{payload}".encode(), OTHERS["ES256"]
    )
    token = f"{header}.{payload}.{urlsafe_b64encode(raw).decode().rstrip('=')}"

    with pytest.raises(InvalidToken):
        verify_token(token, {issuer.name: issuer}, NOW)


@pytest.mark.parametrize("missing", ["iss", "aud", "exp", "azp"])
def test_a_token_without_one_of_the_claims_is_refused(missing):
    issuer = others("ES256")
    left = {name: value for name, value in claims().items() if name != missing}
    token = jwt.encode(left, OTHERS["ES256"], algorithm="ES256", headers={"kid": "k1"})

    with pytest.raises(InvalidToken):
        verify_token(token, {issuer.name: issuer}, NOW)


_PARTS = st.one_of(
    st.text(max_size=40),
    st.binary(max_size=40).map(lambda raw: urlsafe_b64encode(raw).decode().rstrip("=")),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=10),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["alg", "kid", "iss", "aud", "exp", "azp", "crit", "b64"]),
                inner,
                max_size=5,
            )
        ),
        max_leaves=8,
    ).map(lambda value: urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")),
)


@given(st.lists(_PARTS, max_size=5).map(".".join))
def test_no_text_is_taken_for_a_token_nor_breaks_the_reading(text):
    with pytest.raises(InvalidToken):
        verify_token(text, ISSUERS, NOW)


@given(st.integers(0, 3), st.data())
def test_no_part_of_a_good_token_can_be_altered(part, data):
    token, _ = given_to()
    position = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("ABCDEFabcdef012345-_.="))
    altered = token[:position] + other + token[position + 1 :]

    if altered.split(".")[:2] == token.split(".")[:2] and altered[:-1] == token[:-1]:
        return  # The last letter of a signature has bits that mean nothing.
    with pytest.raises(InvalidToken):
        verify_token(altered, ISSUERS, NOW)


@pytest.mark.parametrize("name", ["kid", "typ", "crit"])
@pytest.mark.parametrize("depth", [*range(600, 1_000, 20), 2_000])
def test_a_header_however_deeply_nested_is_refused(name, depth):
    _, *others = given_to().token.split(".")
    header = f'{{"alg": "ES256", "kid": "{KEY.kid}", "{name}": {"[" * depth}{"]" * depth}}}'

    with pytest.raises(InvalidToken):
        verify_token(
            ".".join((urlsafe_b64encode(header.encode()).decode().rstrip("="), *others)),
            ISSUERS,
            NOW,
        )


@pytest.mark.parametrize("depth", [*range(600, 1_000, 20), 2_000])
def test_a_key_set_however_deeply_nested_is_none(depth):
    with pytest.raises(ValueError, match=r"(?i)key"):
        read_key_set(b'{"keys": [{"kty": %b%b}]}' % (b"[" * depth, b"]" * depth))


def test_a_key_does_not_show_what_it_is_made_of():
    assert KEY.jwk["d"] not in repr(KEY)
    assert all("d" not in one for one in public_key_set([KEY])["keys"])
    assert not any(key.is_private for key in verification_keys([KEY]).values())


@pytest.mark.parametrize(
    ("ages", "kept"),
    [
        pytest.param([], [], id="none"),
        pytest.param([90_000], [90_000], id="the only one, however old"),
        pytest.param(
            [9_000, 3_000], [9_000, 3_000], id="one that was succeeded within the life of a token"
        ),
        pytest.param([9_000, 3_659, 0], [9_000, 3_659, 0], id="to the second"),
        pytest.param([9_000, 3_660, 0], [3_660, 0], id="and no longer"),
        pytest.param(
            [9_000, -86_400, 3_660], [3_660], id="one dated in the future, succeeded long ago"
        ),
        pytest.param([9_000, -86_400, 0], [9_000, -86_400, 0], id="and succeeded just now"),
    ],
)
def test_keys_are_accepted_while_their_tokens_may_be_valid(ages, kept):
    keys = [replace(KEY, created_at=NOW - age) for age in ages]

    assert [NOW - key.created_at for key in accepted_keys(keys, NOW)] == kept
    assert all(isinstance(key, SigningKey) for key in keys)
