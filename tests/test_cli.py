"""The command line as people and programs use it: real processes, real files, real sockets."""

import gzip
import json
import os
import re
import shlex
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec

import pytest

from ror import messages
from ror.settings import SETTINGS

COMMANDS = (
    "demo",
    "serve",
    "import",
    "generate",
    "explain",
    "stats",
    "init",
    "reindex",
    "upgrade",
    "backup",
    "client",
    "keys",
    "pki",
    "audit",
)
PKI_COMMANDS = ("init", "issue", "revoke", "crl")
CLIENT_COMMANDS = (
    "add",
    "list",
    "show",
    "suspend",
    "resume",
    "revoke",
    "rotate-secret",
    "grant-establishments",
)
AUDIT_COMMANDS = ("verify", "restart", "search", "export")
IN_GROUPS = (
    *(f"client {name}" for name in CLIENT_COMMANDS),
    "keys list",
    "keys rotate",
    *(f"pki {name}" for name in PKI_COMMANDS),
    *(f"audit {name}" for name in AUDIT_COMMANDS),
)


def ror(*arguments, language="en", folder=None, given=None, **environment):
    """Runs the command in `folder`, out of reach of the settings of this machine."""
    return subprocess.run(
        [sys.executable, "-m", "ror", *map(str, arguments)],
        input=given,
        capture_output=True,
        text=not isinstance(given, bytes),
        cwd=folder,
        env=clean_environment(language) | environment,
        timeout=120,
    )


