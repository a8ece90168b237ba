"""Resources in XML are the same as in JSON, in both directions."""

import itertools
from decimal import Decimal
from pathlib import Path
from random import Random

import msgspec
import pytest
from fhir.resources.R4B import get_fhir_model_class
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree

from ror.resources import xml
from ror.resources.validation import validate
from ror.samples import generate
from ror.standard.definitions import type_definition, type_names
from tests.amounts import amount

XHTML = "http://www.w3.org/1999/xhtml"
EXAMPLES = sorted((Path(__file__).parent / "spec" / "examples").glob("*.json"))
PUBLISHED = sorted((Path(__file__).parents[2] / "shared" / "spec" / "examples").glob("*.json"))

decode = msgspec.json.Decoder(float_hook=Decimal).decode
encode = msgspec.json.Encoder(decimal_format="number", order="sorted").encode


def generated(count, seed=1):
    return itertools.islice(generate("medium", seed), count)


def fhir(content, resource_type="Organization"):
    """A document whose root holds this content."""
    return f'<{resource_type} xmlns="http://hl7.org/fhir">{content}</{resource_type}>'.encode()


def same_resource(body):
    """Asserts that JSON to XML to JSON changes nothing, not a digit, indented or not."""
    resource = decode(body)
    assert encode(xml.read(xml.from_json(body))) == encode(resource)
    assert encode(xml.read(xml.written(resource, is_pretty=True))) == encode(resource)


# --- round trip -----------------------------------------------------------------------------------


@pytest.mark.parametrize("file", [*EXAMPLES, *PUBLISHED], ids=lambda file: file.name)
def test_an_example_is_the_same_after_xml(file):
    same_resource(file.read_bytes())


@pytest.mark.long
def test_generated_resources_are_the_same_after_xml():
    for body in generated(amount(400, 10_000), seed=Random().randrange(1_000)):
        same_resource(body)


TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], include_characters="\t\n\r"), min_size=1
).filter(lambda text: "\ufffe" not in text and "\uffff" not in text)
NUMBERS = st.one_of(
    st.integers(-(10**30), 10**30).map(str),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.from_regex(r"\A-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?\Z"),
)
EXTENSIONS = st.deferred(
    lambda: st.lists(
        st.one_of(
            st.fixed_dictionaries({"url": st.just("https://x.org/e"), "valueString": TEXTS}),
            st.fixed_dictionaries(
                {"url": st.just("https://x.org/e"), "valueBoolean": st.booleans()}
            ),
            st.fixed_dictionaries({"url": st.just("https://x.org/e"), "extension": EXTENSIONS}),
        ),
        min_size=1,
        max_size=2,
    )
)
SIBLINGS = st.one_of(
    st.fixed_dictionaries({"id": st.from_regex(r"\A[a-z]{1,5}\Z")}),
    st.fixed_dictionaries({"extension": EXTENSIONS}),
)


@given(st.lists(st.tuples(st.none() | TEXTS, st.none() | SIBLINGS).filter(any), min_size=1))
@example([("a", None), (None, {"id": "x"}), ("b", {"id": "y"})])
def test_primitive_values_keep_their_ids_and_extensions(pairs):
    values, siblings = map(list, zip(*pairs, strict=True))
    resource = {"resourceType": "Organization"}
    resource |= {"alias": values} if any(values) else {}
    resource |= {"_alias": siblings} if any(siblings) else {}

    assert xml.read(xml.written(resource)) == resource


@given(NUMBERS)
@example("2.10")
@example("-0.0")
@example("1E+2")
def test_a_decimal_is_read_as_json_reads_it(number):
    position = f'{{"longitude":{number},"latitude":0}}'
    body = f'{{"resourceType":"Location","position":{position}}}'.encode()
    element = f'<position><longitude value="{number}"/><latitude value="0"/></position>'

    assert repr(xml.read(fhir(element, "Location"))) == repr(decode(body))
    # A number that the first reading wrote otherwise (1E0 as 1) stays as it is from then on.
    same_resource(encode(decode(body)))


