"""
`ror demo`: a fictitious directory, made once and served on this machine, with requests to try and clients to be.

Two servers share it: one without TLS, which anybody on the machine may read under profile 2, and one with TLS, where
clients prove who they are by certificates.
"""

import shutil
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import quote

import typer

from ror import runtime
from ror.audit.acts import TracedClients
from ror.cli.demo import clients as demo_clients
from ror.cli.generate import size_named
from ror.cli.help import Command, application
from ror.cli.import_audit import traced
from ror.cli.import_files import renew_snapshot
from ror.cli.options import Seed, SizeName
from ror.cli.terminal import say, write_line
from ror.directory.importing import Document, Place, Report
from ror.directory.importing import run as run_import
from ror.errors import UsageError
from ror.samples import Size, generate
from ror.search.index.schema import schema
from ror.settings import FILE_VARIABLE, Settings, load
from ror.store import open_store

MARK: Final = "demo"
"""The fact of a store that says which demonstration it holds."""
MAKING: Final = "making "
"""Before the mark of a demonstration that is not whole."""

REQUESTS: Final = (
    ("cli.demo-count", "HealthcareService?_summary=count"),
    ("cli.demo-near", "HealthcareService?location.near=48.8566%7C2.3522%7C5%7Ckm&_count=5"),
    ("cli.demo-include", "HealthcareService?_count=3&_include=HealthcareService:organization"),
)
"""What to try: the key of what it shows, and the request."""


ANONYMOUS_PROFILE: Final = 2
"""What those who coordinate care may see: everything but what is for regulation and crises."""


app: Final = application()


@app.command("demo", cls=Command, help=say("cli.demo"))
def demo(
    size_name: SizeName = "small",
    port: Annotated[
        int, typer.Option("--port", min=1, max=65_535, help=say("setting.port"))
    ] = 8000,
    tls_port: Annotated[
        int, typer.Option("--tls-port", min=1, max=65_535, help=say("cli.demo-tls-port"))
    ] = 8443,
    seed: Seed = 1,
    folder: Annotated[
        Path, typer.Option("--directory", metavar="FOLDER", help=say("cli.demo-directory"))
    ] = Path("var/demo"),
) -> None:
    size = size_named(size_name)
    database = f"sqlite:///{quote(str(folder / 'demo.db'))}"
    # Only what is asked here: a demonstration must not depend on what else is set on this machine.
    given = {
        "database": database,
        "port": port,
        "anonymous_profile": ANONYMOUS_PROFILE,
        "token_issuer": f"https://localhost:{tls_port}",
    }
    settings = load(given, {FILE_VARIABLE: ""})
    _make(settings, folder, size, seed)
    authority = demo_clients.authority_of(folder)
    _register(settings, folder)
    for key, request in REQUESTS:
        write_line(say(key))
        write_line(f"  curl 'http://{settings.host}:{port}{settings.mounts[0]}/{request}'")
    secured = demo_clients.secured_settings(settings, tls_port, authority)
    demo_clients.tell(settings, secured, authority, folder)
    write_line(say("cli.demo-stop"))
    from ror.http import serve

    with demo_clients.serving_beside(secured):
        serve(settings)


def _register(settings: Settings, folder: Path) -> None:
    store = open_store(settings.database)
    try:
        demo_clients.register(
            TracedClients(store.clients, partial(runtime.open_acts, settings, store)), folder
        )
    finally:
        store.close()


def _make(settings: Settings, folder: Path, size: Size, seed: int) -> None:
    """Fill the database with this demonstration, unless it is there."""
    database = settings.database
    # With another index schema it could not be read.
    mark = f"{size.value} {seed} {version('ror')} {schema()}"
    if _mark_of(database, folder) not in (None, mark, MAKING + mark):
        (folder / "demo.db").unlink()
        for suffix in ("-wal", "-shm"):
            (folder / f"demo.db{suffix}").unlink(missing_ok=True)
        shutil.rmtree(runtime.snapshot_folder(database), ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    store = open_store(database)
    try:
        if store.get_meta(MARK) == mark:
            return
        write_line(say("cli.demo-making", size=size.value, folder=folder))
        store.set_meta(MARK, MAKING + mark)
        report, start = Report(), time.monotonic()
        given = (
            Document(Place("demo", line), one) for line, one in enumerate(generate(size, seed), 1)
        )
        with traced(settings, store, (MARK,), MARK, report, lambda: False):
            run_import(store, given, report, now=time.time_ns() // 1_000, author=MARK)
        renew_snapshot(store, runtime.snapshot_folder(database), report)
        store.set_meta(MARK, mark)
        write_line(
            say(
                "cli.demo-made",
                count=say.number(report.kept),
                seconds=say.number(time.monotonic() - start, 1),
            )
        )
    finally:
        store.close()


def _mark_of(database: str, folder: Path) -> str | None:
    """
    The mark of the demonstration that a folder holds; None when it holds none.

    Raises UsageError when its database is not a demonstration: it is not ours to replace.
    """
    if not (folder / "demo.db").exists():
        return None
    store = open_store(database)
    try:
        mark = store.get_meta(MARK)
        if mark is None and store.last_change():
            raise UsageError("cli.not-a-demo", folder=folder)
        return mark
    finally:
        store.close()
