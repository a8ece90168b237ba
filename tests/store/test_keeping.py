"""What a store keeps and gives back, on every engine."""

import threading
from collections.abc import Callable

import pytest

from ror.errors import Unavailable, UsageError
from ror.store import open_store
from ror.store.contract import Change, DanglingReference, Draft, Outcome, Store
from tests.store.conftest import bodies_of, draft


def names(store: Store, *ids: str) -> list[bytes]:
    """What is kept of each organisation, asked by rid."""
    return bodies_of(store, [store.rid("Organization", resource_id) or 0 for resource_id in ids])


def test_a_new_resource_is_created_and_read_back_byte_for_byte(store: Store) -> None:
    kept = draft("eg-1", "Clinique de l'Évêché, 2.10 €")

    outcomes = store.put([kept], "import")

    read = store.read("Organization", "eg-1")
    assert outcomes == [Outcome.CREATED]
    assert read is not None
    assert (read.type, read.id, read.version, read.deleted) == ("Organization", "eg-1", 1, False)
    assert read.body == kept.body
    assert read.source_updated == kept.source_updated


def test_what_never_existed_is_none_everywhere(store: Store) -> None:
    assert store.read("Organization", "eg-1") is None
    assert store.read_version("Organization", "eg-1", 1) is None
    assert store.rid("Organization", "eg-1") is None
    assert store.history("Organization", "eg-1") == []
    assert store.jobs.get("nothing") is None
    assert store.get_meta("nothing") is None


def test_the_same_content_again_writes_nothing(store: Store) -> None:
    store.put([draft("eg-1")], "import")
    before = store.last_change()

    outcomes = store.put([draft("eg-1")], "import")

    assert outcomes == [Outcome.UNCHANGED]
    assert store.last_change() == before
    assert len(store.history("Organization", "eg-1")) == 1


def test_a_change_keeps_the_version_before(store: Store) -> None:
    store.put([draft("eg-1", "avant")], "alice")

    outcomes = store.put([draft("eg-1", "après")], "bob")

    lines = [
        (row.version, row.author, row.deleted) for row in store.history("Organization", "eg-1")
    ]
    bodies = [store.read_version("Organization", "eg-1", version) for version in (1, 2)]
    assert outcomes == [Outcome.UPDATED]
    assert lines == [(2, "bob", False), (1, "alice", False)]
    assert [stored and stored.body for stored in bodies] == [
        draft("eg-1", "avant").body,
        draft("eg-1", "après").body,
    ]


def test_ids_belong_to_their_type(store: Store) -> None:
    store.put([draft("1", "organisation"), draft("1", "lieu", resource_type="Location")], "import")

    assert store.rid("Organization", "1") != store.rid("Location", "1")
    assert store.counts() == {"Organization": 1, "Location": 1}


def test_a_resource_twice_in_a_batch_gets_two_versions_and_the_last_wins(store: Store) -> None:
    outcomes = store.put(
        [draft("eg-1", "a"), draft("eg-2"), draft("eg-1", "b"), draft("eg-1", "b")], "import"
    )

    assert outcomes == [Outcome.CREATED, Outcome.CREATED, Outcome.UPDATED, Outcome.UNCHANGED]
    assert names(store, "eg-1") == [draft("eg-1", "b").body]
    assert [row.version for row in store.history("Organization", "eg-1")] == [2, 1]


def test_deleting_keeps_the_versions_and_logs_a_change(store: Store) -> None:
    store.put([draft("eg-1")], "alice")

    deleted = store.delete("Organization", "eg-1", "bob")

    read = store.read("Organization", "eg-1")
    first = store.read_version("Organization", "eg-1", 1)
    assert deleted
    assert read is not None
    assert (read.version, read.deleted, read.body) == (2, True, b"")
    assert first is not None
    assert first.body == draft("eg-1").body
    assert store.changes_after(1, 10) == [Change(2, read.rid, 2, True, read.last_updated)]
    assert store.counts() == {}
    assert names(store, "eg-1") == [b""]


def test_deleting_an_absent_resource_returns_false(store: Store) -> None:
    store.put([draft("eg-1", links=(("Organization", "ej-1"),))], "import")
    store.delete("Organization", "eg-1", "alice")

    assert not store.delete("Organization", "eg-1", "alice")
    assert not store.delete("Organization", "ej-1", "alice")
    assert not store.delete("Location", "eg-1", "alice")
    assert store.last_change() == 2


def test_a_deleted_resource_comes_back_with_the_next_version_and_the_same_rid(store: Store) -> None:
    store.put([draft("eg-1")], "alice")
    rid = store.rid("Organization", "eg-1")
    store.delete("Organization", "eg-1", "bob")

    outcomes = store.put([draft("eg-1")], "carole")

    lines = [
        (row.version, row.author, row.deleted) for row in store.history("Organization", "eg-1")
    ]
    assert outcomes == [Outcome.CREATED]
    assert lines == [(3, "carole", False), (2, "bob", True), (1, "alice", False)]
    assert store.rid("Organization", "eg-1") == rid


