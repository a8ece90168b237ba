"""
What is no resource in XML, or hostile, is refused by name, with its path; nothing makes the reader
fail.
"""

import itertools
import json
import re
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ror.errors import RorError
from ror.resources import xml
from ror.resources.validation import validate
from ror.samples import generate
from tests.amounts import amount
from tests.test_xml import XHTML, fhir

# --- what is refused ------------------------------------------------------------------------------

REFUSED = [
    ("not XML", b"<Organization", "xml.not-well-formed", None),
    ("nothing", b"", "xml.not-well-formed", None),
    ("two roots", fhir('<id value="1"/>') * 2, "xml.not-well-formed", None),
    ("an undefined entity", fhir('<name value="&x;"/>'), "xml.not-well-formed", None),
    ("an entity of HTML", fhir('<name value="&eacute;"/>'), "xml.not-well-formed", None),
    ("Latin-1", fhir('<name value="\xe9"/>').decode().encode("latin-1"), "xml.not-well-formed", None),
    (
        "a declared Latin-1",
        b'<?xml version="1.0" encoding="ISO-8859-1"?>' + fhir('<id value="1"/>'),
        "xml.not-utf-8",
        None,
    ),
    ("UTF-16", fhir('<id value="1"/>').decode().encode("utf-16"), "xml.not-utf-8", None),
    ("UTF-16 without its mark", fhir('<id value="1"/>').decode().encode("utf-16-le"), "xml.not-utf-8", None),
    ("a DTD", b"<!DOCTYPE Organization>" + fhir('<id value="1"/>'), "xml.dtd", None),
    (
        "a file in an entity",
        b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>' + fhir('<name value="&f;"/>'),
        "xml.dtd",
        None,
    ),
    (
        "entities of entities",
        b'<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;&a;">]>' + fhir('<name value="&b;"/>'),
        "xml.dtd",
        None,
    ),
    (
        "very deep",
        fhir('<extension url="x">' * 300 + "</extension>" * 300),
        "xml.too-deep",
        "Organization" + ".extension[0]" * 199,
    ),
    ("no namespace", b'<Organization><id value="1"/></Organization>', "xml.namespace", None),
    ("another namespace", b'<Organization xmlns="urn:hl7-org:v3"/>', "xml.namespace", None),
    ("an element elsewhere", fhir('<name xmlns="" value="x"/>'), "xml.namespace", "Organization"),
    ("a div of FHIR", fhir("<text><div>x</div></text>"), "xml.namespace", "Organization.text"),
    ("no resource", fhir("", "Narrative"), "xml.not-a-resource", None),
    ("a type without table", fhir('<id value="1"/>', "Patient"), "xml.no-table", None),
    (
        "a contained type without table",
        fhir('<contained><Patient><id value="p"/></Patient></contained>'),
        "xml.no-table",
        "Organization.contained[0]",
    ),
    (
        "two contained in one",
        fhir("<contained>" + '<Location><id value="l"/></Location>' * 2 + "</contained>"),
        "xml.repeated",
        "Organization.contained[0].Location",
    ),
    ("an unknown element", fhir('<nme value="x"/>'), "xml.unknown-element", "Organization.nme"),
    (
        "an unknown element deeper",
        fhir('<telecom><rank value="1"/></telecom><telecom><x/></telecom>'),
        "xml.unknown-element",
        "Organization.telecom[1].x",
    ),
    (
        "an element inside a value",
        fhir('<name value="x"><value value="y"/></name>'),
        "xml.unknown-element",
        "Organization.name.value",
    ),
    (
        "an element before its place",
        fhir('<name value="x"/><active value="true"/>'),
        "xml.order",
        "Organization.active",
    ),
    (
        "repeated elements apart",
        fhir('<alias value="x"/><telecom><value value="1"/></telecom><alias value="y"/>'),
        "xml.order",
        "Organization.alias",
    ),
    ("twice", fhir('<name value="x"/><name value="y"/>'), "xml.repeated", "Organization.name"),
    (
        "two types of a choice",
        fhir('<extension url="x"><valueCode value="a"/><valueString value="b"/></extension>'),
        "xml.repeated",
        "Organization.extension[0].value",
    ),
    ("an empty root", fhir(""), "xml.empty", "Organization"),
    ("an empty object", fhir("<contact/>"), "xml.empty", "Organization.contact[0]"),
    ("an empty value", fhir("<name/>"), "xml.empty", "Organization.name"),
    ("nothing contained", fhir("<contained/>"), "xml.empty", "Organization.contained[0]"),
    ("an attribute", fhir('<name value="x" lang="fr"/>'), "xml.unknown-attribute", "Organization.name"),
    ("a value on an object", fhir('<meta value="x"/>'), "xml.unknown-attribute", "Organization.meta"),
    (
        "the id of a resource as an attribute",
        b'<Organization xmlns="http://hl7.org/fhir" id="1"><active value="true"/></Organization>',
        "xml.unknown-attribute",
        "Organization",
    ),
    (
        "the namespace of a schema deeper",
        fhir(
            '<meta xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:schemaLocation="x">'
            '<source value="urn:x"/></meta>'
        ),
        "xml.unknown-attribute",
        "Organization.meta",
    ),
    ("a text", fhir("<name>CHU</name>"), "xml.text", "Organization.name"),
    ("a text between elements", fhir('<id value="1"/> et <name value="x"/>'), "xml.text", "Organization"),
    ("CDATA", fhir("<name><![CDATA[CHU]]></name>"), "xml.text", "Organization.name"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("document", "key", "path"), [pytest.param(*row[1:], id=row[0]) for row in REFUSED]
)
def test_what_is_no_resource_in_xml_is_refused(document, key, path):
    with pytest.raises(xml.NotFhirXml) as refused:
        xml.read(document)

    error = refused.value
    assert (error.key, error.expression, error.status) == (key, path, 400)
    assert error.text("fr") and error.text("en")


def test_a_refusal_names_the_line():
    with pytest.raises(xml.NotFhirXml) as refused:
        xml.read(fhir('\n<id value="1"/>\n<nme value="x"/>\n'))

    assert refused.value.line == 3


@pytest.mark.parametrize(
    "document",
    [
        b'<?xml version="1.0" encoding="utf-8" standalone="yes"?>\n<!-- c -->'
        + fhir('<id value="1"/>'),
        b"\xef\xbb\xbf" + fhir(' \r\n\t<!-- c --><?p i?><id value="1"/> '),
        b'<f:Organization xmlns:f="http://hl7.org/fhir"><f:id value="1"/></f:Organization>',
        b'<Organization xmlns="http://hl7.org/fhir" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        b' xsi:schemaLocation="http://hl7.org/fhir ../x.xsd"><id value="1"/></Organization>',
        fhir("<id value='&#x31;'></id>"),
    ],
)
def test_what_means_nothing_is_left_aside(document):
    assert xml.read(document) == {"resourceType": "Organization", "id": "1"}


@pytest.mark.parametrize(
    ("content", "path"),
    [
        ('<active value="yes"/>', "Organization.active"),
        ('<active value="TRUE"/>', "Organization.active"),
        ('<telecom><rank value="01"/></telecom>', "Organization.telecom[0].rank"),
        ('<telecom><rank value=" 1"/></telecom>', "Organization.telecom[0].rank"),
        ('<telecom><rank value="1.5"/></telecom>', "Organization.telecom[0].rank"),
        ('<name value=""/>', "Organization.name"),
    ],
)
def test_a_value_of_the_wrong_type_is_for_validation_to_refuse(content, path):
    issues = validate(xml.read(fhir(f'<id value="1"/>{content}')))

    assert path in [issue.path for issue in issues]


def test_an_exponent_that_no_number_has_is_no_number():
    number = "1e999999999999999999999"

    read = xml.read(fhir(f'<position><longitude value="{number}"/></position>', "Location"))

    assert read["position"]["longitude"] == number


# --- fuzzing --------------------------------------------------------------------------------------

SEEDS = [xml.from_json(body) for body in itertools.islice(generate("medium"), 60)]
HOSTILE = [b"<", b">", b'"', b"&", b"</", b"/>", b"\x00", b"\xff", b"<!--", b"<![CDATA[", b"<?x", b"&#0;",
           b"&#xD800;", b"]]>", b"<!DOCTYPE x [", b' xmlns="x"', b"<div>", b"<contained>", b"\xef\xbb\xbf"]  # fmt: skip


def mutated(document, random):
    """A document with some pieces cut, doubled, moved or replaced."""
    for _ in range(random.randint(1, 4)):
        tags = [found.span() for found in re.finditer(rb"<[^>]*>", document)] or [(0, 0)]
        start, end = random.choice(tags)
        at = random.randrange(len(document) + 1)
        document = random.choice(
            [
                document[:start] + document[end:],
                document[:end] + document[start:],
                document[:at] + document[start:end] + document[at:],
                document[:at] + random.choice(HOSTILE) + document[at:],
                document[:at] + random.randbytes(1) + document[at + 1 :],
                document[:at],
            ]
        )
    return document


@pytest.mark.long
def test_a_damaged_document_is_read_or_refused_and_never_fails():
    random = Random(13)
    refused = 0
    for number in range(amount(2_000, 50_000)):
        document = mutated(SEEDS[number % len(SEEDS)], random)
        try:
            resource = xml.read(document)
        except RorError as error:
            assert 400 <= error.status < 500
            assert error.text("en")
            refused += 1
        else:
            validate(resource)
            json.dumps(resource, default=str)
    assert refused > amount(2_000, 50_000) / 2


@settings(max_examples=amount(200, 5_000))
@given(st.binary())
def test_any_bytes_are_refused(content):
    with pytest.raises(xml.NotFhirXml):
        xml.read(content)


def test_a_very_wide_or_long_document_is_read_in_proportion():
    """Sizes at which what is quadratic takes minutes."""
    wide = xml.read(fhir('<alias value="x"/>' * 100_000))
    long = xml.read(fhir(f'<name value="{"x" * 5_000_000}"/>'))
    nested = "<b>" * 50_000 + "x" + "</b>" * 50_000
    narrative = xml.read(fhir(f'<text><div xmlns="{XHTML}">{nested}</div></text>'))

    assert len(wide["alias"]) == 100_000 and len(long["name"]) == 5_000_000
    assert nested in narrative["text"]["div"]
