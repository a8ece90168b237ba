"""
`python -m benchmarks`: generate a directory, load it, start the server, measure it against its ceiling, tell.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks import ceiling, measuring, processes, report, workloads
from benchmarks.directory import Directory, Loaded
from benchmarks.report import Aim, Figure
from benchmarks.workloads import Recorded, Seen
from ror.generating import Size

PAGE: Final = processes.ROOT / "docs" / "performance.md"
MB: Final = 1e6


@dataclass(frozen=True, slots=True)
class Workload:
    """A line of the table of workloads: what it is, its requests, which of them are kept once answered, its aim."""

    told: str
    targets: Callable[[Seen, int], list[str]]
    aim: Aim
    keep: Callable[[Recorded], Recorded] = lambda recorded: recorded


WORKLOADS: Final = {
    "W1": Workload("read by id", workloads.reads, Aim(0.35)),
    "W2": Workload("token search, page of 50", workloads.searches, Aim(0.35)),
    "W3": Workload("page of 200 offers with everything around", workloads.offers, Aim(0.5), workloads.fullest),
}
MEASURES: Final = ("load", "start", *WORKLOADS)


def main() -> None:
    """Measure what the command line asks for."""
    asked = _arguments()
    with tempfile.TemporaryDirectory(prefix="ror-benchmarks-") as temporary:
        folder = asked.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        results = measure(Directory(folder, Size(asked.size), asked.seed), asked.seconds, asked.only)
    report.show(results)
    # Some figures must not take the place of all.
    page = asked.output or (PAGE if set(asked.only) == set(MEASURES) else None)
    if page is not None:
        report.write(results, page)


def measure(directory: Directory, seconds: float, only: Sequence[str]) -> report.Results:
    """The figures of one run: those that `only` names."""
    telling = Console(stderr=True)
    telling.print(f"generating {directory.size}…")
    directory.generate()
    figures: list[Figure] = []
    if "load" in only or not directory.is_loaded:
        telling.print("loading…")
        loaded = directory.load()
        figures += _of_loading(loaded) if "load" in only else ()
    seen = Seen.in_file(directory.file)
    telling.print("starting the server…")
    with ExitStack() as stack:
        server = stack.enter_context(processes.server(directory.database, directory.folder))
        figures += _of_starting(server) if "start" in only else ()
        asking = stack.enter_context(measuring.open_client())
        for name in (one for one in WORKLOADS if one in only):
            telling.print(f"measuring {name}…")
            figures += _of_workload(name, seen, server, directory, asking, seconds)
        figures += _memory_after(server) if "start" in only else ()
    return report.Results(directory.size, sum(map(len, seen.by_type.values())), seconds, figures)


# --- figures ---------------------------------------------------------------------------------------------------------


def _of_loading(loaded: Loaded) -> Iterator[Figure]:
    yield Figure("load rate", loaded.resources / loaded.load_s, "resources/s", aim=Aim(8_000))
    yield Figure("disk per resource", loaded.database_bytes / loaded.resources, "bytes")
    yield Figure("first index, made from the store", loaded.index_s, "s", 2)


def _of_starting(server: processes.Running) -> Iterator[Figure]:
    yield Figure("process start to ready", server.ready_after_s, "s", 2)
    yield Figure("index ready, of which", float(server.said["ready_in_s"]), "s", 3, Aim(1.0, at_least=False))
    yield from _memory("memory when ready", server)


def _of_workload(
    name: str, seen: Seen, server: processes.Running, directory: Directory, asking: measuring.Client, seconds: float
) -> Iterator[Figure]:
    workload = WORKLOADS[name]
    recorded = workload.keep(workloads.record(server.port, workload.targets(seen, directory.seed)))
    workloads.check(recorded)
    answers = directory.folder / f"{name}.answers"
    ceiling.save(recorded.answers, answers)
    with processes.ceiling(answers, directory.folder) as top:
        found = measuring.compare(asking, server, top, recorded.targets, seconds)
    answers.unlink()
    yield Figure(f"{name} {workload.told}", found.rate, "requests/s")
    yield Figure(f"{name} median", found.p50_ms, "ms", 2)
    yield Figure(f"{name} 99th percentile", found.p99_ms, "ms", 2)
    yield Figure(f"{name} the ceiling sends the same", found.ceiling_rate, "requests/s")
    yield Figure(f"{name} ratio to the ceiling", found.ratio, "", 2, workload.aim)
    yield Figure(f"{name} processor time of an answer", found.cpu_ms, "ms", 3)
    yield Figure(f"{name} of which sending, as the ceiling", found.ceiling_cpu_ms, "ms", 3)
    yield Figure(f"{name} different requests", len(recorded.answers))
    yield Figure(f"{name} mean answer", recorded.mean_bytes / 1_000, "kB", 1)
    yield Figure(f"{name} mean resources in an answer", recorded.mean_resources, "", 0)
    yield Figure(f"{name} ceiling, share of a core used", 100 * found.ceiling_busy, "%")


def _memory_after(server: processes.Running) -> Iterator[Figure]:
    yield from _memory("memory after the workloads", server)


def _memory(name: str, server: processes.Running) -> Iterable[Figure]:
    used = server.memory_mb()
    return () if used is None else (Figure(name, used, "MB"),)


# --- the command line ------------------------------------------------------------------------------------------------


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the directory on this machine.")
    parser.add_argument("--size", choices=[size.value for size in Size], default="medium", help="of the directory")
    parser.add_argument("--seed", type=int, default=1, help="another one gives another directory")
    parser.add_argument("--seconds", type=_positive, default=5.0, help="for each workload, on each side")
    parser.add_argument("--output", type=Path, help=f"a Markdown page; {PAGE.name} when everything is measured")
    parser.add_argument("--only", type=_measures, default=MEASURES, help=f"among {','.join(MEASURES)}")
    parser.add_argument("--folder", type=Path, help="where the directory is kept for the next run")
    return parser.parse_args()


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value <= 3_600:
        raise argparse.ArgumentTypeError(f'"{text}" is not a number of seconds between 0 and 3600')
    return value


def _measures(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    for name in names:
        if name not in MEASURES:
            raise argparse.ArgumentTypeError(f'"{name}" cannot be measured; try {", ".join(MEASURES)}')
    return names


if __name__ == "__main__":
    main()
