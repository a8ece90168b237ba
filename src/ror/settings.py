"""
The table of settings, and the loading and checking of their values.

A value comes from the command line, else from a variable `ROR_NAME`, else from a TOML file, else
from its default. An unknown name or an invalid value is an error that names its source and what
would work. The description of each setting is in the message catalogue, under `setting.<name>`.
"""

import difflib
import ipaddress
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

from ror import messages
from ror.access import OPEN_DATA, anonymous_viewer
from ror.errors import UsageError
from ror.identity.loopback import is_loopback
from ror.identity.tokens.keys import LONGEST_LIFE_S

ENVIRONMENT_PREFIX: Final = "ROR_"
FILE_VARIABLE: Final = "ROR_CONFIG"
"""The variable that names the file of settings; if it is empty, no file is read."""
DEFAULT_FILE: Final = "ror.toml"
RESERVED_PREFIXES: Final = ("ROR_TEST_", "ROR_BENCH_")
"""The prefixes of variables for tests and benchmarks; none of them is a setting."""
SERVICE_PATHS: Final = ("/auth", "/health", "/metrics")
"""The paths of the service itself; no mount point may be one of them."""

REALM: Final = "/auth/realms/ror"
"""The path of the authorisation server, independent of the mount points."""

Reader = Callable[[str], Any]


class _InvalidValue(Exception):
    """A text that is no value for a setting: the key of the message and its own parameters."""

    def __init__(self, key: str, **params: Any) -> None:
        super().__init__(key)
        self.key, self.params = key, params


# --- readers: from a text to a value; they raise _InvalidValue ------------------------------------


def _any_text(text: str) -> str:
    if not text.strip() or any(ord(character) < 32 for character in text):
        raise _InvalidValue("settings.not-a-text")
    return text


def _database(text: str) -> str:
    """The URL of a store: a URL unchanged, a path as the URL of a SQLite file."""
    return text if "://" in _any_text(text) else f"sqlite:///{quote(text)}"


def _whole_number(low: int, high: int) -> Reader:
    def read(text: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,12}", text) or not low <= int(text) <= high:
            raise _InvalidValue("settings.not-a-number", low=low, high=high)
        return int(text)

    return read


def _one_of(*allowed: str) -> Reader:
    def read(text: str) -> str:
        if text not in allowed:
            raise _InvalidValue("settings.not-a-choice", choices=", ".join(allowed))
        return text

    return read


def _yes_or_no(text: str) -> bool:
    value = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(
        text.lower()
    )
    if value is None:
        raise _InvalidValue("settings.not-a-choice", choices="true, false")
    return value


_ADDRESS: Final = re.compile(
    r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?"
    r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*",
    re.ASCII,
)
"""An address with a host and an optional port and path, valid in RFC 3986: links begin with it."""


def _public_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        is_valid_port = parts.port is None or parts.port > 0
    except ValueError:
        raise _InvalidValue("settings.not-a-url") from None
    if not _ADDRESS.fullmatch(text) or not parts.hostname or not is_valid_port:
        raise _InvalidValue("settings.not-a-url")
    return text.rstrip("/")


def _urls(text: str) -> tuple[str, ...]:
    return tuple(map(_public_url, _items(text)))


def _existing_file(text: str) -> str:
    if not Path(text).is_file():
        raise _InvalidValue("settings.not-a-file")
    return text


def _header_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9-]{1,100}", text):
        raise _InvalidValue("settings.not-a-header")
    return text


def _existing_files(text: str) -> tuple[str, ...]:
    return tuple(_existing_file(item) for item in _items(text))


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _mount_points(text: str) -> tuple[str, ...]:
    paths = tuple(_items(text))
    for path in paths:
        if path != "/" and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", path):
            raise _InvalidValue("settings.not-a-mount-point", item=path)
        if any(path == reserved or path.startswith(f"{reserved}/") for reserved in SERVICE_PATHS):
            raise _InvalidValue("settings.taken-mount-point", item=path)
    if not paths or len(set(paths)) != len(paths):
        raise _InvalidValue("settings.not-a-mount-point", item=text)
    return paths


