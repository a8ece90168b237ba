"""
Who calls: tokens given and refused over real TLS and behind a proxy, and what becomes of them at
the door.
"""

import json
import re
import shutil
import subprocess
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import msgspec
import pytest
import requests

from ror.audit.records import Call, Certificate, RorHeaders
from ror.audit.trail.folder import Folder
from ror.audit.trail.reading import Selection, find
from ror.identity import Action
from ror.identity import token_service as authorising
from tests.http.secured import (
    ANNOUNCED,
    KEYS,
    PUBLIC,
    SECRET,
    TOKEN,
    Secured,
    World,
    a_world,
    certificate_of,
    make_world,
    reader,
    serving,
    subject_of,
)


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
def direct(world: World) -> Iterator[Secured]:
    """A server that speaks TLS itself."""
    with serving(world) as running:
        yield running


@pytest.fixture(scope="module")
def proxied(world: World) -> Iterator[Secured]:
    """A server behind a proxy that it trusts, which this machine is."""
    with serving(world, proxied=True) as running:
        yield running


@pytest.fixture(params=["direct", "proxied"])
def server(request: pytest.FixtureRequest) -> Secured:
    """Either."""
    found: Secured = request.getfixturevalue(request.param)
    return found


# --- the published flow ---------------------------------------------------------------------------


def test_a_token_is_had_with_a_secret(server: Secured):
    answer = server.ask_token(client_id="public", client_secret=SECRET)

    given = answer.json()
    claims = jwt.decode(given["access_token"], options={"verify_signature": False})
    assert answer.status_code == 200
    assert (given["token_type"], given["expires_in"]) == ("Bearer", 300)
    assert claims["exp"] - claims["iat"] == 300 and abs(claims["iat"] - time.time()) < 10
    assert (claims["azp"], claims["aud"], claims["iss"]) == (
        "public",
        "ror",
        "https://ror.test/auth/realms/ror",
    )
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_token_is_had_with_the_secret_in_a_basic_header(server: Secured):
    answer = server.session.post(
        server.url + TOKEN,
        data={"grant_type": "client_credentials"},
        auth=("public", SECRET.replace(" ", "+")),
    )

    assert answer.status_code == 200, answer.text


def test_a_token_is_had_with_a_certificate_and_reads_with_the_four_headers(
    server: Secured, world: World
):
    certificate = world.certify(subject_of("regulation"))

    given = server.ask_token(certificate, client_id="regulation")
    answer = server.read(given.json()["access_token"])

    claims = jwt.decode(given.json()["access_token"], options={"verify_signature": False})
    assert claims["ror_certificate"] == {
        "serial": Path(certificate[0]).stem.upper(),
        "subject": subject_of("regulation"),
    }
    assert answer.status_code == 200 and answer.json()["id"] == "l1"


def test_a_public_client_reads_under_its_own_profile(direct: Secured):
    assert direct.read(direct.token("public"), PUBLIC).status_code == 200


def test_the_published_keys_verify_a_token(server: Secured):
    token = server.token("public")
    keys = jwt.PyJWKSet.from_dict(server.session.get(server.url + KEYS).json())

    key = keys[jwt.get_unverified_header(token)["kid"]]

    assert jwt.decode(token, key, algorithms=["ES256"], audience="ror")["client_id"] == "public"
    assert all("d" not in one for one in server.session.get(server.url + KEYS).json()["keys"])


@pytest.mark.parametrize(
    "path",
    [
        "/auth/realms/ror/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server/auth/realms/ror",
    ],
)
def test_the_server_describes_itself(direct: Secured, path: str):
    told = direct.session.get(direct.url + path).json()

    issuer = "https://ror.test/auth/realms/ror"
    assert (told["issuer"], told["token_endpoint"], told["jwks_uri"]) == (
        issuer,
        f"https://ror.test{TOKEN}",
        f"https://ror.test{KEYS}",
    )
    assert "tls_client_auth" in told["token_endpoint_auth_methods_supported"]


