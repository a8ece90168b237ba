"""What an import reads, refuses, keeps and reports; on real files and a real database."""

import gzip
import io
import json
import sys
import time
import tracemalloc
from decimal import Decimal
from random import Random
from types import SimpleNamespace

import msgspec
import pytest

from ror.directory.importing import Refusal, Report, check, documents, prepare, run
from ror.directory.importing.running import Listeners
from ror.errors import UsageError
from ror.samples import generate
from ror.search.language.values import covering
from ror.store import open_store
from ror.store.contract import Draft
from tests.conftest import small_directory

NOW = 1_790_000_000_123_456
"""The instant of these imports, in microseconds."""


def organization(identity="1", **others):
    return {"resourceType": "Organization", "id": identity, "name": f"CHU {identity}", **others}


def with_contained(count):
    """
    Contained resources of a type that has no table here, which is a warning for each, and
    references to them.
    """
    contained = [{"resourceType": "Patient", "id": str(number)} for number in range(count)]
    references = [
        {"url": "https://example.org/member", "valueReference": {"reference": f"#{number}"}}
        for number in range(count)
    ]
    return {"contained": contained, "extension": references}


def as_json(*resources):
    return b"".join(json.dumps(resource).encode() + b"\n" for resource in resources)


def bundle(*entries, kind="collection"):
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


@pytest.fixture
def store(tmp_path):
    opened = open_store(f"sqlite:///{tmp_path}/ror.db")
    yield opened
    opened.close()


@pytest.fixture
def write_file(tmp_path):
    """Writes a file and returns its path."""

    def write(content, name="given.ndjson"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return str(path)

    return write


def imported(store, *names, **options):
    report = Report()
    run(store, documents(names), report, now=NOW, **options)
    return report


def counts(report):
    return report.created, report.updated, report.unchanged, report.refused


def body(store, identity="1"):
    return store.read("Organization", identity).body


# --- what is read ---------------------------------------------------------------------------------

THREE = [organization("1"), organization("2"), organization("3")]
ENTRIES = [{"resource": resource} for resource in THREE]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        pytest.param(as_json(*THREE), "a.ndjson", id="NDJSON"),
        pytest.param(as_json(*THREE), "a", id="NDJSON without a telling name"),
        pytest.param(as_json(*THREE).rstrip(), "a.ndjson", id="NDJSON without a last line feed"),
        pytest.param(as_json(*THREE).replace(b"\n", b"\r\n"), "a.ndjson", id="NDJSON with CRLF"),
        pytest.param(
            as_json(*THREE).replace(b"\n", b"\n\n \n"), "a.ndjson", id="NDJSON with empty lines"
        ),
        pytest.param(
            b"\xef\xbb\xbf" + as_json(*THREE), "a.ndjson", id="NDJSON after a byte order mark"
        ),
        pytest.param(gzip.compress(as_json(*THREE)), "a.ndjson.gz", id="NDJSON compressed"),
        pytest.param(gzip.compress(as_json(*THREE)), "a.ndjson", id="compressed without saying so"),
        pytest.param(json.dumps(bundle(*ENTRIES)).encode(), "a.json", id="a Bundle on one line"),
        pytest.param(
            json.dumps(bundle(*ENTRIES), indent=2).encode(),
            "a.json",
            id="a Bundle over several lines",
        ),
        pytest.param(
            b"\xef\xbb\xbf" + json.dumps(bundle(*ENTRIES), indent=2).replace("\n", "\r\n").encode(),
            "a.json",
            id="a Bundle over several lines, with a byte order mark and CRLF",
        ),
        pytest.param(
            gzip.compress(json.dumps(bundle(*ENTRIES), indent="\t").encode()),
            "a.json.gz",
            id="a Bundle compressed",
        ),
        pytest.param(
            as_json(bundle(*ENTRIES[:2], kind="searchset"), THREE[2]),
            "a.ndjson",
            id="a Bundle on a line of NDJSON",
        ),
        *(
            pytest.param(
                json.dumps(bundle(*ENTRIES, kind=kind), indent=1).encode(),
                "a.json",
                id=f"a {kind} Bundle",
            )
            for kind in ("searchset", "batch", "transaction")
        ),
    ],
)
def test_every_form_gives_the_same_directory(store, write_file, content, name):
    report = imported(store, write_file(content, name))

    assert counts(report) == (3, 0, 0, 0)
    assert store.counts() == {"Organization": 3}
    assert json.loads(body(store, "2"))["name"] == "CHU 2"


