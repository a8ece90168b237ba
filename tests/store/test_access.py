"""
Facts that travel, and the masks made of them: the same however a directory came to be what it is.

Deliberate breakages that this test caught: not looking at the roles of an offer that changes;
keeping the facts that a former reference gave; letting facts travel one reference only.
"""

import sqlite3
from random import Random

import pytest

from ror.store import open_store
from tests.conftest import keep

ROR = "https://interop.esante.gouv.fr/ig/fhir/ror/StructureDefinition/"
IDS = ("1", "2", "3")


def reference(random: Random, resource_type: str) -> dict[str, str]:
    return {"reference": f"{resource_type}/{random.choice(IDS)}"}


def offer(random: Random) -> dict[str, object]:
    return {
        "extension": [
            {
                "url": ROR + "ror-healthcareservice-sensitive-unit",
                "valueBoolean": random.random() < 0.3,
            }
        ],
        "type": [{"coding": [{"code": random.choice(("01", "04", "05", "99"))}]}],
        "location": [reference(random, "Location") for _ in range(random.randint(0, 2))],
        "providedBy": reference(random, "Organization"),
    }


def role(random: Random) -> dict[str, object]:
    offers = [reference(random, "HealthcareService") for _ in range(random.randint(0, 2))]
    return {"healthcareService": offers, "practitioner": reference(random, "Practitioner")}


SHAPES = {
    "HealthcareService": offer,
    "PractitionerRole": role,
    "Location": lambda random: {},
    "Practitioner": lambda random: {},
    "Organization": lambda random: {},
}


def resource(random: Random, resource_type: str, resource_id: str) -> dict[str, object]:
    return {
        "resourceType": resource_type,
        "id": resource_id,
        "note": random.random(),
        **SHAPES[resource_type](random),
    }


def masks(path):
    """The facts and the masks of every live resource."""
    with sqlite3.connect(path) as connection:
        rows = connection.execute(
            "SELECT name, resource.id, facts, visibility FROM access JOIN resource USING (rid) JOIN type"
            " ON type.code = resource.type WHERE body IS NOT NULL ORDER BY 1, 2"
        ).fetchall()
    connection.close()
    return rows


@pytest.mark.parametrize("seed", range(12))
def test_masks_are_those_of_a_directory_written_at_once(tmp_path, seed):
    random = Random(seed)
    store = open_store(f"sqlite:///{tmp_path}/many.db")
    current: dict[tuple[str, str], dict[str, object]] = {}

    for _ in range(60):
        batch = [
            resource(random, random.choice(list(SHAPES)), random.choice(IDS))
            for _ in range(random.randint(1, 4))
        ]
        batch = list({(one["resourceType"], one["id"]): one for one in batch}.values())
        for one in batch:
            if random.random() < 0.15:
                one["deleted"] = True
        keep(store, batch)
        for one in batch:
            key = (str(one["resourceType"]), str(one["id"]))
            current.pop(key, None)
            if "deleted" not in one:
                current[key] = one
    store.close()
    once = open_store(f"sqlite:///{tmp_path}/once.db")
    everything = list(current.values())
    random.shuffle(everything)
    keep(once, everything)
    once.close()

    assert masks(tmp_path / "many.db") == masks(tmp_path / "once.db") != []
