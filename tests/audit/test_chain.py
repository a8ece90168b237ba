"""A chain of lines: anybody can recompute it, and every way of touching a file is told."""

import hashlib
import json
import time
from collections.abc import Callable

import pytest

from ror.audit.chain import Break, Chain, Walk, as_link, genesis, last_link
from ror.audit.records import Act, Closed, Opened, Record, Sealed, encode

FILE = "acts/2026-11-24T101112.123-1-abcdef.ndjson"
OTHER = "acts/2026-11-24T101112.124-2-abcdef.ndjson"
AT = "2026-11-24T10:11:12.123Z"


def opened(file: str = FILE) -> Opened:
    return Opened(at=AT, file=file, process=1, host="here", version="1", key="k")


def act(number: int) -> Act:
    return Act(at=AT, action="client-suspend", subject=f"c{number}", by="somebody")


def written(*together: tuple[Record, ...], file: str = FILE) -> list[bytes]:
    """The lines of records that were written several at a time."""
    chain = Chain(file)
    return b"".join(
        chain.link(b"\n".join(map(encode, records))) for records in together
    ).splitlines()


def lines(*records: Record, file: str = FILE) -> list[bytes]:
    """The same when each was written by itself."""
    return written(*((one,) for one in records), file=file)


def whole() -> list[bytes]:
    return lines(opened(), *(act(number) for number in range(4)), Closed(at=AT))


def together() -> list[bytes]:
    return written(
        (opened(),), tuple(act(number) for number in range(4)), (act(4), act(5)), (Closed(at=AT),)
    )


def breaks(texts: list[bytes], file: str = FILE) -> list[tuple[str, int]]:
    """What is wrong with a file and at which line, where each is a link."""
    found = [one for one in Walk(file).over(texts) if isinstance(one, Break)]
    assert all(one.since in (None, one.at) for one in found)
    return [(one.what, one.at) for one in found]


