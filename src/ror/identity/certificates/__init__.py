"""
Client certificates and the authorities that sign them.

    names      distinguished names: reading, writing, comparing
    trust      whether a client certificate is trusted
    authority  a certification authority for tests
"""

from ror.identity.certificates.names import (
    distinguished_name,
    escaped_value,
    is_same_name,
    name_text,
)
from ror.identity.certificates.trust import (
    Authorities,
    Reason,
    Untrusted,
    check_client_certificate,
    read_authorities,
)

__all__ = [
    "Authorities",
    "Reason",
    "Untrusted",
    "check_client_certificate",
    "distinguished_name",
    "escaped_value",
    "is_same_name",
    "name_text",
    "read_authorities",
]
