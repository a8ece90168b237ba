"""What an import makes of files in XML: the same as of the same resources in JSON."""

import gzip
import io
import itertools
import json
import sys
from types import SimpleNamespace

import pytest

from ror.directory.importing import Report, check, documents, run
from ror.resources import xml
from ror.samples import generate
from ror.store import open_store
from tests.test_hostile_xml import REFUSED
from tests.test_xml import fhir

NOW = 1_790_000_000_000_000
CHU = fhir('<id value="1"/><name value="CHU"/>')


@pytest.fixture
def store(tmp_path):
    opened = open_store(f"sqlite:///{tmp_path}/ror.db")
    yield opened
    opened.close()


def imported(store, *names):
    report = Report()
    run(store, documents([str(name) for name in names]), report, now=NOW, workers=0)
    return report


def checked(name, **limits):
    report = Report()
    check(documents([str(name)], **limits), report, now=NOW, workers=0)
    return report


def test_the_same_resources_in_xml_change_nothing(store, tmp_path):
    bodies = list(itertools.islice(generate("small"), 60))
    (tmp_path / "all.ndjson").write_bytes(b"\n".join(bodies))
    folder = tmp_path / "xml"
    folder.mkdir()
    for number, body in enumerate(bodies):
        document = xml.from_json(body, is_pretty=bool(number % 2))
        if number % 3:
            (folder / f"{number}.XML").write_bytes(document)
        else:
            (folder / f"{number}.xml.gz").write_bytes(gzip.compress(document))

    first = imported(store, tmp_path / "all.ndjson")
    again = imported(store, folder)

    assert (first.created, first.refused) == (60, 0)
    assert (again.unchanged, again.kept, again.refused) == (60, 60, 0)


def test_the_entries_of_a_bundle_in_xml_are_imported_one_by_one(store, tmp_path):
    entries = (
        '<entry><fullUrl value="urn:uuid:6a4a1ff4-9c2b-4b0e-8b8a-0a4f3a1f3d11"/>'
        '<resource><Organization><id value="ej"/><name value="CHU"/></Organization></resource></entry>'
        '<entry><resource><Location><id value="l"/><managingOrganization>'
        '<reference value="urn:uuid:6a4a1ff4-9c2b-4b0e-8b8a-0a4f3a1f3d11"/></managingOrganization>'
        "</Location></resource></entry>"
        '<entry><resource><Location><id value="l2"/><status value="open"/></Location></resource></entry>'
    )
    file = tmp_path / "bundle.xml"
    file.write_bytes(b"\n\n" + fhir(f'<type value="collection"/>{entries}', "Bundle"))

    report = imported(store, file)

    assert (report.created, report.refused) == (2, 1)
    body = json.loads(store.read("Location", "l").body)
    assert body["managingOrganization"]["reference"] == "Organization/ej"
    [refused] = report.refusals
    assert (refused.place.line, refused.place.entry) == (3, 2)
    assert refused.path(refused.issues[0]) == "Bundle.entry[2].resource.status"


def test_xml_is_read_from_standard_input(store, monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(CHU))))

    assert imported(store, "-").created == 1


@pytest.mark.parametrize(
    ("document", "key", "path"),
    [
        pytest.param(*row[1:], id=row[0])
        for row in REFUSED
        if row[1].lstrip().startswith(b"<") and b"\0" not in row[1]
    ],
)
def test_what_is_no_resource_in_xml_is_refused_with_its_path(document, key, path, tmp_path):
    file = tmp_path / "refused.xml"
    file.write_bytes(document)

    [refused] = checked(file).refusals

    [issue] = refused.issues
    assert (issue.key, refused.path(issue)) == (key, path or "")
    assert issue.text("fr") and issue.text("en")


def test_a_refusal_in_xml_names_the_line_of_the_file(tmp_path):
    file = tmp_path / "refused.xml"
    file.write_bytes(b"\n\n" + fhir('\n<id value="1"/>\n<nme value="x"/>\n'))

    [refused] = checked(file).refusals

    assert refused.place.line == 5


def test_a_document_in_xml_that_is_too_large_is_not_read(tmp_path):
    file = tmp_path / "large.xml.gz"
    file.write_bytes(gzip.compress(fhir(f'<id value="1"/>\n<name value="{"x" * 10_000_000}"/>')))

    [refused] = checked(file, largest=1_000_000).refusals

    assert refused.issues[0].key == "import.large-document"
