"""
Distinguished names: reading them as people write them, writing them in one form, comparing them.

The text form is that of RFC 4514: the most particular attribute first, `\\` before what would mean something else. The
names of attributes compare without case, values exactly, and so does their order, because a name is a path. How a value
is encoded in a certificate (UTF8String, PrintableString) makes no difference.
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
"""The attribute types that may be written by name; any other is written as its dotted number."""


class _WithoutCase(dict[str, ObjectIdentifier]):
    """Attribute types by name, in any case: the parser looks a name up as it is written."""

    def get(self, key: str, default: object = None, /) -> ObjectIdentifier | None:  # type: ignore[override]
        return super().get(key.upper())


_BY_NAME: Final[Mapping[str, ObjectIdentifier]] = _WithoutCase(_TYPES)
_WRITTEN: Final = {oid: name for name, oid in _TYPES.items() if name not in ("GIVENNAME", "TITLE")}


def distinguished_name(text: str) -> Name:
    """
    The name that a text in the form of RFC 4514 stands for.

    Raises UsageError when it is none.

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


def written_name(name: Name) -> str:
    """
    A name in the form of RFC 4514; the same name always gives the same text.

    >>> written_name(distinguished_name("cn=CLIENT,ou=333,C=FR"))
    'CN=CLIENT,OU=333,C=FR'
    """
    return name.rfc4514_string(_WRITTEN)


def escaped_value(text: str) -> str:
    """
    A value as it is written in a name.

    >>> print(escaped_value("A, B+C"))
    A\\, B\\+C
    """
    return NameAttribute(NameOID.ORGANIZATION_NAME, text).rfc4514_string().removeprefix("O=")


def is_same_name(registered: str, presented: Name) -> bool:
    """
    Whether the name of a certificate is the one that was registered as text.

    >>> is_same_name("CN=CLIENT,C=FR", distinguished_name("CN=client,C=FR"))
    False
    """
    return distinguished_name(registered) == presented