def test_the_flow_works_with_curl(direct: Secured, world: World):
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed on this machine")
    certificate, key = world.certify(subject_of("regulation"))
    common = [
        curl,
        "--silent",
        "--show-error",
        "--fail-with-body",
        "--noproxy",
        "*",
        "--cacert",
        world.file("root.pem"),
    ]

    given = subprocess.run(
        [
            *common,
            *("--cert", certificate, "--key", key, "--request", "POST", direct.url + TOKEN),
            *("--data", "client_id=regulation", "--data", "grant_type=client_credentials"),
        ],
        capture_output=True,
        check=True,
    )
    headers = {"Authorization": f"Bearer {json.loads(given.stdout)['access_token']}", **ANNOUNCED}
    written = [part for name, value in headers.items() for part in ("--header", f"{name}: {value}")]
    read = subprocess.run(
        [*common, *written, f"{direct.url}/fhir/Location/l1"], capture_output=True, check=True
    )

    assert json.loads(read.stdout)["id"] == "l1"


def test_an_api_call_may_show_a_certificate_that_it_does_not_need(direct: Secured, world: World):
    token = direct.token("regulation")

    answer = direct.session.get(
        f"{direct.url}/fhir/Location/l1",
        headers={"Authorization": f"Bearer {token}", **ANNOUNCED},
        cert=world.certify(subject_of("somebody")),
    )

    assert answer.status_code == 200


@pytest.mark.parametrize("version", ["1.1", "1.2", "1.3"])
def test_tls_1_2_and_1_3_are_spoken_and_nothing_older(direct: Secured, world: World, version: str):
    import socket
    import ssl

    context = ssl.create_default_context(cafile=world.file("root.pem"))
    context.set_ciphers("ALL:@SECLEVEL=0")
    wanted = getattr(ssl.TLSVersion, f"TLSv{version.replace('.', '_')}")
    host, port = direct.url.removeprefix("https://").split(":")
    with pytest.warns(DeprecationWarning) if version == "1.1" else _nothing():
        context.minimum_version = context.maximum_version = wanted

    def connect() -> str | None:
        with (
            socket.create_connection((host, int(port))) as plain,
            context.wrap_socket(plain, server_hostname=host) as one,
        ):
            return one.version()

    if version == "1.1":
        with pytest.raises((ssl.SSLError, ConnectionError)):
            connect()
    else:
        assert connect() == f"TLSv{version}"


# --- tokens that are refused ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        pytest.param(
            {"client_id": "public", "client_secret": "x"},
            401,
            "invalid_client",
            id="a wrong secret",
        ),
        pytest.param(
            {"client_id": "nobody", "client_secret": SECRET},
            401,
            "invalid_client",
            id="an unknown client",
        ),
        pytest.param(
            {"client_id": "regulation", "client_secret": "x"},
            401,
            "invalid_client",
            id="a secret for profile 1",
        ),
        pytest.param({"client_id": "public"}, 401, "invalid_client", id="no secret"),
        pytest.param({"client_secret": SECRET}, 400, "invalid_request", id="no client"),
        pytest.param(
            {"client_id": "public", "client_secret": SECRET, "grant_type": "password"},
            400,
            "unsupported_grant_type",
            id="another grant",
        ),
        pytest.param(
            {"client_id": "public", "client_secret": SECRET, "grant_type": ""},
            400,
            "invalid_request",
            id="no grant",
        ),
    ],
)
def test_credentials_that_do_not_do_are_refused_as_oauth_says(
    direct: Secured, form: dict[str, str], status: int, error: str
):
    answer = direct.ask_token(**form)

    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.headers["Cache-Control"] == "no-store"
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)
    assert answer.json()["error_description"].isascii()


@pytest.mark.parametrize("scope", ["openid", "openid profile offline_access", "all"])
def test_a_scope_is_ignored(direct: Secured, scope: str):
    answer = direct.ask_token(client_id="public", client_secret=SECRET, scope=scope)

    assert (answer.status_code, answer.json()["token_type"]) == (200, "Bearer")


