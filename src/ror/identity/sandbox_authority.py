"""
A certification authority for tests and sandboxes, in a folder: never for production.

The folder holds `root` and `issuer` with their keys, `authorities.pem` and `crl.pem` for the
settings of a server, the `server` certificate, and `issued.json`, the list of issued and revoked
certificates. Only the owner can read private keys.
"""

import os
import re
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
from cryptography import x509

from ror.errors import NOT_JSON, UsageError
from ror.identity.certificates import authority, name_text
from ror.identity.certificates.authority import Holder

LOCAL_HOSTS: Final = ("localhost", "127.0.0.1", "::1")

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_TAKEN: Final = frozenset({"root", "issuer", "authorities", "crl", "server"})


class Issued(msgspec.Struct):
    """An issued certificate: the name of its files, its hexadecimal serial number, its dates."""

    name: str
    serial: str
    subject: str
    expires_at: datetime
    revoked_at: datetime | None = None


class SandboxAuthority:
    """The authority in a folder. Raises UsageError if there is none or it cannot be read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self._root, self._issuer = (self._holder(name) for name in ("root", "issuer"))
            self.issued = msgspec.json.decode(
                self._path("issued.json").read_bytes(), type=list[Issued]
            )
        except FileNotFoundError:
            raise UsageError("pki.absent", folder=folder) from None
        except (OSError, *NOT_JSON) as problem:
            raise UsageError("pki.unreadable", folder=folder, problem=problem) from None

    @property
    def authorities(self) -> Path:
        """The certificates of the root and of the issuing authority."""
        return self._path("authorities.pem")

    @property
    def revocations(self) -> Path:
        """The revocation lists of both."""
        return self._path("crl.pem")

    def files(self, name: str) -> tuple[Path, Path]:
        """The certificate and key files of a name; `server` is the certificate of this machine."""
        return self._path(f"{name}.pem"), self._path(f"{name}.key")

    def issue(
        self, name: str, subject: str, now: datetime, days: int = authority.CLIENT_DAYS
    ) -> Issued:
        """
        Issue a client certificate for a subject, in files of this name.

        Raises UsageError if the name is taken or no file name, or the subject is invalid.
        """
        if not _NAME.fullmatch(name) or name in _TAKEN:
            raise UsageError("pki.bad-name", name=name[:100])
        if any(issued.name == name for issued in self.issued):
            raise UsageError("pki.name-taken", name=name)
        made = authority.issue_client(self._issuer, subject, now, timedelta(days=days))
        _write_holder(self.folder, name, made)
        certificate = made.certificate
        issued = Issued(
            name=name,
            serial=f"{certificate.serial_number:X}",
            subject=name_text(certificate.subject),
            expires_at=certificate.not_valid_after_utc,
        )
        self.issued.append(issued)
        self._write_issued()
        return issued

    def renew_server(self, now: datetime) -> tuple[Path, Path]:
        """
        Issue the server's certificate again, for the same hosts; its certificate and key files.

        Raises UsageError if the present certificate cannot be read.
        """
        certificate, key = self.files("server")
        try:
            hosts = authority.hosts_of(certificate.read_bytes())
            renewed = authority.issue_server(self._issuer, hosts, now)
            _write_holder(self.folder, "server", renewed, chain=self._issuer.pem)
        except (OSError, ValueError, x509.ExtensionNotFound) as problem:
            raise UsageError("pki.unreadable", folder=self.folder, problem=problem) from None
        return certificate, key

    def revoke(self, name: str, now: datetime) -> Issued:
        """
        Revoke a certificate by file name or serial number, and publish the revocation lists.

        Raises UsageError if no such certificate is valid.
        """
        for issued in self.issued:
            if (
                name == issued.name or _is_serial(name, issued.serial)
            ) and issued.revoked_at is None:
                issued.revoked_at = now
                self._write_issued()
                self.publish_revocations(now)
                return issued
        raise UsageError("pki.not-issued", name=name[:100])

    def publish_revocations(self, now: datetime) -> None:
        """Write the revocation lists again, valid for `authority.LIST_DAYS` days."""
        revoked = [
            (int(issued.serial, 16), issued.revoked_at)
            for issued in self.issued
            if issued.revoked_at
        ]
        lists = (
            authority.revocation_list(self._issuer, revoked, now),
            authority.revocation_list(self._root, [], now),
        )
        _write(self.revocations, b"".join(lists))

    def _holder(self, name: str) -> Holder:
        certificate, key = self.files(name)
        return authority.holder(certificate.read_bytes(), key.read_bytes())

    def _write_issued(self) -> None:
        _write(self._path("issued.json"), msgspec.json.format(msgspec.json.encode(self.issued)))

    def _path(self, name: str) -> Path:
        return self.folder / name


def make(folder: Path, now: datetime, hosts: Sequence[str] = LOCAL_HOSTS) -> SandboxAuthority:
    """
    Make a new authority in a folder, with a server certificate for these host names and addresses.

    Raises UsageError if the folder has one already or cannot be written.
    """
    if (folder / "root.pem").exists():
        raise UsageError("pki.exists", folder=folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        root = authority.new_root(now)
        issuer = authority.new_intermediate(root, now)
        server = authority.issue_server(issuer, hosts, now)
        _write(folder / "issued.json", b"[]")
        _write(folder / "authorities.pem", root.pem + issuer.pem)
        _write_holder(folder, "server", server, chain=issuer.pem)
        _write_holder(folder, "issuer", issuer)
        # Last: a folder with a root is complete.
        _write_holder(folder, "root", root)
    except OSError as problem:
        raise UsageError("pki.unreadable", folder=folder, problem=problem) from None
    made = SandboxAuthority(folder)
    made.publish_revocations(now)
    return made


def _is_serial(text: str, serial: str) -> bool:
    """
    Whether a text is this serial number; other programs write a leading 0 or colons.

    >>> _is_serial("0f:5e", "F5E"), _is_serial("F5", "F5E")
    (True, False)
    """
    return text.replace(":", "").lstrip("0").upper() == serial


def _write_holder(folder: Path, name: str, made: Holder, chain: bytes = b"") -> None:
    _write(folder / f"{name}.key", made.key_pem, mode=0o600)
    _write(folder / f"{name}.pem", made.pem + chain)


def _write(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file atomically, so that a concurrent reader gets the former one whole."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)
