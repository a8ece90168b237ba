"""
Bodies without the parts that a viewer may not see, cut from the stored bytes.

`parts.py` located the governed parts at writing; this module joins pieces of the stored JSON and
parses nothing. A body without some of its parts has the tag SUBSETTED (choice 19).
"""

from functools import lru_cache
from typing import Final

import msgspec

from ror.access.parts import TAG, TAGS, Group
from ror.access.policy import ProfileMask
from ror.resources.subset import SUBSETTED

_ADDED: Final = {TAG: bytes(SUBSETTED), TAGS: b'"tag":[%b]' % SUBSETTED}
"""What a cut body gets at the places of these codes."""
_decode_plan: Final = msgspec.msgpack.Decoder().decode


@lru_cache(maxsize=4096)
def hidden_codes(visibility: bytes, viewer_mask: ProfileMask) -> bytes:
    """The codes of the parts that the viewer may not see."""
    return bytes(
        code
        for code, mask in zip(visibility[2::2], visibility[3::2], strict=True)
        if not mask & viewer_mask
    )


def may_see(visibility: bytes, viewer_mask: ProfileMask) -> bool:
    """Whether the viewer may see the resource at all."""
    return bool(visibility[1] & viewer_mask)


def cut(body: bytes, plan: bytes, hidden: bytes) -> bytes:
    """
    The body without the parts of these codes, and without arrays and objects that become empty.
    """
    members, _ = _decode_plan(plan)
    return b"{%b}" % _remainder(body, members, hidden)


def _remainder(body: bytes, group: Group, hidden: bytes) -> bytes:
    pieces = []
    for start, end, code, inside in group[2]:
        if code in hidden:
            if inside is not None and not inside[2]:
                pieces.append(b"null")
        elif code in _ADDED:
            pieces.append(_ADDED[code])
        elif inside is None or not inside[2]:
            pieces.append(body[start:end])
        elif content := _remainder(body, inside, hidden):
            pieces.append(b"%b%b%b" % (body[start : inside[0]], content, body[inside[1] : end]))
    return b",".join(pieces)
