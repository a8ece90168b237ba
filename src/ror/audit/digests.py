"""
The digest of a day: the head of each of its chains, signed with Ed25519.

A digest names the one before it by its hash, so that digests are a chain too. The signature is over the very bytes of
the digest and stands in a file beside it: `openssl pkeyutl -verify` checks it without us.
"""

from hashlib import sha256
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ror.audit.records import DigestNamed
from ror.errors import NOT_JSON

FORMAT: Final = 1


class ChainEnd(msgspec.Struct, frozen=True):
    """A file of the day: how many lines and bytes it has, and the hash of its last line."""

    file: str
    lines: int
    bytes: int
    head: str


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    """What is signed: the files of a day; `key` is the fingerprint of the key, `previous` the digest before."""

    format: int = FORMAT
    day: str
    signed_at: str
    key: str
    previous: DigestNamed | None
    chains: tuple[ChainEnd, ...]


_decode: Final = msgspec.json.Decoder(Digest).decode


def written(digest: Digest) -> bytes:
    """The bytes of a digest, for people too."""
    return msgspec.json.format(msgspec.json.encode(digest), indent=2) + b"\n"


def read(text: bytes) -> Digest | None:
    """The digest that these bytes are; None when they are none."""
    try:
        return _decode(text)
    except NOT_JSON:
        return None


def named(day: str, text: bytes) -> DigestNamed:
    """How the next digest, and the next chains, call this one."""
    return DigestNamed(day, sha256(text).hexdigest())


# --- keys ------------------------------------------------------------------------------------------------------------


def new_key() -> bytes:
    """A fresh signing key, as PEM."""
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def signing_key(pem: bytes) -> Ed25519PrivateKey:
    """The key of a PEM. Raises ValueError when it holds no Ed25519 key."""
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("not an Ed25519 key")
    return key


def public_pem(key: Ed25519PrivateKey) -> bytes:
    """The public key, which checks what `key` signs, as PEM."""
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(encoding, form)


def checking_key(pem: bytes) -> Ed25519PublicKey:
    """The public key of a PEM. Raises ValueError when it holds no Ed25519 key."""
    key = serialization.load_pem_public_key(pem)
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("not an Ed25519 key")
    return key


def fingerprint(key: Ed25519PublicKey) -> str:
    """What a key is known by: the SHA-256 of its DER form."""
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return sha256(key.public_bytes(encoding, form)).hexdigest()


def is_signed(text: bytes, signature: bytes, key: Ed25519PublicKey) -> bool:
    """Whether `key` checks this signature of these bytes."""
    try:
        key.verify(signature, text)
    except InvalidSignature:
        return False
    return True
