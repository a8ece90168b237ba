"""A chain of lines: anybody can recompute it, and every way of touching a file is told."""

import hashlib
import json
from collections.abc import Callable

import pytest

from ror.audit.chain import Break, Chain, Walk, genesis
from ror.audit.records import Act, Closed, Opened, Record, Sealed, encode

FILE = "acts/2026-11-24T101112.123-1-abcdef.ndjson"
OTHER = "acts/2026-11-24T101112.124-2-abcdef.ndjson"
AT = "2026-11-24T10:11:12.123Z"


def opened(file: str = FILE) -> Opened:
    return Opened(at=AT, file=file, process=1, host="here", version="1", key="k")


def act(number: int) -> Act:
    return Act(at=AT, action="client-suspend", subject=f"c{number}", by="somebody")


def lines(*records: Record, file: str = FILE) -> list[bytes]:
    chain = Chain(file)
    return [chain.link(encode(record)).removesuffix(b"\n") for record in records]


def whole() -> list[bytes]:
    return lines(opened(), *(act(number) for number in range(4)), Closed(at=AT))


def breaks(texts: list[bytes], file: str = FILE) -> list[tuple[str, int]]:
    return [tuple(found) for found in Walk(file).over(texts) if isinstance(found, Break)]


def test_a_chain_is_what_its_documentation_says():
    head = hashlib.sha256(FILE.encode()).hexdigest()
    for number, text in enumerate(whole()):
        body, _, hashed = text.decode().partition(',"chain":"')
        head = hashlib.sha256(f"{head}{body}".encode()).hexdigest()
        assert hashed == head + '"}'
        assert json.loads(text)["n"] == number


def test_an_untouched_chain_holds_and_says_how_it_ends():
    walk = Walk(FILE)

    records = list(walk.over(whole()))

    assert [type(one).__name__ for one in records] == ["Opened", "Act", "Act", "Act", "Act", "Closed"]
    assert (walk.lines, walk.opened, walk.ended) == (6, opened(), Closed(at=AT))


def edited(texts: list[bytes]) -> list[bytes]:
    return [one.replace(b'"subject":"c1"', b'"subject":"c9"') for one in texts]


def edited_and_hashed_again(texts: list[bytes]) -> list[bytes]:
    forger = Chain(FILE, 2, texts[1].partition(b',"chain":"')[2][:64].decode())
    return [*texts[:2], forger.link(encode(act(9))).removesuffix(b"\n"), *texts[3:]]


def sealed(torn: bytes, **told: object) -> list[bytes]:
    chain = Chain(FILE)
    first = chain.link(encode(opened())).removesuffix(b"\n")
    facts = {"torn_bytes": len(torn), "torn_sha256": hashlib.sha256(torn).hexdigest(), **told}
    return [first, torn, chain.link(encode(Sealed(at=AT, by=2, **facts))).removesuffix(b"\n")]


@pytest.mark.parametrize(
    ("touch", "told"),
    [
        pytest.param(edited, [("changed", 3)], id="a word of a line"),
        pytest.param(edited_and_hashed_again, [("changed", 4)], id="a line, and its hash with it"),
        pytest.param(lambda texts: texts[:2] + texts[3:], [("not-in-sequence", 3)], id="a line taken away"),
        pytest.param(
            lambda texts: [*texts[:2], texts[3], texts[2], *texts[4:]],
            [("not-in-sequence", 3), ("not-in-sequence", 4), ("not-in-sequence", 5)],
            id="two lines exchanged",
        ),
        pytest.param(lambda texts: [*texts[:3], texts[2], *texts[3:]], [("not-in-sequence", 4)], id="a line twice"),
        pytest.param(lambda texts: texts[1:], [("not-in-sequence", 1), ("no-opening", 1)], id="no first line"),
        pytest.param(lambda texts: [*texts[:3], b"", *texts[3:]], [("not-a-line", 4)], id="an empty line put in"),
        pytest.param(lambda texts: [*texts, b'{"n":6}'], [("not-a-line", 7)], id="something after the end"),
        pytest.param(
            lambda texts: [*texts, Chain(FILE, 6, head_of(texts)).link(encode(act(5)))[:-1]],
            [("after-the-end", 7)],
            id="a good line after the end",
        ),
        pytest.param(lambda texts: lines(opened(OTHER), act(0), file=OTHER), [("another-file", 1)], id="another file"),
        pytest.param(lambda texts: lines(opened(), opened()), [("opened-again", 2)], id="a second first line"),
        pytest.param(
            lambda texts: [Chain(FILE).link(b'{"kind":"poem"}').removesuffix(b"\n")],
            [("not-a-record", 1), ("no-opening", 1)],
            id="no record of ours",
        ),
        pytest.param(lambda texts: sealed(b'{"n":1,"ki'), [], id="nothing: a torn line that the seal tells"),
        pytest.param(
            lambda texts: [text.replace(b'"ki', b'"XX') if n == 1 else text for n, text in enumerate(sealed(b'{"ki'))],
            [("not-a-line", 2)],
            id="a torn line",
        ),
    ],
)
def test_whatever_is_touched_is_told_where_it_was(touch: Callable[[list[bytes]], list[bytes]], told):
    assert breaks(whole()) == []

    assert breaks(touch(whole())) == told


def head_of(texts: list[bytes]) -> str:
    return texts[-1].partition(b',"chain":"')[2][:64].decode()


def test_the_hash_before_the_first_line_is_that_of_the_name():
    assert genesis(FILE) == hashlib.sha256(FILE.encode()).hexdigest() != genesis(OTHER)
