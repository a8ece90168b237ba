"""`ror audit …` as an auditor uses it: real processes on a real trail."""

import gzip
import json
import stat
from pathlib import Path

import pytest
from fhirclient.models.auditevent import AuditEvent

from ror import runtime
from ror.audit.records import Act, ImportBegun
from ror.audit.trail.folder import Folder
from ror.audit.trail.writing import Journal, record_act
from ror.settings import Settings
from ror.store import open_store
from tests.audit.conftest import Clock, call
from tests.test_cli import ror


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a directory and its trail: two days of calls, an import and an act."""
    place = tmp_path_factory.mktemp("audited")
    settings = Settings(database=f"sqlite:///{place}/ror.db")
    store = open_store(settings.database)
    journal = runtime.open_trail(settings, store)
    assert journal is not None
    journal.close()
    store.close()
    folder, clock = Folder(runtime.trail_folder(settings)), Clock("2025-11-24T10:00:00Z")
    for path in folder.path.glob("calls/*"):
        path.unlink()
    for day in ("2025-11-24", "2025-11-25"):
        clock.set(f"{day}T10:00:00Z")
        one = Journal(folder, now=clock)
        one.open()
        one.write(call(clock, 1, client="sante"))
        one.write(call(clock, 2, status=404, path="/fhir/HealthcareService/h1"))
        hashed = folder.veil().hashed("Zorglub")
        one.write(
            call(
                clock,
                3,
                route="[type]",
                interaction="search-type",
                query=(("name", hashed),),
                total=1,
            )
        )
        one.write(
            ImportBegun(at=call(clock).at, run="1", author="import", by="root", files=("a.ndjson",))
        )
        one.close()
    record_act(
        folder,
        Act(at=call(clock).at, action="client-suspend", subject="sante", by="root", reason="lost"),
    )
    return place


def found(place: Path, *arguments: str) -> list[str]:
    """What a search finds: the day and the identifier of each call, the kind of what is no call."""
    done = ror("audit", "search", *arguments, "--json", folder=place)
    assert done.returncode == 0, done.stderr
    return [
        f"{one['at'][8:10]} {one.get('request_id', one['kind'])}" for one in json.loads(done.stdout)
    ]


DAY_24 = ["24 r1", "24 r2", "24 r3", "24 import-begun"]
IN_A_MINUTE = ("--since", "2025-11-24T10:59", "--until", "2025-11-24T11:00")
"""Eleven o'clock in Paris, ten in the trail."""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(
            (),
            [
                "24 r1",
                "24 r2",
                "24 r3",
                "24 import-begun",
                "25 r1",
                "25 r2",
                "25 r3",
                "25 import-begun",
                "25 act",
            ],
            id="all",
        ),
        pytest.param(("--client", "sante"), ["24 r1", "25 r1"], id="a client"),
        pytest.param(("--client", "-", "--until", "2025-11-24"), ["24 r2", "24 r3"], id="no token"),
        pytest.param(
            ("--client", "sante", "--until", "9999"), ["24 r1", "25 r1"], id="to the end of time"
        ),
        pytest.param(
            ("--client", "sante", "--since", "0001-01-01"),
            ["24 r1", "25 r1"],
            id="from the first day",
        ),
        pytest.param(
            ("--client", "sante", "--since", "0800"), ["24 r1", "25 r1"], id="since Charlemagne"
        ),
        pytest.param(("--until", "0001-01-01"), [], id="until the first day"),
        pytest.param(("--status", "4xx"), ["24 r2", "25 r2"], id="a kind of status"),
        pytest.param(
            ("--status", "200", "--since", "2025-11-25"),
            ["25 r1", "25 r3"],
            id="a status since a day",
        ),
        pytest.param(("--path", "/HealthcareService/"), ["24 r2", "25 r2"], id="a path"),
        pytest.param(("--request-id", "r3"), ["24 r3", "25 r3"], id="a request"),
        pytest.param(("--value", "ZORGLUB"), ["24 r3", "25 r3"], id="a name that is hashed"),
        pytest.param(
            ("--since", "2025-11-24T11:30", "--until", "2025-11-24T12:00"),
            [],
            id="between, Paris time",
        ),
        pytest.param(
            (*IN_A_MINUTE, "--client", "sante"), ["24 r1"], id="within a minute, Paris time"
        ),
    ],
)
def test_lines_are_found_by_what_they_tell(place, arguments, expected):
    assert found(place, *arguments) == expected


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            (
                "profile 1  404  GET /fhir/HealthcareService/h1",
                "begins import 1",
                "reason: lost",
                "9 lines.",
            ),
        ),
        (
            "fr",
            (
                "profil 1  404  GET /fhir/HealthcareService/h1",
                "commence l'import 1",
                "motif : lost",
                "9 lignes.",
            ),
        ),
    ],
)
def test_lines_are_told_in_both_languages(place, language, words):
    done = ror("audit", "search", language=language, folder=place)

    assert done.returncode == 0
    assert [word for word in words if word not in done.stdout + done.stderr] == []


