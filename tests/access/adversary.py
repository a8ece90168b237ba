"""
An adversary who wants to know what is hidden: each request is made from what the answers before it
said.

A strategy is a generator: it yields a request, is sent the answer, and goes on from there, closing
in on a word letter by letter, on a number half by half, walking pages, asking again for what it
holds. What any answer says (ids, codes, words, page links, tags) goes into a common stock, from
which later requests are made.
"""

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from tests.access import secrets

MOUNT = "/fhir"


@dataclass(frozen=True)
class Request:
    """What is sent; `form` is sent as the body of a POST."""

    target: str
    headers: tuple[tuple[str, str], ...] = ()
    form: str | None = None


@dataclass(frozen=True)
class Answer:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.json.decode(self.body) if self.body else {}
        return found

    @property
    def total(self) -> int:
        return int(self.json.get("total", 0))

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)

    def link(self, relation: str) -> str | None:
        urls = [one["url"] for one in self.json.get("link", ()) if one["relation"] == relation]
        return urls[0] if urls else None


Strategy = Generator[Request, Answer, None]
Pairs = Sequence[tuple[str, str]]

SEARCHED = (
    "Organization",
    "HealthcareService",
    "Location",
    "Practitioner",
    "PractitionerRole",
    "Task",
    "MeasureReport",
)
TO_PLACES = (
    ("Location", ""),
    ("HealthcareService", "location."),
    ("PractitionerRole", "service.location."),
    ("Organization", "_has:Location:organization:"),
    ("Organization", "_has:HealthcareService:organization:location."),
)
"""Ways to a place: a type that is searched, and what stands before a parameter of places."""
TO_OFFERS = (
    ("HealthcareService", ""),
    ("PractitionerRole", "service."),
    ("Location", "_has:HealthcareService:location:"),
    ("Practitioner", "_has:PractitionerRole:practitioner:service."),
    ("Organization", "_has:HealthcareService:organization:"),
)
INCLUSIONS = (
    ("HealthcareService", "_include", "HealthcareService:location"),
    ("HealthcareService", "_revinclude", "PractitionerRole:service"),
    ("Organization", "_revinclude", "HealthcareService:organization"),
    ("Organization", "_revinclude", "Location:organization"),
    ("Organization", "_revinclude", "Task:focus"),
    ("Location", "_revinclude", "HealthcareService:location"),
    ("Location", "_include", "Location:organization"),
    ("PractitionerRole", "_include", "PractitionerRole:practitioner"),
    ("Practitioner", "_revinclude", "PractitionerRole:practitioner"),
)
SORTS = {
    "Location": (
        "nb-capacity",
        "-nb-capacity",
        "capacity-update-date",
        "capacity-type",
        "equipment-type",
        "limit-value",
        "organization:Organization.drop-zone",
        "-_lastUpdated",
    ),
    "HealthcareService": (
        "characteristic",
        "location.nb-capacity",
        "-location.capacity-update-date",
        "location.name",
    ),
    "Organization": ("drop-zone", "name", "-_id"),
    "PractitionerRole": (
        "service.characteristic",
        "service.location.nb-capacity",
        "practitioner.identifier",
    ),
}