@given(TEXTS)
@example(" a\r\n\tb & <c> \"d\" 'e' ]]> ")
def test_a_text_keeps_every_character(text):
    resource = {"resourceType": "Organization", "name": text}

    assert xml.read(xml.written(resource)) == resource
    # By a parser of others too.
    assert etree.fromstring(xml.written(resource))[0].get("value") == text


@pytest.mark.parametrize(
    "content",
    [
        "Bonjour",
        "<p class='x'>a<br></br>b<br/>c<hr />d</p>",
        "<p title='a>b' style=\"x\">&lt;b&gt; &amp; &quot;c&quot; &#233; &#xE9;</p>",
        "\n  <table>\n\t<tr ><td>été</td></tr >\r\n</table>\n",
        "<!-- a <b> comment --><img src='#1' alt=''/>",
        "<div>inside <div/> others</div>",
    ],
)
def test_a_narrative_keeps_every_character(content):
    div = f'<div xmlns="{XHTML}" >{content}</div >'
    resource = {"resourceType": "Organization", "text": {"status": "generated", "div": div}}
    assert validate({**resource, "name": "CHU"}) == []

    assert xml.read(xml.written(resource)) == resource


def test_the_entities_of_html_become_numbers_in_xml():
    div = f'<div xmlns="{XHTML}">&eacute;&nbsp;&amp;</div>'
    resource = {"resourceType": "Organization", "text": {"status": "generated", "div": div}}

    assert xml.read(xml.written(resource))["text"]["div"] == (
        f'<div xmlns="{XHTML}">&#233;&#160;&amp;</div>'
    )


@pytest.mark.parametrize(
    "document",
    [
        f'<Organization xmlns="http://hl7.org/fhir" xmlns:h="{XHTML}"><text><h:div class="h:x">'
        "a<h:b>b</h:b></h:div></text></Organization>",
        f'<f:Organization xmlns:f="http://hl7.org/fhir" xmlns="{XHTML}"><f:text><div class="h:x">'
        "a<b>b</b></div></f:text></f:Organization>",
    ],
    ids=["a prefix", "the default namespace of the root"],
)
def test_a_narrative_means_the_same_alone(document):
    read = xml.read(document.encode())

    assert read["text"]["div"] == f'<div xmlns="{XHTML}" class="h:x">a<b>b</b></div>'


def test_an_empty_div_ends_where_it_ends():
    div = f'<div xmlns="{XHTML}" title="a>b"/>'

    read = xml.read(fhir(f'<text><status value="empty"/>{div}</text><name value="CHU"/>'))

    assert read["text"]["div"] == div and read["name"] == "CHU"


def test_a_message_with_a_control_character_can_be_written():
    outcome = {"resourceType": "OperationOutcome", "issue": [{"diagnostics": "a\x01b\x85"}]}

    assert xml.read(xml.written(outcome))["issue"][0]["diagnostics"] == "a\ufffdb\x85"


# --- the standard ---------------------------------------------------------------------------------


