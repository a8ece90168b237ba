"""Whose certificate is this, and may it be believed?"""

from ror.certificates.names import distinguished_name, is_same_name, written_name

__all__ = ["distinguished_name", "is_same_name", "written_name"]
