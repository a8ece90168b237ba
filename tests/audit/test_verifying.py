"""
A trail that nobody touched is whole; whatever is done to one is found, and named. Each row is a way
to tamper.
"""

import shutil
from collections.abc import Callable

import pytest

from ror.audit import digests
from ror.audit.chain import Chain
from ror.audit.records import Lost, encode
from ror.audit.trail.folder import Folder
from ror.audit.trail.verifying import Verdict, verify
from ror.audit.trail.writing import record_act
from tests.audit.conftest import Clock, act, call, write

TODAY = "2026-11-26"


@pytest.fixture
def trail(folder: Folder, clock: Clock, journal) -> Folder:
    """
    Two days that are over and signed, of which the first had two processes and an act, and a third
    that goes on.
    """
    with journal() as one:
        write(journal, clock)
        record_act(folder, act(clock))
        for number in range(5):
            one.write(call(clock, number))
    for day in ("2026-11-25", "2026-11-26"):
        clock.set(f"{day}T09:00:00Z")
        write(journal, clock)
    clock.set("2026-11-26T10:00:00Z")
    write(journal, clock)
    return folder


def faults(verdict: Verdict) -> set[tuple[str, str]]:
    """What was found wrong, and in which file, known by its folder and its day."""
    return {
        (one.what, one.file[: one.file.index("/") + 11]) for one in verdict.findings if one.is_fault
    }


def test_a_trail_that_nobody_touched_is_whole(trail: Folder):
    verdict = verify(trail, TODAY)

    assert verdict.findings == []
    assert (verdict.is_whole, verdict.files, verdict.days_signed) == (True, 6, 2)
    assert verdict.lines == 5 * (5 + 2) + 3
    assert verdict.last_digest is not None and verdict.last_digest.day == "2026-11-25"


# --- ways to tamper -------------------------------------------------------------------------------


def first(trail: Folder, day: str, journal: str = "calls") -> str:
    return next(file for file in trail.files() if file.startswith(f"{journal}/{day}"))


def lines_of(trail: Folder, file: str) -> list[bytes]:
    return (trail.path / file).read_bytes().splitlines(keepends=True)


def put(trail: Folder, file: str, lines: list[bytes]) -> None:
    (trail.path / file).write_bytes(b"".join(lines))


def forged(file: str, lines: list[bytes]) -> list[bytes]:
    """The same records, chained again from the first line."""
    chain = Chain(file)
    return [chain.link(line.partition(b',"n":')[0] + b"}") for line in lines]


def edit(day: str) -> Callable[[Folder], None]:
    def touch(trail: Folder) -> None:
        file = first(trail, day)
        put(
            trail,
            file,
            [line.replace(b'"status":200', b'"status":404') for line in lines_of(trail, file)],
        )

    return touch


def rewrite(day: str, without: slice = slice(3, 4)) -> Callable[[Folder], None]:
    """Take lines away and chain the file again, as somebody would who knows how it is made."""

    def touch(trail: Folder) -> None:
        file = first(trail, day)
        lines = lines_of(trail, file)
        del lines[without]
        put(trail, file, forged(file, lines))

    return touch


def cut(day: str, lines: int) -> Callable[[Folder], None]:
    def touch(trail: Folder) -> None:
        file = first(trail, day)
        put(trail, file, lines_of(trail, file)[:lines])

    return touch


def cut_in_a_line(trail: Folder) -> None:
    file = first(trail, TODAY)
    text = (trail.path / file).read_bytes()
    (trail.path / file).write_bytes(text[:-400])


def reorder(trail: Folder) -> None:
    file = first(trail, "2026-11-25")
    lines = lines_of(trail, file)
    lines[2], lines[3] = lines[3], lines[2]
    put(trail, file, lines)


def take_a_line_away(trail: Folder) -> None:
    file = first(trail, "2026-11-25")
    lines = lines_of(trail, file)
    put(trail, file, [*lines[:3], *lines[4:]])


def put_a_line_in(trail: Folder) -> None:
    file = first(trail, TODAY)
    lines = lines_of(trail, file)
    forger = Chain(file, 3, lines[2].partition(b',"chain":"')[2][:64].decode())
    put(
        trail,
        file,
        [*lines[:3], forger.link(encode(Lost(at="2026-11-26T09:00:00.000Z", count=1))), *lines[3:]],
    )


