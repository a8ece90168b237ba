"""
The interface of every storage engine; SQLite is the first one.

A store holds every version of every resource with its author, an ordered change log and the jobs.
It never searches and never looks inside a body. A store identifies a resource by its `rid`, a small
integer that it allots once for each `(type, id)` and never reuses. A resource that others only
refer to has a rid too, so that each reference is resolved once.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple, NewType, Protocol

from ror.identity.keeping import ClientStore, KeyStore
from ror.standard.instants import Micros

Rid = NewType("Rid", int)
"""The small integer that identifies a resource in a store and in the index."""

Seq = NewType("Seq", int)
"""The sequence number of a change in the change log."""

NO_CHANGE: Final = Seq(0)
"""The sequence number before the first change."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A resource ready to be stored. The caller has validated, normalised and indexed it."""

    type: str
    id: str
    source_updated: Micros
    """The `meta.lastUpdated` of the source; 0 if the source has none."""
    body: bytes
    """The JSON of responses, uncompressed, without `meta.versionId` and `meta.lastUpdated`."""
    entries: bytes
    """The index entries, encoded by `search.index.extract`; opaque to the store."""
    links: tuple[tuple[str, str], ...]
    """The `(type, id)` of each literal reference, in the order that `entries` uses."""
    digest: bytes
    """The digest of the content: equal digests mean equal content."""
    own_facts: int = 0
    """The access facts that the resource itself states: see `access.facts`."""
    part_codes: bytes = b""
    """The code of each access rule that governs a part of the resource: see `access.parts`."""
    plan: bytes = b""
    """The positions of these parts in the body; opaque to the store."""
    inert_links: int = 0
    """
    The number of links, at the end of `links`, from elements that no search parameter reads.

    Access facts do not travel along them.
    """
    foreign_links: tuple[int, ...] = ()
    """The positions in `links` of those to another server's address: only access follows them."""
    outward: tuple[str, ...] = ()
    """The literal references that are absolute addresses or URNs; not stored."""


class CompressedDraft(NamedTuple):
    """
    A draft in the form that one store writes; `Store.compressor` makes it.

    Each store has its own format of `body` and `entries`. A plain tuple, because imports send
    thousands of these between processes.
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
    """The effect of writing a draft."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    OLDER = "older"
    """The source date is earlier than the stored one: nothing was written."""


@dataclass(frozen=True, slots=True)
class ResourceVersion:
    """One version of a resource; its body is empty if the version is a deletion."""

    rid: Rid
    type: str
    id: str
    version: int
    last_updated: Micros
    """The instant at which this directory recorded the version."""
    source_updated: Micros
    """The `meta.lastUpdated` of the source; 0 if the source had none."""
    deleted: bool
    body: bytes
    visibility: bytes
    """
    Who may see it and its parts, as `access.policy` writes it; what was deleted keeps its last
    ones.
    """
    plan: bytes


class CurrentBody(NamedTuple):
    """The body of a current version, and the masks and positions that restrict it to a viewer."""

    body: bytes
    visibility: bytes
    plan: bytes
    version: int
    last_updated: Micros


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One line of the history of a resource."""

    version: int
    last_updated: Micros
    source_updated: Micros
    author: str
    deleted: bool


class VersionBody(NamedTuple):
    """The stored body of one version of a resource; empty if the version is a deletion."""

    rid: Rid
    version: int
    is_current: bool
    body: bytes


class Upkeep(Protocol):
    """The operations with which a new release rewrites what an earlier one derived from bodies."""

    def version_bodies(self, after: Rid, count: int) -> list[VersionBody]:
        """
        Every version of the next `count` resources with a rid above `after`, by rid and version.

        Empty at the end. Placeholders are left out.
        """

    def rewrite(self, versions: Sequence[tuple[VersionBody, Draft]]) -> int:
        """
        Replace what was derived from these bodies, in one durable transaction.

        The drafts give layout, index entries, links, facts and masks; content, versions, instants
        and authors stay. A past version never becomes visible to more viewers than before. Returns
        the number of resources that changed; each gets a line in the change log. A resource that
        was written since its body was read stays as it is.
        """


@dataclass(frozen=True, slots=True)
class Change:
    """
    One line of the change log; `seq` follows the order of commits.

    A line that repeats a version means that the visibility of the resource changed.
    """

    seq: Seq
    rid: Rid
    version: int
    deleted: bool
    recorded_at: Micros
    """The instant of the commit; it never decreases from one line to the next."""


@dataclass(frozen=True, slots=True)
class IndexRow:
    """What the index reads of a resource; `entries` and `targets` are empty if it is deleted."""

    rid: Rid
    type: str
    id: str
    last_updated: Micros
    deleted: bool
    entries: bytes
    targets: Sequence[Rid]
    """The rid of each link, in the order of `Draft.links`."""
    facts: int = 0
    """The access facts that hold for the resource, its own and those that reach it."""
    visibility: bytes = b""
    """Who may see it and its parts."""


@dataclass(frozen=True, slots=True)
class DanglingReference:
    """A reference to a resource that the directory does not hold."""

    source: tuple[str, str]
    target: tuple[str, str]


@dataclass(frozen=True, slots=True)
class StoredQuery:
    """The query string of a page link that is too long for an address, and the link's client."""

    id: str
    client: str
    query: str


