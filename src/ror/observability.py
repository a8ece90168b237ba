"""
The log on standard error, and the metrics for Prometheus.

Each log line is a single write, so that the lines of several processes never mix. If a line cannot
be written, it is lost and the request goes on. Each process has its own metrics. With several
processes, `PROMETHEUS_MULTIPROC_DIR` must name a shared folder before this module is imported;
an exposition then combines the metrics of all processes.
"""

import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, Protocol, cast

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client import generate_latest as exposition
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

# Otherwise each counter has a second series with the time of its creation.
disable_created_metrics()  # type: ignore[no-untyped-call]

Level = Literal["debug", "info", "warning", "error"]

LEVELS: Final[Mapping[Level, int]] = {"debug": 10, "info": 20, "warning": 30, "error": 40}

SHARED_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_Across = Literal["livesum", "livemin", "livemax", "livemostrecent"]
"""The way to combine the values of several processes."""

_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Seconds. A search costs 1 to 5 ms, a page of 2 MB a little more."""


class Cached(Protocol):
    """A cache in memory."""

    @property
    def size(self) -> int:
        """The bytes in the cache."""

    @property
    def hits(self) -> int:
        """The number of reads that the cache answered."""

    @property
    def misses(self) -> int:
        """The number of reads that it could not answer."""


# --- log -----------------------------------------------------------------------------------------


class Log:
    """Writes events of `level` or above to a file descriptor, as JSON or as text for people."""

    def __init__(self, shape: str = "auto", level: Level = "info", output: int = 2) -> None:
        is_text = os.isatty(output) if shape == "auto" else shape == "text"
        self._line = _text_line if is_text else _json_line
        self._output = output
        self.threshold = LEVELS[level]

    def write(self, level: Level, event: str, **fields: Any) -> None:
        """Write one line about an event; fields that are None are left out."""
        if LEVELS[level] < self.threshold:
            return
        line = self._line(level, event, fields)
        # A log that cannot be written (closed pipe, full disk) must not stop the service.
        with suppress(OSError):
            os.write(self._output, line)

    def failure(self, event: str, problem: BaseException, **fields: Any) -> None:
        """Write an unexpected error with its traceback."""
        self.write("error", event, **fields, problem="".join(traceback.format_exception(problem)))


def log_of(shape: str, level: str) -> Log:
    """The log on standard error that the settings `log_format` and `log_level` describe."""
    return Log(shape, cast(Level, level))


def _json_line(level: Level, event: str, fields: dict[str, Any]) -> bytes:
    line = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "level": level,
        "event": event,
    }
    line.update({name: value for name, value in fields.items() if value is not None})
    try:
        return _ENCODE(line) + b"\n"
    except UnicodeEncodeError:
        # The name of a file may be invalid UTF-8.
        return _ENCODE({name: _as_text(value) for name, value in line.items()}) + b"\n"


def _as_text(value: object) -> object:
    """A text with its invalid characters escaped; any other value unchanged."""
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value


_ENCODE: Final = msgspec.json.Encoder(enc_hook=str).encode


def _text_line(level: Level, event: str, fields: dict[str, Any]) -> bytes:
    """The message, with its traceback if any; without message, the event and its fields."""
    text = fields.pop("message", None)
    if text is None:
        text = " ".join(
            [
                event,
                *(f"{name}={_plain(value)}" for name, value in fields.items() if value is not None),
            ]
        )
    elif (problem := fields.get("problem")) is not None:
        text = f"{text}\n{str(problem).rstrip()}"
    mark = "" if level == "info" else f"{level.upper()} "
    return f"{time.strftime('%H:%M:%S')} {mark}{text}\n".encode(errors="backslashreplace")


def _plain(value: object) -> str:
    """A value on one line: control characters are escaped, except in a traceback."""
    text = str(value)
    return text if text.isprintable() or "Traceback" in text else repr(text)


class LibraryLines(logging.Handler):
    """Passes the log records of the HTTP library to our log."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        problem = record.exc_info[1] if record.exc_info else None
        if problem is not None:
            self._log.failure("library", problem, message=record.getMessage())
        else:
            level: Level = "error" if record.levelno >= logging.ERROR else "warning"
            self._log.write(level, "library", message=record.getMessage())


def adopt_library_logs(log: Log) -> None:
    """Send the warnings and errors of uvicorn to `log`."""
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers = [LibraryLines(log)] if name == "uvicorn" else []
        logger.propagate = name == "uvicorn.error"
        logger.setLevel(logging.WARNING)


# --- metrics --------------------------------------------------------------------------------------