def test_bodies_come_in_the_order_of_the_rids_even_repeated_or_absent(store: Store) -> None:
    store.put([draft("a", "a"), draft("b", "b", links=(("Organization", "ghost"),))], "import")
    a, b, ghost = (store.rid("Organization", resource_id) for resource_id in ("a", "b", "ghost"))

    bodies = bodies_of(store, [b, a, 999, b, ghost])

    assert bodies == [draft("b", "b").body, draft("a", "a").body, b"", draft("b", "b").body, b""]
    assert store.bodies([]) == []


def test_what_is_only_referred_to_has_a_rid_that_it_keeps(store: Store) -> None:
    store.put([draft("eg-1", links=(("Organization", "ej-1"), ("Location", "l-1")))], "import")
    rid = store.rid("Organization", "ej-1")
    absent = store.read("Organization", "ej-1")

    outcomes = store.put([draft("ej-1")], "import")

    assert rid is not None
    assert absent is None
    assert outcomes == [Outcome.CREATED]
    assert store.rid("Organization", "ej-1") == rid
    assert [row.version for row in store.history("Organization", "ej-1")] == [1]
    assert store.counts() == {"Organization": 2}


def test_links_become_rids_in_order_within_a_batch_and_across_batches(store: Store) -> None:
    links = (
        ("Organization", "later"),
        ("Location", "never"),
        ("Organization", "earlier"),
        ("Organization", "later"),
    )
    store.put([draft("earlier")], "import")
    store.put(
        [draft("eg-1", links=links), draft("later", links=(("Organization", "later"),))], "import"
    )
    rids = {key: store.rid(*key) for key in (*links, ("Organization", "eg-1"))}

    rows = {row.id: row for row in store.index_rows([rid for rid in rids.values() if rid])}

    assert list(rows["eg-1"].targets) == [rids[link] for link in links]
    assert list(rows["later"].targets) == [rids["Organization", "later"]]
    assert "never" not in rows
    assert rows["eg-1"].entries == b"entries of " + "Hôpital".encode()
    assert rows["eg-1"].type == "Organization"


def test_the_index_hears_of_deletions_one_by_one_and_not_in_a_rebuild(store: Store) -> None:
    store.put([draft("a", links=(("Organization", "b"),)), draft("c")], "import")
    store.delete("Organization", "a", "alice")
    rid = store.rid("Organization", "a")
    assert rid is not None

    [row] = store.index_rows([rid])
    batches = list(store.all_index_rows())

    assert (row.deleted, row.entries, list(row.targets)) == (True, b"", [])
    assert [(seq, [row.id for row in rows]) for seq, rows in batches] == [(3, ["c"])]


def test_a_rebuild_of_an_empty_directory_is_one_empty_batch(store: Store) -> None:
    assert list(store.all_index_rows()) == [(0, [])]


