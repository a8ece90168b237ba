"""
Checks of client secrets, one at a time.

Checking a secret takes a slow hash. A secret that was proven before needs none; wrong secrets are
limited by address and client before they are hashed. If several requests wait, the clients of each
address take turns, so that no client fills the queue for others.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from ror.http.exchange import Request, Service
from ror.identity.token_service import TokenRefused


class SecretChecks:
    """Checks the secrets of token requests, for the event loop of one process."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._turns = Turns()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ror-secret")

    def close(self) -> None:
        """Shut down the thread."""
        self._thread.shutdown(wait=False)

    async def check(self, request: Request, address: str) -> None:
        """
        Check the secret of a request, if it has one that was not proven before.

        Raises TokenRefused for a wrong secret, TooManyCalls if the address has sent too many.
        """
        directory = self._service.directory
        header = request.header(b"authorization")
        waiting = directory.tokens.secret_to_check(request.pairs, header)
        if waiting is None:
            return
        client_id = waiting.client_id
        directory.rates.check_failures(address, client_id)
        async with self._turns.turn(f"{address} {client_id}"):
            # Earlier requests may have proven the same secret, or failed too often.
            check = directory.tokens.secret_to_check(request.pairs, header)
            if check is None:
                return
            directory.rates.check_failures(address, client_id)
            loop = asyncio.get_running_loop()
            if not await loop.run_in_executor(self._thread, directory.tokens.is_right, check):
                directory.rates.count_failure(address, client_id)
                raise TokenRefused("invalid_client", "oauth.bad-credentials")


class Turns:
    """Lets one task run at a time. Waiting tasks form lines, which take turns."""

    def __init__(self) -> None:
        self._lines: dict[str, deque[asyncio.Future[None]]] = {}
        self._is_taken = False

    @asynccontextmanager
    async def turn(self, line: str) -> AsyncIterator[None]:
        """Wait in a line; the turn ends with the block."""
        if self._is_taken:
            await self._wait(line)
        self._is_taken = True
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, line: str) -> None:
        place = asyncio.get_running_loop().create_future()
        self._lines.setdefault(line, deque()).append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        while self._lines:
            line = next(iter(self._lines))
            places = self._lines.pop(line)
            place = places.popleft()
            if places:
                # Behind the other lines.
                self._lines[line] = places
            if not place.cancelled():
                place.set_result(None)
                return
        self._is_taken = False
