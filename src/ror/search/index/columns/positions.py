"""Positions: the column for searches by distance."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pyroaring import BitMap

from ror.search.index import bitmaps
from ror.search.index.columns.column import Array, Column, Slots
from ror.search.language.expression import Near, Present, ValueLeaf
from ror.standard.geography import EARTH_RADIUS_M


class PositionColumn(Column):
    """Points, sorted by latitude."""

    kind = "positions"

    @classmethod
    def of(
        cls, points: Sequence[Sequence[float]], slots: Sequence[int], size: int
    ) -> "PositionColumn":
        """The column of `(latitude, longitude)` points in degrees, in parallel with their slots."""
        latitudes, longitudes = np.array(points, np.float64).reshape(-1, 2).T
        sorted_slots = np.array(slots, np.uint32)
        # A full turn around the Earth leads to the same place.
        longitudes = np.where(np.abs(longitudes) > 180, (longitudes + 180) % 360 - 180, longitudes)
        order = np.lexsort((sorted_slots, latitudes))
        return cls(
            {
                "latitudes": latitudes[order],
                "longitudes": longitudes[order],
                "slots": sorted_slots[order],
            },
            size,
        )

    def select(self, leaf: ValueLeaf) -> BitMap:
        match leaf:
            case Present():
                return self.present
            case Near():
                slots, distances = self.distances(leaf)
                return bitmaps.of_any(slots[distances <= leaf.distance_m], self.size)
        raise TypeError(f"a position column cannot answer {leaf}")

    def cost(self, leaf: ValueLeaf) -> int:
        if not isinstance(leaf, Near):
            return 1
        first, after = self._band(leaf)
        return int(after - first)

    def _band(self, near: Near) -> tuple[Any, Any]:
        """The half-open range of array positions whose latitudes may be within the distance."""
        reach = _reach(near)
        first, after = np.searchsorted(
            self.arrays["latitudes"], (near.latitude - reach, near.latitude + reach)
        )
        return first, after

    def distances(
        self, near: Near, among: BitMap | None = None
    ) -> tuple[Slots, npt.NDArray[np.float64]]:
        """
        The slots that may be within the distance, and their great-circle distances in metres.

        They lie in a box of latitudes and longitudes around the circle, so a few are too far. With
        `among`, only slots of that set are returned.
        """
        reach = _reach(near)
        first, after = self._band(near)
        inside = _is_between(
            self.arrays["longitudes"][first:after], near.longitude, _width(near.latitude, reach)
        )
        slots, north, east = (
            self.arrays[name][first:after] for name in ("slots", "latitudes", "longitudes")
        )
        if among is not None:
            inside &= bitmaps.are_in(slots, among)
        return slots.compress(inside), great_circle_m(
            near.latitude, near.longitude, north.compress(inside), east.compress(inside)
        )

    def sort_keys(self, descending: bool) -> tuple[Slots, Array]:
        raise TypeError("positions are not sorted by")


def _reach(near: Near) -> float:
    """The distance of `near` in degrees, with margins for rounding."""
    return float(np.degrees(near.distance_m / EARTH_RADIUS_M)) * (1 + 1e-9) + 1e-9


def _width(latitude: float, reach: float) -> float:
    """
    The largest difference of longitude, in degrees, to a point `reach` degrees away from
    `latitude`.

    If the circle contains a pole, every longitude is possible. Otherwise the limiting meridians are
    tangent to the circle.
    """
    if abs(latitude) + reach >= 90:
        return 180.0
    sine = np.sin(np.radians(reach)) / np.cos(np.radians(latitude))
    return float(np.degrees(np.arcsin(min(sine, 1.0)))) * (1 + 1e-9) + 1e-9


def _is_between(longitudes: Array, middle: float, width: float) -> bitmaps.Mask:
    """Which longitudes are at most `width` from the middle, across the date line too."""
    if middle - width < -180 or middle + width > 180:
        away = np.abs((longitudes - middle + 180) % 360 - 180)
        is_within: bitmaps.Mask = away <= width
        return is_within
    between: bitmaps.Mask = (longitudes >= middle - width) & (longitudes <= middle + width)
    return between


def great_circle_m(
    latitude: float, longitude: float, latitudes: Array, longitudes: Array
) -> npt.NDArray[np.float64]:
    """
    The distances in metres from one point to many, on the sphere of choice 8; degrees in.

    The same haversine formula as `geography.distance_m`.
    """
    origin, radians = np.radians(latitude), np.radians(latitudes)
    along = np.sin((radians - origin) / 2) ** 2
    across = np.cos(origin) * np.cos(radians) * np.sin(np.radians(longitudes - longitude) / 2) ** 2
    result: npt.NDArray[np.float64] = (
        2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.minimum(along + across, 1.0)))
    )
    return result
