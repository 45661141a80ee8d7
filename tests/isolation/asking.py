"""Ask for one thing twice, for something of the other organization's and for nothing at all, and compare the answers."""

import re
import threading
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from html import escape
from http.cookiejar import CookieJar, DefaultCookiePolicy
from itertools import islice, zip_longest
from typing import Self
from urllib.parse import quote

import httpx2
from django.conf import settings

from tests.isolation.canaries import CANARY, SECRET

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_CSRF = "t" * 32
_VARYING = {"date", "x-request-id"}
# What is random in every answer, whoever asks for whatever.
_RANDOM = re.compile(
    rb'(name="csrfmiddlewaretoken" value=")[^"]*|(skillport_(?:csrf|session)=)[^;]*|(expires=)[^;]*|(Max-Age=)\d+'
)
# What is new in what was just made: ids, secrets, times.
_NEW = re.compile(
    rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|sklp_\w+|whsec_[\w+/]{43}=|[\w-]{43}|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)|\d+ minutes?"
    rb'|(?<="sync_id":)\d+'
)


@dataclass(frozen=True)
class Caller:
    """Who asks, and with what: a key, a browser's session, or nothing."""

    name: str
    key: str = field(default="", repr=False)
    cookie: str = field(default="", repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """Give what is sent along, always with what a browser would send that has loaded a form of ours before."""
        cookies = {settings.CSRF_COOKIE_NAME: _CSRF, settings.SESSION_COOKIE_NAME: self.cookie}
        sent = "; ".join(f"{name}={value}" for name, value in cookies.items() if value)
        key = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        return {"Cookie": sent, "X-CSRFToken": _CSRF, "Origin": settings.SITE_URL, **key}


@dataclass(frozen=True)
class Request:
    """What is asked for. `words` are what it names: an answer may repeat them, so they are taken out of it, and out of
    the twin's answer too, where they may be words of our own.

    `loose`: it may make something new. Then its twin makes another, and pages that list both differ; what is compared
    is the status, where it leads, and what JSON says without new ids and times.
    """

    method: str
    address: str
    words: tuple[str, ...] = ()
    body: bytes = b""
    content_type: str = ""
    loose: bool = False


@dataclass(frozen=True)
class Case:
    """`ours` names something of the first organization; `twin` is the same for what nobody has.

    Without a twin, only the forbidden words are looked for.
    """

    caller: Caller
    ours: Request
    twin: Request | None = None
    forbidden: tuple[str, ...] = (CANARY, SECRET)

    def __str__(self) -> str:
        sent = f" {self.ours.body.decode()}" if self.ours.body else ""
        return f"{self.caller.name}: {self.ours.method} {self.ours.address}{sent}"


@dataclass(frozen=True)
class Said:
    """All that an answer tells, without what is random in every answer."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def without(self, *named: tuple[str, ...]) -> "Said":
        """Give it without what these requests named: the same mark for the first word of each, and so on."""
        return Said(
            self.status,
            tuple((name, _unnamed(value.encode(), named).decode()) for name, value in self.headers),
            _unnamed(self.body, named),
        )

    @property
    def essence(self) -> tuple[object, ...]:
        """Give what two answers have in common that both made something new."""
        headers = dict(self.headers)
        body = _NEW.sub(b"{new}", self.body) if headers.get("content-type") == "application/json" else b""
        return self.status, _NEW.sub(b"{new}", headers.get("location", "").encode()), body

    def tells(self, word: str) -> bool:
        return word in f"{self.headers}" or word.encode() in self.body


@dataclass
class Outcome:
    """What many cases came to."""

    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    leaks: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)  # texts of ours that were sent to where they are kept

    @property
    def problems(self) -> list[str]:
        return self.leaks + self.differences


class Asker:
    """Asks, remembers what was said of what nobody has, and counts."""

    def __init__(self) -> None:
        # Nobody's cookies are kept: each request brings what its caller has.
        nothing = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
        self._client = httpx2.Client(base_url=settings.SITE_URL, trust_env=False, timeout=30, cookies=nothing)
        self._twins: dict[tuple[Caller, Request], Said] = {}
        self._lock = threading.Lock()
        self.outcome = Outcome()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def run(self, cases: Iterable[Case], threads: int = 2) -> Outcome:
        """Ask all of it, several at once."""
        with ThreadPoolExecutor(threads) as pool:
            cases = iter(cases)
            while some := list(islice(cases, 500)):
                list(pool.map(self._compare, some))
        return self.outcome

    def ask(self, caller: Caller, request: Request) -> Said:
        headers = {**caller.headers, "Accept": "*/*"}
        if request.content_type:
            headers["Content-Type"] = request.content_type
        answer = self._client.request(request.method, request.address, headers=headers, content=request.body)
        with self._lock:
            self.outcome.requests += 1
            self.outcome.statuses[answer.status_code] += 1
        kept = sorted((name, value) for name, value in answer.headers.multi_items() if name not in _VARYING)
        return Said(
            answer.status_code,
            tuple((name, _RANDOM.sub(rb"\1\2\3\4", value.encode()).decode()) for name, value in kept),
            _RANDOM.sub(rb"\1\2\3\4", answer.content),
        )

    def _compare(self, case: Case) -> None:
        said = self.ask(case.caller, case.ours)
        unnamed = said.without(case.ours.words)
        for word in case.forbidden:
            if unnamed.tells(word):
                self._note(self.outcome.leaks, f"{case}: {_around(unnamed, word)}")
        if case.twin is None:
            return
        words = case.ours.words, case.twin.words
        first, second = said.without(*words), self._of_nothing(case).without(*words)
        if 429 in {first.status, second.status}:
            return  # too many were asked for a moment, whatever they named
        if case.ours.loose:
            if first.essence != second.essence:
                self._note(self.outcome.differences, f"{case}: {_difference(first, second)}")
        elif first != second:
            # An answer may also show what the same caller did a moment ago, in another thread. Not twice.
            first, second = (self.ask(case.caller, one).without(*words) for one in (case.ours, case.twin))
            if first != second:
                self._note(self.outcome.differences, f"{case}: {_difference(first, second)}")

    def _of_nothing(self, case: Case) -> Said:
        assert case.twin is not None
        key = (case.caller, case.twin)
        if key not in self._twins:
            self._twins[key] = self.ask(*key)
        return self._twins[key]

    def _note(self, where: list[str], what: str) -> None:
        with self._lock:
            where.append(what)


def _unnamed(content: bytes, named: Iterable[tuple[str, ...]]) -> bytes:
    for number, alike in enumerate(zip_longest(*named, fillvalue="")):
        # A word as short as a number may stand anywhere; the address that holds it is a word as well.
        forms = {form for word in alike if len(word) > 3 for form in _forms(word)}
        for form in sorted(forms, key=len, reverse=True):
            content = content.replace(form.encode(), b"{%d}" % number)
    return content


def _forms(word: str) -> set[str]:
    return {word, quote(word), quote(word, safe=""), escape(word), quote(quote(word), safe="")}


def _around(said: Said, word: str) -> str:
    text = f"{said.status} {said.headers} {said.body.decode(errors='replace')}"
    at = text.find(word)
    return text[max(0, at - 100) : at + 100]


def _difference(one: Said, other: Said) -> str:
    if one.status != other.status:
        return f"{one.status}, and of nothing {other.status}"
    if one.headers != other.headers:
        return f"headers {set(one.headers) ^ set(other.headers)}"
    at = next((n for n, (a, b) in enumerate(zip(one.body, other.body, strict=False)) if a != b), 0)
    return (
        f"{one.body[max(0, at - 60) : at + 60]!r}, and of nothing {other.body[max(0, at - 60) : at + 60]!r}"
    )
