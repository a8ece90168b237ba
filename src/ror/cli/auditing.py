"""`ror audit …`: whether the trail is whole, what it tells, and taking it elsewhere."""

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from ror import runtime
from ror.audit.events import audit_event
from ror.audit.records import DAY_LENGTH, LAST_DAY, Act, Call, ImportBegun, ImportEnded, instant
from ror.audit.trail.folder import FILE_MODE, Folder
from ror.audit.trail.reading import Found, Wanted, find
from ror.audit.trail.verifying import Finding, Verdict, verify
from ror.cli.output import opened
from ror.cli.showing import existing_store
from ror.cli.speaking import answer, say, tell
from ror.errors import UsageError
from ror.search.language.values import covering
from ror.settings import Settings

NOT_WHOLE: Final = 1
"""The exit code when a fault is found."""

_STATUS: Final = re.compile(r"[1-5Xx][0-9Xx]{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed about the lines that are looked for."""

    client: str | None
    since: str | None
    until: str | None
    status: str | None
    path: str | None
    request_id: str | None
    value: str | None


# --- verify ----------------------------------------------------------------------------------------------------------


def verified(settings: Settings, key: str | None, machine: bool) -> int:
    """Check the trail from end to end; the exit code says whether it is whole."""
    folder = _folder(settings)
    today = instant(time.time_ns())[:DAY_LENGTH]
    verdict = verify(folder, today, key or _key_of_directory(settings))
    if machine:
        answer(json.dumps(_as_json(verdict), ensure_ascii=False))
    else:
        _tell_verdict(verdict)
    return 0 if verdict.is_whole else NOT_WHOLE


def _key_of_directory(settings: Settings) -> str | None:
    """The fingerprint that the directory itself remembers; None when it is not here, or remembers none."""
    try:
        store = existing_store(settings.database)
    except UsageError:
        # A trail may be checked elsewhere than where its directory is.
        return None
    with closing(store):
        return store.get_meta(runtime.TRAIL_KEY)


def _tell_verdict(verdict: Verdict) -> None:
    for finding in verdict.findings:
        answer(f"{_place(finding)}: {say(f'audit.{finding.what}', **finding.told)}")
    counts = {
        name: say.number(getattr(verdict, name)) for name in ("files", "lines", "days_signed")
    }
    answer(say("audit.whole" if verdict.is_whole else "audit.broken", **counts))
    if verdict.key is not None:
        answer(say("audit.fingerprint", fingerprint=verdict.key))
    if verdict.last_digest is not None:
        answer(
            say("audit.last-digest", day=verdict.last_digest.day, sha256=verdict.last_digest.sha256)
        )


def _place(finding: Finding) -> str:
    if finding.line is None:
        return finding.file
    since = "" if finding.since in (None, finding.line) else f"{finding.since}-"
    return f"{finding.file}:{since}{finding.line}"


def _as_json(verdict: Verdict) -> dict[str, Any]:
    findings = [
        {**asdict(one), "is_fault": one.is_fault, "text": say(f"audit.{one.what}", **one.told)}
        for one in verdict.findings
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


# --- search ----------------------------------------------------------------------------------------------------------


def search(settings: Settings, asked: Asked, machine: bool) -> None:
    """Show the lines that are looked for, the oldest first; a JSON array for a program."""
    folder = _folder(settings)
    lines = find(folder, _wanted(folder, asked))
    if machine:
        _answer_array(
            {"file": one.file, "line": one.number, **json.loads(one.text.decode(errors="replace"))}
            for one in lines
        )
        return
    count = 0
    for one in lines:
        answer(_TOLD[type(one.record)](one.record))
        count += 1
    tell(say("audit.found", count=say.number(count)))


def _answer_array(items: Iterable[Mapping[str, Any]]) -> None:
    """A JSON array, item by item: a trail may be larger than the memory."""
    before = "["
    for item in items:
        answer(before + json.dumps(item, ensure_ascii=False))
        before = ","
    answer("[]" if before == "[" else "]")


def _told_call(call: Call) -> str:
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


def _told_begun(begun: ImportBegun) -> str:
    files = ", ".join(begun.files)
    return say(
        "audit.import-begun",
        at=begun.at,
        by=begun.by,
        author=begun.author,
        files=files,
        run=begun.run,
    )


def _told_ended(ended: ImportEnded) -> str:
    counts = {
        name: say.number(getattr(ended, name))
        for name in ("created", "updated", "unchanged", "refused")
    }
    key = "audit.import-interrupted" if ended.interrupted else "audit.import-ended"
    return say(key, at=ended.at, run=ended.run, **counts)


def _told_act(act: Act) -> str:
    return say(
        "audit.act",
        at=act.at,
        by=act.by,
        action=act.action,
        subject=act.subject,
        reason=act.reason or "-",
    )


_TOLD: Final[Mapping[type, Callable[[Any], str]]] = {
    Call: _told_call,
    ImportBegun: _told_begun,
    ImportEnded: _told_ended,
    Act: _told_act,
}


# --- export ----------------------------------------------------------------------------------------------------------


def export(settings: Settings, asked: Asked, shape: str, output: str) -> None:
    """Write the lines that are looked for to a file, as they are or as AuditEvents."""
    if shape not in _SHAPES:
        raise UsageError("audit.unknown-format", name=shape[:100], known=", ".join(_SHAPES))
    folder, count = _folder(settings), 0
    with opened(output, FILE_MODE) as file:
        for one in find(folder, _wanted(folder, asked)):
            file.write(_SHAPES[shape](one) + b"\n")
            count += 1
    if output != "-":
        tell(say("audit.exported", count=say.number(count), output=output))


def _as_written(found: Found) -> bytes:
    return found.text


def _as_event(found: Found) -> bytes:
    event_id = sha256(f"{found.file}:{found.number}".encode()).hexdigest()
    return msgspec.json.encode(audit_event(found.record, event_id, f"ror {found.file}"))


_SHAPES: Final[Mapping[str, Callable[[Found], bytes]]] = {"ndjson": _as_written, "fhir": _as_event}


# --- what was typed --------------------------------------------------------------------------------------------------


def _folder(settings: Settings) -> Folder:
    """The trail that the settings name. Raises UsageError when there is none."""
    folder = Folder(runtime.trail_folder(settings))
    if not folder.path.is_dir():
        raise UsageError("audit.no-trail", folder=folder.path)
    return folder


def _wanted(folder: Folder, asked: Asked) -> Wanted:
    """Raises UsageError for a date or a status that is none, or a value that cannot be hashed without the key."""
    try:
        value = None if asked.value is None else folder.veil().hashed(asked.value)
    except (OSError, ValueError) as problem:
        raise UsageError("audit.no-values-key", folder=folder.path, problem=problem) from None
    if asked.status is not None and not _STATUS.fullmatch(asked.status):
        raise UsageError("audit.not-a-status", value=asked.status[:100])
    return Wanted(
        since="" if asked.since is None else _instant(asked.since, last=False),
        until=LAST_DAY if asked.until is None else _instant(asked.until, last=True),
        client=asked.client,
        status=asked.status,
        path=asked.path,
        request_id=asked.request_id,
        value=value,
    )


def _instant(text: str, last: bool) -> str:
    """The first or the last instant of a date, as the trail writes it; the ends of time are none, and bound nothing."""
    try:
        period = covering(text)
    except ValueError:
        raise UsageError("audit.not-a-date", value=text[:100]) from None
    try:
        return instant((period.last if last else period.first) * 1_000)
    except (ValueError, OverflowError):
        return LAST_DAY if last else ""
