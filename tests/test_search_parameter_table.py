"""The table of search parameters: what it refuses and reads, and the page on how to add one."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from ror.search.index.conversions import conversion, readable_types
from ror.search.index.extract import pack
from ror.search.language.modifiers import PARAMETER_TYPES
from ror.standard.definitions import type_names
from tests.search.samples_of_types import VALUES

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/adding-a-search-parameter.md"


def load_tool() -> Any:
    """The script that builds the table."""
    path = ROOT / "tools/build_search_parameters.py"
    spec = importlib.util.spec_from_file_location("build_search_parameters", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOL = load_tool()
SOURCE = tomllib.loads(TOOL.SOURCE.read_text(encoding="utf-8"))
BEDS = SOURCE["records"]["capacity"]["roots"][0]
BEDS += ".extension.where(url='nbCapacity').value.as(integer)"


def built_with(resource_type: str, name: str, **row: Any) -> str:
    """The table with one more parameter."""
    entry = {
        "type": "token",
        "maturity": "added",
        "canonical": "http://hl7.org/fhir/SearchParameter/x",
        "fr": "x",
        "en": "x",
        **row,
    }
    section = {**SOURCE.get(resource_type, {}), name: entry}
    return TOOL.built({**SOURCE, resource_type: section})


def test_the_table_that_ships_is_the_one_of_the_source():
    assert TOOL.TARGET.read_text(encoding="utf-8") == TOOL.built(SOURCE)


def test_a_parameter_that_reads_something_else_changes_the_form_of_the_index():
    def digest(table: str) -> str:
        return re.search(r'"digest": "(\w+)"', table)[1]

    expression = "Location.address.country"
    added = built_with("Location", "x", type="string", expression=expression)
    described = built_with("Location", "x", type="string", expression=expression, en="other words")

    assert digest(added) != digest(TOOL.built(SOURCE))
    assert digest(added) == digest(described)


@pytest.mark.parametrize(
    ("resource_type", "row", "reason"),
    [
        ("Patient", {"expression": "Patient.id"}, "unknown resource type"),
        ("Location", {}, "needs an expression"),
        ("Location", {"expression": "Location.nothing"}, 'no element "nothing"'),
        ("Location", {"expression": "Organization.name"}, "does not start at Location"),
        ("Location", {"expression": "Location.name[0]"}, "is not understood"),
        ("Location", {"expression": "Location.name", "type": "composite"}, 'type is "composite"'),
        ("Location", {"expression": "Location.name", "maturity": "new"}, 'maturity is "new"'),
        ("Location", {"expression": "Location.name", "colour": "red"}, "unknown colour"),
        ("Location", {"expression": "Location.name", "en": " "}, "is empty"),
        ("Location", {"expression": "Location.name", "published": "x"}, "correction must say"),
        ("Location", {"expression": "Location.telecom", "type": "number"}, "cannot read Contact"),
        ("Location", {"expression": "Location.position"}, "a token cannot read Location.position"),
        ("Task", {"expression": "Task.input.value"}, "a choice without"),
        ("Location", {"expression": BEDS}, "a token cannot read integer"),
        ("Location", {"type": "number", "expression": BEDS}, "record must be capacity"),
        ("Location", {"expression": "Location.id", "record": "capacity"}, "left out"),
        (
            "Task",
            {"type": "reference", "expression": "Task.encounter"},
            "leads to Encounter, which the directory does not hold",
        ),
        ("Organization", {"expression": "Organization.id", "aliases": ["name"]}, "two parameters"),
    ],
)
def test_a_row_that_could_not_be_served_is_refused_with_the_reason(resource_type, row, reason):
    with pytest.raises(TOOL.Refused, match=re.escape(reason)):
        built_with(resource_type, "x", **row)


def test_a_row_without_a_mandatory_key_is_refused():
    with pytest.raises(TOOL.Refused, match="missing canonical, en"):
        TOOL.built({**SOURCE, "Location": {"x": {"type": "token", "maturity": "added", "fr": "x"}}})


# --- every type of value --------------------------------------------------------------------------


@pytest.mark.parametrize("fhir_type", sorted(type_names()))
@pytest.mark.parametrize("parameter_type", PARAMETER_TYPES)
def test_every_pair_of_types_is_read_or_refused(parameter_type: str, fhir_type: str):
    if fhir_type not in readable_types(parameter_type):
        with pytest.raises(KeyError):
            conversion("x", parameter_type, fhir_type)
        return
    for value, is_found in VALUES[fhir_type]:
        entries = [(one, 0) for one in conversion("x", parameter_type, fhir_type)(value)]

        assert bool(entries) == is_found or parameter_type == "token", value
        pack("Location", {"x": entries})


# --- the page -------------------------------------------------------------------------------------


def blocks(language: str) -> list[str]:
    """The code of the page in one language, in order."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_page_is_followed_to_the_letter(tmp_path: Path):
    for name in ("src", "tests", "tools", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in (*ROOT.glob("*.md"), ROOT / "pyproject.toml"):
        shutil.copy(file, tmp_path)
    source = tmp_path / "tools/search_parameters.toml"
    (entry,), (example,), (build, check) = blocks("toml"), blocks("json"), blocks("sh")

    source.write_text(f"{source.read_text(encoding='utf-8')}\n{entry}", encoding="utf-8")
    run(build, tmp_path)
    (tmp_path / "tests/spec/examples/location-abroad.json").write_text(example, encoding="utf-8")
    found = run(f"{check.strip()} -k 'abroad or examples_hold or of_the_source'", tmp_path)

    assert "address-country" in (tmp_path / "docs/search.md").read_text(encoding="utf-8")
    assert re.search(r"[5-9] passed", found) and "failed" not in found


def run(command: str, folder: Path) -> str:
    """What a command of the page says, run in a copy of the project."""
    done = subprocess.run(
        ["sh", "-c", command.replace(".venv/bin/", f"{Path(sys.executable).parent}/")],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