def test_a_trail_that_is_whole_is_said_so_with_what_should_be_noted(place):
    done, said = (
        ror("audit", "verify", folder=place),
        ror("audit", "verify", "--json", folder=place),
    )

    assert done.returncode == said.returncode == 0, done.stdout + done.stderr
    verdict = json.loads(said.stdout)
    assert (verdict["whole"], verdict["files"], verdict["lines"], verdict["days_signed"]) == (
        True,
        3,
        15,
        1,
    )
    assert [one["what"] for one in verdict["findings"]] == ["unsigned"]
    assert verdict["key"] in done.stdout and verdict["last_digest"]["sha256"] in done.stdout
    assert "The trail is whole: 3 files, 15 lines, 1 day signed." in done.stdout


def test_a_fault_is_told_with_its_place_and_makes_the_command_fail(place, tmp_path):
    trail = Folder(place / "ror.db.audit")
    [file, *_] = trail.files()
    path = trail.path / file
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"status":404', b'"status":200'))
    try:
        done = ror("audit", "verify", language="fr", folder=place)
    finally:
        path.write_bytes(whole)

    assert done.returncode == 1
    assert f"{file}:3: quelque chose a été changé, là ou juste avant" in done.stdout
    assert "N'EST PAS entière" in done.stdout


def test_a_line_that_was_damaged_does_not_hide_the_others(place):
    trail = Folder(place / "ror.db.audit")
    path = trail.path / trail.files()[0]
    whole = path.read_bytes()
    # In a value, which makes it no line; in a name, which is one that is not known.
    path.write_bytes(
        whole.replace(b'"client":"sante"', b'"client":"sant\xe9"').replace(
            b'"total"', b'"tota\xff"'
        )
    )
    try:
        verified, searched = (
            ror("audit", "verify", folder=place),
            ror("audit", "search", "--json", folder=place),
        )
    finally:
        path.write_bytes(whole)

    assert verified.returncode == 1 and "something was changed" in verified.stdout, verified.stderr
    assert searched.returncode == 0, searched.stderr
    assert len(json.loads(searched.stdout)) == 8


def test_a_trail_that_took_the_place_of_another_is_told_by_what_the_directory_remembers(
    place, tmp_path
):
    other = Folder(tmp_path / "other")
    other.make()
    one = Journal(other)
    one.open()
    one.close()

    done = ror("audit", "verify", "--audit-folder", str(other.path), folder=place)
    accepted = ror(
        "audit",
        "verify",
        "--audit-folder",
        str(other.path),
        "--key",
        other.fingerprint(),
        folder=place,
    )

    assert done.returncode == 1 and "the trail was replaced" in done.stdout
    assert accepted.returncode == 0


def test_lines_are_exported_as_they_are(place, tmp_path):
    done = ror(
        "audit",
        "export",
        "--client",
        "sante",
        "--output",
        str(tmp_path / "out.ndjson"),
        folder=place,
    )

    assert done.returncode == 0 and "2 lines written" in done.stderr
    assert stat.S_IMODE((tmp_path / "out.ndjson").stat().st_mode) == 0o600
    trail = Folder(place / "ror.db.audit")
    kept = [
        line for file in trail.files() for line in (trail.path / file).read_bytes().splitlines()
    ]
    exported = (tmp_path / "out.ndjson").read_bytes().splitlines()
    assert [line for line in kept if b'"client":"sante"' in line] == exported


def test_lines_are_exported_as_audit_events(place, tmp_path):
    done = ror(
        "audit",
        "export",
        "--format",
        "fhir",
        "--output",
        str(tmp_path / "out.ndjson.gz"),
        folder=place,
    )

    assert done.returncode == 0, done.stderr
    events = [
        json.loads(line)
        for line in gzip.decompress((tmp_path / "out.ndjson.gz").read_bytes()).splitlines()
    ]
    assert len(events) == 9 and len({event["id"] for event in events}) == 9
    for event in events:
        AuditEvent(event, strict=True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("search", "--status", "refused"), '"refused" is not an HTTP status. Write 404'),
        (("search", "--since", "yesterday"), '"yesterday" is not a date'),
        (("export", "--format", "pdf"), '"pdf" is not a format of export. Formats: ndjson, fhir.'),
        (("verify", "--audit-folder", "nowhere"), 'There is no audit trail in "nowhere"'),
    ],
)
def test_what_cannot_be_done_is_told(place, arguments, told):
    done = ror("audit", *arguments, folder=place)

    assert done.returncode == 2
    assert told in done.stderr and done.stderr.count("\n") == 1
