"""
A body without its references to what a viewer may not see.

Few bodies have any: the index knows which, so that those few are parsed here and the others never
are.
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
    The body without the references of which `is_hidden` says that they lead to something hidden,
    tagged as a part.

    A list or an object that is left empty goes with them; a body without such references is given
    back as it came.

    >>> without_references(b'{"meta":{},"partOf":{"reference":"Location/1"}}', lambda reference: True)[-15:]
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
    """Takes the references that lead to something hidden out of a node; whether there were any."""
    found = False
    items = list(node.items()) if isinstance(node, dict) else list(enumerate(node))
    # From the end, so that places in a list stay what they were.
    for place, value in reversed(items):
        if not isinstance(value, dict | list):
            continue
        if is_reference(value) and is_hidden(value):
            del node[place]
            found = True
        elif _drop(value, is_hidden):
            found = True
            if _is_empty(value):
                del node[place]
    return found


def _is_empty(node: dict[str, Any] | list[Any]) -> bool:
    """
    Whether nothing is left of a node; of an extension only its name may be, which says nothing.
    """
    return not node or (isinstance(node, dict) and node.keys() == {"url"})
