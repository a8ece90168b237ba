"""The queries of the SQLite engine: each one fits its tables, is used, and stands nowhere else."""

import re
import sqlite3
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

from ror.access.facts import ANY_FIELD, SENSITIVE
from ror.store.sqlite import file, queries

ENGINE = Path(file.__file__).parent
MODULES = {
    one.name: import_module(f"{queries.__name__}.{one.name}")
    for one in iter_modules(queries.__path__)
}
NAMED = {
    f"{module_name}.{name}": sql
    for module_name, module in MODULES.items()
    for name, sql in vars(module).items()
    if name.isupper()
}
SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE)\s+\w+")


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """A database with the tables of today and nothing in them."""
    connection = file.open_writer(tmp_path_factory.mktemp("queries") / "ror.db")
    yield connection
    connection.close()


@pytest.mark.parametrize("name", NAMED)
def test_a_query_fits_the_tables(tables: sqlite3.Connection, name: str):
    numbered = [int(number) for number in re.findall(r"\?(\d+)", NAMED[name])]
    count = max(numbered) if numbered else NAMED[name].count("?")

    tables.execute(f"EXPLAIN {NAMED[name]}", ["[]"] * count)


@pytest.mark.parametrize("name", NAMED)
def test_a_query_is_used(name: str):
    module, constant = name.split(".")
    sources = [path.read_text(encoding="utf-8") for path in ENGINE.glob("*.py")]

    assert any(f"{module}_sql.{constant}" in source for source in sources)


@pytest.mark.parametrize("path", sorted(ENGINE.glob("*.py")), ids=lambda path: path.stem)
def test_no_query_stands_outside_the_folder_of_queries(path: Path):
    text = path.read_text(encoding="utf-8")

    assert [found[0] for found in SQL.finditer(text)] == ALLOWED.get(path.stem, [])


ALLOWED = {"file": ["SELECT count"]}
"""Before the tables of a file are known, it is asked whether it has any."""


def test_the_facts_that_travel_are_gathered_bit_by_bit():
    bits = [int(bit) for bit in re.findall(r"facts & (\d+)", NAMED["masks.GATHER_FACTS"])]

    assert bits == [1 << bit for bit in range((ANY_FIELD | SENSITIVE).bit_length())]
