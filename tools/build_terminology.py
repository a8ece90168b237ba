"""
Builds the table of code systems and value sets that `ror.standard.terminology` reads, from a folder
of NOS tables.

NOS (*nomenclatures des objets de santé*) is published by the Agence du numérique en santé about
every month. The folder holds one JSON object a table, named after it: `TRE_….json` (code systems),
`JDV_….json` (value sets), `ASS_….json` (associations between two code systems).

    python tools/build_terminology.py FOLDER --read-on 2026-11-23

The tables are kept as they were read, codes without label included. The same folder and date give
the same bytes.
"""

import argparse
import gzip
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

TABLE = (
    Path(__file__).resolve().parents[1]
    / "src"
    / "ror"
    / "standard"
    / "knowledge"
    / "terminology.json.gz"
)
KINDS = {"code_systems": "TRE_*.json", "value_sets": "JDV_*.json", "associations": "ASS_*.json"}
REQUIRED = {
    "code_systems": ("url", "name", "concepts"),
    "value_sets": ("url", "name", "includes"),
    "associations": ("name", "source", "target", "map"),
}


def tables(folder: Path, kind: str) -> Iterator[dict[str, Any]]:
    """
    The tables of one kind, in order of file name. Raises ValueError naming the file and the field
    it lacks.
    """
    for path in sorted(folder.glob(KINDS[kind])):
        table = json.loads(path.read_bytes())
        missing = [field for field in REQUIRED[kind] if not table.get(field)]
        if missing:
            raise ValueError(
                f"{path.name} has no {', '.join(missing)}; a table of {kind} needs them"
            )
        yield {field: value for field, value in table.items() if value is not None}


def provenance(found: dict[str, list[dict[str, Any]]], read_on: date) -> dict[str, Any]:
    """
    Who publishes the tables, which release was read and when, under which terms, and how much there
    is.
    """
    versions = sorted(
        str(table["version"]) for kind in KINDS for table in found[kind] if table.get("version")
    )
    return {
        "publisher": "Agence du numérique en santé (ANS)",
        "source": "NOS, nomenclatures des objets de santé",
        "version": versions[-1] if versions else None,
        "read_on": read_on.isoformat(),
        "licence": "Published openly by the ANS; the terms of reuse are the publisher's and were not restated in the "
        "tables. Each table keeps its own url, OID and version.",
        "code_systems": len(found["code_systems"]),
        "codes": sum(len(table["concepts"]) for table in found["code_systems"]),
        "value_sets": len(found["value_sets"]),
        "associations": len(found["associations"]),
    }


def build(folder: Path, read_on: date) -> dict[str, Any]:
    """
    Every table of `folder` with the provenance of the whole. Raises ValueError when there is no
    code system.
    """
    found = {kind: list(tables(folder, kind)) for kind in KINDS}
    if not found["code_systems"]:
        raise ValueError(f"{folder} holds no TRE_*.json; give the folder of NOS tables")
    return {"provenance": provenance(found, read_on), **found}


def written(table: dict[str, Any]) -> bytes:
    """The table as gzipped JSON, one NOS table a line, so that two releases can be compared."""

    def compact(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    lists = [
        f'"{kind}":[\n' + ",\n".join(compact(one) for one in table[kind]) + "\n]" for kind in KINDS
    ]
    text = "{" + ",\n".join([f'"provenance":{compact(table["provenance"])}', *lists]) + "}\n"
    return gzip.compress(text.encode(), compresslevel=9, mtime=0)


def main() -> None:
    arguments = argparse.ArgumentParser(
        description="Build the table of code systems and value sets."
    )
    arguments.add_argument("folder", type=Path, help="folder of NOS tables, one JSON file each")
    arguments.add_argument(
        "--read-on", type=date.fromisoformat, required=True, help="day the tables were read"
    )
    arguments.add_argument(
        "--out", type=Path, default=TABLE, help="file to write (default: %(default)s)"
    )
    given = arguments.parse_args()
    table = build(given.folder, given.read_on)
    given.out.write_bytes(written(table))
    counts = ", ".join(f"{len(table[kind])} {kind.replace('_', ' ')}" for kind in KINDS)
    print(f"{given.out}: {counts}, {given.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
