"""First segments: what Skillport answers itself can never be an organization's slug."""

import ast
from pathlib import Path

from django.urls import URLPattern, URLResolver, get_resolver

from skillport.asgi import SOCKETS
from skillport.envelope import PROBES
from skillport.organizations.slugs import RESERVED, is_slug

ROOT = Path(__file__).parents[2]
# Routed in skillport/asgi.py, before Django.
ASGI_SEGMENTS = {"ws", "livez", "readyz"}


def first_segments(patterns: list[URLPattern | URLResolver], before: str = "") -> set[str]:
    found: set[str] = set()
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            found |= first_segments(pattern.url_patterns, route)
        elif route:
            found.add(route.split("/")[0])
    return found


def test_every_first_segment_of_ours_is_reserved() -> None:
    ours = {one for one in first_segments(get_resolver().url_patterns) if not one.startswith("<org:")}
    could_be_slugs = {one for one in ours | ASGI_SEGMENTS if is_slug(one)}
    assert could_be_slugs - RESERVED == set()


def test_every_asgi_route_is_known_here() -> None:
    sockets = {address.split("/")[1] for address in SOCKETS}
    assert sockets | {path.removeprefix("/") for path in PROBES} == ASGI_SEGMENTS
    tree = ast.parse((ROOT / "skillport" / "asgi.py").read_text())
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    paths = {text for text in texts if isinstance(text, str) and "/" in text and " " not in text}
    assert paths == SOCKETS.keys(), "there is no route beside the table"


def test_slugs_have_one_form() -> None:
    for good in ("ab", "a1", "acme", "acme-corp", "0x", "a" * 40):
        assert is_slug(good), good
    for bad in ("", "a", "-a", "a-", "a--b", "A", "a_b", "a.b", "é", "a" * 41, "acme\n", "a/b"):
        assert not is_slug(bad), bad
