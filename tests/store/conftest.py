"""The stores that the storage tests run on, and drafts to put in them."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from ror.store import open_store
from ror.store.contract import Draft, Store

ENGINES = ("sqlite",)


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a directory that does not exist yet, on each engine."""
    return {"sqlite": f"sqlite:///{tmp_path}/ror.sqlite"}[request.param]


@pytest.fixture
def open_again(url: str) -> Iterator[Callable[[], Store]]:
    """
    Opens the same directory once more, as another process would; everything is closed at the end.
    """
    opened: list[Store] = []

    def open_one() -> Store:
        opened.append(open_store(url))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_again: Callable[[], Store]) -> Store:
    """An empty directory."""
    return open_again()


def draft(
    resource_id: str,
    name: str = "Hôpital",
    *,
    resource_type: str = "Organization",
    links: tuple[tuple[str, str], ...] = (),
) -> Draft:
    """A draft whose content is its name."""
    body = f'{{"resourceType":"{resource_type}","id":"{resource_id}","name":"{name}"}}'.encode()
    entries = f"entries of {name}".encode()
    return Draft(
        resource_type,
        resource_id,
        1_700_000_000_000_000,
        body,
        entries,
        links,
        hashlib.sha256(body).digest(),
    )


def bodies_of(store: Store, rids: Sequence[int | None]) -> list[bytes]:
    """The whole body of each rid, b"" for none."""
    return [kept.body if kept else b"" for kept in store.bodies([rid or 0 for rid in rids])]
