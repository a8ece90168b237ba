"""Frames: small, exact, and readable with the dictionary that they name."""

import threading

import pytest
import zstandard

from ror.store.sqlite.compression import (
    Codec,
    CorruptFrame,
    codec_of,
    dictionary_id,
    shipped_dictionary,
)

OTHER = zstandard.train_dictionary(
    2_048, [f'{{"other":"{n}","value":{n * 7}}}'.encode() for n in range(2_000)], dict_id=50_000
).as_bytes()
OURS = codec_of(shipped_dictionary())
"""What new databases compress with."""


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"value":2.10,"other":1e-7,"third":0.0}', id="decimals"),
        pytest.param("Hôpital de l'Œuvre à Saint-Haÿ 🏥".encode(), id="accents"),
        pytest.param(b"", id="nothing"),
        pytest.param(bytes(range(256)) * 4_000, id="a megabyte of anything"),
        pytest.param(shipped_dictionary(), id="the dictionary itself"),
    ],
)
def test_what_comes_out_is_what_went_in(body: bytes) -> None:
    assert OURS.decompress(OURS.compress(body)) == body


def test_a_frame_made_with_another_dictionary_is_read_with_it() -> None:
    frame = Codec(OTHER, lambda _: None).compress(b'{"other":"1"}')
    asked: list[int] = []
    codec = Codec(shipped_dictionary(), lambda wanted: asked.append(wanted) or OTHER)  # type: ignore[func-returns-value]

    both = codec.decompress_all([OURS.compress(b"mine"), frame, None, frame])

    assert both == [b"mine", b'{"other":"1"}', b"", b'{"other":"1"}']
    assert codec.decompress(frame) == b'{"other":"1"}'
    assert asked == [dictionary_id(OTHER)]


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(b"not a frame", id="not a frame"),
        pytest.param(b"", id="nothing"),
        pytest.param(OURS.compress(b'{"resourceType":"Location"}' * 9)[:-3], id="cut short"),
        pytest.param(
            Codec(OTHER, lambda _: None).compress(b'{"other":"1"}'), id="an unknown dictionary"
        ),
    ],
)
def test_a_frame_that_cannot_be_read_is_said_to_be_corrupt(frame: bytes) -> None:
    with pytest.raises(CorruptFrame):
        OURS.decompress(frame)


def test_a_codec_serves_several_threads_at_once() -> None:
    codec = OURS
    wrong: list[bytes] = []

    def work(seed: int) -> None:
        for number in range(500):
            body = f'{{"resourceType":"Location","id":"{seed}-{number}"}}'.encode() * (
                1 + number % 5
            )
            if codec.decompress(codec.compress(body)) != body:
                wrong.append(body)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_the_shipped_dictionary_names_itself_in_two_bytes() -> None:
    assert 32_768 <= dictionary_id(shipped_dictionary()) < 65_536