@dataclass
class Adversary:
    """
    Draws strategies and requests from a seed; `stock` is what the answers said so far, by kind.
    """

    random: Random
    stock: dict[str, list[str]] = field(default_factory=dict)

    def hear(self, answer: Answer) -> None:
        """Keep what an answer says that may serve later."""
        text = answer.body.decode()
        found = {
            "word": re.findall(
                r'"(?:text|name|city|display|family|description|comment|valueString)":"(\w+)"', text
            ),
            "code": re.findall(r'"code":"(\w+)"', text),
            "identifier": re.findall(r'"value":"([a-z]+)"', text),
            "reference": re.findall(r'"reference":"(\w+/\w+)"', text)
            + re.findall(r'/(\w+/\w+)","resource"', text),
            "cursor": re.findall(r"_cursor=([\w-]+)", text),
            "tag": [value for name, value in answer.headers if name == "etag"],
        }
        for kind, values in found.items():
            self.stock[kind] = [*self.stock.get(kind, ()), *values[:4]][-200:]

    def some(self, kind: str, *others: str) -> str:
        """Something that an answer said, or one of some guesses."""
        known = self.stock.get(kind, [])
        return self.random.choice(known if known and self.random.random() < 0.5 else others)

    # --- requests ---

    def search(self, resource_type: str, *pairs: tuple[str, str]) -> Request:
        """
        A search, by GET or POST, sometimes explained, counted only or in part, in a language or the
        other.
        """
        query = [*pairs]
        if self.random.random() < 0.15:
            query.append(("__explain", "true"))
        if self.random.random() < 0.2:
            query.append(self.random.choice(PARTS))
        headers = (("accept-language", self.random.choice(("fr", "en"))),)
        if self.random.random() < 0.1:
            headers += (("prefer", "handling=independent-criteria"),)
        written = urlencode(query, quote_via=quote)
        if self.random.random() < 0.1:
            return Request(f"{MOUNT}/{resource_type}/_search", headers, written)
        return Request(f"{MOUNT}/{resource_type}?{written}", headers)

    def anyone(self, name: str, count: int = secrets.OPEN_SLOTS) -> str:
        return f"{name}{self.random.randrange(count)}"

    def hidden(self) -> str:
        """The type and id of something hidden: the adversary knows the names."""
        resource_type, name = self.random.choice(HIDDEN)
        return f"{resource_type}/{self.anyone(name)}"

    def target_of(self, resource_type: str) -> list[tuple[str, str]]:
        """One resource, or all of them."""
        names = {resource_type: name for name, resource_type in secrets.TYPES.items()}
        one = self.anyone(names[resource_type])
        return [("_id", one)] if self.random.random() < 0.7 else []

    # --- strategies ---

    def numbers(self) -> Strategy:
        """Close in on a number of beds, or of kilograms, half by half."""
        resource_type, way = self.random.choice(TO_PLACES)
        parameter = self.random.choice(("nb-capacity", "limit-value"))
        more = (
            [(f"{way}capacity-status", self.some("code", *secrets.CODES))]
            if self.random.random() < 0.3
            else []
        )
        one, low, high = self.target_of(resource_type), 0, secrets.MOST
        while low < high:
            middle = (low + high + 1) // 2
            answer = yield self.search(
                resource_type, *one, (f"{way}{parameter}", f"ge{middle}"), *more
            )
            low, high = (middle, high) if answer.total else (low, middle - 1)
        yield self.search(resource_type, *one, (f"{way}{parameter}", str(low)))

    def dates(self) -> Strategy:
        """Close in on a day."""
        resource_type, way = self.random.choice(TO_PLACES)
        one, low, high = self.target_of(resource_type), 0, 12 * 28 - 1
        while low < high:
            middle = (low + high + 1) // 2
            date = f"2024-{middle // 28 + 1:02}-{middle % 28 + 1:02}"
            answer = yield self.search(
                resource_type, *one, (f"{way}capacity-update-date", f"ge{date}")
            )
            low, high = (middle, high) if answer.total else (low, middle - 1)

    def words(self) -> Strategy:
        """Find a word letter by letter, in full text or a narrative, then look for it elsewhere."""
        resource_type, way = self.random.choice((*TO_PLACES, *TO_OFFERS))
        parameter, known = self.random.choice(("_content", "_content", "_text")), ""
        if "." in way or way.startswith("_has"):
            parameter = "_content"
        for letter in secrets.SECRET_LETTERS + secrets.OPEN_LETTERS[:2]:
            answer = yield self.search(resource_type, (f"{way}{parameter}", known + letter))
            if answer.total:
                known += letter
                break
        while known and len(known) < 6:
            for letter in secrets.SECRET_LETTERS + secrets.OPEN_LETTERS:
                answer = yield self.search(
                    resource_type, (f"{way}{parameter}", known + letter), ("_sort", "-_score")
                )
                if answer.total:
                    known += letter
                    break
            else:
                break
        for one in SEARCHED:
            yield self.search(
                one, ("_content", known or self.some("word", "aa")), ("_sort", "_score")
            )

    def codes(self) -> Strategy:
        """Which codes something has, one by one, and which not."""
        resource_type, way = self.random.choice(TO_PLACES)
        parameter = self.random.choice(
            (
                "capacity-status",
                "capacity-type",
                "crisis-type",
                "equipment-type",
                "equipment-feature",
                "temporary-assignement",
            )
        )
        if self.random.random() < 0.4:
            (resource_type, way), parameter = self.random.choice(TO_OFFERS), "characteristic"
        one = self.target_of(resource_type)
        yield self.search(
            resource_type,
            *one,
            (f"{way}{parameter}:missing", self.random.choice(("true", "false"))),
        )
        for code in (*secrets.CODES, self.some("code", "07")):
            modifier = self.random.choice(("", "", ":not"))
            answer = yield self.search(resource_type, *one, (f"{way}{parameter}{modifier}", code))
            if answer.total and not modifier:
                yield self.search(
                    resource_type,
                    *one,
                    (f"{way}{parameter}", code),
                    (f"{way}nb-capacity:missing", "false"),
                )
        label = self.some("word", "ab", "de")[:2]
        yield self.search(resource_type, *one, (f"{way}{parameter}:text", label))

    def crisis(self) -> Strategy:
        """Who has a landing zone, and who belongs to who has one."""
        way = self.random.choice(("", "partof.", "partof:above.", "_has:Organization:partof:"))
        value = self.random.choice(("true", "false"))
        answer = yield self.search("Organization", (f"{way}drop-zone", value), ("_count", "50"))
        for entry in answer.json.get("entry", ())[:3]:
            yield self.search(
                "Organization",
                ("_id", entry.get("resource", {}).get("id", "o0")),
                ("drop-zone:not", value),
            )
        yield self.search(
            "HealthcareService", ("organization.drop-zone", value), ("_summary", "count")
        )

    def filters(self) -> Strategy:
        """The same in one expression."""
        number = self.random.randint(0, secrets.MOST)
        word = self.some("word", "ab", "ba", "dd")
        comparisons = {
            "Location": (
                f"nb-capacity gt {number}",
                f'capacity-status eq "{self.some("code", "01")}"',
                "equipment-type pr true",
                f'_content co "{word}"',
                f'organization.drop-zone eq "true" and not(nb-capacity le {number})',
            ),
            "HealthcareService": (
                f"location.nb-capacity gt {number}",
                f'characteristic eq "{self.some("code", "02")}"',
                f'_content co "{word}"',
                f'location re "{self.hidden()}"',
            ),
            "Organization": ('drop-zone eq "true"', "drop-zone pr false", f'_content co "{word}"'),
        }
        resource_type = self.random.choice(list(comparisons))
        for _ in range(4):
            text = self.random.choice(comparisons[resource_type])
            answer = yield self.search(resource_type, ("_filter", text))
            turned = (
                f"not({text})"
                if answer.total
                else f"({text}) or ({self.random.choice(comparisons[resource_type])})"
            )
            yield self.search(resource_type, ("_filter", turned))

    def orders(self) -> Strategy:
        """Walk the pages of an order, and back; an order tells what it follows."""
        resource_type = self.random.choice(list(SORTS))
        keys = self.random.sample(SORTS[resource_type], self.random.choice((1, 1, 2)))
        pairs = [("_sort", ",".join(keys)), ("_count", str(self.random.choice((1, 3, 5))))]
        if self.random.random() < 0.3:
            pairs.append(("_content", self.some("word", "m")[:1]))
        answer = yield self.search(resource_type, *pairs)
        for _ in range(6):
            following = answer.link(self.random.choice(("next", "next", "next", "previous")))
            if following is None:
                break
            split = urlsplit(following)
            answer = yield Request(f"{split.path}?{split.query}")

    def pages(self) -> Strategy:
        """Use the page links of one search in another."""
        sort = ("_sort", self.random.choice(SORTS["Location"]))
        yield self.search("Location", sort, ("_count", "2"))
        for _ in range(3):
            resource_type = self.random.choice(SEARCHED)
            again = [sort] if resource_type == "Location" else []
            yield self.search(
                resource_type, *again, ("_cursor", self.some("cursor", "AAAA")), ("_count", "2")
            )

    def inclusions(self) -> Strategy:
        """What comes along, then what comes along with that."""
        resource_type, rule, what = self.random.choice(INCLUSIONS)
        answer = yield self.search(resource_type, *self.target_of(resource_type), (rule, what))
        along = [
            one["resource"]
            for one in answer.json.get("entry", ())
            if one["search"]["mode"] == "include"
        ]
        for one in along[:2]:
            more = [
                (name, asked) for source, name, asked in INCLUSIONS if source == one["resourceType"]
            ]
            again = [(f"{name}:iterate", asked) for _, name, asked in INCLUSIONS]
            yield self.search(
                one["resourceType"], ("_id", one["id"]), *more, *self.random.sample(again, 2)
            )

    def reads(self) -> Strategy:
        """Read, ask again for what is held, for parts, and for what others hold."""
        seen, resource_type = self.random.choice(list(secrets.TYPES.items()))
        name = self.random.choice(
            (
                f"{resource_type}/{self.anyone(seen)}",
                self.hidden(),
                self.some("reference", "Task/1"),
            )
        )
        target = f"{MOUNT}/{name}"
        answer = yield Request(target)
        tag = answer.header("etag") or self.some("tag", 'W/"1"', 'W/"2"')
        yield Request(target, (("if-none-match", tag),))
        yield Request(target, (("if-none-match", f'{self.some("tag", "*")}, W/"1"'),))
        since = answer.header("last-modified") or "Thu, 28 May 2026 20:26:40 GMT"
        yield Request(target, (("if-modified-since", since),))
        part = self.random.choice(
            ("_elements=extension", "_summary=true", "_summary=data", "_pretty=true")
        )
        yield Request(f"{target}?{part}")
        yield Request(f"{target}/_history/1")

    def names(self) -> Strategy:
        """Which of several hidden resources are there, half by half; by identifiers too."""
        resource_type, name = self.random.choice(HIDDEN)
        ids = [f"{name}{at}" for at in range(secrets.HIDDEN_SLOTS)]
        while len(ids) > 1:
            half = ids[: len(ids) // 2]
            answer = yield self.search(resource_type, ("_id", ",".join(half)))
            ids = half if answer.total else ids[len(ids) // 2 :]
        yield Request(f"{MOUNT}/{resource_type}/{ids[0]}")
        letters = "".join(self.random.choice(secrets.SECRET_LETTERS) for _ in range(6))
        yield self.search(resource_type, ("identifier", self.some("identifier", letters)))

    def links(self) -> Strategy:
        """Who refers to something hidden, and what a hidden thing refers to."""
        hidden = self.hidden()
        for resource_type, parameter in LINKS:
            modifier = self.random.choice(("", "", ":not", ":identifier"))
            value = hidden if modifier != ":identifier" else self.some("identifier", "abcabc")
            yield self.search(resource_type, (f"{parameter}{modifier}", value))
            yield self.search(
                resource_type, (f"{parameter}:missing", self.random.choice(("true", "false")))
            )
        yield self.search("Organization", ("_has:Task:focus:_id", self.anyone("xt")))
        yield self.search("Location", ("_has:HealthcareService:location:_id", self.anyone("xh")))

    def places(self) -> Strategy:
        """How many are near a point, and how far."""
        for _ in range(3):
            near = f"48.5|{self.random.randint(0, 9) / 10}|{self.random.choice((1, 5, 20))}|km"
            resource_type, way = self.random.choice(TO_PLACES[:3])
            sort = [("_sort", f"{way}near")] if way == "" else []
            yield self.search(resource_type, (f"{way}near", near), *sort)

    def mistakes(self) -> Strategy:
        """What refusals say."""
        wrong = (
            ("Location", ("nb-capacity", "beaucoup")),
            ("Location", ("capacity-statu", "01")),
            ("Location", ("_filter", f"nb-capacity gt {self.some('word', 'x')}")),
            ("Organization", ("contact", self.some("word", "x"))),
            ("HealthcareService", ("location:Task", self.hidden())),
            ("HealthcareService", ("_include", "HealthcareService:place")),
            ("Task", ("_sort", "description")),
            ("Location", ("_cursor", self.some("cursor", "x")[:-1])),
        )
        for resource_type, pair in self.random.sample(wrong, 4):
            yield self.search(resource_type, pair)
        yield Request(f"{MOUNT}/{self.hidden()}/$everything")


PARTS = (
    ("_summary", "count"),
    ("_summary", "count"),
    ("_summary", "true"),
    ("_summary", "text"),
    ("_summary", "data"),
    ("_elements", "extension,contact,characteristic"),
    ("_total", "none"),
)
HIDDEN = (
    ("HealthcareService", "xh"),
    ("Location", "xl"),
    ("Practitioner", "xp"),
    ("PractitionerRole", "xr"),
    ("Task", "xt"),
    ("MeasureReport", "xm"),
)
LINKS = (
    ("HealthcareService", "location"),
    ("PractitionerRole", "service"),
    ("PractitionerRole", "practitioner"),
    ("Task", "focus"),
    ("Location", "organization"),
)

STRATEGIES: tuple[Callable[[Adversary], Strategy], ...] = (
    Adversary.numbers,
    Adversary.dates,
    Adversary.words,
    Adversary.codes,
    Adversary.crisis,
    Adversary.filters,
    Adversary.orders,
    Adversary.pages,
    Adversary.inclusions,
    Adversary.reads,
    Adversary.names,
    Adversary.links,
    Adversary.places,
    Adversary.mistakes,
)

Ask = Callable[[Request], Answer]


@dataclass(frozen=True)
class Difference:
    """
    A request by which two directories can be told apart, the how manieth it was, and both answers.
    """

    number: int
    request: Request
    answers: tuple[Answer, Answer]


def tell_apart(
    left: Ask,
    right: Ask,
    adversary: Adversary,
    most: int,
    strategies: Sequence[Callable[[Adversary], Strategy]] = STRATEGIES,
) -> Difference | None:
    """The first difference that an adversary finds between two directories in so many requests."""
    requests = 0
    for strategy in _drawn(adversary, strategies):
        under_way = strategy(adversary)
        try:
            request = next(under_way)
            while requests < most:
                requests += 1
                answer = left(request)
                if (other := right(request)) != answer:
                    return Difference(requests, request, (answer, other))
                adversary.hear(answer)
                request = under_way.send(answer)
        except StopIteration:
            pass
        if requests >= most:
            return None
    raise AssertionError("strategies never run out")


def _drawn(
    adversary: Adversary, strategies: Sequence[Callable[[Adversary], Strategy]]
) -> Iterator[Callable[[Adversary], Strategy]]:
    while True:
        yield adversary.random.choice(strategies)
