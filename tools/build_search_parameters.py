"""
Build src/ror/standard/knowledge/search_parameters.json from tools/search_parameters.toml.

The TOML file is the one place where a search parameter is written. This script refuses a row that
could not be served, works out what follows from the rest of a row (the targets of references,
whether HL7 or the guide defines the parameter), and writes the table that ships. It then writes the
tables of the documentation again.

    python tools/build_search_parameters.py            # writes the table and the documentation
    python tools/build_search_parameters.py --check    # fails when the table is out of date
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_args

from ror.search.index.conversions import readable_types
from ror.search.language.modifiers import PARAMETER_TYPES
from ror.standard.definitions import FULL_TEXT, RESOURCE_TYPES, Maturity, type_definition
from ror.standard.fhirpath import Member, paths, selected_type
from ror.standard.fhirpath import Path as Steps

ROOT: Final = Path(__file__).resolve().parent.parent
SOURCE: Final = ROOT / "tools/search_parameters.toml"
TARGET: Final = ROOT / "src/ror/standard/knowledge/search_parameters.json"

EVERY_TYPE: Final = "Resource"
"""The section of the parameters that every resource type has."""

PROVENANCE: Final = {
    "source": "ANS implementation guide ans.fhir.fr.ror 0.7.0 and FHIR R4;"
    " expressions corrected where noted",
    "package": "ans.fhir.fr.ror",
    "version": "0.7.0",
    "licence": "CC0-1.0",
    "fhirVersion": "4.0.1",
    "generator": "tools/build_search_parameters.py",
}
REQUIRED: Final = frozenset({"type", "maturity", "canonical", "fr", "en"})
OPTIONAL: Final = frozenset(
    {"expression", "published", "correction", "record", "aliases", "targets"}
)
READ_BY_THEIR_NAME: Final = frozenset({"_filter", "_has", *FULL_TEXT})
"""Parameters that no expression describes."""


class Refused(Exception):
    """A row that cannot be served."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    is_check = parser.parse_args().check
    try:
        text = built(tomllib.loads(SOURCE.read_text(encoding="utf-8")))
    except Refused as problem:
        raise SystemExit(f"{SOURCE}: {problem}") from None
    if is_check:
        if TARGET.read_text(encoding="utf-8") != text:
            raise SystemExit(f"{TARGET} is out of date; run tools/build_search_parameters.py")
        return
    TARGET.write_text(text, encoding="utf-8")
    # In a process of its own, which reads the new table.
    subprocess.run([sys.executable, ROOT / "tools/build_docs.py"], check=True)


def built(source: Mapping[str, Any]) -> str:
    """The table that ships, as JSON. Raises Refused for the first row that cannot be served."""
    records = source["records"]
    sections = {name: rows for name, rows in source.items() if name != "records"}
    for name in sections:
        if name not in (*RESOURCE_TYPES, EVERY_TYPE):
            raise Refused(f"[{name}.…]: unknown resource type; known: {', '.join(RESOURCE_TYPES)}")
    parameters = {
        section: [
            completed(section, name, row, records)
            for name, row in sections.get(section, {}).items()
        ]
        for section in (EVERY_TYPE, *RESOURCE_TYPES)
    }
    for section, rows in parameters.items():
        refuse_name_twice(section, rows)
    return rendered(
        records,
        parameters[EVERY_TYPE],
        [row for section in RESOURCE_TYPES for row in parameters[section]],
    )


def completed(
    section: str, name: str, row: Mapping[str, Any], records: Mapping[str, Any]
) -> dict[str, Any]:
    """A parameter as it ships. Raises Refused when it could not be served."""
    where = f"[{section}.{name}]"
    refuse_bad_keys(where, row)
    expression = row.get("expression")
    if not expression and name not in READ_BY_THEIR_NAME and not row.get("correction"):
        raise Refused(f"{where}: needs an expression, or a correction that says why it has none")
    if "published" in row and not row.get("correction"):
        raise Refused(f"{where}: published differs from expression; correction must say why")
    for resource_type in RESOURCE_TYPES if section == EVERY_TYPE else (section,):
        refuse_unreadable(where, resource_type, row["type"], expression)
    refuse_bad_record(where, section, row, records)
    return {
        "resource": section,
        "name": name,
        "type": row["type"],
        "expression": expression,
        "published": row.get("published"),
        "correction": row.get("correction"),
        "canonical": row["canonical"],
        "custom": not row["canonical"].startswith("http://hl7.org/fhir/"),
        "maturity": row["maturity"],
        "targets": targets(where, section, row),
        "aliases": row.get("aliases"),
        "record": row.get("record"),
        "description": {"fr": row["fr"], "en": row["en"]},
    }


