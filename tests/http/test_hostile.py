"""
Requests that no well-meaning client sends: each is refused politely, quickly, and leaves the server
as it was.

A row is the bytes sent and the statuses that are right; a row with a 2xx says why in its name.
"""

import gc
import socket
from base64 import urlsafe_b64encode

import pytest

from tests.http.conftest import LIMIT_S, Answer, Server, request

FORM = "application/x-www-form-urlencoded"
LONG = "x" * 70_000
ABSURD_DATE = "Mon, 01 Jan 99999 00:00:00 GMT"


def form(body: bytes, **headers: str) -> bytes:
    return request("/fhir/Location/_search", "POST", body, **{"content_type": FORM, **headers})


def chunked(*chunks: bytes) -> bytes:
    return request(
        "/fhir/Location/_search", "POST", content_type=FORM, transfer_encoding="chunked"
    ) + b"".join(chunks)


def nested(depth: int) -> str:
    """A token whose issuer is lists in lists."""
    parts = (b'{"alg":"ES256"}', b'{"iss":%b%b}' % (b"[" * depth, b"]" * depth), b"signature")
    return "Bearer " + ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


OK, BAD = (200,), (400,)
ADDRESSES = [
    ("a bad escape", "/fhir/Location?address-city=%zz", BAD),
    ("half an escape", "/fhir/Location?address-city=%4", BAD),
    ("a lone percent", "/fhir/Location?address-city=100%", BAD),
    ("a bad escape in a name", "/fhir/Location?addr%ess=1", BAD),
    ("a bad escape in the path", "/fhir/Location/%g1", BAD),
    ("a NUL in a value", "/fhir/Location?address-city=a%00b", BAD),
    ("a NUL in a name", "/fhir/Location?address%00-city=a", BAD),
    ("a NUL in an id", "/fhir/Location/a%00b", BAD),
    ("a line break in a value", "/fhir/Location?address-city=a%0d%0aSet-Cookie:%20x", BAD),
    ("a line break in a path", "/fhir/Location/a%0d%0aX:%20y", BAD),
    ("an escape character", "/fhir/Location?address-city=%1b%5b31m", BAD),
    ("bytes that are not UTF-8", "/fhir/Location?address-city=%ff%fe", BAD),
    ("an accent in Latin-1", "/fhir/Location?address-city=Saint-L%f4", BAD),
    ("an overlong slash", "/fhir/Location/%c0%af", BAD),
    ("a surrogate", "/fhir/Location?address-city=%ed%a0%80", BAD),
    ("UTF-7", "/fhir/Location?address-city=%2BADw-script%2BAD4-", OK),
    ("no name", "/fhir/Location?=x", BAD),
    ("a name without value is ignored", "/fhir/Location?address-city", OK),
    ("an empty value is ignored", "/fhir/Location?address-city=", OK),
    ("only ampersands are no criterion", "/fhir/Location?&&&&", OK),
    ("a question mark alone is no criterion", "/fhir/Location?", OK),
    ("semicolons do not separate", "/fhir/Location?address-city=a;address-postalcode=b", OK),
    ("a thousand and one parameters", "/fhir/Location?" + "&".join(["status=active"] * 1_001), BAD),
    ("201 criteria", "/fhir/Location?" + "&".join(["status=active"] * 201), BAD),
    ("200 criteria are the limit", "/fhir/Location?" + "&".join(["status=active"] * 200), OK),
    ("1,001 values", "/fhir/Location?status=" + ",".join(["active"] * 1_001), BAD),
    ("1,000 values are the limit", "/fhir/Location?status=" + ",".join(["a"] * 1_000), OK),
    ("201 inclusions", "/fhir/Location?" + "&".join(["_include=Location:organization"] * 201), BAD),
    ("six hops", "/fhir/Organization?" + "partof." * 6 + "name=x", BAD),
    ("a thousand hops", "/fhir/Organization?" + "partof." * 1_000 + "name=x", BAD),
    (
        "a thousand reverse hops",
        "/fhir/Organization?" + "_has:Organization:partof:" * 1_000 + "name=x",
        BAD,
    ),
    (
        "64 levels of parentheses and more",
        "/fhir/Location?_filter=" + "(" * 5_000 + ")" * 5_000,
        BAD,
    ),
    ("an address of 70 KB", f"/fhir/Location?address-city={LONG}", (414,)),
    ("a path of 70 KB", f"/fhir/{LONG}", (414,)),
    ("an address of 60 KB is accepted", "/fhir/Location?address-city=" + "x" * 60_000, OK),
    ("an id of 10 KB", "/fhir/Location/" + "x" * 10_000, (404,)),
    ("a name of 10 KB", "/fhir/Location?" + "x" * 10_000 + "=1", BAD),
    ("an absurd number", "/fhir/Location?nb-capacity=1e999999999", BAD),
    ("a long number", "/fhir/Location?nb-capacity=" + "9" * 20_000, BAD),
    ("not a number", "/fhir/Location?nb-capacity=NaN", BAD),
    ("an infinite number", "/fhir/Location?nb-capacity=Infinity", BAD),
    ("digits of another script", "/fhir/Location?nb-capacity=%D9%A3", BAD),
    ("year 0", "/fhir/Location?_lastUpdated=0000", BAD),
    ("year 10000", "/fhir/Location?_lastUpdated=10000-01-01", BAD),
    (
        "the end of time",
        "/fhir/Location?_lastUpdated=ge9999-12-31T23:59:59.999%2B14:00",
        (200, 400),
    ),
    (
        "the beginning of time",
        "/fhir/Location?_lastUpdated=le0001-01-01T00:00:00%2B14:00",
        (200, 400),
    ),
    ("the 30th of February", "/fhir/Location?_lastUpdated=2024-02-30", BAD),
    ("hour 25", "/fhir/Location?_lastUpdated=2024-02-01T25:00", BAD),
    ("a date of 20 KB", "/fhir/Location?_lastUpdated=" + "2" * 20_000, BAD),
    ("an unknown prefix", "/fhir/Location?_lastUpdated=zz2024", BAD),
    ("beyond the pole", "/fhir/Location?near=91|0|1|km", BAD),
    ("a position that is no number", "/fhir/Location?near=NaN|0|1|km", BAD),
    ("a negative distance", "/fhir/Location?near=48|2|-1|km", BAD),
    ("a distance beyond the limit", "/fhir/Location?near=48|2|1001|km", BAD),
    ("a negative page", "/fhir/Location?_count=-1", BAD),
    ("a page that is no number", "/fhir/Location?_count=ten", BAD),
    ("an immense page is reduced", "/fhir/Location?_count=999999999999", OK),
    ("a page beyond 64 bits is reduced", "/fhir/Location?_count=" + "9" * 30, OK),
    ("an invented page link", "/fhir/Location?_cursor=AAAA", BAD),
    ("an immense page link", "/fhir/Location?_cursor=" + "A" * 50_000, BAD),
    ("a page link of another kind", "/fhir/Location?_cursor=%00", BAD),
    ("a bad sort", "/fhir/Location?_sort=,,,,", BAD),
    ("a thousand sorts", "/fhir/Location?_sort=" + ",".join(["_id"] * 1_000), BAD),
    ("an unknown parameter", "/fhir/Location?drop%20table=1", BAD),
    ("SQL in a value finds nothing", "/fhir/Location?address-city='%20OR%201=1--", OK),
    (
        "a script in a value finds nothing",
        "/fhir/Location?address-city=<script>alert(1)</script>",
        OK,
    ),
    ("a format string", "/fhir/Location?{self.key}=%7B0.__class__%7D", BAD),
    ("a placeholder in a value", "/fhir/Location?_count={limit}", BAD),
    ("a lone backslash", "/fhir/Location?address-city=a\\", BAD),
    ("everything included", "/fhir/Location?_include=*", BAD),
    ("an unknown format", "/fhir/Location?_format=turtle", (406,)),
    ("an immense format", "/fhir/Location?_format=" + "x" * 30_000, (406,)),
    ("_pretty that is neither", "/fhir/Location?_pretty=oui", BAD),
    ("an unknown type", "/fhir/Patient", (404,)),
    ("an unknown type with an id", "/fhir/Patient/1", (404,)),
    ("a type in lower case", "/fhir/location", (404,)),
    ("an immense type", "/fhir/" + "L" * 20_000, (404,)),
    ("a path that goes up", "/fhir/../../etc/passwd", (404,)),
    ("an escaped path that goes up", "/fhir/%2e%2e/%2e%2e/etc/passwd", (404,)),
    ("an escaped slash that goes up", "/fhir/Location/..%2f..%2fetc%2fpasswd", (404,)),
    ("two slashes", "/fhir//Location", (404,)),
    ("two slashes at the start", "//Location", (404,)),
    ("a thousand slashes", "/" * 1_000, (404,)),
    ("a thousand segments", "/a" * 1_000, (404,)),
    ("two slashes at the end", "/fhir/Location//", (404,)),
    ("a backslash in the path", "/fhir/Location\\1", (404,)),
    ("a mount point that does not end there", "/fhirLocation", (404,)),
    ("the version of a resource", "/fhir/Location/l1/_history/1", (405,)),
    ("the history of a resource", "/fhir/Location/l1/_history", (405,)),
    ("the history of a type", "/fhir/Location/_history", (405,)),
    ("the history of everything", "/fhir/_history", (405,)),
    ("a search over everything", "/fhir/_search", (405,)),
    ("an operation", "/fhir/$export", (405,)),
    ("an operation on a type", "/fhir/Location/$validate", (405,)),
    ("an operation on a resource", "/fhir/Location/l1/$everything", (405,)),
    ("a compartment", "/fhir/Organization/o1/Location", (404,)),
    ("_search by GET", "/fhir/Location/_search", (405,)),
    ("a resource that is not there", "/fhir/Location/absent", (404,)),
    ("a resource that was deleted", "/fhir/Location/gone", (410,)),
    ("an id in another script", "/fhir/Location/%D9%A3", (404,)),
    ("a parameter on a read", "/fhir/Location/l1?x=1", BAD),
    ("a parameter on metadata", "/fhir/metadata?x=1", BAD),
    ("the path of a file", "/fhir/Location/l1.php", (404,)),
    ("a hidden file", "/.env", (404,)),
    ("a fragment is not sent on", "/fhir/Location/l1#x", OK),
    ("another query in the query", "/fhir/Location?address-city=a?b", OK),
    ("an address with a scheme", "http://ror.test/fhir/Location/l1", OK),
]