@dataclass(frozen=True, slots=True)
class Job:
    """Long work as a row: one worker claims it, and every process can read its progress."""

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
    """The queries that page links name by id; all processes of a directory share them."""

    def keep(self, query: StoredQuery, per_client: int, max_age_s: float) -> None:
        """
        Store a query, durable on return. A query that is stored already counts as used now.

        Deletes all but the `per_client` queries that the client used last, and every query that
        was not used for `max_age_s`.
        """

    def read(self, query_id: str, max_age_s: float) -> StoredQuery | None:
        """The query with this id; None if it is absent or was not used for `max_age_s`."""


class JobStore(Protocol):
    """The jobs of a directory: durable, shared by all processes."""

    def add(self, kind: str, requested_by: str, parameters: dict[str, object]) -> Job:
        """A new job in the state `waiting`."""

    def claim(self, kinds: Sequence[str], worker: str, stale_after_s: float) -> Job | None:
        """
        The oldest job that waits, or whose last heartbeat is older than `stale_after_s`.

        It now belongs to `worker` alone. None if there is no such job.
        """

    def beat(self, job_id: str, worker: str, progress: dict[str, object]) -> bool:
        """Record a heartbeat and the progress; False if the job was cancelled or taken over."""

    def end(self, job_id: str, worker: str, state: str, progress: dict[str, object]) -> bool:
        """Record how the work ended; False if the job was cancelled or taken over."""

    def cancel(self, job_id: str) -> bool:
        """Cancel a job that waits or runs; False if it has ended."""

    def resume(self, job_id: str) -> bool:
        """Make a failed or cancelled job wait again, with its progress; False if it is neither."""

    def get(self, job_id: str) -> Job | None:
        """The job with this id; None if there is none."""