def refuse_bad_keys(where: str, row: Mapping[str, Any]) -> None:
    missing, unknown = REQUIRED - row.keys(), row.keys() - REQUIRED - OPTIONAL
    if missing:
        raise Refused(f"{where}: missing {', '.join(sorted(missing))}")
    if unknown:
        raise Refused(f"{where}: unknown {', '.join(sorted(unknown))}")
    for key, known in (("type", PARAMETER_TYPES), ("maturity", get_args(Maturity))):
        if row[key] not in known:
            raise Refused(f'{where}: {key} is "{row[key]}"; known: {", ".join(known)}')
    if not all(row[key].strip() for key in REQUIRED):
        raise Refused(f"{where}: a required text is empty")


def refuse_unreadable(
    where: str, resource_type: str, parameter_type: str, expression: str | None
) -> None:
    """Raises Refused for an expression that is not understood or reaches an unreadable type."""
    for path in followed(where, resource_type, expression):
        reached, known = selected_type(path, resource_type), readable_types(parameter_type)
        if reached not in known:
            element = reached or "a choice without .as(Type)"
            raise Refused(
                f"{where}: a {parameter_type} cannot read {element};"
                f" it reads {', '.join(sorted(known))}"
            )


def followed(where: str, resource_type: str, expression: str | None) -> tuple[Steps, ...]:
    try:
        return paths(expression, resource_type) if expression else ()
    except (ValueError, KeyError) as problem:
        raise Refused(f"{where}: {problem}") from None


def refuse_bad_record(
    where: str, section: str, row: Mapping[str, Any], records: Mapping[str, Any]
) -> None:
    """Raises Refused when a parameter does not say which record it reads, or names another."""
    read = [
        name
        for name, record in records.items()
        if record["resource"] == section
        and (row.get("expression") or "").startswith(record["roots"][0])
    ]
    if read != ([row["record"]] if "record" in row else []):
        raise Refused(f"{where}: record must be {read[0] if read else 'left out'}")


def refuse_name_twice(section: str, rows: list[dict[str, Any]]) -> None:
    names = [name for row in rows for name in (row["name"], *(row["aliases"] or ()))]
    for name in names:
        if names.count(name) > 1:
            raise Refused(f'[{section}.…]: "{name}" is the name of two parameters')


def targets(where: str, section: str, row: Mapping[str, Any]) -> list[str]:
    """The resource types that a reference parameter leads to, of those that the directory holds."""
    if row["type"] != "reference":
        return []
    allowed = row.get("targets") or list(_targets_of_elements(where, section, row["expression"]))
    served = [name for name in RESOURCE_TYPES if not allowed or name in allowed]
    if not served:
        raise Refused(f"{where}: leads to {', '.join(allowed)}, which the directory does not hold")
    return served


def _targets_of_elements(where: str, section: str, expression: str) -> Iterator[str]:
    for path in followed(where, section, expression):
        *before, last = path
        if isinstance(last, Member):
            parent = type_definition(selected_type(tuple(before), section))
            yield from parent.elements[last.name].targets


def rendered(
    records: Mapping[str, Any], standard: list[dict[str, Any]], parameters: list[dict[str, Any]]
) -> str:
    """JSON with one parameter a line; what is empty is left out."""

    def line(value: object) -> str:
        return json.dumps(value, ensure_ascii=False)

    def lines(rows: list[dict[str, Any]]) -> str:
        return ",\n".join(
            "  " + line({key: value for key, value in row.items() if value not in (None, [])})
            for row in rows
        )

    # What entries of resources depend on: a directory made with another table is indexed again.
    read = [
        [row["resource"], row["name"], row["type"], row["expression"], row["record"]]
        for row in (*standard, *parameters)
    ]
    digest = hashlib.sha256(json.dumps([records, sorted(read, key=str)]).encode()).hexdigest()[:12]
    written_records = ",\n".join(
        f"  {line(name)}: {line(record)}" for name, record in records.items()
    )
    return (
        f'{{\n"provenance": {line(PROVENANCE)},\n"digest": "{digest}",\n'
        f'"records": {{\n{written_records}\n}},\n'
        f'"standard": [\n{lines(standard)}\n],\n"parameters": [\n{lines(parameters)}\n]\n}}\n'
    )


if __name__ == "__main__":
    main()
