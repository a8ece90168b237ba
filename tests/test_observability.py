"""What operators read of an event, as JSON and as text."""

import json
import logging
import os

import pytest

from ror.observability import LibraryLines, Log


@pytest.fixture
def written(tmp_path):
    """Makes logs of a shape that write to a file; and reads that."""
    path = tmp_path / "log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    yield lambda shape: (Log(shape, output=descriptor), path.read_text)
    os.close(descriptor)


@pytest.mark.parametrize("shape", ["json", "text"])
def test_a_name_that_is_no_text_is_written(written, shape):
    log, text = written(shape)

    log.write("info", "read", file=os.fsdecode(b"\xff.json"), lines=3)

    assert "dcff.json" in text()
    if shape == "json":
        told = json.loads(text())
        assert (told["file"], told["lines"]) == ("\\udcff.json", 3)


@pytest.mark.parametrize("shape", ["json", "text"])
def test_what_the_http_library_tells_of_an_accident_has_its_traceback(written, shape):
    log, text = written(shape)
    library = logging.Logger("library")
    library.addHandler(LibraryLines(log))

    try:
        raise KeyError("somewhere")
    except KeyError:
        library.exception("Exception in ASGI")
    library.warning("Slow")

    assert (
        "Exception in ASGI" in text()
        and "Traceback" in text()
        and "KeyError: 'somewhere'" in text()
    )
    assert text().splitlines()[-1].endswith("Slow" if shape == "text" else '"message":"Slow"}')
