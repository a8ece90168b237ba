"""
A policy that changes while the directory serves: every mask follows, and nobody answers with the
former ones.
"""

import json
import sqlite3

import pytest

from ror.access import Viewer
from ror.access.policy import STRICT
from ror.directory import policy_change as masking
from ror.errors import UsageError
from ror.search.answer.bodies import BodyCache
from ror.search.answer.bundle import search
from ror.search.index.index import Index
from ror.search.language.parse import parse
from ror.store import open_store
from tests.conftest import keep

ROR = "https://interop.esante.gouv.fr/ig/fhir/ror/StructureDefinition/"
INSTALLED = {
    "url": ROR + "ror-location-supported-capacity",
    "extension": [
        {"url": part, "valueCodeableConcept": {"coding": [{"code": "01"}]}}
        for part in ("capacityStatus", "capacityType", "temporaryAssignement")
    ],
}
PLACES = 5


@pytest.fixture
def store(tmp_path):
    store = open_store(f"sqlite:///{tmp_path}/ror.db")
    keep(
        store,
        [
            {"resourceType": "Location", "id": str(number), "extension": [INSTALLED]}
            for number in range(PLACES)
        ],
    )
    yield store
    store.close()


@pytest.fixture
def index(store, tmp_path):
    """The index of another process: it reads the same file, and is told nothing."""
    other = open_store(store.url)
    index = Index(other, tmp_path / "index")
    index.open()
    yield index
    index.close()
    other.close()


def seen(index, profile):
    """How many places with a capacity a profile finds, and how many capacities it reads."""
    request = parse("Location", [("capacity-status", "01")])
    answer = search(
        index, BodyCache(index.store, 1_000_000), Viewer(profile), request, "https://ror.test", "en"
    )
    entries = json.loads(answer.body).get("entry", [])
    return answer.total, sum(len(entry["resource"].get("extension", ())) for entry in entries)


def test_everything_is_masked_again_and_other_processes_see_it_at_once(store, index):
    assert seen(index, 0) == (0, 0)
    assert seen(index, 5) == (PLACES, PLACES)

    job = masking.apply(store, "3.0.1+open-installed-capacity", "operator")

    assert (job.state, job.requested_by, job.progress["masked"]) == ("done", "operator", PLACES)
    assert seen(index, 0) == (PLACES, PLACES)
    masking.apply(store, STRICT.name, "operator")
    assert seen(index, 0) == (0, 0)
    assert seen(index, 5) == (PLACES, PLACES)


def test_what_is_written_after_the_decision_has_the_new_masks_before_the_job_runs(store, index):
    masking.decide(store, "3.0", "operator")

    keep(store, [{"resourceType": "Location", "id": "new", "extension": [INSTALLED]}])
    index.refresh()

    assert seen(index, 0) == (1, 1)


def test_a_policy_decided_while_a_job_waits_is_the_one_applied(store, index):
    masking.decide(store, "3.0", "somebody")

    masking.apply(store, STRICT.name, "operator")

    assert store.policy() == STRICT.name
    assert seen(index, 0) == (0, 0)


@pytest.fixture
def other(store, monkeypatch):
    """The same directory, opened by another process; masks are made one at a time."""
    monkeypatch.setattr(masking, "RESOURCES_AT_ONCE", 1)
    other = open_store(store.url)
    yield other
    other.close()


def once(act):
    """What does `act` at the first call, whatever it is called with."""
    pending = [act]
    return lambda *_: pending.pop()() if pending else None


def test_two_at_once_each_do_their_own_work(store, other):
    theirs = []

    mine = masking.apply(
        store, "3.0", "alice", once(lambda: theirs.append(masking.apply(other, "3.0", "bob")))
    )

    for job, worker in ((mine, "alice"), (theirs[0], "bob")):
        assert (job.state, job.progress["masked"]) == ("done", PLACES)
        assert job.claimed_by == f"{worker}-{job.id}"


def test_of_two_policies_at_once_the_one_decided_last_is_applied(store, other, index):
    heard = []

    def told(masked):
        heard.append(masked)
        if len(heard) == 1:
            masking.apply(other, "3.0", "bob")

    job = masking.apply(store, STRICT.name, "alice", told)

    assert job.state == "failed"
    assert "3.0 was decided" in job.progress["error"]["en"]
    assert heard == [1]
    assert seen(index, 0) == (PLACES, PLACES)


def test_a_job_that_another_process_works_on_is_waited_for(store, other):
    masking.decide(store, "3.0", "somebody")
    claimed, waits = [], []

    def end():
        waits.append(True)
        other.jobs.end(claimed[0].id, "bob", "done", {"masked": PLACES})

    job = masking.apply(
        store,
        "3.0",
        "alice",
        once(lambda: claimed.append(other.jobs.claim([masking.KIND], "bob", 60))),
        on_wait=end,
    )

    assert [one.id for one in claimed] == [job.id]
    assert (job.state, job.claimed_by, waits) == ("done", "bob", [True])


def killed(store, policy_name, masked):
    """A job whose process was killed long ago, after so many resources."""
    job = masking.decide(store, policy_name, "killed")
    store.jobs.claim([masking.KIND], "killed", 60)
    after = 0
    for _ in range(masked):
        after, _ = store.recompute_masks(after, 1)
    store.jobs.beat(job.id, "killed", {"after": after, "masked": masked})
    with sqlite3.connect(store.url.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE job SET heartbeat_at = 0 WHERE id = ?", (job.id,))
    return job


def test_the_job_of_a_process_that_was_killed_is_gone_on_with(store, other):
    left = killed(store, "3.0", masked=3)
    heard = []

    masking.apply(other, "3.0", "alice", heard.append)

    assert heard == [*range(4, PLACES + 1), *range(1, PLACES + 1)]
    assert (store.jobs.get(left.id).state, store.jobs.get(left.id).progress["masked"]) == (
        "done",
        PLACES,
    )


def test_the_job_of_a_process_that_was_killed_is_given_up_under_another_policy(store, other, index):
    left = killed(store, "3.0", masked=3)

    job = masking.apply(other, STRICT.name, "alice")

    assert (store.jobs.get(left.id).state, job.state) == ("failed", "done")
    assert seen(index, 0) == (0, 0)


@pytest.mark.parametrize("name", ["2.5", "3.0.1+open-everything", "", "3.0.1+"])
def test_an_unknown_policy_is_refused_and_nothing_changes(store, name):
    with pytest.raises(UsageError):
        masking.apply(store, name, "operator")

    assert store.policy() == STRICT.name
