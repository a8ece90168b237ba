"""
Full text: what is a word, where words are read, which come first.

Deliberate breakages that these tests caught when they were written: a prefix accepted on every
word, the feminine that loses its accents, words of a telephone number, a label only read when it
was sent, the score of a dead version; what is outside the narrative of a resource that has one, or
a resource without narrative that `_text` never finds.
"""

import json
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ror.access import Viewer
from ror.errors import TooCostly
from ror.runtime import Directory
from ror.search.answer import bundle as searching
from ror.search.answer.engine import Search
from ror.search.answer.relevance import BEST, relevance
from ror.search.index import content
from ror.search.index.content import content_words, narrative_words
from ror.search.language.expression import And, Not, Or, Present, WordIs, has_relevance, matches
from ror.search.language.parse import parse
from ror.search.language.words import MAX_WORD_LENGTH, stem, words_of
from ror.standard.definitions import RESOURCE_TYPES, type_definition, type_names
from tests.conftest import OpenDirectory, small_directory
from tests.search import worlds
from tests.search.test_engine_law import USED, tree
from tests.waiting import until

SPECIALTIES = (
    "https://mos.esante.gouv.fr/NOS/TRE_R38-SpecialiteOrdinale/FHIR/TRE-R38-SpecialiteOrdinale"
)
CARDIOLOGY = {"coding": [{"system": SPECIALTIES, "code": "SM04"}]}
"""« Cardiologie et maladies vasculaires » (SM), without its label."""


# --- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("Hôpital Nord", ("hopital", "nord"), id="accents and case"),
        pytest.param(
            "l’hôpital d'Évreux", ("hopital", "evreux"), id="elision, whichever apostrophe"
        ),
        pytest.param(
            "jusqu'à 18h, qu'une fois", ("a", "18h", "une", "fois"), id="elided conjunctions"
        ),
        pytest.param(
            "aujourd'hui O'Connor",
            ("aujourd", "hui", "o", "connor"),
            id="an apostrophe without elision",
        ),
        pytest.param(
            "Cœur et Œuvre, Lætitia", ("coeur", "et", "oeuvre", "laetitia"), id="ligatures"
        ),
        pytest.param("E.H.P.A.D. – C.H.U", ("ehpad", "chu"), id="acronyms with dots"),
        pytest.param("S.A. de M. Durand", ("sa", "de", "m", "durand"), id="initials"),
        pytest.param(
            "Saint-Étienne (42000)",
            ("saint", "etienne", "42000"),
            id="hyphens, brackets and numbers",
        ),
        pytest.param("T2A 24h/24", ("t2a", "24h", "24"), id="letters with digits"),
        pytest.param("a_b", ("a", "b"), id="an underscore parts"),
        pytest.param("Больница", ("больница",), id="another alphabet"),
        pytest.param(" '’ -", (), id="no word"),
        pytest.param("x" * 100, ("x" * MAX_WORD_LENGTH,), id="an endless word"),
    ],
)
def test_a_text_is_cut_into_words(text, words):
    assert words_of(text) == words


@pytest.mark.parametrize(
    "words",
    [
        ("urgence", "urgences"),
        ("hopital", "hopitaux"),
        ("reseau", "reseaux"),
        ("medical", "medicale", "medicaux", "medicales"),
        ("infirmier", "infirmiere", "infirmiers", "infirmieres"),
        ("handicape", "handicapee", "handicapes", "handicapees"),
        ("etranger", "etrangere", "etrangers", "etrangeres"),
        ("chirurgien", "chirurgienne", "chirurgiennes"),
        ("professionnel", "professionnelle", "professionnels"),
        ("soin", "soins"),
        ("lit", "lits"),
        ("age", "ages", "agee", "agees"),
    ],
)
def test_a_plural_or_a_feminine_is_the_same_word(words):
    assert len({stem(word) for word in words}) == 1


@pytest.mark.parametrize(
    "pair", [("ehpad", "hopital"), ("ssr", "smr"), ("75001", "75002"), ("mas", "mat")]
)
def test_other_words_stay_other_words(pair):
    assert stem(pair[0]) != stem(pair[1])


@settings(deadline=None)
@given(st.text(max_size=60))
def test_words_are_their_own_words(text):
    """One normal form: what is indexed, read again, gives the same words."""
    words = words_of(text)

    assert words_of(" ".join(words)) == words
    assert not any(" " in word or "\0" in word or not word for word in words)


# --- where words are read -------------------------------------------------------------------------