def test_a_chain_is_what_its_documentation_says():
    head, since = hashlib.sha256(FILE.encode()).hexdigest(), ""
    for number, text in enumerate(together(), 1):
        body, _, hashed = text.decode().partition(',"chain":"')
        if not hashed:
            since += body + "\n"
            continue
        head, since = hashlib.sha256(f"{head}{since}{body}".encode()).hexdigest(), ""
        assert hashed == head + '"}'
        assert json.loads(text)["n"] == number
    assert [b'"chain"' in text for text in together()] == [
        True,
        False,
        False,
        False,
        True,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize("texts", [whole(), together()], ids=["each line a link", "some together"])
def test_an_untouched_chain_holds_and_says_how_it_ends(texts: list[bytes]):
    walk = Walk(FILE)

    records = list(walk.over(texts))

    assert [type(one).__name__ for one in records] == [
        "Opened",
        *["Act"] * (len(texts) - 2),
        "Closed",
    ]
    assert (walk.seen, walk.lines, walk.opened, walk.ended) == (
        len(texts),
        len(texts),
        opened(),
        Closed(at=AT),
    )


def edited(texts: list[bytes]) -> list[bytes]:
    return [one.replace(b'"subject":"c1"', b'"subject":"c9"') for one in texts]


def edited_and_hashed_again(texts: list[bytes]) -> list[bytes]:
    forger = Chain(FILE, 2, head_of(texts[1]))
    return [*texts[:2], forger.link(encode(act(9))).removesuffix(b"\n"), *texts[3:]]


def sealed(torn: bytes, torn_bytes: int | None = None) -> list[bytes]:
    """A file whose first line is followed by one that was torn, then by a seal."""
    chain = Chain(FILE)
    first = chain.link(encode(opened()))
    seal = Sealed(at=AT, by=2, torn_bytes=len(torn) if torn_bytes is None else torn_bytes)
    return (first + chain.link(torn + b"\n" + encode(seal))).splitlines()


@pytest.mark.parametrize(
    ("touch", "told"),
    [
        pytest.param(edited, [("changed", 3)], id="a word of a line"),
        pytest.param(edited_and_hashed_again, [("changed", 4)], id="a line, and its hash with it"),
        pytest.param(
            lambda texts: texts[:2] + texts[3:], [("not-in-sequence", 3)], id="a line taken away"
        ),
        pytest.param(
            lambda texts: [*texts[:2], texts[3], texts[2], *texts[4:]],
            [("not-in-sequence", 3), ("not-in-sequence", 4), ("not-in-sequence", 5)],
            id="two lines exchanged",
        ),
        pytest.param(
            lambda texts: [*texts[:3], texts[2], *texts[3:]],
            [("not-in-sequence", 4)],
            id="a line twice",
        ),
        pytest.param(
            lambda texts: texts[1:], [("not-in-sequence", 1), ("no-opening", 1)], id="no first line"
        ),
        pytest.param(
            lambda texts: [*texts, b'{"n":6}'],
            [("after-the-end", 7), ("not-a-line", 7)],
            id="something after the end",
        ),
        pytest.param(
            lambda texts: [*texts, Chain(FILE, 6, head_of(texts[-1])).link(encode(act(5)))[:-1]],
            [("after-the-end", 7)],
            id="a good line after the end",
        ),
        pytest.param(
            lambda texts: lines(opened(OTHER), act(0), file=OTHER),
            [("another-file", 1)],
            id="another file",
        ),
        pytest.param(
            lambda texts: lines(opened(), opened()), [("opened-again", 2)], id="a second first line"
        ),
        pytest.param(
            lambda texts: [Chain(FILE).link(b'{"kind":"poem"}').removesuffix(b"\n")],
            [("not-a-record", 1), ("no-opening", 1)],
            id="no record of ours",
        ),
        pytest.param(
            lambda texts: [*texts[:2], texts[2].replace(b"somebody", b"some\xff"), *texts[3:]],
            [("changed", 3), ("not-a-record", 3)],
            id="bytes that are no text",
        ),
        pytest.param(
            lambda texts: [*texts, b'{"kind":"act","details":' + b"[" * 100_000],
            [("after-the-end", 7), ("not-a-line", 7)],
            id="more brackets than anybody reads",
        ),
        pytest.param(
            lambda texts: sealed(b'{"n":1,"ki'), [], id="nothing: a torn line that the seal tells"
        ),
        pytest.param(
            lambda texts: sealed(b'{"n":1,"ki', torn_bytes=9),
            [("not-a-line", 2)],
            id="a torn line, too long",
        ),
    ],
)
def test_whatever_is_touched_is_told_where_it_was(
    touch: Callable[[list[bytes]], list[bytes]], told
):
    assert breaks(whole()) == []

    assert breaks(touch(whole())) == told


@pytest.mark.parametrize(
    ("touch", "told"),
    [
        pytest.param(edited, [("changed", 5, 2)], id="a word of a line before a link"),
        pytest.param(
            lambda texts: [one.replace(b'"subject":"c3"', b'"subject":"c9"') for one in texts],
            [("changed", 5, 2)],
            id="a word of a link",
        ),
        pytest.param(
            lambda texts: texts[:2] + texts[3:], [("not-in-sequence", 4, 2)], id="a line taken away"
        ),
        pytest.param(
            lambda texts: [*texts[:2], act_of(9), *texts[2:]],
            [("not-in-sequence", 6, 2)],
            id="one put in",
        ),
        pytest.param(
            lambda texts: [*texts[:2], act_of(9), *texts[3:]],
            [("changed", 5, 2)],
            id="one for another",
        ),
        pytest.param(
            lambda texts: [*texts[:2], texts[3], texts[2], *texts[4:]],
            [("changed", 5, 2)],
            id="two lines exchanged",
        ),
        pytest.param(
            lambda texts: texts[:1] + texts[5:], [("not-in-sequence", 3, 2)], id="all up to a link"
        ),
        pytest.param(
            lambda texts: [*texts[:3], b"", *texts[3:]],
            [("not-a-line", 4, None), ("not-in-sequence", 6, 2)],
            id="an empty line put in",
        ),
        pytest.param(
            lambda texts: [*texts[:4], unlinked(texts[4]), *texts[5:]],
            [("changed", 7, 2)],
            id="a link made none",
        ),
        pytest.param(
            lambda texts: [
                *texts[:2],
                Chain(FILE, 2, head_of(texts[0])).link(texts[2])[:-1],
                *texts[3:],
            ],
            [("changed", 3, 2), ("changed", 5, 4)],
            id="a link put in",
        ),
        pytest.param(
            lambda texts: [*texts, act_of(9)],
            [("after-the-end", 9, None)],
            id="a line after the end",
        ),
        pytest.param(
            lambda texts: [*texts[:-1], unlinked(texts[-1])],
            [("changed", 8, 8)],
            id="the end of the file made no link",
        ),
        pytest.param(
            lambda texts: [*texts[:1], act_of(9), unlinked(texts[-1])],
            [("changed", 3, 2)],
            id="all after a link, without another",
        ),
        pytest.param(
            lambda texts: (
                Chain(FILE).link(act_of(1) + b"\n" + encode(Sealed(at=AT, by=2))).splitlines()
            ),
            [("no-opening", 1, None)],
            id="a line and a seal, and no first line",
        ),
        pytest.param(
            lambda texts: sealed(act_of(1), torn_bytes=0), [], id="nothing: a line that waited"
        ),
    ],
)
def test_where_lines_were_written_together_it_is_told_between_which_links_they_were_touched(
    touch, told
):
    assert [tuple(one) for one in Walk(FILE).over(together()) if isinstance(one, Break)] == []

    assert [
        tuple(one) for one in Walk(FILE).over(touch(together())) if isinstance(one, Break)
    ] == told


def act_of(number: int) -> bytes:
    return encode(act(number))


def unlinked(link: bytes) -> bytes:
    return link.partition(b',"n":')[0] + b"}"


def head_of(link: bytes) -> str:
    return link.partition(b',"chain":"')[2][:64].decode()


@pytest.mark.parametrize("after", [b"", b'{"kind":"call","pa', encode(act(9)) + b"\n"])
def test_the_last_link_is_found_in_the_end_of_a_file(after: bytes):
    text = b"\n".join(together()) + b"\n"

    link, rest = last_link(text[-200:] + after)

    assert link is not None
    assert (link.number, link.head, rest) == (8, head_of(together()[-1]), after)


def test_where_every_link_was_damaged_it_does_not_take_long_to_find_that_there_is_none():
    text = (
        b"".join(line + b"\r\n" for line in whole()[:2])
        + (b"x" * 10_000 + whole()[2] + b"\r\n") * 2_000
    )

    begun = time.monotonic()
    assert last_link(text) == (None, text)
    assert time.monotonic() - begun < 5


def test_what_a_caller_writes_cannot_pass_for_a_link():
    forged = Act(at=AT, action="a", subject='","n":7,"chain":"' + "0" * 64, by="somebody")

    assert as_link(encode(forged)) is None
    assert breaks(lines(opened(), forged, Closed(at=AT))) == []


def test_the_hash_before_the_first_line_is_that_of_the_name():
    assert genesis(FILE) == hashlib.sha256(FILE.encode()).hexdigest() != genesis(OTHER)
