"""`ror audit …`: verify, search and export the audit trail."""

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Annotated, Any, Final
from urllib.parse import unquote

import msgspec
import typer

from ror import runtime
from ror.audit.events import audit_event
from ror.audit.records import DAY_LENGTH, LAST_DAY, Act, Call, ImportBegun, ImportEnded, instant
from ror.audit.trail import verifying
from ror.audit.trail.folder import FILE_MODE, Folder
from ror.audit.trail.reading import Match, Selection, find
from ror.audit.trail.tending import system_user
from ror.audit.trail.verifying import Finding, Verdict
from ror.cli.help import Command, application
from ror.cli.options import By, ConfigFile, Database, Machine, Reason, settings
from ror.cli.output_file import opened
from ror.cli.terminal import say, write_line, write_notice
from ror.errors import UsageError
from ror.search.language.values import covering
from ror.settings import Settings
from ror.store import database_format

NOT_WHOLE: Final = 1
"""The exit code when the trail has a fault."""

_STATUS: Final = re.compile(r"[1-5Xx][0-9Xx]{2}", re.ASCII)


app: Final = application(say("cli.audit"))

TrailFolder = Annotated[
    str | None, typer.Option("--audit-folder", metavar="FOLDER", help=say("setting.audit_folder"))
]
Client = Annotated[str | None, typer.Option("--client", metavar="ID", help=say("cli.audit-client"))]
Since = Annotated[str | None, typer.Option("--since", metavar="DATE", help=say("cli.audit-since"))]
Until = Annotated[str | None, typer.Option("--until", metavar="DATE", help=say("cli.audit-until"))]
Status = Annotated[
    str | None, typer.Option("--status", metavar="STATUS", help=say("cli.audit-status"))
]
PathPart = Annotated[str | None, typer.Option("--path", metavar="TEXT", help=say("cli.audit-path"))]
RequestId = Annotated[
    str | None, typer.Option("--request-id", metavar="ID", help=say("cli.audit-request-id"))
]
Value = Annotated[str | None, typer.Option("--value", metavar="TEXT", help=say("cli.audit-value"))]


@dataclass(frozen=True, slots=True)
class _Filter:
    """The options of a search, as typed."""

    client: str | None
    since: str | None
    until: str | None
    status: str | None
    path: str | None
    request_id: str | None
    value: str | None


# --- verify ---------------------------------------------------------------------------------------


@app.command("verify", cls=Command, help=say("cli.audit-verify"))
def verify(
    key: Annotated[
        str | None, typer.Option("--key", metavar="FINGERPRINT", help=say("cli.audit-key"))
    ] = None,
    database: Database = None,
    audit_folder: TrailFolder = None,
    machine: Machine = False,
    config: ConfigFile = None,
) -> int:
    current = settings(config, database=database, audit_folder=audit_folder)
    today = instant(time.time_ns())[:DAY_LENGTH]
    verdict = verifying.verify(_folder(current), today, key or _key_of_directory(current))
    if machine:
        write_line(json.dumps(_as_json(verdict), ensure_ascii=False))
    else:
        _write_verdict(verdict)
    return 0 if verdict.is_whole else NOT_WHOLE


def _key_of_directory(settings: Settings) -> str | None:
    """The fingerprint that the directory has stored; None without a directory or a fingerprint."""
    try:
        # This also reads the database of another release.
        return database_format(settings.database).meta.get(runtime.TRAIL_KEY)
    except UsageError:
        # A trail can be verified on a machine that has no directory.
        return None


# --- restart --------------------------------------------------------------------------------------


@app.command("restart", cls=Command, help=say("cli.audit-restart"))
def restart(
    by: By = None,
    reason: Reason = "",
    database: Database = None,
    audit_folder: TrailFolder = None,
    config: ConfigFile = None,
) -> None:
    current = settings(config, database=database, audit_folder=audit_folder)
    with closing(runtime.open_existing(current.database)) as store:
        fingerprint = runtime.restart_trail(current, store, by or system_user(), reason)
    write_line(say("audit.restarted", fingerprint=fingerprint))


