"""
One normal form for what is indexed and for what is asked.

Deliberate breakages that these tests caught: a day of 24 hours when the clocks change; NFD instead
of NFKD; a leap second refused; half a step that ignores the last digit written.
"""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ror.search.language.values import (
    EARLIEST,
    LATEST,
    SECOND,
    covering,
    covering_between,
    fold,
    half_step,
    instant_text,
    normal_system,
    normal_unit,
)

HOUR = 3600 * SECOND
DAY = 24 * HOUR


def instant(text: str) -> int:
    """Microseconds since the epoch, by the standard library."""
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp() * SECOND)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        pytest.param("CHU de Brest", "chu de brest", id="case"),
        pytest.param("Éléphant âgé", "elephant age", id="accents"),
        pytest.param("e\u0301le\u0301phant", "elephant", id="accents written apart"),
        pytest.param("Œuvre, CŒUR", "oeuvre, coeur", id="ligatures"),
        pytest.param("Æsop Straße", "aesop strasse", id="other ligatures"),
        pytest.param("ﬁn", "fin", id="typographic ligatures"),
        pytest.param(
            "l’Œil l‘œil l'œil lʼœil l´oeil l`oeil",
            "l'oeil l'oeil l'oeil l'oeil l'oeil l'oeil",
            id="quotes",
        ),
        pytest.param(
            "  deux\t\n espaces\u00a0insécables  ", "deux espaces insecables", id="spaces"
        ),
        pytest.param("ＣＨＵ", "chu", id="full width"),
        pytest.param("Saint-Lô / 2ᵉ", "saint-lo / 2e", id="superscripts; other signs stay"),
        pytest.param("İ", "i", id="a Turkish capital"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_folding_takes_away_what_a_person_would_not_mind(text, folded):
    assert fold(text) == folded


@given(st.text())
def test_folding_twice_is_folding_once(text):
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize("length", [255, 256, 257, 1000])
def test_a_long_text_folds_as_a_short_one(length):
    assert fold("É" * length) == "e" * length


@pytest.mark.parametrize(
    ("text", "first", "after"),
    [
        pytest.param(
            "2024", "2024-01-01T00:00+01:00", "2025-01-01T00:00+01:00", id="a year, in Paris"
        ),
        pytest.param(
            "2024-02", "2024-02-01T00:00+01:00", "2024-03-01T00:00+01:00", id="a leap month"
        ),
        pytest.param(
            "2024-03",
            "2024-03-01T00:00+01:00",
            "2024-04-01T00:00+02:00",
            id="a month of two offsets",
        ),
        pytest.param(
            "2024-02-29", "2024-02-29T00:00+01:00", "2024-03-01T00:00+01:00", id="a leap day"
        ),
        pytest.param(
            "2026-03-29", "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00", id="a day of 23 hours"
        ),
        pytest.param(
            "2026-10-25", "2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00", id="a day of 25 hours"
        ),
        pytest.param(
            "2026-07-01T10:30",
            "2026-07-01T10:30+02:00",
            "2026-07-01T10:31+02:00",
            id="a minute, in Paris",
        ),
        pytest.param(
            "2026-07-01T10:30:15",
            "2026-07-01T10:30:15+02:00",
            "2026-07-01T10:30:16+02:00",
            id="a second",
        ),
        pytest.param(
            "2026-07-01T10:30:15Z",
            "2026-07-01T10:30:15+00:00",
            "2026-07-01T10:30:16+00:00",
            id="UTC",
        ),
        pytest.param(
            "2026-07-01T10:30:15-04:00",
            "2026-07-01T14:30:15+00:00",
            "2026-07-01T14:30:16+00:00",
            id="an offset",
        ),
        pytest.param(
            "2026-07-01T10:30:15.5Z",
            "2026-07-01T10:30:15.500+00:00",
            "2026-07-01T10:30:15.600+00:00",
            id="a tenth",
        ),
        pytest.param(
            "2026-07-01T10:30:15.123Z",
            "2026-07-01T10:30:15.123+00:00",
            "2026-07-01T10:30:15.124+00:00",
            id="a millisecond",
        ),
        pytest.param(
            "2016-12-31T23:59:60Z",
            "2016-12-31T23:59:59+00:00",
            "2017-01-01T00:00:00+00:00",
            id="a leap second",
        ),
        pytest.param(
            "9998", "9998-01-01T00:00+01:00", "9999-01-01T00:00+01:00", id="the last year but one"
        ),
    ],
)
def test_a_date_covers_its_whole_period(text, first, after):
    assert covering(text) == (instant(first), instant(after) - 1)


@pytest.mark.parametrize("text", ["9999", "9999-12", "9999-12-31"])
def test_the_end_of_time_has_no_end(text):
    assert covering(text).last == LATEST
    assert covering("9998-12-31").last < covering(text).first + 366 * DAY


def test_nanoseconds_cover_the_microsecond_that_they_are_in():
    assert covering("1970-01-01T00:00:00.000001999Z") == (1, 1)
    assert covering("1970-01-01T00:00:00.000001999999999999Z") == (1, 1)


def test_an_hour_that_comes_twice_is_the_first_and_one_that_never_was_is_still_an_instant():
    assert covering("2026-10-25T02:30").first == instant("2026-10-25T02:30+02:00")
    assert covering("2026-03-29T02:30").first == instant("2026-03-29T02:30+01:00")


@pytest.mark.parametrize(
    "text",
    [
        "", "24", "2024-", "2024-1", "2024-13", "2024-00", "2024-02-30", "2023-02-29", "2024-02-29T25:00", "0000",
        "2024-02-29T10", "2024-02-29T10:00:61Z", "2024-02-29T10:00:00+99:00", "2024-02-29 10:00",
        "2024-02-29T10:00:00z", "hier", "２０２４", "2024-02-29T10:00:00.Z", "2024\n",
    ],
)  # fmt: skip
def test_what_is_no_date_is_refused_by_name(text):
    with pytest.raises(ValueError) as refused:
        covering(text)

    assert f'"{text}"' in str(refused.value)


def test_a_period_reaches_from_the_start_of_one_date_to_the_end_of_another():
    assert covering_between("2024-02", "2024-03") == (
        covering("2024-02").first,
        covering("2024-03").last,
    )
    assert covering_between(None, "2024") == (EARLIEST, covering("2024").last)
    assert covering_between("2024", None) == (covering("2024").first, LATEST)
    assert covering_between(None, None) == (EARLIEST, LATEST)


@given(st.integers(0, 2**47))
def test_an_instant_written_is_read_back_to_the_millisecond(microseconds):
    text = instant_text(microseconds)

    assert covering(text).first == microseconds - microseconds % 1000


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://sirene.fr", "https://sirene.fr"),
        ("https://sirene.fr/", "https://sirene.fr"),
        ("http://unitsofmeasure.org", "https://unitsofmeasure.org"),
    ],
)
def test_two_spellings_of_a_system_are_one(one, other):
    assert normal_system(one) == normal_system(other)


