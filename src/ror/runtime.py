"""
Opening a directory: its store, index, caches, identity services and audit trail.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from ror.audit.acts import AuditedKeys, RecordAct, record_nothing, recorder
from ror.audit.trail.folder import Folder
from ror.audit.trail.writing import Journal, Listeners
from ror.errors import Unavailable, UsageError
from ror.identity.authorities import WatchedAuthorities
from ror.identity.provider_keys import Issuers, ReportProblem, ignore_report
from ror.identity.rates import Rates
from ror.identity.registry import Registry
from ror.identity.token_service import TokenPolicy, TokenService
from ror.identity.tokens import Provider, read_providers
from ror.search.answer.answer_cache import AnswerCache
from ror.search.answer.bodies import BodyCache
from ror.search.answer.page_links import PageLinks
from ror.search.index.index import Index, ProblemListener
from ror.search.index.schema import check_schema
from ror.settings import Settings
from ror.standard import terminology
from ror.standard.editions import Overlay, overlaid
from ror.store import check_exists, database_file, open_store
from ror.store.contract import Store


@dataclass(frozen=True, slots=True)
class Directory:
    """An open directory; `ready_in_s` is the time, in seconds, that its index took to open."""

    settings: Settings
    store: Store
    index: Index
    bodies: BodyCache
    answers: AnswerCache
    page_links: PageLinks
    registry: Registry
    issuers: Issuers
    rates: Rates
    tokens: TokenService
    ready_in_s: float

    def refresh(self) -> None:
        """Apply now the writes of this process and of others."""
        self.index.refresh()

    def reload_identity_providers(self) -> None:
        """Read the file of identity providers again. Raises UsageError if it cannot be read."""
        self.issuers.replace(_providers(self.settings))

    def close(self) -> None:
        """Stop following changes and close the files; acknowledged writes are durable."""
        self.index.close()
        self.rates.close()
        self.store.close()


def open_directory(
    settings: Settings,
    on_issuer_problem: ReportProblem = ignore_report,
    on_index_problem: ProblemListener = lambda work, problem: None,
) -> Directory:
    """
    The directory that the settings name, indexed and following changes; created if it is absent.

    `on_issuer_problem` receives failures to fetch the keys of an identity provider,
    `on_index_problem` failures of the index to follow changes.

    Raises UsageError or Unavailable if the database cannot be opened.
    """
    use_tables(settings)
    store = open_store(settings.database)
    try:
        bodies = BodyCache(store, settings.body_cache_mb * 1_000_000)
        index = Index(
            store, snapshot_folder(settings), on_change=bodies.forget, on_problem=on_index_problem
        )
        answers = AnswerCache(settings.answer_cache_mb * 1_000_000)
        page_links = PageLinks(store, settings.max_url_kb * 1_024)
        registry = Registry(store)
        issuers = Issuers(_providers(settings), on_issuer_problem)
        rates = _rates(settings)
        keys = AuditedKeys(
            store.keys, partial(_open_acts_while_serving, settings, store), SYSTEM_AUTHOR
        )
        tokens = TokenService(registry, keys, _authorities(settings), _token_policy(settings))
        start = time.perf_counter()
        index.open()
        ready_in_s = time.perf_counter() - start
        registry.current()
        index.follow()
    except BaseException:
        store.close()
        raise
    return Directory(
        settings,
        store,
        index,
        bodies,
        answers,
        page_links,
        registry,
        issuers,
        rates,
        tokens,
        ready_in_s,
    )


def open_existing(database: str) -> Store:
    """
    The store of an existing directory in the format of this release.

    Raises UsageError if there is none, or if it must be upgraded first.
    """
    check_exists(database)
    return open_or_create(database)


def open_or_create(database: str) -> Store:
    """
    The store of a directory, created empty if it is absent.

    Raises UsageError if it must be upgraded first.
    """
    store = open_store(database)
    try:
        check_schema(store)
    except BaseException:
        store.close()
        raise
    return store


def use_tables(settings: Settings) -> None:
    """
    Use the terminology that the settings choose: the shipped edition, or a file over it.

    Raises UsageError if the file cannot be read or is not a table of codes.
    """
    if settings.terminology_file:
        try:
            content = Path(settings.terminology_file).read_bytes()
            terminology.use(overlaid(Overlay(content, settings.terminology_file)))
        except (OSError, ValueError) as problem:
            raise UsageError(
                "terminology.bad-file", file=settings.terminology_file, problem=problem
            ) from None


SYSTEM_AUTHOR: Final = "ror"
"""The author of the acts that a server does on its own, such as the rotation of signing keys."""
TRAIL_KEY: Final = "audit-key"
"""The key of a store's `meta` with the fingerprint of the key of its audit trail."""


