"""
The measured directory: generated once into a file, then loaded into a new database.
"""

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from ror.directory.importing import Report, documents, run
from ror.runtime import snapshot_folder
from ror.samples import Size, generate
from ror.search.index import segment_file
from ror.search.index.columns import Column
from ror.search.index.index import Index
from ror.search.index.segment import Segment
from ror.settings import Settings
from ror.store import open_store

_WHOLE: Final = "benchmark"
"""The meta key that marks a completed load."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A load: durable resources, seconds of import, seconds to build the first index."""

    resources: int
    load_s: float
    index_s: float


@dataclass(frozen=True, slots=True)
class Directory:
    """The file and the database of a generated directory, in a folder that may be reused."""

    folder: Path
    size: Size
    seed: int

    @property
    def file(self) -> Path:
        """The generated resources, as NDJSON."""
        return self.folder / f"{self.size}-{self.seed}.ndjson"

    @property
    def database(self) -> str:
        """The URL of the store."""
        return f"sqlite:///{quote(str(self._path.absolute()))}"

    @property
    def is_loaded(self) -> bool:
        """Whether the database already holds the whole file."""
        if not self._path.exists():
            return False
        store = open_store(self.database)
        try:
            return store.get_meta(_WHOLE) is not None
        finally:
            store.close()

    @property
    def _path(self) -> Path:
        return self.folder / f"{self.size}-{self.seed}.db"

    @property
    def files(self) -> list[Path]:
        """The files of the database and of its index snapshots."""
        found = [
            *self.folder.glob(f"{self._path.name}*"),
            *snapshot_folder(Settings(database=self.database)).glob("*.index"),
        ]
        return [path for path in found if path.is_file()]

    def bytes_on_disk(self) -> int:
        """Bytes on disk of everything needed to serve."""
        return sum(path.stat().st_size for path in self.files)

    def parts(self) -> dict[str, int]:
        """Bytes of each table with its indexes, and of the newest snapshot by kind of column."""
        found: dict[str, int] = {}
        with closing(sqlite3.connect(self._path)) as connection:
            rows = connection.execute(
                "SELECT coalesce(tbl_name, name), sum(pgsize) FROM dbstat LEFT JOIN sqlite_schema USING (name)"
                " WHERE aggregate = TRUE GROUP BY 1"
            )
            found |= {
                f"table {name}": size for name, size in rows if not name.startswith("sqlite_")
            }
        segment = self._newest()
        for column in segment.columns.values():
            name = f"index, {column.kind}"
            found[name] = found.get(name, 0) + _nbytes(column)
        found["index, rows of records"] = sum(array.nbytes for array in segment.owners.values())
        return found | {f"index, {name}": size for name, size in self._masks_of_index().items()}

    def of_access(self) -> dict[str, int]:
        """Bytes that the access policy takes: masks, plans, facts and governed columns."""
        with closing(sqlite3.connect(self._path)) as connection:
            masks, plans = connection.execute(
                "SELECT sum(length(visibility)), sum(length(plan)) FROM access"
            ).fetchone()
        found = {"database, masks": masks, "database, plans of bodies": plans or 0}
        tables = self.parts()
        found["database, the rest of the table"] = tables["table access"] - sum(found.values())
        found["database, facts that travel"] = tables["table influence"]
        return found | {f"index, {name}": size for name, size in self._masks_of_index().items()}

    def _masks_of_index(self) -> dict[str, int]:
        segment = self._newest()
        governed = sum(
            _nbytes(column) for by_code in segment.governed.values() for column in by_code.values()
        )
        return {"governed columns": governed, "masks": segment.masks.nbytes()}

    def _newest(self) -> Segment:
        """The segment of the newest snapshot."""
        loaded = segment_file.load(
            max(snapshot_folder(Settings(database=self.database)).glob("*.index"))
        )
        assert loaded is not None
        return loaded[0]

    def generate(self) -> None:
        """Write the file, unless it exists."""
        if self.file.exists():
            return
        partial = self.file.with_suffix(".part")
        with partial.open("wb") as output:
            output.writelines(line + b"\n" for line in generate(self.size, self.seed))
        partial.replace(self.file)

    def load(self) -> Loaded:
        """Import the file into a new database, then index it."""
        for path in self.folder.glob(f"{self._path.name}*"):
            if path.is_file():
                path.unlink()
        for snapshot in snapshot_folder(Settings(database=self.database)).glob("*.index"):
            snapshot.unlink()
        store = open_store(self.database)
        try:
            report, start = Report(), time.perf_counter()
            run(store, documents([str(self.file)]), report, now=time.time_ns() // 1_000)
            load_s = time.perf_counter() - start
            if report.refused:
                raise RuntimeError(
                    f"{report.refused} generated resources were refused: {report.refusals[0]}"
                )
            start = time.perf_counter()
            Index(store, snapshot_folder(Settings(database=self.database))).open()
            index_s = time.perf_counter() - start
            store.set_meta(_WHOLE, "loaded")
            return Loaded(report.created, load_s, index_s)
        finally:
            store.close()


def _nbytes(column: Column) -> int:
    return sum(array.nbytes for array in column.arrays.values())
