"""
The answers kept at hand: what is given again is what a fresh search would find, for those who see the same.

Deliberate breakages that these tests caught: an answer that outlives its view; one profile given the answer of another;
one language given the answer of another; room that only grows; a page put together again without its scores; a read
that is not asked for anew after a commit.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ror.access import Perimeter, Viewer
from ror.http.exchange import Caller, Request, Response, Service
from ror.http.routes import ROUTES, SERVICE_ROUTES
from ror.observability import Log, Metrics
from ror.resources.bundles import Pieces
from ror.runtime import Directory, open_directory
from ror.search.answer.answer_cache import LARGEST_SHARE, AnswerCache
from ror.search.answer.budget import Budget
from ror.search.answer.bundle import Answer
from ror.search.index.view import EMPTY, View
from ror.settings import Settings
from tests.conftest import keep


def answer_of(size: int) -> Answer:
    return Answer(Pieces.of(b"x" * size), total=1, matches=1, included=0, withheld=0)


class TestTheRoom:
    def test_what_was_asked_for_lately_stays(self):
        answers = AnswerCache(3_200)
        for name in "abc":
            answers.put(EMPTY, name, answer_of(100))
        for name in range(30):
            answers.get(EMPTY, "a")
            answers.put(EMPTY, name, answer_of(100))

        assert answers.get(EMPTY, "a") is not None
        assert answers.get(EMPTY, "b") is None
        assert answers.size <= 3_200

    def test_what_is_too_large_is_not_kept(self):
        answers = AnswerCache(3_200)
        answers.put(EMPTY, "large", answer_of(int(3_200 * LARGEST_SHARE) + 1))

        assert answers.get(EMPTY, "large") is None
        assert answers.size == 0

    def test_of_several_forms_the_first_that_is_not_too_large_is_kept(self):
        answers, small = AnswerCache(3_200), answer_of(10)
        answers.put(EMPTY, "a", answer_of(200), small, answer_of(20))

        assert answers.get(EMPTY, "a") is small
        assert answers.size == 10

    def test_without_room_nothing_is_kept(self):
        answers = AnswerCache(0)
        answers.put(EMPTY, "a", answer_of(100))

        assert answers.get(EMPTY, "a") is None

    def test_another_view_begins_with_nothing(self):
        answers, after = AnswerCache(3_200), View((), 1, 0)
        answers.put(EMPTY, "a", answer_of(100))

        assert answers.get(after, "a") is None
        answers.put(after, "b", answer_of(100))
        assert answers.get(after, "a") is None
        assert answers.size == 100

    def test_an_answer_counts_once(self):
        answers = AnswerCache(3_200)
        for _ in range(2):
            answers.put(EMPTY, "a", answer_of(100))

        assert answers.size == 100


# --- asked of a directory --------------------------------------------------------------------------------------------

_SEARCH = next(route.answer for route in ROUTES if route.path == "[type]")


def SEARCH(service: Service, request: Request) -> Response:  # noqa: N802 stands for the route
    """The response to a search, whoever evaluates it: a busy machine may find it long."""
    response = _SEARCH(service, request)
    if not isinstance(response, Response):
        response.in_thread(Budget())
        response = response.response()
    return response


OFFER = {
    "resourceType": "HealthcareService",
    "id": "night",
    "active": True,
    "type": [
        {
            "coding": [
                {
                    "system": "https://mos.esante.gouv.fr/NOS/TRE_R227-ChampActivite/FHIR/TRE-R227",
                    "code": "01",
                }
            ]
        }
    ],
    "name": "Urgences de nuit",
    "telecom": [{"system": "phone", "value": "0102030405"}],
    "text": {"status": "generated", "div": "<div>nuit</div>"},
}
CALL = Request(
    ("HealthcareService",),
    "https://ror.test/fhir",
    {},
    [("name", "Urgences")],
    "fr",
    Caller(Viewer(1)),
)


@pytest.fixture
def room_mb() -> int:
    return 32


@pytest.fixture
def asked(tmp_path: Path, room_mb: int) -> Iterator[Service]:
    opened = open_directory(
        Settings(database=f"sqlite:///{tmp_path}/ror.db", answer_cache_mb=room_mb)
    )
    keep(opened.store, [OFFER])
    opened.refresh()
    yield Service(opened.settings, None, Log("json"), Metrics(), "2026-01-01", opened)
    opened.close()


def found(service: Service, call: Request = CALL) -> dict[str, object]:
    """The bundle of a search, without its id."""
    bundle = json.loads(bytes(SEARCH(service, call).body))
    assert len(bundle.pop("id")) == 32
    return bundle


def reached(directory: Directory) -> tuple[int, int]:
    return directory.answers.hits, directory.answers.misses


def test_the_same_search_is_answered_again_under_another_id(asked):
    bodies = [bytes(SEARCH(asked, CALL).body) for _ in range(3)]

    assert reached(asked.directory) == (2, 1)
    assert len({json.loads(body)["id"] for body in bodies}) == 3
    assert len({json.dumps({**json.loads(body), "id": ""}) for body in bodies}) == 1
    assert len({len(body) for body in bodies}) == 1


def test_what_was_written_since_is_found(asked):
    found(asked)
    keep(asked.directory.store, [{**OFFER, "id": "day"}])
    asked.directory.refresh()

    assert found(asked)["total"] == 2
    assert asked.directory.answers.hits == 0


@pytest.mark.parametrize(
    "other",
    [
        replace(CALL, caller=Caller(Viewer(0))),
        replace(CALL, caller=Caller(Viewer(1, Perimeter(regions=frozenset({"11"}))))),
        replace(CALL, base_url="https://elsewhere.test/fhir"),
        replace(CALL, language="en"),
        replace(CALL, pairs=[("name", "Maternité")]),
        replace(CALL, pairs=[("name", "Urgences"), ("_count", "0")]),
        replace(CALL, headers={b"prefer": b"handling=lenient"}),
        replace(CALL, segments=("Location",)),
    ],
    ids=["profile", "perimeter", "address", "language", "value", "page", "preference", "type"],
)
def test_whatever_may_change_the_answer_makes_another_question(asked, other):
    if other.segments == ("Location",):
        other = replace(other, pairs=[])
    fresh = found(asked, other)
    before = reached(asked.directory)
    found(asked)

    assert found(asked, other) == fresh
    assert reached(asked.directory) == (before[0] + 1, before[1] + 1)


def test_clients_that_see_the_same_share_what_was_answered(asked):
    found(asked, replace(CALL, caller=Caller(Viewer(1, client_id="one"))))
    found(asked, replace(CALL, caller=Caller(Viewer(1, client_id="other"))))

    assert reached(asked.directory) == (1, 1)


class TestAPageThatIsTooLargeToBeKept:
    """What it is made of is kept instead, and it is put together again."""

    @pytest.fixture
    def room_mb(self) -> int:
        return 1

    @pytest.fixture(autouse=True)
    def many(self, asked):
        many = [
            {**OFFER, "id": f"night-{one}", "comment": "Sur rendez-vous. " * 200}
            for one in range(20)
        ]
        keep(asked.directory.store, many)
        asked.directory.refresh()

    @pytest.mark.parametrize(
        "pairs",
        [
            [("name", "Urgences")],
            [("name", "Urgences"), ("_count", "15")],
            [("name", "Urgences"), ("_elements", "comment")],
            [("_content", "nuit"), ("_sort", "_score")],
            [("name", "Urgences"), ("nothing", "known")],
        ],
        ids=["whole", "links", "elements", "scores", "remarks"],
    )
    @pytest.mark.parametrize("profile", [0, 1, 2])
    def test_it_is_the_same_again_under_another_id(self, asked, pairs, profile):
        call = replace(
            CALL,
            pairs=pairs,
            headers={b"prefer": b"handling=lenient"},
            caller=Caller(Viewer(profile)),
        )
        first, again = SEARCH(asked, call), SEARCH(asked, call)

        assert len(first.body) > asked.directory.answers.size > 0
        assert reached(asked.directory) == (1, 1)
        ids = [json.loads(bytes(one.body)).pop("id") for one in (first, again)]
        assert bytes(first.body).replace(ids[0].encode(), ids[1].encode()) == bytes(again.body)
        assert ids[0] != ids[1]
        assert (first.total, first.matches, first.included, first.withheld) == (
            again.total,
            again.matches,
            again.included,
            again.withheld,
        )

    def test_what_was_written_since_is_found(self, asked):
        found(asked)
        keep(asked.directory.store, [{**OFFER, "id": "night-1", "comment": "Fermé."}])
        asked.directory.refresh()

        assert found(asked)["total"] == 21
        assert "Fermé." in json.dumps(found(asked), ensure_ascii=False)


READ = next(route.answer for route in ROUTES if route.path == "[type]/[id]")
ONE = Request(
    ("HealthcareService", "night"), "https://ror.test/fhir", {}, [], "fr", Caller(Viewer(1))
)


def test_a_read_is_answered_again_and_shows_at_once_what_was_written(asked):
    first, again = READ(asked, ONE), READ(asked, ONE)
    assert (first.body, first.headers) == (again.body, again.headers)
    assert asked.directory.answers.hits == 1

    for number in range(20):
        keep(asked.directory.store, [{**OFFER, "name": f"Version {number}"}])
        assert f"Version {number}".encode() in READ(asked, ONE).body
        assert f"Version {number}".encode() in READ(asked, ONE).body


@pytest.mark.parametrize(
    "other",
    [replace(ONE, caller=Caller(Viewer(0))), replace(ONE, pairs=[("_elements", "name")])],
    ids=["who", "part"],
)
def test_a_read_by_somebody_else_or_of_a_part_is_another(asked, other):
    fresh = READ(asked, other).body
    READ(asked, ONE)

    assert READ(asked, other).body == fresh != READ(asked, ONE).body


def test_a_read_that_is_at_hand_is_compared_with_what_the_client_has(asked):
    tag = dict(READ(asked, ONE).headers)[b"etag"]

    assert READ(asked, replace(ONE, headers={b"if-none-match": tag})).status == 304
    assert READ(asked, replace(ONE, headers={b"if-none-match": b'W/"9"'})).status == 200


def test_the_figures_say_how_often_an_answer_was_at_hand(asked):
    for _ in range(3):
        found(asked)
    told = bytes(SERVICE_ROUTES["/metrics"].answer(asked, CALL).body)

    assert b'ror_answer_cache_reads{at_hand="yes"} 2.0' in told
    assert b'ror_answer_cache_reads{at_hand="no"} 1.0' in told