def _networks(text: str) -> tuple[str, ...]:
    networks = _items(text)
    for item in networks:
        try:
            ipaddress.ip_network(item, strict=False)
        except ValueError:
            raise _InvalidValue("settings.not-a-network", item=item) from None
    return tuple(networks)


# --- the table ------------------------------------------------------------------------------------


def _setting(default: Any, read: Reader) -> Any:
    """A row of the table: the default of a setting and the reader of its text."""
    return field(default=default, metadata={"read": read})


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings; each field is also an option of `ror serve` and a variable `ROR_NAME`."""

    database: str = _setting("sqlite:///ror.db", _database)
    """The URL of a store."""
    state_folder: str | None = _setting(None, _any_text)
    """Holds index snapshots, rates and, unless `audit_folder` is set, the audit trail."""
    upgrade_at_start: bool = _setting(False, _yes_or_no)
    host: str = _setting("127.0.0.1", _any_text)
    port: int = _setting(8000, _whole_number(0, 65_535))
    workers: int = _setting(1, _whole_number(1, 256))
    anonymous_profile: int | None = _setting(None, _whole_number(0, 5))
    anonymous_calls_per_minute: int | None = _setting(None, _whole_number(1, 1_000_000))
    """For each address of a client."""
    public_url: str | None = _setting(None, _public_url)
    mount_points: tuple[str, ...] = _setting(("/ws-diffusion-fhir", "/fhir", "/"), _mount_points)
    """The paths of the FHIR service; links use the first one."""
    own_bases: tuple[str, ...] = _setting((), _urls)
    """Other addresses of this directory, or of the directory that it is a copy of."""
    trusted_proxies: tuple[str, ...] = _setting((), _networks)
    """The networks of the proxies whose `X-Forwarded-*` headers the server trusts."""
    metrics_readers: tuple[str, ...] = _setting(("127.0.0.0/8", "::1"), _networks)
    """The networks that may read `/metrics`, which counts hidden resources too."""
    token_issuer: str | None = _setting(None, _public_url)
    """The issuer of tokens, with or without the path of the realm."""
    token_audience: str = _setting("ror", _any_text)
    token_lifetime_s: int = _setting(300, _whole_number(5, LONGEST_LIFE_S))
    token_key_days: int = _setting(30, _whole_number(1, 365))
    identity_providers_file: str | None = _setting(None, _existing_file)
    tls_certificate: str | None = _setting(None, _existing_file)
    tls_key: str | None = _setting(None, _existing_file)
    tls_client_authorities: tuple[str, ...] = _setting((), _existing_files)
    tls_client_crl: tuple[str, ...] = _setting((), _existing_files)
    client_certificate_header: str | None = _setting(None, _header_name)
    log_format: str = _setting("auto", _one_of("auto", "json", "text"))
    """`auto`: text on a terminal, JSON anywhere else."""
    log_level: str = _setting("info", _one_of("debug", "info", "warning", "error"))
    access_log: bool = _setting(True, _yes_or_no)
    body_cache_mb: int = _setting(160, _whole_number(0, 1_000_000))
    answer_cache_mb: int = _setting(32, _whole_number(0, 1_000_000))
    max_url_kb: int = _setting(64, _whole_number(1, 64))
    """The HTTP parser accepts no longer addresses."""
    max_body_mb: int = _setting(16, _whole_number(1, 4_096))
    max_document_mb: int = _setting(16, _whole_number(1, 4_096))
    """The size of a line of an imported file, or of a document over several lines."""
    max_included: int = _setting(10_000, _whole_number(1, 1_000_000))
    """The number of included resources on a page of a search."""
    max_search_entries_m: int = _setting(200, _whole_number(1, 1_000_000))
    """The number of index entries, in millions, that one search may read."""
    max_search_mb: int = _setting(128, _whole_number(1, 1_000_000))
    max_search_processor_ms: int = _setting(2_000, _whole_number(10, 3_600_000))
    max_search_wait_s: int = _setting(10, _whole_number(1, 3_600))
    """The duration of a search, the time that it waits for the processor included."""
    request_timeout_s: int = _setting(30, _whole_number(1, 3_600))
    """The time that a client has to send the head of a request, then its body."""
    send_timeout_s: int = _setting(30, _whole_number(1, 3_600))
    max_unsent_mb: int = _setting(256, _whole_number(1, 1_000_000))
    """For each process; a single response may be larger."""
    stop_timeout_s: int = _setting(30, _whole_number(0, 3_600))
    audit: bool = _setting(True, _yes_or_no)
    audit_folder: str | None = _setting(None, _any_text)
    audit_retention_days: int | None = _setting(None, _whole_number(1, 36_500))
    """By default nothing is ever deleted."""
    terminology_file: str | None = _setting(None, _existing_file)
    user_profiles_file: str | None = _setting(None, _existing_file)

    @property
    def mounts(self) -> tuple[str, ...]:
        """The mount points as prefixes of a path; the root is the empty text."""
        return tuple("" if path == "/" else path for path in self.mount_points)

    @property
    def bases(self) -> tuple[str, ...]:
        """The addresses of this directory: a reference to one of them is local."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        servers = (self.public_url, f"{self.scheme}://{host}:{self.port}")
        ours = (server + mount for server in servers if server for mount in self.mounts)
        return tuple(dict.fromkeys((*self.own_bases, *ours)))

    @property
    def issuer(self) -> str:
        """The issuer of tokens: the address of the realm."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        server = self.token_issuer or self.public_url or f"{self.scheme}://{host}:{self.port}"
        return server.removesuffix(REALM) + REALM

    @property
    def scheme(self) -> str:
        """The scheme of the server's own addresses."""
        return "https" if self.tls_certificate else "http"


