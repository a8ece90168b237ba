"""
Page links: they come back as they left, to the directory that gave them, and tell nobody else
anything.

Deliberate breakages that these tests caught: links that hold their cursor in the clear; a key for
each process; a link taken that was spelled otherwise.
"""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ror.errors import InvalidRequest
from ror.search.answer.page_links import CursorCipher, cursor_cipher
from ror.search.language.cursor import Cursor, decode
from ror.store import open_store

SEAL = CursorCipher(bytes(32))
CURSOR = Cursor(False, ("chu",), 12).encode()


@given(st.text("abcdefXYZ019-_", min_size=1))
def test_a_cursor_comes_back_as_it_left(cursor):
    assert SEAL.decrypted(SEAL.encrypted(cursor)) == cursor
    assert SEAL.encrypted(cursor) == SEAL.encrypted(cursor)


@given(st.integers(0, 200), st.sampled_from("ABCxyz019-_= +/\u00e9"))
def test_a_link_that_was_changed_is_refused(place, letter):
    text = SEAL.encrypted(CURSOR)
    changed = text[:place] + letter + text[place + 1 :]
    if changed != text:
        with pytest.raises(InvalidRequest, match="_cursor"):
            SEAL.decrypted(changed)


@pytest.mark.parametrize(
    "text",
    ["", "A", "AAAA", CURSOR, "A" * 50_000, "é", "=", CursorCipher(b"x" * 32).encrypted(CURSOR)],
)
def test_what_this_directory_did_not_close_is_refused(text):
    with pytest.raises(InvalidRequest, match="_cursor"):
        SEAL.decrypted(text)


def test_all_processes_of_a_directory_read_the_links_of_each_other(tmp_path):
    stores = [open_store(f"sqlite:///{tmp_path}/ror.db") for _ in range(4)]
    with ThreadPoolExecutor(len(stores)) as openers:
        seals = list(openers.map(cursor_cipher, stores))
    other = open_store(f"sqlite:///{tmp_path}/other.db")

    assert len({seal.encrypted(CURSOR) for seal in seals}) == 1
    assert cursor_cipher(other).encrypted(CURSOR) != seals[0].encrypted(CURSOR)
    for store in (*stores, other):
        store.close()


def test_a_page_link_of_a_server_cannot_be_read_and_leads_to_the_next_page(server):
    first = server.search("Location", _count="2")
    url = next(link["url"] for link in first["link"] if link["relation"] == "next")
    (text,) = parse_qs(urlsplit(url).query)["_cursor"]

    with pytest.raises(InvalidRequest):
        decode(text)
    following = server.client.get(url).json()
    assert following["total"] == first["total"]
    assert not {one["fullUrl"] for one in first["entry"]} & {
        one["fullUrl"] for one in following["entry"]
    }
