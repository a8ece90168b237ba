"""Jobs as rows of a store: who has them, how far they are, how they end."""

import threading
from collections.abc import Callable

import pytest

from ror.errors import InvalidRequest
from ror.store import jobs
from ror.store.contract import Job, Store


def state(store: Store, job: Job) -> str:
    found = store.jobs.get(job.id)
    assert found is not None
    return found.state


def test_only_one_worker_claims_a_job(store: Store, open_again: Callable[[], Store]) -> None:
    stores = [store, open_again()]
    waiting = {store.jobs.add("export", "alice", {"number": number}).id for number in range(20)}
    claimed: list[str] = []

    def work(mine: Store, worker: str) -> None:
        while job := mine.jobs.claim(["export"], worker, 60):
            claimed.append(job.id)

    threads = [
        threading.Thread(target=work, args=(stores[number % 2], f"worker {number}"))
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(claimed) == 20
    assert set(claimed) == waiting


def test_a_worker_claims_the_oldest_job_of_its_kinds(store: Store) -> None:
    store.jobs.add("import", "alice", {})
    first = store.jobs.add("export", "alice", {"type": "Location"})
    store.jobs.add("export", "bob", {})

    claimed = store.jobs.claim(["export"], "worker", 60)

    assert claimed is not None
    assert (claimed.id, claimed.state, claimed.claimed_by) == (first.id, "running", "worker")
    assert claimed.parameters == {"type": "Location"}


def test_a_worker_without_heartbeat_loses_its_job_with_its_progress(store: Store) -> None:
    job = store.jobs.add("export", "alice", {})
    store.jobs.claim(["export"], "dead", 60)
    store.jobs.beat(job.id, "dead", {"seen": 500})

    kept = store.jobs.claim(["export"], "eager", 60)
    taken = store.jobs.claim(["export"], "next", 0)

    assert kept is None
    assert taken is not None
    assert (taken.id, taken.progress) == (job.id, {"seen": 500})
    assert not store.jobs.beat(job.id, "dead", {"seen": 600})
    assert not store.jobs.end(job.id, "dead", "done", {})
    assert store.jobs.end(job.id, "next", "done", {"seen": 700})


def test_a_cancelled_job_tells_its_worker(store: Store) -> None:
    job = store.jobs.add("export", "alice", {})
    store.jobs.claim(["export"], "worker", 60)

    assert store.jobs.cancel(job.id)
    assert not store.jobs.beat(job.id, "worker", {})
    assert not store.jobs.cancel(job.id)
    assert state(store, job) == "cancelled"
    assert store.jobs.claim(["export"], "worker", 0) is None


def test_a_cancelled_job_can_be_resumed_and_a_done_one_cannot(store: Store) -> None:
    job = store.jobs.add("export", "alice", {})
    store.jobs.cancel(job.id)

    resumed = store.jobs.resume(job.id)
    store.jobs.claim(["export"], "worker", 60)
    store.jobs.end(job.id, "worker", "done", {})

    assert resumed
    assert not store.jobs.resume(job.id)


def test_a_job_ends_as_done_or_failed(store: Store) -> None:
    with pytest.raises(ValueError, match="cancelled"):
        store.jobs.end("any", "worker", "cancelled", {})


def test_run_next_does_the_work_and_says_how_far_it_went(store: Store) -> None:
    store.jobs.add("export", "alice", {"count": 3})

    def export(work: jobs.Work) -> None:
        for number in range(int(str(work.job.parameters["count"]))):
            work.report(seen=number + 1)

    done = jobs.run_next(store, "worker", {"export": export})

    assert done is not None
    assert (done.state, done.progress) == ("done", {"seen": 3})
    assert jobs.run_next(store, "worker", {"export": export}) is None


def test_the_message_of_a_failure_is_stored_in_both_languages(store: Store) -> None:
    store.jobs.add("export", "alice", {})

    def export(work: jobs.Work) -> None:
        work.report(seen=1)
        raise InvalidRequest("store.unknown-url", url="nowhere")

    failed = jobs.run_next(store, "worker", {"export": export})

    assert failed is not None
    assert failed.state == "failed"
    assert failed.progress["seen"] == 1
    assert "nowhere" in str(failed.progress["error"])
    assert set(failed.progress["error"]) == {"fr", "en"}  # type: ignore[call-overload]


def test_a_bug_fails_the_job_and_reveals_nothing(store: Store) -> None:
    store.jobs.add("export", "alice", {})

    failed = jobs.run_next(store, "worker", {"export": lambda work: 1 // 0})  # type: ignore[arg-type, return-value]

    assert failed is not None
    assert (failed.state, failed.progress) == ("failed", {})


def test_cancelling_stops_the_worker_at_its_next_report(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "BEAT_EVERY_S", 0.0)
    job = store.jobs.add("export", "alice", {})
    reports = []

    def export(work: jobs.Work) -> None:
        for number in range(10):
            reports.append(number)
            if number == 3:
                store.jobs.cancel(job.id)
            work.report(seen=number)

    stopped = jobs.run_next(store, "worker", {"export": export})

    assert stopped is not None
    assert stopped.state == "cancelled"
    assert reports == [0, 1, 2, 3]
