"""
How often a client may call: the law of an allowance, and that it is one whatever the process that
counts.

Breakages that these tests were seen to catch: a call allowed beyond the burst; the lock between
processes left out, or that between threads; an instant of the time before a restart believed; the
wait rounded down.
"""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ror.errors import TooManyCalls
from ror.identity import Client, Rate
from ror.identity.rates import Rates

SECOND = 1_000_000_000
CALLING = Client("sas", "SAS", profile=1, number=7, rate=Rate(60, 5))


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1_000 * SECOND

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rates(tmp_path: Path, clock: Clock) -> Rates:
    return Rates(tmp_path / "rates", clock)


def allowed(rates: Rates, client: Client, calls: int) -> int:
    """How many of so many calls at once are allowed."""
    return sum(wait_for(rates, client) == 0 for _ in range(calls))


def wait_for(rates: Rates, client: Client) -> int:
    """What a call is told to wait, in seconds; 0 when it is allowed."""
    try:
        rates.count(client)
    except TooManyCalls as refused:
        return refused.retry_after_s
    return 0


def test_a_burst_is_allowed_at_once_then_what_the_rate_gives(rates: Rates, clock: Clock):
    assert allowed(rates, CALLING, 20) == 5
    assert wait_for(rates, CALLING) == 1

    clock.now += 3 * SECOND
    assert allowed(rates, CALLING, 20) == 3
    clock.now += 3_600 * SECOND
    assert allowed(rates, CALLING, 20) == 5


def test_who_waits_as_long_as_is_told_is_served_and_no_sooner(rates: Rates, clock: Clock):
    slow = replace(CALLING, rate=Rate(7, 1))
    assert wait_for(rates, slow) == 0

    assert wait_for(rates, slow) == 9
    clock.now += 8 * SECOND
    assert wait_for(rates, slow) == 1
    clock.now += 1 * SECOND
    assert wait_for(rates, slow) == 0


def test_a_client_without_a_rate_calls_as_often_as_it_likes(rates: Rates):
    assert allowed(rates, replace(CALLING, rate=None), 1_000) == 1_000


def test_what_one_client_uses_is_not_taken_from_another(rates: Rates):
    assert allowed(rates, CALLING, 20) == 5
    assert allowed(rates, replace(CALLING, id="other", number=8), 20) == 5


def test_what_was_used_is_known_to_those_who_open_the_file_later(tmp_path: Path, clock: Clock):
    first = Rates(tmp_path / "rates", clock)
    assert allowed(first, CALLING, 20) == 5
    first.close()

    assert allowed(Rates(tmp_path / "rates", clock), CALLING, 20) == 0


def test_the_time_before_the_machine_started_again_counts_for_nothing(rates: Rates, clock: Clock):
    assert allowed(rates, CALLING, 20) == 5

    clock.now = 3 * SECOND

    assert allowed(rates, CALLING, 20) == 5


def test_another_rate_holds_at_once(rates: Rates):
    assert allowed(rates, replace(CALLING, rate=Rate(60, 100)), 50) == 50

    assert allowed(rates, CALLING, 20) == 5


@given(
    rate=st.builds(Rate, st.integers(1, 100_000), st.integers(1, 50)),
    gaps=st.lists(st.integers(0, 5 * SECOND), min_size=1, max_size=120),
)
def test_no_stretch_of_time_holds_more_than_the_burst_and_what_the_rate_gives(
    tmp_path_factory: pytest.TempPathFactory, rate: Rate, gaps: list[int]
):
    clock = Clock()
    rates = Rates(tmp_path_factory.mktemp("law") / "rates", clock)
    served = []
    for gap in gaps:
        clock.now += gap
        if wait_for(rates, replace(CALLING, rate=rate)) == 0:
            served.append(clock.now)
    rates.close()

    assert served, "the first call is always allowed"
    for first, start in enumerate(served):
        for last in range(first, len(served)):
            # Served from `start` to there, both included: the burst, and what the time between
            # gives.
            assert last - first + 1 <= rate.burst + (
                served[last] - start
            ) * rate.calls_per_minute // (60 * SECOND)


@given(
    rate=st.builds(Rate, st.integers(1, 100_000), st.integers(1, 50)),
    late=st.integers(0, SECOND),
)
def test_who_keeps_to_the_rate_is_never_refused(
    tmp_path_factory: pytest.TempPathFactory, rate: Rate, late: int
):
    clock = Clock()
    rates = Rates(tmp_path_factory.mktemp("law") / "rates", clock)
    for _ in range(100):
        assert wait_for(rates, replace(CALLING, rate=rate)) == 0
        clock.now += -(-60 * SECOND // rate.calls_per_minute) + late
    rates.close()


def test_threads_share_one_allowance(tmp_path: Path):
    rates = Rates(tmp_path / "rates")
    client = replace(CALLING, rate=Rate(1, 20_000))

    with ThreadPoolExecutor(8) as threads:
        served = sum(threads.map(lambda _: allowed(rates, client, 5_000), range(8)))

    assert served == 20_000


COUNT = """
import sys
from pathlib import Path
from ror.identity import Client, Rate
from ror.errors import TooManyCalls
from ror.identity.rates import Rates

rates, served = Rates(Path(sys.argv[1])), 0
sys.stdin.readline()
for _ in range(20_000):
    try:
        rates.count(Client("sas", "SAS", number=7, rate=Rate(1, 30_000)))
        served += 1
    except TooManyCalls:
        pass
print(served)
"""


def test_processes_share_one_allowance(tmp_path: Path):
    counting = [
        subprocess.Popen(
            [sys.executable, "-c", COUNT, str(tmp_path / "rates")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(3)
    ]
    for one in counting:
        assert one.stdin is not None
        one.stdin.write(b"\n")
        one.stdin.flush()

    assert sum(int(one.communicate(timeout=60)[0]) for one in counting) == 30_000


def test_addresses_of_one_site_share_what_they_may(rates: Rates):
    def served(address: str) -> bool:
        try:
            rates.count_address(address, Rate(1, 1))
        except TooManyCalls:
            return False
        return True

    assert [served(one) for one in ("192.0.2.1", "192.0.2.1", "192.0.2.2")] == [True, False, True]
    assert [served(one) for one in ("2001:db8::1", "2001:db8::ffff", "2001:db8:0:1::1")] == [
        True,
        False,
        True,
    ]
    assert [served(one) for one in ("unknown", "unknown", "")] == [True, False, True]
