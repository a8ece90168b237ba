"""The second server of the demonstration. It issues tokens over TLS, on the same directory."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Final

from ror.identity.sandbox_authority import SandboxAuthority
from ror.settings import Settings, as_environment

_PARENT_DEATH: Final = 1
"""PR_SET_PDEATHSIG of Linux: the signal that a process gets when its parent ends."""


def tls_settings(settings: Settings, tls_port: int, authority: SandboxAuthority) -> Settings:
    """The settings of the second server: TLS, client certificates, no anonymous access."""
    certificate, key = authority.files("server")
    return replace(
        settings,
        port=tls_port,
        anonymous_profile=None,
        log_level="warning",
        tls_certificate=str(certificate),
        tls_key=str(key),
        tls_client_authorities=(str(authority.authorities),),
        tls_client_crl=(str(authority.revocations),),
    )


@contextmanager
def second_server(settings: Settings) -> Iterator[None]:
    """A server in a process of its own. It ends with the block, or with this process."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ROR_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "ror", "serve"],
        env={**environment, **as_environment(settings)},
        preexec_fn=_end_with_parent,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _end_with_parent() -> None:
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PARENT_DEATH, signal.SIGTERM)