MESSAGES = [
    ("PUT on a resource", request("/fhir/Location/l1", "PUT"), (405,)),
    ("PATCH on a resource", request("/fhir/Location/l1", "PATCH"), (405,)),
    ("DELETE on a resource", request("/fhir/Location/l1", "DELETE"), (405,)),
    ("TRACE on a resource", request("/fhir/Location/l1", "TRACE"), (405,)),
    (
        "POST on a type",
        request("/fhir/Location", "POST", b"{}", content_type="application/fhir+json"),
        (405,),
    ),
    (
        "POST on the root",
        request("/fhir", "POST", b"{}", content_type="application/fhir+json"),
        (405,),
    ),
    ("POST on metadata", request("/fhir/metadata", "POST"), (405,)),
    ("POST on an unknown type", form(b"a=b").replace(b"Location", b"Patient"), (404,)),
    ("a body of JSON where a form is read", form(b"{}", content_type="application/json"), (415,)),
    ("a body of a nonsense type", form(b"a=b", content_type=";;;=,"), (415,)),
    ("a body without type", form(b"a=b", content_type=""), (415,)),
    ("a form in Latin-1", form(b"a=b", content_type=FORM + "; charset=iso-8859-1"), (415,)),
    ("a compressed form", form(b"\x1f\x8b", content_encoding="gzip"), (415,)),
    (
        "a form in several parts",
        form(b"--x", content_type="multipart/form-data; boundary=x"),
        (415,),
    ),
    ("a form with a NUL", form(b"address-city=a\x00b"), BAD),
    ("a form that is not UTF-8", form(b"address-city=\xff"), BAD),
    ("a form of 1 MB of ampersands", form(b"&" * 1_000_000), BAD),
    ("a form of 2 MB of values", form(b"status=" + b"a," * 1_000_000), BAD),
    ("a form of 2 MB in one value", form(b"address-city=" + b"a" * 2_000_000), BAD),
    ("a form of 1 MB in one value", form(b"address-city=" + b"a" * 1_000_000), BAD),
    ("a form of 2 MB of escapes", form(b"address-city=" + b"%41" * 700_000), BAD),
    ("a form of 1 MB of escapes", form(b"address-city=" + b"%41" * 340_000), BAD),
    ("a form that says 20 MB", form(b"", content_length=str(20 << 20)), (413,)),
    ("a form that says more than there is", form(b"", content_length="9" * 18), (413,)),
    ("a length that is no number", form(b"", content_length="ten"), BAD),
    ("a negative length", form(b"", content_length="-1"), BAD),
    ("a length beyond 64 bits", form(b"", content_length="9" * 40), BAD),
    ("two lengths", form(b"ab", content_length="2\r\ncontent-length: 3"), BAD),
    (
        "a length and chunks",
        form(b"0\r\n\r\n", content_length="5", transfer_encoding="chunked"),
        BAD,
    ),
    ("an unknown transfer coding", form(b"ab", transfer_encoding="gzip"), (400, 415)),
    ("a chunk of a bad size", chunked(b"zz\r\nab\r\n0\r\n\r\n"), BAD),
    ("a chunk of a negative size", chunked(b"-1\r\nab\r\n0\r\n\r\n"), BAD),
    ("a chunk of an immense size", chunked(b"f" * 40 + b"\r\nab"), BAD),
    ("a chunk shorter than it says", chunked(b"1\r\nabcdef\r\n0\r\n\r\n"), BAD),
    (
        "chunks of 17 MB",
        chunked(*[b"100000\r\n" + b"a" * 0x100000 + b"\r\n"] * 17, b"0\r\n\r\n"),
        (413,),
    ),
    ("a body that stops", form(b"address", content_length="100"), (408,)),
    ("chunks that stop", chunked(b"5\r\nad"), (408,)),
    ("a body on a GET is not read", request("/fhir/Location/l1", "GET", b"garbage"), OK),
    ("a head that stops", b"GET /fhir/Location HTTP/1.1\r\nHost: ror.test\r\n", (408,)),
    ("a request line that stops", b"GET /fhir/Loc", (408,)),
    ("a raw request line that stops", "GET /fhir/Location?address-city=Saint Lô".encode(), (408,)),
    ("an unknown verb", request("/fhir/Location", "BREW"), BAD),
    ("a verb in lower case", request("/fhir/Location", "get"), BAD),
    ("an immense verb", request("/fhir/Location", "G" * 100_000), BAD),
    ("CONNECT", request("ror.test:443", "CONNECT"), BAD),
    ("TRACE on the root", request("/", "TRACE"), (405,)),
    ("OPTIONS is answered", request("/fhir/Location", "OPTIONS"), (204,)),
    ("OPTIONS on everything is answered", request("*", "OPTIONS"), (204,)),
    ("OPTIONS on nothing", request("/fhir/Patient", "OPTIONS"), (404,)),
    ("no path", b"GET  HTTP/1.1\r\nHost: ror.test\r\n\r\n", BAD),
    ("a path without slash", request("Location"), BAD),
    ("a NUL in the request line", request("/fhir/Location\x00"), BAD),
    ("a control character in the request line", request("/fhir/Location?a=\x01"), BAD),
    (
        "an accent of Latin-1 in the request line",
        request("/fhir/Location?a=#").replace(b"#", b"\xf4"),
        BAD,
    ),
    ("another protocol", b"SSH-2.0-OpenSSH_9.6\r\n\r\n", BAD),
    ("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64), BAD),
    ("HTTP/2 without asking", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BAD),
    ("a version that does not exist", b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", BAD),
    ("garbage", bytes(range(256)) * 4, BAD),
    ("a header without name", request("/fhir/Location")[:-2] + b": x\r\n\r\n", BAD),
    ("a space before the colon", request("/fhir/Location")[:-2] + b"X : y\r\n\r\n", BAD),
    ("a folded header", request("/fhir/Location")[:-2] + b"X: a\r\n b\r\n\r\n", BAD),
    ("a NUL in a header", request("/fhir/Location")[:-2] + b"X: a\x00b\r\n\r\n", BAD),
    ("a header of 100 KB", request("/fhir/Location", x_long="y" * 100_000), (431,)),
    ("a header of 10 MB", request("/fhir/Location", x_long="y" * 10_000_000), (431,)),
    (
        "20,000 headers",
        request("/fhir/Location", **{f"x-{n}": "y" * 10 for n in range(20_000)}),
        (431,),
    ),
    ("an address of 10 MB", request("/fhir/Location?a=" + "x" * 10_000_000), (414,)),
    ("a Host with a path", request("/fhir/Location", host="evil.test/x"), BAD),
    ("a Host with quotes", request("/fhir/Location", host='a"b'), BAD),
    ("a Host with spaces", request("/fhir/Location", host="a b"), BAD),
    ("a Host with a user", request("/fhir/Location", host="user@evil.test"), BAD),
    ("a Host with an absurd port", request("/fhir/Location", host="ror.test:99999"), BAD),
    ("two Hosts", request("/fhir/Location", host="a.test\r\nHost: b.test"), BAD),
    ("a Host of 10 KB", request("/fhir/Location", host="a" * 10_000), BAD),
    (
        "an X-Forwarded-Host from anybody is ignored",
        request("/fhir/Location", x_forwarded_host="evil.test"),
        OK,
    ),
    ("an unusable request id is replaced", request("/fhir/Location/l1", x_request_id="a b"), OK),
    (
        "an immense request id is replaced",
        request("/fhir/Location/l1", x_request_id="a" * 5_000),
        OK,
    ),
    ("only HTML", request("/fhir/Location", accept="text/html"), (406,)),
    ("a nonsense Accept", request("/fhir/Location", accept=";;;,,q="), (406,)),
    ("an immense Accept", request("/fhir/Location", accept="a/b," * 10_000), (406,)),
    (
        "another version of FHIR",
        request("/fhir/Location", accept="application/fhir+json; fhirVersion=5.0"),
        (406,),
    ),
    (
        "a nonsense Accept-Encoding is ignored",
        request("/fhir/Location", accept_encoding="gzip;q=x, ;;,"),
        OK,
    ),
    (
        "an immense Accept-Encoding is ignored",
        request("/fhir/Location", accept_encoding="a," * 30_000),
        OK,
    ),
    (
        "a nonsense Accept-Language is ignored",
        request("/fhir/Location", accept_language="en;q=nan,x;q=inf,;;"),
        OK,
    ),
    ("a nonsense Prefer is ignored", request("/fhir/Location", prefer="=;,handling,,;="), OK),
    (
        "a nonsense If-Modified-Since is ignored",
        request("/fhir/Location/l1", if_modified_since="never"),
        OK,
    ),
    (
        "an absurd If-Modified-Since is ignored",
        request("/fhir/Location/l1", if_modified_since=ABSURD_DATE),
        OK,
    ),
    (
        "a nonsense If-None-Match is ignored",
        request("/fhir/Location/l1", if_none_match='W/"","",,"'),
        OK,
    ),
    ("a Range is ignored", request("/fhir/Location/l1", range="bytes=0-1,5-"), OK),
    (
        "a switch to WebSocket is ignored",
        request("/fhir/Location/l1", connection="Upgrade", upgrade="websocket"),
        OK,
    ),
    (
        "a switch to HTTP/2 is ignored",
        request("/fhir/Location/l1", connection="Upgrade", upgrade="h2c"),
        OK,
    ),
    (
        "a verb in a header is ignored",
        request("/fhir/Location/l1", x_http_method_override="DELETE"),
        OK,
    ),
    ("an expectation that is unknown is ignored", request("/fhir/Location/l1", expect="magic"), OK),
    (
        "a nonsense token is refused",
        request("/fhir/Location/l1", authorization="Bearer \xff" + "x" * 5_000),
        (401,),
    ),
    *(
        (
            f"a token of {depth} lists is refused",
            request("/fhir/Location/l1", authorization=nested(depth)),
            (401,),
        )
        for depth in (500, 900, 2_500)
    ),
]

ROWS = [(name, request(target), expected) for name, target, expected in ADDRESSES] + MESSAGES

WAITS = (
    "a body that stops",
    "chunks that stop",
    "a head that stops",
    "a request line that stops",
    "a raw request line that stops",
)
"""Rows whose answer comes when the time limit of the server, a few seconds here, is over."""

AT_ONCE_S = 10.0
"""
Nothing that is sent takes long, whatever it holds: what grows with its square would take minutes.
"""


def check(name: str, answer: Answer | None, expected: tuple[int, ...]) -> None:
    assert answer is not None
    assert answer.status in expected, answer.body[:500]
    assert answer.seconds < AT_ONCE_S + (LIMIT_S if name in WAITS else 0)
    if answer.status >= 400:
        assert answer.headers["content-type"] == "application/fhir+json; charset=utf-8"
        assert answer.issue["severity"] == "error"
        assert answer.issue["diagnostics"]
        assert len(answer.body) < 10_000
    assert b"evil" not in answer.body or answer.status >= 400
    assert "x-request-id" in answer.headers


@pytest.mark.parametrize(
    ("name", "sent", "expected"), [pytest.param(*row, id=row[0].replace(" ", "-")) for row in ROWS]
)
def test_a_hostile_request_is_refused_politely_and_quickly(server: Server, name, sent, expected):
    check(name, server.send(sent), expected)


def test_the_table_is_long_and_its_names_are_unique():
    assert len(ROWS) > 150
    assert len({row[0] for row in ROWS}) == len(ROWS)


def test_hostile_requests_leave_no_memory_behind(server: Server):
    quick = [row for row in ROWS if row[0] not in WAITS and len(row[1]) < 1_000_000]

    def round_of_requests() -> int:
        for _, sent, _ in quick:
            server.send(sent)
        gc.collect()
        return server.rss_kb()

    held = [round_of_requests()]
    # What settles settles; what is left behind is left behind again each time.
    for _ in range(4):
        held += [round_of_requests() for _ in range(10)]
        if held[-1] - held[-11] < 8_000:
            return
    pytest.fail(f"KB held after each round: {held}")


def test_many_requests_that_never_end_do_not_keep_others_waiting(closed_server: Server):
    idle = [socket.create_connection(("127.0.0.1", closed_server.port)) for _ in range(200)]
    for connection in idle:
        connection.sendall(b"GET /fhir/Location HTTP/1.1\r\nX: ")

    answer = closed_server.get("/fhir/metadata")

    assert answer.status == 200
    for connection in idle:
        with connection, pytest.raises(BlockingIOError):
            # Not answered yet: its time is not over.
            connection.recv(1, socket.MSG_DONTWAIT)


def test_a_client_that_leaves_in_the_middle_does_no_harm(server: Server):
    for sent in (
        b"GET /fhir/Loc",
        b"POST /fhir/Location/_search HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\na",
    ):
        connection = socket.create_connection(("127.0.0.1", server.port))
        connection.sendall(sent)
        connection.close()

    assert server.get("/fhir/Location/l1").status == 200


def test_requests_sent_together_are_answered_in_order(server: Server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(
            request("/fhir/Location/l1") + request("/fhir/Location/l2") + b"nonsense\r\n\r\n"
        )
        received = b""
        while piece := connection.recv(65_536):
            received += piece

    assert 0 < received.find(b'"id":"l1"') < received.find(b'"id":"l2"')
    assert received.count(b"HTTP/1.1 200") == 2
