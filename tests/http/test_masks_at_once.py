"""
A mask that changes while clients read: from the first answer after the acknowledgement, nobody sees
the former one.

A real server with two workers, clients that keep their connections to both, and a writer in another
process than theirs: this one, and `ror import`. Whatever begins after a write returned must show
what the write left; what overlaps it may show either. The first requests after a write are sent by
the writer itself, to each worker, when it returns.

Deliberate breakages that this test caught: searches or reads that do not ask whether masks changed;
a change of masks that is not noted, where a resource was written and where a policy was applied;
one that is noted and not waited for; bodies kept although they changed; answers kept from one view
to the next; levels that change places.
"""

import http.client
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from ror.directory import policy_change as masking
from ror.store import open_store
from ror.store.contract import Store
from tests.amounts import amount
from tests.conftest import Server, clean_environment, keep, serving

pytestmark = pytest.mark.long


ROR = "https://interop.esante.gouv.fr/ig/fhir/ror/StructureDefinition/"
FIELD = "https://mos.esante.gouv.fr/NOS/TRE_R227-ChampActivite/FHIR/TRE-R227-ChampActivite"
CHANGES = amount(120, 3_000)
SEED = 22
CLIENTS = 4

Json = dict[str, Any]


def coded(url: str, code: str) -> Json:
    return {"url": url, "valueCodeableConcept": {"coding": [{"code": code}]}}


def link(name: str) -> Json:
    return {"reference": name}


# --- the directory --------------------------------------------------------------------------------


def resource(resource_type: str, name: str) -> Json:
    return {
        "resourceType": resource_type,
        "id": name,
        "meta": {"lastUpdated": "2026-05-28T20:26:40Z"},
    }


def offer(name: str, *places: str, sensitive: bool = False, field: str = "05") -> Json:
    return {
        **resource("HealthcareService", name),
        "name": name,
        "extension": [
            {"url": f"{ROR}ror-healthcareservice-sensitive-unit", "valueBoolean": sensitive}
        ],
        "type": [{"coding": [{"system": FIELD, "code": field}]}],
        "location": [link(f"Location/{place}") for place in places],
        "providedBy": link("Organization/hospital"),
    }


def contact(name: str, level: str) -> Json:
    return {
        "extension": [coded(f"{ROR}ror-contact-confidentiality-level", level)],
        "name": {"text": name},
    }


def structure(name: str, *contacts: Json) -> Json:
    return {**resource("Organization", name), "name": name, "contact": [*contacts]}


def place(name: str, status: str | None = None) -> Json:
    parts = [coded("temporaryAssignement", "01"), {"url": "nbCapacity", "valueInteger": 77}]
    capacity = {
        "url": f"{ROR}ror-location-supported-capacity",
        "extension": [coded("capacityStatus", status or ""), *parts],
    }
    return {
        **resource("Location", name),
        "name": name,
        "managingOrganization": link("Organization/hospital"),
        **({"extension": [capacity]} if status else {}),
    }


def person(name: str, offer_name: str) -> list[Json]:
    role = {
        **resource("PractitionerRole", name),
        "practitioner": link(f"Practitioner/{name}"),
        "healthcareService": [link(f"HealthcareService/{offer_name}")],
    }
    return [{**resource("Practitioner", name), "name": [{"family": name}]}, role]


OPEN = [
    structure("hospital", contact("garde", "1"), contact("accueil", "1")),
    *(place(name) for name in ("ward", "annex", "room")),
    place("beds", "01"),
    offer("unit", "ward"),
    offer("clinic", "ward", "annex", "room"),
    offer("town", "room"),
    *person("nurse", "unit"),
    *person("doctor", "town"),
]
"""A directory of which everybody sees everything, but for capacities."""


# --- what is flipped, and how that is seen --------------------------------------------------------


@dataclass(frozen=True)
class Probe:
    """A request, and whether its answer shows the thing."""

    target: str
    shows: Callable[[int, Json], bool]


def read(name: str) -> Probe:
    return Probe(f"/fhir/{name}", lambda status, body: {200: True, 404: False}[status])


def found(query: str) -> Probe:
    def shows(status: int, body: Json) -> bool:
        assert status == 200, body
        # What became hidden while the search went on is counted, and its body is not given any
        # more.
        shown = len([one for one in body.get("entry", ()) if one["search"]["mode"] == "match"])
        assert shown <= body["total"]
        return int(body["total"]) > 0

    return Probe(f"/fhir/{query}", shows)


