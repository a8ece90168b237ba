"""
Where the references of an import lead: to another server, to nothing, or to what a check accepted.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from ror.directory.draft import Outward
from ror.standard.references import base_of
from ror.store.contract import CompressedDraft, DanglingReference, Store

MAX_LISTED: Final = 20
"""The report lists this many references that lead to nothing; all of them are counted."""

Name = tuple[str, str]


@dataclass(slots=True)
class OutwardReferences:
    """
    The references of what was kept to other servers, by base, and those that name nothing at all.
    """

    external: Counter[str] = field(default_factory=Counter)
    unresolved: int = 0
    first_unresolved: list[DanglingReference] = field(default_factory=list)

    def add(self, outward: Iterable[Outward]) -> None:
        for source, address in outward:
            if address.lower().startswith(("http:", "https:")):
                self.external[base_of(address)] += 1
                continue
            # A URN names an entry of the Bundle that it came in, or nothing (choice 34).
            self.unresolved += 1
            if len(self.first_unresolved) < MAX_LISTED:
                self.first_unresolved.append(DanglingReference(source, ("", address)))


class CheckedReferences:
    """
    The references between the resources that a check accepts, of which nothing is kept in a store.
    """

    def __init__(self) -> None:
        self._accepted: set[Name] = set()
        self._sources: dict[Name, list[Name]] = {}

    def add(self, accepted: Sequence[CompressedDraft]) -> None:
        for draft in accepted:
            source = draft.type, draft.id
            self._accepted.add(source)
            for place, target in enumerate(draft.links):
                if place not in draft.foreign_links:
                    self._sources.setdefault(target, []).append(source)

    def dangling(self, store: Store | None, limit: int) -> tuple[int, list[DanglingReference]]:
        """
        How many references lead to nothing accepted and to nothing in a store, and the first
        `limit`.
        """
        missing = [
            DanglingReference(source, target)
            for target, sources in self._sources.items()
            if target not in self._accepted and not _is_kept(store, target)
            for source in sources
        ]
        return len(missing), missing[:limit]


def _is_kept(store: Store | None, name: Name) -> bool:
    stored = store.read(*name) if store else None
    return stored is not None and not stored.deleted
