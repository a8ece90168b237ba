"""
What was not hidden once, and is: each of these was found by the law of access (`test_law.py`).

A small directory is asked under a viewer, and beside it the directory from which the oracle took what is hidden: both
give the same reads and the same answers.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from tests.access.asking import Request
from tests.access.oracle import Asker, key_of, seen_by
from tests.access.test_law import Asked, agree, alone, opened, viewer_of, write

ROR = "https://interop.esante.gouv.fr/ig/fhir/ror/StructureDefinition/"

Resource = dict[str, Any]
Hold = Callable[..., Asked]


@pytest.fixture
def hold(tmp_path) -> Iterator[Hold]:
    """Writes resources, holds what an asker reads and asks to the law, and gives the directory as the asker sees it."""
    with opened(str(tmp_path), "whole") as directory:

        def held(resources: Sequence[Resource], asker: Asker, *requests: tuple[str, str, str]) -> Asked:
            resources = [{"meta": {"lastUpdated": "2026-05-28T20:26:40Z"}, **one} for one in resources]
            write(directory.store, resources)
            directory.refresh()
            masked, left = Asked(directory, viewer_of(asker)), seen_by(resources, asker)
            with alone(directory, left, str(tmp_path), "left") as other:
                for one in resources:
                    assert masked.read(*key_of(one)) == other.read(*key_of(one))
                for resource_type, name, value in requests:
                    agree(masked, other, Request(resource_type, ((name, value),)), str(asker))
            return masked

        yield held


def place(resource_id: str, **more: Any) -> Resource:
    return {"resourceType": "Location", "id": resource_id, **more}


def offer(resource_id: str, sensitive: bool = False, **more: Any) -> Resource:
    flag = {"url": ROR + "ror-healthcareservice-sensitive-unit", "valueBoolean": sensitive}
    return {"resourceType": "HealthcareService", "id": resource_id, "extension": [flag], **more}


def found(asked: Asked, resource_type: str, name: str, value: str) -> list[str]:
    """The ids that a search finds."""
    page = asked.page(Request(resource_type, ((name, value),)))
    return [one["resource"]["id"] for one in page.get("entry", ())]


def test_a_contained_resource_may_say_anything_and_is_hidden_like_a_narrative(hold):
    inside = {"resourceType": "Location", "id": "in", "name": "Détenus"}
    to_it = {"url": "https://example.org/inside", "valueReference": {"reference": "#in"}}
    measure = {
        "resourceType": "Measure",
        "id": "1",
        "status": "active",
        "contained": [inside],
        "extension": [to_it],
    }

    asked = hold([measure], Asker(2), ("Measure", "_content", "Détenus"))

    assert "contained" not in asked.read("Measure", "1")
    assert found(asked, "Measure", "_content", "Détenus") == []
