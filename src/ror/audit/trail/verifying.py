"""
Checking a trail: every chain, every digest, and what they record of each other.

Checking changes nothing and needs only the public key. Each chain is read line by line, then
compared with its witnesses: a digest lists the files of its day, the first line of a file records
how other files ended when it was opened, and an act records which days were deleted. The file that
was opened last has no witness until its day is signed.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ror.audit import digests
from ror.audit.chain import Break, Walk
from ror.audit.digests import ChainEnd
from ror.audit.records import Act, AnyRecord, DigestName, Lost, Sealed
from ror.audit.trail import chain_file
from ror.audit.trail.folder import Folder, day_of
from ror.audit.trail.tending import PRUNED

MOST_BREAKS: Final = 10
"""Breaks reported of one file; a scrambled file has one for each line."""

NOTES: Final = frozenset(
    {"in-use", "killed", "torn", "lost", "unsigned", "pruned", "open-to-others"}
)
"""Findings that an auditor should know and that are no fault."""


@dataclass(frozen=True, slots=True)
class Finding:
    """
    A finding: what, in which file, at which line (from 1), with details for its text.

    If the exact line is unknown, `since` is the first line that it may be.
    """

    what: str
    file: str
    line: int | None = None
    since: int | None = None
    told: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_fault(self) -> bool:
        """Whether the trail is damaged."""
        return self.what not in NOTES


@dataclass(slots=True)
class Verdict:
    """The size of the trail and the findings; `key` is the fingerprint of the checking key."""

    files: int = 0
    lines: int = 0
    days_signed: int = 0
    last_digest: DigestName | None = None
    key: str | None = None
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether there is no fault."""
        return not any(finding.is_fault for finding in self.findings)


class _Witness(NamedTuple):
    """What the file `by` records of another file: the hash at a line number."""

    by: str
    lines: int
    head: str


def verify(folder: Folder, today: str, trusted_key: str | None = None) -> Verdict:
    """
    The verdict on a trail; `trusted_key` is the fingerprint, noted elsewhere, that its key must
    have.
    """
    return _Verifying(folder, today, trusted_key).verdict()