def _all_words(resource: dict[str, Any]) -> set[str]:
    return {word for part in content_words(resource) for word in part.words}


READ = {
    "a name": ({"name": "mot"}, True),
    "an alias": ({"alias": ["autre", "mot"]}, True),
    "a comment": ({"comment": "un mot"}, True),
    "an extension of a name": (
        {"_name": {"extension": [{"url": "x", "valueString": "mot"}]}},
        True,
    ),
    "an extension in an extension": (
        {"extension": [{"url": "x", "extension": [{"valueString": "mot"}]}]},
        True,
    ),
    "the city": ({"address": {"city": "Mot"}}, True),
    "the text of a concept": ({"type": [{"text": "mot"}]}, True),
    "a label as sent": ({"type": [{"coding": [{"code": "1", "display": "mot"}]}]}, True),
    "a label in an extension": (
        {"extension": [{"url": "x", "valueCoding": {"code": "1", "display": "Mot"}}]},
        True,
    ),
    "the label of a tag": ({"meta": {"tag": [{"code": "1", "display": "mot"}]}}, True),
    "a text beside an empty one": (
        {"_alias": [None, {"extension": [{"url": "x", "valueString": "mot"}]}]},
        True,
    ),
    "the narrative": ({"text": {"div": "<div class='x'><b>m&#111;t</b>s</div>"}}, True),
    "an id": ({"id": "mot"}, False),
    "a profile": ({"meta": {"profile": ["https://example.org/mot"]}}, False),
    "a code": ({"type": [{"coding": [{"system": "mot", "code": "mot"}]}]}, False),
    "a status": ({"status": "mot"}, False),
    "an identifier": ({"identifier": [{"value": "mot", "type": {"text": "mot"}}]}, False),
    "an e-mail": ({"telecom": [{"value": "mot@example.org"}]}, False),
    "a reference": ({"partOf": {"reference": "Organization/mot"}}, False),
    "an attribute of the narrative": ({"text": {"div": "<div title='mot'>x</div>"}}, False),
    "a unit": (
        {"extension": [{"url": "x", "valueQuantity": {"value": 1, "code": "kg", "unit": "mot"}}]},
        False,
    ),
    "a telephone number of a contact": (
        {
            "extension": [
                {"url": f"{worlds.ROR}ror-healthcareservice-contact-telecom", "valueString": "mot"}
            ]
        },
        False,
    ),
}


@pytest.mark.parametrize(("members", "read"), READ.values(), ids=READ)
def test_what_people_read_is_full_text_and_nothing_else(members, read):
    resource = {"resourceType": "Organization", "id": "1", **members}

    assert ({"mot", "m", "mots"} & _all_words(resource) != set()) == read


def test_the_label_of_a_code_is_found_though_the_resource_does_not_carry_it():
    resource = {"resourceType": "HealthcareService", "id": "1", "specialty": [CARDIOLOGY]}

    assert "cardiologie" in _all_words(resource)


def test_the_words_said_are_those_of_the_narrative_alone():
    narrative = {"status": "generated", "div": "<div><b>Le m&#111;t</b> juste</div>"}
    resource = {"resourceType": "Location", "id": "1", "name": "Aile ouest", "text": narrative}

    assert narrative_words(resource) == [("", ("le", "mot", "juste"))]
    assert narrative_words({"resourceType": "Location", "id": "1", "name": "Aile ouest"}) == []


def test_a_word_of_the_name_counts_as_such_wherever_else_it_stands():
    resource = {
        "resourceType": "Location",
        "id": "1",
        "name": "Aile ouest",
        "description": "Dans l'aile",
    }

    assert content_words(resource) == [("n", ("aile", "ouest")), ("", ("dans",))]


def test_every_text_of_the_standard_is_read_or_left_aside_on_purpose():
    reached, pending = set(), [*RESOURCE_TYPES]
    while pending:
        name = pending.pop()
        if name not in reached and name in type_names():
            reached.add(name)
            pending += [
                one for element in type_definition(name).elements.values() for one in element.types
            ]
    texts = {
        element.name
        for name in reached
        for element in type_definition(name).elements.values()
        if {"string", "markdown", "xhtml"} & set(element.types)
    }

    assert texts >= content.TEXT_MEMBERS
    assert texts - content.TEXT_MEMBERS == LEFT_ASIDE


