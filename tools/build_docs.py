"""
Write the tables of the documentation from the tables of the code.

A page holds its tables between two marks, `<!-- table: name -->` and `<!-- end -->`; everything
else is written by hand and left alone. A test runs this with `--check`, so that no table can be out
of date.

    python tools/build_docs.py            # rewrites the tables that differ
    python tools/build_docs.py --check    # says which ones differ, and fails if any does
"""

import argparse
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

# The help of the commands is said in the language of the environment, once and for all; these pages
# are in English.
os.environ["LC_ALL"] = "en"


from ror import errors
from ror.access import policy
from ror.audit.pseudonyms import TREATMENTS, treatments
from ror.cli.commands import every_command
from ror.errors import RorError
from ror.http import addresses, error_responses, routes
from ror.search.answer import page_links
from ror.search.language import criteria, parse
from ror.search.language import criterion_values as asked
from ror.search.language import filter as filter_language
from ror.search.language.modifiers import PARAMETER_TYPES, modifiers_of_type
from ror.settings import SETTINGS, Settings
from ror.standard import definitions
from ror.standard.definitions import (
    RESOURCE_TYPES,
    SearchParameter,
    all_search_parameters,
    includes,
    search_parameters,
)

ROOT: Final = Path(__file__).resolve().parent.parent
TABLE: Final = re.compile(r"(<!-- table: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
PAGES: Final = (*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", ROOT / "README.fr.md")


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines
    )


def code(*names: str) -> str:
    """Names as code, separated by commas; a dash when there is none."""
    return ", ".join(f"`{name}`" for name in names) or "-"


# --- search ---------------------------------------------------------------------------------------


def parameters() -> str:
    """Every search parameter of every resource type."""
    return "\n\n".join(f"### {name}\n\n{_parameters_of(name)}" for name in RESOURCE_TYPES)


def _parameters_of(resource_type: str) -> str:
    rows = (
        (code(one.name, *one.aliases), one.type, _note(one), one.description_en)
        for one in search_parameters(resource_type).values()
    )
    return table(("parameter", "type", "", "finds"), rows)


def _note(parameter: SearchParameter) -> str:
    """What sets a parameter apart: its origin, and what it reads."""
    origin = "*added*" if parameter.maturity == "added" else ""
    return " ".join(filter(None, (origin, _what_it_reads(parameter))))


def _what_it_reads(parameter: SearchParameter) -> str:
    """That a parameter is not served, its record or its targets."""
    if parameter.name == "_has":
        return "see [reverse chains](#chains-and-reverse-chains)"
    if parameter.name == criteria.FILTER:
        return "see [filters](filter.md)"
    if parameter.name in definitions.FULL_TEXT:
        return "see [full text](#full-text)"
    if not parameter.expression:
        return "**refused**: nothing to read"
    if parameter.record:
        return f"record *{parameter.record}*"
    if len(parameter.targets) == len(RESOURCE_TYPES):
        return "→ any type"
    return f"→ {', '.join(parameter.targets)}" if parameter.targets else ""


def modifiers() -> str:
    """The modifiers and prefixes of each type of parameter."""
    prefixed = ("date", "number", "quantity")
    rows = []
    for name in PARAMETER_TYPES:
        more = ("[Type]",) if name == "reference" else ()
        prefixes = code(*asked.PREFIXES) if name in prefixed else "-"
        rows.append(
            (name, code(*(f":{one}" for one in (*modifiers_of_type(name), *more))), prefixes)
        )
    return table(("type", "modifiers", "prefixes"), rows)


def records() -> str:
    """The repeated records and the parameters that read them."""
    rows = []
    for record in definitions.records().values():
        names = (
            one.name
            for one in search_parameters(record.resource_type).values()
            if one.record == record.name
        )
        rows.append((f"*{record.name}*", record.resource_type, code(*names)))
    return table(("record", "of", "parameters"), rows)


def inclusions() -> str:
    """What `_include` and `_revinclude` may name."""
    everywhere = len(RESOURCE_TYPES)
    rows = (
        (code(name), "any type" if len(one.targets) == everywhere else ", ".join(one.targets))
        for name, one in includes().items()
    )
    return table(("name", "leads to"), rows)


def limits() -> str:
    """The limits of a search and of a request."""
    rows = (
        ("matches on a page, when `_count` says nothing", parse.DEFAULT_COUNT),
        (
            "matches on a page at most; a larger `_count` is reduced, and the self link says so",
            parse.MAX_COUNT,
        ),
        (
            "resources that come along with a page; the answer says what stays behind",
            Settings().max_included,
        ),
        ("criteria in a request, and likewise inclusions", parse.MAX_CRITERIA),
        ("values in one comma list", asked.MAX_VALUES),
        ("values of all the lists of a request", parse.MAX_ALL_VALUES),
        ("characters of a value", asked.MAX_VALUE_LENGTH),
        ("keys of a sort", parse.MAX_SORT_KEYS),
        ("links followed by one criterion, either way", criteria.MAX_HOPS),
        ("comparisons in a filter", filter_language.MAX_COMPARISONS),
        ("levels of parentheses in a filter", filter_language.MAX_LEVELS),
        ("reach of a search by position, in kilometres", asked.MAX_DISTANCE_KM),
        ("characters of a number", asked.MAX_DIGITS),
        ("parameters in a request, whatever they are", addresses.MAX_PARAMETERS),
        ("kilobytes of all the parameters of a request", addresses.MAX_BYTES // 1_024),
        ("bytes of a page link after its host; a longer one is stored", page_links.MAX_LINK_BYTES),
        ("stored page links of each client", page_links.STORED_PER_CLIENT),
        ("days that a stored page link lives after its last use", page_links.STORED_FOR_DAYS),
    )
    return table(("limit", "value"), ((name, f"{value:,}") for name, value in rows))


def former_names() -> str:
    """Names of earlier editions and what the refusal suggests."""
    return table(
        ("former name", "suggested"),
        ((code(old), code(new)) for old, new in criteria.FORMER_NAMES.items()),
    )


def corrections() -> str:
    """The parameters whose published expression is not the one that is applied."""
    rows = (
        (one.resource_type, code(one.name), one.correction)
        for one in all_search_parameters()
        if one.correction
    )
    return table(("type", "parameter", "why"), rows)


# --- audit ----------------------------------------------------------------------------------------


def audit_parameters() -> str:
    """What the audit trail lets be read of the value of a parameter."""
    told = {
        "types": "a parameter of this type",
        "parameters": "this parameter, whatever its type",
        "modifiers": "any parameter with this modifier",
        "answering": "this parameter, which says how to answer",
    }
    rows = [
        (
            told[kind],
            *(
                code(*(name for name, one in names.items() if one == treatment))
                for treatment in TREATMENTS
            ),
        )
        for kind, names in treatments().items()
    ]
    return table(("", "readable", "value hashed, its system readable", "hashed"), rows)


# --- HTTP, settings, commands ---------------------------------------------------------------------


def route_table() -> str:
    """What is answered, and where."""
    rows = []
    for one in (*routes.ROUTES, *routes.SERVICE_ROUTES.values()):
        if one.answer is None:
            continue
        is_service = one in routes.SERVICE_ROUTES.values()
        path = f"/{one.path}" if is_service else f"[base]/{one.path}".removesuffix("/")
        to = "operators" if one.is_for_operators else "everybody" if one.is_open else "readers"
        rows.append((code(path), code(*one.methods), one.interaction, to))
    return table(("address", "methods", "interaction", "answers"), rows)


def refused_routes() -> str:
    """The interactions of FHIR that are recognised and refused."""
    rows = (
        (code(f"[base]/{one.path}"), one.interaction) for one in routes.ROUTES if one.answer is None
    )
    return table(("address", "interaction"), rows)


def statuses() -> str:
    """The HTTP status and the issue code of each kind of refusal."""
    kinds = {
        one
        for module in (errors, error_responses)
        for one in vars(module).values()
        if _is_refusal(one)
    }
    rows = (
        (str(one.status), code(one.issue), (inspect.getdoc(one) or "").partition("\n")[0])
        for one in sorted(kinds, key=lambda one: (one.status, one.__name__))
    )
    return table(("status", "issue code", "when"), rows)


def _is_refusal(one: object) -> bool:
    # A usage error stops a command: no client is told of it.
    return (
        inspect.isclass(one)
        and issubclass(one, RorError)
        and one not in (RorError, errors.UsageError)
    )


def settings_table() -> str:
    """Every setting."""
    rows = (
        (
            code(one.name),
            code(one.variable),
            code(one.option),
            _default(one.default),
            one.description("en"),
        )
        for one in SETTINGS
    )
    return table(("in `ror.toml`", "variable", "option", "default", "what it decides"), rows)


def _default(value: object) -> str:
    if isinstance(value, tuple):
        value = ",".join(value)
    if isinstance(value, bool):
        value = str(value).lower()
    return "-" if value in (None, "") else code(str(value))


def commands() -> str:
    """Every command, its arguments and its options."""
    return "\n\n".join(_command(name, command) for name, command in every_command())


def _command(name: str, command: Any) -> str:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option"]
    usage = " ".join(("ror", name, *(one.metavar for one in arguments)))
    rows = [(code(one.metavar), "", _plain(one.help)) for one in arguments]
    if name == "serve":
        told = "And one option for each [setting](operations.md#settings)."
        options = [one for one in options if one.name not in {setting.name for setting in SETTINGS}]
    else:
        told = ""
    rows += [(code(*one.opts), _default(one.default), _plain(one.help)) for one in options]
    parts = [f"## ror {name}", _plain(command.help), f"```text\n{usage} [OPTIONS]\n```"]
    parts += [table(("", "default", ""), rows)] if rows else []
    return "\n\n".join((*parts, *([told] if told else [])))


# --- access ---------------------------------------------------------------------------------------


def policy_table() -> str:
    """The matrix of the newest policy, every switch off."""
    rows = [
        (code(rule), *(policy.cell(policy.STRICT, rule, one) for one in policy.PROFILES))
        for rule in policy.rules()
    ]
    return table((f"rule ({policy.STRICT.name})", *map(str, policy.PROFILES)), rows)


def switch_table() -> str:
    """What may be switched on, and why there is a choice."""
    return table(
        ("switch", "because"), [(code(name), source) for name, source in policy.switches().items()]
    )


def _plain(text: str | None) -> str:
    return " ".join((text or "").split())


TABLES: Final[dict[str, Callable[[], str]]] = {
    "parameters": parameters,
    "modifiers": modifiers,
    "records": records,
    "inclusions": inclusions,
    "limits": limits,
    "former-names": former_names,
    "corrections": corrections,
    "audit-parameters": audit_parameters,
    "routes": route_table,
    "refused-routes": refused_routes,
    "statuses": statuses,
    "settings": settings_table,
    "commands": commands,
    "policy": policy_table,
    "switches": switch_table,
}


# --- writing --------------------------------------------------------------------------------------


def rewritten(text: str) -> str:
    """The page with its tables as they should be."""

    def fresh(found: re.Match[str]) -> str:
        return f"{found[1]}\n{TABLES[found[2]]()}\n\n{found[3]}"

    return TABLE.sub(fresh, text)


def out_of_date() -> Iterator[tuple[Path, str]]:
    """Each page whose tables differ, with what it should hold."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        wanted = rewritten(text)
        if wanted != text:
            yield page, wanted


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="change nothing, fail when a table is out of date"
    )
    only_check = parser.parse_args().check
    found = list(out_of_date())
    for page, wanted in found:
        print(
            f"{page.relative_to(ROOT)}: {'out of date' if only_check else 'rewritten'}",
            file=sys.stderr,
        )
        if not only_check:
            page.write_text(wanted, encoding="utf-8")
    return 1 if only_check and found else 0


if __name__ == "__main__":
    sys.exit(main())
