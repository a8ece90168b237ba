"""
The folder of an audit trail: its files, their modes, its keys.

    calls/2026-11-24T101112.123-4711-9f3a1c.ndjson    a file a day for each process
    acts/2026-11-24T101112.123-4712-0be455.ndjson     the same for acts of management
    digests/2026-11-24.json, 2026-11-24.sig           the digest of a day, and its signature
    keys/values.key, signing.key, signing.pub         the key of hashes, the key pair of digests

Only the owner may read the files (0600, folders 0700). A process that adds or removes files holds
the lock of the folder; appending to its own file needs no lock.
"""

import fcntl
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Final, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ror.audit import digests
from ror.audit.pseudonyms import KEY_BYTES, Pseudonymizer
from ror.audit.records import DAY_LENGTH, LAST_DAY, DigestName
from ror.errors import UsageError

Journal = Literal["calls", "acts"]
JOURNALS: Final[tuple[Journal, ...]] = ("calls", "acts")

FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700

_FILE_NAME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d{6}\.\d{3}-\d+-[0-9a-f]{6}\.ndjson", re.ASCII)
_DIGEST_NAME: Final = re.compile(r"(\d{4}-\d\d-\d\d)\.json", re.ASCII)

_VALUES_KEY: Final = "keys/values.key"
_SIGNING_KEY: Final = "keys/signing.key"
_PUBLIC_KEY: Final = "keys/signing.pub"


class Folder:
    """The folder of a trail; its files are named by their path below it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    # --- its files ---

    def files(self, *journals: Journal) -> list[str]:
        """The chain files of these journals, or of all, in the order in which they were opened."""
        names = [
            f"{journal}/{path.name}"
            for journal in journals or JOURNALS
            for path in (self.path / journal).glob("*.ndjson")
            if _FILE_NAME.fullmatch(path.name)
        ]
        return sorted(names, key=opening_of)

    def days_signed(self) -> list[str]:
        """The days that have a digest, in order."""
        matches = (
            _DIGEST_NAME.fullmatch(path.name) for path in (self.path / "digests").glob("*.json")
        )
        return sorted(match[1] for match in matches if match)

    def digest(self, day: str) -> bytes:
        """The bytes of the digest of a day."""
        return (self.path / f"digests/{day}.json").read_bytes()

    def signature(self, day: str) -> bytes:
        """The signature of the digest of a day; empty if there is none."""
        path = self.path / f"digests/{day}.sig"
        return path.read_bytes() if path.exists() else b""

    def last_digest(self) -> DigestName | None:
        """The newest digest."""
        days = self.days_signed()
        return digests.name_of(days[-1], self.digest(days[-1])) if days else None

    def new_file(self, journal: Journal, at: str) -> str:
        """A name for a file opened at this instant; its day is later than every signed day."""
        signed = self.days_signed()
        day, time = at[:DAY_LENGTH], at[DAY_LENGTH:].replace(":", "").removesuffix("Z")
        if signed and day <= signed[-1]:
            # The clock was set back: the digest of that day already lists its files.
            day = day_after(signed[-1])
        return f"{journal}/{day}{time}-{os.getpid()}-{secrets.token_hex(3)}.ndjson"

    # --- making it, locking it ---

    def make(self) -> None:
        """
        Make the folder and its keys, unless they exist.

        Raises OSError if that fails, UsageError if the folder has records and a key is missing.
        """
        for name in ("", *JOURNALS, "digests", "keys"):
            (self.path / name).mkdir(mode=FOLDER_MODE, parents=not name, exist_ok=True)
        with self.locked():
            self._make_key(_VALUES_KEY, lambda: secrets.token_hex(KEY_BYTES).encode() + b"\n")
            self._make_key(_SIGNING_KEY, digests.new_key)
            if not (self.path / _PUBLIC_KEY).exists():
                self.write(_PUBLIC_KEY, digests.public_pem(self.signing_key()))

    def _make_key(self, name: str, make: Callable[[], bytes]) -> None:
        path = self.path / name
        if path.exists():
            return
        if self.files():
            raise UsageError("audit.key-gone", file=path, folder=self.path)
        self.write(name, make())

    def write(self, name: str, content: bytes) -> None:
        """Write a file, durably and atomically."""
        path = self.path / name
        partial = path.with_name(f".{path.name}.part")
        handle = os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, FILE_MODE)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        self.sync(path.parent)

    def sync(self, folder: Path) -> None:
        """Make the entries of a folder durable."""
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of the folder for the length of the block."""
        handle = os.open(self.path / ".lock", os.O_CREAT | os.O_RDWR, FILE_MODE)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    # --- its keys ---

    def veil(self) -> Pseudonymizer:
        """The hashes of personal values, under the key of this trail."""
        return Pseudonymizer(bytes.fromhex((self.path / _VALUES_KEY).read_text(encoding="ascii")))

    def signing_key(self) -> Ed25519PrivateKey:
        """The key that signs the digests of this trail."""
        return digests.signing_key((self.path / _SIGNING_KEY).read_bytes())

    def fingerprint(self) -> str:
        """The fingerprint of the key that checks the digests."""
        return digests.fingerprint(self.signing_key().public_key())

    def known_fingerprint(self) -> str | None:
        """The fingerprint of the key of the trail that is here; None when there is no key."""
        return self.fingerprint() if (self.path / _SIGNING_KEY).exists() else None

    def lost_a_key(self) -> bool:
        """Whether there are lines here whose signing key is gone."""
        return not (self.path / _SIGNING_KEY).exists() and bool(self.files())

    def checking_key(self) -> Ed25519PublicKey | None:
        """The key that checks the digests of this trail; None if it is missing."""
        path = self.path / _PUBLIC_KEY
        return digests.checking_key(path.read_bytes()) if path.exists() else None


def day_after(day: str) -> str:
    """
    The next day; the last day of the calendar stays.

    >>> day_after("2024-02-28"), day_after("9999-12-31")
    ('2024-02-29', '9999-12-31')
    """
    return day if day == LAST_DAY else (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def day_of(file: str) -> str:
    """The day of a chain file, from its name."""
    return opening_of(file)[:DAY_LENGTH]


def opening_of(file: str) -> str:
    """The name of a chain file without its journal; it begins with the opening instant."""
    return file.rpartition("/")[2]
