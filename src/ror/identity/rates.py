"""
Rate limits of clients, enforced across all processes of a machine that serve one directory.

Each client has a cell of eight bytes in a small file: the instant at which its allowance is full
again (GCRA, the "virtual scheduling" of ITU-T I.371). A call moves that instant by the time that
one call is worth, and is refused if the instant would lie more than `burst` calls ahead. So no
period holds more calls than the burst plus what the limit allows in it, whichever process answers.
Reading, deciding and writing happen under a lock of the cell.

Time is monotonic, from the start of the machine. An instant more than a burst ahead was written
before the machine restarted or under another limit, and is ignored.
"""

import fcntl
import ipaddress
import os
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Final

from ror.errors import TooManyCalls, Unavailable
from ror.identity import Client, Rate

_CELL: Final = 8
"""Bytes of a cell."""
_HASHES: Final = 65_536
_ADDRESSES: Final = 0
"""The first cell of callers without a token, by a hash of their address."""
_FAILURES: Final = _ADDRESSES + _HASHES
"""The first cell of wrong secrets, by a hash of their address, alone and with the client id."""
_CLIENTS: Final = _FAILURES + _HASHES
"""The first cell of clients, by their number."""
FAILURES_OF_CLIENT: Final = Rate(calls_per_minute=10, burst=5)
"""Wrong secrets that an address may send for one client id."""
FAILURES_OF_ADDRESS: Final = Rate(calls_per_minute=60, burst=20)
"""Wrong secrets that an address may send for all of them."""
_MINUTE_NS: Final = 60_000_000_000
_FILE_MODE: Final = 0o600


class Rates:
    """
    The allowances of the clients of one directory, in the file at `path`; safe to share between
    threads.

    `now` is a monotonic clock in nanoseconds. Raises OSError if the file cannot be opened.
    """

    def __init__(self, path: Path, now: Callable[[], int] = time.monotonic_ns) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE)
        self._now = now
        # File locks work between processes: the threads of one process share them.
        self._threads = threading.Lock()

    def count(self, client: Client) -> None:
        """Count a call of a client. Raises TooManyCalls beyond its rate limit."""
        if client.rate is not None:
            self._count(_CLIENTS + client.number, client.rate)

    def count_address(self, address: str, rate: Rate) -> None:
        """Count a call without token, by its address. Raises TooManyCalls beyond the rate limit."""
        self._count(_ADDRESSES + _hash_of(_site_of(address)), rate)

    def check_failures(self, address: str, client_id: str) -> None:
        """Raises TooManyCalls if the address has sent too many wrong secrets lately."""
        wait_ns = max(
            self._spend(cell, rate, is_trial=True) for cell, rate in _failures(address, client_id)
        )
        if wait_ns:
            raise TooManyCalls("rates.too-many-failures", retry_after_s=_seconds(wait_ns))

    def count_failure(self, address: str, client_id: str) -> None:
        """Count a wrong secret, whether the client exists or not."""
        for cell, rate in _failures(address, client_id):
            self._spend(cell, rate)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _count(self, cell: int, rate: Rate) -> None:
        wait_ns = self._spend(cell, rate)
        if wait_ns:
            raise TooManyCalls(
                "rates.too-many",
                retry_after_s=_seconds(wait_ns),
                calls=rate.calls_per_minute,
                burst=rate.burst,
            )

    def _spend(self, cell: int, rate: Rate, is_trial: bool = False) -> int:
        """The nanoseconds to wait before one more call, which counts if that is 0 and no trial."""
        at = cell * _CELL
        try:
            with self._threads:
                fcntl.lockf(self._file, fcntl.LOCK_EX, _CELL, at)
                try:
                    now = self._now()
                    whole_at, wait_ns = after_a_call(
                        int.from_bytes(os.pread(self._file, _CELL, at)), rate, now
                    )
                    if not wait_ns and not is_trial:
                        os.pwrite(self._file, whole_at.to_bytes(_CELL), at)
                finally:
                    fcntl.lockf(self._file, fcntl.LOCK_UN, _CELL, at)
        except OSError:
            raise Unavailable("rates.cannot-count") from None
        return wait_ns


def _failures(address: str, client_id: str) -> tuple[tuple[int, Rate], tuple[int, Rate]]:
    """The cells that count a wrong secret, with their rates."""
    site = _site_of(address)
    return (
        (_FAILURES + _hash_of(site), FAILURES_OF_ADDRESS),
        (_FAILURES + _hash_of(f"{site} {client_id}"), FAILURES_OF_CLIENT),
    )


def _seconds(wait_ns: int) -> int:
    return -(-wait_ns // 1_000_000_000)


def after_a_call(whole_at: int, rate: Rate, now: int) -> tuple[int, int]:
    """
    When an allowance is full again after one more call, and how long to wait first (0: allowed).

    All in nanoseconds; `whole_at` is when the allowance would have been full.

    >>> after_a_call(0, Rate(60, 2), 5_000_000_000)
    (6000000000, 0)
    >>> after_a_call(7_000_000_000, Rate(60, 2), 5_000_000_000)
    (7000000000, 1000000000)
    """
    worth = -(-_MINUTE_NS // rate.calls_per_minute)
    room = rate.burst * worth
    start = whole_at if now < whole_at <= now + room else now
    wait = start + worth - now - room
    return (start, wait) if wait > 0 else (start + worth, 0)


@lru_cache(maxsize=4_096)
def _site_of(address: str) -> str:
    """
    The network of an address: all addresses of one IPv6 site (/64) belong to the same holder.

    >>> _site_of("2001:db8::1") == _site_of("2001:db8::2"), _site_of("192.0.2.1")
    (True, '192.0.2.1/32')
    """
    try:
        network = ipaddress.ip_network(address)
    except ValueError:
        return address
    return str(network.supernet(new_prefix=64) if network.version == 6 else network)


def _hash_of(text: str) -> int:
    """A number below `_HASHES`; two texts share one by chance, one time in 65,536."""
    return int.from_bytes(blake2b(text.encode(), digest_size=2).digest())
