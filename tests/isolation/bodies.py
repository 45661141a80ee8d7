"""Bodies that name what is not the sender's: every REST operation and every form of a page, filled in."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import islice
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from tests.isolation.asking import Asker, Caller, Case, Request
from tests.isolation.harvest import Found
from tests.isolation.routes import Route, nobodys

_JSON, _FORM = "application/json", "application/x-www-form-urlencoded"
_UNSAFE = ("post", "put", "patch", "delete")
# What a text is filled with where nothing foreign goes; {} is different for each word that goes elsewhere.
_PLAIN = {
    "email": "{}@anvil.example", "uri": "https://127.0.0.1/{}", "url": "https://127.0.0.1/{}",
    "date-time": "2030-01-01T00:00:00Z", "number": "7", "": "plain {}",
}  # fmt: skip
_TYPED = {"", "text", "email", "url", "search"}
# What ends the session of whoever sends it; and where organizations are founded, whose slugs everybody may know.
_SPARED = ("/local-accounts/", "/logout/", "/end-all", "/end-others", "/new")


class Words:
    """What goes into bodies: every id wherever an id goes, and each text once, into one place where a text goes.

    Only once, because a text makes something of that name, which is then in the way of the next.
    """

    def __init__(self, ids: Sequence[Found], texts: Sequence[Found]) -> None:
        self._ids = [str(one.value) for one in ids if isinstance(one.value, UUID)]
        self._texts = iter([one.value for one in texts if isinstance(one.value, str)])
        self.given: list[str] = []  # what may by now be written on a page, because it was sent there

    def at(self, *, takes_ids: bool) -> Iterator[tuple[str, str]]:
        """Give words for one place, each with one of the same shape that nobody has."""
        shape = UUID if takes_ids else str
        for word in self._ids if takes_ids else islice(self._texts, 1):
            pair = word, str(nobodys(shape, word))
            self.given += () if takes_ids else pair
            yield pair


def _tag(word: str) -> str:
    """Give a mark of eight digits, so that what is made beside one word is not in the way of what is made beside another."""
    return hashlib.sha256(word.encode()).hexdigest()[:8]


def _plain(kind: str, word: str) -> str:
    return _PLAIN.get(kind, _PLAIN[""]).format(_tag(word))


def _case(
    caller: Caller, where: tuple[str, str, str], pair: tuple[str, str], bodies: Sequence[str], words: Words
) -> Case:
    method, address, kind = where
    ours, twin = (
        Request(method, address, (word, _tag(word), *words.given), body.encode(), kind, loose=True)
        for body, word in zip(bodies, pair, strict=True)
    )
    return Case(caller, ours, twin)


# --- REST -------------------------------------------------------------------------------------------------------------


def by_operations(
    openapi: dict[str, Any],
    caller: Caller,
    routes: Sequence[Route],
    slug: str,
    words: Words,
    own: Sequence[Found],
) -> Iterator[Case]:
    """Send every operation of the caller's own organization each foreign id and text, in every place that takes such."""
    schemas = openapi["components"]["schemas"]
    for route in routes:
        path = _openapi_path(route)
        address = _own_address(route, slug, own)
        for method in _UNSAFE:
            body = (
                openapi["paths"]
                .get(path, {})
                .get(method, {})
                .get("requestBody", {})
                .get("content", {})
                .get(_JSON)
            )
            if body is None or address is None:
                continue
            for place, takes_ids in _places(body["schema"], schemas):
                for pair in words.at(takes_ids=takes_ids):
                    bodies = [json.dumps(_filled(body["schema"], schemas, place, word)) for word in pair]
                    yield _case(caller, (method.upper(), address, _JSON), pair, bodies, words)


def _openapi_path(route: Route) -> str:
    """Write the route as OpenAPI does."""
    path = "/" + route.pattern.replace("<org:organization>", "{organization}")
    for variable in route.variables:
        path = path.replace(variable.written, "{" + variable.name + "}")
    return path


def _own_address(route: Route, slug: str, own: Sequence[Found]) -> str | None:
    """Give the route with ids of the caller's own, or None where they have none that fits."""
    mine = [next((one.value for one in own if variable.means(one)), None) for variable in route.variables]
    return None if None in mine else route.filled(slug, mine)