@dataclass(frozen=True, slots=True)
class Setting:
    """The name and default of a setting, for documentation and commands."""

    name: str
    default: object

    @property
    def variable(self) -> str:
        """The environment variable."""
        return ENVIRONMENT_PREFIX + self.name.upper()

    @property
    def option(self) -> str:
        """The option of the command line."""
        return "--" + self.name.replace("_", "-")

    def description(self, language: str = messages.DEFAULT_LANGUAGE) -> str:
        """The description of the setting."""
        return messages.text(f"setting.{self.name}", language)


SETTINGS: Final = tuple(Setting(row.name, row.default) for row in fields(Settings))
_READERS: Final[Mapping[str, Reader]] = {row.name: row.metadata["read"] for row in fields(Settings)}


# --- loading --------------------------------------------------------------------------------------


def load(
    options: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
    defaults: Mapping[str, object] | None = None,
) -> Settings:
    """
    The settings from `options` of the command line, the environment, a file and the defaults.

    An option that is None is absent. The `defaults` of a command replace those of the table. `file`
    comes from the command line; if it is None, `ROR_CONFIG` names the file, or `./ror.toml` is read
    if it exists.

    Raises UsageError if a name is unknown, a value is invalid or the file cannot be read.
    """
    environment = environment or {}
    values: dict[str, Any] = {}
    for source in (
        _from_options(defaults or {}),
        _from_file(_chosen_file(file, environment)),
        _from_environment(environment),
        _from_options(options or {}),
    ):
        for name, origin, value in source:
            values[name] = _read(name, value, origin)
    settings = Settings(**values)
    _check_together(settings)
    return settings


def as_environment(settings: Settings) -> dict[str, str]:
    """The environment that gives another process exactly these settings, without a file."""
    variables = {row.variable: _as_text(getattr(settings, row.name)) or "" for row in SETTINGS}
    return {**variables, FILE_VARIABLE: ""}


