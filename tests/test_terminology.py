"""Code systems and value sets: labels, membership, obsolescence, spellings, replacement."""

import gzip
import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from ror.search.language import values
from ror.standard import terminology
from ror.standard.editions import Overlay, overlaid
from ror.standard.terminology import (
    Standing,
    association,
    canonical_system,
    code_system,
    display,
    is_obsolete,
    members,
    provenance,
    standing,
    value_set,
)
from ror.store import open_store
from tests.conftest import clean_environment, serving
from tests.http.conftest import free_port

REPOSITORY = Path(__file__).resolve().parents[1]
NOS_TABLES = REPOSITORY.parent / "shared" / "data" / "nos"
MOS = "https://mos.esante.gouv.fr/NOS"
GUIDE = "https://interop.esante.gouv.fr/ig/fhir/ror"


def tre(name):
    return f"{MOS}/TRE_{name}/FHIR/TRE-{name}"


def jdv(name):
    return f"{MOS}/JDV_{name}/FHIR/JDV-{name}"


R13, R30, R66 = tre("R13-CommuneOM"), tre("R30-RegionOM"), tre("R66-CategorieEtablissement")
R210, R211, R213 = (
    tre("R210-ActeSpecifique"),
    tre("R211-ActiviteOperationnelle"),
    tre("R213-ModePriseEnCharge"),
)
R252, R253, R344 = tre("R252-TypeHoraire"), tre("R253-TypeMaternite"), tre("R344-NiveauExpertise")
R345 = tre("R345-TypeIdentifiantAutre")
J16, J17, J19 = (
    jdv("J16-ActeSpecifique-ROR"),
    jdv("J17-ActiviteOperationnelle-ROR"),
    jdv("J19-ModePriseEnCharge-ROR"),
)
J41, J55, J124, J227 = (
    jdv("J41-TypeHoraire-ROR"),
    jdv("J55-CategorieEG-ROR"),
    jdv("J124-Commune"),
    jdv("J227-NiveauExpertise-ROR"),
)
J237 = jdv("J237-RegionOM-ROR")
J286 = f"{MOS}/JDV_J286_ProfilUtilisateurReferentielNational_ROR/FHIR/JDV-J286-ProfilUtilisateurReferentielNational-ROR"
TERRITORIES = f"{GUIDE}/ValueSet/code-region-territorial-division-ror-valueset"


@pytest.mark.parametrize(
    ("system", "code", "label"),
    [
        pytest.param(R213, "32", "Consultation (CS) ou Séance", id="a mode of care"),
        pytest.param(
            R252, "05", "Horaire de visite à domicile", id="a label that changed under its code"
        ),
        pytest.param(
            R211, "002", "Addictologie sans précision", id="an obsolete code keeps its label"
        ),
        pytest.param(
            R66, "001", "Autres lits de mR", id="the short label where the full one is not known"
        ),
        pytest.param(R66, "003", None, id="a code known without label"),
        pytest.param(R213, "032", None, id="leading zeros count"),
        pytest.param(tre("R000-Nothing"), "01", None, id="a system that is not loaded"),
        pytest.param(R13, "29019", "Brest", id="a commune"),
        pytest.param(
            f"{GUIDE}/CodeSystem/act-type-ror-codesystem",
            "specificAct",
            "specificAct",
            id="the guide's own",
        ),
    ],
)
def test_a_code_has_its_published_label(system, code, label):
    assert display(system, code) == label


