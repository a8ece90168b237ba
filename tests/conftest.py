"""
What tests share: directories in real files, and servers in processes of their own, spoken to over
loopback.

Everything lives under pytest's temporary folders and ends with the test, or with the session for
what is costly.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from ror.directory.draft import build_draft
from ror.directory.importing import Document, Place, Report, run
from ror.resources.versions import without_version
from ror.runtime import Directory, open_directory
from ror.samples import Size, generate
from ror.search.language.values import covering
from ror.settings import Settings
from ror.store import open_store
from ror.store.contract import Draft, Store

NOW = 1_790_000_000_000_000
"""The instant of the imports that tests make, in microseconds."""
START_S = 30.0
"""A server that takes longer to answer is taken for broken; shared machines are slow at times."""


def draft_of(resource: dict[str, Any]) -> Draft:
    """
    A resource ready to be kept, whether or not it is valid: the laws of search use small,
    incomplete ones.
    """
    content = without_version(resource)
    source_date = resource.get("meta", {}).get("lastUpdated")
    source_updated = covering(source_date).first if source_date else 0
    # Another date is another version here, so that laws can tell what instants to expect.
    written = msgspec.json.encode(resource)
    return build_draft(content, written, source_updated, blake2b(written).digest())


def put_dated(store: Store, drafts: Sequence[Draft]) -> None:
    """
    Write drafts in one commit: their dates become instants, so that laws meet old and equal ones.
    """
    has_dates = any(draft.source_updated for draft in drafts)
    if has_dates:
        go_on_loading(store)
    store.put(drafts, "test", take_older=True, keep_dates=has_dates)


def go_on_loading(store: Store) -> None:
    """Take all that a directory holds for a load under way, which keeps the dates of its source."""
    store.set_meta("dated-load", str(store.last_change()))


def keep(store: Store, resources: Iterable[dict[str, Any]]) -> None:
    """Write resources in one commit; one with `"deleted": True` is deleted instead."""
    resources = list(resources)
    put_dated(store, [draft_of(one) for one in resources if not one.get("deleted")])
    for one in resources:
        if one.get("deleted"):
            store.delete(one["resourceType"], one["id"], "test")


def import_lines(database: str, lines: Iterable[bytes]) -> Report:
    """Bring JSON documents into a directory as `ror import` does; none may be refused."""
    store, report = open_store(database), Report()
    try:
        go_on_loading(store)
        run(
            store,
            (Document(Place("test", n), line) for n, line in enumerate(lines, 1)),
            report,
            now=NOW,
            workers=0,
            keep_dates=True,
        )
    finally:
        store.close()
    assert not report.refused, report.refusals
    return report


@cache
def small_directory() -> tuple[bytes, ...]:
    """The lines of the small generated directory, seed 1: about 3,000 resources."""
    return tuple(generate(Size.small, 1))


# --- in this process ------------------------------------------------------------------------------

OpenDirectory = Callable[..., Directory]


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[OpenDirectory]:
    """
    Opens a directory holding some resources: each name is a directory of its own, the same name the
    same one.
    """
    opened: list[Directory] = []

    def open_one(resources: Sequence[dict[str, Any]] = (), *, name: str = "ror") -> Directory:
        settings = Settings(database=f"sqlite:///{tmp_path}/{name}.db")
        one = open_directory(settings)
        opened.append(one)
        keep(one.store, resources)
        one.refresh()
        return one

    yield open_one
    for one in opened:
        one.close()


# --- in a process of its own ----------------------------------------------------------------------


@dataclass(frozen=True)
class Server:
    """
    A running `ror serve`: where it answers, the database it serves, its process, and a connection
    to it.
    """

    url: str
    database: str
    process: subprocess.Popen[bytes]
    client: httpx.Client

    @property
    def base_url(self) -> str:
        """The FHIR base, without final slash."""
        return f"{self.url}/fhir"

    def get(self, path: str, **parameters: Any) -> httpx.Response:
        """The answer to `GET [base]/path`; a list gives a parameter several times."""
        return self.client.get(f"{self.base_url}/{path}", params=parameters)

    def search(self, resource_type: str, **parameters: Any) -> dict[str, Any]:
        """The Bundle of a search that succeeds."""
        answer = self.get(resource_type, **parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()


@contextmanager
def serving(database: str, **options: str) -> Iterator[Server]:
    """A server on a database, readable by all on the loopback, until the end of the block."""
    port = _free_port()
    given = {
        "database": database,
        "port": str(port),
        "anonymous-profile": "1",
        "access-log": "false",
        **options,
    }
    command = [
        sys.executable,
        "-m",
        "ror",
        "serve",
        *(f"--{name}={value}" for name, value in given.items()),
    ]
    process = subprocess.Popen(
        command, env=clean_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        with httpx.Client(timeout=START_S) as client:
            running = Server(f"http://127.0.0.1:{port}", database, process, client)
            _wait_until_ready(running)
            yield running
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=START_S)


def clean_environment() -> dict[str, str]:
    """The environment without the settings of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ROR_")}
    return {**kept, "ROR_CONFIG": ""}


def _wait_until_ready(server: Server) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            if server.client.get(f"{server.url}/health/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    server.process.kill()
    raise AssertionError(f"the server did not start: {server.process.communicate()[1].decode()}")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """
    `with serve(lines) as server`: a server on a new directory that holds these JSON documents.
    """

    @contextmanager
    def serve_lines(lines: Iterable[bytes] = (), **options: str) -> Iterator[Server]:
        database = f"sqlite:///{tmp_path}/served.db"
        import_lines(database, lines)
        with serving(database, **options) as running:
            yield running

    yield serve_lines


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on the small generated directory, for tests that do not write."""
    database = f"sqlite:///{tmp_path_factory.mktemp('small')}/ror.db"
    import_lines(database, small_directory())
    with serving(database) as running:
        yield running
