"""
Bodies without their references to hidden resources.

The index knows the few bodies that have such references; this module parses only those.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import msgspec

from ror.resources.subset import SUBSETTED
from ror.standard.references import is_reference

_decode: Final = msgspec.json.Decoder(float_hook=Decimal).decode
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode
_TAG: Final = msgspec.json.decode(SUBSETTED)


def without_references(body: bytes, is_hidden: Callable[[dict[str, Any]], bool]) -> bytes:
    """
    The body without the references that `is_hidden` selects, tagged SUBSETTED.

    Lists and objects that become empty are removed. A body without such references is unchanged.

    >>> body = b'{"meta":{},"partOf":{"reference":"Location/1"}}'
    >>> without_references(body, lambda reference: True)[-15:]
    b'"SUBSETTED"}]}}'
    """
    resource = _decode(body)
    if not _drop(resource, is_hidden):
        return body
    tags = resource["meta"].setdefault("tag", [])
    if _TAG not in tags:
        tags.append(_TAG)
    return _encode(resource)


def _drop(node: Any, is_hidden: Callable[[dict[str, Any]], bool]) -> bool:
    """Remove the hidden references of a node; return whether there were any."""
    dropped = False
    items = list(node.items()) if isinstance(node, dict) else list(enumerate(node))
    # From the end, so that the positions of the remaining items do not change.
    for place, value in reversed(items):
        if not isinstance(value, dict | list):
            continue
        if is_reference(value) and is_hidden(value):
            del node[place]
            dropped = True
        elif _drop(value, is_hidden):
            dropped = True
            if _is_empty(value):
                del node[place]
    return dropped


def _is_empty(node: dict[str, Any] | list[Any]) -> bool:
    """
    Whether a node is empty; an extension with only its URL is.
    """
    return not node or (isinstance(node, dict) and node.keys() == {"url"})
