"""
The cache of bodies: what it gives is what the store holds, and it stays within its size.

Deliberate breakages that these tests caught: keeping what was read before a change came; forgetting
to count all the bytes of what leaves; letting go of what was asked for again as soon as of the
rest.
"""

import random
import threading

import numpy as np
import pytest
from pyroaring import BitMap

from ror.access import SEES_EVERYTHING
from ror.access.policy import ALL_PROFILES
from ror.resources.versions import with_version
from ror.search.answer.bodies import BodyCache
from ror.search.language.values import instant_text
from ror.store import open_store
from ror.store.contract import CurrentBody, Store
from tests.conftest import keep

PROFILE = 1 << SEES_EVERYTHING
NOTHING = BitMap()
SEEN_BY_ALL = bytes((0, ALL_PROFILES))
BODY = b'{"resourceType":"Location","id":"%d","meta":{},"name":"%s"}'


class Shelf:
    """A store reduced to its bodies, which counts those that are read."""

    def __init__(self):
        self.held = {rid: BODY % (rid, b"x" * 1_000) for rid in range(100)}
        self.read = []

    def bodies(self, rids):
        self.read += rids
        return [
            CurrentBody(self.held[rid], SEEN_BY_ALL, b"", 1, 0) if rid in self.held else None
            for rid in rids
        ]

    def going_out(self, rid):
        """A body as it goes out."""
        return with_version(self.held[rid], 1, instant_text(0))


@pytest.fixture
def shelf():
    return Shelf()


def room_for(count):
    return count * 1_200


def read_bodies(bodies: BodyCache, rids: list[int]) -> list[bytes]:
    """The bodies of these rids, all present."""
    result = bodies.addressed(np.array(rids, np.uint32), PROFILE, NOTHING)
    assert result.rids.tolist() == rids
    assert result.size == sum(map(len, result.bodies))
    return list(result.bodies)


def test_a_body_comes_after_its_address(shelf):
    (result,) = read_bodies(BodyCache(shelf, room_for(10)), [7])

    assert result == b'Location/7","resource":' + shelf.going_out(7)


def test_a_body_is_read_once(shelf):
    bodies = BodyCache(shelf, room_for(10))

    first = read_bodies(bodies, [1, 2, 3])
    again = read_bodies(bodies, [3, 2, 4, 1])

    assert shelf.read == [1, 2, 3, 4]
    assert again == [first[2], first[1], read_bodies(bodies, [4])[0], first[0]]
    assert (bodies.hits, bodies.misses) == (4, 4)


def test_an_absent_body_is_left_out(shelf):
    bodies = BodyCache(shelf, room_for(10))

    for rids in ([1, 1_000], [1_000, 1], [1_000], []):
        result = bodies.addressed(np.array(rids, np.uint32), PROFILE, NOTHING)
        assert result.rids.tolist() == [rid for rid in rids if rid == 1]
        assert [len(body) for body in result.bodies] == [result.size] * len(result.rids)


def test_the_cache_stays_within_its_size(shelf):
    bodies = BodyCache(shelf, room_for(10))

    for rid in range(100):
        read_bodies(bodies, [rid])
        assert bodies.size <= room_for(10)
    assert bodies.size > room_for(8), "no more leave than have to"


def test_a_body_that_is_read_often_stays(shelf):
    bodies = BodyCache(shelf, room_for(10))

    for rid in range(1, 100):
        read_bodies(bodies, [0, rid])

    assert shelf.read.count(0) == 1


def test_the_size_is_right_after_any_reads_and_changes(shelf):
    bodies, chance = BodyCache(shelf, room_for(10)), random.Random(1)

    for turn in range(500):
        page_rids = chance.sample(range(100), 5)
        assert read_bodies(bodies, page_rids) == [
            b'Location/%d","resource":%b' % (rid, shelf.going_out(rid)) for rid in page_rids
        ]
        shelf.held[page_rids[0]] = BODY % (page_rids[0], b"y" * (turn % 7 + 1_000))
        bodies.forget(page_rids[:2])
        assert bodies.size <= room_for(10)
    bodies.forget(range(100))

    assert bodies.size == 0


