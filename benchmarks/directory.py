"""
The directory that is measured: generated once into a file, then loaded into a fresh database under the clock.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from ror.generating import Size, generate
from ror.importing import Report, documents, run
from ror.runtime import snapshot_folder
from ror.search.index import Index
from ror.store import open_store

_WHOLE: Final = "benchmark"
"""The fact of a store that says that its load came to its end."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What loading a file took: durable resources, bytes of database, then the making of the first index."""

    resources: int
    load_s: float
    database_bytes: int
    index_s: float


@dataclass(frozen=True, slots=True)
class Directory:
    """The file and the database of one generated directory, in a folder that may be kept from run to run."""

    folder: Path
    size: Size
    seed: int

    @property
    def file(self) -> Path:
        """What was generated, as NDJSON."""
        return self.folder / f"{self.size}-{self.seed}.ndjson"

    @property
    def database(self) -> str:
        """The URL of the store."""
        return f"sqlite:///{quote(str(self._path.absolute()))}"

    @property
    def is_loaded(self) -> bool:
        """Whether the database holds the whole file already."""
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

    def generate(self) -> None:
        """Write the file, unless it is there."""
        if self.file.exists():
            return
        partial = self.file.with_suffix(".part")
        with partial.open("wb") as output:
            output.writelines(line + b"\n" for line in generate(self.size, self.seed))
        partial.replace(self.file)

    def load(self) -> Loaded:
        """Import the file into a database made for it, then index it."""
        for path in self.folder.glob(f"{self._path.name}*"):
            if path.is_file():
                path.unlink()
        for snapshot in snapshot_folder(self.database).glob("*.index"):
            snapshot.unlink()
        store = open_store(self.database)
        try:
            report, start = Report(), time.perf_counter()
            run(store, documents([str(self.file)]), report, now=time.time_ns() // 1_000)
            load_s = time.perf_counter() - start
            if report.refused:
                raise RuntimeError(f"{report.refused} generated resources were refused: {report.refusals[0]}")
            start = time.perf_counter()
            Index(store, snapshot_folder(self.database)).open()
            index_s = time.perf_counter() - start
            store.set_meta(_WHOLE, "loaded")
            return Loaded(report.created, load_s, store.size_on_disk(), index_s)
        finally:
            store.close()
