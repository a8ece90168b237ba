"""
The targets of the references of an import: another server, nothing, or an accepted resource.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from ror.directory.draft import Outward
from ror.standard.references import base_of
from ror.store.contract import CompressedDraft, DanglingReference, Store

MAX_LISTED: Final = 20
"""References without target that the report lists; it counts all of them."""

Name = tuple[str, str]


@dataclass(slots=True)
class OutwardReferences:
    """
    The references of imported resources to other servers, by base, and those without target.
    """

    external: Counter[str] = field(default_factory=Counter)
    unresolved: int = 0
    first_unresolved: list[DanglingReference] = field(default_factory=list)

    def add(self, outward: Iterable[Outward]) -> None:
        for source, address in outward:
            if address.lower().startswith(("http:", "https:")):
                self.external[base_of(address)] += 1
                continue
            # A URN refers to an entry of its Bundle, or to nothing (choice 34).
            self.unresolved += 1
            if len(self.first_unresolved) < MAX_LISTED:
                self.first_unresolved.append(DanglingReference(source, ("", address)))


class CheckedReferences:
    """
    The references between the resources that a dry run accepts, which are not stored.
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
        The number of references without target, accepted or stored, and the first `limit`.
        """
        missing = [
            DanglingReference(source, target)
            for target, sources in self._sources.items()
            if target not in self._accepted and not _is_stored(store, target)
            for source in sources
        ]
        return len(missing), missing[:limit]


def _is_stored(store: Store | None, name: Name) -> bool:
    stored = store.read(*name) if store else None
    return stored is not None and not stored.deleted
