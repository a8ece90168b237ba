"""A client that reads all the while, to see what others make it wait."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.http.conftest import Server, read_answer, request


@dataclass
class Bystander:
    """What a client that reads without pause met: the statuses, and the seconds of each answer."""

    statuses: set[int | None] = field(default_factory=set)
    seconds: list[float] = field(default_factory=list)

    @property
    def p99_ms(self) -> float:
        """What 99 answers of 100 took at most."""
        return 1_000 * sorted(self.seconds)[int(len(self.seconds) * 0.99)]


@contextmanager
def bystander(server: Server, raw: bytes = request("/fhir/Location/l1")) -> Iterator[Bystander]:
    """A client on a kept connection; its p99 is printed when the block ends."""
    seen, is_over = Bystander(), threading.Event()

    def read() -> None:
        with server.connect() as connection:
            while not is_over.is_set():
                start = time.perf_counter()
                connection.sendall(raw)
                answer = read_answer(connection)
                seen.seconds.append(time.perf_counter() - start)
                seen.statuses.add(answer and answer.status)
                time.sleep(0.005)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield seen
    finally:
        is_over.set()
        thread.join()
        print(f"bystander: {len(seen.seconds)} answers, p99 {seen.p99_ms:.1f} ms")