@pytest.mark.parametrize(
    ("how", "status"),
    [
        pytest.param(
            {"params": {"client_id": "public", "client_secret": SECRET}}, 400, id="in the address"
        ),
        pytest.param(
            {"data": [("client_id", "public"), ("client_id", "public")]}, 400, id="a field twice"
        ),
        pytest.param({"json": {"client_id": "public"}}, 400, id="in JSON"),
        pytest.param(
            {"data": {"client_secret": SECRET, "client_id": "public"}, "auth": ("public", SECRET)},
            400,
            id="two ways",
        ),
        pytest.param(
            {"data": {"client_id": "public"}, "headers": {"Authorization": "Bearer x"}},
            401,
            id="a bearer",
        ),
        pytest.param(
            {"data": {"client_id": "public"}, "headers": {"Authorization": "Basic !"}},
            401,
            id="no base64",
        ),
    ],
)
def test_requests_that_are_not_as_oauth_wants_are_refused(
    direct: Secured, how: dict[str, Any], status: int
):
    answer = direct.session.post(direct.url + TOKEN, **how)

    assert answer.status_code == status
    assert answer.json()["error"] in ("invalid_request", "invalid_client")


def test_a_secret_sent_in_an_address_is_not_logged(world: World):
    with serving(world, ROR_LOG_FORMAT="json") as running:
        running.session.post(running.url + TOKEN, params={"client_secret": "do-not-log"})
        running.process.terminate()
        log = running.process.communicate(timeout=20)[1]

    assert b"openid-connect/token" in log and b"do-not-log" not in log


REFUSED_CERTIFICATES = {
    # What the server says, and whether TLS itself refuses when there is no proxy.
    "none": ("certificate", False),
    "foreign": ("known authority", True),
    "namesake": ("known authority", True),
    "self-signed": ("clientAuth", True),
    "for servers": ("clientAuth", True),
    "wrong subject": ("subject", False),
    "reversed subject": ("subject", False),
    "expired": ("expired", False),
    "revoked": ("revoked", False),
}


@pytest.mark.parametrize("kind", REFUSED_CERTIFICATES)
def test_a_certificate_that_does_not_do_is_refused(server: Secured, world: World, kind: str):
    certificate = certificate_of(world, kind)
    told, by_tls = REFUSED_CERTIFICATES[kind]

    if by_tls and not server.is_proxied:
        # The handshake ends there: no HTTP is spoken, hence no status.
        with pytest.raises(requests.exceptions.ConnectionError):
            server.ask_token(certificate, client_id="regulation")
        assert server.token("regulation")
        return
    answer = server.ask_token(certificate, client_id="regulation")

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert told in answer.json()["error_description"]


def test_a_revocation_list_out_of_date_leaves_nobody_believed(
    tmp_path_factory: pytest.TempPathFactory,
):
    alone = make_world(tmp_path_factory.mktemp("outdated"))
    with serving(alone) as running:
        assert running.token("regulation")

        alone.publish_revocations(datetime.now(UTC) - timedelta(days=40))
        outdated = running.ask_token(
            alone.certify(subject_of("regulation")), client_id="regulation"
        )
        alone.folder.joinpath("crl.pem").write_bytes(b"nonsense")
        unreadable = running.ask_token(
            alone.certify(subject_of("regulation")), client_id="regulation"
        )
        alone.publish_revocations()

        assert (outdated.status_code, outdated.json()["error"]) == (503, "temporarily_unavailable")
        assert (unreadable.status_code, unreadable.json()["error"]) == (
            503,
            "temporarily_unavailable",
        )
        # Those who run the service are told why, in the log; the others are not.
        assert "crl.pem" not in unreadable.text and str(alone.folder) not in unreadable.text
        assert unreadable.headers["x-request-id"] in unreadable.json()["error_description"]
        assert running.token("regulation")
    alone.store.close()


def test_an_error_description_is_plain_ascii(server: Secured):
    sent = {"Content-Type": "application/x-www-form-urlencoded"}

    answer = server.session.post(server.url + TOKEN, data=b"grant_type=%ff", headers=sent)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert re.fullmatch(r"[\x20\x21\x23-\x5b\x5d-\x7e]+", answer.json()["error_description"])


# --- certificates from proxies --------------------------------------------------------------------