STANDINGS = [
    pytest.param(J19, R213, "32", Standing.member, id="in the value set"),
    pytest.param(J19, R213, "14", Standing.obsolete, id="ended, still in the code system"),
    pytest.param(
        jdv("J187-NatureCapacite-ROR"),
        tre("R329-NatureCapacite"),
        "03",
        Standing.obsolete,
        id="not for ROR",
    ),
    pytest.param(J19, R213, "99", Standing.unknown, id="unknown to a whole list"),
    pytest.param(J16, R210, "9999", Standing.unlisted, id="unknown to a list that is not whole"),
    pytest.param(
        J41,
        R252,
        "10",
        Standing.unlisted,
        id="born after the edition of the value set that was read",
    ),
    pytest.param(J19, R211, "001", Standing.unknown, id="a code of another system"),
    pytest.param(
        J19, "https://example.org/codes", "32", Standing.unknown, id="a system nobody publishes"
    ),
    pytest.param(
        J227, R253, "01", Standing.member, id="the same code in the second system of the value set"
    ),
    pytest.param(
        J227, R344, "01", Standing.unlisted, id="the same code in the first system of the value set"
    ),
    pytest.param(
        jdv("J999-Nothing"), R213, "32", Standing.unlisted, id="a value set that is not loaded"
    ),
    pytest.param(
        J237, R30, "53", Standing.member, id="a value set retired as a whole stays usable"
    ),
    pytest.param(J124, R13, "29019", Standing.member, id="a commune"),
    pytest.param(J124, R13, "75116", Standing.member, id="an arrondissement"),
    pytest.param(J124, R13, "01039", Standing.obsolete, id="a commune that was merged"),
    pytest.param(J124, R13, "99999", Standing.unlisted, id="a commune our table does not know"),
    pytest.param(
        TERRITORIES, R13, "78646", Standing.member, id="a commune in the union of territories"
    ),
    pytest.param(
        TERRITORIES,
        tre("G09-DepartementOM"),
        "29",
        Standing.member,
        id="a département in that union",
    ),
    pytest.param(TERRITORIES, R30, "53", Standing.member, id="a region in that union"),
    pytest.param(
        f"{GUIDE}/ValueSet/ror-questionnaire-status-vs",
        "http://hl7.org/fhir/publication-status",
        "unknown",
        Standing.obsolete,
        id="a status that the guide excludes",
    ),
    pytest.param(
        f"{GUIDE}/ValueSet/ror-usage-context-type-vs",
        f"{GUIDE}/CodeSystem/usage-context-ror-codesystem",
        "champAct",
        Standing.member,
        id="a code system taken whole",
    ),
    pytest.param(
        f"{GUIDE}/ValueSet/act-type-ror-valueset",
        f"{GUIDE}/CodeSystem/act-type-ror-codesystem",
        "otherAct",
        Standing.unknown,
        id="unknown to a code system taken whole",
    ),
    pytest.param(
        f"{GUIDE}/ValueSet/ror-launch-context-vs",
        "http://hl7.org/fhir/uv/sdc/CodeSystem/launchContext",
        "patient",
        Standing.unlisted,
        id="a system drawn on but not loaded",
    ),
]


@pytest.mark.parametrize(("bound", "system", "code", "expected"), STANDINGS)
def test_a_code_stands_in_a_value_set_as_the_rules_on_obsolete_codes_say(
    bound, system, code, expected
):
    assert standing(bound, system, code) is expected


def test_a_binding_may_carry_a_version():
    assert standing(f"{J19}|20260330120000", R213, "32") is Standing.member


@pytest.mark.parametrize(
    ("code", "on", "obsolete"),
    [
        pytest.param("14", date(2025, 12, 21), False, id="the day before its end"),
        pytest.param("14", date(2025, 12, 22), True, id="the day of its end"),
        pytest.param("32", date(2099, 1, 1), False, id="without end"),
        pytest.param("99", date(2026, 1, 1), False, id="not known"),
    ],
)
def test_a_code_is_obsolete_from_the_day_it_left_use(code, on, obsolete):
    assert is_obsolete(R213, code, on) is obsolete


def test_a_deprecated_code_without_known_end_is_obsolete_on_any_day():
    undated = next(
        c for c in code_system(R210).concepts.values() if c.status == "deprecated" and c.end is None
    )

    assert is_obsolete(R210, undated.code, date(2026, 1, 1))


@pytest.mark.parametrize(
    ("written", "published"),
    [
        pytest.param(R345, R345, id="as published"),
        pytest.param(
            R345.replace("FHIR/TRE-", "FHIR/TRE_"), R345, id="as the guide's profile fixes it"
        ),
        pytest.param(R345.replace("https", "http"), R345, id="http"),
        pytest.param(R345 + "/", R345, id="a slash at the end"),
        pytest.param(
            R345.replace("FHIR/TRE-", "FHIR/TRE_").replace("https", "http") + "/",
            R345,
            id="all three",
        ),
        pytest.param("urn:oid:1.2.250.1.213.3.3.229", R345, id="the OID"),
        pytest.param(tre("R13-Commune"), R13, id="the guide's other name of the communes"),
        pytest.param(J124, R13, id="the value set of the communes"),
        pytest.param(J19, R213, id="a value set over one system"),
        pytest.param(J55, J55, id="a value set over several systems says nothing"),
        pytest.param(
            "https://terminology.hl7.org/CodeSystem/usage-context-type",
            "http://terminology.hl7.org/CodeSystem/usage-context-type",
            id="https where http is published",
        ),
        pytest.param(
            "https://example.org/x/", "https://example.org/x/", id="a stranger stays as it is"
        ),
        pytest.param("", "", id="nothing"),
    ],
)
def test_a_code_system_is_recognised_under_its_other_spellings(written, published):
    assert canonical_system(written) == published
    assert canonical_system(published) == published


def test_the_other_spellings_find_the_same_codes():
    other = R345.replace("FHIR/TRE-", "FHIR/TRE_")

    assert code_system(other) is code_system(R345)
    assert display(other, "42") == display(R345, "42") is not None
    assert standing(J124, tre("R13-Commune"), "29019") is Standing.member


