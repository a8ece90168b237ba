"""The ports that the demonstration listens on: the chosen ports, else the next free ports."""

from dataclasses import replace
from typing import Final

from ror.cli.terminal import say, write_line
from ror.errors import UsageError
from ror.http.serving import listening
from ror.settings import Settings

FIRST: Final = 8000
FIRST_TLS: Final = 8443
ATTEMPTS: Final = 100


def chosen_or_free(settings: Settings, chosen: int | None, first: int) -> int:
    """
    The chosen port; without one, the first free port from `first` on, and a line that says so.

    Raises UsageError when the chosen port is taken, or no port can be used.
    """
    if chosen:
        _check(settings, chosen)
        return chosen
    port = _first_free(settings, first)
    if port != first:
        write_line(say("cli.demo-other-port", taken=first, port=port))
    return port


def _first_free(settings: Settings, first: int) -> int:
    for port in range(first, first + ATTEMPTS):
        try:
            _check(settings, port)
        except UsageError:
            continue
        return port
    # No port is free: the error about the first one has the reason.
    _check(settings, first)
    return first


def _check(settings: Settings, port: int) -> None:
    """Raises UsageError when the port cannot be listened on."""
    with listening(replace(settings, port=port)):
        pass