@pytest.mark.parametrize("form", ["rfc 9440", "plain base64", "escaped"])
def test_a_proxy_may_pass_a_certificate_on_in_several_forms(
    proxied: Secured, world: World, form: str
):
    pem = Path(world.certify(subject_of("regulation"))[0]).read_text()
    import ssl

    coded = b64encode(ssl.PEM_cert_to_DER_cert(pem)).decode()
    value = {
        "rfc 9440": f":{coded}:",
        "plain base64": coded,
        "escaped": requests.utils.quote(pem, safe=""),
    }[form]

    answer = proxied.session.post(
        proxied.url + TOKEN,
        data={"grant_type": "client_credentials", "client_id": "regulation"},
        headers={"X-SSL-Client-Cert": value},
    )

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("value", ["nonsense!", "AAAA", "%FF", ":AAAA:, :AAAA:"])
def test_a_certificate_that_cannot_be_read_is_refused(proxied: Secured, value: str):
    answer = proxied.session.post(
        proxied.url + TOKEN,
        data={"grant_type": "client_credentials", "client_id": "regulation"},
        headers={"X-SSL-Client-Cert": value},
    )

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("path", [TOKEN, "/fhir/Location/l1", "/fhir/metadata", "/health/live"])
def test_a_certificate_injected_by_a_stranger_is_refused_everywhere(
    world: World, strangers: Secured, path: str
):
    value = requests.utils.quote(Path(world.certify(subject_of("regulation"))[0]).read_text())
    method = "POST" if path == TOKEN else "GET"

    injected = strangers.session.request(
        method,
        strangers.url + path,
        data={"grant_type": "client_credentials", "client_id": "regulation"}
        if path == TOKEN
        else None,
        headers={"X-SSL-Client-Cert": value},
    )

    assert injected.status_code == 400
    assert "x-ssl-client-cert" in injected.text
    assert (injected.json().get("error") == "invalid_request") is (path == TOKEN)
    assert strangers.session.get(f"{strangers.url}/health/live").status_code == 200


@pytest.fixture(scope="module")
def strangers(world: World) -> Iterator[Secured]:
    """A server that trusts proxies of which this machine is none."""
    with serving(world, proxied=True, ROR_TRUSTED_PROXIES="10.0.0.0/8") as running:
        yield running


# --- bearer tokens at the door --------------------------------------------------------------------


def forged(world: World, kind: str, good: str) -> str:
    """A token that should not do, made from a good one."""
    header, claims = (
        jwt.get_unverified_header(good),
        jwt.decode(good, options={"verify_signature": False}),
    )
    kid = header["kid"]
    key = jwt.PyJWK(dict(next(one for one in world.store.keys.all() if one.kid == kid).jwk)).key
    other = jwt.PyJWK(dict(authorising.new_signing_key(0).jwk)).key
    now = int(time.time())

    def signed(changed: dict[str, Any], with_key: Any = key, name: str = kid) -> str:
        return jwt.encode({**claims, **changed}, with_key, algorithm="ES256", headers={"kid": name})

    def part(value: dict[str, Any]) -> str:
        return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    first, second, third = good.split(".")
    match kind:
        case "expired":
            return signed({"exp": now - 1, "iat": now - 300, "nbf": now - 300})
        case "not yet":
            return signed({"nbf": now + 600})
        case "of another issuer":
            return signed({"iss": "https://elsewhere.test"})
        case "for another service":
            return signed({"aud": "another"})
        case "without end":
            return signed({"exp": None})
        case "of nobody":
            return signed({"azp": "nobody"})
        case "swapped keys":
            return signed({}, other)
        case "an unknown key":
            return signed({}, other, "unknown")
        case "alg none":
            return f"{part({**header, 'alg': 'none'})}.{second}."
        case "alg HS256 with the public key":
            return hmac_signed(part({**header, "alg": "HS256"}), second, key)
        case "altered claims":
            return f"{first}.{part({**claims, 'azp': 'public'})}.{third}"
        case "altered signature":
            return f"{first}.{second}.{'A' * len(third)}"
        case "key in its header":
            return jwt.encode(
                claims,
                other,
                algorithm="ES256",
                headers={"jwk": json.loads(jwt.algorithms.ECAlgorithm.to_jwk(other.public_key()))},
            )
        case "not a token":
            return "abc"
        case "too long":
            return good + "A" * 10_000
        case _:
            raise AssertionError(kind)


def hmac_signed(first: str, second: str, key: Any) -> str:
    """A token signed with the public key taken for a shared secret."""
    import hashlib
    import hmac

    from cryptography.hazmat.primitives import serialization

    pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    signature = hmac.new(pem, f"{first}.{second}".encode(), hashlib.sha256).digest()
    return f"{first}.{second}.{urlsafe_b64encode(signature).decode().rstrip('=')}"


