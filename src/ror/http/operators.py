"""Who may see how the service does: those who run it, known by the address that they call from."""

from collections.abc import Mapping
from typing import Any

from ror.errors import Forbidden
from ror.http.proxies import Proxies, is_in, networks
from ror.settings import Settings


class Operators:
    """The addresses that the settings name; `proxies` know where a call really comes from."""

    def __init__(self, settings: Settings, proxies: Proxies) -> None:
        self._networks = networks(settings.metrics_readers)
        self._proxies = proxies

    def check(self, scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> None:
        """Nothing for operators. Raises Forbidden for anybody else, and where nobody knows who calls."""
        address = self._proxies.address(scope, headers)
        if self._proxies.is_passed_on(scope, headers) or not is_in(address, self._networks):
            raise Forbidden("http.figures-for-operators", address=address[:100])