def add_after_the_end(trail: Folder) -> None:
    file = first(trail, TODAY)
    lines = lines_of(trail, file)
    forger = Chain(file, len(lines), lines[-1].partition(b',"chain":"')[2][:64].decode())
    put(trail, file, [*lines, forger.link(encode(Lost(at="2026-11-26T09:00:00.000Z", count=1)))])


def rewrite_without_links(trail: Folder) -> None:
    """Put an end that is no link after a few lines of the file that was opened last."""
    *_, file = trail.files()
    lines = lines_of(trail, file)
    put(trail, file, [*lines[:3], lines[-1].partition(b',"n":')[0] + b"}\n"])


def delete(day: str, journal: str = "calls") -> Callable[[Folder], None]:
    return lambda trail: (trail.path / first(trail, day, journal)).unlink()


def delete_all_of_a_day(trail: Folder) -> None:
    for path in [*trail.path.glob("*/2026-11-24*")]:
        path.unlink()


def delete_digest(day: str) -> Callable[[Folder], None]:
    return lambda trail: [
        (trail.path / f"digests/{day}.{kind}").unlink() for kind in ("json", "sig")
    ]  # type: ignore


def edit_digest(trail: Folder) -> None:
    path = trail.path / "digests/2026-11-24.json"
    path.write_bytes(path.read_bytes().replace(b'"lines": 7', b'"lines": 6', 1))


def sign_again(trail: Folder) -> None:
    """
    Take a line away, and the digest of the day, then have an honest process sign the day again.
    """
    rewrite("2026-11-25")(trail)
    delete_digest("2026-11-25")(trail)
    key, before = trail.signing_key(), trail.last_digest()
    files = [file for file in trail.files() if "/2026-11-25" in file]
    ends = [(file, lines_of(trail, file)) for file in files]
    chains = tuple(
        digests.ChainEnd(
            file,
            len(lines),
            sum(map(len, lines)),
            lines[-1].partition(b',"chain":"')[2][:64].decode(),
        )
        for file, lines in ends
    )
    name = digests.fingerprint(key.public_key())
    text = digests.to_bytes(
        digests.Digest(
            day="2026-11-25",
            signed_at="2026-11-26T00:00:00.000Z",
            key=name,
            previous=before,
            chains=chains,
        )
    )
    (trail.path / "digests/2026-11-25.json").write_bytes(text)
    (trail.path / "digests/2026-11-25.sig").write_bytes(key.sign(text))


def swap_key(trail: Folder) -> None:
    """Another key, and every digest signed with it."""
    pem = digests.new_key()
    key = digests.signing_key(pem)
    (trail.path / "keys/signing.key").write_bytes(pem)
    (trail.path / "keys/signing.pub").write_bytes(digests.public_pem(key))
    before = None
    for day in trail.days_signed():
        digest = digests.from_bytes(trail.digest(day))
        assert digest is not None
        name = digests.fingerprint(key.public_key())
        text = digests.to_bytes(
            digests.Digest(
                day=day, signed_at=digest.signed_at, key=name, previous=before, chains=digest.chains
            )
        )
        before = digests.name_of(day, text)
        (trail.path / f"digests/{day}.json").write_bytes(text)
        (trail.path / f"digests/{day}.sig").write_bytes(key.sign(text))


def rename(trail: Folder) -> None:
    file = first(trail, TODAY)
    (trail.path / file).rename(trail.path / file.replace("T09", "T08"))


def copy_over(trail: Folder) -> None:
    shutil.copyfile(trail.path / first(trail, "2026-11-25"), trail.path / first(trail, TODAY))


def put_a_file_in(trail: Folder) -> None:
    taken, file = first(trail, TODAY), "calls/2026-11-24T120000.000-1-abcdef.ndjson"
    put(
        trail,
        file,
        forged(
            file, [line.replace(taken.encode(), file.encode()) for line in lines_of(trail, taken)]
        ),
    )


D24, D25, D26 = "2026-11-24", "2026-11-25", "2026-11-26"
CALLS24, CALLS25, CALLS26 = f"calls/{D24}", f"calls/{D25}", f"calls/{D26}"
DIGEST24, DIGEST25 = f"digests/{D24}", f"digests/{D25}"


