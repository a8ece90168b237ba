"""A policy that changes while the directory serves: every mask follows, and nobody answers with the former ones."""

import json

import pytest

from ror import masking
from ror.access import Viewer
from ror.access.policy import STRICT
from ror.bodies import Bodies
from ror.errors import UsageError
from ror.search.index import Index
from ror.search.parse import parse
from ror.searching import search
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
        [{"resourceType": "Location", "id": str(number), "extension": [INSTALLED]} for number in range(PLACES)],
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
    answer = search(index, Bodies(index.store, 1_000_000), Viewer(profile), request, "https://ror.test", "en")
    entries = json.loads(answer.body).get("entry", [])
    return answer.total, sum(len(entry["resource"].get("extension", ())) for entry in entries)


def test_everything_is_masked_again_and_other_processes_see_it_at_once(store, index):
    assert seen(index, 0) == (0, 0)
    assert seen(index, 5) == (PLACES, PLACES)

    job = masking.apply(store, "3.0.1+open-installed-capacity", "operator")

    assert (job.state, job.asked_by, job.progress["masked"]) == ("done", "operator", PLACES)
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


@pytest.mark.parametrize("name", ["2.5", "3.0.1+open-everything", "", "3.0.1+"])
def test_an_unknown_policy_is_refused_and_nothing_changes(store, name):
    with pytest.raises(UsageError):
        masking.apply(store, name, "operator")

    assert store.policy() == STRICT.name
