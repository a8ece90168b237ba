"""
Tokens of an identity provider of others: signed in a process of its own, verified with the keys
that it publishes.

Breakages that these tests were seen to catch: the audience, or the algorithms of the provider, not
looked at; keys of another kind taken; keys asked for at each unknown name, or believed for ever; a
binding looked at the first time only; a token without binding taken for a client that has a
certificate; a certificate that is not the client's, or expired.
"""

import base64
import hashlib
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from ror.audit.records import Call, Certificate
from ror.audit.trail.folder import Folder
from ror.audit.trail.reading import Selection, find
from ror.errors import Unavailable, UsageError
from ror.identity import Action
from ror.identity.provider_keys import FRESH_S, KEPT_S, RETRY_S, Issuers
from ror.identity.tokens import InvalidToken, UnknownKey, read_providers, verify_token
from tests.http import provider as provider_process
from tests.http.provider import Provider
from tests.http.secured import (
    ANNOUNCED,
    EXPIRED,
    PUBLIC,
    Secured,
    World,
    a_world,
    make_world,
    serving,
    subject_of,
)
from tests.waiting import until


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[World]:
    """A world for one test, whose audit trail holds the calls of that test only."""
    made = make_world(tmp_path)
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    yield from a_world(tmp_path_factory)


@pytest.fixture(scope="module")
def platform() -> Iterator[Provider]:
    with provider_process.running() as one:
        yield one


def described(one: Provider, *more: str, jwks: str | None = None) -> str:
    """The description of a provider as an operator writes it."""
    lines = (
        f'issuer = "{one.issuer}"',
        f'jwks = "{jwks or one.url + "/jwks"}"',
        'audience = "ror"',
        *more,
    )
    return "\n".join(("[[provider]]", *lines, ""))


def settings(world: World, name: str, text: str) -> dict[str, str]:
    path = world.folder / name
    path.write_text(text, encoding="utf-8")
    return {"ROR_IDENTITY_PROVIDERS_FILE": str(path)}


@pytest.fixture(scope="module")
def direct(world: World, platform: Provider) -> Iterator[Secured]:
    with serving(world, **settings(world, "providers.toml", described(platform))) as running:
        yield running


def thumbprint(certificate: tuple[str, str]) -> dict[str, Any]:
    """The claim that binds a token to a certificate."""
    der = ssl.PEM_cert_to_DER_cert(Path(certificate[0]).read_text())
    return {
        "cnf": {
            "x5t#S256": base64.urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")
        }
    }


def read(
    server: Secured, token: str, certificate: tuple[str, str] | None = None, **more: Any
) -> requests.Response:
    announced = more.pop("announced", PUBLIC if certificate is None else ANNOUNCED)
    headers = {"Authorization": f"Bearer {token}", **announced, **more}
    return server.session.get(f"{server.url}/fhir/Location/l1", headers=headers, cert=certificate)


# --- tokens that do -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [("ec", "ES256"), ("rsa", "RS256"), ("rsa", "PS256"), ("other-ec", "ES256")],
)
def test_a_token_of_a_provider_speaks_for_our_client(
    direct: Secured, platform: Provider, kind: str, algorithm: str
):
    answer = read(direct, platform.sign(kind=kind, algorithm=algorithm))

    assert answer.status_code in (200, 404), answer.text
    assert answer.status_code == read(direct, direct.token("public")).status_code


@pytest.mark.parametrize("audience", ["ror", ["ror"], ["account", "ror"]])
def test_an_audience_may_be_one_of_several(direct: Secured, platform: Provider, audience: Any):
    assert read(direct, platform.sign({"aud": audience})).status_code != 401


def test_what_the_client_sees_is_what_we_granted_it(
    direct: Secured, platform: Provider, world: World
):
    certificate = world.certify(subject_of("regulation"))
    bound = {"azp": "regulation", **thumbprint(certificate)}

    trusted = read(direct, platform.sign({**bound, "profile": 5, "scope": "nothing"}), certificate)
    denied = read(
        direct,
        platform.sign(bound),
        certificate,
        announced={**ANNOUNCED, "Ror-Role-Metier-Code": "X"},
    )

    assert trusted.status_code == 200 and trusted.json()["id"] == "l1"
    assert denied.status_code == 403


def test_our_own_tokens_are_believed_as_before(direct: Secured):
    assert direct.read(direct.token("regulation")).status_code == 200


# --- tokens that do not ---------------------------------------------------------------------------