class Store(Protocol):
    """
    The directory on disk.

    Safe to call from several threads. A write returns once it is durable. Every method raises
    `errors.Unavailable` if the database cannot be reached or its disk is full, and
    `errors.UsageError` if the location cannot be used; no method raises a driver's error. Open a
    store after a fork, never before.
    """

    @property
    def url(self) -> str:
        """The address with which `open_store` opens this directory, in any process."""

    @property
    def clients(self) -> ClientStore:
        """The clients of the directory."""

    @property
    def keys(self) -> KeyStore:
        """The keys that sign access tokens."""

    @property
    def jobs(self) -> JobStore:
        """The jobs of the directory."""

    @property
    def stored_queries(self) -> StoredQueries:
        """The queries of page links that are too long for an address."""

    @property
    def upkeep(self) -> Upkeep:
        """The operations that bring the directory up to date with this release."""

    def compressor(self) -> Callable[[Draft], CompressedDraft]:
        """
        The function that compresses drafts for this store; other processes can run it.

        `put` compresses the drafts that are not compressed yet.
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
        Write drafts, all or none, durable on return; the outcome of each, in the same order.

        Concurrent calls share a commit. If a resource comes twice, it gets two versions, in order.
        Writing a deleted resource CREATES it, with the version after the deletion. A version gets
        the instant of its transaction, which is never earlier than an instant that any process
        issued before.

        A draft whose source date is earlier than the stored one changes nothing, unless
        `take_older`. If the content is equal and the date newer, only the date is updated.

        With `keep_dates`, the source dates become the instants of the versions, but none later
        than the instant of the transaction. Raises UsageError if no dated load is under way.
        """

    def begin_dated_load(self) -> None:
        """
        Begin a load that keeps the dates of its source, or resume an interrupted one.

        Raises UsageError if anything but this load ever wrote to the directory.
        """

    def end_dated_load(self) -> None:
        """Complete the load: from now on, source dates no longer become instants."""

    def delete(self, resource_type: str, resource_id: str, author: str) -> bool:
        """Mark a resource as deleted; its versions stay. False if there is none to delete."""

    def read(self, resource_type: str, resource_id: str) -> ResourceVersion | None:
        """The current version, deleted or not; None if the resource never existed."""

    def read_version(
        self, resource_type: str, resource_id: str, version: int
    ) -> ResourceVersion | None:
        """One version of a resource; None if there is no such version."""

    def history(self, resource_type: str, resource_id: str) -> list[VersionRow]:
        """The versions of a resource, newest first."""

    def bodies(self, rids: Sequence[Rid]) -> list[CurrentBody | None]:
        """The current body of each resource, in the same order; None for those without one."""

    def rid(self, resource_type: str, resource_id: str) -> Rid | None:
        """The rid of a resource or placeholder; None if the store has neither."""

    def last_change(self) -> Seq:
        """The seq of the newest change; 0 if the store is empty."""

    def instant_of(self, seq: Seq) -> Micros:
        """The instant at which a change was recorded; 0 if there is no such change."""

    def changes_after(self, seq: Seq, limit: int) -> list[Change]:
        """At most `limit` changes after `seq`, in order."""

    def change_signal(self) -> int:
        """
        A number that changes with every commit of any process, this one included.

        Reading it takes microseconds: callers poll it, and read the change log if it changed.
        """

    def masks_changed_at(self) -> Seq:
        """The seq of the last change that altered the visibility of an existing resource."""

    def index_rows(self, rids: Iterable[Rid]) -> list[IndexRow]:
        """The index rows of these resources, in any order; placeholders are left out."""

    def all_index_rows(self) -> Iterator[tuple[Seq, list[IndexRow]]]:
        """
        The index rows of every live resource in batches `(seq, rows)`, by rid, in one snapshot.

        `seq` is the last change in the snapshot. There is at least one batch, even without rows.
        """

    def counts(self) -> dict[str, int]:
        """The number of live resources of each type; types without any are left out."""

    def dangling(self, limit: int, after: Seq = NO_CHANGE) -> tuple[int, list[DanglingReference]]:
        """
        The number of references from live resources to absent or deleted ones, and the first
        `limit`.

        With `after`, counts only the references from resources that changed since that seq.
        """

    def size_on_disk(self) -> int:
        """The bytes of all files of the store."""

    def get_meta(self, key: str) -> str | None:
        """A value that describes the directory, such as its index schema; None if it is absent."""

    def set_meta(self, key: str, value: str) -> None:
        """Set a value that describes the directory."""

    def set_meta_once(self, key: str, value: str) -> str:
        """The value of `key`, set to `value` if it was absent; all processes get the same one."""

    def policy(self) -> str:
        """The name of the access policy that masks follow."""

    def set_policy(self, name: str) -> None:
        """Apply another access policy to whatever is written from now on."""

    def recompute_masks(self, after: Rid, count: int) -> tuple[Rid, int] | None:
        """
        Recompute the masks of the next `count` resources with a rid above `after`, durably.

        Returns the last rid and the number of resources; None at the end. Each resource whose
        masks change gets a line in the change log.
        """

    @property
    def is_in_place(self) -> bool:
        """Whether the address named the opened database at the last check; else nothing works."""

    def check_in_place(self) -> None:
        """
        Check that the address still names the opened database. Every write checks first.

        Raises Unavailable if the database was removed or replaced. It may come back.
        """

    def close(self) -> None:
        """Finish the writes under way and close the files."""