@pytest.mark.parametrize(
    "indent", [pytest.param(None, id="on one line"), pytest.param(2, id="over several lines")]
)
def test_a_single_resource_is_read(store, write_file, indent):
    report = imported(
        store, write_file(json.dumps(organization(), indent=indent).encode(), "one.json")
    )

    assert counts(report) == (1, 0, 0, 0)


@pytest.mark.parametrize(
    "content", [b"", b"\n\n \r\n", b"\xef\xbb\xbf", gzip.compress(b"", mtime=0)]
)
def test_an_empty_file_has_nothing(store, write_file, content):
    assert counts(imported(store, write_file(content))) == (0, 0, 0, 0)


def test_a_folder_is_read_with_the_folders_inside_in_the_order_of_names(
    store, write_file, tmp_path
):
    write_file(as_json(organization("1", name="first")), "all/1.ndjson")
    write_file(gzip.compress(as_json(organization("1", name="second"))), "all/2/a.ndjson.gz")
    write_file(json.dumps(organization("1", name="third")).encode(), "all/3.JSON")
    write_file(b"not for us", "all/notes.txt")

    report = imported(store, str(tmp_path / "all"))

    assert counts(report) == (1, 2, 0, 0)
    assert json.loads(body(store))["name"] == "third"


def test_standard_input_is_read(store, monkeypatch):
    monkeypatch.setattr(
        sys, "stdin", SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(as_json(*THREE))))
    )

    assert counts(imported(store, "-")) == (3, 0, 0, 0)


