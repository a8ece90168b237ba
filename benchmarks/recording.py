"""
The responses of the real server, recorded before the measurement, checked, and sent by the ceiling.
"""

import http.client
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

_WRITTEN_BY_UVICORN: Final = frozenset({"date", "connection", "transfer-encoding"})


class WrongAnswer(Exception):
    """A response is not what the workload measures."""


class Answer(NamedTuple):
    """A recorded response, without the headers that uvicorn writes."""

    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Recorded:
    """The requests of a workload and their responses, in sending order."""

    answers: dict[str, Answer]

    @property
    def targets(self) -> list[str]:
        """The targets: path and query."""
        return list(self.answers)

    @property
    def mean_bytes(self) -> float:
        """Mean size of a body, in bytes."""
        return sum(len(one.body) for one in self.answers.values()) / len(self.answers)

    @property
    def mean_resources(self) -> float:
        """Mean number of resources in a response."""
        return sum(
            max(1, one.body.count(b'"search":{"mode":"')) for one in self.answers.values()
        ) / len(self.answers)

    def only(self, targets: Iterable[str]) -> "Recorded":
        """Only these requests, in their order; ignores unknown targets."""
        kept = set(targets)
        return Recorded({target: one for target, one in self.answers.items() if target in kept})


def first(recorded: Recorded, count: int) -> Recorded:
    """The first `count` requests with matches."""
    return recorded.only(
        [target for target, one in recorded.answers.items() if _matches(one) or _is_read(target)][
            :count
        ]
    )


def fullest(recorded: Recorded, count: int) -> Recorded:
    """The `count` requests with most matches on their page."""
    return recorded.only(
        sorted(recorded.answers, key=lambda target: -_matches(recorded.answers[target]))[:count]
    )


def _matches(answer: Answer) -> int:
    return answer.body.count(b'"mode":"match"')


def _is_read(target: str) -> bool:
    return "?" not in target


def record(port: int, targets: Iterable[str], *, may_be_hidden: bool = False) -> Recorded:
    """
    The response of the server to each target.

    With `may_be_hidden`, targets that answer 404 are left out. Raises WrongAnswer for any other
    error.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port)
    found = {}
    for target in targets:
        connection.request("GET", target)
        response = connection.getresponse()
        body = response.read()
        if may_be_hidden and response.status == 404:
            continue
        if response.status != 200:
            raise WrongAnswer(f"{target} gives {response.status}: {body[:500]!r}")
        headers = [(name.lower(), value) for name, value in response.getheaders()]
        kept = tuple(
            (name.encode(), value.encode())
            for name, value in headers
            if name not in _WRITTEN_BY_UVICORN
        )
        found[target] = Answer(kept, body)
    connection.close()
    return Recorded(found)


def check(recorded: Recorded) -> None:
    """Check that each response is of the right type and has matches. Raises WrongAnswer."""
    for target, answer in recorded.answers.items():
        _check(target, json.loads(answer.body))


def _check(target: str, content: Any) -> None:
    path, _, query = target.partition("?")
    if _is_read(target):
        if not path.endswith(f"/{content['resourceType']}/{content['id']}"):
            raise WrongAnswer(f"{target} gives {content['resourceType']}/{content['id']}")
        return
    matches = [
        one["resource"] for one in content.get("entry", ()) if one["search"]["mode"] == "match"
    ]
    wanted = int(query.partition("_count=")[2].partition("&")[0])
    if content["resourceType"] != "Bundle" or content["total"] < 1:
        raise WrongAnswer(f"{target} finds nothing")
    if len(matches) != min(wanted, content["total"]) or {path.rpartition("/")[2]} != {
        one["resourceType"] for one in matches
    }:
        raise WrongAnswer(f"{target} gives {len(matches)} matches of {content['total']}")