NOW = int(time.time())
REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "an unknown issuer": ({"iss": "https://elsewhere.test"}, {}, "login"),
    "our own name": ({"iss": "https://ror.test/auth/realms/ror"}, {}, "login"),
    "no issuer": ({"iss": None}, {}, "login"),
    "another audience": ({"aud": "account"}, {}, "login"),
    "no audience": ({"aud": None}, {}, "login"),
    "expired": ({"exp": NOW - 1, "iat": NOW - 301}, {}, "expired"),
    "without end": ({"exp": None}, {}, "login"),
    "not yet": ({"nbf": NOW + 3_600}, {}, "login"),
    "a client we do not know": ({"azp": "stranger"}, {}, "login"),
    "no client": ({"azp": None}, {}, "login"),
    "a client that is a list": ({"azp": ["public"]}, {}, "login"),
    "no signature": ({}, {"algorithm": "none"}, "login"),
    "a public key as a secret": ({}, {"algorithm": "HS256"}, "login"),
    "an RSA public key as a secret": ({}, {"algorithm": "HS256", "kind": "rsa"}, "login"),
    "swapped keys": ({}, {"kid": "other-ec-1"}, "login"),
    "a key of another type": ({}, {"kid": "rsa-1"}, "login"),
    "an unknown key": ({}, {"kid": "unknown"}, "login"),
    "a shared secret that is published": ({}, {"kid": "shared"}, "login"),
    "a key that is too short": ({}, {"kid": "short"}, "login"),
    "a torn key": ({}, {"kid": "torn"}, "login"),
    "an algorithm that is not the provider's": ({}, {"kind": "rsa", "algorithm": "RS512"}, "login"),
    "a key of its own": ({}, {"kid": "mine", "header": {"jwk": {"kty": "EC"}}}, "login"),
    "a place of keys of its own": (
        {},
        {"kid": "mine", "header": {"jku": "https://elsewhere.test/jwks"}},
        "login",
    ),
    "a binding that is not understood": ({"cnf": {"jkt": "x"}}, {}, "login"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_token_that_does_not_do_is_refused(direct: Secured, platform: Provider, kind: str):
    claims, how, issue = REFUSED[kind]
    assert read(direct, platform.sign()).status_code != 401

    answer = read(direct, platform.sign(claims, **how))

    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (401, issue), answer.text
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_a_client_that_is_suspended_is_refused_at_once(
    direct: Secured, platform: Provider, world: World
):
    token = platform.sign()
    assert read(direct, token).status_code != 401

    world.act("public", Action.SUSPEND)
    refused = read(direct, token)
    world.act("public", Action.RESUME)

    assert refused.status_code == 401 and "suspen" in refused.json()["issue"][0]["diagnostics"]
    assert read(direct, token).status_code != 401


def test_names_that_nobody_knows_do_not_make_us_ask_again_and_again(
    direct: Secured, platform: Provider
):
    read(direct, platform.sign(kid="first"))
    before = platform.asked()

    statuses = {read(direct, platform.sign(kid=f"unknown-{one}")).status_code for one in range(20)}

    assert statuses == {401}
    assert platform.asked() - before <= 1


# --- certificates ---------------------------------------------------------------------------------


def test_a_token_that_is_bound_is_of_use_with_its_certificate_only(
    direct: Secured, platform: Provider, world: World
):
    certificate, other = (world.certify(subject_of("regulation")) for _ in range(2))
    token = platform.sign({"azp": "regulation", **thumbprint(certificate)})

    statuses = [
        read(direct, token, one, announced=ANNOUNCED).status_code
        for one in (certificate, other, None)
    ]
    again = [
        read(direct, token, one, announced=ANNOUNCED).status_code
        for one in (certificate, other, None)
    ]

    assert statuses == again == [200, 401, 401]


def test_a_client_known_by_a_certificate_needs_a_token_that_is_bound(
    direct: Secured, platform: Provider, world: World
):
    certificate = world.certify(subject_of("regulation"))

    answer = read(direct, platform.sign({"azp": "regulation"}), certificate)

    assert answer.status_code == 401 and "x5t#S256" in answer.json()["issue"][0]["diagnostics"]


@pytest.mark.parametrize(
    ("kind", "told"), [("of another", "subject"), ("expired", "expired"), ("revoked", "revoked")]
)
def test_the_certificate_must_be_one_that_is_believed(
    direct: Secured, platform: Provider, world: World, kind: str, told: str
):
    subject = subject_of("crisis" if kind == "of another" else "regulation")
    certificate = world.certify(subject, **(EXPIRED if kind == "expired" else {}))
    if kind == "revoked":
        world.revoked.append(int(Path(certificate[0]).stem, 16))
        world.publish_revocations()
    token = platform.sign({"azp": "regulation", **thumbprint(certificate)})

    answer = read(direct, token, certificate, **{"Accept-Language": "en"})

    assert answer.status_code == 401 and told in answer.json()["issue"][0]["diagnostics"], (
        answer.text
    )


def test_a_provider_may_be_believed_without_certificates(world: World, platform: Provider):
    text = described(platform, "certificate_bound = false", 'algorithms = ["PS256"]')
    with serving(world, **settings(world, "unbound.toml", text)) as server:
        accepted = read(
            server,
            platform.sign({"azp": "regulation"}, kind="rsa", algorithm="PS256"),
            announced=ANNOUNCED,
        )
        other_algorithm = read(server, platform.sign({"azp": "regulation"}), announced=ANNOUNCED)

    assert (accepted.status_code, other_algorithm.status_code) == (200, 401)


def test_behind_a_proxy_the_certificate_is_the_one_that_the_proxy_saw(
    world: World, platform: Provider
):
    certificate = world.certify(subject_of("regulation"))
    token = platform.sign({"azp": "regulation", **thumbprint(certificate)})
    shown = {"X-SSL-Client-Cert": requests.utils.quote(Path(certificate[0]).read_text())}
    text = described(platform)
    with serving(world, proxied=True, **settings(world, "proxied.toml", text)) as server:
        assert read(server, token, announced=ANNOUNCED, **shown).status_code == 200
        assert read(server, token, announced=ANNOUNCED).status_code == 401


def test_the_trail_tells_who_called_with_which_certificate(alone: World, platform: Provider):
    certificate = alone.certify(subject_of("regulation"))
    claims = {"azp": "regulation", "ror_certificate": {"serial": "FF", "subject": "CN=forged"}}
    given = settings(alone, "traced.toml", described(platform))
    with serving(alone, ROR_AUDIT_FOLDER=alone.file("trail-of-others"), **given) as server:
        read(server, platform.sign({**claims, **thumbprint(certificate)}), certificate)
        read(server, platform.sign({"ror_certificate": claims["ror_certificate"]}))

    told = [one.record for one in find(Folder(alone.folder / "trail-of-others"), Selection())]
    shown = Certificate(Path(certificate[0]).stem.upper(), subject_of("regulation"))
    assert [(one.client, one.certificate) for one in told if isinstance(one, Call)] == [
        ("regulation", shown),
        ("public", None),
    ]


# --- names and keys -------------------------------------------------------------------------------


def test_a_provider_may_have_names_of_its_own_for_our_clients(world: World, platform: Provider):
    text = described(
        platform, 'client_claim = "sub"', "[provider.clients]", '"service-account-7" = "public"'
    )
    with serving(world, **settings(world, "named.toml", text)) as server:
        named = read(server, platform.sign({"sub": "service-account-7"}))
        by_our_name = read(server, platform.sign({"sub": "public"}))
        not_listed = read(server, platform.sign({"sub": "regulation"}))

    assert named.status_code != 401
    assert (by_our_name.status_code, not_listed.status_code) == (401, 401)


@pytest.mark.parametrize("how", ["badly", "nonsense", "elsewhere", "slowly"])
def test_while_keys_cannot_be_had_tokens_are_refused_for_the_time_being(world: World, how: str):
    with provider_process.running() as away:
        away.behave(how)
        given = settings(world, f"{how}.toml", described(away))
        with serving(world, ROR_LOG_FORMAT="json", **given) as server:
            start = time.monotonic()
            answer, again = read(server, away.sign()), read(server, away.sign())
            seconds = time.monotonic() - start
            ours = server.read(server.token("regulation"))
            server.process.terminate()
            log = server.process.communicate(timeout=20)[1]

        assert [(one.status_code, one.json()["issue"][0]["code"]) for one in (answer, again)] == [
            (503, "transient")
        ] * 2
        assert (
            away.issuer in answer.json()["issue"][0]["diagnostics"]
            and "Retry-After" in answer.headers
        )
        assert seconds < 60 and ours.status_code == 200
        assert log.count(b'"event":"issuer"') == 1 and b'"event":"bug"' not in log


def test_a_provider_that_is_away_stops_no_start(world: World):
    with provider_process.running() as gone:
        text = described(gone)
        token = gone.sign()
    with serving(world, **settings(world, "gone.toml", text)) as server:
        assert read(server, token).status_code == 503
        assert server.read(server.token("regulation")).status_code == 200


class Clock:
    """Seconds that go on when they are told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def one() -> Iterator[Provider]:
    with provider_process.running() as provider:
        yield provider


def issuers(text: str, clock: Clock, told: Any = lambda issuer, problem: None) -> Issuers:
    return Issuers(read_providers(text, "providers.toml", "https://ror.test"), told, clock)


def speaks_for(token: str, known: Issuers) -> str:
    return verify_token(token, known.known(), time.time()).client_id


def test_a_key_that_is_new_is_asked_for_once_some_seconds_have_gone_by(one: Provider, clock: Clock):
    known = issuers(described(one), clock)
    with pytest.raises(UnknownKey):
        speaks_for(one.sign(), known)
    known.learn(one.issuer)
    assert speaks_for(one.sign(), known) == "public"
    former = one.sign()

    one.rotate()
    clock.now += RETRY_S / 2
    known.learn(one.issuer)
    with pytest.raises(UnknownKey):
        speaks_for(one.sign(), known)
    clock.now += RETRY_S
    known.learn(one.issuer)

    assert speaks_for(one.sign(), known) == "public"
    with pytest.raises(InvalidToken):
        speaks_for(former, known)
    assert one.asked() == 2


def test_one_thread_asks_a_provider_however_slow_it_is(one: Provider, clock: Clock):
    known = issuers(described(one), clock)
    known.learn(one.issuer)
    one.behave("slowly")
    clock.now += FRESH_S + 1
    known.known()
    assert until(lambda: one.asked() == 2)
    others: set[int] = set()

    threading.setprofile(lambda *_: others.add(threading.get_ident()))
    for _ in range(100):
        known.known()
    threading.setprofile(None)

    assert not others


def test_keys_that_are_withdrawn_are_believed_a_few_minutes_more_at_most(
    one: Provider, clock: Clock
):
    known = issuers(described(one), clock)
    known.learn(one.issuer)
    former = one.sign()
    before = known.known()
    one.rotate()

    clock.now += FRESH_S - 1
    assert known.known() is before
    clock.now += 2
    assert until(lambda: known.known() is not before)

    with pytest.raises(InvalidToken):
        speaks_for(former, known)


def test_the_last_keys_are_believed_for_an_hour_while_their_provider_is_away(
    one: Provider, clock: Clock
):
    told: list[tuple[str, Exception | None]] = []
    known = issuers(described(one), clock, lambda issuer, problem: told.append((issuer, problem)))
    known.learn(one.issuer)
    token = one.sign()
    one.behave("badly")

    clock.now += KEPT_S - 1
    assert speaks_for(token, known) == "public"
    assert until(lambda: len(told) == 1)
    clock.now += 2
    with pytest.raises(UnknownKey):
        speaks_for(token, known)
    clock.now += RETRY_S
    with pytest.raises(Unavailable):
        known.learn(one.issuer)
    one.behave("well")
    clock.now += RETRY_S + 1
    known.learn(one.issuer)

    assert speaks_for(token, known) == "public"
    assert [(issuer, problem is None) for issuer, problem in told] == [
        (one.issuer, False),
        (one.issuer, True),
    ]


def test_keys_may_be_in_a_file(one: Provider, clock: Clock, tmp_path: Path):
    path = tmp_path / "keys.json"
    path.write_bytes(one.session.get(f"{one.url}/jwks").content)
    known = issuers(described(one, jwks=str(path)), clock)

    known.learn(one.issuer)

    assert speaks_for(one.sign(), known) == "public"


def test_what_a_token_of_others_says_of_its_certificate_is_not_repeated(
    one: Provider, clock: Clock
):
    known = issuers(described(one), clock)
    known.learn(one.issuer)

    token = one.sign({"ror_certificate": {"serial": "FF", "subject": "CN=forged"}})

    assert verify_token(token, known.known(), time.time()).certificate is None


@pytest.mark.parametrize(
    ("text", "key"),
    [
        pytest.param("[[provider]]\nissuer = 'a'", "providers.bad-file", id="half of it"),
        pytest.param("provider = 3", "providers.bad-file", id="another shape"),
        pytest.param("[[provider", "providers.bad-file", id="no TOML"),
        pytest.param("{}\ncolour = 'red'", "providers.bad-file", id="a name that is not known"),
        pytest.param("{}algorithms = ['none']", "providers.bad-algorithm", id="no signature"),
        pytest.param("{}algorithms = ['HS256']", "providers.bad-algorithm", id="a shared secret"),
        pytest.param("{}algorithms = []", "providers.empty", id="no algorithm"),
        pytest.param("{0}{0}", "providers.issuer-twice", id="the same twice"),
        pytest.param(
            "[[provider]]\nissuer = 'https://ror.test'\njwks = 'f'\naudience = 'ror'",
            "providers.issuer-twice",
            id="us",
        ),
        pytest.param(
            "[[provider]]\nissuer = 'i'\njwks = 'http://idp.test/jwks'\naudience = 'ror'",
            "providers.in-the-clear",
            id="keys in the clear",
        ),
    ],
)
def test_a_description_that_does_not_do_is_refused_by_name(text: str, key: str):
    fine = "[[provider]]\nissuer = 'i'\njwks = 'https://idp.test/jwks'\naudience = 'ror'\n"
    assert read_providers(fine, "providers.toml", "https://ror.test")

    with pytest.raises(UsageError) as refused:
        read_providers(
            text.replace("{0}", fine).replace("{}", fine), "providers.toml", "https://ror.test"
        )

    assert refused.value.key == key and "providers.toml" in str(refused.value)