class _Verifying:
    def __init__(self, folder: Folder, today: str, trusted_key: str | None) -> None:
        self._folder, self._today, self._trusted_key = folder, today, trusted_key
        self._key: Ed25519PublicKey | None = None
        self._verdict = Verdict()
        self._listed: dict[str, ChainEnd] = {}
        self._digests: dict[str, DigestName] = {}
        self._witnesses: dict[str, list[_Witness]] = defaultdict(list)
        self._pruned: set[str] = set()

    def verdict(self) -> Verdict:
        self._check_key()
        self._check_digests()
        files = self._folder.files()
        for file in files:
            self._read_first_line(file)
        # Acts first: they record which days were deleted.
        for file in sorted(files, key=lambda file: not file.startswith("acts/")):
            self._check_file(file)
        self._check_absences(set(files))
        self._check_days(files)
        self._check_modes()
        self._verdict.files, self._verdict.days_signed = len(files), len(self._digests)
        self._verdict.last_digest = self._digests[max(self._digests)] if self._digests else None
        return self._verdict

    def _report(
        self, what: str, file: str, line: int | None = None, since: int | None = None, **told: Any
    ) -> None:
        self._verdict.findings.append(Finding(what, file, line, since, told))

    # --- keys and digests ---

    def _check_key(self) -> None:
        try:
            self._key = self._folder.checking_key()
        except ValueError:
            self._key = None
        if self._key is None:
            self._report("no-key", "keys/signing.pub")
            return
        self._verdict.key = digests.fingerprint(self._key)
        if self._trusted_key not in (None, self._verdict.key):
            self._report(
                "other-key",
                "keys/signing.pub",
                fingerprint=self._verdict.key,
                trusted=self._trusted_key,
            )

    def _check_digests(self) -> None:
        before: DigestName | None = None
        for day in self._folder.days_signed():
            name, text = f"digests/{day}.json", self._folder.digest(day)
            here = digests.name_of(day, text)
            self._digests[day] = here
            digest = digests.from_bytes(text)
            if digest is None or digest.day != day:
                self._report("digest-changed", name)
                before = here
                continue
            if digest.key != self._verdict.key:
                self._report("digest-of-other-key", name, fingerprint=digest.key)
            elif self._key and not digests.is_signed(text, self._folder.signature(day), self._key):
                self._report("digest-changed", name)
            if digest.previous != before:
                self._miss_digest(digest.previous, name)
            self._listed |= {chain.file: chain for chain in digest.chains}
            before = here

    def _miss_digest(self, named: DigestName | None, by: str) -> None:
        """Report a digest that differs from the one that another file names."""
        if named is None:
            self._report("digest-unexpected", by)
        elif named.day in self._digests:
            self._report("digest-replaced", f"digests/{named.day}.json", by=by)
        else:
            self._report("digest-missing", f"digests/{named.day}.json", by=by)

    # --- chains ---

    def _read_first_line(self, file: str) -> None:
        """Read what the first line of a file records of other files."""
        walk = Walk(file)
        next(walk.over(self._texts(file)), None)
        opened = walk.opened
        if opened is None:
            return
        for other in (opened.before, opened.former):
            if other is not None:
                self._witnesses[other.file].append(_Witness(file, other.lines, other.head))
        if opened.digest is not None and self._digests.get(opened.digest.day) != opened.digest:
            self._miss_digest(opened.digest, file)
        if self._verdict.key is not None and opened.key != self._verdict.key:
            self._report("opened-under-other-key", file, 1, fingerprint=opened.key)

    def _texts(self, file: str) -> Iterator[bytes]:
        return chain_file.texts(self._folder.path / file)

    def _check_file(self, file: str) -> None:
        is_in_use = chain_file.is_in_use(self._folder.path / file)
        walk, breaks = Walk(file), 0
        witnesses = {
            (witness.lines, witness.head): witness.by
            for witness in self._witnesses[file]
            if witness.lines
        }
        for item in walk.over(self._texts(file)):
            witnesses.pop((walk.lines, walk.head), None)
            if not isinstance(item, Break):
                self._note(item, file, walk.seen)
                continue
            breaks += 1
            if breaks <= MOST_BREAKS:
                self._report(item.what, file, item.at, item.since)
        if breaks > MOST_BREAKS:
            self._report("more-breaks", file, count=breaks - MOST_BREAKS)
        self._verdict.lines += walk.seen
        for (lines, _), by in witnesses.items():
            self._report("not-as-witnessed", file, lines, by=by)
        self._check_end(file, walk, is_in_use)

    def _note(self, record: AnyRecord, file: str, number: int) -> None:
        match record:
            case Act(action=action, details=details) if action == PRUNED:
                self._pruned.update(details.get("files", ()))
                self._report("pruned", file, number, days=record.subject, by=record.by)
            case Lost(count=count):
                self._report("lost", file, number, count=count)
            case Sealed(torn_bytes=torn):
                self._report("torn" if torn else "killed", file, number, count=torn)

    def _check_end(self, file: str, walk: Walk, is_in_use: bool) -> None:
        path, listed = self._folder.path / file, self._listed.get(file)
        if listed is not None:
            if (walk.lines, walk.head, path.stat().st_size) != (
                listed.lines,
                listed.head,
                listed.bytes,
            ):
                self._report("not-as-signed", file, lines=walk.seen, signed=listed.lines)
        elif day_of(file) in self._digests:
            self._report("not-signed", file, day=day_of(file))
        if walk.ended is None:
            self._report("in-use" if is_in_use else "unfinished", file)

    # --- missing files ---

    def _check_absences(self, present: set[str]) -> None:
        by = {file: f"digests/{day_of(file)}.json" for file in self._listed}
        by |= {
            file: heard[0].by for file, heard in self._witnesses.items() if heard and file not in by
        }
        for file in sorted(set(by) - present - self._pruned):
            self._report("missing", file, by=by[file])

    def _check_days(self, files: list[str]) -> None:
        last_signed = max(self._digests, default="")
        for day in sorted({day_of(file) for file in files}):
            if last_signed < day < self._today:
                self._report("unsigned", f"digests/{day}.json", day=day)

    def _check_modes(self) -> None:
        for path in (self._folder.path, *sorted(self._folder.path.rglob("*"))):
            if path.stat().st_mode & 0o077:
                self._report("open-to-others", path.relative_to(self._folder.path).as_posix())
