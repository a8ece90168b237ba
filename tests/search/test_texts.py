"""
How strings compare (choice 5): what spaces and punctuation change, and what they do not.

Deliberate breakages that these tests caught: a typed space that never counts; one that counts
between digits; bits that count characters where keys count bytes; occurrences of a text that
overlap.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ror.search.index.columns import TextColumn
from ror.search.language.comparing import text_compares, without_spaces, word_breaks
from ror.search.language.expression import TextIs
from ror.search.language.values import normal_text

FOUND = [
    # Choice 5's own examples.
    ("starts", "Saint-Étienne", "saint etienne"),
    ("starts", "Saint Étienne", "SAINT-ETIENNE"),
    ("starts", "C.H. de Saint-Malo", "CH de Saint-Malo"),
    ("starts", "CH de Saint-Malo", "C.H. de Saint-Malo"),
    ("starts", "C H de Saint-Malo", "ch d"),
    ("starts", "35-G-01", "35G01"),
    ("starts", "35G01", "35-G-01"),
    ("starts", "42 100", "42100"),
    ("starts", "42100", "42 100"),
    # Every kind of dash, apostrophe and quote; dots, slashes, brackets.
    *(
        ("starts", f"Saint{dash}Lô", "saint lo")
        for dash in "-‐‑‒–—―−­/.·_,;:()[]{}«»“”\"'’‘`´!?&@#*\\"
    ),
    ("starts", "L’Haÿ-les-Roses", "l'hay les roses"),
    ("starts", "L’Haÿ-les-Roses", "L Haÿ"),
    ("starts", "« Les Tilleuls » (EHPAD)", "les tilleuls ehpad"),
    # A space that the search leaves out.
    ("starts", "Saint-Étienne", "saintetienne"),
    ("starts", "Hôtel-Dieu", "hoteldieu"),
    ("contains", "Centre hospitalier de Saint-Étienne", "saintetienne"),
    # Two whole texts, whichever has the space.
    ("starts", "Saintetienne", "saint etienne"),
    ("contains", "Saintetienne", "saint etienne"),
    # The middle and the end.
    ("contains", "Centre hospitalier de Saint-Étienne", "de saint e"),
    ("contains", "EHPAD n° 12-bis", "12 bis"),
    ("ends", "Centre hospitalier de Saint-Étienne", "saint etienne"),
    ("contains", "coco coco rico", "coco rico"),
    # Signs are part of words.
    ("starts", "Bâtiment B+", "batiment b+"),
    # Nothing but punctuation.
    ("starts", "…", "..."),
]
NOT_FOUND = [
    ("starts", "Sainte-Foy", "saint e"),
    ("starts", "Sainte-Foy", "saint-e"),
    ("starts", "Chantilly", "ch antilly sud"),
    ("starts", "Saint-Étienne", "etienne"),
    ("contains", "Sainte-Foy", "saint e"),
    ("ends", "Maison Sainte", "saint e"),
    ("starts", "Bâtiment B", "batiment b+"),
    ("starts", "Bâtiment B", "…"),
]


@pytest.mark.parametrize(("how", "value", "text"), FOUND)
def test_a_text_is_found(how, value, text):
    assert text_compares(how, normal_text(value), normal_text(text))


@pytest.mark.parametrize(("how", "value", "text"), NOT_FOUND)
def test_a_text_is_not_found(how, value, text):
    assert not text_compares(how, normal_text(value), normal_text(text))


# --- laws -----------------------------------------------------------------------------------------

SEPARATORS = " -.'/’"
CHARACTERS = "ab1é" + SEPARATORS
TEXTS = st.text(CHARACTERS, max_size=12)


@given(TEXTS, st.data())
def test_what_differs_by_its_separators_alone_is_one(text, data):
    other = "".join(
        one + data.draw(st.sampled_from(("", *SEPARATORS))) for one in text if one not in SEPARATORS
    )

    for how in ("starts", "contains", "ends") if text.strip(SEPARATORS) else ():
        assert text_compares(how, normal_text(text), normal_text(other))


@given(TEXTS, st.integers(0, 12), st.integers(0, 12))
def test_what_is_typed_of_a_value_finds_it_with_its_separators_or_without(value, first, after):
    typed = {
        "starts": normal_text(value[:after]),
        "contains": normal_text(value[first:after]),
        "ends": normal_text(value[first:]),
    }

    for how, text in typed.items():
        if not any(map(str.isalnum, text)):
            continue
        assert text_compares(how, normal_text(value), text)
        assert text_compares(how, normal_text(value), without_spaces(text))


@given(st.text("abé", min_size=2, max_size=5), st.integers(1, 4), st.text("abé -", max_size=6))
def test_a_space_typed_inside_a_word_finds_no_more_than_that_word_alone(word, at, rest):
    typed = normal_text(f"{word[:at]} {word[at:]}")
    value = normal_text(f"{word} {rest}c")

    if word_breaks(typed):
        assert not text_compares("starts", value, typed)


@given(TEXTS)
def test_a_normal_form_is_its_own(text):
    assert normal_text(normal_text(text)) == normal_text(text)


PARTS = st.lists(
    st.sampled_from(("a", "b", "ab", "aba", "1", "12", "é", "κ", " ", " ", "-", "a" * 61)),
    max_size=8,
).map("".join)


@settings(max_examples=400)
@given(st.lists(PARTS, min_size=1, max_size=8), PARTS, st.integers(0, 4), st.integers(1, 70))
def test_a_column_finds_what_compares(values, typed, first, length):
    # Half of the searches are pieces of a value, so that many find something.
    text = normal_text(typed if first % 2 else values[0][first : first + length])
    keys = [f"{normal_text(value)}\0{value}" for value in values]
    column = TextColumn.of(keys, list(range(len(keys))), len(keys))

    for how in ("starts", "contains", "ends") if text else ():
        expected = [
            slot for slot, key in enumerate(keys) if text_compares(how, key.split("\0")[0], text)
        ]
        assert list(column.select(TextIs("x", text, how))) == expected, how