class Metrics:
    """
    The metrics of this process.

    Requests are counted by route, never by path, so that the number of series stays bounded.
    """

    def __init__(self) -> None:
        self._shared = os.environ.get(SHARED_FOLDER)
        self.before_exposition: Callable[[], None] = lambda: None
        """Runs before each exposition, to count what is not counted yet."""
        self.registry = CollectorRegistry()
        if self._shared:
            _forget_dead_processes(Path(self._shared))
        self._requests = Counter(
            "ror_requests",
            "Requests answered",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "ror_request_seconds",
            "Time to answer",
            ("route",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._bytes = Counter("ror_response_bytes", "Bytes of bodies sent", registry=self.registry)
        self._in_flight = self._gauge(
            "ror_requests_in_flight", "Requests being answered", "livesum"
        )
        self._seq = self._gauge(
            "ror_index_seq", "Last change that the index holds, of the latest process", "livemin"
        )
        self._resources = self._gauge("ror_resources", "Live resources", "livemax", ("type",))
        self._index_bytes = self._gauge("ror_index_bytes", "Bytes of the index arrays", "livesum")
        self._index_fails = self._gauge(
            "ror_index_failing",
            "Whether the index cannot do what it does by itself",
            "livemax",
            ("work",),
        )
        self._bodies_bytes = self._gauge(
            "ror_body_cache_bytes", "Bytes of bodies kept at hand", "livesum"
        )
        self._bodies = self._gauge(
            "ror_body_cache_reads",
            "Bodies read, by whether they were at hand",
            "livesum",
            ("at_hand",),
        )
        self._answers_bytes = self._gauge(
            "ror_answer_cache_bytes", "Bytes of answers kept at hand", "livesum"
        )
        self._answers = self._gauge(
            "ror_answer_cache_reads",
            "Reads and searches, by whether their answer was at hand",
            "livesum",
            ("at_hand",),
        )
        self._trail_lines = Counter(
            "ror_audit_lines", "Lines of the audit trail on disk", registry=self.registry
        )
        self._trail_lag = self._gauge(
            "ror_audit_lag_seconds",
            "Wait of the oldest line of the last write of the audit trail",
            "livemax",
        )
        self._trail_fails = self._gauge(
            "ror_audit_failing", "Whether the audit trail cannot be written", "livemax"
        )
        self._rate_calls = Counter(
            "ror_rate_calls",
            "Calls counted against a rate",
            ("client", "outcome"),
            registry=self.registry,
        )
        self._rate = self._gauge(
            "ror_rate_calls_per_minute", "Calls a minute allowed", "livemostrecent", ("client",)
        )
        self._burst = self._gauge(
            "ror_rate_burst", "Calls at once allowed", "livemostrecent", ("client",)
        )
        self._limited_clients: set[str] = set()
        """The clients that ever had a rate limit in these metrics."""
        # Caches the children: a look-up by labels costs more than counting.
        self._counters: dict[tuple[str, str, int], tuple[Any, Any]] = {}

    def _gauge(
        self, name: str, description: str, across: _Across, labels: tuple[str, ...] = ()
    ) -> Gauge:
        """A gauge; `across` is the way to combine the values of several processes."""
        return Gauge(name, description, labels, registry=self.registry, multiprocess_mode=across)

    def count_responses(
        self, route: str, method: str, status: int, seconds: Sequence[float]
    ) -> None:
        """Count responses of one kind; `seconds` has the duration of each."""
        key = (route, method, status)
        counters = self._counters.get(key)
        if counters is None:
            requests = self._requests.labels(route, method, str(status))
            counters = self._counters[key] = requests, self._seconds.labels(route)
        requests, durations = counters
        requests.inc(len(seconds))
        for duration in seconds:
            durations.observe(duration)

    def count_traffic(self, sent: int, under_way: int) -> None:
        """Add `sent` bytes of bodies; set the number of requests `under_way`."""
        self._bytes.inc(sent)
        self._in_flight.set(under_way)

    def set_directory_state(
        self,
        *,
        seq: int,
        resources: Mapping[str, int],
        index_bytes: int,
        bodies: Cached,
        answers: Cached,
    ) -> None:
        """Set the metrics of the directory, its index and its caches in this process."""
        self._seq.set(seq)
        for resource_type, count in resources.items():
            self._resources.labels(resource_type).set(count)
        self._index_bytes.set(index_bytes)
        for cached, size, reads in (
            (bodies, self._bodies_bytes, self._bodies),
            (answers, self._answers_bytes, self._answers),
        ):
            size.set(cached.size)
            reads.labels("yes").set(cached.hits)
            reads.labels("no").set(cached.misses)

    def set_index_failing(self, work: str, fails: bool) -> None:
        """Set whether this work of the index (following changes, snapshots) fails."""
        self._index_fails.labels(work).set(fails)

    def set_rates(self, rates: Mapping[str, tuple[int, int]]) -> None:
        """Set each client's calls a minute and burst; 0 for a client without a limit any more."""
        for client in self._limited_clients.difference(rates):
            self._rate.labels(client).set(0)
            self._burst.labels(client).set(0)
        self._limited_clients.update(rates)
        for client, (calls_per_minute, burst) in rates.items():
            self._rate.labels(client).set(calls_per_minute)
            self._burst.labels(client).set(burst)

    def count_call(self, client: str, outcome: Literal["allowed", "refused"]) -> None:
        """Count a call of a client that has a rate limit."""
        self._rate_calls.labels(client, outcome).inc()

    def count_trail_lines(self, lines: int, lag_s: float) -> None:
        """Count lines of the audit trail on disk; the oldest one waited for `lag_s` seconds."""
        self._trail_lines.inc(lines)
        self._trail_lag.set(lag_s)

    def set_trail_failing(self, fails: bool) -> None:
        """Set whether the audit trail cannot be written."""
        self._trail_fails.set(fails)

    def exposition(self) -> bytes:
        """Every metric of every process, in the text format of Prometheus."""
        self.before_exposition()
        if not self._shared:
            return exposition(self.registry)
        combined = CollectorRegistry()
        MultiProcessCollector(combined, path=self._shared)  # type: ignore[no-untyped-call]
        return exposition(combined)


def _forget_dead_processes(folder: Path) -> None:
    """Delete the gauges of processes that ended, so that a replaced worker counts once."""
    for path in folder.glob("gauge_live*_*.db"):
        pid = path.stem.rpartition("_")[2]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists() and sys.platform == "linux":
            mark_process_dead(int(pid), str(folder))  # type: ignore[no-untyped-call]