LEFT_ASIDE = {
    # Names and places of things for machines.
    *(
        "definition",
        "expression",
        # Of the requests that are sent to an endpoint; it may hold a secret.
        "header",
        "id",
        "linkId",
        "path",
        "question",
        "reference",
        "searchParam",
        "version",
    ),
    # Identifiers, telephone numbers, e-mails; figures.
    *("value", "data", "max", "unit"),
    # The paths of what must be supported.
    "mustSupport",
}


# --- searches -------------------------------------------------------------------------------------

PLACES = [
    {
        "resourceType": "Organization",
        "id": "o1",
        "name": "Centre hospitalier de l’Œuvre",
        "alias": ["CHO"],
    },
    {"resourceType": "Organization", "id": "o2", "name": "EHPAD Les Tilleuls"},
    {
        "resourceType": "Location",
        "id": "l1",
        "name": "Aile des urgences",
        "address": {"city": "La Rochelle"},
    },
    {
        "resourceType": "Location",
        "id": "l2",
        "name": "Bâtiment B",
        "description": "Entrée des urgences",
    },
    {
        "resourceType": "HealthcareService",
        "id": "h1",
        "name": "Consultations de cardiologie",
        "providedBy": {"reference": "Organization/o1"},
        "location": [{"reference": "Location/l1"}],
    },
    {
        "resourceType": "HealthcareService",
        "id": "h2",
        "name": "Avis du spécialiste",
        "specialty": [CARDIOLOGY],
        "providedBy": {"reference": "Organization/o2"},
        "location": [{"reference": "Location/l2"}],
    },
    {
        "resourceType": "HealthcareService",
        "id": "h3",
        "name": "Hébergement",
        "comment": "Urgence cardio-vasculaire : le 15",
        "providedBy": {"reference": "Organization/o2"},
        "location": [{"reference": "Location/l1"}, {"reference": "Location/l2"}],
    },
    {
        "resourceType": "PractitionerRole",
        "id": "p1",
        "healthcareService": [{"reference": "HealthcareService/h1"}],
    },
    {
        "resourceType": "Practitioner",
        "id": "told",
        "text": {"status": "additional", "div": "<div>Parle le breton</div>"},
        "name": [{"family": "Le Goff"}],
    },
    {"resourceType": "Practitioner", "id": "untold", "name": [{"family": "Breton"}]},
]


@pytest.fixture
def places(directory: OpenDirectory) -> Directory:
    return settled(directory(PLACES))


def settled(one: Directory) -> Directory:
    """The directory, once its index shows what was written: another thread may be at it."""
    assert until(lambda: one.index.view.seq == one.store.last_change())
    return one


def answer(one: Directory, request: str) -> dict[str, Any]:
    """The bundle of `Type?criteria`, criteria as they are written by hand."""
    resource_type, _, query = request.partition("?")
    pairs = [tuple(pair.split("=", 1)) for pair in query.split("&")]
    asked = parse(resource_type, pairs)
    return json.loads(
        searching.search(one.index, one.bodies, Viewer(1), asked, "http://ror/fhir", "fr").body
    )


def found(one: Directory, request: str) -> list[str]:
    return [entry["resource"]["id"] for entry in answer(one, request).get("entry", [])]


def scores(one: Directory, request: str) -> dict[str, float]:
    return {
        entry["resource"]["id"]: entry["search"]["score"]
        for entry in answer(one, request).get("entry", [])
    }


