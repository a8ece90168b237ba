"""
Certificates, authorities, revocation lists and tables that are renewed under a running server.

Breakages that these tests were seen to catch: SIGHUP left to its default, which ends a process;
the former certificate shown after it was renewed; a file half written taken for a good one.
"""

import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import pytest

from ror.identity.certificates import authority
from tests.http.conftest import Server, start, stop
from tests.http.secured import World, a_world, subject_of
from tests.http.test_workers import pids
from tests.waiting import until


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    yield from a_world(tmp_path_factory)


Serving = Callable[..., Server]


@pytest.fixture
def serving(world: World) -> Iterator[Serving]:
    """Starts a server over TLS; its readiness is seen in the log."""
    running: list[Server] = []

    def begin(**variables: str) -> Server:
        server = start(
            world.database,
            is_secured=True,
            ROR_TLS_CERTIFICATE=world.file("server.pem"),
            ROR_TLS_KEY=world.file("server.key"),
            ROR_TLS_CLIENT_AUTHORITIES=world.file("authorities.pem"),
            ROR_TLS_CLIENT_CRL=world.file("crl.pem"),
            **variables,
        )
        running.append(server)
        return server

    yield begin
    for server in running:
        assert stop(server) == 0


def shown(server: Server, world: World) -> bytes:
    """The certificate that the server shows, as DER."""
    context = ssl.create_default_context(cafile=world.file("root.pem"))
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        certificate = secured.getpeercert(binary_form=True)
    assert certificate is not None
    return certificate


def renew(world: World) -> bytes:
    """Put another server certificate in place of the present one, as a renewal does; its DER."""
    fresh = authority.issue_server(world.issuer, ["localhost", "127.0.0.1"], datetime.now(UTC))
    replace(world, "server.key", fresh.key_pem)
    replace(world, "server.pem", fresh.pem + world.issuer.pem)
    return ssl.PEM_cert_to_DER_cert(fresh.pem.decode())


def replace(world: World, name: str, content: bytes) -> None:
    written = Path(world.file(f"{name}.new"))
    written.write_bytes(content)
    written.rename(world.file(name))


def reloads(server: Server, what: str) -> list[str]:
    return [line["state"] for line in server.log("reload") if line["what"] == what]


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("is_told", [True, False], ids=["SIGHUP", "change"])
def test_a_renewed_certificate_is_shown_without_a_restart(
    serving: Serving, world: World, workers: str, is_told: bool
):
    server = serving(ROR_WORKERS=workers)
    assert until(lambda: workers == "1" or len(pids(server)) == int(workers))
    former = shown(server, world)

    renewed = renew(world)
    if is_told:
        server.process.send_signal(signal.SIGHUP)

    assert former != renewed
    assert until(lambda: reloads(server, "certificate").count("reloaded") >= int(workers))
    assert {shown(server, world) for _ in range(6)} == {renewed}
    assert server.process.poll() is None


def test_a_certificate_that_cannot_be_read_is_told_and_the_former_stays(
    serving: Serving, world: World
):
    server = serving()
    former, key = shown(server, world), Path(world.file("server.key")).read_bytes()

    replace(world, "server.key", b"half of a ke")
    assert until(lambda: "failing" in reloads(server, "certificate"))
    assert shown(server, world) == former

    replace(world, "server.key", key)
    assert until(lambda: reloads(server, "certificate")[-1] == "reloaded")
    assert shown(server, world) == former


def test_an_authority_that_is_removed_is_not_believed_any_more(serving: Serving, world: World):
    server = serving()
    certificate = world.certify(subject_of("regulation"))
    assert handshake(server, world, certificate)

    kept = Path(world.file("authorities.pem")).read_bytes()
    stranger = authority.new_root(datetime.now(UTC))
    replace(world, "authorities.pem", stranger.pem)
    try:
        assert until(lambda: not handshake(server, world, certificate))
    finally:
        replace(world, "authorities.pem", kept)
    assert until(lambda: handshake(server, world, certificate))


def handshake(server: Server, world: World, certificate: tuple[str, str]) -> bool:
    """Whether the server goes on with a client that shows this certificate."""
    context = ssl.create_default_context(cafile=world.file("root.pem"))
    context.load_cert_chain(*certificate)
    try:
        with (
            socket.create_connection(("127.0.0.1", server.port), timeout=20) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secured,
        ):
            secured.sendall(b"GET /health/live HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            return secured.recv(12).endswith(b"200")
    except OSError:
        return False


def test_a_new_revocation_list_is_told(serving: Serving, world: World):
    server = serving()

    world.publish_revocations()

    assert until(lambda: "reloaded" in reloads(server, "authorities"))


KNOWLEDGE = files("ror.standard.knowledge")
PROVIDER = b"[[provider]]\nissuer = 'https://idp.test'\njwks = 'keys.json'\naudience = 'ror'\n"


@pytest.mark.parametrize(
    ("setting", "what", "good"),
    [
        ("ROR_USER_PROFILES_FILE", "user-profiles", KNOWLEDGE / "user_profiles.toml"),
        ("ROR_IDENTITY_PROVIDERS_FILE", "identity-providers", None),
        ("ROR_TERMINOLOGY_FILE", "terminology", KNOWLEDGE / "terminology.json.gz"),
    ],
)
def test_a_renewed_table_is_read_and_a_bad_one_is_refused(
    serving: Serving, world: World, setting: str, what: str, good: Traversable | None
):
    content = good.read_bytes() if good else PROVIDER
    replace(world, "table", content)
    server = serving(**{setting: world.file("table")})

    replace(world, "table", b"[[[ no table")
    assert until(lambda: reloads(server, what) == ["failing"])
    (line,) = [line for line in server.log("reload") if line["what"] == what]
    assert line["files"] == world.file("table") and line["problem"]

    replace(world, "table", content)
    assert until(lambda: reloads(server, what) == ["failing", "reloaded"])