@pytest.mark.parametrize("name", ["absent.ndjson", "empty"])
def test_a_path_with_nothing_to_read_is_refused_before_anything_is_stored(
    store, write_file, tmp_path, name
):
    (tmp_path / "empty").mkdir()

    with pytest.raises(UsageError, match=name):
        imported(store, write_file(as_json(organization())), str(tmp_path / name))

    assert store.last_change() == 0


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "line", "path", "key"),
    [
        pytest.param(b'{"resourceType": "Org\n', 2, "", "import.not-json", id="cut short"),
        pytest.param(b'{"resourceType": Organization}\n', 2, "", "import.not-json", id="not JSON"),
        pytest.param(b"[]\n", 2, "", "import.not-an-object", id="an array"),
        pytest.param(b'"text"\n', 2, "", "import.not-an-object", id="a text"),
        pytest.param(
            b'{"resourceType":"Organization","id":"1","name":"\xff"}\n',
            2,
            "",
            "import.not-json",
            id="not UTF-8",
        ),
        pytest.param(
            as_json({"id": "1"}), 2, "Resource", "validation.missing-resource-type", id="no type"
        ),
        pytest.param(
            as_json({"resourceType": "Patient", "id": "1"}),
            2,
            "Patient",
            "import.other-type",
            id="another type",
        ),
        pytest.param(
            as_json({"resourceType": "Parameters", "id": "1"}),
            2,
            "Parameters",
            "import.other-type",
            id="not of ours",
        ),
        pytest.param(
            as_json({"resourceType": "Organization", "name": "CHU"}),
            2,
            "Organization.id",
            "import.no-id",
            id="no id",
        ),
        pytest.param(
            as_json(organization(nme="x")),
            2,
            "Organization.nme",
            "validation.unknown-element-try",
            id="unknown element",
        ),
        pytest.param(
            as_json(organization(contact=[{"gender": "x"}])),
            2,
            "Organization.contact[0].gender",
            "validation.unknown-element",
            id="deep inside",
        ),
        pytest.param(
            as_json(bundle(ENTRIES[0], {"request": {"method": "DELETE", "url": "Organization/9"}})),
            2,
            "Bundle.entry[1].resource",
            "import.no-resource",
            id="an entry without resource",
        ),
        pytest.param(
            as_json(bundle({"resource": {"resourceType": "Organization", "name": "CHU"}})),
            2,
            "Bundle.entry[0].resource.id",
            "import.no-id",
            id="an entry whose resource has no id",
        ),
        pytest.param(
            as_json(bundle({"resource": organization(nme="x")})),
            2,
            "Bundle.entry[0].resource.nme",
            "validation.unknown-element-try",
            id="inside an entry",
        ),
        pytest.param(
            b'{"resourceType":"Organization","id":"1","extension":[{"url":"u","valueCode":"a"}],'
            b'"name":"CHU","extension":[{"url":"u","valueCode":"b"}]}\n',
            2,
            "Organization.extension",
            "import.repeated-name",
            id="a name that stands twice",
        ),
        pytest.param(
            b'{"resourceType":"Organization","id":"1","name":"\\u0022","alias":["a"],'
            b'"contact":[{"name":{"text":"a"}},{"name":{"text":"a","te\\u0078t":"b"}}]}\n',
            2,
            "Organization.contact[1].name.text",
            "import.repeated-name",
            id="a name that stands twice, deep inside, written in two ways",
        ),
        pytest.param(
            b'{"resourceType":"Organization","id":"1","name":"CHU",'
            b'"meta":{"versionId":"1","source":"a","versionId":"2"}}\n',
            2,
            "Organization.meta.versionId",
            "import.repeated-name",
            id="a version that stands twice",
        ),
        pytest.param(
            b'{"resourceType":"Organization","id":"1","name":"CHU","name":"CHR",'
            b'"meta":{"lastUpdated":"2026-01-01T00:00:00Z"}}\n',
            2,
            "Organization.name",
            "import.repeated-name",
            id="a name that stands twice beside a version",
        ),
        pytest.param(
            b'{"resourceType":"Organization","id":"1","name":"CHU","meta":["versionId"]}\n',
            2,
            "Organization.meta",
            "validation.expected-single",
            id="a meta that is no object and names a version",
        ),
        pytest.param(
            as_json(organization(meta={"lastUpdated": "2999-01-01T00:00:00Z"})),
            2,
            "Organization.meta.lastUpdated",
            "import.future",
            id="an instant in the future",
        ),
        pytest.param(
            as_json({**organization(type="nonsense"), **with_contained(200)}),
            2,
            "Organization.type",
            "validation.expected-array",
            id="an error after as many warnings as are reported",
        ),
        pytest.param(
            as_json({"resourceType": "Organization", "id": "1", **with_contained(1)}),
            2,
            "Organization",
            "validation.org-1",
            id="an error beside a warning",
        ),
        pytest.param(
            b'{"resourceType":"Bundle","entry":[],"type":"batch",'
            b'"entry":[{"resource":{"resourceType":"Organization","id":"1","name":"CHU"}}]}\n',
            2,
            "Bundle.entry",
            "import.repeated-name",
            id="a Bundle with two lists of entries",
        ),
        pytest.param(
            b'{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Organization"},'
            b'"resource":{"resourceType":"Organization","id":"1","name":"CHU"}}]}\n',
            2,
            "Bundle.entry[0].resource",
            "import.repeated-name",
            id="an entry with two resources",
        ),
        pytest.param(
            as_json({"resourceType": "Bundle", "entry": {"a": 1}}),
            2,
            "Bundle",
            "import.bad-bundle",
            id="a broken Bundle",
        ),
    ],
)
def test_a_refusal_says_where_and_why_and_stops_nothing_else(
    store, write_file, content, line, path, key
):
    report = imported(
        store,
        write_file(as_json(organization("a")) + content + as_json(organization("b")), "bad.ndjson"),
    )

    [refused] = report.refusals
    [issue] = refused.issues
    assert report.refused == 1
    assert refused.place.file.endswith("bad.ndjson")
    assert (refused.place.line, refused.path(issue)) == (line, path)
    assert issue.key.startswith(key)
    assert issue.text("fr") and issue.text("en")
    assert {"a", "b"} <= {found for found in ("a", "b") if store.read("Organization", found)}