@pytest.mark.parametrize(
    ("request_", "ids"),
    [
        pytest.param(
            "HealthcareService?_content=cardio",
            ["h1", "h2", "h3"],
            id="UC6.S01: a prefix, a label, a word",
        ),
        pytest.param(
            "HealthcareService?_content=Cardiologie",
            ["h1", "h2"],
            id="a whole word, a label among others",
        ),
        pytest.param(
            "HealthcareService?_content=cardiologies",
            ["h1", "h2"],
            id="a plural finds the singular",
        ),
        pytest.param("Location?_content=urgence", ["l1", "l2"], id="a singular finds the plural"),
        pytest.param(
            "HealthcareService?_content=cardiologie consu",
            ["h1"],
            id="all the words, the last one begun",
        ),
        pytest.param(
            "HealthcareService?_content=consu cardiologie", [], id="only the last word is a prefix"
        ),
        pytest.param(
            "HealthcareService?_content=cardiologie consultation", ["h1"], id="order is no matter"
        ),
        pytest.param("Organization?_content=l'oeuvre", ["o1"], id="elision and ligature"),
        pytest.param("Organization?_content=hospitaliers centres", ["o1"], id="plurals of both"),
        pytest.param(
            "Organization?_content=ehpad de la tilleul", ["o2"], id="small words are not looked for"
        ),
        pytest.param("Organization?_content=les", ["o2"], id="unless there is no other"),
        pytest.param('Organization?_content="les tilleuls"', ["o2"], id="quotes change nothing"),
        pytest.param(
            "Organization?_content=e.h.p.a.d.,cho", ["o1", "o2"], id="a comma offers a choice"
        ),
        pytest.param("Organization?_content=ehpad&_content=cho", [], id="two criteria both hold"),
        pytest.param(
            "HealthcareService?location._content=rochelle",
            ["h1", "h3"],
            id="on the places of an offer",
        ),
        pytest.param(
            "HealthcareService?organization._content=tilleul",
            ["h2", "h3"],
            id="on its organisation",
        ),
        pytest.param(
            "HealthcareService?_has:PractitionerRole:service:_content=x",
            [],
            id="behind a role: nothing",
        ),
        pytest.param(
            "Location?_has:HealthcareService:location:_content=cardiologie",
            ["l1", "l2"],
            id="backwards",
        ),
        pytest.param("PractitionerRole?_content:missing=true", ["p1"], id="no text at all"),
        pytest.param(
            "HealthcareService?_filter=(_content=rochelle or location._content=rochelle)",
            ["h1", "h3"],
            id="UC6.S02",
        ),
        pytest.param(
            "HealthcareService?_filter=not(_content eq cardiologie)", ["h3"], id="negated"
        ),
        pytest.param(
            "Practitioner?_content=breton", ["told", "untold"], id="_content reads narratives too"
        ),
        pytest.param(
            "Practitioner?_text=parler bretons", ["told"], id="FHIR R4: _text reads the narrative"
        ),
        pytest.param("Practitioner?_text=goff", [], id="FHIR R4: and nothing else of who has one"),
        pytest.param(
            "Practitioner?_text=breton", ["told", "untold"], id="who has none is read whole"
        ),
        pytest.param("Practitioner?_text:missing=true", ["untold"], id="who has none"),
        pytest.param("HealthcareService?_text=cardio", ["h1", "h2", "h3"], id="_text on offers"),
        pytest.param(
            "HealthcareService?location._text=rochelle", ["h1", "h3"], id="_text behind a link"
        ),
        pytest.param(
            "Practitioner?_filter=not(_text co breton or _text eq goff)", [], id="_text in a filter"
        ),
        pytest.param(
            "HealthcareService?_filter=_text=rochelle or location._text=rochelle",
            ["h1", "h3"],
            id="both",
        ),
    ],
)
def test_full_text_finds(places, request_, ids):
    assert found(places, request_) == ids


@pytest.mark.parametrize("resource_type", RESOURCE_TYPES)
def test_every_type_has_full_text(resource_type):
    asked = parse(resource_type, [("_content", "a,b c")]).expression
    said = parse(resource_type, [("_text", "a")]).expression

    assert asked == Or(
        (
            WordIs("_content", "a", True),
            And((WordIs("_content", "b"), WordIs("_content", "c", prefix=True))),
        )
    )
    assert said == Or(
        (WordIs("_text", "a", True), And((Not(Present("_text")), WordIs("_content", "a", True))))
    )


def test_a_question_of_a_thousand_words_is_enough():
    assert parse("Location", [("_content", "mot " * 1000)]).expression

    with pytest.raises(TooCostly):
        parse("Location", [("_content", "mot " * 600 + "," + "mot " * 401)])


def test_a_deleted_or_changed_resource_is_no_longer_found(directory):
    one = settled(directory(PLACES))
    assert found(one, "Organization?_content=ehpad") == ["o2"]

    address = {"city": "Les Tilleuls"}
    directory(
        [{"resourceType": "Organization", "id": "o2", "name": "Résidence", "address": [address]}]
    )
    changed = settled(one)

    assert found(changed, "Organization?_content=ehpad") == []
    assert scores(changed, "Organization?_content=tilleuls") == {"o2": 0.5}


