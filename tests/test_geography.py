"""The communes of France: codes, divisions, points and distances."""

import subprocess
import sys

import pytest

from ror.standard import geography
from ror.standard.geography import (
    commune,
    communes,
    communes_of_region,
    department_name,
    distance_m,
    region_name,
)


@pytest.mark.parametrize(
    ("code", "name", "department", "region", "postal_code"),
    [
        pytest.param("29019", "Brest", "29", "53", "29200", id="mainland"),
        pytest.param("78646", "Versailles", "78", "11", "78000", id="the guide's example"),
        pytest.param("2A004", "Ajaccio", "2A", "94", "20000", id="Corsica"),
        pytest.param("97101", "Les Abymes", "971", "01", "97139", id="overseas"),
        pytest.param("75056", "Paris", "75", "11", "75001", id="Paris as a whole"),
        pytest.param("69123", "Lyon", "69", "84", "69001", id="Lyon as a whole"),
        pytest.param("13055", "Marseille", "13", "93", "13001", id="Marseille as a whole"),
        pytest.param(
            "75116", "Paris 16e Arrondissement", "75", "11", "75116", id="an arrondissement"
        ),
    ],
)
def test_a_code_gives_the_commune_with_its_divisions(code, name, department, region, postal_code):
    found = commune(code)

    assert (found.name, found.department, found.region) == (name, department, region)
    assert postal_code in found.postal_codes


@pytest.mark.parametrize("code", ["", "99999", "2912", "29019 ", "20004X", "1001"])
def test_a_code_of_no_commune_gives_nothing(code):
    assert commune("29019") is not None

    assert commune(code) is None


@pytest.mark.parametrize(
    ("former", "today"),
    [
        pytest.param("01039", "01138", id="Béon, merged into Culoz-Béon"),
        pytest.param("20004", "2A004", id="Ajaccio before Corsica was divided"),
        pytest.param("29253", "29019", id="Saint-Pierre-Quilbignon, merged into Brest"),
    ],
)
def test_a_former_code_gives_the_commune_of_today(former, today):
    assert commune(former) is commune(today)
    assert former in commune(today).former_codes


@pytest.mark.parametrize(("city", "count"), [("75056", 20), ("69123", 9), ("13055", 16)])
def test_an_arrondissement_knows_its_commune(city, count):
    arrondissements = [place for place in communes() if place.parent == city]

    assert len(arrondissements) == count
    assert commune(city).parent is None


def test_the_table_holds_every_commune_and_arrondissement_once():
    codes = [place.code for place in communes()]

    assert codes == sorted(set(codes))
    assert len(codes) == 34_746 + 129 + 94 + 45
    assert sum(len(place.former_codes) for place in communes()) == 4_240


def test_there_are_eighteen_regions_and_they_share_out_the_communes():
    regions = {place.region for place in communes() if len(place.region) == 2}

    assert len(regions) == 18
    assert all(region_name(region) for region in regions)
    assert sum(len(communes_of_region(region)) for region in regions) == 34_746 + 129 + 45
    assert communes_of_region("00") == ()


@pytest.mark.parametrize(
    ("department", "region", "name"),
    [
        ("971", "01", "Guadeloupe"),
        ("972", "02", "Martinique"),
        ("973", "03", "Guyane"),
        ("974", "04", "La Réunion"),
        ("976", "06", "Mayotte"),
    ],
)
def test_an_overseas_departement_has_the_region_of_its_own_code(department, region, name):
    assert {place.department for place in communes_of_region(region)} == {department}
    assert region_name(region) == department_name(department) == name


def test_unknown_divisions_have_no_name():
    assert (region_name("53"), department_name("2B")) == ("Bretagne", "Haute-Corse")

    assert (region_name("99"), department_name("20")) == (None, None)


BOXES = {
    "mainland and Corsica": (lambda code: not code.startswith("97"), (41.3, 51.1, -5.2, 9.6)),
    "Guadeloupe": (lambda code: code.startswith("971"), (15.8, 16.6, -61.9, -61.0)),
    "Martinique": (lambda code: code.startswith("972"), (14.3, 14.9, -61.3, -60.8)),
    "Guyane": (lambda code: code.startswith("973"), (2.1, 5.8, -54.7, -51.5)),
    "La Réunion": (lambda code: code.startswith("974"), (-21.5, -20.8, 55.2, 55.9)),
    "Mayotte": (lambda code: code.startswith("976"), (-13.1, -12.6, 45.0, 45.4)),
}


@pytest.mark.parametrize("territory", BOXES)
def test_every_commune_lies_in_the_box_of_its_territory(territory):
    inside, (south, north, west, east) = BOXES[territory]
    places = [place for place in communes() if len(place.region) == 2 and inside(place.department)]

    assert places
    assert not [p for p in places if not (south < p.latitude < north and west < p.longitude < east)]


def test_only_overseas_collectivities_have_no_point():
    without = [place for place in communes() if place.latitude is None or place.longitude is None]

    assert len(without) == 94
    assert all(len(place.region) == 3 for place in without)


def test_the_communes_placed_by_their_neighbours_are_marked():
    # Communes of Cantal re-created after the source of outlines was drawn.
    estimated = {place.code for place in communes() if place.estimated}

    assert estimated == {"15031", "15035", "15047", "15171"}
    assert (
        distance_m(*point("15171"), *point("15141")) < 15_000
    )  # Neussargues en Pinatelle, which it left


def point(code):
    place = commune(code)
    return place.latitude, place.longitude


@pytest.mark.parametrize(
    ("start", "end", "metres", "tolerance"),
    [
        pytest.param((48.8566, 2.3522), (45.7640, 4.8357), 392_000, 2_000, id="Paris to Lyon"),
        pytest.param((48.8566, 2.3522), (43.2965, 5.3698), 661_000, 2_000, id="Paris to Marseille"),
        pytest.param(
            (0, 0), (1, 0), 111_195.08, 0.01, id="a degree of meridian on the mean sphere"
        ),
        pytest.param((0, 179.5), (0, -179.5), 111_195.08, 0.01, id="across the date line"),
        pytest.param((90, 0), (-90, 0), 20_015_114.4, 0.1, id="pole to pole"),
        pytest.param((48.4, -4.5), (48.4, -4.5), 0, 0, id="nowhere to go"),
    ],
)
def test_distances_follow_the_great_circle(start, end, metres, tolerance):
    assert distance_m(*start, *end) == pytest.approx(metres, abs=tolerance or 1e-9)
    assert distance_m(*end, *start) == distance_m(*start, *end)


def test_the_centroids_of_paris_and_lyon_are_392_kilometres_apart():
    assert distance_m(*point("75056"), *point("69123")) == pytest.approx(392_000, abs=2_000)


def test_the_sources_and_licences_come_with_the_table():
    note = geography.provenance()

    assert note["communes"] == len(communes())
    assert all(
        source["licence"] and source["package"] and source["publishers"]
        for source in note["sources"]
    )


def test_importing_reads_nothing():
    check = "import ror.standard.geography as g; raise SystemExit(g._table.cache_info().currsize)"

    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_the_columns_of_the_table_are_the_fields_of_a_commune():
    # The table holds one list a commune: a field out of place would be read as another.
    assert geography._table().columns == geography.Commune._fields
