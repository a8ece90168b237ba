"""Positions: the column that knows what is near."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pyroaring import BitMap

from ror.geography import EARTH_RADIUS_M
from ror.search import bitmaps
from ror.search.columns.column import Array, Column, Slots
from ror.search.expression import Near, Present, ValueLeaf


class PositionColumn(Column):
    """Points, ordered by latitude."""

    kind = "positions"

    @classmethod
    def of(cls, entries: Sequence[tuple[Sequence[float], int]], size: int) -> "PositionColumn":
        """The column of `((latitude, longitude), slot)` pairs, in degrees."""
        latitudes = np.fromiter((point[0] for point, _ in entries), np.float64, len(entries))
        longitudes = np.fromiter((point[1] for point, _ in entries), np.float64, len(entries))
        slots = np.fromiter((slot for _, slot in entries), np.uint32, len(entries))
        order = np.lexsort((slots, latitudes))
        return cls({"latitudes": latitudes[order], "longitudes": longitudes[order], "slots": slots[order]}, size)

    def select(self, leaf: ValueLeaf) -> BitMap:
        match leaf:
            case Present():
                return self.present
            case Near():
                slots, distances = self.distances(leaf)
                return bitmaps.of_any(slots[distances <= leaf.distance_m], self.size)
        raise TypeError(f"a position column cannot answer {leaf}")

    def distances(self, near: Near) -> tuple[Slots, npt.NDArray[np.float64]]:
        """The slots in the band of latitudes that `near` can reach, and their great-circle distances in metres."""
        # A metre of latitude is the same everywhere, so the band is exact up to rounding; the margin covers that.
        reach = np.degrees(near.distance_m / EARTH_RADIUS_M) * (1 + 1e-9) + 1e-9
        latitudes = self.arrays["latitudes"]
        first, after = np.searchsorted(latitudes, (near.latitude - reach, near.latitude + reach))
        return self.arrays["slots"][first:after], great_circle_m(
            near.latitude, near.longitude, latitudes[first:after], self.arrays["longitudes"][first:after]
        )

    def sort_keys(self, descending: bool) -> tuple[Slots, Array]:
        raise TypeError("positions are not sorted by")


def great_circle_m(latitude: float, longitude: float, latitudes: Array, longitudes: Array) -> npt.NDArray[np.float64]:
    """
    The distances in metres from one point to many, on the sphere of decision 8; degrees in.

    The same haversine as `geography.distance_m`, which says what one distance is.
    """
    here, there = np.radians(latitude), np.radians(latitudes)
    along = np.sin((there - here) / 2) ** 2
    across = np.cos(here) * np.cos(there) * np.sin(np.radians(longitudes - longitude) / 2) ** 2
    result: npt.NDArray[np.float64] = 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.minimum(along + across, 1.0)))
    return result
