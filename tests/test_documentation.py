"""
What the pages say is so: their tables, commands, requests and links; and what people are told, in
both languages.
"""

import ast
import re
import shlex
import string
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from ror import messages
from ror.cli.commands import every_command
from ror.http.routes import ROUTES, SERVICE_ROUTES
from ror.settings import SETTINGS
from ror.standard.definitions import RESOURCE_TYPES, invariants, records, search_parameters

ROOT = Path(__file__).parent.parent
PAGES = (*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*.md")))

SERVED_AT = "http://127.0.0.1:8000"
"""Where the pages say that the demonstration answers."""


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@cache
def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


# --- reference tables -----------------------------------------------------------------------------


def test_the_tables_of_the_pages_are_those_of_the_code():
    checked = subprocess.run(
        [sys.executable, ROOT / "tools" / "build_docs.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, f"{checked.stderr}Run: .venv/bin/python tools/build_docs.py"


@pytest.mark.parametrize("resource_type", RESOURCE_TYPES)
def test_every_search_parameter_is_documented(resource_type):
    section = re.search(
        rf"### {resource_type}\n(.*?)\n(?:### |<!-- end)", text_of("docs/search.md"), re.DOTALL
    )

    assert section is not None
    assert [
        name for name in search_parameters(resource_type) if f"`{name}`" not in section[1]
    ] == []


def test_every_record_is_documented():
    page = text_of("docs/search.md")

    assert [name for name in records() if f"*{name}*" not in page] == []


def test_every_route_is_documented():
    page = text_of("docs/http.md")
    paths = [f"[base]/{route.path}".removesuffix("/") for route in ROUTES]
    paths += [path for path, route in SERVICE_ROUTES.items() if route.answer]

    assert [path for path in paths if f"`{path}`" not in page] == []


def test_every_setting_is_documented():
    page = text_of("docs/operations.md")

    assert [
        one.name
        for one in SETTINGS
        if f"| `{one.name}` | `{one.variable}` | `{one.option}` |" not in page
    ] == []


def test_every_command_is_documented():
    page = text_of("docs/command-line.md")

    assert [name for name in commands() if f"## ror {name}\n" not in page] == []


# --- what pages tell to type ----------------------------------------------------------------------


@cache
def commands() -> dict[str, Any]:
    return dict(every_command())


def typed_lines() -> list[Any]:
    """Each line of a shell block, with its page; not of the how-to pages, whose tests type them."""
    return [
        pytest.param(line, id=f"{page_id(page)}: {line}"[:100])
        for page in PAGES
        if page.parent.name != "how-to"
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        for line in block.splitlines()
        if line.strip()
    ]


@pytest.mark.parametrize("line", typed_lines())
def test_what_a_page_says_to_type_exists(line):
    for part in line.split(" | "):
        program, *arguments = shlex.split(part, comments=True)
        match program.removeprefix(".venv/bin/"):
            case "make":
                assert re.search(rf"^{arguments[0]}:", text_of("Makefile"), re.MULTILINE), part
            case "ror":
                assert_command_exists(arguments)
            case "python":
                assert (ROOT / arguments[0]).exists()
            case "pytest":
                assert all((ROOT / one).exists() for one in arguments)
            case "curl":
                assert arguments[0].startswith(SERVED_AT)
            case "pre-commit":
                assert (ROOT / ".pre-commit-config.yaml").exists()
            case other:
                raise AssertionError(f"nobody checks {other}")


def assert_command_exists(arguments: list[str]) -> None:
    """
    The command takes these options, each with a value unless it is a flag, and as many arguments as
    it wants.
    """
    depth = 1 if arguments[0] in commands() else 2
    name, given = " ".join(arguments[:depth]), arguments[depth:]
    context = commands()[name].make_context(name, given)

    assert context.command is commands()[name]


@pytest.mark.parametrize("page", ["README.md", "README.fr.md"])
def test_the_requests_of_the_readme_find_something_in_the_demonstration(page, server):
    requests = re.findall(rf"curl '{SERVED_AT}(/[^']*)'", text_of(page))

    answers = {request: server.client.get(server.url + request) for request in requests}

    assert len(requests) == 3
    assert {request: answer.status_code for request, answer in answers.items()} == dict.fromkeys(
        requests, 200
    )
    assert all(answer.json()["total"] for answer in answers.values())


def test_every_address_that_a_readme_gives_answers(server):
    addresses = set(
        re.findall(rf"`{SERVED_AT}(/[^`]*)`", text_of("README.md") + text_of("README.fr.md"))
    )

    answers = [httpx.get(server.url + address) for address in addresses]

    assert [answer.status_code for answer in answers] == [200]


def test_both_readmes_give_the_same_commands():
    def typed(page: str) -> list[str]:
        blocks = re.findall(r"```sh\n(.*?)```", text_of(page), re.DOTALL)
        return [re.sub(r" +#.*", "", block).replace("ressources", "resources") for block in blocks]

    assert typed("README.md") == typed("README.fr.md")


# --- links ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_link_of_a_page_leads_somewhere(page):
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if urlsplit(target).scheme:
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(target)

    assert broken == []


def anchors(page: Path) -> set[str]:
    """The anchors that the headings of a page make."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_decision_is_in_the_index():
    index = text_of("docs/decisions/README.md")

    assert [
        one.name for one in (ROOT / "docs/decisions").glob("0*.md") if f"({one.name})" not in index
    ] == []


# --- citations ------------------------------------------------------------------------------------

CITED = re.compile(r"\b(decision|choice)s? (\d+(?:(?:, | and | to )\d+)*)(?![-\d])", re.IGNORECASE)
"""What cites a decision, "decision 22", or rows of a page, "choices 2, 4 and 5"."""
PAGE_CITED = re.compile(r"""([\w/-]+\.md)(#[\w-]+)?(?![\w"'-])""")
"""A page that is named in a text; one that is alone in quotes may be one that is written."""


def cited_in(*folders: str) -> Iterator[tuple[str, str]]:
    """Each file that people read of some folders, from the root, and its text."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".toml", ".md") and "node_modules" not in path.parts:
                yield page_id(path), path.read_text(encoding="utf-8")


def test_every_decision_and_choice_that_is_cited_is_there():
    there = {("decision", int(one.name[:4])) for one in (ROOT / "docs/decisions").glob("0*.md")}
    there |= {
        ("choice", int(number))
        for number in re.findall(r"^\| (\d+) \|", text_of("docs/choices.md"), re.MULTILINE)
    }

    cited = [
        (page, kind.lower(), int(number))
        for page, text in cited_in("src", "tests", "docs", "benchmarks", "tools")
        for kind, numbers in CITED.findall(text)
        for number in re.findall(r"\d+", numbers)
    ]

    assert {kind for _, kind, _ in cited} == {"decision", "choice"}
    assert [one for one in cited if one[1:] not in there] == []


def test_every_page_that_is_cited_is_there():
    broken = []
    for file, text in cited_in("src", "tests", "benchmarks"):
        for page, anchor in PAGE_CITED.findall(text):
            there = ROOT / page
            if not there.exists() or (anchor and anchor[1:] not in anchors(there)):
                broken.append(f"{file}: {page}{anchor}")

    assert broken == []


def test_every_choice_says_where_it_is_built():
    named = re.findall(r"^\| \d+ \|.*\| (.+) \|$", text_of("docs/choices.md"), re.MULTILINE)
    files = [file for cell in named for file in re.findall(r"`([^`]+)`", cell)]

    assert len(files) >= len(named) > 20
    assert [file for file in files if not (ROOT / "src/ror" / file).exists()] == []


# --- texts ----------------------------------------------------------------------------------------

KEY = re.compile(r"[a-z]+\.[a-z][a-z0-9-]*")
ELSEWHERE = {"http.disconnect"}
"""What looks like a key and is not: a message of ASGI."""


@cache
def strings_of_the_code() -> tuple[frozenset[str], tuple[re.Pattern[str], ...]]:
    """Every string that the code writes, and a pattern for each that it composes."""
    written, composed = set(), set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                written.add(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = [
                    re.escape(one.value) if isinstance(one, ast.Constant) else ".+"
                    for one in node.values
                ]
                # What is composed of nothing but values could be anything.
                if isinstance(node.values[0], ast.Constant) and re.match(
                    r"[a-z]", node.values[0].value
                ):
                    composed.add("".join(parts))
    return frozenset(written), tuple(re.compile(one) for one in composed)


def is_said(key: str) -> bool:
    """
    Whether the code writes a key whole, or writes its name where the keys of its section are
    composed.
    """
    written, composed = strings_of_the_code()
    section, _, name = key.partition(".")
    if key in written:
        return True
    if not any(one.pattern == rf"{section}\..+" for one in composed):
        return False
    # `f"capability.{name[1:]}"` says what `_count` and its like mean.
    known = written | {one.name for one in SETTINGS} | {one.key for one in invariants()}
    return name in known or f"_{name}" in known or any(one.fullmatch(name) for one in composed)


def sections() -> set[str]:
    return {key.partition(".")[0] for key in messages.catalogue()}


SILENT = {
    "language.name": "for whoever shows a choice of languages",
}
"""Texts that the code does not say, and why they are there all the same."""


def test_every_text_is_said_somewhere():
    silent = {key for key in messages.catalogue() if not is_said(key)}

    assert silent == set(SILENT)


def test_every_text_that_the_code_says_exists():
    written, _ = strings_of_the_code()
    keys = {one for one in written if KEY.fullmatch(one) and one.partition(".")[0] in sections()}

    assert len(keys) > 100
    assert sorted(keys - set(messages.catalogue()) - ELSEWHERE) == []


@pytest.mark.parametrize(
    "language", [one for one in messages.LANGUAGES if one != messages.DEFAULT_LANGUAGE]
)
def test_a_text_has_the_same_blanks_in_every_language(language):
    differing = [
        key
        for key, texts in messages.catalogue().items()
        if blanks(texts[language]) != blanks(texts[messages.DEFAULT_LANGUAGE])
    ]

    assert differing == []


def blanks(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


COUNTED = [
    "accepted",
    "alone",
    "changes",
    "count",
    "created",
    "days_signed",
    "done",
    "files",
    "included",
    "left",
    "lines",
    "masked",
    "matches",
    "older",
    "pages",
    "refused",
    "signed",
    "total",
    "touched",
    "unchanged",
    "updated",
    "withheld",
]
"""Placeholders that count what the next word names."""


def test_a_text_that_counts_has_a_singular_and_a_plural():
    bare = re.compile(rf"\{{({'|'.join(COUNTED)})\}} [a-zéê]+")
    wrong = [
        (key, match[0])
        for key, texts in messages.catalogue().items()
        for match in bare.finditer(texts["fr"])
    ]

    assert wrong == []


@pytest.mark.parametrize(
    ("language", "count", "expected"),
    [
        pytest.param("fr", "0", "0 ligne.", id="French says zero in the singular"),
        pytest.param("fr", 1, "1 ligne.", id="one"),
        pytest.param("fr", "1\u202f000", "1\u202f000 lignes.", id="a number as people write it"),
        pytest.param("en", 0, "0 lines.", id="English says zero in the plural"),
        pytest.param("en", "1", "1 line.", id="one line"),
    ],
)
def test_the_number_chooses_the_form(language, count, expected):
    assert messages.text("audit.found", language, count=count) == expected


# --- discretion -----------------------------------------------------------------------------------

SOMEBODYS_PLACE = re.compile(
    # Folders of somebody's machine, and names that resolve on somebody's network only.
    r"(?<![\w.:/\]}])/(?:work|root|home|Users|opt)/\w|//[\w.-]+\.(?:internal|lan|corp|intranet)\b"
)
FETCHING = re.compile(r"https?://|file://|--(?:extra-)?(?:index-url|find-links|trusted-host)|@ ")


def tracked_texts() -> list[Path]:
    """Every text that is under version control, or would be; nothing that is made from it."""
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files"], capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("this is not a working copy under git")
    files = [ROOT / name for name in listed.stdout.splitlines()]
    return [one for one in files if one.is_file() and one.suffix not in (".gz", ".zdict")]


def test_no_file_speaks_of_somebodys_machine():
    telling = []
    for path in tracked_texts():
        found = SOMEBODYS_PLACE.search(path.read_text(encoding="utf-8"))
        if found and path != Path(__file__):
            telling.append(f"{path.relative_to(ROOT)}: {found[0]}")

    assert telling == []


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_file_says_what_to_install_and_not_from_where(name):
    lines = [line for line in text_of(name).splitlines() if FETCHING.search(line)]

    assert "--hash=sha256:" in text_of(name)
    assert lines == []
