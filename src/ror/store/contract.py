"""
What a store keeps and how it is asked: the one interface of every engine, of which SQLite is the first.

A store keeps every resource, every version, who wrote it, an ordered change log and the rows of long jobs. It is
deliberately dumb: it never searches and never looks inside a body. Everything a resource is called by inside the
process is its `rid`, a small integer allotted once per `(type, id)` and never reused; a resource that is only
referred to already has one, so that a reference never has to be resolved twice.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple, NewType, Protocol

from ror.identity.keeping import ClientStore, KeyStore
from ror.standard.instants import Micros

Rid = NewType("Rid", int)
"""The small integer that stands for a resource inside the process."""

Seq = NewType("Seq", int)
"""The place of a change in the change log."""

NO_CHANGE: Final = Seq(0)
"""The place before every change."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A resource ready to be kept: validated, normalised and indexed by whoever hands it over."""

    type: str
    id: str
    source_updated: Micros
    """The date that the source gives it; 0 when it gives none."""
    body: bytes
    """
    The JSON that goes out without `meta.versionId` and `meta.lastUpdated`, which only the store gives.

    UTF-8, not compressed: how it is kept is the store's business.
    """
    entries: bytes
    """The index entries, packed by `search.extract`; opaque here."""
    links: tuple[tuple[str, str], ...]
    """The `(type, id)` of each literal reference, in the order in which `entries` counts them."""
    digest: bytes
    """Identifies the content: the same digest means nothing changed."""
    own_facts: int = 0
    """The facts that it gives, as `access.facts` says them."""
    part_codes: bytes = b""
    """The code of each rule that governs a part of it, as `access.parts` says them."""
    plan: bytes = b""
    """Where these parts stand in the body; opaque here."""
    inert_links: int = 0
    """How many of the links, the last ones, stand in elements that no parameter reads: no facts travel along them."""
    foreign_links: tuple[int, ...] = ()
    """The places of the links that only an address of another server gives: they matter for access alone."""
    outward: tuple[str, ...] = ()
    """The literal references that are absolute addresses or URNs; a store does not keep them."""


class CompressedDraft(NamedTuple):
    """
    A draft as a store will write it, made by its `compressor`; what `body` and `entries` hold is the store's business.

    A plain tuple, because imports make these by the thousand in other processes.
    """

    type: str
    id: str
    source_updated: Micros
    body: bytes
    entries: bytes
    links: tuple[tuple[str, str], ...]
    digest: bytes
    own_facts: int
    part_codes: bytes
    plan: bytes
    inert_links: int = 0
    foreign_links: tuple[int, ...] = ()


class Outcome(Enum):
    """What keeping a draft did."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    OLDER = "older"
    """The source dates it earlier than what is kept: nothing was written."""


@dataclass(frozen=True, slots=True)
class ResourceVersion:
    """A version of a resource as it can be read; the body is empty when it was deleted."""

    rid: Rid
    type: str
    id: str
    version: int
    last_updated: Micros
    """The instant at which this directory recorded the version."""
    source_updated: Micros
    """The date that its source gives it; 0 when none does."""
    deleted: bool
    body: bytes
    visibility: bytes
    """Who may see it and its parts, as `access.policy` writes it; what was deleted keeps its last ones."""
    plan: bytes


class CurrentBody(NamedTuple):
    """A current body with what is needed to cut it for a viewer, all of one moment."""

    body: bytes
    visibility: bytes
    plan: bytes
    version: int
    last_updated: Micros


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One line of a resource's history: which version, when, by whom, and whether it was a deletion."""

    version: int
    last_updated: Micros
    source_updated: Micros
    author: str
    deleted: bool


class VersionBody(NamedTuple):
    """The body of one version of a resource, as it is kept; empty when that version is a deletion."""

    rid: Rid
    version: int
    is_current: bool
    body: bytes


class Upkeep(Protocol):
    """What brings a store up to date with the program; part of the contract of a store."""

    def version_bodies(self, after: Rid, count: int) -> list[VersionBody]:
        """
        Every version of the first `count` resources of a rid above `after`, by rid and version.

        Empty when there are no more. Resources that are only referred to are left out.
        """

    def rewrite(self, versions: Sequence[tuple[VersionBody, Draft]]) -> int:
        """
        Replace all that is derived from these bodies by what the drafts say, in one durable transaction.

        Layout, index entries, links, facts and masks are replaced; content, versions, instants and
        authors stay. A past version never becomes visible to more viewers than before. Returns how
        many resources changed; each has a line in the change log. A resource that was written
        meanwhile is left as it is.
        """


