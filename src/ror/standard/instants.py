"""
The unit of stored instants, microseconds. Signing keys and tokens use seconds instead.
"""

from typing import Final, NewType

Micros = NewType("Micros", int)
"""Microseconds since the epoch, UTC."""

NO_DATE: Final = Micros(0)
"""The date of a resource that has none."""
