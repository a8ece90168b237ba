"""
The trusted identity providers, from a TOML file with one table for each.

A provider says who a client is, never what it may see: the client must be registered here, with its
grants.
"""

import tomllib
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import msgspec

from ror.errors import UsageError
from ror.identity.loopback import is_loopback
from ror.identity.tokens.verifying import ALGORITHMS

USUAL: Final = ("ES256", "RS256", "PS256")


class Provider(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """
    An identity provider: `issuer` as in its tokens, `jwks` the address or file of its keys.

    Its tokens must be for `audience`. `client_claim` names the client: by our client ids, or by the
    keys of `clients`, which are then the only clients it may name. With `certificate_bound`, a
    client registered with a certificate needs a token bound to it. `authorities` is a PEM file that
    certifies the address of the keys.
    """

    issuer: str
    jwks: str
    audience: str
    client_claim: str = "azp"
    algorithms: tuple[str, ...] = USUAL
    certificate_bound: bool = True
    authorities: str | None = None
    clients: Mapping[str, str] | None = None

    @property
    def address(self) -> SplitResult | None:
        """The HTTP address of its keys; None if they are in a file."""
        parts = urlsplit(self.jwks)
        return parts if parts.scheme in ("http", "https") else None


class _File(msgspec.Struct, forbid_unknown_fields=True):
    provider: list[Provider]


def read_providers(text: str, file: str, own_issuer: str) -> tuple[Provider, ...]:
    """
    The providers described in the text of a file; `own_issuer` is our own.

    Raises UsageError if the text is invalid or unsafe.
    """
    try:
        content: dict[str, Any] = tomllib.loads(text)
        described = tuple(msgspec.convert(content, _File).provider)
    except (ValueError, msgspec.ValidationError) as problem:
        raise UsageError("providers.bad-file", file=file, problem=problem) from None
    names = [own_issuer]
    for provider in described:
        if provider.issuer in names:
            raise UsageError("providers.issuer-twice", file=file, issuer=provider.issuer)
        names.append(provider.issuer)
        _check(provider, file)
    return described


def _check(provider: Provider, file: str) -> None:
    algorithms = sorted(name for of_type in ALGORITHMS.values() for name in of_type)
    for name in provider.algorithms:
        if name not in algorithms:
            raise UsageError(
                "providers.bad-algorithm", file=file, name=name, known=", ".join(algorithms)
            )
    if not (
        provider.issuer
        and provider.audience
        and provider.client_claim
        and provider.jwks
        and provider.algorithms
    ):
        raise UsageError("providers.empty", file=file, issuer=provider.issuer)
    address = provider.address
    if address is not None and not (
        address.hostname and (address.scheme == "https" or is_loopback(address.hostname))
    ):
        raise UsageError("providers.in-the-clear", file=file, address=provider.jwks)
