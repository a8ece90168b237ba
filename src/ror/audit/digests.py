"""
The digest of a day: the last hash of each of its chains, signed with Ed25519.

A digest names the previous one by hash, so digests form a chain too. The signature covers the bytes
of the digest and has a file of its own: `openssl pkeyutl -verify` checks it.
"""

from hashlib import sha256
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ror.audit.records import DigestName
from ror.errors import NOT_JSON

FORMAT: Final = 1


class ChainEnd(msgspec.Struct, frozen=True):
    """A file of the day: its numbers of lines and bytes, and the hash of its last line."""

    file: str
    lines: int
    bytes: int
    head: str


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    """
    The files of a day; `key` is the fingerprint of the signing key, `previous` the digest before.
    """

    format: int = FORMAT
    day: str
    signed_at: str
    key: str
    previous: DigestName | None
    chains: tuple[ChainEnd, ...]


_decode: Final = msgspec.json.Decoder(Digest).decode


def to_bytes(digest: Digest) -> bytes:
    """The bytes of a digest, readable by people."""
    return msgspec.json.format(msgspec.json.encode(digest), indent=2) + b"\n"


def from_bytes(text: bytes) -> Digest | None:
    """The digest in these bytes; None if there is none."""
    try:
        return _decode(text)
    except NOT_JSON:
        return None


def name_of(day: str, text: bytes) -> DigestName:
    """The name by which the next digest and the next chains refer to this one."""
    return DigestName(day, sha256(text).hexdigest())


# --- keys -----------------------------------------------------------------------------------------


def new_key() -> bytes:
    """A new signing key, as PEM."""
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def signing_key(pem: bytes) -> Ed25519PrivateKey:
    """The private key of a PEM. Raises ValueError if it holds no Ed25519 key."""
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("not an Ed25519 key")
    return key


def public_pem(key: Ed25519PrivateKey) -> bytes:
    """The public half of `key`, as PEM."""
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(encoding, form)


def checking_key(pem: bytes) -> Ed25519PublicKey:
    """The public key of a PEM. Raises ValueError if it holds no Ed25519 key."""
    key = serialization.load_pem_public_key(pem)
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("not an Ed25519 key")
    return key


def fingerprint(key: Ed25519PublicKey) -> str:
    """The fingerprint of a key: the SHA-256 of its DER form."""
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return sha256(key.public_bytes(encoding, form)).hexdigest()


def is_signed(text: bytes, signature: bytes, key: Ed25519PublicKey) -> bool:
    """Whether this is a signature of these bytes under `key`."""
    try:
        key.verify(signature, text)
    except InvalidSignature:
        return False
    return True