@pytest.mark.parametrize(
    ("kind", "issue"),
    [
        ("expired", "expired"),
        ("not yet", "login"),
        ("of another issuer", "login"),
        ("for another service", "login"),
        ("without end", "login"),
        ("of nobody", "login"),
        ("swapped keys", "login"),
        ("an unknown key", "login"),
        ("alg none", "login"),
        ("alg HS256 with the public key", "login"),
        ("altered claims", "login"),
        ("altered signature", "login"),
        ("key in its header", "login"),
        ("not a token", "login"),
        ("too long", "login"),
    ],
)
def test_a_token_that_does_not_do_is_refused(direct: Secured, world: World, kind: str, issue: str):
    good = direct.token("regulation")
    assert direct.read(good).status_code == 200

    answer = direct.read(forged(world, kind, good))

    assert answer.status_code == 401
    assert answer.json()["issue"][0]["code"] == issue
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_a_token_is_refused_as_soon_as_it_has_expired(world: World):
    with serving(world, ROR_TOKEN_LIFETIME_S="5") as running:
        token = running.token("regulation")
        end = jwt.decode(token, options={"verify_signature": False})["exp"]
        assert running.read(token).status_code == 200
        time.sleep(max(0.0, end - time.time()) + 0.05)

        answer = running.read(token)

    assert answer.status_code == 401 and answer.json()["issue"][0]["code"] == "expired"


@pytest.mark.parametrize("scheme", ["Basic cHVibGljOng=", "Bearer", ""])
def test_without_a_bearer_token_one_is_asked_for(direct: Secured, scheme: str):
    answer = direct.session.get(f"{direct.url}/fhir/Location/l1", headers={"Authorization": scheme})

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="ror"')


def test_a_bad_token_is_refused_where_everybody_may_read(world: World):
    with serving(world, ROR_ANONYMOUS_PROFILE="0") as running:
        anonymous, bad = running.read(None, {}), running.read("abc", {})

    assert (anonymous.status_code, bad.status_code) == (200, 401)


def test_a_suspended_client_is_refused_at_once_and_served_again_at_once(
    direct: Secured, world: World
):
    token, certificate = direct.token("regulation"), world.certify(subject_of("regulation"))
    for _ in range(10):
        assert direct.read(token).status_code == 200

        world.act("regulation", Action.SUSPEND)
        refused, no_token = (
            direct.read(token),
            direct.ask_token(certificate, client_id="regulation"),
        )
        world.act("regulation", Action.RESUME)

        assert (refused.status_code, no_token.status_code) == (401, 401)
        assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
        assert "suspended" in no_token.json()["error_description"]


def test_a_suspension_holds_in_every_worker(world: World):
    with serving(world, ROR_WORKERS="2") as running:
        token = running.token("regulation")
        assert {running.read(token, Connection="close").status_code for _ in range(20)} == {200}

        world.act("regulation", Action.SUSPEND)
        after = {running.read(token, Connection="close").status_code for _ in range(20)}
        world.act("regulation", Action.RESUME)

    assert after == {401}


def test_a_revoked_client_never_comes_back(direct: Secured, world: World):
    from ror.identity import Act

    world.store.clients.change(Act("gone", Action.ADD, 0, "tests", ""), lambda _: reader("gone"))
    token = direct.token("gone")
    assert direct.read(token).status_code == 200

    world.act("gone", Action.REVOKE)

    assert direct.read(token).status_code == 401
    assert direct.ask_token(world.certify(subject_of("gone")), client_id="gone").status_code == 401


