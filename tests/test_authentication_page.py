"""
`docs/authentication.md` followed to the letter: its commands, its settings, its requests, on a real
server.
"""

import re
import shlex
import socket
import ssl
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from ror.identity.tokens import read_providers
from ror.settings import load
from tests.conftest import clean_environment
from tests.test_cli import ror
from tests.waiting import until

PAGE = Path(__file__).parent.parent / "docs" / "authentication.md"
INSTALLED = {
    "/etc/ror/server.pem": "pki/server.pem",
    "/etc/ror/server.key": "pki/server.key",
    "/etc/ror/igc-sante.pem": "pki/authorities.pem",
    "/etc/ror/igc-sante.crl": "pki/crl.pem",
}
"""The files that the page names, and those of the test authority that stand for them."""


def blocks(language: str) -> list[str]:
    """The examples of the page in a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def commands(beginning: str) -> list[list[str]]:
    """The arguments of the commands of the page that begin so, after `ror`."""
    lines = "".join(blocks("sh")).splitlines()
    arguments = [shlex.split(line.removeprefix(".venv/bin/ror ")) for line in lines]
    return [found for found in arguments if found[: len(beginning.split())] == beginning.split()]


def run(folder: Path, arguments: list[str]) -> str:
    done = ror(*arguments, folder=folder)
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout


def installed(settings: str, folder: Path) -> str:
    """An example of settings, with the files of the test authority."""
    for name, file in INSTALLED.items():
        settings = settings.replace(name, str(folder / file))
    return settings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory, and a certificate that a supplier brings."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "one.ndjson").write_text('{"resourceType":"Organization","id":"1","name":"a"}')
    run(folder, ["import", "--create", "one.ndjson"])
    [init] = commands("pki init")
    run(folder, init)
    run(folder, ["pki", "issue", "chu"])
    (folder / "chu.pem").write_bytes((folder / "pki" / "chu.pem").read_bytes())
    return folder


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """The address of a server with the settings of "TLS by the server itself"."""
    [settings] = [one for one in blocks("toml") if one.startswith("tls_certificate")]
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    (folder / "ror.toml").write_text(f"port = {port}\n" + installed(settings, folder))
    environment = {
        name: value for name, value in clean_environment().items() if name != "ROR_CONFIG"
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "ror", "serve"],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"https://localhost:{port}"
    try:
        with httpx.Client(verify=trusting(folder)) as client:
            assert until(lambda: is_ready(client, url))
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def trusting(folder: Path) -> ssl.SSLContext:
    """What knows the server's certificate."""
    return ssl.create_default_context(cafile=str(folder / "pki" / "authorities.pem"))


def is_ready(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(f"{url}/health/ready").status_code == 200
    except httpx.TransportError:
        return False


def token_request() -> tuple[str, dict[str, str]]:
    """The path and the form of the request for a token."""
    [example] = [one for one in blocks("text") if "grant_type" in one]
    head, _, form = example.partition("\n\n")
    path = head.split()[1]
    return path, dict(pair.split("=", 1) for pair in form.strip().split("&"))


def call_headers(token: str) -> dict[str, str]:
    """The headers of the example of a call, with a token."""
    [example] = [one for one in blocks("text") if "Ror-Profil" in one]
    headers = dict(line.split(": ", 1) for line in example.splitlines()[1:] if line)
    return headers | {"Authorization": f"Bearer {token}"}


def token_of(folder: Path, url: str, form: dict[str, str], certificate: str | None = None):
    context = trusting(folder)
    if certificate is not None:
        files = (folder / "pki" / f"{certificate}.{end}" for end in ("pem", "key"))
        context.load_cert_chain(*files)
    path, _ = token_request()
    with httpx.Client(verify=context) as client:
        return client.post(url + path, data=form)


def test_the_page_works_as_it_is_written(folder: Path):
    secret = ""
    for arguments in commands("client add"):
        shown = run(folder, arguments)
        secret = secret or re.search(r"client_secret: (\S+)", shown)[1]
    for arguments in commands("client set-rate") + commands("pki issue"):
        run(folder, arguments)

    with server(folder) as url:
        _, form = token_request()
        public = token_of(folder, url, form | {"client_secret": secret})
        assert public.status_code == 200, public.text

        by_certificate = {"grant_type": "client_credentials", "client_id": "sas-bretagne"}
        issued = token_of(folder, url, by_certificate, "SAS")
        assert issued.status_code == 200, issued.text
        answer = httpx.get(
            f"{url}/ws-diffusion-fhir/HealthcareService",
            headers=call_headers(issued.json()["access_token"]),
            verify=trusting(folder),
        )
        assert (answer.status_code, answer.json()["resourceType"]) == (200, "Bundle")

        supplier = {"grant_type": "client_credentials", "client_id": "lits-chu"}
        assert token_of(folder, url, supplier, "chu").status_code == 200

        [rotate] = commands("keys rotate")
        run(folder, rotate)
        [suspend] = commands("client suspend")
        run(folder, suspend)
        assert token_of(folder, url, by_certificate, "SAS").status_code == 401
        run(folder, ["client", "resume", "sas-bretagne", "--reason", "found"])
        assert token_of(folder, url, by_certificate, "SAS").status_code == 200
        [revoke] = commands("pki revoke")
        run(folder, revoke)
        assert until(lambda: token_of(folder, url, by_certificate, "SAS").status_code == 401)


def test_the_settings_behind_a_proxy_are_accepted(folder: Path):
    [example] = [one for one in blocks("toml") if "client_certificate_header" in one]
    file = folder / "proxy.toml"
    file.write_text(installed(example, folder))

    settings = load({}, {}, file)

    assert settings.client_certificate_header == "X-SSL-Client-Cert"


def test_the_table_of_a_provider_is_accepted(tmp_path: Path):
    [example] = [one for one in blocks("toml") if one.startswith("[[provider]]")]
    file = tmp_path / "providers.toml"

    [provider] = read_providers(example, str(file), "https://ror.example")

    assert provider.issuer == tomllib.loads(example)["provider"][0]["issuer"]


def test_no_example_is_left_out():
    followed = ("client add", "client set-rate", "client suspend", "pki", "keys rotate")
    lines = "".join(blocks("sh")).splitlines()

    assert len(lines) == sum(len(commands(beginning)) for beginning in followed)
    assert len(blocks("toml")) == 3