def clean_environment(language):
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("ROR_", "LC_"))
    }
    return kept | {"LANG": {"en": "en_GB.UTF-8", "fr": "fr_FR.UTF-8"}[language], "COLUMNS": "200"}


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A folder with a small directory, made by the commands themselves."""
    folder = tmp_path_factory.mktemp("directory")
    assert ror("generate", "--output", "small.ndjson.gz", folder=folder).returncode == 0
    done = ror("import", "small.ndjson.gz", "--create", "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


# --- help and usage -------------------------------------------------------------------------------


@pytest.mark.parametrize("language", messages.LANGUAGES)
@pytest.mark.parametrize(
    "command",
    [*COMMANDS, *IN_GROUPS],
)
def test_every_command_has_help_in_both_languages(command, language, tmp_path):
    done = ror(*command.split(), "--help", language=language, folder=tmp_path)

    assert done.returncode == 0
    assert messages.text(f"cli.{command.replace(' ', '-')}", language) in " ".join(
        done.stdout.split()
    )
    assert messages.text("cli.help-option", language) in done.stdout


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_the_help_lists_every_command(language, tmp_path):
    shown = ror("--help", language=language, folder=tmp_path).stdout

    assert messages.text("cli.commands", language) in shown
    assert all(f" {command} " in shown for command in COMMANDS)


def test_every_setting_is_an_option_of_serve(tmp_path):
    shown = ror("serve", "--help", folder=tmp_path).stdout

    assert [one.option for one in SETTINGS if f" {one.option} " not in shown] == []


HEAVY = {
    "ror.directory",
    "ror.http",
    "ror.identity",
    "ror.resources",
    "ror.runtime",
    "ror.samples",
    "ror.search",
    "ror.standard.definitions",
    "ror.standard.terminology",
    "ror.store",
}
HEAVY |= {"sqlite3", "pyroaring", "prometheus_client", "uvicorn", "asyncio"}


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_version_and_help_load_nothing_heavy(option, tmp_path):
    command = [sys.executable, "-X", "importtime", "-m", "ror", option]

    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=clean_environment("en"),
    )

    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "ror" in done.stdout
    assert "ror.cli.commands" in loaded and loaded.isdisjoint(HEAVY)
    assert {name for name in HEAVY if find_spec(name) is None} == set()


def test_version_is_that_of_the_package(tmp_path):
    assert ror("--version", folder=tmp_path).stdout == f"ror {version('ror')}\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(["stats", "extra"], "« extra »", id="one argument too many"),
        pytest.param(["reindex", "a", "b"], "« a b »", id="two arguments too many"),
        pytest.param(["client", "add", "x", "--profile", "9"], "de 0 à 5", id="out of bounds"),
        pytest.param(["client", "add", "x", "--profile", "un"], "de 0 à 5", id="not a number"),
        pytest.param(["demo", "--port", "99999999"], "de 1 à 65535", id="no such port"),
        pytest.param(["client", "ad"], "add", id="a mistyped command of a group"),
    ],
)
def test_a_wrong_command_line_is_explained_in_french(arguments, expected, tmp_path):
    done = ror(*arguments, language="fr", folder=tmp_path)

    assert done.returncode == 2
    assert expected in done.stderr
    assert not re.search(r"unexpected|argument\(s\)|Usage:", done.stderr)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(["imprt"], "import", id="a mistyped command"),
        pytest.param(["stats", "--databse", "x"], "--databse", id="a mistyped option"),
        pytest.param(["import"], "FILE", id="no file"),
        pytest.param(["import", "absent.ndjson"], "absent.ndjson", id="a file that does not exist"),
        pytest.param(
            ["import", "--workers", "many", "x"], "--workers", id="a value that does not fit"
        ),
        pytest.param(["generate", "--size", "huge"], "national", id="an unknown size"),
        pytest.param(
            ["generate", "--output", "absent/x.ndjson"], "absent/x.ndjson", id="nowhere to write"
        ),
        pytest.param(["stats"], "ror.db", id="no directory"),
        pytest.param(["stats", "--database", "mysql://x"], "mysql", id="not a database"),
        pytest.param(["explain", "Patient?name=x"], "ror.db", id="no directory to explain with"),
        pytest.param(["serve", "--port", "99999999"], "port", id="a setting that does not fit"),
        pytest.param(
            ["serve", "--anonymous-profile", "6"], "6", id="a profile that does not exist"
        ),
    ],
)
@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_what_cannot_be_done_is_one_clear_line_and_exit_code_2(arguments, told, language, tmp_path):
    done = ror(*arguments, language=language, folder=tmp_path)

    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert told in done.stderr
    assert not (tmp_path / "ror.db").exists()


def test_an_unknown_variable_is_refused(tmp_path):
    done = ror("stats", folder=tmp_path, ROR_DATABSE="x")

    assert done.returncode == 2
    assert "ROR_DATABASE" in done.stderr


# --- generate, import, stats, explain, reindex ----------------------------------------------------


def test_what_is_generated_is_imported_whole(directory):
    folder, report = directory

    lines = gzip.decompress((folder / "small.ndjson.gz").read_bytes()).count(b"\n")

    assert (report["created"], report["refused"]) == (lines, 0)
    assert report["dangling"]["count"] == 0
    assert list((folder / "ror.db.index").glob("*.index")), (
        "the next start would have to index everything"
    )


def test_generating_again_gives_the_same_file(directory, tmp_path):
    folder, _ = directory

    ror("generate", "--output", "again.ndjson.gz", folder=tmp_path)

    assert (tmp_path / "again.ndjson.gz").read_bytes() == (folder / "small.ndjson.gz").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["again.ndjson.gz"]


def test_a_pipe_that_closes_early_ends_generating_quietly(tmp_path):
    line = f"{sys.executable} -m ror generate --size medium | head -n 2"

    done = subprocess.run(["bash", "-c", line], capture_output=True, cwd=tmp_path, timeout=60)

    assert done.stderr == b""
    assert [json.loads(text)["resourceType"] for text in done.stdout.splitlines()] == [
        "Questionnaire"
    ] * 2


def test_stats_tell_what_the_directory_holds(directory):
    folder, report = directory

    facts = json.loads(ror("stats", "--json", folder=folder).stdout)
    shown = ror("stats", folder=folder, language="fr").stdout

    assert facts["total"] == report["created"] <= facts["changes"]
    assert 0 < facts["bytes_per_resource"] < 5_000
    assert facts["dangling"] == 0
    assert all(resource_type in shown for resource_type in facts["counts"])
    assert "Changements" in shown


def test_explain_shows_the_tree_and_the_stages(directory):
    folder, _ = directory
    url = "http://localhost:8000/fhir/HealthcareService?location.near=48.85|2.35|500|km&_include=HealthcareService:organization"

    found = json.loads(ror("explain", url, "--json", folder=folder).stdout)
    shown = ror("explain", url, folder=folder, language="fr").stdout

    assert found["total"] > 0
    assert found["pages"] == -(-found["total"] // 200)
    assert [node["depth"] for node in found["nodes"]] == [0, 1]
    assert found["nodes"][0]["matches"] == found["total"]
    assert [stage["name"] for stage in found["stages"]] == [
        "parse",
        "engine",
        "page",
        "includes",
        "bodies",
        "answer",
    ]
    assert "à 500 km au plus de (48.85, 2.35)" in shown
    assert messages.text("explain.engine", "fr") in shown


def test_explain_names_what_it_does_not_understand(directory):
    folder, _ = directory

    done = ror("explain", "HealthcareService?speciality=1", folder=folder)

    assert done.returncode == 2
    assert "specialty" in done.stderr


def test_reindex_writes_the_same_index_again(directory):
    folder, report = directory
    before = ror("explain", "Location?_count=1", "--json", folder=folder).stdout

    done = ror("reindex", folder=folder)

    assert done.returncode == 0
    assert f"{report['created']:,}" in done.stderr
    assert len(list((folder / "ror.db.index").glob("*.index"))) == 1
    after = ror("explain", "Location?_count=1", "--json", folder=folder).stdout
    assert json.loads(after)["total"] == json.loads(before)["total"] > 0


# --- import as programs see it --------------------------------------------------------------------


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_a_refused_line_is_told_and_exit_code_is_1(language, tmp_path):
    given = '{"resourceType":"Organization","id":"1","name":"a"}\n{"resourceType":"Organization","id":"2","nme":"a"}\n'

    done = ror("import", "-", "--create", language=language, folder=tmp_path, given=given)

    reason = messages.text(
        "validation.unknown-element-try", language, name="nme", type="Organization", near="name"
    )
    file = messages.text("import.stdin", language)
    place = messages.text(
        "import.refusal", language, file=file, line=2, path="Organization.nme", reason=reason
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == place
    assert "1" in done.stdout


def test_the_report_for_programs_names_refusals_and_dangling_references(tmp_path):
    given = (
        '{"resourceType":"Organization","id":"1","name":"a","partOf":{"reference":"Organization/absent"}}\n'
        '{"resourceType":"Organization","name":"b"}\n'
    )

    done = ror("import", "-", "--create", "--json", folder=tmp_path, given=given)

    report = json.loads(done.stdout)
    [refused] = report["refusals"]
    [issue] = refused["issues"]
    assert (report["created"], report["updated"], report["unchanged"], report["refused"]) == (
        1,
        0,
        0,
        1,
    )
    assert (refused["file"], refused["line"], issue["path"]) == ("-", 2, "Organization.id")
    assert report["dangling"] == {
        "count": 1,
        "first": [{"source": "Organization/1", "target": "Organization/absent"}],
    }


def test_an_import_tells_the_dangling_references_of_what_it_changed_and_no_others(tmp_path):
    line = '{"resourceType":"Organization","id":"%s","name":"a","partOf":{"reference":"Organization/%s"}}\n'
    ror("import", "-", "--create", folder=tmp_path, given=line % ("1", "absent"))

    done = ror("import", "-", "--json", folder=tmp_path, given=line % ("2", "missing"))

    assert json.loads(done.stdout)["dangling"] == {
        "count": 1,
        "first": [{"source": "Organization/2", "target": "Organization/missing"}],
    }


@pytest.mark.parametrize(
    ("megabytes", "key"),
    [
        pytest.param(1, "store.disk-full", id="no room for the directory"),
        pytest.param(3, "index.snapshot-not-written", id="no room for the index snapshot"),
    ],
)
def test_on_a_full_disk_what_is_said_to_be_kept_is_kept(directory, tmp_path, megabytes, key):
    # A file system of its own, in a name space of its own: whoever may not make one cannot test
    # this.
    mounted = f"mount -t tmpfs -o size={megabytes}m tmpfs {tmp_path}"
    if subprocess.run(["unshare", "-rm", "sh", "-c", mounted], check=False).returncode:
        pytest.skip("no file system of a given size can be made here")
    python, source = shlex.quote(sys.executable), directory[0] / "small.ndjson.gz"
    command = f"""
        {mounted}
        {python} -m ror import {source} --create --database {tmp_path}/ror.db 2>&1
        mount -o remount,size=64m {tmp_path}
        {python} -m ror stats --database {tmp_path}/ror.db --json
        {python} -m ror import {source} --database {tmp_path}/ror.db --json
    """

    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", command],
        capture_output=True,
        text=True,
        env=clean_environment("en"),
        timeout=120,
    )

    *first, stats, again = done.stdout.splitlines()
    [created] = re.findall(r"([0-9,]+) created", "".join(first))
    kept = int(created.replace(",", ""))
    assert messages.text(key, "en", path="…", reason="…").partition("…")[0] in "".join(first)
    assert "nothing was written" not in done.stdout
    assert kept == json.loads(stats)["total"] == json.loads(again)["unchanged"] > 0


def test_a_dry_run_makes_no_database(tmp_path):
    done = ror(
        "import",
        "-",
        "--dry-run",
        folder=tmp_path,
        given='{"resourceType":"Organization","id":"1","name":"a"}',
    )

    assert done.returncode == 0
    assert list(tmp_path.iterdir()) == []


# --- demo -----------------------------------------------------------------------------------------


def test_a_demonstration_does_not_replace_another_directory(tmp_path):
    ror(
        "import",
        "-",
        "--create",
        "--database",
        "demo.db",
        folder=tmp_path,
        given='{"resourceType":"Organization","id":"1","name":"a"}',
    )

    done = ror("demo", "--directory", ".", folder=tmp_path)

    assert done.returncode == 2
    assert "--directory" in done.stderr
    assert (
        json.loads(ror("stats", "--database", "demo.db", "--json", folder=tmp_path).stdout)["total"]
        == 1
    )
