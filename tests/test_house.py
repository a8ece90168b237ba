"""
The house stands as `docs/architecture.md` draws it: who may import whom, from where, under which
names and sizes.
"""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src"

MOST_LINES = 500

NAMES_THAT_SAY_NOTHING = {
    "utils",
    "util",
    "helpers",
    "helper",
    "manager",
    "base",
    "core",
    "common",
    "misc",
    "data",
}

IMPORTED_AS = {"prometheus-client": "prometheus_client"}
"""Distributions whose module has another name."""

NEEDED_WITHOUT_IMPORT = {
    "httptools": "uvicorn's parser, on which `http/protocol.py` builds",
    "tzdata": "the time zones, where the system has none",
    "uvloop": "uvicorn's event loop, by name",
}

PURE_ROOMS = ("standard/", "resources/", "access/", "search/language/")
"""Rooms whose functions depend on their arguments and on shipped tables alone."""

IMPURE_MODULES = {
    "asyncio", "http", "io", "mmap", "multiprocessing", "os", "pathlib", "random", "secrets",
    "select", "shutil", "signal", "socket", "sqlite3", "subprocess", "tempfile", "threading",
    "time", "urllib.request",
}  # fmt: skip
"""
Modules of the standard library that reach a clock, a network, a process, a file or a database.
"""

READS_A_CLOCK = {"now", "today", "utcnow"}
"""Methods of `datetime` and `date` that do."""


@cache
def rooms() -> list[str]:
    """The rooms of the architecture page, from the top down."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = re.search(r"## The house\n.*?```text\n(.*?)```", page, re.DOTALL)
    assert drawn is not None
    return re.findall(r"^  (\S+) {2,}\S", drawn[1], re.MULTILINE)


@cache
def modules() -> dict[str, Path]:
    """The path of each module, by dotted name."""
    found = {}
    for path in sorted((SOURCE / "ror").rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path) -> Iterator[str]:
    """
    Every module that a file imports, wherever it does, type checking included: `a.b` for `from a
    import b`.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports by a relative name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(path: Path, known: dict[str, Path]) -> set[str]:
    """The modules of this project that a file imports."""
    found = set()
    for name in imports(path):
        if name.split(".")[0] == "ror":
            found.add(name if name in known else name.rpartition(".")[0])
    return found


@cache
def room_of(module: str) -> str | None:
    """
    The room that a module is in, the most precise one; packages that only hold rooms are in none.
    """
    path = modules()[module].relative_to(SOURCE / "ror").as_posix()
    fitting = [
        room for room in rooms() if path == room or (room.endswith("/") and path.startswith(room))
    ]
    return max(fitting, key=len, default=None)


HALLS = {"ror", "ror.search"}
"""Packages that hold rooms and nothing of their own but a docstring."""


def test_every_module_is_in_a_room_of_the_page():
    homeless = [module for module in modules() if module not in HALLS and room_of(module) is None]

    assert homeless == []
    assert 15 < len(rooms()) <= 20


def test_every_room_of_the_page_exists():
    missing = [room for room in rooms() if not (SOURCE / "ror" / room).exists()]

    assert missing == []


@pytest.mark.parametrize("hall", sorted(HALLS))
def test_a_hall_holds_nothing_but_words(hall):
    tree = ast.parse(modules()[hall].read_text(encoding="utf-8"))

    assert all(isinstance(node, ast.Expr) for node in tree.body)


def test_a_room_imports_only_from_rooms_below_it():
    order, known = rooms(), modules()
    upward = []
    for module, path in known.items():
        here = room_of(module)
        for name in own_imports(path, known):
            there = room_of(name) if name in known else None
            if here and there and order.index(there) < order.index(here):
                upward.append(f"{here} imports {there}")

    assert sorted(set(upward)) == []


def test_the_modules_of_a_room_do_not_import_each_other_in_a_circle():
    known = modules()
    graph = {module: own_imports(path, known) - {module} for module, path in known.items()}

    assert set(TopologicalSorter(graph).static_order()) >= set(known)


def test_a_pure_room_reaches_no_clock_network_file_or_database():
    impure = []
    for module, path in modules().items():
        if room_of(module) in PURE_ROOMS:
            impure += [f"{module} imports {name}" for name in imports(path) if reaches_out(name)]
            impure += [f"{module} calls {call}" for call in clock_calls(path)]

    assert {room_of(module) for module in modules()} >= set(PURE_ROOMS)
    assert impure == []


def reaches_out(name: str) -> bool:
    return any(name == impure or name.startswith(f"{impure}.") for impure in IMPURE_MODULES)


def clock_calls(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and node.attr in READS_A_CLOCK:
            yield ast.unparse(node)


def test_a_folder_lists_its_files():
    unlisted = [
        f"{folder.relative_to(SOURCE)}: {path.stem}"
        for folder in (SOURCE / "ror").rglob("*/")
        if (folder / "__init__.py").exists() and room_name(folder) in rooms()
        for path in [*folder.glob("*.py"), *folder.glob("*/")]
        if path.name not in ("__init__.py", "__pycache__")
        and not re.search(rf"^ +{path.stem}/? ", docstring_of(folder), re.MULTILINE)
    ]

    assert unlisted == []


def room_name(folder: Path) -> str:
    return f"{folder.relative_to(SOURCE / 'ror').as_posix()}/"


def docstring_of(folder: Path) -> str:
    tree = ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))
    return ast.get_docstring(tree, clean=False) or ""


def test_what_is_imported_is_declared_and_what_is_declared_is_needed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [re.split(r"[<>=\[ ]", one)[0] for one in project["dependencies"]]
    declared = {IMPORTED_AS.get(name, name) for name in names}
    used = {name.split(".")[0] for path in modules().values() for name in imports(path)}
    used -= {"ror", *sys.stdlib_module_names}

    assert used - declared == set()
    assert declared - used - set(NEEDED_WITHOUT_IMPORT) == set()


def test_the_name_of_a_module_says_something():
    mute = [
        path.as_posix()
        for path in SOURCE.rglob("*")
        if path.name.removesuffix(".py") in NAMES_THAT_SAY_NOTHING and path.name != "__pycache__"
    ]

    assert mute == []


def test_no_file_outgrows_its_idea():
    lengths = {
        path.relative_to(SOURCE).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in SOURCE.rglob("*.py")
    }
    long = {name for name, lines in lengths.items() if lines > MOST_LINES}

    assert long == set()


IMPORT_ALL = """
import importlib, pkgutil, ror
from ror.standard import definitions, editions, terminology

for one in pkgutil.walk_packages(ror.__path__, "ror."):
    if not one.name.endswith("__main__"):
        importlib.import_module(one.name)
assert editions.shipped.cache_info().currsize == 0, "the nomenclatures were read"
assert definitions._tables.cache_info().currsize == 0, "the tables of FHIR were read"
print(terminology.display("TRE_R30-RegionOM", "53"), editions.shipped.cache_info().currsize)
"""


def test_importing_any_module_reads_no_table():
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout.split()[-1:]) == (0, ["1"]), done.stderr
