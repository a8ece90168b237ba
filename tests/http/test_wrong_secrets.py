"""
Wrong secrets, many at once: they are limited, and nobody else waits for them.

Breakages that these tests were seen to catch: no limit before the hash; one queue for all; a
limit that the right secret meets too.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest

from ror.http.secret_checks import Turns
from ror.identity.rates import FAILURES_OF_ADDRESS, FAILURES_OF_CLIENT
from tests.http.bystander import bystander
from tests.http.conftest import Answer, Server, request, start, stop
from tests.http.secured import SECRET, TOKEN, World, a_world

PARALLEL = 64


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    yield from a_world(tmp_path_factory)


@pytest.fixture
def server(world: World) -> Iterator[Server]:
    """A server that believes which address a request comes from."""
    running = start(world.database, ROR_TRUSTED_PROXIES="127.0.0.1", ROR_ACCESS_LOG="false")
    yield running
    assert stop(running) == 0


def asking(client_id: str, secret: str, address: str) -> bytes:
    """A request for a token."""
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    return request(
        TOKEN,
        "POST",
        urlencode(form).encode(),
        content_type="application/x-www-form-urlencoded",
        x_forwarded_for=address,
    )


def at_once(server: Server, requests: list[bytes]) -> list[Answer]:
    with ThreadPoolExecutor(len(requests)) as threads:
        answers = list(threads.map(server.send, requests))
    return [answer for answer in answers if answer is not None]


def test_wrong_secrets_are_limited_and_a_good_client_is_served_meanwhile(server: Server):
    attacker, good = "198.51.100.1", "198.51.100.2"
    wrong = [asking("public", f"wrong {number}", attacker) for number in range(PARALLEL)]
    with bystander(server, asking("public", SECRET, good)) as seen:
        answers = at_once(server, wrong)
        late = [server.send(one) for one in wrong[:3]]
    answers += [answer for answer in late if answer is not None]

    statuses = Counter(answer.status for answer in answers)
    # One is given back every six seconds.
    assert FAILURES_OF_CLIENT.burst <= statuses[401] < 2 * FAILURES_OF_CLIENT.burst
    assert statuses[401] + statuses[429] == PARALLEL + 3
    refused = [answer for answer in answers if answer.status == 429]
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert {answer.json["error"] for answer in refused} == {"temporarily_unavailable"}
    assert seen.statuses == {200}


def test_a_client_that_was_served_is_served_again_from_the_address_of_an_attacker(server: Server):
    address = "198.51.100.3"
    good = asking("public", SECRET, address)
    assert status(server, good) == 200

    at_once(server, [asking("public", f"wrong {number}", address) for number in range(PARALLEL)])

    assert status(server, asking("public", "another wrong one", address)) == 429
    assert status(server, good) == 200


def test_the_right_secret_is_never_limited(server: Server):
    good = asking("public", SECRET, "198.51.100.4")

    assert {status(server, good) for _ in range(3 * FAILURES_OF_CLIENT.burst)} == {200}


def test_the_wrong_secrets_of_many_clients_are_limited_by_address(server: Server):
    wrong = [asking(f"client-{number}", "wrong", "2001:db8::1") for number in range(PARALLEL)]
    answers = at_once(server, wrong)

    assert sum(answer.status == 401 for answer in answers) < 2 * FAILURES_OF_ADDRESS.burst
    # Its neighbours are the same host, and others are not.
    assert status(server, asking("beds", "wrong", "2001:db8::2")) == 429
    assert status(server, asking("public", SECRET, "2001:db8:1::1")) == 200


@pytest.mark.parametrize("client_id", ["public", "nobody"])
def test_the_limit_does_not_say_which_clients_exist(server: Server, client_id: str):
    address = f"198.51.100.{100 + len(client_id)}"
    statuses = [status(server, asking(client_id, "wrong", address)) for _ in range(8)]

    assert statuses[: FAILURES_OF_CLIENT.burst] == [401] * FAILURES_OF_CLIENT.burst
    assert statuses[-1] == 429


def status(server: Server, raw: bytes) -> int:
    answer = server.send(raw)
    assert answer is not None
    return answer.status


def test_each_line_has_its_turn_however_long_another_is():
    served: list[str] = []

    async def task(turns: Turns, line: str) -> None:
        async with turns.turn(line):
            served.append(line)
            await asyncio.sleep(0)

    async def all_of(lines: str) -> None:
        turns = Turns()
        await asyncio.gather(*(task(turns, line) for line in lines))

    asyncio.run(all_of("aaaaaabbc"))

    assert "".join(served) == "aabcabaaa"


def test_a_task_that_leaves_its_line_keeps_nobody_waiting():
    async def run() -> list[str]:
        turns, served = Turns(), []

        async def task(line: str) -> None:
            async with turns.turn(line):
                served.append(line)
                await asyncio.sleep(0)

        tasks = [asyncio.create_task(task(line)) for line in "abcd"]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.wait(tasks)
        # Cancelled as its turn came.
        tasks = [asyncio.create_task(task(line)) for line in "efg"]
        tasks[0].add_done_callback(lambda _: tasks[1].cancel())
        await asyncio.wait(tasks)
        return served

    assert asyncio.run(run())[:4] == ["a", "c", "d", "e"]
