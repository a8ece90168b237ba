"""
The body of a response in the format that the client requests: XML, or indented.

Routes answer in JSON, the format that is stored and cached. XML is made from it for each response;
a thread does it for a large body, so that the event loop serves other requests meanwhile.
"""

import asyncio
from typing import Final

from ror.errors import RorError
from ror.http.error_responses import error_response
from ror.http.exchange import FHIR_CONTENT_TYPE, Response
from ror.http.negotiation import Format
from ror.resources import bundles as wire
from ror.resources import xml

XML_CONTENT_TYPE: Final = b"application/fhir+xml; charset=utf-8"

IN_A_THREAD: Final = 16_384
"""Bytes of JSON that become XML in about a millisecond."""


async def represented(
    response: Response, wanted: Format, is_pretty: bool, language: str
) -> Response:
    """
    The response in a format, indented or not; XML applies to resources only.

    If a resource cannot be written in XML, the response is that error.
    """
    is_resource = response.content_type == FHIR_CONTENT_TYPE
    if response.body and is_resource and wanted == "xml":
        try:
            response.body = await _in_xml(bytes(response.body), is_pretty)
        except RorError as error:
            response = error_response(error, language)
            response.body = await _in_xml(bytes(response.body), is_pretty)
        response.content_type = XML_CONTENT_TYPE
    elif response.body and is_pretty and b"json" in response.content_type:
        response.body = wire.pretty(bytes(response.body))
    return response


async def _in_xml(body: bytes, is_pretty: bool) -> bytes:
    if len(body) < IN_A_THREAD:
        return xml.from_json(body, is_pretty=is_pretty)
    return await asyncio.to_thread(xml.from_json, body, is_pretty=is_pretty)
