"""
The law of access: asking under a viewer is asking a directory from which everything hidden was
deleted.

A world is written in batches, so that the index has several segments and many resources have
earlier versions; between two of them the directory may be indexed anew, or come under another
policy. Every profile then reads and asks, and so do some that are held to a perimeter; the oracle
says what is left for each (`oracle.py`), and a directory of that alone, where nothing is governed,
is asked the same (`asking.py`): searches with chains, filters, full text, orders, totals,
inclusions, explanations, page by page and back.

`make test-long` generates more worlds and sends more requests.

Deliberate breakages that the law caught: a criterion, an order or a score that looks at hidden
parts; criteria on one record that meet in a hidden one; a chain, a reverse chain or an inclusion by
way of something hidden; a total that counts, or a `:not` that gives, what is hidden; a perimeter
ignored by reads, in its regions, in its fields, or wherever its profile sees everything; an earlier
version still found; a body not cut, or without the tag of a part; a contained resource; an unknown
extension left in a body or in full text; a reference to something hidden left in a body, or only
where no parameter reads it, or the empty extension
around it; what a reference calls its target in full text; identifiers in references judged
together; anomalies about something hidden, about such an anomaly, or about one that is inside a
perimeter; facts that do not follow an update, or are not taken back; masks made again without
telling the index; what was found out for one perimeter, or rewritten for one profile, given to
another.

Not caught: the set of resources that refer to hidden ones kept from view to view although something
else is hidden since, because these worlds refer by identifier everywhere
(`test_references_to_hidden.py` catches it), and, in ten worlds, facts that stay in a loop
(`test_hidden.py` catches them).
"""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ror.access import Perimeter, Viewer
from ror.access.policy import Policy
from ror.directory import policy_change as masking
from ror.directory import reading as interactions
from ror.directory.draft import prepare
from ror.errors import Gone, NotFound, RorError
from ror.resources.subset import SUBSETTED
from ror.resources.versions import without_version
from ror.runtime import Directory, open_directory, snapshot_folder
from ror.search.answer.bundle import search
from ror.search.language.cursor import decode
from ror.search.language.parse import parse
from ror.search.language.values import instant_text
from ror.settings import Settings
from ror.standard.definitions import RESOURCE_TYPES
from ror.store.contract import Draft, Store
from tests.access import worlds
from tests.access.asking import Grammar, Request
from tests.access.oracle import Asker, key_of, seen_by
from tests.amounts import amount
from tests.conftest import NOW, draft_of, put_dated

pytestmark = pytest.mark.long


BASE = "https://ror.test/fhir"
TAG = msgspec.json.decode(SUBSETTED)
POLICIES = (
    Policy("3.0.1"),
    Policy("3.0"),
    Policy("3.0.1", frozenset({"open-installed-capacity", "open-ms-specific-data"})),
    Policy("3.0.1", frozenset({"profile-4-professionals"})),
    Policy("3.0.1", frozenset({"hide-unknown-extensions"})),
    Policy("3.0.1", frozenset({"hide-unknown-extensions", "open-installed-capacity"})),
)
WORLDS = amount(8, 400)
REQUESTS = amount(60, 300)
"""Asked of each world by each asker."""
MOST_PAGES = 4


# --- directories ----------------------------------------------------------------------------------