def said(target: str, text: str) -> Probe:
    """The answer to a request says something, or does not."""

    def shows(status: int, body: Json) -> bool:
        assert status == 200, body
        return text in msgspec.json.encode(body).decode()

    return Probe(f"/fhir/{target}", shows)


@dataclass(frozen=True)
class Flip:
    """
    Something that is seen or hidden, and the requests that tell.

    It becomes the one or the other when a resource is written, or by a policy when there is none to
    write.
    """

    name: str
    resource: Callable[[bool], Json] | None
    probes: Sequence[Probe]
    profiles: Sequence[int] = (0, 2)

    def write(self, store: Store, seen: bool) -> None:
        if self.resource is not None:
            keep(store, [self.resource(seen)])
        else:
            masking.apply(store, "3.0" if seen else "3.0.1", "test")


FLIPS = (
    Flip(
        "a sensitive unit",
        lambda seen: offer("unit", "ward", sensitive=not seen),
        (
            read("HealthcareService/unit"),
            read("Location/ward"),
            read("PractitionerRole/nurse"),
            read("Practitioner/nurse"),
            said("HealthcareService/clinic", "Location/ward"),
            said("HealthcareService?_id=clinic", "Location/ward"),
            said("HealthcareService?_id=clinic&_include=HealthcareService:location", '"id":"ward"'),
            said("Organization?_id=hospital&_revinclude=Location:organization", '"id":"ward"'),
            found("HealthcareService?name=unit"),
            found("HealthcareService?location=Location/ward"),
            found("Location?_has:HealthcareService:location:name=unit"),
            found("PractitionerRole?service.name=unit"),
            found("Location?_content=ward"),
        ),
    ),
    Flip(
        "another sensitive unit, where the same offer takes place",
        lambda seen: offer("other", "annex", sensitive=not seen),
        (
            read("Location/annex"),
            said("HealthcareService/clinic", "Location/annex"),
            found("Location?_content=annex"),
        ),
    ),
    Flip(
        "a field of activity",
        lambda seen: offer("town", "room", field="05" if seen else "01"),
        (
            read("Practitioner/doctor"),
            read("PractitionerRole/doctor"),
            found("PractitionerRole?service.name=town"),
        ),
        profiles=(0,),
    ),
    Flip(
        "the level of a contact",
        lambda seen: structure(
            "hospital", contact("garde", "1" if seen else "3"), contact("accueil", "1")
        ),
        (
            said("Organization/hospital", "garde"),
            said("Organization?_id=hospital", "garde"),
            said("Location?_id=room&_include=Location:organization", "garde"),
            found("Organization?_id=hospital&_content=garde"),
        ),
    ),
    Flip(
        "the levels of two contacts that change places",
        lambda seen: (
            structure("team", contact("garde", "1"), contact("accueil", "3"))
            if seen
            else structure("team", contact("accueil", "1"), contact("garde", "3"))
        ),
        (
            said("Organization/team", "garde"),
            said("Organization?_id=team", "garde"),
            found("Organization?_id=team&_content=garde"),
        ),
    ),
    Flip(
        "the kind of a capacity",
        lambda seen: place("beds", "01" if seen else "06"),
        (
            said("Location/beds", "nbCapacity"),
            said("Location?_id=beds", "nbCapacity"),
            found("Location?nb-capacity=77"),
        ),
        profiles=(2,),
    ),
    Flip(
        "the policy",
        None,
        (
            said("Location/beds", "nbCapacity"),
            said("Location?_id=beds", "nbCapacity"),
            found("Location?capacity-status=01"),
        ),
        profiles=(0,),
    ),
)


# --- clients and writer ---------------------------------------------------------------------------


class Client:
    """
    A connection that is kept; `worker` is the process at its other end, as its request identifiers
    tell.
    """

    def __init__(self, server: Server) -> None:
        host = server.url.removeprefix("http://")
        self._connection = http.client.HTTPConnection(host, timeout=30)
        self.worker = ""

    def ask(self, target: str) -> tuple[int, Json]:
        self._connection.request("GET", target)
        answer = self._connection.getresponse()
        self.worker = (answer.getheader("x-request-id") or "").rpartition("-")[0]
        body: Json = msgspec.json.decode(answer.read())
        return answer.status, body

    def close(self) -> None:
        self._connection.close()


@contextmanager
def clients_of(server: Server, each: int) -> Iterator[list[Client]]:
    """So many clients of each of the two workers."""
    made: list[Client] = []
    of_each: dict[str, list[Client]] = {}
    deadline = time.monotonic() + 30
    while len(of_each) < 2 or min(map(len, of_each.values())) < each:
        assert time.monotonic() < deadline, "one worker takes every connection"
        one = Client(server)
        made.append(one)
        one.ask("/fhir/Organization/hospital")
        of_each.setdefault(one.worker, []).append(one)
    try:
        yield [one for some in of_each.values() for one in some[:each]]
    finally:
        for one in made:
            one.close()


