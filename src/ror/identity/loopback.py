"""Loopback addresses: unencrypted traffic and more than open data stay on them."""

import ipaddress


def is_loopback(host: str) -> bool:
    """
    Whether only this machine can reach a server that listens on `host`.

    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0")]
    [True, True, True, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
