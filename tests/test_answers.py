"""
The cache of answers: a cached answer equals a fresh one, for viewers who see the same.

Deliberate breakages that these tests caught: an answer that outlives its view; one profile given
the answer of another; one language given the answer of another; room that only grows; a page put
together again without its scores; a read that is not asked for anew after a commit.
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
    def test_recently_used_answers_stay(self):
        answers = AnswerCache(3_200)
        for name in "abc":
            answers.put(EMPTY, name, answer_of(100))
        for name in range(30):
            answers.get(EMPTY, "a")
            answers.put(EMPTY, name, answer_of(100))

        assert answers.get(EMPTY, "a") is not None
        assert answers.get(EMPTY, "b") is None
        assert answers.size <= 3_200

    def test_an_answer_that_is_too_large_is_not_cached(self):
        answers = AnswerCache(3_200)
        answers.put(EMPTY, "large", answer_of(int(3_200 * LARGEST_SHARE) + 1))

        assert answers.get(EMPTY, "large") is None
        assert answers.size == 0

    def test_the_first_form_that_is_not_too_large_is_cached(self):
        answers, small = AnswerCache(3_200), answer_of(10)
        answers.put(EMPTY, "a", answer_of(200), small, answer_of(20))

        assert answers.get(EMPTY, "a") is small
        assert answers.size == 10

    def test_a_cache_without_capacity_stays_empty(self):
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


# --- on a directory -------------------------------------------------------------------------------

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
SEARCH_REQUEST = Request(
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
def service_with_cache(tmp_path: Path, room_mb: int) -> Iterator[Service]:
    opened = open_directory(
        Settings(database=f"sqlite:///{tmp_path}/ror.db", answer_cache_mb=room_mb)
    )
    keep(opened.store, [OFFER])
    opened.refresh()
    yield Service(opened.settings, None, Log("json"), Metrics(), "2026-01-01", opened)
    opened.close()


def bundle_without_id(service: Service, call: Request = SEARCH_REQUEST) -> dict[str, object]:
    """The bundle of a search, without its id."""
    bundle = json.loads(bytes(SEARCH(service, call).body))
    assert len(bundle.pop("id")) == 32
    return bundle


def reached(directory: Directory) -> tuple[int, int]:
    return directory.answers.hits, directory.answers.misses


def test_a_cached_bundle_has_a_new_id(service_with_cache):
    bodies = [bytes(SEARCH(service_with_cache, SEARCH_REQUEST).body) for _ in range(3)]

    assert reached(service_with_cache.directory) == (2, 1)
    assert len({json.loads(body)["id"] for body in bodies}) == 3
    assert len({json.dumps({**json.loads(body), "id": ""}) for body in bodies}) == 1
    assert len({len(body) for body in bodies}) == 1


def test_a_write_invalidates_the_cached_answers(service_with_cache):
    bundle_without_id(service_with_cache)
    keep(service_with_cache.directory.store, [{**OFFER, "id": "day"}])
    service_with_cache.directory.refresh()

    assert bundle_without_id(service_with_cache)["total"] == 2
    assert service_with_cache.directory.answers.hits == 0


@pytest.mark.parametrize(
    "other",
    [
        replace(SEARCH_REQUEST, caller=Caller(Viewer(0))),
        replace(SEARCH_REQUEST, caller=Caller(Viewer(1, Perimeter(regions=frozenset({"11"}))))),
        replace(SEARCH_REQUEST, base_url="https://elsewhere.test/fhir"),
        replace(SEARCH_REQUEST, language="en"),
        replace(SEARCH_REQUEST, pairs=[("name", "Maternité")]),
        replace(SEARCH_REQUEST, pairs=[("name", "Urgences"), ("_count", "0")]),
        replace(SEARCH_REQUEST, headers={b"prefer": b"handling=lenient"}),
        replace(SEARCH_REQUEST, segments=("Location",)),
    ],
    ids=["profile", "perimeter", "address", "language", "value", "page", "preference", "type"],
)
def test_everything_that_changes_the_answer_is_part_of_the_key(service_with_cache, other):
    if other.segments == ("Location",):
        other = replace(other, pairs=[])
    fresh = bundle_without_id(service_with_cache, other)
    before = reached(service_with_cache.directory)
    bundle_without_id(service_with_cache)

    assert bundle_without_id(service_with_cache, other) == fresh
    assert reached(service_with_cache.directory) == (before[0] + 1, before[1] + 1)


def test_clients_that_see_the_same_share_cached_answers(service_with_cache):
    bundle_without_id(
        service_with_cache, replace(SEARCH_REQUEST, caller=Caller(Viewer(1, client_id="one")))
    )
    bundle_without_id(
        service_with_cache, replace(SEARCH_REQUEST, caller=Caller(Viewer(1, client_id="other")))
    )

    assert reached(service_with_cache.directory) == (1, 1)


class TestAPageThatIsTooLargeToBeKept:
    """The page of results is cached instead, and the Bundle is assembled again."""

    @pytest.fixture
    def room_mb(self) -> int:
        return 1

    @pytest.fixture(autouse=True)
    def many(self, service_with_cache):
        many = [
            {**OFFER, "id": f"night-{number}", "comment": "Sur rendez-vous. " * 200}
            for number in range(20)
        ]
        keep(service_with_cache.directory.store, many)
        service_with_cache.directory.refresh()

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
    def test_it_is_assembled_again_with_a_new_id(self, service_with_cache, pairs, profile):
        call = replace(
            SEARCH_REQUEST,
            pairs=pairs,
            headers={b"prefer": b"handling=lenient"},
            caller=Caller(Viewer(profile)),
        )
        first, again = SEARCH(service_with_cache, call), SEARCH(service_with_cache, call)

        assert len(first.body) > service_with_cache.directory.answers.size > 0
        assert reached(service_with_cache.directory) == (1, 1)
        ids = [json.loads(bytes(response.body)).pop("id") for response in (first, again)]
        assert bytes(first.body).replace(ids[0].encode(), ids[1].encode()) == bytes(again.body)
        assert ids[0] != ids[1]
        assert (first.total, first.matches, first.included, first.withheld) == (
            again.total,
            again.matches,
            again.included,
            again.withheld,
        )

    def test_a_write_invalidates_the_cached_answers(self, service_with_cache):
        bundle_without_id(service_with_cache)
        keep(service_with_cache.directory.store, [{**OFFER, "id": "night-1", "comment": "Fermé."}])
        service_with_cache.directory.refresh()

        assert bundle_without_id(service_with_cache)["total"] == 21
        assert "Fermé." in json.dumps(bundle_without_id(service_with_cache), ensure_ascii=False)


READ = next(route.answer for route in ROUTES if route.path == "[type]/[id]")
READ_REQUEST = Request(
    ("HealthcareService", "night"), "https://ror.test/fhir", {}, [], "fr", Caller(Viewer(1))
)


def test_a_read_is_cached_until_the_resource_changes(service_with_cache):
    first, again = READ(service_with_cache, READ_REQUEST), READ(service_with_cache, READ_REQUEST)
    assert (first.body, first.headers) == (again.body, again.headers)
    assert service_with_cache.directory.answers.hits == 1

    for number in range(20):
        keep(service_with_cache.directory.store, [{**OFFER, "name": f"Version {number}"}])
        assert f"Version {number}".encode() in READ(service_with_cache, READ_REQUEST).body
        assert f"Version {number}".encode() in READ(service_with_cache, READ_REQUEST).body


@pytest.mark.parametrize(
    "other",
    [
        replace(READ_REQUEST, caller=Caller(Viewer(0))),
        replace(READ_REQUEST, pairs=[("_elements", "name")]),
    ],
    ids=["who", "part"],
)
def test_another_viewer_and_another_subset_have_their_own_cached_read(service_with_cache, other):
    fresh = READ(service_with_cache, other).body
    READ(service_with_cache, READ_REQUEST)

    assert (
        READ(service_with_cache, other).body == fresh != READ(service_with_cache, READ_REQUEST).body
    )


def test_a_cached_read_answers_conditional_requests(service_with_cache):
    tag = dict(READ(service_with_cache, READ_REQUEST).headers)[b"etag"]

    assert (
        READ(service_with_cache, replace(READ_REQUEST, headers={b"if-none-match": tag})).status
        == 304
    )
    assert (
        READ(service_with_cache, replace(READ_REQUEST, headers={b"if-none-match": b'W/"9"'})).status
        == 200
    )


def test_metrics_count_cache_hits_and_misses(service_with_cache):
    for _ in range(3):
        bundle_without_id(service_with_cache)
    metrics = bytes(SERVICE_ROUTES["/metrics"].answer(service_with_cache, SEARCH_REQUEST).body)

    assert b'ror_answer_cache_reads{at_hand="yes"} 2.0' in metrics
    assert b'ror_answer_cache_reads{at_hand="no"} 1.0' in metrics