LARGEST = 1_000
"""The limit of these tests, in bytes."""


def line_of(size):
    """A resource of exactly this many bytes on its line."""
    bare = len(as_json(organization(alias=[""]))) - 1
    return as_json(organization(alias=["a" * (size - bare)])).rstrip()


def in_lines(text):
    return text.replace(b",", b",\n")


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["as it is", "compressed"])
@pytest.mark.parametrize(
    ("content", "lines", "created"),
    [
        pytest.param(line_of(LARGEST) + b"\n", [], 3, id="a line at the limit"),
        pytest.param(line_of(LARGEST + 1) + b"\n", [2], 2, id="a line over the limit"),
        pytest.param(line_of(200_000) + b"\n", [2], 2, id="a line far over the limit"),
        pytest.param(b" " * 200_000 + b"\n", [2], 2, id="a long line of nothing"),
        pytest.param(
            as_json(bundle(*[{"resource": organization("c")}] * 50)), [2], 2, id="a long Bundle"
        ),
    ],
)
def test_a_line_over_the_limit_is_refused_alone(store, write_file, content, lines, created, pack):
    text = as_json(organization("a")) + content + as_json(organization("b"))
    report = Report()

    run(store, documents([write_file(pack(text))], LARGEST), report, now=NOW)

    assert [one.place.line for one in report.refusals] == lines
    assert [one.issues[0].key for one in report.refusals] == ["import.long-line"] * len(lines)
    assert report.created == created


@pytest.mark.parametrize(
    ("content", "refused"),
    [
        pytest.param(in_lines(line_of(LARGEST - 4)), [], id="at the limit"),
        pytest.param(
            in_lines(line_of(LARGEST + 4)), ["import.large-document"], id="over the limit"
        ),
        pytest.param(
            b'{"resourceType":\n"Organization","alias":["' + b"a" * 5_000 + b'"]}',
            ["import.large-document"],
            id="by its second line",
        ),
        pytest.param(line_of(LARGEST + 1), ["import.long-line"], id="on one line"),
    ],
)
def test_a_document_over_several_lines_has_the_same_limit(store, write_file, content, refused):
    report = Report()

    run(store, documents([write_file(content)], LARGEST), report, now=NOW)

    assert [one.issues[0].key for one in report.refusals] == refused
    assert report.created == 1 - len(refused)


def test_a_compressed_line_of_hundreds_of_megabytes_takes_little_memory(store, write_file):
    blank = gzip.compress(b" " * 20_000_000)
    bomb = b"".join([gzip.compress(b'{"a":"'), *[blank] * 15, gzip.compress(b'"}\n')])
    report = Report()

    tracemalloc.start()
    run(store, documents([write_file(bomb + gzip.compress(as_json(*THREE)))]), report, now=NOW)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(bomb) < 600_000
    assert counts(report) == (3, 0, 0, 1)
    assert peak < 60_000_000


def test_every_issue_of_a_resource_is_reported(store, write_file):
    report = imported(
        store, write_file(as_json({"resourceType": "Organization", "nme": "x", "active": "yes"}))
    )

    assert report.refused == 1
    assert [issue.path for issue in report.refusals[0].issues] == [
        "Organization.nme",
        "Organization.active",
        "Organization.id",
    ]


def test_the_line_of_an_error_inside_a_long_document_is_reported(store, write_file):
    text = json.dumps(organization(alias=["a", "b"]), indent=2).replace('"a",', '"a"')

    report = imported(store, write_file(b"\n" + text.encode(), "long.json"))

    [refused] = report.refusals
    assert refused.place.line == 8
    assert "8" not in refused.issues[0].text("en")


