"""The operators of the service: only their addresses may read metrics."""

from collections.abc import Mapping
from typing import Any

from ror.errors import Forbidden
from ror.http.proxies import Proxies, is_in, networks
from ror.settings import Settings


class Operators:
    """The networks of the setting `metrics_readers`; `proxies` give the address of a client."""

    def __init__(self, settings: Settings, proxies: Proxies) -> None:
        self._networks = networks(settings.metrics_readers)
        self._proxies = proxies

    def check(self, scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> None:
        """
        Check that a request comes from one of these networks.

        Raises Forbidden for other addresses, and if a proxy that is not trusted hides the client.
        """
        address = self._proxies.address(scope, headers)
        if self._proxies.hides_client(scope, headers) or not is_in(address, self._networks):
            raise Forbidden("http.figures-for-operators", address=address[:100])
