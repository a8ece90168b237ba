"""
The resources that refer to hidden ones, updated from view to view: the same as recomputed.

Deliberate breakages that this test caught: not looking at the segments of what changed; keeping the
set although something else is hidden since.
"""

from dataclasses import replace
from random import Random

import pytest

from ror.access import Perimeter, Viewer
from ror.search.answer.sight import Sight
from ror.search.index.index import Index
from ror.store import open_store
from tests.conftest import keep

ROR = "https://interop.esante.gouv.fr/ig/fhir/ror/StructureDefinition/"
VIEWERS = (Viewer(0), Viewer(1), Viewer(2), Viewer(2, Perimeter(fields=frozenset({"04"}))))
IDS = ("1", "2", "3", "4", "5", "6")


def offer(random: Random, resource_id: str) -> dict[str, object]:
    places = [{"reference": f"Location/{random.choice(IDS)}"} for _ in range(random.randint(1, 2))]
    return {
        "resourceType": "HealthcareService",
        "id": resource_id,
        "name": str(random.random()),
        "extension": [
            {
                "url": ROR + "ror-healthcareservice-sensitive-unit",
                "valueBoolean": random.random() < 0.1,
            }
        ],
        "type": [{"coding": [{"code": random.choice(("04", "05"))}]}],
        "location": places,
    }


def anything(random: Random) -> dict[str, object]:
    resource_id = random.choice(IDS)
    if random.random() < 0.3:
        return {"resourceType": "Location", "id": resource_id, "name": str(random.random())}
    if random.random() < 0.1:
        return {"resourceType": "HealthcareService", "id": resource_id, "deleted": True}
    return offer(random, resource_id)


@pytest.mark.parametrize("seed", range(4))
def test_references_to_hidden_are_the_same_updated_or_recomputed(tmp_path, seed):
    random = Random(seed)
    store = open_store(f"sqlite:///{tmp_path}/ror.db")
    index = Index(store, tmp_path / "index")
    keep(
        store,
        [{"resourceType": "Location", "id": item} for item in IDS]
        + [offer(random, item) for item in IDS],
    )
    index.open()
    updated = 0

    for _ in range(40):
        keep(store, [anything(random)])
        index.refresh()
        for viewer in VIEWERS:
            sight = Sight(index.view, viewer)
            updated += sight.updated_refers_to_hidden() is not None
            recomputed = Sight(replace(index.view, cache={}, earlier=None), viewer)
            assert sight.refers_to_hidden() == recomputed.refers_to_hidden()

    assert updated > 20
    index.close()
    store.close()