_Values = Iterable[tuple[str, str, object]]
"""The name of a setting, the source of its value as the operator knows it, and the raw value."""


def _chosen_file(file: Path | None, environment: Mapping[str, str]) -> Path | None:
    if file is not None:
        return file
    name = environment.get(FILE_VARIABLE)
    if name is not None:
        return Path(name) if name else None
    return Path(DEFAULT_FILE) if Path(DEFAULT_FILE).exists() else None


def _from_file(path: Path | None) -> _Values:
    if path is None:
        return
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise UsageError("settings.unreadable-file", file=path, problem=problem.strerror) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise UsageError("settings.bad-file", file=path, problem=problem) from None
    for name, value in content.items():
        if name not in _READERS:
            nearest = _nearest(name.replace("-", "_").lower(), tuple(_READERS))
            raise UsageError("settings.unknown-key", name=name, file=path, nearest=nearest)
        yield name, f"{path}: {name}", value


def _from_environment(environment: Mapping[str, str]) -> _Values:
    names = {row.variable: row.name for row in SETTINGS}
    for variable, value in environment.items():
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable == FILE_VARIABLE:
            continue
        if variable.startswith(RESERVED_PREFIXES):
            continue
        if variable not in names:
            nearest = _nearest(variable.upper(), (*names, FILE_VARIABLE))
            raise UsageError("settings.unknown-variable", name=variable, nearest=nearest)
        yield names[variable], variable, value


def _from_options(options: Mapping[str, object]) -> _Values:
    options_by_name = {row.name: row.option for row in SETTINGS}
    for name, value in options.items():
        if value is not None:
            yield name, options_by_name[name], value


def _nearest(name: str, names: tuple[str, ...]) -> str:
    return difflib.get_close_matches(name, names, n=1, cutoff=0.0)[0]


def _read(name: str, value: object, origin: str) -> Any:
    """The value of a setting; the empty text is the default if the default is empty."""
    default = next(row.default for row in SETTINGS if row.name == name)
    text = _as_text(value)
    if text is not None and not text.strip() and not default:
        return default
    try:
        if text is None:
            raise _InvalidValue("settings.not-a-text")
        return _READERS[name](text)
    except _InvalidValue as problem:
        raise UsageError(
            problem.key, name=name, value=value, source=origin, **problem.params
        ) from None


def _as_text(value: object) -> str | None:
    """The value as the text of a variable; None if no setting has such a value."""
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int():
            return str(value)
        case list() | tuple() if all(isinstance(item, str) for item in value):
            return ",".join(value)
        case _:
            return None


def _check_public_url(settings: Settings) -> None:
    """Raise UsageError if the public address ends with a mount point, which links would repeat."""
    address = settings.public_url
    for mount in filter(None, settings.mounts):
        if address is not None and urlsplit(address).path.endswith(mount):
            raise UsageError(
                "settings.public-url-with-mount",
                value=address,
                mount=mount,
                right=address.removesuffix(mount),
                doubled=address + settings.mounts[0],
            )


def _check_together(settings: Settings) -> None:
    """Raise UsageError if settings are dangerous or useless together."""
    _check_public_url(settings)
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        raise UsageError("settings.half-of-tls")
    if settings.client_certificate_header and not settings.trusted_proxies:
        raise UsageError("settings.header-from-nobody")
    if settings.tls_client_crl and not settings.tls_client_authorities:
        raise UsageError("settings.revocations-alone")
    viewer = anonymous_viewer(settings.anonymous_profile)
    if viewer is None or viewer.profile == OPEN_DATA:
        return
    if not is_loopback(settings.host):
        raise UsageError("access.loopback-only", host=settings.host, profile=viewer.profile)
    if settings.trusted_proxies:
        # Requests through a proxy come from anywhere, even if the proxy runs on this machine.
        raise UsageError("access.no-proxy", profile=viewer.profile)