def test_no_spelling_leads_from_one_published_system_to_another():
    published = {system.url for system in terminology.code_systems()} | {R13}

    assert published == {canonical_system(url) for url in published}


@pytest.mark.parametrize(
    ("bound", "count"),
    [
        pytest.param(J16, 1305, id="acts"),
        pytest.param(J17, 554, id="activities"),
        pytest.param(J19, 36, id="modes of care"),
        pytest.param(J55, 177 + 4, id="two systems"),
        pytest.param(J237, 18, id="regions"),
        pytest.param(J286, 11, id="a value set whose system has no published url"),
        pytest.param(J124, 35_014, id="communes"),
        pytest.param(TERRITORIES, 35_014 + 109 + 18 + 132 + 213, id="a union of value sets"),
        pytest.param(f"{GUIDE}/ValueSet/ror-questionnaire-status-vs", 3, id="the guide's own"),
        pytest.param(jdv("J999-Nothing"), 0, id="not loaded"),
    ],
)
def test_the_members_of_a_value_set_are_its_codes_in_use(bound, count):
    found = members(bound)

    assert len(found) == count
    assert len({(system, concept.code) for system, concept in found}) == count


def test_every_member_stands_as_a_member():
    strays = [
        (one.name, concept.code)
        for one in terminology.value_sets()
        for system, concept in members(one.url)
        if standing(one.url, system, concept.code) is not Standing.member
    ]

    assert strays == []


def test_a_code_that_ended_is_not_offered_even_if_the_value_set_still_lists_it():
    bound, system = jdv("J226-ModaliteAccueil-ROR"), tre("R338-ModaliteAccueil")

    assert standing(bound, system, "27") is Standing.member
    assert "27" not in {concept.code for _, concept in members(bound)}


def test_a_retired_value_set_says_since_when():
    assert value_set(J237).retired == date(2024, 1, 26)
    assert value_set(J19).retired is None


def test_the_shipped_table_holds_what_was_read():
    own = [one for one in terminology.code_systems() if one.url.startswith(f"{MOS}/TRE_")]

    assert (len(own), sum(len(one.concepts) for one in own)) == (89, 5151)
    assert len([one for one in terminology.value_sets() if one.url.startswith(MOS)]) == 77
    assert sum(1 for one in own for concept in one.concepts.values() if concept.display) == 4678


def test_the_provenance_names_publisher_release_day_and_licence():
    note = provenance()

    assert "ANS" in note["publisher"]
    assert note["version"] == "20260928120000"
    assert date.fromisoformat(note["read_on"]) >= date(2026, 9, 28)
    assert note["licence"]


def test_associations_lead_from_one_code_system_to_another():
    regions = association("ASS_X09-DepartementOM-RegionOM")

    assert regions.targets["29"] == ("53",)
    assert regions.target == R30
    assert (
        len(association("ASS_A14-FamilleActiviteOperationnelle-ActiviteOperationnelle").targets)
        == 28
    )
    assert association("ASS_X99-Nothing") is None


def test_importing_reads_nothing():
    check = (
        "import ror.standard.terminology as t; raise SystemExit(t.shipped.cache_info().currsize)"
    )

    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


@pytest.fixture
def newer_table(tmp_path):
    """
    A table that renews one code system and its value set, as an operator would lay it; forgotten at
    the end.
    """
    codes = [
        {"code": "32", "display": "Consultation", "status": "active"},
        {"code": "60", "display": "Nouveau mode"},
    ]
    table = {
        "provenance": {"publisher": "ANS", "version": "20261130120000"},
        "code_systems": [
            {"url": R213, "name": "TRE_R213-ModePriseEnCharge", "complete": True, "concepts": codes}
        ],
        "value_sets": [
            {"url": J19, "name": "J19", "includes": [{"system": R213, "codes": ["32", "60"]}]}
        ],
        "associations": [],
    }
    path = tmp_path / "newer.json.gz"
    path.write_bytes(gzip.compress(json.dumps(table).encode()))
    yield path
    terminology.use(None)


def put_in_force(path):
    terminology.use(overlaid(Overlay(path.read_bytes(), str(path))))


def test_an_operator_can_lay_a_newer_table_over_the_shipped_one(newer_table):
    assert standing(J19, R213, "60") is Standing.unknown

    put_in_force(newer_table)

    assert standing(J19, R213, "60") is Standing.member
    assert display(R213, "32") == "Consultation"
    assert len(members(J17)) == 554
    assert (provenance()["version"], provenance()["file"]) == ("20261130120000", str(newer_table))


def test_what_was_remembered_of_another_edition_is_forgotten(newer_table):
    system = values.normal_system(R213)
    before = values.labels("60", system)

    put_in_force(newer_table)
    renewed = values.labels("60", system)
    terminology.use(None)

    assert (before, renewed) == ((), ("nouveau mode",))
    assert values.labels("60", system) == ()


