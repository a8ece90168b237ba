"""
Distinguished names: reading them as people write them, writing them in one form, comparing them.

The text form is that of RFC 4514: the most specific attribute first, `\\` before special
characters. Attribute names compare without case. Values and order compare exactly, because a name
is a path. The encoding of a value in a certificate (UTF8String, PrintableString) makes no
difference.
"""

from collections.abc import Mapping
from typing import Final

from cryptography.x509 import Name, NameAttribute, NameOID, ObjectIdentifier

from ror.errors import UsageError

_TYPES: Final = {
    "C": NameOID.COUNTRY_NAME,
    "CN": NameOID.COMMON_NAME,
    "DC": NameOID.DOMAIN_COMPONENT,
    "EMAILADDRESS": NameOID.EMAIL_ADDRESS,
    "GIVENNAME": NameOID.GIVEN_NAME,
    "GN": NameOID.GIVEN_NAME,
    "L": NameOID.LOCALITY_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "ORGANIZATIONIDENTIFIER": NameOID.ORGANIZATION_IDENTIFIER,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "SERIALNUMBER": NameOID.SERIAL_NUMBER,
    "SN": NameOID.SURNAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "STREET": NameOID.STREET_ADDRESS,
    "T": NameOID.TITLE,
    "TITLE": NameOID.TITLE,
    "UID": NameOID.USER_ID,
}
"""The attribute types that have a name; any other is written as its dotted number."""


class _WithoutCase(dict[str, ObjectIdentifier]):
    """Attribute types by name, without case; the parser calls `get` with the name as written."""

    def get(self, key: str, default: object = None, /) -> ObjectIdentifier | None:  # type: ignore[override]
        return super().get(key.upper())


_BY_NAME: Final[Mapping[str, ObjectIdentifier]] = _WithoutCase(_TYPES)
_WRITTEN: Final = {oid: name for name, oid in _TYPES.items() if name not in ("GIVENNAME", "TITLE")}


def distinguished_name(text: str) -> Name:
    """
    The distinguished name of an RFC 4514 text. Raises UsageError if the text is none.

    >>> distinguished_name("cn=A\\\\, B,O=C") == distinguished_name("CN=A\\\\2C B,o=C")
    True
    """
    try:
        name = Name.from_rfc4514_string(text, _BY_NAME)
    except ValueError:
        raise UsageError("clients.not-a-name", text=text[:200]) from None
    if not name.rdns:
        raise UsageError("clients.not-a-name", text=text[:200])
    return name


def name_text(name: Name) -> str:
    """
    A name as RFC 4514 text; equal names give equal texts.

    >>> name_text(distinguished_name("cn=CLIENT,ou=333,C=FR"))
    'CN=CLIENT,OU=333,C=FR'
    """
    return name.rfc4514_string(_WRITTEN)


def escaped_value(text: str) -> str:
    """
    An attribute value, escaped for a distinguished name.

    >>> print(escaped_value("A, B+C"))
    A\\, B\\+C
    """
    return NameAttribute(NameOID.ORGANIZATION_NAME, text).rfc4514_string().removeprefix("O=")


def is_same_name(registered: str, presented: Name) -> bool:
    """
    Whether the name in a certificate equals a registered text.

    >>> is_same_name("CN=CLIENT,C=FR", distinguished_name("CN=client,C=FR"))
    False
    """
    return distinguished_name(registered) == presented