def test_the_audit_trail_knows_the_client_and_its_certificate_whatever_became_of_the_call(
    alone: World,
):
    certificate = alone.certify(subject_of("regulation"))
    with serving(alone, ROR_AUDIT_FOLDER=alone.file("trail")) as running:
        token = running.ask_token(certificate, client_id="regulation").json()["access_token"]
        running.ask_token(client_id="public", client_secret=SECRET)
        running.read(token)
        running.read(token, {})
        alone.act("regulation", Action.SUSPEND)
        running.read(token)
        alone.act("regulation", Action.RESUME)
        running.read("abc")

    told = (one.record for one in find(Folder(alone.folder / "trail"), Selection()))
    traced = [one for one in told if isinstance(one, Call)]
    shown = Certificate(Path(certificate[0]).stem.upper(), subject_of("regulation"))
    assert [
        (one.interaction, one.status, one.client, one.profile, one.certificate) for one in traced
    ] == [
        ("token", 200, "regulation", 1, shown),
        ("token", 200, "public", 0, None),
        ("read", 200, "regulation", 1, shown),
        ("read", 400, "regulation", 1, shown),
        ("read", 401, "regulation", 1, shown),
        ("read", 401, None, None, None),
    ]
    assert SECRET.encode() not in b"".join(
        path.read_bytes() for path in (alone.folder / "trail").rglob("*") if path.is_file()
    )


def test_the_audit_trail_knows_who_was_refused_a_token_as_far_as_that_was_proven(tmp_path_factory):
    alone = make_world(tmp_path_factory.mktemp("refused"))
    certificate, foreign = (
        alone.certify(subject_of("regulation")),
        alone.certify(subject_of("nobody")),
    )
    revoked = alone.certify(subject_of("regulation"))
    alone.revoked.append(int(Path(revoked[0]).stem, 16))
    alone.publish_revocations()
    with serving(alone, ROR_AUDIT_FOLDER=alone.file("trail")) as running:
        running.ask_token(foreign, client_id="regulation")
        running.ask_token(revoked, client_id="regulation")
        running.ask_token(client_id="public", client_secret="not it")
        alone.act("regulation", Action.SUSPEND)
        running.ask_token(certificate, client_id="regulation")
    alone.store.close()

    told = (one.record for one in find(Folder(alone.folder / "trail"), Selection()))
    assert [(one.status, one.client, one.certificate) for one in told if isinstance(one, Call)] == [
        (401, None, Certificate(Path(foreign[0]).stem.upper(), subject_of("nobody"))),
        (401, None, Certificate(Path(revoked[0]).stem.upper(), subject_of("regulation"))),
        (401, None, None),
        (
            401,
            "regulation",
            Certificate(Path(certificate[0]).stem.upper(), subject_of("regulation")),
        ),
    ]


def test_the_audit_trail_tells_on_whose_behalf_a_call_was_made_and_names_nobody(alone: World):
    with serving(alone, ROR_AUDIT_FOLDER=alone.file("trail-of-headers")) as running:
        token = running.token("regulation")
        running.read(token)
        running.read(token, {**ANNOUNCED, "Ror-Role-Metier-Code": "Jean Dupont"})

    folder = Folder(alone.folder / "trail-of-headers")
    calls = [one.record for one in find(folder, Selection()) if isinstance(one.record, Call)]
    usual = RorHeaders("CU22", "1.2.250.1.213.1.6.1.66", "AUTOMATE", "1.2.250.1.213.1.1.4.6")
    assert [(one.interaction, one.status, one.client, one.profile) for one in calls] == [
        ("token", 200, "regulation", 1),
        ("read", 200, "regulation", 1),
        ("read", 403, "regulation", 1),
    ]
    assert [one.announced for one in calls[:2]] == [None, usual]
    assert calls[2].announced == msgspec.structs.replace(
        usual, role=folder.veil().hashed("Jean Dupont")
    )
    assert b"Dupont" not in b"".join(
        path.read_bytes() for path in folder.path.rglob("*") if path.is_file()
    )


# --- keys -----------------------------------------------------------------------------------------


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Secured]:
    """A server that never gave a token."""
    made = make_world(tmp_path)
    with serving(made) as running:
        yield running
    made.store.close()


def test_the_first_token_is_signed_with_a_key_that_was_published_before(fresh: Secured):
    [published] = fresh.session.get(fresh.url + KEYS).json()["keys"]

    assert jwt.get_unverified_header(fresh.token("public"))["kid"] == published["kid"]


