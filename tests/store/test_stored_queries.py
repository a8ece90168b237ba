"""The queries of page links: kept for whoever shares the directory, capped in number and age."""

from collections.abc import Callable

import pytest

from ror.store.contract import Store, StoredQuery

DAY_S = 86_400.0


def query(number: int, client: str = "alice") -> StoredQuery:
    return StoredQuery(f"{client}-{number}", client, f"name={number}")


def kept(store: Store, client: str, numbers: range) -> list[int]:
    """The numbers of the queries that are kept for a client."""
    return [
        one
        for one in numbers
        if store.stored_queries.read(query(one, client).id, DAY_S) is not None
    ]


def test_a_query_is_read_by_every_process_and_after_a_restart(
    store: Store, open_again: Callable[[], Store]
) -> None:
    other = open_again()
    store.stored_queries.keep(query(1), 10, DAY_S)

    assert other.stored_queries.read("alice-1", DAY_S) == query(1)
    assert other.stored_queries.read("alice-2", DAY_S) is None
    store.close()
    assert open_again().stored_queries.read("alice-1", DAY_S) == query(1)


def test_each_client_keeps_its_newest_queries(store: Store) -> None:
    for number in range(8):
        store.stored_queries.keep(query(number), 5, DAY_S)
        store.stored_queries.keep(query(number, "bob"), 3, DAY_S)

    assert kept(store, "alice", range(8)) == [3, 4, 5, 6, 7]
    assert kept(store, "bob", range(8)) == [5, 6, 7]


def test_storing_a_query_twice_stores_it_once(store: Store) -> None:
    for _ in range(3):
        store.stored_queries.keep(query(1), 2, DAY_S)
    store.stored_queries.keep(query(2), 2, DAY_S)

    assert kept(store, "alice", range(4)) == [1, 2]


def test_a_query_that_was_not_used_for_long_is_not_read_then_forgotten(store: Store) -> None:
    store.stored_queries.keep(query(1), 10, DAY_S)

    assert store.stored_queries.read("alice-1", max_age_s=-1) is None
    assert kept(store, "alice", range(3)) == [1]
    store.stored_queries.keep(query(2, "bob"), 10, max_age_s=-1)
    assert kept(store, "alice", range(3)) == kept(store, "bob", range(3)) == []


@pytest.mark.parametrize("text", ["", "é=%C3%A9|", "x" * 2_000_000], ids=["empty", "odd", "long"])
def test_a_query_comes_back_as_it_was(store: Store, text: str) -> None:
    store.stored_queries.keep(StoredQuery("1", "alice", text), 10, DAY_S)

    found = store.stored_queries.read("1", DAY_S)
    assert found is not None and found.query == text
