"""
What an adversary of profile 0 learns of what is hidden, by asking and asking again: nothing.

Two directories differ in all that the public may not see, and in nothing else. They answer the same
to every request, byte for byte, through the HTTP application; only the random id of a bundle is
ignored. That something is hidden in a resource is said by its tag, that it changed by its version:
both directories have the same of these.

Deliberate breakages that this test caught: hidden parts found in columns, in rows of a record by
one criterion and by two, in orders, in scores; hidden resources found as such, by `:not`, behind
links one way and the other, without criterion, as anomalies about hidden things; reads of hidden
and of deleted hidden resources; bodies that are not cut; references that stay in pages and in
reads; a tag made of what is hidden.
"""

import asyncio
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ror.http.application import Application
from ror.observability import Log
from ror.search.answer.page_links import KEY
from ror.settings import Settings
from ror.store import open_store
from tests.access import secrets
from tests.access.adversary import STRATEGIES, Adversary, Answer, Ask, Request, tell_apart
from tests.amounts import amount
from tests.waiting import until

pytestmark = pytest.mark.long


REQUESTS = amount(10_000, 100_000)
SEED = int(os.environ.get("ROR_TEST_ATTACK_SEED", "20261126"))
ENOUGH = 400
"""Requests in which a strategy tells two directories apart when nothing is hidden."""

_BUNDLE_ID = re.compile(
    rb'^(\{"resourceType":"Bundle","id":)"[0-9a-f-]{32,36}","meta":\{"lastUpdated":"[^"]*"\}'
)
"""The id of a bundle, and the instant of the last commit: neither says what was written."""


@contextmanager
def asking(runner: asyncio.Runner, database: str, profile: int) -> Iterator[Ask]:
    """
    Ask a directory as an anonymous caller of a profile, through its application, without a socket
    between.
    """
    settings = Settings(database=database, anonymous_profile=profile, audit=False, access_log=False)
    application = Application(settings, Log("json", "error"), is_worker=True)
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    said: list[Any] = []

    async def note(message: Any) -> None:
        said.append(message)

    def ask(request: Request) -> Answer:
        return runner.run(_answered(application, request))

    living = runner.get_loop().create_task(application({"type": "lifespan"}, heard.get, note))
    runner.run(heard.put({"type": "lifespan.startup"}))
    assert until(lambda: runner.run(asyncio.sleep(0.01)) or said)
    assert application.service.opened is not None, said
    try:
        yield ask
    finally:
        runner.run(heard.put({"type": "lifespan.shutdown"}))
        runner.run(_over(living))


async def _over(task: "asyncio.Task[None]") -> None:
    await task


async def _answered(application: Application, request: Request) -> Answer:
    path, _, query = request.target.partition("?")
    headers = [("host", "ror.test"), ("x-request-id", "1"), *request.headers]
    if request.form is not None:
        headers.append(("content-type", "application/x-www-form-urlencoded"))
    scope = {
        "type": "http",
        "method": "GET" if request.form is None else "POST",
        "scheme": "http",
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers],
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 12345),
    }
    messages: list[Any] = []

    unread = [{"type": "http.request", "body": (request.form or "").encode(), "more_body": False}]

    async def receive() -> dict[str, Any]:
        if not unread:
            # As with a client that waits for its response: no other event comes.
            await asyncio.Event().wait()
        return unread.pop()

    async def send(message: Any) -> None:
        messages.append(message)

    await application(scope, receive, send)
    head = tuple((name.decode(), value.decode()) for name, value in messages[0]["headers"])
    body = _BUNDLE_ID.sub(rb'\1""', bytes(messages[1]["body"]))
    return Answer(messages[0]["status"], head, body)


@pytest.fixture(scope="module")
def alike(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Two directories that only those who see hidden things can tell apart."""
    folder: Path = tmp_path_factory.mktemp("attack")
    names = f"sqlite:///{folder}/one.db", f"sqlite:///{folder}/other.db"
    for at, name in enumerate(names):
        secrets.fill(name, SEED, SEED + 1 + at)
        # Each directory would seal its page links in its own way, as it does with its random ids.
        store = open_store(name)
        store.set_meta(KEY, bytes(32).hex())
        store.close()
    return names


@contextmanager
def both(alike: tuple[str, str], profile: int) -> Iterator[tuple[Ask, Ask]]:
    with (
        asyncio.Runner() as runner,
        asking(runner, alike[0], profile) as one,
        asking(runner, alike[1], profile) as other,
    ):
        yield one, other


def test_an_adversary_of_profile_0_learns_nothing_of_what_is_hidden(alike: tuple[str, str]):
    print(f"ROR_TEST_ATTACK_SEED={SEED}, {REQUESTS} requests")
    with both(alike, 0) as (one, other):
        found = tell_apart(one, other, Adversary(Random(SEED)), REQUESTS)

    assert found is None, found


SAYS_NOTHING = Adversary.mistakes
"""The strategy by which even who sees everything learns nothing: a refusal says what was asked."""


@pytest.mark.parametrize(
    "strategy", [one for one in STRATEGIES if one is not SAYS_NOTHING], ids=lambda one: one.__name__
)
def test_the_same_adversary_tells_them_apart_when_it_sees_everything(
    alike: tuple[str, str], strategy
):
    with both(alike, 1) as (one, other):
        found = tell_apart(one, other, Adversary(Random(SEED)), ENOUGH, [strategy])

    assert found is not None
