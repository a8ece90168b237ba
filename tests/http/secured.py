"""
Servers that know who calls: an authority, clients of every kind, and `ror serve` over TLS or behind
a proxy.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from ror.identity import Act, Action, Client, Kind, Rate
from ror.identity.certificates import authority
from ror.identity.certificates.authority import Holder
from ror.identity.secrets import hash_secret
from ror.store import open_store
from ror.store.contract import Store
from tests.http.conftest import SERVE, fill, free_port

TOKEN = "/auth/realms/ror/protocol/openid-connect/token"
KEYS = "/auth/realms/ror/protocol/openid-connect/certs"
SECRET = "a secret of the tests"

ANNOUNCED = {
    "Ror-Profil-Utilisateur-Code": "CU22",
    "Ror-Profil-Utilisateur-System": "1.2.250.1.213.1.6.1.66",
    "Ror-Role-Metier-Code": "AUTOMATE",
    "Ror-Role-Metier-System": "1.2.250.1.213.1.1.4.6",
}
PUBLIC = {**ANNOUNCED, "Ror-Profil-Utilisateur-Code": "CU23"}
"""What the public client may announce."""


def subject_of(client_id: str) -> str:
    return f"CN={client_id},OU=33333333333,O=GIP - TEST3012,ST=Paris (75),C=FR"


def reader(client_id: str, profile: int = 1, **more: Any) -> Client:
    """A client with a certificate that reads, and may announce what `ANNOUNCED` does."""
    granted = {"user_profiles": frozenset({"CU22"}), "roles": frozenset({"AUTOMATE"}), **more}
    return Client(client_id, client_id, profile=profile, subject=subject_of(client_id), **granted)


CLIENTS = (
    reader("regulation"),
    reader("desk"),
    reader("crisis", rate=Rate(60, 5)),
    Client(
        "public",
        "public",
        profile=0,
        secret=hash_secret(SECRET),
        user_profiles=frozenset({"CU23"}),
        roles=frozenset({"AUTOMATE"}),
    ),
    Client(
        "beds",
        "beds",
        Kind.SUPPLIER,
        subject=subject_of("beds"),
        establishments=frozenset({"750000001"}),
    ),
)


@dataclass
class World:
    """A directory with clients, and an authority that certifies them, in a folder."""

    folder: Path
    root: Holder
    issuer: Holder
    store: Store
    revoked: list[int] = field(default_factory=list)

    @property
    def database(self) -> str:
        return f"sqlite:///{self.folder}/ror.db"

    def file(self, name: str) -> str:
        return str(self.folder / name)

    def certify(self, subject: str, issuer: Holder | None = None, **more: Any) -> tuple[str, str]:
        """The files of a new certificate and its key, as `requests` wants them."""
        return self.keep(
            authority.issue_client(issuer or self.issuer, subject, datetime.now(UTC), **more)
        )

    def keep(self, holder: Holder) -> tuple[str, str]:
        name = f"{holder.certificate.serial_number:x}"
        self.folder.joinpath(f"{name}.pem").write_bytes(holder.pem)
        self.folder.joinpath(f"{name}.key").write_bytes(holder.key_pem)
        return self.file(f"{name}.pem"), self.file(f"{name}.key")

    def publish_revocations(self, at: datetime | None = None) -> None:
        """Write the revocation lists of both authorities, as of an instant."""
        now = at or datetime.now(UTC)
        lists = authority.revocation_list(self.issuer, [(one, now) for one in self.revoked], now)
        self.folder.joinpath("crl.pem").write_bytes(
            lists + authority.revocation_list(self.root, [], now)
        )

    def act(self, client_id: str, action: Action) -> None:
        """Do something to a client, as the command line does in another process."""
        from ror.identity.enrolment import Signature, change_state

        change_state(self.store.clients, client_id, action, Signature("tests", "because", 0))


def a_world(folders: pytest.TempPathFactory) -> Iterator[World]:
    """A world of one's own, for a fixture to yield from."""
    made = make_world(folders.mktemp("secured"))
    yield made
    made.store.close()


def make_world(folder: Path) -> World:
    now = datetime.now(UTC)
    root = authority.new_root(now)
    issuer = authority.new_intermediate(root, now)
    fill(f"sqlite:///{folder}/ror.db")
    world = World(folder, root, issuer, open_store(f"sqlite:///{folder}/ror.db"))
    for client in CLIENTS:
        world.store.clients.change(
            Act(client.id, Action.ADD, 0, "tests", ""), lambda _, client=client: client
        )
    folder.joinpath("root.pem").write_bytes(root.pem)
    folder.joinpath("authorities.pem").write_bytes(root.pem + issuer.pem)
    server = authority.issue_server(issuer, ["localhost", "127.0.0.1"], now)
    folder.joinpath("server.pem").write_bytes(server.pem + issuer.pem)
    folder.joinpath("server.key").write_bytes(server.key_pem)
    world.publish_revocations()
    return world


