"""
What an explained answer says: how each criterion was understood, what it leaves, which one leaves
nothing.
"""

import re
from random import Random

import pytest

from ror.access import Viewer
from ror.search.answer.engine import Search
from ror.search.answer.in_words import explanation, in_words
from ror.search.language.parse import parse
from tests.search import worlds

PAIRS = [
    ("location.capacity-status", "02"),
    ("location.nb-capacity", "gt0"),
    ("name", "centre,clinique"),
]


def test_a_tree_reads_as_one_sentence():
    asked = parse("HealthcareService", PAIRS).expression

    assert in_words(asked, "en") == (
        "location points to a Location such that: [on one same record (capacity): all the criteria about it "
        '[capacity-status has the code "02" and nb-capacity is greater than 0]] '
        'and (name starts with "centre" or name starts with "clinique")'
    )


@pytest.mark.parametrize("language", ["fr", "en"])
def test_each_criterion_tells_what_it_keeps_alone_and_after_those_before_it(language):
    search = Search(worlds.SlowWorld(worlds.batches(Random(1))).view, Viewer(1))
    asked = parse("Location", [("status", "active"), ("address-city", "s")])
    first, second = (search.evaluate(part, "Location") for part in asked.expression.parts)
    assert first & second

    sentences = list(explanation(search, asked.expression, "Location", language))

    assert [
        [int(number) for number in re.findall(r"\d+", sentence)[-2:]] for sentence in sentences
    ] == [
        [len(first), len(first)],
        [len(second), len(first & second)],
    ]


def test_the_criterion_that_removes_the_last_ones_is_named():
    search = Search(worlds.SlowWorld(worlds.batches(Random(1))).view, Viewer(1))
    asked = parse(
        "Location", [("status", "active"), ("address-city", "nowhere"), ("status", "active")]
    )

    *_, last = explanation(search, asked.expression, "Location", "en")

    assert last.startswith(
        'Nothing is found because of criterion 2 (address-city starts with "nowhere"): without it,'
    )


@pytest.mark.parametrize("date", ["gt0001", "le9999", "0001-01-01"])
def test_a_date_at_the_end_of_the_calendar_is_told(date):
    assert "…" in in_words(parse("Location", [("_lastUpdated", date)]).expression, "fr")
