"""
How much a test tries: a bounded amount in `make test`, much more in `make test-long`.

Tests whose amount differs carry the marker `long`, which `make test-long` selects.
"""

import os

LONG = os.environ.get("ROR_TEST_LONG") == "1"


def amount(usual: int, in_test_long: int) -> int:
    """The number of examples, requests, writes or kills that a test tries in this run."""
    return in_test_long if LONG else usual
