"""
The end of a day: files of killed processes are sealed, the day is signed, old days are deleted.

The next process that opens a file does this, under the lock of the folder. A day is signed once
none of its files is in use. Only the calls of signed days are deleted, and an act records it first.
"""

import getpass
import os
from datetime import date, timedelta
from typing import Final

from ror.audit import digests
from ror.audit.digests import ChainEnd, Digest
from ror.audit.records import DAY_LENGTH, Act, encode
from ror.audit.trail import chain_file
from ror.audit.trail.folder import Folder, day_of

PRUNED: Final = "audit-pruned"
"""The action of the act that deletes days; its subject is the first and the last of them."""


def end_days(folder: Folder, at: str, retention_days: int | None) -> None:
    """Seal, sign and delete what is due. Raises OSError if the folder cannot be written."""
    today = at[:DAY_LENGTH]
    _sign_days_over(folder, at, today)
    if retention_days is not None:
        _prune(folder, at, (date.fromisoformat(today) - timedelta(days=retention_days)).isoformat())


def _sign_days_over(folder: Folder, at: str, today: str) -> None:
    signed = folder.days_signed()
    after = signed[-1] if signed else ""
    open_days, files = set(), [file for file in folder.files() if day_of(file) > after]
    for file in files:
        if not chain_file.seal(folder, file, at):
            open_days.add(day_of(file))
    for day in sorted({day_of(file) for file in files}):
        # In order: each digest names the previous one.
        if day >= today or day in open_days:
            return
        _sign(folder, day, [file for file in files if day_of(file) == day], at)


def _sign(folder: Folder, day: str, files: list[str], at: str) -> None:
    key = folder.signing_key()
    text = digests.to_bytes(
        Digest(
            day=day,
            signed_at=at,
            key=digests.fingerprint(key.public_key()),
            previous=folder.last_digest(),
            chains=tuple(_end_of(folder, file) for file in files),
        )
    )
    # The digest marks the day as signed, so its signature is written first.
    folder.write(f"digests/{day}.sig", key.sign(text))
    folder.write(f"digests/{day}.json", text)


def _end_of(folder: Folder, file: str) -> ChainEnd:
    path = folder.path / file
    chain = chain_file.end(path).chain(file)
    return ChainEnd(file, chain.lines, path.stat().st_size, chain.head)


# --- retention ------------------------------------------------------------------------------------


def _prune(folder: Folder, at: str, first_kept: str) -> None:
    """Delete the calls of signed days before `first_kept`."""
    days = {day: _calls_left(folder, day) for day in folder.days_signed() if day < first_kept}
    days = {day: chains for day, chains in days.items() if chains}
    if not days:
        return
    chains = [chain for of_day in days.values() for chain in of_day]
    details = {
        "files": [chain.file for chain in chains],
        "lines": sum(chain.lines for chain in chains),
        "digests": {day: digests.name_of(day, folder.digest(day)).sha256 for day in days},
    }
    record(
        folder,
        Act(
            at=at,
            action=PRUNED,
            subject=f"{min(days)}/{max(days)}",
            by=system_user(),
            details=details,
        ),
    )
    for chain in chains:
        (folder.path / chain.file).unlink()
    folder.sync(folder.path / "calls")


def _calls_left(folder: Folder, day: str) -> list[ChainEnd]:
    """The call files that the digest of a day lists and that still exist."""
    digest = digests.from_bytes(folder.digest(day))
    listed = digest.chains if digest else ()
    return [
        chain
        for chain in listed
        if chain.file.startswith("calls/") and (folder.path / chain.file).exists()
    ]


def record(folder: Folder, act: Act) -> None:
    """Write an act of management durably; the caller holds the folder lock."""
    file = chain_file.create(folder, "acts", act.at)
    file.add(encode(act))
    file.close(act.at)


def system_user() -> str:
    """The user of this machine on whose behalf this process runs."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