@dataclass
class Secured:
    """A running server."""

    world: World
    url: str
    process: subprocess.Popen[bytes]
    session: requests.Session
    is_proxied: bool

    def ask_token(
        self, certificate: tuple[str, str] | None = None, **form: str
    ) -> requests.Response:
        """
        The answer to a request for a token, with a certificate on the connection or in the header
        of a proxy.
        """
        given = {"grant_type": "client_credentials", **form}
        if not self.is_proxied:
            return self.session.post(self.url + TOKEN, data=given, cert=certificate)
        header = (
            {"X-SSL-Client-Cert": requests.utils.quote(Path(certificate[0]).read_text())}
            if certificate
            else {}
        )
        return self.session.post(self.url + TOKEN, data=given, headers=header)

    def token(self, client_id: str) -> str:
        """A token for a client that proves who it is."""
        if client_id == "public":
            answer = self.ask_token(client_id=client_id, client_secret=SECRET)
        else:
            answer = self.ask_token(self.world.certify(subject_of(client_id)), client_id=client_id)
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    def read(
        self, token: str | None, announced: Mapping[str, str] = ANNOUNCED, **more: str
    ) -> requests.Response:
        """The answer to a read."""
        authorization = {"Authorization": f"Bearer {token}"} if token else {}
        return self.session.get(
            f"{self.url}/fhir/Location/l1", headers={**authorization, **announced, **more}
        )


@contextmanager
def serving(world: World, *, proxied: bool = False, **variables: str) -> Iterator[Secured]:
    """
    A server over TLS, or one that believes the proxies of this machine; it ends with the block.
    """
    port, scheme = free_port(), "http" if proxied else "https"
    given = {
        "ROR_DATABASE": world.database,
        "ROR_PORT": str(port),
        "ROR_CONFIG": "",
        "ROR_TOKEN_ISSUER": "https://ror.test",
        "ROR_TLS_CLIENT_AUTHORITIES": world.file("authorities.pem"),
        "ROR_TLS_CLIENT_CRL": world.file("crl.pem"),
    }
    if proxied:
        given |= {
            "ROR_TRUSTED_PROXIES": "127.0.0.1",
            "ROR_CLIENT_CERTIFICATE_HEADER": "X-SSL-Client-Cert",
        }
    else:
        given |= {
            "ROR_TLS_CERTIFICATE": world.file("server.pem"),
            "ROR_TLS_KEY": world.file("server.key"),
        }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ROR_")}
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE],
        env={**environment, **given, **variables},
        stderr=subprocess.PIPE,
    )
    with requests.Session() as session:
        session.trust_env = False
        session.verify = world.file("root.pem")
        running = Secured(world, f"{scheme}://localhost:{port}", process, session, proxied)
        try:
            _wait(running)
            yield running
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20)


def _wait(server: Secured) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            if server.session.get(f"{server.url}/health/ready").status_code == 200:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.05)
    server.process.kill()
    raise AssertionError(server.process.communicate()[1].decode())


EXPIRED = {"valid": timedelta(minutes=-1)}


def certificate_of(world: World, kind: str) -> tuple[str, str] | None:
    """A certificate that should not do."""
    now = datetime.now(UTC)
    subject = subject_of("regulation")
    match kind:
        case "none":
            return None
        case "foreign":
            return world.certify(subject, authority.new_intermediate(authority.new_root(now), now))
        case "namesake":
            # An authority of the same name, with another key.
            return world.certify(subject, authority.new_intermediate(world.root, now))
        case "wrong subject":
            return world.certify(subject_of("public"))
        case "reversed subject":
            return world.certify(",".join(reversed(subject.split(","))))
        case "expired":
            return world.certify(subject, **EXPIRED)
        case "self-signed":
            return world.keep(authority.new_root(now))
        case "for servers":
            return world.keep(authority.issue_server(world.issuer, ["regulation"], now))
        case "revoked":
            revoked = world.certify(subject)
            world.revoked.append(int(Path(revoked[0]).stem, 16))
            world.publish_revocations()
            return revoked
        case _:
            raise AssertionError(kind)
