"""A person at a browser, as far as HTTP shows one: keeps cookies, and sends forms with what is hidden in them."""

import re
from html.parser import HTMLParser
from typing import Any
from uuid import UUID

import httpx2
from django.conf import settings

from skillport.accounts.models import Method, User
from tests.signing_in import cookie_of

Fields = dict[str, str]


class _Forms(HTMLParser):
    """Gathers each form's address with the fields that are filled in already."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[str, Fields]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append((given.get("action", ""), {}))
        elif tag == "input" and self.forms and "name" in given:
            self.forms[-1][1][given["name"]] = given.get("value", "")


class Visitor:
    """Somebody who visits pages. Redirects are not followed, so that a test sees them."""

    def __init__(self, address: str = settings.SITE_URL, **headers: str) -> None:
        self._address = address
        self._headers = headers
        self._cookies = httpx2.Cookies()

    def get(self, path: str, **headers: str) -> httpx2.Response:
        return self._send("GET", path, headers=headers)

    def submit(self, path: str, *, to: str | None = None, **fields: str) -> httpx2.Response:
        """Load the page and send its form: the one whose action is `to`, or the first that goes back to the page."""
        page = self.get(path)
        assert page.status_code == 200, (path, page.status_code, page.headers.get("location"))
        wanted = {"", path.partition("?")[0], path} if to is None else {to}
        action, hidden = next(form for form in forms_of(page.text) if form[0] in wanted)
        return self.post(action or path, **{**hidden, **fields})

    def post(self, path: str, **fields: str) -> httpx2.Response:
        return self._send("POST", path, data=fields, headers={"Origin": self._address})

    def _send(self, method: str, path: str, **sent: Any) -> httpx2.Response:
        with httpx2.Client(
            base_url=self._address, headers=self._headers, cookies=self._cookies, trust_env=False, timeout=20
        ) as client:
            answer = client.request(method, path, **sent)
            self._cookies = client.cookies
        return answer

    @property
    def cookie(self) -> str | None:
        """Give the value of the session's cookie."""
        return self._cookies.get(settings.SESSION_COOKIE_NAME)

    def use_cookie(self, value: str) -> None:
        self._cookies.set(settings.SESSION_COOKIE_NAME, value, domain="127.0.0.1")


def forms_of(page: str) -> list[tuple[str, Fields]]:
    parser = _Forms()
    parser.feed(page)
    return parser.forms


def text_of(page: str) -> str:
    """Give the words of a page, as they are read."""
    without_scripts = re.sub(r"<(script|style|head).*?</\1>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", without_scripts)).strip()


def signed_in(user: User, method: Method, *, connection_id: UUID | None = None) -> Visitor:
    """Give a visitor whose browser has just been signed in, whoever vouched."""
    visitor = Visitor()
    visitor.use_cookie(cookie_of(user.pk, method=method, connection_id=connection_id))
    return visitor
