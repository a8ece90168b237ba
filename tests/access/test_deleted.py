"""What was hidden when it was deleted: that it ever was there is told to those who saw it."""

from collections.abc import Callable

import pytest

from ror.access import Viewer
from ror.directory import policy_change as masking
from ror.directory import reading as interactions
from ror.errors import Gone, NotFound
from ror.runtime import Directory
from tests.conftest import keep

ROR = "https://interop.esante.gouv.fr/ig/fhir/ror/StructureDefinition/"


def unit(is_sensitive: bool) -> dict[str, object]:
    return {
        "resourceType": "HealthcareService",
        "id": "unit",
        "extension": [
            {"url": f"{ROR}ror-healthcareservice-sensitive-unit", "valueBoolean": is_sensitive}
        ],
        "location": [{"reference": "Location/ward"}],
    }


def place(name: str, **content: object) -> dict[str, object]:
    return {"resourceType": "Location", "id": name, **content}


AFTERWARDS: dict[str, Callable[[Directory], object]] = {
    "nothing": lambda opened: None,
    "its unit is deleted": lambda opened: keep(
        opened.store,
        [
            place("annex", deleted=True),
            {"resourceType": "HealthcareService", "id": "unit", "deleted": True},
        ],
    ),
    "its unit is opened": lambda opened: keep(opened.store, [unit(False)]),
    "a policy is applied": lambda opened: masking.apply(opened.store, "3.0", "test"),
}


@pytest.mark.parametrize("afterwards", AFTERWARDS)
def test_a_deleted_hidden_place_never_existed_for_viewers_who_did_not_see_it(directory, afterwards):
    opened = directory(
        [place("annex", partOf={"reference": "Location/ward"}), place("ward"), unit(True)]
    )
    keep(opened.store, [place("ward", deleted=True)])

    AFTERWARDS[afterwards](opened)

    with pytest.raises(NotFound):
        interactions.read(opened.store, opened.index, Viewer(0), "Location", "ward")
    with pytest.raises(Gone):
        interactions.read(opened.store, opened.index, Viewer(1), "Location", "ward")