def test_a_compressed_file_that_breaks_keeps_what_could_be_read(store, write_file):
    packed = gzip.compress(b"".join(generate_lines(600)))

    report = imported(store, write_file(packed[: len(packed) // 2], "cut.ndjson.gz"))

    assert report.created > 0
    assert [issue.key for issue in report.refusals[-1].issues] == ["import.unreadable"]


def generate_lines(count, seed=3):
    for line, _ in zip(generate("small", seed), range(count), strict=False):
        yield line + b"\n"


# --- Bundles --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "written"),
    [
        pytest.param("urn:uuid:6d0c4a7e-0c5a-4a9b-9f43-0d6a1a4d2f10", None, id="urn:uuid"),
        pytest.param("urn:oid:1.2.250.1.213", None, id="urn:oid"),
        pytest.param("https://other.example/fhir/Organization/1", None, id="absolute"),
        pytest.param("https://other.example/a?b=é", None, id="an address that is not RESTful"),
        pytest.param("urn:uuid:1", "urn:uuid:1/_history/3", id="with a version"),
    ],
)
@pytest.mark.parametrize("escaped", [False, True], ids=["plain", "escaped"])
def test_a_reference_to_an_entry_of_a_bundle_is_to_its_resource(
    store, write_file, address, written, escaped
):
    reference = {"reference": written or address, "display": f'"reference": "{address}"'}
    entries = bundle(
        {"fullUrl": address, "resource": organization("1")},
        {"fullUrl": "urn:uuid:2", "resource": organization("2", partOf=reference)},
    )
    text = json.dumps(entries)
    content = text.replace("/", "\\/") if escaped else text

    report = imported(store, write_file(content.encode()))

    part_of = json.loads(body(store, "2"))["partOf"]
    history = "/_history/3" if written else ""
    assert counts(report) == (2, 0, 0, 0)
    assert part_of == {**reference, "reference": f"Organization/1{history}"}
    assert store.dangling(10) == (0, [])


def test_a_reference_to_no_entry_of_a_bundle_stays_as_it_is(store, write_file):
    reference = {"reference": "urn:uuid:3"}
    entries = bundle(
        {"fullUrl": "urn:uuid:1", "resource": organization("1")},
        {"fullUrl": 7, "resource": organization("2", partOf=reference)},
    )

    report = imported(store, write_file(as_json(entries)))

    assert counts(report) == (2, 0, 0, 0)
    assert json.loads(body(store, "2"))["partOf"] == reference


# --- what is kept ---------------------------------------------------------------------------------


def test_the_content_is_kept_exactly_and_begins_with_type_and_id(store, write_file):
    text = (
        '{"name":"Hôpital \\u00e9","id":"1","meta":{"versionId":"7","lastUpdated":"2024-05-06T07:08:09.123+02:00"},'
        '"extension":[{"url":"u","valueDecimal":2.10},{"url":"v","valueDecimal":0.000}],"resourceType":"Organization"}'
    )

    imported(store, write_file(text.encode()))

    assert body(store).decode() == (
        '{"resourceType":"Organization","id":"1",'
        '"meta":{},"name":"Hôpital é",'
        '"extension":[{"url":"u","valueDecimal":2.10},{"url":"v","valueDecimal":0.000}]}'
    )
    assert (
        store.read("Organization", "1").source_updated
        == covering("2024-05-06T07:08:09.123+02:00").first
    )


def test_a_resource_without_date_is_imported_once(store, write_file):
    file = write_file(as_json(organization()))
    imported(store, file)
    before = store.read("Organization", "1")

    report = imported(store, file)

    assert counts(report) == (0, 0, 1, 0)
    assert store.read("Organization", "1") == before
    assert before.source_updated == 0


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param("2.10", "2.10", (0, 0, 1, 0), id="the same"),
        pytest.param("2.10", "2.1", (0, 1, 0, 0), id="other digits of the same number"),
        pytest.param("2", "2.0", (0, 1, 0, 0), id="a whole number and its decimal"),
    ],
)
def test_only_a_change_of_content_makes_a_version(store, write_file, first, second, expected):
    text = '{{"resourceType":"Organization","id":"1","name":"a","extension":[{{"url":"u","valueDecimal":{}}}]}}'
    imported(store, write_file(text.format(first).encode()))

    assert counts(imported(store, write_file(text.format(second).encode()))) == expected
    assert len(store.history("Organization", "1")) == 1 + expected[1]


