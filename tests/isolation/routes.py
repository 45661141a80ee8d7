"""Every address that Django answers, with the values that stand for what is variable in it."""

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from string import ascii_lowercase, digits
from urllib.parse import quote
from uuid import NAMESPACE_URL, UUID, uuid5

from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.converters import IntConverter, PathConverter, SlugConverter, StringConverter, UUIDConverter
from django.urls.resolvers import RoutePattern

from skillport.organizations.converters import OrganizationSlug
from tests.isolation.harvest import Found, Shape

_SHAPES: dict[type, Shape] = {
    UUIDConverter: UUID, IntConverter: int, StringConverter: str, SlugConverter: str, PathConverter: str
}  # fmt: skip
_ORGANIZATION = "<org:organization>/"
_DIGEST = re.compile("[0-9a-f]{16,}")


@dataclass(frozen=True)
class Variable:
    """What varies in an address: how it is written there, and what it may be."""

    written: str
    shape: Shape
    regex: str

    @property
    def name(self) -> str:
        return self.written.rpartition(":")[2].rstrip(">")

    def means(self, found: Found) -> bool:
        """Tell whether such a value belongs here: `<uuid:rule_id>` means an admission rule's id, and not a group's."""
        return self.takes(found) and found.is_a(self.name)

    def takes(self, found: Found) -> bool:
        """Tell whether the address has room for such a value, whatever it is."""
        return type(found.value) is self.shape and re.fullmatch(self.regex, str(found.value)) is not None

    @property
    def invented(self) -> object:
        """Give a value that nobody has."""
        return nobodys(self.shape, "nobodys-name")


@dataclass(frozen=True)
class Route:
    """One address: its pattern, what answers it, and what varies in it beside the organization."""

    pattern: str
    view: Callable[..., object]
    variables: tuple[Variable, ...]

    def __str__(self) -> str:
        return self.pattern

    @property
    def of_organization(self) -> bool:
        return self.pattern.startswith(_ORGANIZATION)

    @property
    def takes_keys(self) -> bool:
        """Tell whether it is for programs: pages take a browser's session, and the rest takes keys."""
        return "api/" in self.pattern or self.pattern.endswith("/mcp")

    def filled(self, slug: str, values: Sequence[object]) -> str:
        """Give the address with this organization and these values, in the order in which they stand."""
        address = self.pattern.replace(_ORGANIZATION, f"{slug}/")
        for variable, value in zip(self.variables, values, strict=True):
            address = address.replace(variable.written, quote(str(value), safe="/"))
        return f"/{address}"


def nobodys(shape: Shape, like: str) -> object:
    """Give a value of this shape that nobody has, always the same for one value.

    A text is as long as `like` and made of the same kinds of characters; an address is one of the same host, and a
    digest stays one: what takes a commit's id tells by its form whether it may be one.
    """
    if shape is UUID:
        return uuid5(NAMESPACE_URL, like)
    if shape is int:
        return 2**31 - 7
    chance = random.Random(like)
    kinds = ("abcdef" if _DIGEST.fullmatch(like) else ascii_lowercase, digits)
    host = re.match("https?://[^/]*/|", like)
    assert host
    rest = like[host.end() :]
    return host[0] + "".join(
        next((chance.choice(kind) for kind in kinds if one.lower() in kind), one) for one in rest
    )


def all_routes() -> list[Route]:
    """Walk the URLconf. Fails for a kind of pattern or of variable that nobody has thought about here."""
    return list(_walk(get_resolver().url_patterns))


def _walk(patterns: Sequence[URLPattern | URLResolver], before: str = "") -> Iterator[Route]:
    for one in patterns:
        if isinstance(one, URLResolver):
            yield from _walk(one.url_patterns, before + str(one.pattern))
            continue
        assert isinstance(one.pattern, RoutePattern), f"{one} is no plain route"
        pattern = before + str(one.pattern)
        variables = [
            Variable(_written(pattern, name), _SHAPES[type(kind)], kind.regex)
            for name, kind in one.pattern.converters.items()
            if type(kind) is not OrganizationSlug
        ]
        yield Route(
            pattern, one.callback, tuple(sorted(variables, key=lambda one: pattern.index(one.written)))
        )


def _written(pattern: str, name: str) -> str:
    """Give `<uuid:name>` as it stands in the pattern."""
    found = re.search(rf"<[a-z]+:{name}>", pattern)
    assert found, f"{name} is not plain in {pattern}"
    return found[0]