def test_a_rebuild_sees_one_moment_while_others_write(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ror.store.sqlite.store.ROWS_PER_BATCH", 10)
    store.put([draft(f"a-{number}") for number in range(25)], "import")

    batches = store.all_index_rows()
    first = next(batches)
    store.put([draft("z"), draft("a-24", "changed")], "import")
    rest = list(batches)

    ids = [row.id for _, rows in (first, *rest) for row in rows]
    assert ids == [f"a-{number}" for number in range(25)]
    assert {seq for seq, _ in (first, *rest)} == {25}


def test_dangling_references_are_those_of_live_resources_to_what_is_absent_or_deleted(
    store: Store,
) -> None:
    store.put(
        [
            draft("a", links=(("Organization", "b"), ("Location", "never"))),
            draft("b", links=(("Location", "never"),)),
            draft("c", links=(("Organization", "b"),)),
        ],
        "import",
    )
    before = store.dangling(10)
    store.delete("Organization", "b", "alice")

    count, first = store.dangling(2)

    a, never = ("Organization", "a"), ("Location", "never")
    assert before == (
        2,
        [DanglingReference(a, never), DanglingReference(("Organization", "b"), never)],
    )
    assert (count, first) == (
        3,
        [DanglingReference(a, ("Organization", "b")), DanglingReference(a, never)],
    )


def test_dangling_references_can_be_limited_to_changes_after_a_seq(store: Store) -> None:
    never = (("Location", "never"),)
    store.put([draft("a", links=never), draft("b", "b")], "import")
    before = store.last_change()
    store.put([draft("a", links=never), draft("b", "changed", links=never)], "import")

    assert store.dangling(10)[0] == 2
    assert store.dangling(10, after=before) == (
        1,
        [DanglingReference(("Organization", "b"), ("Location", "never"))],
    )
    assert store.dangling(10, after=store.last_change()) == (0, [])


def test_no_reference_dangles_if_every_target_exists(store: Store) -> None:
    store.put([draft("a", links=(("Organization", "b"),)), draft("b")], "import")

    assert store.dangling(10) == (0, [])


def test_the_change_log_is_ordered_and_cut_on_demand(store: Store) -> None:
    store.put([draft("a"), draft("b")], "import")
    store.put([draft("a", "changed")], "import")
    a, b = store.rid("Organization", "a"), store.rid("Organization", "b")
    assert a is not None
    assert b is not None

    changes = store.changes_after(0, 10)

    lines = [(change.seq, change.rid, change.version, change.deleted) for change in changes]
    assert lines == [(1, a, 1, False), (2, b, 1, False), (3, a, 2, False)]
    assert store.changes_after(1, 1) == changes[1:2]
    assert store.changes_after(3, 10) == []
    assert store.last_change() == 3


def test_the_signal_moves_with_every_commit_and_only_then(
    store: Store, open_again: Callable[[], Store]
) -> None:
    other = open_again()
    before = store.change_signal()
    unmoved = store.change_signal()

    store.put([draft("a")], "import")
    own = store.change_signal()
    other.put([draft("b")], "import")

    assert before == unmoved
    assert len({before, own, store.change_signal()}) == 3


def test_two_openings_of_a_directory_agree_on_rids(
    store: Store, open_again: Callable[[], Store]
) -> None:
    other = open_again()
    store.put([draft("a", links=(("Organization", "b"),))], "one")
    other.put([draft("b"), draft("x", resource_type="Task")], "two")
    store.put([draft("c", links=(("Organization", "b"), ("Task", "x")))], "one")
    rid = store.rid("Organization", "c")
    assert rid is not None

    [row] = other.index_rows([rid])

    assert list(row.targets) == [store.rid("Organization", "b"), store.rid("Task", "x")]
    assert store.dangling(1) == (0, [])


def test_a_store_holds_everything_after_it_is_opened_again(url: str) -> None:
    store = open_store(url)
    store.put([draft("a"), draft("b")], "import")
    store.set_meta("schema", "7")
    store.set_meta("schema", "8")
    store.close()

    again = open_store(url)

    kept = names(again, "a", "b"), again.get_meta("schema"), again.counts()
    again.close()
    assert kept == ([draft("a").body, draft("b").body], "8", {"Organization": 2})


def test_a_large_and_an_empty_body_are_stored(store: Store) -> None:
    large = draft("large", "x" * 300_000)
    empty = Draft("Organization", "empty", 0, b"", b"", (), b"0")

    store.put([large, empty], "import")

    assert names(store, "large", "empty") == [large.body, b""]
    assert store.counts() == {"Organization": 2}


def test_all_concurrent_writes_are_stored(store: Store, open_again: Callable[[], Store]) -> None:
    other = open_again()
    callers, each = 8, 25

    def call(caller: int) -> None:
        for number in range(each):
            assert store.put([draft(f"{caller}-{number}")], f"caller {caller}") == [Outcome.CREATED]

    threads = [threading.Thread(target=call, args=(caller,)) for caller in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    changes = other.changes_after(0, 1000)
    assert other.counts() == {"Organization": callers * each}
    assert [change.seq for change in changes] == list(range(1, callers * each + 1))
    assert all(other.bodies([change.rid for change in changes]))


def test_one_callers_failure_undoes_its_own_work_only(store: Store) -> None:
    broken = Draft("Organization", "broken", 0, b"x", b"x", (("Location", "l"),), "not bytes")  # type: ignore[arg-type]

    with pytest.raises(Unavailable, match=r"ror\.sqlite"):
        store.put([draft("before"), broken], "import")
    outcomes = store.put([draft("after", links=(("Location", "l"),))], "import")

    assert outcomes == [Outcome.CREATED]
    assert store.read("Organization", "before") is None
    assert store.counts() == {"Organization": 1}
    assert store.dangling(1)[1] == [DanglingReference(("Organization", "after"), ("Location", "l"))]


def test_a_closed_store_says_that_it_is_closed(store: Store) -> None:
    store.close()
    store.close()

    for call in (
        lambda: store.put([draft("a")], "import"),
        lambda: store.read("Organization", "a"),
        lambda: store.change_signal(),
    ):
        with pytest.raises(Unavailable, match="stopping"):
            call()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        pytest.param(
            "postgresql://ror:secret@db/ror",
            "not supported by this version",
            id="PostgreSQL, for later",
        ),
        pytest.param("mysql://ror:secret@db/ror", "does not name a directory", id="another engine"),
        pytest.param("ror.sqlite", "does not name a directory", id="a bare path"),
        pytest.param("sqlite://ror.sqlite", "does not name a directory", id="two slashes"),
        pytest.param("sqlite:///", "does not name a directory", id="no path"),
    ],
)
def test_a_url_that_names_no_store_is_refused_without_its_password(url: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as refusal:
        open_store(url)

    assert "secret" not in refusal.value.text("fr") + refusal.value.text("en")
