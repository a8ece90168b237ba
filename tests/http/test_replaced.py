"""
The database file of a running server is replaced or removed: the server says so, and answers no
more.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ror.errors import Unavailable
from ror.search.index.schema import check_schema
from ror.store import back_up, open_store
from tests.conftest import Server, import_lines, keep, serving
from tests.waiting import until

ORGANIZATION = b'{"resourceType":"Organization","id":"1","name":"Avant"}'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "ror.db"
    import_lines(f"sqlite:///{path}", [ORGANIZATION])
    return path


@pytest.fixture
def server(file: Path) -> Iterator[Server]:
    with serving(f"sqlite:///{file}") as running:
        yield running


def replaced_by_a_copy(file: Path) -> None:
    copy = file.with_name("copy.db")
    back_up(f"sqlite:///{file}", copy)
    copy.replace(file)


def moved_away(file: Path) -> None:
    file.rename(file.with_name("elsewhere.db"))


def removed(file: Path) -> None:
    file.unlink()


def replaced_by_something_else(file: Path) -> None:
    file.with_name("text").write_text("not a database")
    file.with_name("text").replace(file)


CHANGES = [replaced_by_a_copy, moved_away, removed, replaced_by_something_else]


def readiness(server: Server) -> tuple[int, str]:
    answer = server.client.get(f"{server.url}/health/ready")
    return answer.status_code, answer.json()["status"]


@pytest.mark.parametrize("change", CHANGES)
def test_a_server_whose_database_was_replaced_is_not_ready_and_answers_503(
    server: Server, file: Path, change: Callable[[Path], None]
):
    # What is answered from the cache is refused too.
    assert [server.get("Organization/1").status_code for _ in range(3)] == [200, 200, 200]
    assert readiness(server) == (200, "ready")

    change(file)

    assert until(lambda: readiness(server) == (503, "database-replaced"))
    answers = [server.get("Organization/1"), server.get("Organization", name="avant")]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert answers[0].json()["issue"][0]["code"] == "transient"
    assert server.client.get(f"{server.url}/health/live").status_code == 200
    assert server.process.stderr is not None
    lines = map(json.loads, iter(server.process.stderr.readline, b""))
    line = next(line for line in lines if line["event"] == "index")
    assert (line["level"], line["state"]) == ("error", "failing")
    assert str(file) in line["problem"]


def test_a_server_whose_database_comes_back_answers_again(server: Server, file: Path):
    moved_away(file)
    assert until(lambda: readiness(server)[0] == 503)

    file.with_name("elsewhere.db").rename(file)

    assert until(lambda: readiness(server) == (200, "ready"))
    assert server.get("Organization/1").status_code == 200


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_is_written_to_a_database_that_was_replaced(
    file: Path, change: Callable[[Path], None]
):
    with closing(open_store(f"sqlite:///{file}")) as store:
        check_schema(store)
        change(file)

        with pytest.raises(Unavailable) as refusal:
            keep(store, [{"resourceType": "Organization", "id": "2", "name": "Perdue"}])
        assert refusal.value.key == "store.replaced"
        with pytest.raises(Unavailable):
            store.read("Organization", "1")
        assert not store.is_in_place