@dataclass
class Asked:
    """A directory and who asks it."""

    directory: Directory
    viewer: Viewer

    @cached_property
    def names(self) -> dict[int, tuple[str, str]]:
        view = self.directory.index.view
        return {
            row.rid: (row.type, row.id)
            for row in self.directory.store.index_rows(range(view.size + 1))
        }

    def page(self, request: Request, cursor: str | None = None) -> dict[str, Any]:
        pairs = [*request.pairs, *([("_cursor", cursor)] if cursor else [])]
        try:
            read = parse(
                request.resource_type,
                pairs,
                lenient=request.lenient,
                independent=request.independent,
            )
            answer = search(
                self.directory.index,
                self.directory.bodies,
                self.viewer,
                read,
                BASE,
                "en",
                request.max_included,
            )
        except RorError as refusal:
            return {"refused": (type(refusal).__name__, refusal.status, refusal.text("en"))}
        return msgspec.json.decode(answer.body)

    def told(self, bundle: dict[str, Any]) -> dict[str, Any]:
        """What a page says, whatever numbers this directory gives its resources."""
        if "refused" in bundle:
            return bundle
        links = {one["relation"]: self._link(one["url"]) for one in bundle["link"]}
        entries = [
            {**entry, "resource": whole(entry["resource"])} for entry in bundle.get("entry", ())
        ]
        return {"total": bundle["total"], "links": links, "entries": entries}

    def _link(self, url: str) -> tuple[Any, ...]:
        pairs = parse_qsl(urlsplit(url).query)
        cursors = [decode(value) for name, value in pairs if name == "_cursor"]
        others = [pair for pair in pairs if pair[0] != "_cursor"]
        return others, [(one.backward, one.keys, self.names[one.rid]) for one in cursors]

    def read(self, resource_type: str, resource_id: str) -> dict[str, Any] | None:
        found = self._as_read(resource_type, resource_id)
        return whole(found) if found else None

    def is_told_a_part(self, resource_type: str, resource_id: str) -> bool:
        """Whether a resource is given with the tag that says that something of it is not."""
        found = self._as_read(resource_type, resource_id)
        return bool(found) and TAG in found["meta"].get("tag", ())

    def _as_read(self, resource_type: str, resource_id: str) -> dict[str, Any] | None:
        try:
            found, _ = interactions.read(
                self.directory.store, self.directory.index, self.viewer, resource_type, resource_id
            )
        except (NotFound, Gone):
            return None
        return msgspec.json.decode(found.body)


def whole(resource: dict[str, Any]) -> dict[str, Any]:
    """A resource without the tag that tells a part from the whole, and without its version."""
    meta = dict(without_version(resource).get("meta", {}))
    if "tag" in meta:
        meta["tag"] = [one for one in meta["tag"] if one != TAG]
        if not meta["tag"]:
            del meta["tag"]
    return {**resource, "meta": meta}


def draft(resource: dict[str, Any]) -> Draft:
    """A resource as an import would keep it."""
    made = prepare(msgspec.json.encode(resource), NOW)
    assert isinstance(made, Draft), made
    return made


def write(store: Store, batch: Sequence[dict[str, Any]]) -> None:
    put_dated(store, [draft(one) for one in batch if not one.get("deleted")])
    for one in batch:
        if one.get("deleted"):
            store.delete(*key_of(one), "test")


@contextmanager
def opened(folder: str, name: str) -> Iterator[Directory]:
    directory = open_directory(Settings(database=f"sqlite:///{folder}/{name}.db"))
    try:
        yield directory
    finally:
        directory.close()


@contextmanager
def alone(
    directory: Directory, left: Sequence[dict[str, Any]], folder: str, name: str
) -> Iterator[Asked]:
    """
    A directory of what is left, in the order of the first, where nothing is governed; asked by whom
    sees all.
    """
    rids = {key_of(one): directory.store.rid(*key_of(one)) for one in left}
    ordered = sorted(left, key=lambda one: rids[key_of(one)] or 0)
    with opened(folder, name) as other:
        put_dated(other.store, [draft_of(_recorded_in(directory.store, one)) for one in ordered])
        other.refresh()
        yield Asked(other, Viewer(1))


def _recorded_in(store: Store, resource: dict[str, Any]) -> dict[str, Any]:
    """A resource dated by the instant at which a store recorded it."""
    stored = store.read(*key_of(resource))
    assert stored is not None
    instant = {"lastUpdated": instant_text(stored.last_updated)}
    return {**resource, "meta": {**resource.get("meta", {}), **instant}}


def viewer_of(asker: Asker) -> Viewer:
    perimeter = Perimeter(asker.regions, asker.fields) if asker.is_held_to_a_perimeter else None
    return Viewer(asker.profile, perimeter)


def askers(random: Random, policy: Policy) -> list[Asker]:
    """Every profile, and some held to perimeters of regions, of fields and of both."""
    regions = frozenset(random.sample(worlds.REGIONS, random.choice((1, 1, 2))))
    fields = frozenset(random.sample(worlds.FIELDS, random.randint(1, 2)))
    profiles = random.sample(range(6), 3)
    held = (
        Asker(profiles[0], regions),
        Asker(profiles[1], fields=fields),
        Asker(profiles[2], regions, fields),
    )
    free = (Asker(profile) for profile in range(6))
    return [
        replace(one, version=policy.version, switches=policy.switches) for one in (*free, *held)
    ]


