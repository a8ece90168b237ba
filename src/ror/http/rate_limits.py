"""
Rate limits of callers, and the metrics about them.

Every request of a client that has a rate limit counts, also a refused one or one for a token.
Callers without a token are counted by address if the settings limit them. Open routes are not
counted: they cost little, and monitoring depends on them.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ror.errors import TooManyCalls
from ror.http.exchange import Caller, Service
from ror.http.proxies import Proxies
from ror.identity import Client, rate_of

ANONYMOUS = "-"
"""The label of callers without a token in metrics."""


def check_client(service: Service, client: Client) -> None:
    """Count a request of a client that has a rate limit. Raises TooManyCalls beyond it."""
    if client.rate is not None:
        with _in_metrics(service, client.id):
            service.directory.rates.count(client)


@contextmanager
def _in_metrics(service: Service, label: str) -> Iterator[None]:
    try:
        yield
    except TooManyCalls:
        service.metrics.count_call(label, "refused")
        raise
    service.metrics.count_call(label, "allowed")


class RateLimits:
    """The rate limits of a service; `proxies` give the address of a client."""

    def __init__(self, service: Service, proxies: Proxies) -> None:
        self._service = service
        self._proxies = proxies
        calls = service.settings.anonymous_calls_per_minute
        self._anonymous_rate = None if calls is None else rate_of(calls)

    def check(
        self, caller: Caller, scope: Mapping[str, Any], headers: Mapping[bytes, bytes]
    ) -> None:
        """Count a request. Raises TooManyCalls when its caller exceeds the rate limit."""
        if caller.client is not None:
            check_client(self._service, caller.client)
        elif self._anonymous_rate is not None:
            address = self._proxies.address(scope, headers)
            with _in_metrics(self._service, ANONYMOUS):
                self._service.directory.rates.count_address(address, self._anonymous_rate)
