"""
`python -m benchmarks`: generate a directory, load it, measure the server against its ceiling,
report.
"""

import argparse
import multiprocessing
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean, median
from typing import Final

from rich.console import Console

from benchmarks import ceiling, engine, measuring, paging, processes, recording, report
from benchmarks.directory import Directory
from benchmarks.measuring import Side
from benchmarks.recording import Recorded
from benchmarks.report import Aim, Figure
from benchmarks.seen import Seen
from benchmarks.workloads import WORKLOADS, Workload
from ror.samples import Size

PAGE: Final = processes.ROOT / "docs" / "performance.md"
STARTS: Final = 3
SLOWER: Final = 1.15
"""The most that an answer under another profile may cost, relative to the first profile."""
UNCACHED: Final = "without cache"
"""The suffix of figures of a server without answer cache."""
TRACED: Final = 1.05
"""The most that an audited answer may cost, relative to one without audit record."""
TRAILS: Final = 6
"""The number of servers that measure the trail: the cost differs slightly in each."""
PARTS: Final = ("load", "W10", *WORKLOADS, "audit")


@dataclass(frozen=True, slots=True)
class Run:
    """A run: the directory, the profiles, the seconds for each workload and server."""

    directory: Directory
    seen: Seen
    profiles: Sequence[int]
    seconds: float
    console: Console