def test_the_order_of_members_is_not_content(store, write_file):
    imported(
        store, write_file(b'{"resourceType":"Organization","id":"1","name":"a","active":true}')
    )

    report = imported(
        store, write_file(b'{"active":true, "name":"a","id":"1","resourceType":"Organization"}')
    )

    assert counts(report) == (0, 0, 1, 0)


def test_of_two_versions_in_one_import_the_later_wins_and_both_are_counted(store, write_file):
    report = imported(
        store, write_file(as_json(organization(name="first"), organization(name="second")))
    )

    assert counts(report) == (1, 1, 0, 0)
    assert json.loads(body(store))["name"] == "second"
    assert [row.author for row in store.history("Organization", "1")] == ["import", "import"]


def test_a_second_import_of_a_repeated_resource_writes_both_versions_again(store, write_file):
    """
    The store cannot know that the first one is old news; the directory ends the same, with two more
    versions.
    """
    file = write_file(as_json(organization(name="first"), organization(name="second")))
    imported(store, file)

    report = imported(store, file)

    assert counts(report) == (0, 2, 0, 0)
    assert json.loads(body(store))["name"] == "second"
    assert len(store.history("Organization", "1")) == 4


def test_the_author_is_written_in_the_history(store, write_file):
    imported(store, write_file(as_json(organization())), author="ARS Bretagne")

    assert store.history("Organization", "1")[0].author == "ARS Bretagne"


def test_a_check_counts_and_keeps_nothing(store, write_file):
    report = Report()

    check(documents([write_file(as_json(organization(), {"id": "2"}))]), report, now=NOW)

    assert (report.accepted, report.refused, report.kept) == (1, 1, 0)
    assert store.last_change() == 0


# --- many -----------------------------------------------------------------------------------------


def test_workers_keep_the_same_directory_as_one_process(store, write_file, tmp_path):
    # Enough for the worker processes to be used, with a resource that changes from the first
    # batches to the last.
    file = write_file(
        as_json(organization("x", name="old"))
        + b"".join(generate_lines(3_000))
        + as_json(organization("x"))
    )
    alone = open_store(f"sqlite:///{tmp_path}/alone.db")

    together, here = imported(store, file, workers=2), imported(alone, file, workers=0)

    assert counts(together) == counts(here) == (together.created, 1, 0, 0)
    assert everything(store) == everything(alone)
    assert json.loads(body(store, "x"))["name"] == "CHU x"
    alone.close()


def everything(store):
    """All that a search or a read can see, whatever the order in which it came."""
    rows = [row for _, batch in store.all_index_rows() for row in batch]
    bodies = store.bodies([row.rid for row in rows])
    named = {row.rid: (row.type, row.id) for row in rows}
    return {
        (row.type, row.id): (
            row.entries,
            [named.get(target) for target in row.targets],
            (content.body, content.visibility, content.plan, content.version),
        )
        for row, content in zip(rows, bodies, strict=True)
    }


def test_running_again_changes_nothing(store, write_file):
    file = write_file(b"".join(generate_lines(1_500)))
    first = imported(store, file)
    last = store.last_change()

    again = imported(store, file)

    assert counts(again) == (0, 0, first.created, 0)
    assert store.last_change() == last


def test_the_report_matches_the_store_after_every_batch(store, write_file):
    seen = []

    def look(report):
        seen.append((report.created, sum(store.counts().values())))

    imported(store, write_file(b"".join(generate_lines(1_600))), listeners=Listeners(progress=look))

    assert len(seen) > 2
    assert all(reported == kept for reported, kept in seen)