@pytest.mark.parametrize(
    ("touch", "told"),
    [
        pytest.param(edit(D26), {("changed", CALLS26)}, id="words of lines"),
        pytest.param(edit(D24), {("changed", CALLS24)}, id="words of lines of a signed day"),
        pytest.param(
            take_a_line_away,
            {("not-in-sequence", CALLS25), ("not-as-signed", CALLS25)},
            id="a line taken away",
        ),
        pytest.param(reorder, {("not-in-sequence", CALLS25)}, id="lines in another order"),
        pytest.param(put_a_line_in, {("not-in-sequence", CALLS26)}, id="a line put in"),
        pytest.param(
            add_after_the_end, {("after-the-end", CALLS26)}, id="a line added after the end"
        ),
        pytest.param(
            cut(D24, 4),
            {("unfinished", CALLS24), ("not-as-signed", CALLS24)},
            id="the end of a file of a signed day",
        ),
        pytest.param(
            cut(D26, 4),
            {("unfinished", CALLS26), ("not-as-witnessed", CALLS26)},
            id="the end of a file not signed yet",
        ),
        pytest.param(
            cut(D25, 0),
            {("unfinished", CALLS25), ("not-as-signed", CALLS25), ("not-as-witnessed", CALLS25)},
            id="every line of a file",
        ),
        pytest.param(
            cut_in_a_line,
            {("not-a-line", CALLS26), ("unfinished", CALLS26), ("not-as-witnessed", CALLS26)},
            id="the end of a line",
        ),
        pytest.param(
            rewrite(D24), {("not-as-signed", CALLS24)}, id="a file of a signed day, chained again"
        ),
        pytest.param(
            rewrite(D26),
            {("not-as-witnessed", CALLS26)},
            id="a file that another saw, chained again",
        ),
        pytest.param(
            rewrite_without_links,
            {("changed", CALLS26)},
            id="the last file, with an end that is no link",
        ),
        pytest.param(delete(D24), {("missing", CALLS24)}, id="a file of a signed day"),
        pytest.param(
            delete(D24, "acts"), {("missing", f"acts/{D24}")}, id="an act of a signed day"
        ),
        pytest.param(delete(D26), {("missing", CALLS26)}, id="a file that another saw"),
        pytest.param(
            delete_all_of_a_day,
            {("missing", f"acts/{D24}"), ("digest-missing", DIGEST24)},
            id="a day and its digest",
        ),
        pytest.param(delete_digest(D24), {("digest-missing", DIGEST24)}, id="a digest"),
        pytest.param(delete_digest(D25), {("digest-missing", DIGEST25)}, id="the last digest"),
        pytest.param(
            edit_digest,
            {
                ("digest-changed", DIGEST24),
                ("digest-replaced", DIGEST24),
                ("not-as-signed", CALLS24),
            },
            id="a word of a digest",
        ),
        pytest.param(
            sign_again,
            {("digest-replaced", DIGEST25), ("not-as-witnessed", CALLS25)},
            id="a day, chained and signed again with the right key",
        ),
        pytest.param(
            swap_key,
            {
                ("opened-under-other-key", file)
                for file in (CALLS24, CALLS25, CALLS26, f"acts/{D24}")
            }
            | {("digest-replaced", DIGEST24), ("digest-replaced", DIGEST25)},
            id="the key, and every digest signed with the new one",
        ),
        pytest.param(
            rename, {("another-file", CALLS26), ("missing", CALLS26)}, id="the name of a file"
        ),
        pytest.param(
            copy_over,
            {("another-file", CALLS26), ("not-as-witnessed", CALLS26)},
            id="a file in place of another",
        ),
        pytest.param(put_a_file_in, {("not-signed", CALLS24)}, id="a file put into a signed day"),
    ],
)
def test_whatever_is_tampered_with_is_found(trail: Folder, touch: Callable[[Folder], None], told):
    assert verify(trail, TODAY).is_whole

    touch(trail)

    verdict = verify(trail, TODAY)
    assert not verdict.is_whole
    assert faults(verdict) == told, verdict.findings


def test_a_file_that_is_not_as_signed_is_told_with_the_lines_that_it_has(trail: Folder):
    take_a_line_away(trail)

    [found] = [one for one in verify(trail, TODAY).findings if one.what == "not-as-signed"]

    assert found.told == {"lines": 6, "signed": 7}


def test_a_trail_made_anew_under_another_key_is_told_from_the_one_whose_key_was_noted(
    trail: Folder, clock, journal
):
    noted = verify(trail, TODAY).key
    shutil.rmtree(trail.path)
    trail.make()
    write(journal, clock)

    assert verify(trail, TODAY).is_whole
    assert faults(verify(trail, TODAY, noted)) == {("other-key", "keys/signing.pu")}
