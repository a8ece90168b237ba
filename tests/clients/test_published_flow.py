"""
The flow of the published service, unchanged, with programs written by others: a token, then calls
with four headers.

`requests` and more of `curl` are in `tests/http/test_authentication.py`.
"""

import asyncio
import json
import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fhirpy import AsyncFHIRClient, SyncFHIRClient
from fhirpy.base.exceptions import AuthorizationError, OperationOutcome

from ror.identity import Action
from tests.http.secured import (
    ANNOUNCED,
    PUBLIC,
    SECRET,
    TOKEN,
    Secured,
    World,
    a_world,
    certificate_of,
    serving,
    subject_of,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    yield from a_world(tmp_path_factory)


@pytest.fixture(scope="module")
def server(world: World) -> Iterator[Secured]:
    with serving(world) as running:
        yield running


# --- fhirpy ---------------------------------------------------------------------------------------


def of_fhirpy(
    server: Secured, token: str, announced: dict[str, str] | None = None
) -> SyncFHIRClient:
    return SyncFHIRClient(
        f"{server.url}/fhir",
        authorization=f"Bearer {token}",
        extra_headers=ANNOUNCED if announced is None else announced,
        requests_config={"verify": server.world.file("root.pem")},
    )


@pytest.mark.parametrize(
    ("client_id", "announced"), [("regulation", ANNOUNCED), ("public", PUBLIC)]
)
def test_fhirpy_reads_and_searches_with_a_token(
    server: Secured, client_id: str, announced: dict[str, str]
):
    client = of_fhirpy(server, server.token(client_id), announced)

    assert client.get("Location", "l1").id == "l1"
    assert len(client.resources("Location").limit(150).fetch_all()) == 400


def test_the_asynchronous_fhirpy_reads_and_searches_with_a_token(server: Secured):
    context = ssl.create_default_context(cafile=server.world.file("root.pem"))
    client = AsyncFHIRClient(
        f"{server.url}/fhir",
        authorization=f"Bearer {server.token('regulation')}",
        extra_headers=ANNOUNCED,
        aiohttp_config={"ssl": context},
    )

    async def found() -> list[Any]:
        return await client.resources("Location").limit(150).fetch_all()

    assert len(asyncio.run(found())) == 400


@pytest.mark.parametrize("what", ["no token", "a bad token", "no header", "a suspended client"])
def test_fhirpy_is_told_why_it_is_refused(server: Secured, world: World, what: str):
    token = server.token("regulation")
    announced: dict[str, str] = {} if what == "no header" else ANNOUNCED
    client = of_fhirpy(server, "abc" if what == "a bad token" else token, announced)
    if what == "no token":
        client.authorization = None
    if what == "a suspended client":
        world.act("regulation", Action.SUSPEND)

    try:
        with pytest.raises((OperationOutcome, AuthorizationError)) as refused:
            client.get("Location", "l1")
    finally:
        if what == "a suspended client":
            world.act("regulation", Action.RESUME)
    assert ('"required"' if what == "no header" else '"login"') in str(refused.value).replace(
        "'", '"'
    )


# --- curl -----------------------------------------------------------------------------------------

Curl = Callable[..., tuple[int, bytes]]


@pytest.fixture
def curl(world: World) -> Curl:
    """`curl(...)`: the status and the body; the status is 0 when TLS came to nothing."""
    program = shutil.which("curl")
    if program is None:
        pytest.skip("curl is not installed on this machine")

    def run(*arguments: str) -> tuple[int, bytes]:
        common = (
            "--silent",
            "--noproxy",
            "*",
            "--cacert",
            world.file("root.pem"),
            "--write-out",
            "\n%{http_code}",
        )
        done = subprocess.run([program, *common, *arguments], capture_output=True, check=False)
        body, _, status = done.stdout.rpartition(b"\n")
        return int(status), body

    return run


def written(headers: dict[str, str]) -> list[str]:
    return [part for name, value in headers.items() for part in ("--header", f"{name}: {value}")]


def test_curl_has_a_token_with_a_secret_and_reads(server: Secured, curl: Curl):
    form = ("client_id=public", f"client_secret={SECRET}", "grant_type=client_credentials")
    status, given = curl(
        server.url + TOKEN, *(part for one in form for part in ("--data-urlencode", one))
    )
    assert status == 200, given

    token = json.loads(given)["access_token"]
    status, read = curl(
        f"{server.url}/fhir/Location/l1", *written({"Authorization": f"Bearer {token}", **PUBLIC})
    )

    assert status == 200 and json.loads(read)["id"] == "l1"


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        pytest.param("none", 401, id="no certificate"),
        pytest.param("foreign", 0, id="a foreign authority: the handshake ends"),
        pytest.param("wrong subject", 401, id="the certificate of another"),
        pytest.param("expired", 401, id="an expired certificate"),
        pytest.param("revoked", 401, id="a revoked certificate"),
    ],
)
def test_curl_is_refused_without_the_right_certificate(
    server: Secured, world: World, curl: Curl, kind: str, status: int
):
    certificate = certificate_of(world, kind)
    shown = ("--cert", certificate[0], "--key", certificate[1]) if certificate else ()
    asked = ("--data", "client_id=regulation", "--data", "grant_type=client_credentials")

    answered, body = curl(server.url + TOKEN, *asked, *shown)

    assert answered == status, body
    assert status == 0 or json.loads(body)["error"] == "invalid_client"
    # The control: the right one does.
    right = world.certify(subject_of("regulation"))
    assert curl(server.url + TOKEN, *asked, "--cert", right[0], "--key", right[1])[0] == 200