def test_stopping_ends_after_the_batch_under_way(store, write_file):
    report = imported(
        store,
        write_file(b"".join(generate_lines(1_600))),
        listeners=Listeners(stopping=lambda: store.last_change() > 400),
    )

    assert report.interrupted
    assert report.created == sum(store.counts().values()) == 500


def test_a_directory_of_another_index_schema_is_refused(store, write_file):
    store.set_meta("index-schema", "0")

    with pytest.raises(UsageError):
        imported(store, write_file(as_json(organization())))

    assert store.last_change() == 0


# --- one at a time --------------------------------------------------------------------------------


def test_preparing_takes_text_or_a_decoded_resource():
    text = b'{"resourceType":"Location","id":"1","position":{"latitude":48.10,"longitude":-1.6}}'
    decoded = msgspec.json.Decoder(float_hook=Decimal).decode(text)

    assert isinstance(prepare(text, NOW), Draft)
    assert prepare(text, NOW) == prepare(decoded, NOW)


EXPLAINED = {
    "extension": [
        {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "error"}
    ]
}
"""What stands beside a primitive that has no value."""


def without_values(node, random):
    """The same with some of its primitives absent, for a reason that is given as FHIR has it."""
    if isinstance(node, list):
        return [without_values(item, random) for item in node]
    if not isinstance(node, dict):
        return node
    others = {}
    for name, value in node.items():
        is_object = isinstance(value, dict) or (
            isinstance(value, list) and isinstance(value[0], dict)
        )
        if is_object or name in ("resourceType", "id", "url", "div") or random.random() < 0.8:
            others[name] = without_values(value, random)
        elif isinstance(value, list):
            others |= {name: [None, *value], f"_{name}": [EXPLAINED]}
        else:
            others[f"_{name}"] = EXPLAINED
    return others


def test_values_absent_for_a_reason_break_no_import():
    random, drafts = Random(5), 0
    for line in small_directory()[::2]:
        incomplete = without_values(msgspec.json.decode(line), random)
        prepared = prepare(msgspec.json.encode(incomplete), NOW)

        assert isinstance(prepared, Draft | Refusal)
        drafts += isinstance(prepared, Draft)
    assert drafts > 500


def test_a_name_that_is_absent_and_a_place_without_latitude_are_kept(store, write_file):
    unnamed = organization("2", alias=[None, "CHU"], _alias=[EXPLAINED, None])
    place = {
        "resourceType": "Location",
        "id": "3",
        "position": {"_latitude": EXPLAINED, "longitude": 2},
    }

    report = imported(store, write_file(as_json(organization("1"), unnamed, place)))

    assert (report.created, report.refused) == (3, 0)


@pytest.mark.parametrize(
    "first",
    [b"[" * 100_000 + b"]" * 100_000, b'{"resourceType":"Bundle\xff","x":"Bundle"}'],
    ids=["too deep", "no text"],
)
def test_a_first_line_that_cannot_be_read_is_refused_alone(store, write_file, first):
    report = imported(
        store, write_file(first + b"\n" + as_json(organization("1"), organization("2")))
    )

    assert (report.created, report.refused) == (2, 1)


def test_nothing_breaks_preparing():
    """
    Whatever is given is a draft or a refusal: an import of a million lines must not end on one of
    them.
    """
    start = time.monotonic()
    deep = (
        b'{"resourceType":"Organization","id":"1","contained":' + b"[" * 5_000 + b"]" * 5_000 + b"}"
    )
    huge = b'{"resourceType":"Organization","id":"1","extension":[{"url":"u","valueDecimal":1e99999999999999999999}]}'
    lone = b'{"resourceType":"Organization","id":"1","name":"\\ud800"}'
    far = b'{"resourceType":"Organization","id":"1","name":"a","meta":{"lastUpdated":"9999-99-99T00:00:00Z"}}'

    for content in (
        deep,
        huge,
        lone,
        far,
        b"\0",
        b"nan",
        b"1e999",
        b"{}",
        b'{"resourceType":[]}',
        b'{"resourceType":{}}',
    ):
        assert isinstance(prepare(content, NOW), Refusal), content
    assert time.monotonic() - start < 5