def test_no_key_is_made_that_cannot_be_traced_and_the_caller_is_told_to_come_back(fresh: Secured):
    [key] = Path(fresh.world.folder).rglob("signing.key")
    hidden = key.rename(key.with_name("hidden"))

    answer = fresh.ask_token(client_id="public", client_secret=SECRET)
    published = fresh.session.get(fresh.url + KEYS)
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    assert (published.status_code, published.json()["issue"][0]["code"]) == (503, "transient")
    assert not fresh.world.store.keys.all()

    hidden.rename(key)
    assert fresh.token("public")


def test_changing_keys_keeps_the_tokens_given_before(direct: Secured, world: World):
    before = direct.token("regulation")

    authorising.rotate(world.store.keys, world.store.keys.all(), int(time.time()))
    after = direct.token("regulation")

    kids = [jwt.get_unverified_header(token)["kid"] for token in (before, after)]
    published = {key["kid"] for key in direct.session.get(direct.url + KEYS).json()["keys"]}
    assert kids[0] != kids[1] and set(kids) <= published
    assert [direct.read(token).status_code for token in (before, after)] == [200, 200]


def test_changing_keys_at_once_ends_the_tokens_given_before(direct: Secured, world: World):
    before = direct.token("regulation")

    authorising.rotate(world.store.keys, world.store.keys.all(), int(time.time()), at_once=True)

    assert direct.read(before).status_code == 401
    assert direct.read(direct.token("regulation")).status_code == 200


@pytest.mark.parametrize("jump_s", [3_600, 400 * 86_400])
def test_a_key_made_while_the_clock_was_ahead_signs_no_longer(
    direct: Secured, world: World, jump_s: int
):
    now = int(time.time())
    authorising.rotate(world.store.keys, world.store.keys.all(), now + jump_s, at_once=True)
    [ahead] = world.store.keys.all()

    kid = jwt.get_unverified_header(direct.token("regulation"))["kid"]

    newest = world.store.keys.all()[-1]
    assert kid == newest.kid != ahead.kid
    assert now <= newest.created_at <= time.time()


# --- what calls announce --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ANNOUNCED)
def test_a_read_without_one_of_the_four_headers_is_refused_naming_it(direct: Secured, name: str):
    token = direct.token("regulation")
    announced = {other: value for other, value in ANNOUNCED.items() if other != name}

    for sent in (announced, {**announced, name: ""}):
        answer = direct.read(token, sent)

        assert (answer.status_code, answer.json()["issue"][0]["code"]) == (400, "required")
        assert name in answer.json()["issue"][0]["diagnostics"]


@pytest.mark.parametrize("name", ANNOUNCED)
def test_a_header_that_was_not_granted_is_refused(direct: Secured, name: str):
    answer = direct.read(direct.token("regulation"), {**ANNOUNCED, name: "CU99"})

    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (403, "forbidden")
    assert (
        name in answer.json()["issue"][0]["diagnostics"]
        and "CU99" in answer.json()["issue"][0]["diagnostics"]
    )


def test_a_supplier_does_not_read(direct: Secured):
    answer = direct.read(direct.token("beds"))

    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (403, "forbidden")


def test_what_is_open_to_all_asks_for_no_header(direct: Secured):
    answer = direct.session.get(f"{direct.url}/fhir/metadata")

    assert answer.status_code == 200


def _nothing() -> Any:
    from contextlib import nullcontext

    return nullcontext()


def test_a_long_page_link_is_for_the_client_that_got_it(direct: Secured):
    def search(client_id: str, **how: Any) -> requests.Response:
        announced = PUBLIC if client_id == "public" else ANNOUNCED
        headers = {"Authorization": f"Bearer {direct.token(client_id)}", **announced}
        return direct.session.request(headers=headers, **how)

    # Both see the same, so that only the client tells them apart.
    codes = ",".join(f"l{number}" for number in range(1_000))
    form = [("_id", codes)] * 3 + [("_count", "10")]
    links = {
        client_id: next(
            link["url"]
            for link in search(
                client_id, method="POST", url=f"{direct.url}/fhir/Location/_search", data=form
            ).json()["link"]
            if link["relation"] == "next"
        )
        for client_id in ("regulation", "desk")
    }

    assert links["regulation"] != links["desk"]
    for holder, url in links.items():
        for client_id in ("regulation", "desk", "public"):
            answer = search(client_id, method="GET", url=url)
            assert answer.status_code == (200 if client_id == holder else 404), (holder, client_id)