@dataclass(frozen=True, slots=True)
class Change:
    """
    One line of the change log; `seq` grows by commit order and has no meaning but its order.

    A line whose version was told before says that something else changed: who may see the resource.
    """

    seq: Seq
    rid: Rid
    version: int
    deleted: bool
    recorded_at: Micros
    """The instant of the commit; it never decreases from one line to the next."""


@dataclass(frozen=True, slots=True)
class IndexRow:
    """What the index needs of one resource; `entries` is empty and `targets` too when it was deleted."""

    rid: Rid
    type: str
    id: str
    last_updated: Micros
    deleted: bool
    entries: bytes
    targets: Sequence[Rid]
    """The rid of each link, in the order of `Draft.links`."""
    facts: int = 0
    """The facts that hold for it."""
    visibility: bytes = b""
    """Who may see it and its parts."""


@dataclass(frozen=True, slots=True)
class DanglingReference:
    """A reference to something the directory does not hold: the one who refers, and what it refers to."""

    source: tuple[str, str]
    target: tuple[str, str]


@dataclass(frozen=True, slots=True)
class StoredQuery:
    """The query string of a page link that was too long for an address, and the client it was made for."""

    id: str
    client: str
    query: str


@dataclass(frozen=True, slots=True)
class Job:
    """A long piece of work as a row: whoever claims it works on it, and anyone may ask how far it is."""

    id: str
    kind: str
    requested_by: str
    state: str
    """`waiting`, `running`, `done`, `failed` or `cancelled`."""
    parameters: dict[str, object]
    progress: dict[str, object]
    created_at: Micros
    updated_at: Micros
    claimed_by: str | None
    heartbeat_at: Micros | None


class StoredQueries(Protocol):
    """The queries that page links name instead of repeating them; shared by all processes of a directory."""

    def keep(self, query: StoredQuery, per_client: int, max_age_s: float) -> None:
        """
        Keep a query, durable on return; a query that is kept already counts as used now.

        Forgets those of its client beyond the `per_client` last used, and all that were not used for `max_age_s`.
        """

    def read(self, query_id: str, max_age_s: float) -> StoredQuery | None:
        """The query with this id; None when it is not kept, or was not used for `max_age_s`."""


class JobStore(Protocol):
    """The jobs of a directory, as `Store` keeps them: durable, shared by every process."""

    def add(self, kind: str, requested_by: str, parameters: dict[str, object]) -> Job:
        """A new job, which waits."""

    def claim(self, kinds: Sequence[str], worker: str, stale_after_s: float) -> Job | None:
        """The oldest waiting job, or one without heartbeat for so long; `worker` alone now has it."""

    def beat(self, job_id: str, worker: str, progress: dict[str, object]) -> bool:
        """Note a heartbeat and the progress; False when the job was cancelled or taken over."""

    def end(self, job_id: str, worker: str, state: str, progress: dict[str, object]) -> bool:
        """Note how the work ended; False when the job was cancelled or taken over."""

    def cancel(self, job_id: str) -> bool:
        """Cancel a job that waits or runs; False when it was already over."""

    def resume(self, job_id: str) -> bool:
        """Make a failed or cancelled job wait again with its progress; False when it is neither."""

    def get(self, job_id: str) -> Job | None:
        """The job of this id; None when there is none."""


