"""How a response is sent: its headers, the coding of its body, then its bytes."""

from typing import Final

from ror.http import negotiation
from ror.http.compression import WORTH_IT, coded
from ror.http.exchange import Header, Headers, Response, Send, header_text

_EVERY_RESPONSE: Final = (
    (b"vary", b"Accept, Accept-Encoding, Accept-Language, Authorization"),
    (b"x-content-type-options", b"nosniff"),
)
_WITHOUT_BODY: Final = (204, 304)


async def send_response(
    send: Send, response: Response, method: str, request_id: str, headers: Headers
) -> int:
    """
    The number of bytes of the body that was sent, in the coding that the client prefers.

    `headers` are those of the request. A response to HEAD has the headers of GET and no body.
    """
    body, coding = response.body, "identity"
    if len(body) >= WORTH_IT:
        coding = negotiation.coding_for(header_text(headers, b"accept-encoding"))
        if coding != "identity":
            body = await coded(bytes(body), coding)
    head = response_headers(response, request_id)
    if response.status not in _WITHOUT_BODY:
        head.append((b"content-length", b"%d" % len(body)))
    if coding != "identity":
        head.append((b"content-encoding", coding.encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": head})
    sent = b"" if method == "HEAD" else body
    await send({"type": "http.response.body", "body": sent})
    return len(sent)


def response_headers(response: Response, request_id: str) -> list[Header]:
    """The headers of a response, except those that depend on the coding of its body."""
    head = [
        (b"cache-control", response.cache_control),
        *_EVERY_RESPONSE,
        (b"x-request-id", request_id.encode("ascii")),
        *response.headers,
    ]
    if response.status not in _WITHOUT_BODY:
        head.append((b"content-type", response.content_type))
    return head
