"""References to another server: kept, not followed, not dangling; and no way around access."""

import json

import pytest

from ror.directory.importing import prepare
from ror.search.language.expression import And, Or, ReferenceIs, with_own_bases
from ror.store.contract import Draft
from tests.access.oracle import Asker
from tests.access.test_hidden import found, hold, offer, place  # noqa: F401 a fixture
from tests.test_cli import ror
from tests.test_importing import NOW, as_json, bundle, imported, organization, store, write_file  # noqa: F401

OTHER = "https://other.example/fhir"
OURS = "https://ror.example.org/fhir"


def part(identity, address, **others):
    return organization(identity, partOf={"reference": address, **others})


def test_a_reference_to_another_server_is_external_and_not_dangling(store, write_file):  # noqa: F811
    resources = [
        part("1", f"{OTHER}/Organization/x"),
        part("2", f"{OTHER}/Organization/y/_history/2"),
        part("3", "Organization/absent"),
        part("4", "https://third.example/Organization/1"),
        organization("5", endpoint=[{"reference": f"{OTHER}/Endpoint/1"}]),
    ]

    report = imported(store, write_file(as_json(*resources)))

    count, first = store.dangling(10)
    assert (count, [one.target for one in first]) == (1, [("Organization", "absent")])
    assert report.outward.external == {OTHER: 3, "https://third.example": 1}
    assert json.loads(store.read("Organization", "1").body)["partOf"] == resources[0]["partOf"]


def test_a_reference_that_becomes_ours_dangles_then(store, write_file):  # noqa: F811
    imported(store, write_file(as_json(part("1", f"{OTHER}/Organization/x"))))

    imported(store, write_file(as_json(part("1", f"{OTHER}/Organization/x"))), own_bases=[OTHER])

    assert (
        json.loads(store.read("Organization", "1").body)["partOf"]["reference"] == "Organization/x"
    )
    assert store.dangling(0)[0] == 1


@pytest.mark.parametrize("address", ["urn:uuid:1", "urn:oid:1.2.3"])
def test_a_urn_that_no_entry_has_leads_nowhere_and_is_counted(store, write_file, address):  # noqa: F811
    entries = bundle({"fullUrl": "urn:uuid:2", "resource": part("1", address)})

    report = imported(store, write_file(as_json(entries)))

    assert report.outward.unresolved == 1
    [first] = report.outward.first_unresolved
    assert (first.source, first.target) == (("Organization", "1"), ("", address))


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        (f"{OURS}/Organization/x", "Organization/x"),
        (f"{OURS}/Organization/x/_history/3", "Organization/x/_history/3"),
        (f"{OURS}x/Organization/x", f"{OURS}x/Organization/x"),
        (f"{OURS}/a/Organization/x", f"{OURS}/a/Organization/x"),
        (f"{OTHER}/Organization/x", f"{OTHER}/Organization/x"),
    ],
)
def test_a_reference_to_one_of_our_bases_is_kept_as_type_and_id(address, kept):
    resource = part("1", address, display=f"see {OURS}/Organization/x")

    draft = prepare(json.dumps(resource).encode(), NOW, [OURS])

    assert isinstance(draft, Draft)
    assert json.loads(draft.body)["partOf"] == {
        "reference": kept,
        "display": f"see {OURS}/Organization/x",
    }


def test_a_search_does_not_follow_a_reference_to_another_server(hold):  # noqa: F811
    home, other = {"reference": "Location/1"}, {"reference": f"{OTHER}/Location/1"}
    world = [place("1", name="Ormes"), offer("1", location=[home]), offer("2", location=[other])]

    asked = hold(world, Asker(1))

    assert found(asked, "HealthcareService", "location", "Location/1") == ["1"]
    assert found(asked, "HealthcareService", "location._id", "1") == ["1"]
    assert found(asked, "HealthcareService", "location", f"{OTHER}/Location/1") == []
    assert found(asked, "HealthcareService", "location:missing", "true") == ["2"]
    assert found(asked, "Location", "_has:HealthcareService:location:_id", "2") == []


def test_an_address_of_another_server_opens_nothing(hold):  # noqa: F811
    """Facts travel along it, and it is taken away where it leads to something hidden."""
    alias = {"reference": f"{OTHER}/Location/hidden", "display": "Détenus"}
    see = {"url": "https://example.org/see", "valueReference": alias}
    world = [
        place("hidden", name="Détenus"),
        place("part", partOf=alias),
        offer("secret", sensitive=True, location=[alias]),
        offer("open", location=[{"reference": "Location/part"}]),
        {**place("see"), "extension": [see]},
    ]

    asked = hold(world, Asker(2), ("Location", "name", "Détenus"))

    assert asked.read("Location", "hidden") is None
    assert found(asked, "Location", "name", "Détenus") == []
    assert "partOf" not in asked.read("Location", "part")
    assert "extension" not in asked.read("Location", "see")


def test_facts_do_not_travel_along_an_address_that_no_parameter_reads(hold):  # noqa: F811
    area = offer("1", sensitive=True, coverageArea=[{"reference": f"{OTHER}/Location/area"}])

    asked = hold([area, place("area")], Asker(2), ("Location", "_id", "area"))

    assert found(asked, "Location", "_id", "area") == ["area"]


def test_the_bases_of_a_request_are_ours():
    mine, theirs = (ReferenceIs("location", "Location", "1", base) for base in (OURS, OTHER))

    tree = with_own_bases(And((mine, Or((theirs,)))), {OURS})

    assert tree == And((ReferenceIs("location", "Location", "1"), Or((theirs,))))


# --- the command ----------------------------------------------------------------------------------


def command(folder, *arguments):
    done = ror(
        "import",
        "--create",
        "--database",
        "ror.db",
        "--json",
        *arguments,
        "a.ndjson",
        folder=folder,
    )
    return json.loads(done.stdout)


def test_a_dry_run_says_which_references_lead_nowhere(tmp_path):
    (tmp_path / "kept.ndjson").write_bytes(as_json(organization("kept")))
    (tmp_path / "a.ndjson").write_bytes(
        as_json(
            part("1", "Organization/kept"),
            part("2", "Organization/3"),
            part("3", "Organization/absent"),
            part("4", f"{OTHER}/Organization/x"),
            part("5", "urn:uuid:1"),
        )
    )

    before = command(tmp_path, "--dry-run")
    ror("import", "--create", "--database", "ror.db", "kept.ndjson", folder=tmp_path)
    after = command(tmp_path, "--dry-run")

    assert not before["refused"]
    assert [one["target"] for one in before["dangling"]["first"]] == [
        "Organization/kept",
        "Organization/absent",
        "urn:uuid:1",
    ]
    assert after["dangling"]["count"] == 2
    assert after["external"] == {OTHER: 1}
    assert command(tmp_path)["dangling"] == after["dangling"]


def test_an_import_takes_a_base_for_ours_and_reports_the_others(tmp_path):
    (tmp_path / "a.ndjson").write_bytes(
        as_json(organization("x"), part("1", f"{OTHER}/Organization/x"))
    )

    plain, owned = command(tmp_path), command(tmp_path, "--own-base", f"{OTHER}/")
    refused = ror("import", "--create", "--own-base", "other", "a.ndjson", folder=tmp_path)

    assert plain["external"] == {OTHER: 1}
    assert (owned["external"], owned["updated"], owned["dangling"]["count"]) == ({}, 1, 0)
    assert refused.returncode == 2 and "https://" in refused.stderr
