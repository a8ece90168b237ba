"""Whose certificate is this, and may it be believed?"""

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
