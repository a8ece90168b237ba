"""
Which identity providers of others are believed, as an operator writes it: a TOML file with a table for each.

A provider says who a client is, never what it may see: the client must be one of ours, and what it was granted is what
we know of it.
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
    An identity provider: `issuer` as its tokens name it, `jwks` the address or the file of its keys.

    Its tokens must be for `audience`; `client_claim` names the client, by our client ids or by the names of `clients`,
    which then are the only ones that it speaks for. With `certificate_bound` a client that we know by a certificate is
    believed only on a token that is bound to it. `authorities` is a PEM file that certifies the address of the keys.
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
        """Where its keys are over HTTP; None when they are in a file."""
        parts = urlsplit(self.jwks)
        return parts if parts.scheme in ("http", "https") else None


class _File(msgspec.Struct, forbid_unknown_fields=True):
    provider: list[Provider]


def providers(text: str, file: str, own_issuer: str) -> tuple[Provider, ...]:
    """
    The providers that the text of a file describes; `file` is what it is called, `own_issuer` ours.

    Raises UsageError when it cannot be understood, or says what nobody should.
    """
    try:
        content: dict[str, Any] = tomllib.loads(text)
        found = tuple(msgspec.convert(content, _File).provider)
    except (ValueError, msgspec.ValidationError) as problem:
        raise UsageError("providers.bad-file", file=file, problem=problem) from None
    names = [own_issuer]
    for one in found:
        if one.issuer in names:
            raise UsageError("providers.issuer-twice", file=file, issuer=one.issuer)
        names.append(one.issuer)
        _check(one, file)
    return found


def _check(provider: Provider, file: str) -> None:
    known = sorted(name for of_type in ALGORITHMS.values() for name in of_type)
    for name in provider.algorithms:
        if name not in known:
            raise UsageError(
                "providers.bad-algorithm", file=file, name=name, known=", ".join(known)
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