@pytest.mark.parametrize("workers", ["0", "1"])
def test_an_import_indexes_the_labels_of_that_table(newer_table, tmp_path, workers):
    kind = {"coding": [{"system": R213, "code": "60"}]}
    offers = [
        {"resourceType": "HealthcareService", "id": f"h{n}", "serviceProvisionCode": [kind]}
        for n in range(1_100)
    ]
    (tmp_path / "given.ndjson").write_text("\n".join(map(json.dumps, offers)))
    environment = {
        **clean_environment(),
        "ROR_TERMINOLOGY_FILE": str(newer_table),
        "ROR_AUDIT": "false",
    }
    database = f"sqlite:///{tmp_path}/ror.db"
    command = [
        sys.executable,
        "-m",
        "ror",
        "import",
        "--create",
        str(tmp_path / "given.ndjson"),
        "--database",
        database,
    ]
    subprocess.run(
        [*command, "--workers", workers], env=environment, check=True, capture_output=True
    )

    with serving(database) as server:
        assert server.search("HealthcareService", _content="nouveau mode")["total"] == len(offers)


@pytest.mark.parametrize("command", ["serve", "stats", "import"])
def test_a_command_given_a_file_that_is_no_table_says_so_in_one_line(tmp_path, command):
    (tmp_path / "wrong.json.gz").write_bytes(b"TRE_R213")
    open_store(f"sqlite:///{tmp_path}/ror.db").close()
    environment = {**clean_environment(), "ROR_TERMINOLOGY_FILE": "wrong.json.gz", "LANG": "en"}
    environment["ROR_PORT"] = str(free_port())
    arguments = [
        command,
        "--database",
        "ror.db",
        *(["wrong.json.gz"] if command == "import" else []),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "ror", *arguments],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 2
    assert "wrong.json.gz cannot be read" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"TRE_R213", id="not compressed"),
        pytest.param(gzip.compress(b"TRE_R213"), id="not JSON"),
        pytest.param(gzip.compress(b"[]"), id="not an object"),
        pytest.param(gzip.compress(b'{"code_systems": []}'), id="without value sets"),
        pytest.param(gzip.compress(b"{}" * 5000)[:-20], id="cut short"),
    ],
)
def test_a_file_that_is_no_table_is_refused_by_name_and_changes_nothing(tmp_path, content):
    path = tmp_path / "wrong.json.gz"
    path.write_bytes(content)

    with pytest.raises(
        ValueError, match=r"wrong\.json\.gz is not a table .* tools/build_terminology\.py"
    ):
        put_in_force(path)

    assert display(R213, "32") == "Consultation (CS) ou Séance"


def run_builder(*arguments):
    tool = REPOSITORY / "tools" / "build_terminology.py"
    return subprocess.run(
        [sys.executable, tool, *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(
    not NOS_TABLES.is_dir(),
    reason="the NOS tables are not beside the repository (../shared/data/nos)",
)
def test_the_shipped_table_is_the_one_that_the_tool_builds(tmp_path):
    rebuilt = tmp_path / "terminology.json.gz"

    built = run_builder(NOS_TABLES, "--read-on", provenance()["read_on"], "--out", rebuilt)

    assert built.returncode == 0, built.stderr
    shipped = REPOSITORY / "src" / "ror" / "standard" / "knowledge" / "terminology.json.gz"
    assert gzip.decompress(rebuilt.read_bytes()) == gzip.decompress(shipped.read_bytes())


def test_the_tool_refuses_a_folder_without_tables(tmp_path):
    built = run_builder(tmp_path, "--read-on", "2026-11-23", "--out", tmp_path / "out.json.gz")

    assert built.returncode != 0
    assert "holds no TRE_*.json" in built.stderr
    assert not (tmp_path / "out.json.gz").exists()


def test_the_tool_names_the_file_and_what_it_lacks(tmp_path):
    (tmp_path / "TRE_R1-X.json").write_text('{"url": "https://example.org/r1", "name": "TRE_R1-X"}')

    built = run_builder(tmp_path, "--read-on", "2026-11-23", "--out", tmp_path / "out.json.gz")

    assert "TRE_R1-X.json has no concepts" in built.stderr


def test_the_communes_are_a_code_system_like_any_other():
    communes = code_system(R13).concepts

    assert len(communes) == len(list(communes)) == len(set(communes)) == 35_014 + 4_240
    assert (communes["29019"].display, communes["29019"].status) == ("Brest", "active")
    assert (communes["01039"].display, communes["01039"].status) == (None, "deprecated")
    assert "99999" not in communes
    assert is_obsolete(R13, "01039", date(2026, 1, 1))
