"""
Holding callers to how often they may call, and keeping the figures of it.

A client with a rate is counted whatever becomes of its call, tokens included. Callers without a token are counted by
address where the settings say so. What is open to everybody is not counted: it costs little, and watches over the rest.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ror.errors import TooManyCalls
from ror.http.exchange import Caller, Service
from ror.http.proxies import Proxies
from ror.identity import Client, rate_of

ANYBODY = "-"
"""Who those without a token are, in figures."""


def check_client(service: Service, client: Client) -> None:
    """Count a call of a client, if it has a rate. Raises TooManyCalls beyond it."""
    if client.rate is not None:
        with _told(service, client.id):
            service.directory.rates.count(client)


@contextmanager
def _told(service: Service, who: str) -> Iterator[None]:
    """What comes of counting a call, in the figures of who makes it."""
    try:
        yield
    except TooManyCalls:
        service.metrics.counted(who, "refused")
        raise
    service.metrics.counted(who, "allowed")


class Allowances:
    """What the door holds each call to; `proxies` know where one really comes from."""

    def __init__(self, service: Service, proxies: Proxies) -> None:
        self._service = service
        self._proxies = proxies
        calls = service.settings.anonymous_calls_per_minute
        self._of_anybody = None if calls is None else rate_of(calls)

    def check(
        self, caller: Caller, scope: Mapping[str, Any], headers: Mapping[bytes, bytes]
    ) -> None:
        """Count a call. Raises TooManyCalls when whoever makes it has made too many."""
        if caller.client is not None:
            check_client(self._service, caller.client)
        elif self._of_anybody is not None:
            address = self._proxies.address(scope, headers)
            with _told(self._service, ANYBODY):
                self._service.directory.rates.count_address(address, self._of_anybody)
