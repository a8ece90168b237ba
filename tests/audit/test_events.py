"""
Records as AuditEvents: valid R4 for a client library that knows nothing of us, with the codes that
R4 lists.

`fhirclient` was generated from the definitions of FHIR R4; with `strict` it refuses unknown
elements, wrong types and wrong cardinalities. It does not know bindings, which are checked here
against the lists of auditevent.html.
"""

import base64
import json

import pytest
from fhirclient.models.auditevent import AuditEvent
from fhirclient.models.fhirabstractbase import FHIRValidationError

from ror.audit.events import audit_event
from ror.audit.records import (
    Act,
    AuditedRecord,
    Call,
    Certificate,
    ImportBegun,
    ImportEnded,
    RorHeaders,
)

AT = "2026-11-24T10:11:12.123Z"
HEAD = "9f" * 32

# Source: FHIR R4, valueset-audit-event-action.html, valueset-audit-event-outcome.html.
ACTIONS = {"C", "R", "U", "D", "E"}
OUTCOMES = {"0", "4", "8", "12"}
# Source: FHIR R4, valueset-audit-event-type.html, valueset-audit-source-type.html,
# valueset-audit-entity-type.html.
TYPES = {"rest", "110107", "110113"}


def call(**facts: object) -> Call:
    told = {
        "request_id": "r1",
        "client": "sante",
        "certificate": Certificate("0A1B", "CN=CLIENT,O=GIP,C=FR"),
        "profile": 2,
        "announced": RorHeaders(
            "CU20", "1.2.250.1.213.1.6.1.66", "AUTOMATE", "1.2.250.1.213.1.1.4.6"
        ),
        "method": "GET",
        "route": "[type]",
        "interaction": "search-type",
        "path": "/fhir/Organization",
        "query": (("name", "#kCLkyHEEGVFQ_NTY"), ("_count", "5")),
        "status": 200,
        "total": 12,
        "matches": 5,
        "withheld": 2,
        "policy": "3.0.1",
        "duration_us": 1_500,
    }
    return Call(at=AT, **{**told, **facts})  # type: ignore[arg-type]


RECORDS = [
    pytest.param(call(), id="a search"),
    pytest.param(
        call(
            interaction="read", route="[type]/[id]", path="/fhir/Location/l1", query=(), total=None
        ),
        id="a read",
    ),
    pytest.param(
        call(client=None, certificate=None, announced=None, profile=None, status=401), id="nobody"
    ),
    pytest.param(call(announced=RorHeaders(role="AUTOMATE")), id="one header"),
    pytest.param(
        call(route="-", interaction="-", path="#kCLkyHEEGVFQ_NTY", status=404), id="nowhere"
    ),
    pytest.param(call(interaction="read", method="DELETE", status=405), id="refused"),
    pytest.param(call(status=503), id="failed"),
    pytest.param(
        ImportBegun(at=AT, run="1", author="import", by="root", files=("a.ndjson", "-")),
        id="import begun",
    ),
    pytest.param(
        ImportEnded(at=AT, run="1", created=1, updated=0, unchanged=0, refused=0), id="import ended"
    ),
    pytest.param(
        ImportEnded(
            at=AT,
            run="1",
            created=1,
            updated=0,
            unchanged=0,
            refused=0,
            interrupted=True,
            problem="store.x",
        ),
        id="import failed",
    ),
    pytest.param(
        Act(
            at=AT,
            action="client-suspend",
            subject="sante",
            by="root",
            reason="lost",
            details={"n": 1},
        ),
        id="an act",
    ),
]


@pytest.mark.parametrize("record", RECORDS)
def test_an_event_is_valid_r4(record: AuditedRecord):
    event = json.loads(json.dumps(audit_event(record, HEAD, "ror here")))

    AuditEvent(event, strict=True)
    assert (
        event["action"] in ACTIONS
        and event["outcome"] in OUTCOMES
        and event["type"]["code"] in TYPES
    )
    assert event["id"] == HEAD and event["recorded"] == AT
    for entity in event.get("entity", ()):
        # Constraint sev-1: a name or a query, not both.
        assert not ("name" in entity and "query" in entity)


def test_the_library_that_checks_events_refuses_what_is_wrong():
    event = audit_event(call(), HEAD, "ror here")
    for wrong in ({"color": "blue"}, {"recorded": 12}, {"agent": None}):
        with pytest.raises(FHIRValidationError):
            AuditEvent(
                {name: value for name, value in {**event, **wrong}.items() if value is not None},
                strict=True,
            )


def test_a_search_says_who_asked_what_and_what_was_given():
    event = audit_event(call(), HEAD, "ror here")

    [agent], [entity] = event["agent"], event["entity"]
    assert (
        agent["who"] == {"identifier": {"value": "sante"}}
        and agent["altId"] == "CN=CLIENT,O=GIP,C=FR"
    )
    assert [one["coding"][0] for one in agent["role"]] == [
        {"system": "urn:oid:1.2.250.1.213.1.6.1.66", "code": "CU20"},
        {"system": "urn:oid:1.2.250.1.213.1.1.4.6", "code": "AUTOMATE"},
    ]
    assert (
        base64.b64decode(entity["query"])
        == b"GET /fhir/Organization?name=#kCLkyHEEGVFQ_NTY&_count=5"
    )
    assert (event["action"], event["outcome"], event["subtype"][0]["code"]) == (
        "E",
        "0",
        "search-type",
    )
    assert event["period"] == {"start": "2026-11-24T10:11:12.121Z", "end": AT}
    assert {one["type"]: one["valueString"] for one in entity["detail"]} == {
        "request_id": "r1",
        "profile": "2",
        "total": "12",
        "matches": "5",
        "included": "0",
        "withheld": "2",
        "policy": "3.0.1",
        "certificate": "0A1B",
    }


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "0"), (304, "0"), (401, "4"), (404, "4"), (499, "4"), (500, "8"), (503, "8")],
)
def test_the_outcome_follows_the_status(status, outcome):
    assert audit_event(call(status=status), HEAD, "ror here")["outcome"] == outcome


def test_a_read_names_its_resource():
    event = audit_event(
        call(interaction="read", path="/ws-diffusion-fhir/Location/l1"), HEAD, "ror here"
    )

    assert event["entity"][0]["what"] == {"reference": "Location/l1"}