def open_trail(
    settings: Settings, store: Store, listeners: Listeners | None = None
) -> Journal | None:
    """
    The journal of this process in the audit trail of a directory; None if the trail is off.

    The trail is created if it is absent. The directory stores the fingerprint of its trail's key,
    so that `ror audit verify` detects another trail in its place.

    Raises UsageError if the trail cannot be opened.
    """
    if not settings.audit:
        return None
    folder = Folder(trail_folder(settings))
    journal = Journal(folder, "calls", settings.audit_retention_days, listeners)
    _begin(folder, store, journal.open)
    return journal


def open_acts(settings: Settings, store: Store) -> RecordAct:
    """
    The function that records acts of management; it does nothing if the trail is off.

    Raises UsageError if the trail cannot be opened; the caller must then not do the act.
    """
    if not settings.audit:
        return record_nothing
    folder = Folder(trail_folder(settings))
    _begin(folder, store)
    return recorder(folder)


def _open_acts_while_serving(settings: Settings, store: Store) -> RecordAct:
    """As `open_acts`, but raises Unavailable: the client of a server cannot mend the trail."""
    try:
        return open_acts(settings, store)
    except UsageError:
        raise Unavailable("audit.cannot-write") from None


def _begin(folder: Folder, store: Store, begin: Callable[[], None] = lambda: None) -> None:
    """
    Open the trail of a directory, or create its first one.

    Raises UsageError if it cannot be opened, or if the folder holds another trail than the
    directory's: a directory that was restored without its trail must not begin a new one unnoticed.
    """
    fingerprint = store.get_meta(TRAIL_KEY)
    try:
        if fingerprint not in (None, folder.known_fingerprint()) and not folder.lost_a_key():
            raise UsageError("audit.other-trail", folder=folder.path, database=store.url)
        folder.make()
        begin()
    except (OSError, ValueError) as problem:
        raise UsageError("audit.cannot-open", folder=folder.path, problem=problem) from None
    store.set_meta_once(TRAIL_KEY, folder.fingerprint())


def restart_trail(settings: Settings, store: Store, by: str, reason: str) -> str:
    """
    Attach a directory to the trail in its folder, or to a new one; the fingerprint of its key.

    The first act in the trail names the directory's former trail.
    Raises UsageError if the trail cannot be opened.
    """
    folder = Folder(trail_folder(settings))
    try:
        folder.make()
    except (OSError, ValueError) as problem:
        raise UsageError("audit.cannot-open", folder=folder.path, problem=problem) from None
    fingerprint, before = folder.fingerprint(), store.get_meta(TRAIL_KEY)
    if fingerprint != before:
        recorder(folder)("audit-restart", fingerprint, by, reason, {"before": before})
        store.set_meta(TRAIL_KEY, fingerprint)
    return fingerprint


def trail_folder(settings: Settings) -> Path:
    """The folder of the audit trail: `audit_folder` if it is set, else one in the state folder."""
    return Path(settings.audit_folder) if settings.audit_folder else _state(settings, ".audit")


def snapshot_folder(settings: Settings) -> Path:
    """The folder of the index snapshots, in the state folder."""
    return _state(settings, ".index")


def _state(settings: Settings, ending: str) -> Path:
    """
    A file or folder of the state folder, named after the database.

    The state folder is `state_folder`, created if absent; by default, that of the SQLite file.
    """
    file = database_file(settings.database)
    if settings.state_folder is None:
        return file.with_name(f"{file.name}{ending}")
    folder = Path(settings.state_folder)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        raise UsageError(
            "settings.no-state-folder", folder=folder, problem=problem.strerror
        ) from None
    return folder / f"{file.name}{ending}"


def _providers(settings: Settings) -> Sequence[Provider]:
    """The identity providers whose tokens are accepted."""
    if settings.identity_providers_file is None:
        return ()
    path = Path(settings.identity_providers_file)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise UsageError("providers.bad-file", file=path, problem=problem) from None
    return read_providers(text, str(path), settings.issuer)


def _rates(settings: Settings) -> Rates:
    """The rate limits of clients; a file in the state folder counts their calls."""
    path = _state(settings, ".rates")
    try:
        return Rates(path)
    except OSError as problem:
        raise UsageError("rates.cannot-open", file=path, problem=problem.strerror) from None


def _authorities(settings: Settings) -> WatchedAuthorities | None:
    """The certification authorities of clients; None if there are none."""
    if not settings.tls_client_authorities:
        return None
    return WatchedAuthorities(settings.tls_client_authorities, settings.tls_client_crl)


def _token_policy(settings: Settings) -> TokenPolicy:
    return TokenPolicy(
        issuer=settings.issuer,
        audience=settings.token_audience,
        lifetime_s=settings.token_lifetime_s,
        key_days=settings.token_key_days,
    )
