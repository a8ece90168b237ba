"""
Audit records as FHIR R4 AuditEvent resources.

Codes come from the value sets that the standard binds to each element. A member of the record
without FHIR element becomes a detail of the entity, under its own name.
Source: FHIR R4, auditevent.html.
"""

import base64
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from ror.audit.records import Act, AuditedRecord, Call, ImportBegun, ImportEnded

Event = dict[str, Any]

_DICOM: Final = "http://dicom.nema.org/resources/ontology/DCM"
_REST: Final = (
    "http://terminology.hl7.org/CodeSystem/audit-event-type",
    "rest",
    "RESTful Operation",
)
_IMPORT: Final = (_DICOM, "110107", "Import")
_SECURITY_ALERT: Final = (_DICOM, "110113", "Security Alert")
_SECURITY_CONFIGURATION: Final = (_DICOM, "110129", "Security Configuration")
_APPLICATION: Final = (_DICOM, "110150", "Application")
_SERVER: Final = (
    "http://terminology.hl7.org/CodeSystem/security-source-type",
    "4",
    "Application Server",
)
_SYSTEM_OBJECT: Final = (
    "http://terminology.hl7.org/CodeSystem/audit-entity-type",
    "2",
    "System Object",
)
_QUERY: Final = ("http://terminology.hl7.org/CodeSystem/object-role", "24", "Query")
_INTERACTIONS: Final = "http://hl7.org/fhir/restful-interaction"

_KNOWN_INTERACTIONS: Final = frozenset(
    {
        "read",
        "vread",
        "update",
        "patch",
        "delete",
        "create",
        "search-type",
        "search-system",
        "operation",
    }
    | {"history-instance", "history-type", "history-system", "capabilities"}
)
_ACTIONS: Final[Mapping[str, str]] = {
    "GET": "R",
    "HEAD": "R",
    "PUT": "U",
    "PATCH": "U",
    "POST": "C",
    "DELETE": "D",
}
_EXECUTED: Final = frozenset({"search-type", "search-system", "operation"})

_SUCCESS, _MINOR, _SERIOUS = "0", "4", "8"


def audit_event(record: AuditedRecord, event_id: str, observer: str) -> Event:
    """
    The AuditEvent of a record; `event_id` is unique, `observer` is the process that wrote the
    record.
    """
    event = {
        "resourceType": "AuditEvent",
        "id": event_id,
        **_by_kind(record),
        "source": {"observer": {"display": observer}, "type": [_coding(_SERVER)]},
    }
    details = [{"type": name, "valueString": text} for name, text in _details(record)]
    if details:
        event.setdefault("entity", [{"type": _coding(_SYSTEM_OBJECT)}])[0]["detail"] = details
    return event


def _by_kind(record: AuditedRecord) -> Event:
    match record:
        case Call():
            return _of_call(record)
        case ImportBegun():
            return _of_import(record, record.by, _SUCCESS)
        case ImportEnded():
            return _of_import(record, "import", _SERIOUS if record.problem else _SUCCESS)
        case Act():
            return _of_act(record)


def _of_call(call: Call) -> Event:
    event: Event = {"type": _coding(_REST)}
    if call.interaction in _KNOWN_INTERACTIONS:
        event["subtype"] = [{"system": _INTERACTIONS, "code": call.interaction}]
    event |= {
        "action": "E" if call.interaction in _EXECUTED else _ACTIONS.get(call.method, "E"),
        "period": {"start": _before(call.at, call.duration_us), "end": call.at},
        "recorded": call.at,
        "outcome": _SUCCESS if call.status < 400 else _MINOR if call.status < 500 else _SERIOUS,
        "outcomeDesc": f"HTTP {call.status}",
        "agent": [_caller(call)],
        "entity": [_entity(call)],
    }
    return event


def _caller(call: Call) -> Event:
    agent: Event = {"type": {"coding": [_coding(_APPLICATION)]}}
    announced = call.announced
    if announced is not None:
        pairs = (
            (announced.user_profile_system, announced.user_profile),
            (announced.role_system, announced.role),
        )
        roles = [{"coding": [_announced(system, code)]} for system, code in pairs if code]
        if roles:
            agent["role"] = roles
    if call.client is not None:
        agent["who"] = {"identifier": {"value": call.client}}
    if call.certificate is not None:
        agent["altId"] = call.certificate.subject
    agent["name"] = call.client or "anonymous"
    agent["requestor"] = True
    return agent


def _announced(system: str | None, code: str) -> Event:
    return {"system": f"urn:oid:{system}", "code": code} if system else {"code": code}


def _entity(call: Call) -> Event:
    """The resource of a read, or the request with its values hashed as in the trail."""
    entity: Event = {"type": _coding(_SYSTEM_OBJECT)}
    if call.interaction == "read" and not call.path.startswith("#"):
        entity["what"] = {"reference": "/".join(call.path.rstrip("/").split("/")[-2:])}
        return entity
    request = f"{call.method} {call.path}" + (
        f"?{urlencode(call.query, safe=':/,.|#*')}" if call.query else ""
    )
    entity["role"] = _coding(_QUERY)
    entity["query"] = base64.b64encode(request.encode()).decode("ascii")
    return entity


def _of_import(record: ImportBegun | ImportEnded, by: str, outcome: str) -> Event:
    return {
        "type": _coding(_IMPORT),
        "action": "C",
        "recorded": record.at,
        "outcome": outcome,
        "agent": [{"name": by, "requestor": True}],
    }


def _of_act(act: Act) -> Event:
    return {
        "type": _coding(_SECURITY_ALERT),
        "subtype": [_coding(_SECURITY_CONFIGURATION)],
        "action": "E",
        "recorded": act.at,
        "outcome": _SUCCESS,
        "agent": [{"name": act.by, "requestor": True}],
        "entity": [
            {"type": _coding(_SYSTEM_OBJECT), "name": act.subject, "description": act.action}
        ],
    }


def _details(record: AuditedRecord) -> Iterator[tuple[str, str]]:
    """The members of a record without FHIR element, as text."""
    match record:
        case Call():
            numbers = {
                name: getattr(record, name)
                for name in ("profile", "total", "matches", "included", "withheld")
            }
            yield "request_id", record.request_id
            yield from (
                (name, str(number)) for name, number in numbers.items() if number is not None
            )
            if record.policy is not None:
                yield "policy", record.policy
            if record.certificate is not None:
                yield "certificate", record.certificate.serial
        case ImportBegun():
            yield "run", record.run
            yield "author", record.author
            yield from (("file", file) for file in record.files)
        case ImportEnded():
            yield "run", record.run
            for name in ("created", "updated", "unchanged", "older", "refused"):
                yield name, str(getattr(record, name))
            yield "interrupted", str(record.interrupted).lower()
            if record.problem is not None:
                yield "problem", record.problem
        case Act():
            yield from (("reason", record.reason),) if record.reason else ()
            yield from ((name, str(value)) for name, value in record.details.items())


def _coding(coding: tuple[str, str, str]) -> Event:
    system, code, display = coding
    return {"system": system, "code": code, "display": display}


def _before(at: str, microseconds: int) -> str:
    """The instant `microseconds` before another one, to the millisecond."""
    start = datetime.fromisoformat(at) - timedelta(microseconds=microseconds)
    return start.isoformat(timespec="milliseconds").replace("+00:00", "Z")
