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
    written_name,
)
from ror.identity.certificates.trust import Authorities, Reason, Untrusted, authorities, believe

__all__ = [
    "Authorities",
    "Reason",
    "Untrusted",
    "authorities",
    "believe",
    "distinguished_name",
    "escaped_value",
    "is_same_name",
    "written_name",
]