# --- writing the verdict --------------------------------------------------------------------------


def _write_verdict(verdict: Verdict) -> None:
    for finding in verdict.findings:
        write_line(f"{_place(finding)}: {say(f'audit.{finding.what}', **finding.told)}")
    counts = {
        name: say.number(getattr(verdict, name)) for name in ("files", "lines", "days_signed")
    }
    write_line(say("audit.whole" if verdict.is_whole else "audit.broken", **counts))
    if verdict.key is not None:
        write_line(say("audit.fingerprint", fingerprint=verdict.key))
    if verdict.last_digest is not None:
        write_line(
            say("audit.last-digest", day=verdict.last_digest.day, sha256=verdict.last_digest.sha256)
        )


def _place(finding: Finding) -> str:
    if finding.line is None:
        return finding.file
    since = "" if finding.since in (None, finding.line) else f"{finding.since}-"
    return f"{finding.file}:{since}{finding.line}"


def _as_json(verdict: Verdict) -> dict[str, Any]:
    findings = [
        {
            **asdict(entry),
            "is_fault": entry.is_fault,
            "text": say(f"audit.{entry.what}", **entry.told),
        }
        for entry in verdict.findings
    ]
    last = verdict.last_digest
    return {
        "whole": verdict.is_whole,
        "files": verdict.files,
        "lines": verdict.lines,
        "days_signed": verdict.days_signed,
        "key": verdict.key,
        "last_digest": last and {"day": last.day, "sha256": last.sha256},
        "findings": findings,
    }


# --- search ---------------------------------------------------------------------------------------


@app.command("search", cls=Command, help=say("cli.audit-search"))
def search(
    client: Client = None,
    since: Since = None,
    until: Until = None,
    status: Status = None,
    path: PathPart = None,
    request_id: RequestId = None,
    value: Value = None,
    database: Database = None,
    audit_folder: TrailFolder = None,
    machine: Machine = False,
    config: ConfigFile = None,
) -> None:
    current = settings(config, database=database, audit_folder=audit_folder)
    criteria = _Filter(client, since, until, status, path, request_id, value)
    folder = _folder(current)
    lines = find(folder, _wanted(folder, criteria))
    if machine:
        _write_array(
            {
                "file": entry.file,
                "line": entry.number,
                **json.loads(entry.text.decode(errors="replace")),
            }
            for entry in lines
        )
        return
    count = 0
    for entry in lines:
        write_line(_LINES[type(entry.record)](entry.record))
        count += 1
    write_notice(say("audit.found", count=say.number(count)))


def _write_array(items: Iterable[Mapping[str, Any]]) -> None:
    """A JSON array, item by item: a trail may be larger than the memory."""
    before = "["
    for item in items:
        write_line(before + json.dumps(item, ensure_ascii=False))
        before = ","
    write_line("[]" if before == "[" else "]")


def _line_of_call(call: Call) -> str:
    query = "&".join(f"{name}={value}" for name, value in call.query)
    return say(
        "audit.call",
        at=call.at,
        client=call.client or "-",
        profile="-" if call.profile is None else call.profile,
        status=call.status,
        request=f"{call.method} {unquote(call.path)}" + (f"?{query}" if query else ""),
        matches=call.matches,
        included=call.included,
        withheld=call.withheld,
        milliseconds=say.number(call.duration_us / 1_000, 1),
        request_id=call.request_id,
    )


def _line_of_begun(begun: ImportBegun) -> str:
    files = ", ".join(begun.files)
    return say(
        "audit.import-begun",
        at=begun.at,
        by=begun.by,
        author=begun.author,
        files=files,
        run=begun.run,
    )