# --- scores ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        pytest.param(
            "HealthcareService?_content=cardiologie", {"h1": 1, "h2": 0.5}, id="name before label"
        ),
        pytest.param(
            "HealthcareService?_content=cardiologies", {"h1": 0.9, "h2": 0.45}, id="of one stem"
        ),
        pytest.param(
            "HealthcareService?_content=cardio",
            {"h1": 0.8, "h2": 0.4, "h3": 0.5},
            id="word before prefix",
        ),
        pytest.param("Organization?_content=centre oeu", {"o1": 0.9}, id="the mean of the words"),
        pytest.param("Organization?_content=ehpad,absent", {"o2": 1}, id="the best of a choice"),
        pytest.param(
            "Practitioner?_text=breton", {"told": 0.5, "untold": 1}, id="the narrative, or a name"
        ),
        pytest.param(
            "HealthcareService?location._content=urgences",
            {"h1": 0.5, "h2": 0.25, "h3": 0.5},
            id="a link",
        ),
        pytest.param(
            "HealthcareService?_content=cardiologie&location._content=urgences",
            {"h1": 0.75, "h2": 0.375},
            id="both",
        ),
        pytest.param(
            "HealthcareService?_content=cardiologie&name=cons",
            {"h1": 1},
            id="other criteria say nothing",
        ),
        pytest.param(
            "Location?_has:HealthcareService:location:_content=cardiologie",
            {"l1": 0.5, "l2": 0.25},
            id="has",
        ),
    ],
)
def test_a_match_is_worth_what_it_says(places, request_, expected):
    assert scores(places, request_) == expected


@pytest.mark.parametrize(
    "request_", ["Organization?name=ehpad", "HealthcareService?_filter=not(_content eq absent)"]
)
def test_without_words_to_find_there_is_no_score(places, request_):
    entries = answer(places, request_)["entry"]

    assert entries
    assert all(entry["search"] == {"mode": "match"} for entry in entries)


def test_only_matches_have_a_score(places):
    entries = answer(
        places, "HealthcareService?_content=consultations&_include=HealthcareService:location"
    )["entry"]

    assert [entry["search"] for entry in entries] == [
        {"mode": "match", "score": 1},
        {"mode": "include"},
    ]


def test_the_best_come_first_when_asked_for(places):
    assert found(places, "HealthcareService?_content=cardio&_sort=_score") == ["h1", "h3", "h2"]
    assert found(places, "HealthcareService?_content=cardio&_sort=-_score") == ["h2", "h3", "h1"]
    assert found(places, "HealthcareService?location._content=urgences&_sort=_score,-_id") == [
        "h3",
        "h1",
        "h2",
    ]


def test_pages_by_score_show_each_match_once(directory):
    one = settled(directory([json.loads(line) for line in small_directory()]))
    request = "HealthcareService?_content=a,c,medecine&_sort=_score&_count=7"
    seen, marks = [], []
    while request:
        bundle = answer(one, request)
        seen += [entry["resource"]["id"] for entry in bundle["entry"]]
        marks += [entry["search"]["score"] for entry in bundle["entry"]]
        following = next(
            (link["url"] for link in bundle["link"] if link["relation"] == "next"), None
        )
        request = following and "HealthcareService?" + "&".join(
            map("=".join, parse_qsl(urlsplit(following).query))
        )

    assert len(seen) == len(set(seen)) == bundle["total"] > 50
    assert marks == sorted(marks, reverse=True)
    assert len(set(marks)) > 2


# --- laws -----------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_a_score_is_from_0_to_1_and_a_match_of_words_alone_has_one(seed):
    random = Random(seed)
    world = worlds.SlowWorld(worlds.batches(random))
    search = Search(world.view, Viewer(1))
    for _ in range(20):
        resource_type = random.choice(tuple(USED))
        asked = tree(random, resource_type, 3)
        among = search.evaluate(asked, resource_type)

        given_scores = relevance(search, asked, resource_type, among)

        assert len(given_scores) == len(among)
        assert all(0 <= score <= BEST for score in given_scores.tolist())
        if not has_relevance(asked):
            assert not given_scores.any()


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_the_score_of_a_word_does_not_depend_on_who_else_is_shown(seed):
    random = Random(seed)
    world = worlds.SlowWorld(worlds.batches(random))
    search = Search(world.view, Viewer(1))
    asked = WordIs(
        "_content", random.choice(("centre", "hospital", "tilleuls", "code")), prefix=True
    )

    for resource_type in ("Organization", "HealthcareService", "Location"):
        among = search.evaluate(asked, resource_type)
        together = relevance(search, asked, resource_type, among).tolist()
        alone = [
            relevance(search, asked, resource_type, type(among)([rid])).item() for rid in among
        ]

        assert together == alone
        assert all(together)
        assert len(among) == sum(
            matches(asked, facts, world) for facts in world.of_type(resource_type)
        )
