"""
Build src/ror/standard/knowledge/profiles.json: the nine ROR profiles and the extensions of the
guide, as rules for code.

The input holds the profiles as published, one element a line, with their wording. Only what code
applies is kept: cardinalities, types, targets, bindings, slices, patterns, fixed values and the
must-support flag.

    python tools/build_profiles.py profiles.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parent.parent / "src/ror/standard/knowledge/profiles.json"

PROVENANCE = {
    "source": "ANS implementation guide ans.fhir.fr.ror 0.7.0: profiles and extensions",
    "package": "ans.fhir.fr.ror",
    "version": "0.7.0",
    "licence": "CC0-1.0",
    "fhirVersion": "4.0.1",
    "generator": "tools/build_profiles.py",
}

# Published key -> our key, in the order of writing.
COPIED = {
    "path": "path",
    "id": "id",
    "sliceName": "slice",
    "min": "min",
    "types": "types",
    "profile": "profile",
    "targetProfiles": "targets",
    "pattern": "pattern",
    "fixed": "fixed",
    "mustSupport": "mustSupport",
    "slicing": "slicing",
    "constraint": "constraint",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("profiles", type=Path, help="the profiles and extensions as published")
    published = json.loads(parser.parse_args().profiles.read_text(encoding="utf-8"))
    TARGET.write_text(
        render({name: trimmed(one) for name, one in published.items()}), encoding="utf-8"
    )
    print(f"{TARGET}: {len(published)} profiles and extensions")


def trimmed(profile: dict[str, Any]) -> dict[str, Any]:
    kept = {key: profile[key] for key in ("url", "base", "kind", "type", "contexts")}
    # The published contexts carry an "extension:" mark here and there, for plain element paths and
    # for URLs alike.
    kept["contexts"] = [context.removeprefix("extension:") for context in profile["contexts"]]
    kept["elements"] = [element(one) for one in profile["elements"]]
    return kept


def element(published: dict[str, Any]) -> dict[str, Any]:
    row = {ours: published[theirs] for theirs, ours in COPIED.items() if theirs in published}
    if "max" in published and published["max"] != "*":
        row["max"] = int(published["max"])
    if "binding" in published:
        row["valueSet"] = published["binding"]["valueSet"]
        row["strength"] = published["binding"]["strength"]
    return row


def render(profiles: dict[str, Any]) -> str:
    """JSON with one element a line."""

    def line(value: object) -> str:
        return json.dumps(value, ensure_ascii=False)

    blocks = []
    for name, profile in profiles.items():
        head = line({key: value for key, value in profile.items() if key != "elements"})[:-1]
        rows = ",\n".join("    " + line(one) for one in profile["elements"])
        blocks.append(f'  {line(name)}: {head}, "elements": [\n{rows}\n  ]}}')
    return (
        f'{{\n"provenance": {line(PROVENANCE)},\n"profiles": {{\n' + ",\n".join(blocks) + "\n}\n}\n"
    )


if __name__ == "__main__":
    main()
