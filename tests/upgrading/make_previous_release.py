"""
Writes `previous-release.db.gz`: a small directory in the form of the release before the upgrade
command.

Not a test, and not run by any: it was run once, with the code of commit c1bb957.

    git worktree add ../previous c1bb957
    PYTHONPATH=../previous/src python tests/upgrading/make_previous_release.py

The directory holds generated resources, a resource with several versions, one that was deleted, one
that came back, a dangling reference, governed extensions under URLs that the previous release took
for ungoverned ones, clients in every state, three signing keys, a policy with a switch and the row
of a job.
"""

import gzip
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

TARGET = Path(__file__).with_name("previous-release.db.gz")
EXTENSION = "http://interop.esante.gouv.fr/ig/fhir/ror/StructureDefinition/"
SENSITIVE = EXTENSION + "ror-healthcareservice-sensitive-unit"
LEVEL = EXTENSION + "ror-telecom-confidentiality-level"
GENERATED = 40


def sensitive(identifier: str, url: str) -> dict[str, object]:
    return {
        "resourceType": "HealthcareService",
        "id": identifier,
        "name": f"Offre {identifier}",
        "extension": [{"url": url, "valueBoolean": True}],
        "providedBy": {"reference": "Organization/versions"},
        "location": [{"reference": "Location/place"}],
        "meta": {"lastUpdated": "2025-01-02T03:04:05.000+01:00"},
    }


def organization(name: str, identifier: str = "versions", **more: object) -> dict[str, object]:
    return {"resourceType": "Organization", "id": identifier, "name": name, **more}


PLACE = {"resourceType": "Location", "id": "place", "name": "Lieu", "status": "active"}
TELECOM = {
    "resourceType": "Organization",
    "id": "telecom",
    "name": "Structure avec un numéro",
    "telecom": [
        {
            "system": "phone",
            "value": "0102030405",
            "extension": [{"url": f"{LEVEL}/", "valueCode": "3"}],
        }
    ],
}

BATCHES = (
    [
        organization("Premier nom"),
        organization("Seul nom", "back"),
        organization("Rattachée à rien", "dangling", partOf={"reference": "Organization/absent"}),
        PLACE,
        {**PLACE, "id": "gone", "name": "Lieu supprimé"},
        TELECOM,
        sensitive("canonical", SENSITIVE),
        sensitive("slash", f"{SENSITIVE}/"),
        sensitive("fragment", f"{SENSITIVE}#a"),
        sensitive("query", f"{SENSITIVE}?x"),
        sensitive("case", SENSITIVE.upper()),
        sensitive("escaped", SENSITIVE.replace("-unit", "%2Dunit")),
        sensitive("version", f"{SENSITIVE}|0.7.0"),
    ],
    [organization("Deuxième nom", meta={"lastUpdated": "2025-02-03T04:05:06Z"})],
    [organization("Troisième nom", meta={"lastUpdated": "2025-03-04T05:06:07.123456Z"})],
)

DELETE = """
import sys
from ror.store import open_store
store = open_store(sys.argv[1])
for kind, identifier in (("Location", "gone"), ("Organization", "back")):
    assert store.delete(kind, identifier, "previous")
job = store.add_job("mask", "alice", {"policy": "0.7.0"})
store.cancel_job(job.id)
store.close()
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = folder / "ror.db"

        def python(*arguments: str, given: str = "") -> str:
            environment = {**os.environ, "ROR_AUDIT": "false", "ROR_DATABASE": str(database)}
            done = subprocess.run(
                [sys.executable, *arguments],
                input=given,
                capture_output=True,
                text=True,
                env=environment,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            return done.stdout

        def ror(*arguments: str, given: str = "") -> str:
            return python("-m", "ror", *arguments, given=given)

        def bring_in(resources: list[dict[str, object]]) -> None:
            ror("import", "-", "--author", "previous", given="\n".join(map(json.dumps, resources)))

        generated = [json.loads(line) for line in ror("generate").splitlines()]
        by_type: dict[str, list[dict[str, object]]] = {}
        for resource in generated:
            by_type.setdefault(str(resource["resourceType"]), []).append(resource)
        few = [one for group in by_type.values() for one in group[: GENERATED // len(by_type)]]
        bring_in(few)
        for batch in BATCHES:
            bring_in(batch)
        python("-c", DELETE, f"sqlite:///{database}")
        bring_in([organization("De retour", "back")])
        signed = ("--by", "alice", "--reason", "for the test")
        ror("client", "add", "open", "--profile", "0", "--calls-per-minute", "60", *signed)
        ror("client", "add", "care", "--profile", "2", "--subject", "CN=care,C=FR", *signed)
        ror("client", "add", "former", "--profile", "0", *signed)
        ror("client", "suspend", "care", *signed)
        ror("client", "revoke", "former", *signed)
        for _ in range(3):
            ror("keys", "rotate", *signed)
        ror("policy", "apply", "3.0.1", "--switch", "open-ms-specific-data", *signed)
        with sqlite3.connect(database) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with gzip.GzipFile("", "wb", fileobj=TARGET.open("wb"), mtime=0) as packed:
            packed.write(database.read_bytes())


if __name__ == "__main__":
    main()
