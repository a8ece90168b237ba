"""Signals of the server's processes."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn


@contextmanager
def stopping(server: uvicorn.Server) -> Iterator[None]:
    """
    SIGTERM and SIGINT stop the server, also before it handles them itself.

    uvicorn raises them again once it has stopped, to end the process; there is more to do then.
    """

    def stop(*_: object) -> None:
        server.should_exit = True

    handlers = [(number, signal.signal(number, stop)) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        yield
    finally:
        for number, handler in handlers:
            signal.signal(number, handler)
