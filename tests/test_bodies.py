"""The cache of bodies: what it gives is what the store holds, and it stays within its size."""

import pytest

from ror.bodies import Bodies

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
