"""What a request may cost: counted step by step, and refused by the name of what costs most."""

from random import Random

import pytest

from ror.access import Viewer
from ror.errors import TooCostly
from ror.search.answer.budget import Abandoned, Budget, Limits, NotBrief, brief_budget
from ror.search.answer.engine import Search
from ror.search.language.parse import parse
from tests.search import worlds


def test_a_budget_names_the_criterion_that_costs_most():
    budget = Budget(Limits(entries=100))
    budget.spend(70, "near")
    budget.spend(20, "name")

    with pytest.raises(TooCostly, match='"near" costs most'):
        budget.spend(11, "name")


def test_expected_costs_are_refused_before_anything_is_read():
    budget = Budget(Limits(entries=100))
    budget.foresee([("near", 60), ("name", 40)])

    with pytest.raises(TooCostly, match='"name" costs most'):
        budget.foresee([("near", 40), ("name", 41), ("name", 20)])


def test_time_is_counted_by_the_clock_of_the_budget():
    now = [0.0]
    budget = Budget(Limits(seconds=2), lambda: now[0])
    now[0] = 1.9
    budget.spend(1, "name")
    now[0] = 2.1

    with pytest.raises(TooCostly, match="limit of 2 s"):
        budget.spend(1, "name")


def test_bytes_are_foreseen_and_counted():
    budget = Budget(Limits(bytes=1_000_000))
    budget.foresee_bytes(1_000_000)
    budget.spend_bytes(600_000)

    with pytest.raises(TooCostly, match="limit of 1 MB"):
        budget.spend_bytes(600_000)
    with pytest.raises(TooCostly, match="limit of 1 MB"):
        Budget(Limits(bytes=1_000_000)).foresee_bytes(1_000_001)


def test_a_brief_budget_refuses_nothing_but_leaves_the_event_loop():
    with pytest.raises(NotBrief):
        brief_budget().spend(10**9, "near")
    with pytest.raises(NotBrief):
        brief_budget().foresee_bytes(10**9)


CRITERIA = [
    ("Location", "address-city:contains", "a"),
    ("HealthcareService", "location.nb-capacity", "gt0"),
    ("Organization", "_has:HealthcareService:organization:name", "a"),
    ("HealthcareService", "organization", "1"),
    ("Location", "near", "48|2|1000|km"),
]


@pytest.mark.parametrize(("resource_type", "name", "value"), CRITERIA)
def test_an_abandoned_search_stops_whatever_it_evaluates(resource_type, name, value):
    view = worlds.SlowWorld(worlds.batches(Random(1))).view
    tree = parse(resource_type, [(name, value)]).expression
    Search(view, Viewer(1)).evaluate(tree, resource_type)
    budget = Budget()
    budget.is_abandoned = True

    with pytest.raises(Abandoned):
        Search(view, Viewer(1), budget=budget).evaluate(tree, resource_type)


def test_reading_the_pairs_of_a_request_is_paid_for():
    paid: list[tuple[int, str]] = []

    parse("Location", [("status", "active")] * 3, spend=lambda *one: paid.append(one))

    assert paid == [(12, "status")] * 3


def test_a_scan_costs_as_many_entries_as_it_reads_keys():
    view = worlds.SlowWorld(worlds.batches(Random(1))).view
    search = Search(view, Viewer(1))

    def cost(name: str, value: str) -> int:
        return sum(
            entries
            for _, entries in search.costs(
                parse("Location", [(name, value)]).expression, "Location"
            )
        )

    assert cost("address-city:contains", "a") > cost("address-city", "a")
    assert cost("near", "48|2|1000|km") >= cost("near", "48|2|1|km")