@contextmanager
def written(
    random: Random, writes: Sequence[Sequence[dict[str, Any]]], policy: Policy
) -> Iterator[Directory]:
    """
    A directory to which the batches were written, that came under a policy before one of them or
    after them all.

    It was asked all the while: what was found out and kept at hand must not outlive what it was
    found in. Sometimes few resources were written at once, so that small segments of the index were
    merged.
    """
    decided, anew = random.randint(0, len(writes)), random.choice((None, *range(1, len(writes))))
    at_once = random.choice((3, 1_000, 1_000))
    with tempfile.TemporaryDirectory() as folder:
        directory = open_directory(Settings(database=f"sqlite:///{folder}/ror.db"))
        try:
            for at, batch in enumerate((*writes, ())):
                if at == anew:
                    directory = indexed_anew(directory)
                if at == decided:
                    masking.apply(directory.store, policy.name, "test")
                for some in batched(batch, at_once):
                    write(directory.store, some)
                    directory.refresh()
                for asker in askers(random, policy):
                    Asked(directory, viewer_of(asker)).page(
                        Request(random.choice(RESOURCE_TYPES), ())
                    )
            yield directory
        finally:
            directory.close()


def batched(batch: Sequence[dict[str, Any]], at_once: int) -> Iterator[Sequence[dict[str, Any]]]:
    """A batch in parts of so many resources."""
    return (batch[start : start + at_once] for start in range(0, len(batch), at_once))


def indexed_anew(directory: Directory) -> Directory:
    """
    The same directory from an index in one file, of all that was written so far; what follows comes
    beside it.
    """
    directory.close()
    shutil.rmtree(snapshot_folder(directory.settings))
    open_directory(directory.settings).close()
    return open_directory(directory.settings)


# --- the law --------------------------------------------------------------------------------------

SEEDS = st.integers(0, 2**32)


# A smaller seed makes no simpler world: nothing to shrink.
@settings(max_examples=WORLDS, deadline=None, phases=(Phase.reuse, Phase.generate))
@given(SEEDS)
def test_what_is_hidden_is_as_deleted(seed):
    check(seed)


def check(seed: int, requests: int = REQUESTS) -> None:
    random = Random(seed)
    writes, policy = worlds.batches(random), random.choice(POLICIES)
    left = worlds.left_of(writes)
    names = {key_of(one) for batch in writes for one in batch}
    grammar = Grammar(left)
    with written(random, writes, policy) as directory:
        for asker in askers(random, policy):
            masked, seen = Asked(directory, viewer_of(asker)), seen_by(left, asker)
            with (
                tempfile.TemporaryDirectory() as folder,
                alone(directory, seen, folder, "alone") as other,
            ):
                context = f"seed {seed}, {asker}"
                parts = {key_of(one) for one in seen if one not in left}
                for name in sorted(names):
                    assert masked.read(*name) == other.read(*name), f"{context}: read {name}"
                    assert masked.is_told_a_part(*name) == (name in parts), (
                        f"{context}: the tag of {name}"
                    )
                for _ in range(requests):
                    agree(masked, other, grammar.request(random), context)


def agree(masked: Asked, other: Asked, request: Request, context: str) -> None:
    """Both answer the same to a request, on every page and back."""
    cursors: tuple[str | None, str | None] = (None, None)
    for number in range(MOST_PAGES):
        pages = masked.page(request, cursors[0]), other.page(request, cursors[1])
        told = masked.told(pages[0]), other.told(pages[1])
        assert told[0] == told[1], f"{context}: page {number} of {request}"
        if number:
            back = [cursor_of(one, "previous") for one in pages]
            earlier = (
                masked.told(masked.page(request, back[0])),
                other.told(other.page(request, back[1])),
            )
            assert earlier[0] == earlier[1], f"{context}: back from page {number} of {request}"
        cursors = cursor_of(pages[0], "next"), cursor_of(pages[1], "next")
        if cursors[0] is None:
            break


def cursor_of(bundle: dict[str, Any], relation: str) -> str | None:
    urls = [one["url"] for one in bundle.get("link", ()) if one["relation"] == relation]
    return dict(parse_qsl(urlsplit(urls[0]).query))["_cursor"] if urls else None