def test_systems_of_other_names_stay_apart():
    assert normal_system("urn:oid:1.2.3") == "urn:oid:1.2.3"
    assert normal_system("https://a.example") != normal_system("https://b.example")
    assert normal_system("https://a.example/" + "x" * 400) == "a.example/" + "x" * 400


@pytest.mark.parametrize(
    ("system", "code", "expected"),
    [
        (None, "kg", "ucum|kg"),
        ("", "kg", "ucum|kg"),
        ("http://unitsofmeasure.org", "kg", "ucum|kg"),
        ("https://unitsofmeasure.org", "a", "ucum|a"),
        (
            "https://mos.esante.gouv.fr/NOS/TRE_R247-UcumUniteMesure/FHIR/TRE-R247-UcumUniteMesure",
            "a",
            "ucum|a",
        ),
        ("https://units.example", "kg", "units.example|kg"),
        ("http://unitsofmeasure.org", None, ""),
        (None, "", ""),
    ],
)
def test_a_unit_has_one_normal_form(system, code, expected):
    assert normal_unit(system, code) == expected


@pytest.mark.parametrize(
    ("number", "half"),
    [
        ("5", "0.5"),
        ("5.4", "0.05"),
        ("5.40", "0.005"),
        ("100", "0.5"),
        ("1e2", "50"),
        ("-3", "0.5"),
        ("0", "0.5"),
    ],
)
def test_half_a_step_is_half_of_the_last_digit_written(number, half):
    assert half_step(number) == Decimal(half)
