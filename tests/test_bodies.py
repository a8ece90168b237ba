"""
The cache of bodies: what it gives is what the store holds, and it stays within its size.

Deliberate breakages that these tests caught: keeping what was read before a change came; forgetting to count all the
bytes of what leaves.
"""

import threading

import pytest

from ror.bodies import Bodies
from ror.store import open_store
from ror.store.contract import Store
from tests.conftest import keep

BODY = b'{"resourceType":"Location","id":"%d","name":"%s"}'


class Shelf:
    """A store reduced to its bodies, which counts those that are read."""

    def __init__(self):
        self.held = {rid: BODY % (rid, b"x" * 1_000) for rid in range(100)}
        self.read = []

    def bodies(self, rids):
        self.read += rids
        return [self.held.get(rid, b"") for rid in rids]


@pytest.fixture
def shelf():
    return Shelf()


def room_for(count):
    return count * 1_200


def test_a_body_comes_after_its_address(shelf):
    (found,) = Bodies(shelf, room_for(10)).addressed([7])

    assert found == b'Location/7","resource":' + shelf.held[7]


def test_a_body_is_read_once(shelf):
    bodies = Bodies(shelf, room_for(10))

    first = bodies.addressed([1, 2, 3])
    again = bodies.addressed([3, 2, 4, 1])

    assert shelf.read == [1, 2, 3, 4]
    assert again == [first[2], first[1], bodies.addressed([4])[0], first[0]]
    assert (bodies.hits, bodies.misses) == (4, 4)


def test_what_is_no_longer_there_is_empty(shelf):
    bodies = Bodies(shelf, room_for(10))

    assert bodies.addressed([1, 1_000])[1] == b""
    assert bodies.addressed([1_000, 1])[0] == b""


def test_the_cache_stays_within_its_size(shelf):
    bodies = Bodies(shelf, room_for(10))

    for rid in range(100):
        bodies.addressed([rid])

    assert 0 < bodies.size <= room_for(10)


def test_what_is_asked_for_again_and_again_stays(shelf):
    bodies = Bodies(shelf, room_for(10))

    for rid in range(1, 100):
        bodies.addressed([0, rid])

    assert shelf.read.count(0) == 1


@pytest.mark.parametrize("room", [0, 500], ids=["no room at all", "no room for one"])
def test_without_room_everything_is_read_again(shelf, room):
    bodies = Bodies(shelf, room)

    assert bodies.addressed([1, 2]) == bodies.addressed([1, 2])
    assert shelf.read == [1, 2, 1, 2]
    assert bodies.size == 0


def test_what_changed_is_read_again(shelf):
    bodies = Bodies(shelf, room_for(10))
    bodies.addressed([1, 2])
    shelf.held[1] = BODY % (1, b"new")

    bodies.forget([1])

    assert b"new" in bodies.addressed([1, 2])[0]
    assert shelf.read == [1, 2, 1]


def test_what_changed_while_it_was_read_is_not_kept(shelf):
    bodies = Bodies(shelf, room_for(10))
    reading = shelf.bodies

    def read_while_changing(rids):
        found = reading(rids)
        bodies.forget(rids)
        return found

    shelf.bodies = read_while_changing
    bodies.addressed([1])

    assert bodies.size == 0


# --- on a real store -------------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path):
    opened = open_store(f"sqlite:///{tmp_path}/ror.db")
    keep(opened, [organization(number) for number in range(20)])
    yield opened
    opened.close()


def organization(number: int, name: str = "Premier") -> dict[str, object]:
    return {"resourceType": "Organization", "id": f"o{number}", "name": f"{name} {number}"}


def rids(store: Store, *numbers: int) -> list[int]:
    found = [store.rid("Organization", f"o{number}") for number in numbers]
    assert None not in found
    return [rid for rid in found if rid is not None]


def addressed(number: int, name: str = "Premier") -> bytes:
    body = f'{{"resourceType":"Organization","id":"o{number}","name":"{name} {number}"}}'
    return f'Organization/o{number}","resource":{body}'.encode()


def test_what_is_absent_or_deleted_is_empty_and_is_not_remembered(store):
    bodies = Bodies(store, 1_000_000)
    (rid,) = rids(store, 5)
    store.delete("Organization", "o5", "test")

    assert bodies.addressed([rid, 9_999]) == [b"", b""]

    keep(store, [organization(5, "Revenu")])
    assert bodies.addressed([rid]) == [addressed(5, "Revenu")]


def test_everything_forgotten_leaves_nothing(store):
    bodies = Bodies(store, 1_000_000)
    everything = rids(store, *range(20))
    bodies.addressed(everything)
    assert bodies.size > 0

    bodies.forget(everything)

    assert bodies.size == 0


def test_several_threads_read_while_bodies_change(store):
    bodies = Bodies(store, 3_000)
    asked = rids(store, *range(20))
    problems: list[object] = []

    def read() -> None:
        for _ in range(100):
            for number, one in enumerate(bodies.addressed(asked)):
                if not one.startswith(f'Organization/o{number}","resource":{{'.encode()):
                    problems.append(one)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for turn in range(20):
        keep(store, [organization(turn, f"Tour {turn}")])
        bodies.forget(asked[turn : turn + 1])
    for reader in readers:
        reader.join()

    assert not problems
    assert bodies.addressed(asked) == [addressed(number, f"Tour {number}") for number in range(20)]
    assert bodies.size <= 3_000
