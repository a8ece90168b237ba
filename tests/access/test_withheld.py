"""
How many resources the audit trail says that the policy took something away of: as many as went out
changed.

Breakages that these tests were seen to catch: references to what is hidden not counted; parts that
a profile does not see not counted; a hidden resource told from one that is not there only by its
number; deleted resources counted.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from random import Random
from typing import Any

import msgspec
import pytest

from ror.access import Perimeter, Viewer
from ror.directory import reading as interactions
from ror.errors import Gone, NotFound
from ror.runtime import Directory, open_directory
from ror.search.answer.bundle import search
from ror.search.language.parse import parse
from ror.settings import Settings
from ror.standard.definitions import RESOURCE_TYPES
from tests.access import worlds
from tests.access.oracle import key_of
from tests.access.test_law import whole, write

ASKED = {
    "HealthcareService": "_include=HealthcareService:organization&_include=HealthcareService:location"
    "&_revinclude=PractitionerRole:service&_include:iterate=PractitionerRole:practitioner",
    "Location": "_include=Location:organization&_revinclude=HealthcareService:location",
    "PractitionerRole": "_include=PractitionerRole:practitioner&_include=PractitionerRole:service",
}
"""What comes along with the resources of a type; nothing with the others."""


VIEWERS = (
    *(Viewer(profile) for profile in range(6)),
    *(Viewer(profile, Perimeter(regions=frozenset((worlds.REGIONS[0],)))) for profile in (1, 2)),
    Viewer(3, Perimeter(fields=frozenset((worlds.FIELDS[0],)))),
)


@contextmanager
def world(seed: int) -> Iterator[tuple[Directory, Mapping[tuple[str, str], dict[str, Any]]]]:
    """A directory, and what it holds."""
    writes = worlds.batches(Random(seed))
    with tempfile.TemporaryDirectory() as folder:
        directory = open_directory(Settings(database=f"sqlite:///{folder}/ror.db"))
        try:
            for batch in writes:
                write(directory.store, batch)
            directory.refresh()
            yield directory, {key_of(item): item for item in worlds.left_of(writes)}
        finally:
            directory.close()


@pytest.mark.parametrize("seed", range(4))
def test_a_page_withholds_something_of_as_many_resources_as_go_out_changed(seed: int):
    counted = set()
    with world(seed) as (directory, held):
        for viewer in VIEWERS:
            for resource_type in RESOURCE_TYPES:
                pairs = [
                    tuple(item.split("="))
                    for item in ASKED.get(resource_type, "_count=1000").split("&")
                ]
                request = parse(resource_type, pairs)
                answer = search(
                    directory.index, directory.bodies, viewer, request, "https://ror.test", "en"
                )

                content = [
                    item["resource"] for item in msgspec.json.decode(answer.body).get("entry", ())
                ]
                changed = [
                    item
                    for item in content
                    if key_of(item) in held and whole(item) != whole(held[key_of(item)])
                ]
                assert answer.withheld == len(changed), (viewer, resource_type)
                counted.add(answer.withheld)

    assert len(counted) > 5, "nearly nothing was withheld"


@pytest.mark.parametrize("seed", range(4))
def test_a_read_withholds_one_resource_when_it_is_cut_or_hidden(seed: int):
    seen = {"whole": 0, "cut": 0, "hidden": 0}
    with world(seed) as (directory, held):
        for viewer in VIEWERS:
            for (resource_type, resource_id), resource in held.items():
                try:
                    result, is_cut = interactions.read(
                        directory.store, directory.index, viewer, resource_type, resource_id
                    )
                except NotFound as hidden:
                    assert hidden.hidden
                    seen["hidden"] += 1
                    continue
                assert is_cut == (whole(msgspec.json.decode(result.body)) != whole(resource))
                seen["cut" if is_cut else "whole"] += 1

    assert min(seen.values()) > 10, seen


def test_an_absent_resource_hides_nothing():
    with world(0) as (directory, _):
        directory.store.delete("Organization", "absent", "test")
        for viewer in VIEWERS:
            with pytest.raises(NotFound) as absent:
                interactions.read(
                    directory.store, directory.index, viewer, "Location", "never-there"
                )
            assert not absent.value.hidden


def test_a_deleted_resource_hides_nothing():
    with world(1) as (directory, held):
        resource_type, resource_id = next(item for item in held if item[0] == "Organization")
        directory.store.delete(resource_type, resource_id, "test")
        for viewer in VIEWERS:
            with pytest.raises((Gone, NotFound)) as gone:
                interactions.read(
                    directory.store, directory.index, viewer, resource_type, resource_id
                )
            assert isinstance(gone.value, Gone) or not gone.value.hidden