class Store(Protocol):
    """
    The directory on disk.

    Safe to call from several threads; writes are acknowledged only when they are durable. Every method raises
    `errors.Unavailable` when the database is out of reach or its disk is full, `errors.UsageError` when the place
    it was given cannot be used; no driver's error comes out. Opened after a fork, never before.
    """

    @property
    def url(self) -> str:
        """What `open_store` opens this directory with, from another process too."""

    @property
    def clients(self) -> ClientStore:
        """Those who may call."""

    @property
    def keys(self) -> KeyStore:
        """What signs their tokens."""

    @property
    def jobs(self) -> JobStore:
        """Long pieces of work."""

    @property
    def stored_queries(self) -> StoredQueries:
        """The queries of page links that are too long for an address."""

    @property
    def upkeep(self) -> Upkeep:
        """What rewrites it in the form of the present program."""

    def compressor(self) -> Callable[[Draft], CompressedDraft]:
        """
        What makes drafts ready to be written by this store, and may be sent to another process to do it there.

        `put` does the same for those that come as they are.
        """

    def put(
        self,
        drafts: Sequence[Draft | CompressedDraft],
        author: str,
        *,
        take_older: bool = False,
        keep_dates: bool = False,
    ) -> list[Outcome]:
        """
        Keep drafts, all or none, durable on return; what became of each, in the same order.

        Calls made at the same moment share a commit. A resource that comes twice gets two versions, in order. A
        deleted resource that comes back is CREATED, with the version after its deletion. A version gets the instant of
        its transaction, which is never earlier than one issued before, by whatever process.

        A draft whose source dates it earlier than what is kept changes nothing, unless `take_older`. A newer date of
        the same content is noted without a version.

        With `keep_dates`, the dates of the source become the instants of the versions; none is later than the instant
        of the transaction. Raises UsageError when `begin_dated_load` would.
        """

    def begin_dated_load(self) -> None:
        """
        Begin a load that keeps the dates of its source, or resume the one that was interrupted.

        Raises UsageError unless the directory never held anything, or holds only what that load wrote.
        """

    def end_dated_load(self) -> None:
        """Say that the load is complete: from now on no date of a source becomes an instant."""

    def delete(self, resource_type: str, resource_id: str, author: str) -> bool:
        """Mark a resource as deleted; its versions stay. False when there was nothing to delete."""

    def read(self, resource_type: str, resource_id: str) -> ResourceVersion | None:
        """The current version, deleted or not; None when it never existed."""

    def read_version(
        self, resource_type: str, resource_id: str, version: int
    ) -> ResourceVersion | None:
        """One version; None when there is no such version."""

    def history(self, resource_type: str, resource_id: str) -> list[VersionRow]:
        """The versions of a resource, newest first."""

    def bodies(self, rids: Sequence[Rid]) -> list[CurrentBody | None]:
        """The current body of each rid, in the same order; None where there is none."""

    def rid(self, resource_type: str, resource_id: str) -> Rid | None:
        """The rid of a resource or of something referred to; None when never heard of."""

    def last_change(self) -> Seq:
        """The seq of the newest change; 0 when the store is empty."""

    def instant_of(self, seq: Seq) -> Micros:
        """The instant at which a change was recorded; 0 when there is no such one."""

    def changes_after(self, seq: Seq, limit: int) -> list[Change]:
        """The changes after `seq`, in order, at most `limit`."""

    def change_signal(self) -> int:
        """
        A number that differs once anyone has committed anything, this process included.

        It only says "look at the change log"; it costs microseconds, so it can be polled.
        """

    def masks_changed_at(self) -> Seq:
        """The seq of the last change after which somebody may see less or more of something that was there before."""

    def index_rows(self, rids: Iterable[Rid]) -> list[IndexRow]:
        """What the index needs of these resources, in no order; a rid that is only referred to is left out."""

    def all_index_rows(self) -> Iterator[tuple[Seq, list[IndexRow]]]:
        """
        Every live resource, for a rebuild: batches `(seq, rows)` by growing rid, all of one consistent moment.

        `seq` is the last change of that moment. There is always one batch at least, even of no row.
        """

    def counts(self) -> dict[str, int]:
        """How many live resources of each type that has some."""

    def dangling(self, limit: int, after: Seq = NO_CHANGE) -> tuple[int, list[DanglingReference]]:
        """
        How many references of live resources point at something absent or deleted, and the first `limit`.

        With `after`, a seq of the change log, only those of the resources that changed since.
        """

    def size_on_disk(self) -> int:
        """Bytes, everything included."""

    def get_meta(self, key: str) -> str | None:
        """A small fact about the directory itself: the schema of its index entries, its dictionaries…"""

    def set_meta(self, key: str, value: str) -> None: ...

    def set_meta_once(self, key: str, value: str) -> str:
        """A fact that is settled once and for all: `value`, unless another process was first."""

    def policy(self) -> str:
        """The name of the access policy that masks are made with."""

    def set_policy(self, name: str) -> None:
        """Make the masks of all that is written from now on with another access policy."""

    def recompute_masks(self, after: Rid, count: int) -> tuple[Rid, int] | None:
        """
        Give the first `count` resources of a rid above `after` the masks of the policy, in one durable transaction.

        The last rid and how many there were; None when there are no more. What changes has a line in the change log.
        """

    @property
    def is_in_place(self) -> bool:
        """Whether its address named the opened database at the last check; if not, nothing is read or written."""

    def check_in_place(self) -> None:
        """
        Check that its address still names the database that was opened. Every write does so first.

        Raises Unavailable when another database took its place or it is gone. It may come back.
        """

    def close(self) -> None:
        """Finish what was acknowledged and let go of the files."""