def _line_of_ended(ended: ImportEnded) -> str:
    counts = {
        name: say.number(getattr(ended, name))
        for name in ("created", "updated", "unchanged", "older", "refused")
    }
    key = "audit.import-interrupted" if ended.interrupted else "audit.import-ended"
    return say(key, at=ended.at, run=ended.run, **counts)


def _line_of_act(act: Act) -> str:
    return say(
        "audit.act",
        at=act.at,
        by=act.by,
        action=act.action,
        subject=act.subject,
        reason=act.reason or "-",
    )


_LINES: Final[Mapping[type, Callable[[Any], str]]] = {
    Call: _line_of_call,
    ImportBegun: _line_of_begun,
    ImportEnded: _line_of_ended,
    Act: _line_of_act,
}


# --- export ---------------------------------------------------------------------------------------


@app.command("export", cls=Command, help=say("cli.audit-export"))
def export(
    shape: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help=say("cli.audit-format"))
    ] = "ndjson",
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help=say("cli.audit-output"))
    ] = "-",
    client: Client = None,
    since: Since = None,
    until: Until = None,
    status: Status = None,
    path: PathPart = None,
    request_id: RequestId = None,
    value: Value = None,
    database: Database = None,
    audit_folder: TrailFolder = None,
    config: ConfigFile = None,
) -> None:
    if shape not in _FORMATS:
        raise UsageError("audit.unknown-format", name=shape[:100], known=", ".join(_FORMATS))
    current = settings(config, database=database, audit_folder=audit_folder)
    criteria = _Filter(client, since, until, status, path, request_id, value)
    folder, count = _folder(current), 0
    with opened(output, FILE_MODE) as file:
        for entry in find(folder, _wanted(folder, criteria)):
            file.write(_FORMATS[shape](entry) + b"\n")
            count += 1
    if output != "-":
        write_notice(say("audit.exported", count=say.number(count), output=output))


def _as_written(entry: Match) -> bytes:
    return entry.text


def _as_event(entry: Match) -> bytes:
    event_id = sha256(f"{entry.file}:{entry.number}".encode()).hexdigest()
    return msgspec.json.encode(audit_event(entry.record, event_id, f"ror {entry.file}"))


_FORMATS: Final[Mapping[str, Callable[[Match], bytes]]] = {"ndjson": _as_written, "fhir": _as_event}


# --- reading the options --------------------------------------------------------------------------


def _folder(settings: Settings) -> Folder:
    """The trail that the settings name. Raises UsageError when there is none."""
    folder = Folder(runtime.trail_folder(settings))
    if not folder.path.is_dir():
        raise UsageError("audit.no-trail", folder=folder.path)
    return folder


def _wanted(folder: Folder, criteria: _Filter) -> Selection:
    """
    The selection that the options describe.

    Raises UsageError for an invalid date or status, and for a value if the key is missing.
    """
    try:
        value = None if criteria.value is None else folder.veil().hashed(criteria.value)
    except (OSError, ValueError) as problem:
        raise UsageError("audit.no-values-key", folder=folder.path, problem=problem) from None
    if criteria.status is not None and not _STATUS.fullmatch(criteria.status):
        raise UsageError("audit.not-a-status", value=criteria.status[:100])
    return Selection(
        since="" if criteria.since is None else _instant(criteria.since, last=False),
        until=LAST_DAY if criteria.until is None else _instant(criteria.until, last=True),
        client=criteria.client,
        status=criteria.status,
        path=criteria.path,
        request_id=criteria.request_id,
        value=value,
    )


def _instant(text: str, last: bool) -> str:
    """The first or last instant of a date, as the trail writes it; no bound if it cannot."""
    try:
        period = covering(text)
    except ValueError:
        raise UsageError("audit.not-a-date", value=text[:100]) from None
    try:
        return instant((period.last if last else period.first) * 1_000)
    except (ValueError, OverflowError):
        return LAST_DAY if last else ""
