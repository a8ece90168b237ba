"""
The page about monitoring names metrics that a server has, and log events that the code writes.
"""

import re
from pathlib import Path

import pytest

from tests.how_to.pages import HOW_TO

PAGE = (HOW_TO / "monitoring.md").read_text(encoding="utf-8")
SOURCE = Path(__file__).parents[2] / "src" / "ror"
EVENTS = re.findall(r"^\| `([a-z]+)` \|", PAGE.partition("## Log")[2], re.MULTILINE)


def test_every_metric_of_the_page_is_there(server):
    exposed = server.client.get(f"{server.url}/metrics").text
    named = set(re.findall(r"\bror_[a-z_]+", PAGE))

    missing = [name for name in named if f"# TYPE {base(name)} " not in exposed]

    assert len(named) > 10
    assert missing == []


def base(name: str) -> str:
    """
    The name under which a metric is described: the buckets of a histogram have none of their own.
    """
    return name.removesuffix("_bucket")


@pytest.mark.parametrize("address", re.findall(r"^\| `(/health/\w+)`", PAGE, re.MULTILINE))
def test_the_health_addresses_of_the_page_answer(server, address):
    assert server.client.get(server.url + address).status_code == 200


@pytest.mark.parametrize("event", EVENTS)
def test_the_code_writes_the_events_of_the_page(event):
    assert any(f'"{event}"' in file.read_text(encoding="utf-8") for file in SOURCE.rglob("*.py"))
