"""
The server as `fhir-kit-client` sees it: a JavaScript client written by others, run by Node.

Its packages are those of `node/package-lock.json`, installed once into `node/node_modules`, which
git ignores.
"""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from ror.resources.versions import without_version
from tests.clients import expected
from tests.conftest import Server

NODE = Path(__file__).parent / "node"
OLDEST_NODE = 20


@pytest.fixture(scope="module")
def client() -> None:
    """The installed client, or a reason to skip."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip(
            "node and npm are needed for the JavaScript client: install Node.js 20 or later"
        )
    version = subprocess.run(
        ["node", "--version"], capture_output=True, text=True, check=True
    ).stdout
    if int(version.removeprefix("v").split(".")[0]) < OLDEST_NODE:
        pytest.skip(
            f"the JavaScript client needs Node.js {OLDEST_NODE} or later; this is {version.strip()}"
        )
    if not (NODE / "node_modules" / "fhir-kit-client").is_dir():
        command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=NODE, capture_output=True, text=True, timeout=120)
        if done.returncode:
            pytest.skip(
                f"npm could not install the JavaScript client: {done.stderr.strip()[-300:]}"
            )


@pytest.fixture(scope="module")
def told(client: None, server: Server) -> dict:
    """What the client brought back."""
    organization = next(iter(expected.resources("Organization")))
    command = ["node", "ask.mjs", server.base_url, organization]
    done = subprocess.run(command, cwd=NODE, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_reads_the_capability_statement_and_a_resource(told):
    assert told["fhirVersion"] == "4.0.1"
    sent = next(iter(expected.resources("Organization").values()))
    assert told["read"]["meta"]["versionId"] == "1"
    assert without_version(told["read"]) == without_version(sent)


def test_it_is_told_that_a_resource_is_absent(told):
    assert told["absent"] == {"status": 404, "type": "OperationOutcome"}


def test_it_follows_the_pages_forward_with_what_they_include(told):
    matches = [match for page in told["pages"] for match in page["matches"]]
    services = expected.resources("HealthcareService")
    assert sorted(matches) == sorted(f"HealthcareService/{one}" for one in services)
    assert {page["total"] for page in told["pages"]} == {len(services)}
    for page in told["pages"]:
        on_page = [services[match.split("/")[1]] for match in page["matches"]]
        along = {
            f"Location/{one}" for offer in on_page for one in expected.target_ids(offer, "location")
        }
        along |= {
            f"Organization/{one}"
            for offer in on_page
            for one in expected.target_ids(offer, "providedBy")
        }
        assert sorted(page["included"]) == sorted(along)


def test_it_goes_back_to_the_page_before(told):
    assert told["before"] == told["pages"][-2]["matches"]


def test_it_searches_by_post(told):
    active = [
        one for one in expected.resources("Location").values() if one.get("status") == "active"
    ]
    assert told["byPost"] == len(active)
