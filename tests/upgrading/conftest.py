"""
Directories that the previous release wrote; `make_previous_release.py` says how they were made.
"""

import gzip
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

PREVIOUS_RELEASE = Path(__file__).with_name("previous-release.db.gz")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The file of a directory that the previous release wrote."""
    path = tmp_path / "ror.db"
    path.write_bytes(gzip.decompress(PREVIOUS_RELEASE.read_bytes()))
    return path


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    """What a query gives on a file, whichever release wrote it."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def identities(path: Path) -> Iterator[tuple[object, ...]]:
    """What an upgrade must not change: each version of each resource, and who may call."""
    versions = "SELECT name, resource.id, {0}.version, {0}.author, {0}.deleted FROM resource JOIN type ON code = type"
    yield from rows(path, f"{versions.format('resource')} WHERE version > 0 ORDER BY 1, 2, 3")
    past = f"{versions.format('version')} JOIN version USING (rid) ORDER BY 1, 2, 3"
    yield from rows(path, past)
    for table, order in (("client", "number"), ("client_act", "seq"), ("signing_key", "seq")):
        yield from rows(path, f"SELECT * FROM {table} ORDER BY {order}")
    yield from rows(path, "SELECT id, kind, asked_by, state, parameters FROM job ORDER BY id")
    yield from rows(path, "SELECT * FROM meta WHERE key IN ('directory', 'access-policy')")
