"""
The unit of stored instants. Signing keys and tokens count whole seconds instead; the type tells.
"""

from typing import NewType

Micros = NewType("Micros", int)
"""Microseconds since the epoch, UTC."""