@dataclass
class State:
    """
    What was written of a flip: `begun` has what each write left or will leave, `done` counts those
    that returned.
    """

    begun: list[bool] = field(default_factory=lambda: [True])
    done: int = 1

    def write(self, seen: bool, write: Callable[[], object]) -> None:
        self.begun.append(seen)
        write()
        self.done += 1


@dataclass
class Watch:
    """
    Clients that ask on and on, and hold each answer to what was written before it began and until
    it ended.
    """

    states: dict[str, State]
    stopped: threading.Event = field(default_factory=threading.Event)
    answers: int = 0
    wrong: list[str] = field(default_factory=list)

    def hold(self, client: Client, flip: Flip, probe: Probe) -> None:
        state = self.states[flip.name]
        before = state.done
        status, body = client.ask(probe.target)
        shown = probe.shows(status, body)
        allowed = set(state.begun[before - 1 :])
        if shown not in allowed:
            self.wrong.append(f"{flip.name}: {probe.target} shows {shown}, worker {client.worker}")

    def ask_on(self, client: Client, flips: Sequence[Flip], random: Random) -> None:
        while not self.stopped.is_set():
            flip = random.choice(flips)
            self.hold(client, flip, random.choice(flip.probes))
            self.answers += 1


def imported(folder: Path, database: str, resource: Json) -> None:
    """Write a resource by `ror import`, in a process of its own."""
    file = folder / "flipped.json"
    file.write_bytes(msgspec.json.encode(resource))
    command = [sys.executable, "-m", "ror", "import", str(file), f"--database={database}"]
    subprocess.run(command, env=clean_environment(), check=True, capture_output=True)


@pytest.mark.parametrize("profile", [0, 2])
def test_nobody_sees_a_former_mask_once_its_change_is_acknowledged(tmp_path: Path, profile: int):
    database = f"sqlite:///{tmp_path}/ror.db"
    store = open_store(database)
    flips = [one for one in FLIPS if profile in one.profiles]
    keep(store, OPEN)
    for flip in flips:
        flip.write(store, True)
    watch, random = Watch({one.name: State() for one in flips}), Random(SEED)
    options = {"workers": "2", "anonymous-profile": str(profile), "audit": "false"}

    with serving(database, **options) as server, clients_of(server, CLIENTS // 2 + 1) as clients:
        writers = [clients[0], clients[-1]]
        assert writers[0].worker != writers[1].worker
        with ThreadPoolExecutor(CLIENTS) as threads:
            asking = [
                threads.submit(watch.ask_on, client, flips, Random(f"{SEED} {at}"))
                for at, client in enumerate(clients)
                if client not in writers
            ]
            try:
                for change in range(CHANGES):
                    # More often open than hidden: what is hidden first is a case of its own.
                    hidden = [one for one in flips if not watch.states[one.name].begun[-1]]
                    flip = random.choice(hidden if hidden and random.random() < 0.7 else flips)
                    state = watch.states[flip.name]
                    seen = not state.begun[-1]
                    if change % 30 == 15 and flip.resource is not None:
                        state.write(
                            seen, partial(imported, tmp_path, database, flip.resource(seen))
                        )
                    else:
                        state.write(seen, partial(flip.write, store, seen))
                    probe = random.choice(flip.probes)
                    for client in random.sample(writers, 2):
                        watch.hold(client, flip, probe)
                    time.sleep(random.choice((0, 0, 0.01, 0.03)))
            finally:
                watch.stopped.set()
            for one in asking:
                one.result()
    store.close()

    assert not watch.wrong, (
        f"{len(watch.wrong)} of {watch.answers}: {Counter(watch.wrong).most_common(12)}"
    )
    assert watch.answers > CHANGES


def test_who_asks_by_date_is_given_what_was_opened_since(tmp_path: Path):
    database = f"sqlite:///{tmp_path}/ror.db"
    store = open_store(database)
    keep(store, [place("beds", "01")])
    with serving(database, **{"anonymous-profile": "0", "audit": "false"}) as server:
        before = server.get("Location/beds")
        masking.apply(store, "3.0", "test")

        headers = {"If-Modified-Since": before.headers["last-modified"]}
        after = server.client.get(f"{server.base_url}/Location/beds", headers=headers)
    store.close()

    assert "nbCapacity" not in before.text
    assert after.status_code == 200 and "nbCapacity" in after.text