Place = tuple[str, ...]


def _places(schema: dict[str, Any], schemas: dict[str, Any], at: Place = ()) -> Iterator[tuple[Place, bool]]:
    """Give where texts and ids go in such a body, and whether it is ids."""
    schema = _resolved(schema, schemas)
    if schema.get("type") == "string" and "enum" not in schema:
        yield at, schema.get("format") == "uuid"
    elif schema.get("type") == "array":
        yield from _places(schema["items"], schemas, (*at, "[]"))
    for name, inner in schema.get("properties", {}).items():
        yield from _places(inner, schemas, (*at, name))


def _filled(schema: dict[str, Any], schemas: dict[str, Any], place: Place, word: str) -> Any:
    """Give a body that is as good as can be, with `word` at one place."""
    schema = _resolved(schema, schemas)
    match schema.get("type"):
        case "object":
            inside = {
                name: place[1:] if place[:1] == (name,) else ("elsewhere",) for name in schema["properties"]
            }
            return {name: _filled(schema["properties"][name], schemas, inside[name], word) for name in inside}
        case "array":
            return [_filled(schema["items"], schemas, place[1:], word)] if place[:1] == ("[]",) else []
        case "string" if not place:
            return word
        case "string":
            return schema.get("enum", [_plain(schema.get("format", ""), word)])[0]
        case kind:
            return {"integer": 7, "boolean": True}.get(kind or "")


def _resolved(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Follow references; of several that all hold, the first says enough."""
    while "$ref" in schema or "allOf" in schema or "oneOf" in schema:
        inner = schema if "$ref" in schema else (schema.get("allOf") or schema["oneOf"])[0]
        schema = schemas[inner["$ref"].rpartition("/")[2]] if "$ref" in inner else inner
    return schema


# --- forms ------------------------------------------------------------------------------------------------------------


@dataclass
class _Form:
    action: str
    fields: dict[str, str] = field(
        default_factory=dict
    )  # what the page has filled in, or else the field's type
    empty: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)  # where something is typed; the others are chosen or hidden

    def filled(self, word: str) -> dict[str, str]:
        """Give what a person might send, with what is empty filled in for this word."""
        return {
            name: _plain(value, word) if name in self.empty else value for name, value in self.fields.items()
        }


class _Forms(HTMLParser):
    """Reads the forms of a page that are sent by POST."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[_Form] = []
        self._select = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "form" and told.get("method", "").lower() == "post":
            self.forms.append(_Form(told.get("action", "")))
        elif told.get("name") == "csrfmiddlewaretoken" or told.get("type") == "password":
            pass  # the one is sent as a header, the other names nothing
        elif self.forms and tag in {"input", "textarea", "select", "button"} and "name" in told:
            self._select = told["name"] if tag == "select" else ""
            form = self.forms[-1]
            if told["name"] not in form.fields and not told.get("value"):
                form.empty.add(told["name"])
            if tag == "textarea" or (tag == "input" and told.get("type", "") in _TYPED):
                form.texts.add(told["name"])
            form.fields.setdefault(told["name"], told.get("value") or told.get("type", ""))
        elif self.forms and tag == "option" and self._select and told.get("value"):
            self.forms[-1].fields[self._select] = told["value"]
            self.forms[-1].empty.discard(self._select)


def by_forms(
    asker: Asker,
    caller: Caller,
    routes: Sequence[Route],
    slug: str,
    words: Words,
    own: Sequence[Found],
) -> Iterator[Case]:
    """Send each form of the caller's own pages with each foreign id and text in each of its fields."""
    for route in routes:
        address = _own_address(route, slug, own)
        if address is None:
            continue
        page = asker.ask(caller, Request("GET", address)).body.decode(errors="replace")
        for form in _Forms(page).forms:
            if (form.action or address).endswith(_SPARED):
                continue
            for name in sorted(form.fields):
                for pair in words.at(takes_ids=name not in form.texts):
                    bodies = [urlencode({**form.filled(word), name: word}) for word in pair]
                    yield _case(caller, ("POST", form.action or address, _FORM), pair, bodies, words)
