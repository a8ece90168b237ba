"""
The measured processes: started, awaited until ready, observed, stopped.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

ROOT: Final = Path(__file__).resolve().parents[1]
_STARTS_WITHIN_S: Final = 600.0
_STOPS_WITHIN_S: Final = 30.0
_LOOKS_EVERY_S: Final = 0.005


@dataclass(frozen=True, slots=True)
class Running:
    """A ready server: its process, port, seconds from start to ready, and start-up line."""

    pid: int
    port: int
    ready_after_s: float
    said: Mapping[str, Any]

    def memory_mb(self, kind: str = "VmRSS") -> float | None:
        """
        Resident memory with mapped files, or another line of Linux's process status; None
        elsewhere.
        """
        status = Path(f"/proc/{self.pid}/status")
        if not status.exists():
            return None
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines[kind].split()[0]) * 1_024 / 1e6

    def cpu_s(self) -> float:
        """Processor time so far, in seconds; 0 where it cannot be read."""
        stat = Path(f"/proc/{self.pid}/stat")
        if not stat.exists():
            return 0.0
        fields = stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def server(
    database: str, folder: Path, profile: int, *, remembers: bool = True
) -> AbstractContextManager[Running]:
    """
    `ror serve` on a database under an access profile.

    Settings are the defaults, except the access log, which the ceiling does not write, and the
    answer cache, if `remembers` is false.
    """
    options = {
        "database": database,
        "port": "0",
        "anonymous-profile": str(profile),
        "log-format": "json",
        "access-log": "false",
    }
    if not remembers:
        options["answer-cache-mb"] = "0"
    command = [sys.executable, "-m", "ror", "serve"]
    arguments = [*command, *(f"--{name}={value}" for name, value in options.items())]
    return _started(arguments, folder / f"server-{profile}{'' if remembers else '-forgetful'}.log")


@contextmanager
def by_turns(
    database: str, folder: Path, profile: int
) -> Iterator[tuple[Running, dict[str, float]]]:
    """
    A server that switches its audit trail on and off; the dictionary has its figures after the
    block.
    """
    log, costs_us = folder / "by-turns.log", dict[str, float]()
    with _started(
        [sys.executable, "-m", "benchmarks.by_turns", database, str(profile)], log
    ) as running:
        yield running, costs_us
    costs_us |= _line(log, "costs") or {}


def forget(files: Iterable[Path]) -> None:
    """Drop these files from the page cache, so that the next read waits for the disk."""
    for path in files:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def ceiling(answers: Path, folder: Path) -> AbstractContextManager[Running]:
    """The ceiling, serving recorded responses."""
    return _started(
        [sys.executable, "-m", "benchmarks.ceiling", str(answers)], folder / "ceiling.log"
    )


@contextmanager
def _started(command: Sequence[str], log: Path) -> Iterator[Running]:
    """A process, once its log has the start-up line."""
    # Settings of this machine must not change the measurement.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("ROR_")
    } | {"ROR_CONFIG": ""}
    start = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(command, stderr=output, cwd=ROOT, env=environment)  # noqa: S603 our own command
    try:
        said = _ready(process, log)
        ready_after_s = time.perf_counter() - start
        port = urlsplit(said["url"]).port
        assert port is not None
        yield Running(process.pid, port, ready_after_s, said)
    finally:
        process.terminate()
        try:
            process.wait(_STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ready(process: "subprocess.Popen[bytes]", log: Path) -> dict[str, Any]:
    """The start-up line of a process. Raises RuntimeError if the process ends or takes too long."""
    give_up_at = time.monotonic() + _STARTS_WITHIN_S
    while time.monotonic() < give_up_at and process.poll() is None:
        said = _line(log, "ready")
        if said is not None:
            return said
        time.sleep(_LOOKS_EVERY_S)
    raise RuntimeError(f"{' '.join(process.args)} did not start: {log.read_text()[-2_000:]}")  # type: ignore[arg-type]


def _line(log: Path, event: str) -> dict[str, Any] | None:
    """The first complete line of a log about an event."""
    for line in log.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n") and f'"event":"{event}"'.encode() in line:
            found: dict[str, Any] = json.loads(line)
            return found
    return None