def test_a_resource_is_written_as_the_standard_shows_it():
    """The shapes of FHIR R4, json.html#primitive and xml.html, on a resource of the directory."""
    resource = decode(
        b"""{
          "contact": [{"name": {"given": ["Anne", "Marie"], "_given": [null, {"id": "a"}],
            "_family": {"extension": [{"url": "https://x.org/no", "valueCode": "unknown"}]}}}],
          "telecom": [{"rank": 1, "value": "x", "id": "t1"}],
          "resourceType": "Organization", "active": true, "_active": {"id": "b"},
          "contained": [{"resourceType": "Location", "id": "l", "position":
            {"latitude": 48.850, "longitude": 2.30}}],
          "id": "1", "meta": {"tag": [{"code": "11", "system": "https://x.org/r"}]}
        }"""
    )

    assert xml.written(resource, is_pretty=True).decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<Organization xmlns="http://hl7.org/fhir">\n'
        '  <id value="1"/>\n'
        "  <meta>\n"
        "    <tag>\n"
        '      <system value="https://x.org/r"/>\n'
        '      <code value="11"/>\n'
        "    </tag>\n"
        "  </meta>\n"
        "  <contained>\n"
        "    <Location>\n"
        '      <id value="l"/>\n'
        "      <position>\n"
        '        <longitude value="2.30"/>\n'
        '        <latitude value="48.850"/>\n'
        "      </position>\n"
        "    </Location>\n"
        "  </contained>\n"
        '  <active id="b" value="true"/>\n'
        '  <telecom id="t1">\n'
        '    <value value="x"/>\n'
        '    <rank value="1"/>\n'
        "  </telecom>\n"
        "  <contact>\n"
        "    <name>\n"
        "      <family>\n"
        '        <extension url="https://x.org/no">\n'
        '          <valueCode value="unknown"/>\n'
        "        </extension>\n"
        "      </family>\n"
        '      <given value="Anne"/>\n'
        '      <given id="a" value="Marie"/>\n'
        "    </name>\n"
        "  </contact>\n"
        "</Organization>"
    )
    same_resource(encode(resource))


def test_a_bundle_and_its_resources_are_the_same_after_xml():
    resources = [decode(body) for body in generated(20)]
    entries = [
        {"fullUrl": "urn:uuid:1", "resource": one, "search": {"score": Decimal("0.50")}}
        for one in resources
    ]
    same_resource(
        encode({"resourceType": "Bundle", "type": "searchset", "total": 20, "entry": entries})
    )


def test_a_library_of_others_reads_the_same_resource():
    """R4B, the nearest release that fhir.resources has; these types are the same in it."""
    for body in generated(amount(70, 700)):
        resource = decode(body)
        model = get_fhir_model_class(resource["resourceType"])
        expected = model.model_validate_json(body)

        assert model.model_validate_xml(xml.written(resource)) == expected


def test_what_a_library_of_others_writes_is_read_as_the_same_resource():
    compared = 0
    for body in generated(amount(70, 700)):
        # It writes the ids of elements as elements, which the standard forbids.
        if body.count(b'"id":') > 1:
            continue
        model = get_fhir_model_class(decode(body)["resourceType"])
        expected = model.model_validate_json(body)

        assert model.model_validate_json(encode(xml.read(expected.model_dump_xml()))) == expected
        compared += 1
    assert compared > 30


@pytest.mark.parametrize(
    ("resource", "key"),
    [
        ({"resourceType": "Patient"}, "xml.no-table"),
        ({"name": "x"}, "xml.no-table"),
        ({"resourceType": "Organization", "contained": [{"resourceType": "Patient"}]}, "xml.no-table"),
        ({"resourceType": "Organization", "nme": "x"}, "xml.no-element"),
        ({"resourceType": "Organization", "name": {"a": 1}}, "xml.wrong-kind"),
        ({"resourceType": "Organization", "alias": "x"}, "xml.wrong-kind"),
        ({"resourceType": "Organization", "meta": "x"}, "xml.wrong-kind"),
        ({"resourceType": "Organization", "text": {"div": "</div></text><name/>"}}, "xml.wrong-kind"),
        (
            {"resourceType": "Organization", "text": {"div": f'<?xml version="1.0"?><div xmlns="{XHTML}">x</div>'}},
            "xml.wrong-kind",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_refused_by_name(resource, key):
    with pytest.raises(xml.NotWritable) as refused:
        xml.written(resource)

    assert (refused.value.key, refused.value.status) == (key, 406)


def test_every_type_with_a_table_can_be_written_and_read():
    resource_types = [name for name in type_names() if type_definition(name).kind == "resource"]
    assert {"Bundle", "OperationOutcome", "CapabilityStatement"} < set(resource_types)
    for name in set(resource_types) - {"Resource", "DomainResource"}:
        resource = {"resourceType": name, "id": "1", "language": "fr"}
        assert xml.read(xml.written(resource)) == resource
