"""The grammar of an absolute URI (RFC 3986, appendix A) as one strict pattern."""

import ipaddress
import re

_PCT = r"%[0-9A-Fa-f]{2}"
_UNRESERVED = r"A-Za-z0-9\-._~"
_SUB_DELIMS = r"!$&'()*+,;="
_PCHAR = rf"(?:[{_UNRESERVED}{_SUB_DELIMS}:@]|{_PCT})"
_QUERY = rf"(?:[{_UNRESERVED}{_SUB_DELIMS}:@/?]|{_PCT})*"
_URI = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*):"
    rf"(?://(?:(?:[{_UNRESERVED}{_SUB_DELIMS}:]|{_PCT})*@)?"
    rf"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?:[{_UNRESERVED}{_SUB_DELIMS}]|{_PCT})*)(?::[0-9]*)?"
    rf"(?:/{_PCHAR}*)*|{_PCHAR}+(?:/{_PCHAR}*)*)"
    rf"(?:\?{_QUERY})?(?:#{_QUERY})?"
)


def is_uri(text: str) -> bool:
    """
    Whether a text is a URI of RFC 3986.

    >>> is_uri("http://a.example/x?near=1%7C2"), is_uri("http://a.example/x?near=1|2")
    (True, False)
    """
    found = _URI.fullmatch(text)
    if found is None:
        return False
    try:
        return found["ipv6"] is None or bool(ipaddress.IPv6Address(found["ipv6"]))
    except ValueError:
        return False