def main() -> None:
    """Measure the parts that the command line names."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="ror-benchmarks-") as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        directory = Directory(folder, Size(arguments.size), arguments.seed)
        results = measure(directory, arguments.profiles, arguments.seconds, arguments.only)
    report.show(results)
    # Some figures must not replace the page of all.
    page = arguments.output or (PAGE if set(arguments.only) == set(PARTS) else None)
    if page is not None:
        report.write(results, page)


def measure(
    directory: Directory, profiles: Sequence[int], seconds: float, only: Sequence[str]
) -> report.Results:
    """The figures of the parts in `only`."""
    console = Console(stderr=True)
    console.print(f"generating {directory.size}…")
    directory.generate()
    figures: list[Figure] = []
    paces = [measuring.pace_ms()]
    if "load" in only or not directory.is_loaded:
        console.print("loading…")
        loading = list(_of_loading(directory))
        figures += loading if "load" in only else ()
    paces.append(measuring.pace_ms())
    run = Run(directory, Seen.in_file(directory.file), profiles, seconds, console)
    if "W10" in only:
        figures += _of_disk(run)
        figures += _of_starting(run)
    console.print("timing the engine…")
    figures += _of_engine(
        run, [name for name in WORKLOADS if name in only and WORKLOADS[name].is_search]
    )
    figures += _of_serving(run, only)
    if "audit" in only:
        figures += _of_trail(run)
    titles = {name: workload.title for name, workload in WORKLOADS.items()}
    paces.append(measuring.pace_ms())
    conditions = report.conditions(directory.size, run.seen.resources, seconds, paces)
    return report.Results(directory.size, run.seen.resources, conditions, titles, figures)


# --- before anything is served --------------------------------------------------------------------


def _of_loading(directory: Directory) -> Iterator[Figure]:
    loaded = directory.load()
    yield Figure(
        "load rate", loaded.resources / loaded.load_s, "resources/s", aim=Aim(8_000), is_cost=True
    )
    yield Figure("first index, made from the store", loaded.index_s, "s", 2, is_cost=True)


def _of_disk(run: Run) -> Iterator[Figure]:
    each = run.seen.resources
    total = run.directory.bytes_on_disk() / each
    yield Figure("disk per resource", total, "bytes", aim=_at_most(1_500), is_cost=True)
    for name, size in run.directory.parts().items():
        yield Figure(name, size / each, "bytes", of="disk")
    access = run.directory.of_access()
    yield Figure(
        "disk per resource, access policy",
        sum(access.values()) / each,
        "bytes",
        is_cost=True,
    )
    for name, size in access.items():
        yield Figure(name, size / each, "bytes", of="access")


def _of_starting(run: Run) -> Iterator[Figure]:
    """Starts with the files of the directory outside the page cache, then inside."""
    for name, is_cold in (("cold", True), ("warm", False)):
        run.console.print(f"starting, {name}…")
        seconds = []
        for _ in range(STARTS):
            if is_cold:
                processes.forget(run.directory.files)
            with processes.server(
                run.directory.database, run.directory.folder, run.profiles[0]
            ) as server:
                seconds.append(server.ready_after_s)
        yield Figure(
            f"process start to ready, {name}", median(seconds), "s", 2, _at_most(1.0), is_cost=True
        )


def _of_engine(run: Run, names: Sequence[str]) -> Iterator[Figure]:
    targets = {name: WORKLOADS[name].targets(run.seen, run.directory.seed) for name in names}
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
        timed = fresh.submit(engine.times, run.directory.database, run.profiles, targets).result()
    for name, of_one in timed.items():
        aim = WORKLOADS[name].engine_p99_ms
        for pass_name, times, target in (
            ("", of_one.later, aim),
            (", first pass", of_one.first, None),
        ):
            for share, share_name in ((0.5, "median"), (0.99, "99th percentile")):
                value = measuring.quantile(times, share) / 1e6
                bound = target if share > 0.5 else None
                yield Figure(
                    f"engine, {share_name}{pass_name}", value, "ms", 2, bound, of=name, is_cost=True
                )
        yield Figure("engine, different requests", len(targets[name]), of=name)
        for profile, slower in zip(run.profiles[1:], of_one.against, strict=True):
            yield Figure(
                f"profile {profile} against {run.profiles[0]}, engine", slower, "", 2, of=name
            )
        run.console.print(f"{name} slowest in the engine: {of_one.slowest}", soft_wrap=True)


# --- served ---------------------------------------------------------------------------------------


def _of_serving(run: Run, only: Sequence[str]) -> Iterator[Figure]:
    """
    A server with default settings and, for each profile, one without answer cache, measured in
    turn.
    """
    with ExitStack() as stack:
        start = partial(processes.server, run.directory.database, run.directory.folder)
        servers = [stack.enter_context(start(run.profiles[0]))]
        servers += [
            stack.enter_context(start(profile, remembers=False)) for profile in run.profiles
        ]
        asking = stack.enter_context(measuring.open_client())
        if "W10" in only:
            yield Figure(
                "of which loading the index",
                float(servers[0].said["ready_in_s"]),
                "s",
                3,
                is_cost=True,
            )
            yield from _of_memory("memory when ready", servers[0])
        for name in (one for one in WORKLOADS if one in only):
            run.console.print(f"measuring {name}…")
            yield from _of_workload(name, run, servers, asking)
        if "W10" in only:
            run.console.print("measuring W10…")
            yield from _of_paging(run, servers[0], asking)
            yield from _of_memory("memory after the workloads", servers[0], _at_most(400))


def _of_workload(
    name: str, run: Run, servers: Sequence[processes.Running], asking: measuring.Client
) -> Iterator[Figure]:
    workload = WORKLOADS[name]
    recorded = _recorded(workload, run, servers)
    targets = recorded[0].targets
    answers = run.directory.folder / f"{name}.answers"
    ceiling.save(recorded[0].answers, answers)
    with processes.ceiling(answers, run.directory.folder) as sending:
        sides, top = [Side(server, targets) for server in servers], Side(sending, targets)
        measuring.in_turn(asking, [*sides, top], run.seconds)
    answers.unlink()
    first, forgetful, *others = sides
    alone = Side(servers[0], targets)
    measuring.in_turn(asking, [alone], run.seconds, connections=1)
    aim = workload.one_connection_p50_ms
    p50 = alone.latency_ms(0.5)
    yield Figure("median, one connection", p50, "ms", 2, aim, of=name, is_cost=True)
    yield Figure(
        "99th percentile, one connection", alone.latency_ms(0.99), "ms", 2, of=name, is_cost=True
    )
    yield Figure("rate", first.rate, "/s", of=name, is_cost=True)
    yield Figure("median", first.latency_ms(0.5), "ms", 2, of=name)
    yield Figure("99th percentile", first.latency_ms(0.99), "ms", 2, of=name)
    yield Figure("rate of the ceiling", top.rate, "/s", of=name)
    yield Figure("ratio to the ceiling", first.ratio_to(top), "", 2, workload.ratio, of=name)
    yield Figure("processor time of an answer", first.cpu_ms, "ms", 3, of=name, is_cost=True)
    yield Figure(f"ratio to the ceiling, {UNCACHED}", forgetful.ratio_to(top), "", 2, of=name)
    yield Figure(
        f"processor time of an answer, {UNCACHED}",
        forgetful.cpu_ms,
        "ms",
        3,
        of=name,
        is_cost=True,
    )
    yield Figure("processor time of the ceiling", top.cpu_ms, "ms", 3, of=name)
    yield Figure("different requests", len(targets), of=name)
    yield Figure("mean answer", recorded[0].mean_bytes / 1_000, "kB", 1, of=name)
    yield Figure("mean resources in an answer", recorded[0].mean_resources, of=name)
    yield Figure("ceiling, share of a core used", 100 * top.busy, "%", of=name)
    for profile, side, answered in zip(run.profiles[1:], others, recorded[2:], strict=True):
        slower = forgetful.ratio_to(side)
        against = f"profile {profile} against {run.profiles[0]}"
        yield Figure(f"{against}, time of an answer", slower, "", 2, _at_most(SLOWER), of=name)
        yield Figure(f"{against}, processor time", side.cpu_ms / forgetful.cpu_ms, "", 2, of=name)
        yield Figure(
            f"{against}, bytes of an answer",
            answered.mean_bytes / recorded[0].mean_bytes,
            "",
            2,
            of=name,
        )


def _of_trail(run: Run) -> Iterator[Figure]:
    """Reads by id, the shortest answers, on servers that switch their trail on and off."""
    run.console.print("measuring the audit trail…")
    workload = WORKLOADS["W1"]
    targets = workload.targets(run.seen, run.directory.seed)[: workload.served]
    costs = []
    with measuring.open_client() as asking:
        for _ in range(TRAILS):
            with processes.by_turns(
                run.directory.database, run.directory.folder, run.profiles[0]
            ) as (server, costs_us):
                measuring.in_turn(asking, [Side(server, targets)], run.seconds)
            costs.append(costs_us)
    answer, noting, writing = (
        fmean(one[name] for one in costs) for name in ("answer_us", "noting_us", "writing_us")
    )
    slower = (answer + noting + writing) / answer
    yield Figure(
        "read with audit trail against without, processor time", slower, "", 3, _at_most(TRACED)
    )
    yield Figure("line of the trail, in the thread that answers", noting, "µs", 1)
    yield Figure("line of the trail, in the thread that writes", writing, "µs", 1)


def _recorded(workload: Workload, run: Run, servers: Sequence[processes.Running]) -> list[Recorded]:
    """The responses of each server to the requests that all of them can answer."""
    candidates = workload.targets(run.seen, run.directory.seed)[: workload.candidates]
    first = workload.keep(recording.record(servers[0].port, candidates), workload.served)
    others = [
        recording.record(server.port, first.targets, may_be_hidden=True) for server in servers[1:]
    ]
    recording.check(first)
    common = [one for one in first.targets if all(one in other.answers for other in others)]
    return [one.only(common) for one in (first, *others)]


def _of_paging(run: Run, server: processes.Running, asking: measuring.Client) -> Iterator[Figure]:
    """Exact totals, and a deep page against page 1, over one connection."""
    alone = Side(server, paging.totals(run.seen, run.directory.seed))
    measuring.in_turn(asking, [alone], run.seconds, connections=1)
    yield Figure("exact total of a code, median", alone.latency_ms(0.5), "ms", 2, is_cost=True)
    yield Figure(
        "exact total of a code, 99th percentile", alone.latency_ms(0.99), "ms", 2, is_cost=True
    )
    for order, name in paging.ORDERS.items():
        found = paging.pages(server.port, run.seen, order)
        first, deep = Side(server, found.first), Side(server, found.deep)
        measuring.in_turn(asking, [first, deep], run.seconds, connections=1)
        yield Figure(f"{name} against page 1", first.ratio_to(deep), "", 2, _at_most(1.1))
        yield Figure(f"{name}, median", deep.latency_ms(0.5), "ms", 2, is_cost=True)


def _of_memory(name: str, server: processes.Running, aim: Aim | None = None) -> Iterator[Figure]:
    used, own = server.memory_mb(), server.memory_mb("RssAnon")
    if used is not None and own is not None:
        yield Figure(name, used, "MB", 0, aim, is_cost=True)
        yield Figure(f"{name}, without mapped files", own, "MB", is_cost=True)


def _at_most(bound: float) -> Aim:
    return Aim(bound, at_least=False)


# --- the command line -----------------------------------------------------------------------------


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure the directory on this machine."
    )
    parser.add_argument(
        "--size", choices=[size.value for size in Size], default="medium", help="of the directory"
    )
    parser.add_argument("--seed", type=int, default=1, help="another one gives another directory")
    parser.add_argument(
        "--seconds", type=_positive, default=5.0, help="for each workload, on each side"
    )
    parser.add_argument(
        "--profiles",
        type=_profiles,
        default=(1, 2),
        help="access profiles, in turn: the first, others",
    )
    parser.add_argument(
        "--output", type=_page, help=f"a Markdown page; {PAGE.name} when everything is measured"
    )
    parser.add_argument("--only", type=_parts, default=PARTS, help=f"among {','.join(PARTS)}")
    parser.add_argument("--folder", type=Path, help="where the directory is kept for the next run")
    return parser.parse_args()


def _page(text: str) -> Path:
    if not text.endswith(".md"):
        raise argparse.ArgumentTypeError(
            f'"{text}" is no Markdown page; figures go beside it, in a .json of the same name'
        )
    return Path(text)


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value <= 3_600:
        raise argparse.ArgumentTypeError(f'"{text}" is not a number of seconds between 0 and 3600')
    return value


def _profiles(text: str) -> tuple[int, ...]:
    numbers = tuple(text.split(","))
    for number in numbers:
        if number not in ("0", "1", "2", "3", "4", "5"):
            raise argparse.ArgumentTypeError(f'"{number}" is not an access profile, 0 to 5')
    return tuple(map(int, numbers))


def _parts(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    for name in names:
        if name not in PARTS:
            raise argparse.ArgumentTypeError(f'"{name}" cannot be measured; try {", ".join(PARTS)}')
    return names


if __name__ == "__main__":
    main()