@pytest.mark.parametrize("room", [0, 500], ids=["no room at all", "no room for one"])
def test_without_room_everything_is_read_again(shelf, room):
    bodies = BodyCache(shelf, room)

    assert read_bodies(bodies, [1, 2]) == read_bodies(bodies, [1, 2])
    assert shelf.read == [1, 2, 1, 2]
    assert bodies.size == 0


def test_a_changed_body_is_read_again(shelf):
    bodies = BodyCache(shelf, room_for(10))
    read_bodies(bodies, [1, 2])
    shelf.held[1] = BODY % (1, b"new")

    bodies.forget([1])

    assert b"new" in read_bodies(bodies, [1, 2])[0]
    assert shelf.read == [1, 2, 1]


def test_a_body_that_changes_during_its_read_is_not_cached(shelf):
    bodies = BodyCache(shelf, room_for(10))
    reading = shelf.bodies

    def read_while_changing(rids):
        result = reading(rids)
        bodies.forget(rids)
        return result

    shelf.bodies = read_while_changing
    read_bodies(bodies, [1])

    assert bodies.size == 0


# --- on a real store ------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path):
    opened = open_store(f"sqlite:///{tmp_path}/ror.db")
    keep(opened, [organization(number) for number in range(20)])
    yield opened
    opened.close()


def organization(number: int, name: str = "Premier") -> dict[str, object]:
    return {"resourceType": "Organization", "id": f"o{number}", "name": f"{name} {number}"}


def rids(store: Store, *numbers: int) -> list[int]:
    result = [store.rid("Organization", f"o{number}") for number in numbers]
    assert None not in result
    return [rid for rid in result if rid is not None]


def addressed(store: Store, number: int, name: str = "Premier") -> bytes:
    body = (
        f'{{"resourceType":"Organization","id":"o{number}","meta":{{}},"name":"{name} {number}"}}'
    )
    stored = store.read("Organization", f"o{number}")
    assert stored is not None
    whole = with_version(body.encode(), stored.version, instant_text(stored.last_updated))
    return f'Organization/o{number}","resource":'.encode() + whole


def test_absent_and_deleted_bodies_are_left_out_and_not_cached(store):
    bodies = BodyCache(store, 1_000_000)
    (rid,) = rids(store, 5)
    store.delete("Organization", "o5", "test")

    assert bodies.addressed(np.array([rid, 9_999], np.uint32), PROFILE, NOTHING)[1:] == ([], 0)

    keep(store, [organization(5, "Revenu")])
    assert read_bodies(bodies, [rid]) == [addressed(store, 5, "Revenu")]


def test_everything_forgotten_leaves_nothing(store):
    bodies = BodyCache(store, 1_000_000)
    everything = rids(store, *range(20))
    read_bodies(bodies, everything)
    assert bodies.size > 0

    bodies.forget(everything)

    assert bodies.size == 0


def test_several_threads_read_while_bodies_change(store):
    bodies = BodyCache(store, 3_000)
    everyone = rids(store, *range(20))
    problems: list[object] = []

    def read() -> None:
        for _ in range(100):
            for number, body in enumerate(read_bodies(bodies, everyone)):
                if not body.startswith(f'Organization/o{number}","resource":{{'.encode()):
                    problems.append(body)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for turn in range(20):
        keep(store, [organization(turn, f"Tour {turn}")])
        bodies.forget(everyone[turn : turn + 1])
    for reader in readers:
        reader.join()

    assert not problems
    assert read_bodies(bodies, everyone) == [
        addressed(store, number, f"Tour {number}") for number in range(20)
    ]
    assert bodies.size <= 3_000
