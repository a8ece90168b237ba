"""
The unit of stored instants. Signing keys and tokens count whole seconds instead; the type tells.
"""

from typing import Final, NewType

Micros = NewType("Micros", int)
"""Microseconds since the epoch, UTC."""

NO_DATE: Final = Micros(0)
"""Instead of the date of what has none."""
