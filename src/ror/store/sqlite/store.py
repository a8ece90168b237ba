"""
The SQLite store: implements `contract.Store` with a single writer and a pool of readers.

One thread writes and shares commits (`group_commit`). Each concurrent reader has a connection of
its own and sees the last commit before its statement. The calling thread compresses bodies and
index entries, without a lock.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from ror.access.policy import STRICT
from ror.errors import Unavailable
from ror.standard.instants import NO_DATE, Micros
from ror.store.contract import (
    NO_CHANGE,
    Change,
    CompressedDraft,
    CurrentBody,
    DanglingReference,
    Draft,
    IndexRow,
    Outcome,
    ResourceVersion,
    Rid,
    Seq,
    VersionRow,
)
from ror.store.sqlite import (
    dated_load,
    foreign_links,
    masks,
    writing,
)
from ror.store.sqlite import (
    file as sqlite_file,
)
from ror.store.sqlite.clients import SqliteClients
from ror.store.sqlite.compression import Codec, CorruptFrame
from ror.store.sqlite.file import as_json
from ror.store.sqlite.group_commit import GroupCommit
from ror.store.sqlite.jobs import SqliteJobs
from ror.store.sqlite.keys import SqliteKeys
from ror.store.sqlite.queries import changes as changes_sql
from ror.store.sqlite.queries import meta as meta_sql
from ror.store.sqlite.queries import resources as resources_sql
from ror.store.sqlite.stored_queries import SqliteStoredQueries
from ror.store.sqlite.upkeep import SqliteUpkeep
from ror.store.sqlite.writing import rids_in

ROWS_PER_BATCH: Final = 10_000
Result = TypeVar("Result")


class SqliteStore:
    """A store in the SQLite file at `path`, created if it is absent."""

    def __init__(self, path: Path, *, upgrading: bool = False) -> None:
        self._path = path
        self._closed = False
        self._is_in_place = True
        self._idle: deque[sqlite3.Connection] = deque()
        self._rid_cache = writing.RidCache()
        self._watching = threading.Lock()
        self._connection = sqlite_file.open_writer(path, upgrading=upgrading)
        try:
            with sqlite_file.translate_errors(path, opening=True):
                self._file = sqlite_file.FileIdentity(path)
                dictionary = writing.database_dictionary(self._connection)
                self._compress = partial(writing.compress_draft, dictionary)
                self._codec = Codec(dictionary, self._find_dictionary)
                self._watcher = sqlite_file.open_reader(path)
        except BaseException:
            self._connection.close()
            raise
        self._writer = GroupCommit(
            self._connection, "BEGIN IMMEDIATE", self._translated, self._rid_cache.forget
        )
        self._clients = SqliteClients(self._write, self._rows)
        self._keys = SqliteKeys(self._write, self._rows)
        self._jobs = SqliteJobs(self._write, self._rows)
        self._stored_queries = SqliteStoredQueries(self._write, self._rows)
        self._upkeep = SqliteUpkeep(
            self._write, self._snapshot, self._rid_cache, self._codec, self._compress
        )

    @property
    def url(self) -> str:
        return sqlite_file.url_of(self._path)

    @property
    def clients(self) -> SqliteClients:
        return self._clients

    @property
    def keys(self) -> SqliteKeys:
        return self._keys

    @property
    def stored_queries(self) -> SqliteStoredQueries:
        return self._stored_queries

    @property
    def jobs(self) -> SqliteJobs:
        return self._jobs

    @property
    def upkeep(self) -> SqliteUpkeep:
        return self._upkeep

    # Writing

    def compressor(self) -> Callable[[Draft], CompressedDraft]:
        return self._compress

    def put(
        self,
        drafts: Sequence[Draft | CompressedDraft],
        author: str,
        *,
        take_older: bool = False,
        keep_dates: bool = False,
    ) -> list[Outcome]:
        if not drafts:
            return []
        compressed = [
            draft if isinstance(draft, CompressedDraft) else self._compress(draft)
            for draft in drafts
        ]
        options = writing.WriteOptions(author, take_older, keep_dates)
        return self._write(
            lambda connection: writing.write(connection, self._rid_cache, compressed, options),
            len(compressed),
        )

    def begin_dated_load(self) -> None:
        self._write(dated_load.begin)

    def end_dated_load(self) -> None:
        self._write(dated_load.end)

    def delete(self, resource_type: str, resource_id: str, author: str) -> bool:
        return self._write(
            lambda connection: writing.delete(connection, resource_type, resource_id, author)
        )

    def set_meta(self, key: str, value: str) -> None:
        self._change(
            meta_sql.SET,
            (key, value),
        )

    def set_meta_once(self, key: str, value: str) -> str:
        current = self.get_meta(key)
        if current is None:
            self._change(meta_sql.SETTLE, (key, value))
            current = self.get_meta(key)
            assert current is not None, "such values are never removed"
        return current

    # Reading resources

    def read(self, resource_type: str, resource_id: str) -> ResourceVersion | None:
        row = self._row(
            resources_sql.READ,
            (resource_type, resource_id),
        )
        return self._resource_version(resource_type, resource_id, row)

    def read_version(
        self, resource_type: str, resource_id: str, version: int
    ) -> ResourceVersion | None:
        rid = self.rid(resource_type, resource_id)
        row = self._row(
            resources_sql.READ_VERSION,
            (rid, version),
        )
        return self._resource_version(resource_type, resource_id, row)

    def history(self, resource_type: str, resource_id: str) -> list[VersionRow]:
        rows = self._rows(
            resources_sql.HISTORY,
            (self.rid(resource_type, resource_id),),
        )
        return [
            VersionRow(version, last_updated, source_updated, author, bool(deleted))
            for version, last_updated, source_updated, author, deleted in rows
        ]

    def bodies(self, rids: Sequence[Rid]) -> list[CurrentBody | None]:
        # json_each as the outer loop measured as fast as one SQL parameter for each rid.
        rows = self._rows(
            resources_sql.BODIES,
            (as_json(rids),),
        )
        with self._decompressing():
            bodies = self._codec.decompress_all([row[1] for row in rows])
        by_rid = {
            rid: CurrentBody(body, visibility, plan or b"", version, last_updated)
            for (rid, _, visibility, plan, version, last_updated), body in zip(
                rows, bodies, strict=True
            )
        }
        return [by_rid.get(rid) for rid in rids]

    def rid(self, resource_type: str, resource_id: str) -> Rid | None:
        row = self._row(
            resources_sql.RID,
            (resource_type, resource_id),
        )
        return row[0] if row else None

    # Following changes

    def last_change(self) -> Seq:
        row = self._row(changes_sql.NEWEST_SEQ)
        newest: Seq | None = row[0] if row else None
        return newest or NO_CHANGE

    def instant_of(self, seq: Seq) -> Micros:
        row = self._row(changes_sql.INSTANT, (seq,))
        return row[0] if row else NO_DATE

    def changes_after(self, seq: Seq, limit: int) -> list[Change]:
        rows = self._rows(
            changes_sql.AFTER,
            (seq, limit),
        )
        return [
            Change(seq, rid, version, bool(deleted), recorded_at)
            for seq, rid, version, deleted, recorded_at in rows
        ]

    def change_signal(self) -> int:
        # This connection never writes, so it sees the commits of this process's writer too.
        # Every request runs this: a context manager would cost a microsecond.
        try:
            with self._watching:
                self._check_open()
                signal: int = self._watcher.execute("PRAGMA data_version").fetchone()[0]
                return signal
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def masks_changed_at(self) -> Seq:
        return Seq(int(self.get_meta(masks.MASKS_CHANGED_AT) or 0))

    # Reading for the index

    def index_rows(self, rids: Iterable[Rid]) -> list[IndexRow]:
        with self._snapshot() as connection:
            names = _type_names(connection)
            rows = connection.execute(
                resources_sql.INDEX_ROWS,
                (as_json(list(rids)),),
            ).fetchall()
        return self._index_rows(rows, names)

    def all_index_rows(self) -> Iterator[tuple[Seq, list[IndexRow]]]:
        with self._snapshot() as connection:
            names = _type_names(connection)
            seq = connection.execute(changes_sql.NEWEST_SEQ).fetchone()[0] or NO_CHANGE
            cursor = connection.execute(resources_sql.ALL_INDEX_ROWS)
            rows = cursor.fetchmany(ROWS_PER_BATCH)
            yield seq, self._index_rows(rows, names)
            while rows := cursor.fetchmany(ROWS_PER_BATCH):
                yield seq, self._index_rows(rows, names)

    # The directory as a whole

    def counts(self) -> dict[str, int]:
        rows = self._rows(resources_sql.COUNTS)
        return dict(rows)

    def dangling(self, limit: int, after: Seq = NO_CHANGE) -> tuple[int, list[DanglingReference]]:
        count, pairs = 0, list[tuple[int, int]]()
        with self._snapshot() as connection:
            absent = {rid for (rid,) in connection.execute(resources_sql.ABSENT)}
            rows = connection.execute(
                resources_sql.TARGETS_SINCE,
                (after,),
            )
            foreign = foreign_links.all_links(connection) if absent else set()
            for rid, targets in rows if absent else ():
                missing = [
                    target
                    for target in rids_in(targets)
                    if target in absent and (rid, target) not in foreign
                ]
                count += len(missing)
                pairs += [(rid, target) for target in missing[: limit - len(pairs)]]
            ends = {rid for pair in pairs for rid in pair}
            names = {
                rid: (name, resource_id)
                for rid, name, resource_id in connection.execute(
                    resources_sql.NAMES,
                    (as_json(list(ends)),),
                )
            }
        return count, [DanglingReference(names[source], names[target]) for source, target in pairs]

    def size_on_disk(self) -> int:
        return sqlite_file.size_on_disk(self._path)

    def get_meta(self, key: str) -> str | None:
        row = self._row(meta_sql.GET, (key,))
        return row[0] if row else None

    # Access

    def policy(self) -> str:
        return self.get_meta(masks.POLICY) or STRICT.name

    def set_policy(self, name: str) -> None:
        self.set_meta(masks.POLICY, name)

    def recompute_masks(self, after: Rid, count: int) -> tuple[Rid, int] | None:
        return self._write(
            lambda connection: masks.recompute_masks(connection, after, count), count
        )

    # Opening and closing

    @property
    def is_in_place(self) -> bool:
        return self._is_in_place

    def check_in_place(self) -> None:
        try:
            self._file.check()
        except Unavailable:
            self._is_in_place = False
            raise
        self._is_in_place = True

    def close(self) -> None:
        self._writer.close()
        with self._watching:
            self._closed = True
            self._watcher.close()
        while self._idle:
            self._idle.pop().close()
        # Close the writer last: the last connection to close copies the log into the file.
        self._connection.close()

    # Connections

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """
        A connection for this caller alone; the pool grows to the number of concurrent readers.
        """
        with sqlite_file.translate_errors(self._path):
            self._check_open()
            try:
                connection = self._idle.pop()
            except IndexError:
                # A new connection opens the file that the path names now.
                self.check_in_place()
                connection = sqlite_file.open_reader(self._path)
            try:
                yield connection
            finally:
                if self._closed:
                    connection.close()
                else:
                    self._idle.append(connection)

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        """A connection in a read transaction: every statement sees the same commit."""
        with self._reading() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")

    def _rows(self, query: str, parameters: Sequence[object] = ()) -> list[Any]:
        with self._reading() as connection:
            return connection.execute(query, parameters).fetchall()

    def _row(self, query: str, parameters: Sequence[object] = ()) -> Any:
        rows = self._rows(query, parameters)
        return rows[0] if rows else None

    def _change(self, statement: str, parameters: Sequence[object]) -> bool:
        """Run one statement in a durable transaction; True if it changed a row."""
        return self._write(
            lambda connection: connection.execute(statement, parameters).rowcount == 1
        )

    def _write(self, work: Callable[[sqlite3.Connection], Result], weight: int = 1) -> Result:
        """The result of `work`, once its writes are durable in the file at the path."""
        self.check_in_place()
        return self._writer.run(work, weight)

    def _translated(self, error: Exception) -> Exception:
        return sqlite_file.store_error(error, self._path)

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("store.closed")
        if not self._is_in_place:
            raise Unavailable("store.replaced", path=self._path)

    # Frames

    @contextmanager
    def _decompressing(self) -> Iterator[None]:
        try:
            yield
        except CorruptFrame as error:
            raise Unavailable("store.corrupt", path=self._path, reason=error) from error

    def _find_dictionary(self, number: int) -> bytes | None:
        row = self._row(meta_sql.DICTIONARY, (number,))
        return row[0] if row else None

    def _resource_version(
        self, resource_type: str, resource_id: str, row: Any
    ) -> ResourceVersion | None:
        if row is None:
            return None
        rid, version, last_updated, source_updated, deleted, frame, visibility, plan = row
        with self._decompressing():
            body = self._codec.decompress(frame) if frame is not None else b""
        return ResourceVersion(
            rid,
            resource_type,
            resource_id,
            version,
            last_updated,
            source_updated,
            bool(deleted),
            body,
            visibility,
            plan or b"",
        )

    def _index_rows(self, rows: list[Any], names: dict[int, str]) -> list[IndexRow]:
        with self._decompressing():
            entries = self._codec.decompress_all([row[5] for row in rows])
        return [
            IndexRow(
                rid,
                names[code],
                resource_id,
                last_updated,
                bool(deleted),
                entries_of_row,
                rids_in(targets),
                facts,
                visibility,
            )
            for (
                rid,
                code,
                resource_id,
                last_updated,
                deleted,
                _,
                targets,
                facts,
                visibility,
            ), entries_of_row in zip(rows, entries, strict=True)
        ]


def _type_names(connection: sqlite3.Connection) -> dict[int, str]:
    return dict(connection.execute(resources_sql.TYPES).fetchall())
