"""The body of a form, read within the limits of size and time."""

import asyncio

from ror.errors import TooLarge
from ror.http import negotiation
from ror.http.error_responses import RequestTooSlow
from ror.http.exchange import Headers, Receive, header_text
from ror.settings import Settings


class ClientDisconnected(Exception):
    """The client closed the connection before its request was complete."""


async def read_form(receive: Receive, headers: Headers, settings: Settings) -> bytes:
    """
    The body of a form.

    Raises TooLarge, RequestTooSlow, UnsupportedMediaType or ClientDisconnected.
    """
    limit = settings.max_body_mb * 1_024 * 1_024
    declared = header_text(headers, b"content-length") or ""
    if declared.isdigit() and int(declared) > limit:
        raise TooLarge("http.body-too-large", limit=settings.max_body_mb)
    has_body = declared not in ("", "0") or b"transfer-encoding" in headers
    negotiation.check_is_form(
        header_text(headers, b"content-type"), header_text(headers, b"content-encoding"), has_body
    )
    pieces, size, more = [], 0, True
    try:
        async with asyncio.timeout(settings.request_timeout_s):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnected
                pieces.append(message.get("body", b""))
                size += len(pieces[-1])
                # A chunked body does not declare its size.
                if size > limit:
                    raise TooLarge("http.body-too-large", limit=settings.max_body_mb)
                more = message.get("more_body", False)
    except TimeoutError:
        raise RequestTooSlow("http.too-slow", limit=settings.request_timeout_s) from None
    return b"".join(pieces)
