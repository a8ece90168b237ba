"""
What was not hidden once, and is: each of these was found by the law of access (`test_law.py`).

A small directory is asked under a viewer, and beside it the directory from which the oracle took
what is hidden: both give the same reads and the same answers.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from ror.access.facts import SENSITIVE, own_facts
from ror.access.parts import codes_in, governed_parts
from tests.access.asking import Request
from tests.access.oracle import Asker, key_of, seen_by
from tests.access.test_law import Asked, agree, alone, opened, viewer_of, write

ROR = "https://interop.esante.gouv.fr/ig/fhir/ror/StructureDefinition/"

Resource = dict[str, Any]
Hold = Callable[..., Asked]


@pytest.fixture
def hold(tmp_path_factory) -> Iterator[Hold]:
    """
    Writes resources, holds what an asker reads and asks to the law, and gives the directory as the
    asker sees it.
    """
    with opened(str(tmp_path_factory.mktemp("whole")), "ror") as directory:

        def held(
            resources: Sequence[Resource], asker: Asker, *requests: tuple[str, str, str]
        ) -> Asked:
            resources = [
                {"meta": {"lastUpdated": "2026-05-28T20:26:40Z"}, **one} for one in resources
            ]
            write(directory.store, resources)
            directory.refresh()
            masked, left = Asked(directory, viewer_of(asker)), seen_by(resources, asker)
            with alone(directory, left, str(tmp_path_factory.mktemp("left")), "ror") as other:
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


def anomaly(resource_id: str, about: str) -> Resource:
    focus = {"reference": about}
    return {
        "resourceType": "Task",
        "id": resource_id,
        "status": "requested",
        "intent": "order",
        "focus": focus,
    }


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


def test_a_reference_that_no_parameter_reads_is_taken_out_when_it_leads_to_something_hidden(hold):
    hidden, shown = place("hidden", name="Détenus"), place("shown", name="Ormes")
    to_hidden = {"reference": "Location/hidden", "display": "Détenus"}
    part = place("part", name="Pavillon", partOf=to_hidden)
    pointing = offer("2", location=[{"reference": "Location/shown"}], coverageArea=[to_hidden])
    pointing["extension"].append({"url": "https://example.org/see", "valueReference": to_hidden})

    world = [hidden, shown, part, offer("1", sensitive=True, location=[to_hidden]), pointing]
    asked = hold(world, Asker(2), ("HealthcareService", "_include", "HealthcareService:location"))

    assert "partOf" not in asked.read("Location", "part")
    assert asked.read("HealthcareService", "2").keys() >= {"location"}
    assert "Détenus" not in str(asked.page(Request("HealthcareService", ())))


def test_facts_travel_along_no_reference_but_those_that_say_where_an_offer_takes_place(hold):
    area = offer("1", sensitive=True, coverageArea=[{"reference": "Location/area"}])

    asked = hold([area, place("area")], Asker(2), ("Location", "_id", "area"))

    assert asked.read("Location", "area")


def test_what_a_reference_calls_something_hidden_is_not_a_word_of_the_resource(hold):
    to_hidden = {"reference": "Location/hidden", "display": "Détenus"}
    world = [
        place("hidden", name="Détenus"),
        offer("1", sensitive=True, location=[{"reference": "Location/hidden"}]),
        place("part", name="Pavillon", partOf=to_hidden),
    ]

    asked = hold(
        world, Asker(2), ("Location", "_content", "detenus"), ("Location", "_text", "detenus")
    )

    assert found(asked, "Location", "_content", "detenus") == []


def test_an_anomaly_about_a_hidden_anomaly_is_hidden(hold):
    role = {"resourceType": "PractitionerRole", "id": "hidden"}
    world = [
        role,
        anomaly("1", "PractitionerRole/hidden"),
        anomaly("2", "Task/1"),
        anomaly("3", "Task/2"),
        anomaly("4", "Task/4"),
    ]

    asked = hold(world, Asker(4), ("Task", "_count", "50"))

    assert found(asked, "Task", "_count", "50") == ["4"]


def test_an_anomaly_about_an_anomaly_is_inside_the_same_perimeter(hold):
    region = {
        "system": "https://mos.esante.gouv.fr/NOS/TRE_R30-RegionOM/FHIR/TRE-R30-RegionOM",
        "code": "53",
    }
    inside = place("in", meta={"lastUpdated": "2026-05-28T20:26:40Z", "tag": [region]})
    world = [
        inside,
        place("out"),
        anomaly("1", "Location/in"),
        anomaly("2", "Task/1"),
        anomaly("3", "Location/out"),
    ]

    asked = hold(world, Asker(4, frozenset({"53"})), ("Task", "_count", "50"))

    assert found(asked, "Task", "_count", "50") == ["1", "2"]


A = {"system": "urn:oid:1.2.250.1.71.4.2.2", "value": "A"}


def test_an_identifier_in_a_reference_is_found_by_where_that_reference_leads(hold):
    def named(resource_id: str, *references: Resource) -> Resource:
        return offer(resource_id, location=list(references))

    world = [
        place("hidden", identifier=[A]),
        place("shown", identifier=[{**A, "value": "B"}]),
        offer("s", sensitive=True, location=[{"reference": "Location/hidden"}]),
        named("lost", {"identifier": A}),
        named("lost-beside-another", {"identifier": A}, {"reference": "Location/shown"}),
        named(
            "literally-lost", {"reference": "Location/hidden", "identifier": {**A, "value": "B"}}
        ),
        named("literally-shown", {"reference": "Location/shown", "identifier": A}),
        named("to-nothing", {"reference": "Location/absent", "identifier": A}),
    ]
    asked = [
        ("HealthcareService", "location:identifier", value)
        for value in ("A", "B", A["system"] + "|", "|A")
    ]
    chains = [("HealthcareService", "location.identifier", value) for value in ("A", "B")]

    seen = hold(world, Asker(2), *asked, *chains, ("HealthcareService", "location:missing", "true"))

    assert found(seen, "HealthcareService", "location:identifier", "A") == [
        "literally-shown",
        "to-nothing",
    ]
    assert found(seen, "HealthcareService", "location:identifier", "B") == []
    assert found(seen, "HealthcareService", "location.identifier", "B") == [
        "lost-beside-another",
        "literally-shown",
    ]


def test_an_offer_that_changes_takes_back_no_facts_but_those_it_gave(hold):
    to_role = {
        "url": "https://example.org/see",
        "valueReference": {"reference": "PractitionerRole/1"},
    }
    role = {
        "resourceType": "PractitionerRole",
        "id": "1",
        "healthcareService": [{"reference": "HealthcareService/1"}],
    }
    sensitive = offer("1", sensitive=True)
    sensitive["extension"].append(to_role)

    hold([role, {**sensitive, "name": "Ormes"}], Asker(2))
    asked = hold([role, {**sensitive, "name": "Garde"}], Asker(2), ("PractitionerRole", "_id", "1"))

    assert asked.read("PractitionerRole", "1") is None


def test_facts_do_not_stay_in_a_loop_of_structures(hold):
    def structure(resource_id: str, above: str) -> Resource:
        level = {
            "url": ROR + "ror-contact-confidentiality-level",
            "valueCodeableConcept": {"coding": [{"code": "2"}]},
        }
        return {
            "resourceType": "Organization",
            "id": resource_id,
            "name": resource_id,
            "partOf": {"reference": f"Organization/{above}"},
            "contact": [{"extension": [level], "name": {"text": "Garde"}}],
        }

    def field(code: str) -> Resource:
        carried = {
            "type": [{"coding": [{"code": code}]}],
            "providedBy": {"reference": "Organization/1"},
        }
        return offer("1", **carried)

    structures = [
        structure("1", "2"),
        structure("2", "1"),
        structure("3", "2"),
        structure("4", "4"),
    ]
    hold([*structures, field("05")], Asker(3))

    asked = hold([*structures, field("04")], Asker(3), ("Organization", "_content", "Garde"))
    assert found(asked, "Organization", "_content", "Garde") == ["1", "2"]

    asked = hold([*structures, field("05")], Asker(3), ("Organization", "_content", "Garde"))
    assert found(asked, "Organization", "_content", "Garde") == []


def test_several_codes_that_say_different_things_count_as_the_most_confidential(hold):
    def shown(*codes: str) -> Resource:
        level = {
            "url": ROR + "ror-telecom-confidentiality-level",
            "valueCodeableConcept": {"coding": [*map(code, codes)]},
        }
        return {"system": "phone", "value": "-".join(codes), "extension": [level]}

    def code(one: str) -> Resource:
        return {"code": one}

    telecoms = [shown("1"), shown("1", "1"), shown("1", "3"), shown("2", "1")]

    asked = hold([place("1", telecom=telecoms)], Asker(2))

    assert [one["value"] for one in asked.read("Location", "1")["telecom"]] == ["1", "1-1"]


@pytest.mark.parametrize(
    "spelled",
    [
        "http://interop.esante.gouv.fr/ig/fhir/ror/StructureDefinition/",
        ROR + "{}|0.7.0",
        ROR + "{}/",
        ROR + "{}#a",
        ROR + "{}?x",
        ROR.upper() + "%20{}",
    ],
)
@pytest.mark.parametrize(
    ("resource_type", "name"),
    [
        ("Organization", "ror-organization-drop-zone"),
        ("Location", "ror-location-supported-capacity"),
        ("Location", "ror-location-equipment"),
        ("HealthcareService", "ror-healthcareservice-contact"),
    ],
)
def test_an_extension_is_governed_however_its_url_is_spelled(resource_type, name, spelled):
    def codes(url: str) -> bytes:
        return codes_in(
            governed_parts({"resourceType": resource_type, "extension": [{"url": url}]})
        )

    assert codes(ROR + name) != b""
    assert codes(spelled.format(name) if "{" in spelled else spelled + name) == codes(ROR + name)


@pytest.mark.parametrize(
    ("said", "facts"),
    [
        pytest.param({"valueBoolean": False}, 0, id="no"),
        pytest.param({"valueBoolean": True}, SENSITIVE, id="yes"),
        pytest.param({"valueString": "oui"}, SENSITIVE, id="in a way that is not understood"),
        pytest.param({}, SENSITIVE, id="nothing"),
    ],
)
@pytest.mark.parametrize("base", [ROR, ROR.replace("https", "http")])
@pytest.mark.parametrize("ending", ["", "/", "#a", "?x", "|1"])
def test_an_offer_is_sensitive_unless_it_says_that_it_is_not(base, ending, said, facts):
    flag = {"url": f"{base}ror-healthcareservice-sensitive-unit{ending}", **said}

    assert (
        own_facts({"resourceType": "HealthcareService", "extension": [flag]}) & SENSITIVE == facts
    )
