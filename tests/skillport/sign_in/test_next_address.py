"""Nobody who signs in is sent to another site, however the address is written."""

from urllib.parse import urljoin, urlsplit

import pytest
from django.http import HttpResponseRedirect
from hypothesis import given
from hypothesis import strategies as st

from skillport.sign_in.next_address import HOME, LONGEST, safe_next

OURS = "https://skills.example.org/accounts/sign-in"
ON_OUR_SITE = [
    "/",
    "/acme/",
    "/acme/skills/data/writing/plain-language/",
    "/acme/?q=csv&after=eyJhIjoxfQ%3D%3D",
    "/acme/skills/data/writing/gr%C3%B6%C3%9Fen/",
    "/accounts/confirm?next=/acme/settings/",
    "/oauth/authorize?redirect_uri=https://claude.ai/api/callback&state=a.b~c",
    "/acme/settings/members/4f2a91c0-0000-4000-8000-000000000000",
]
HOSTILE = [
    "",
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "\\\\evil.example",
    "/\\/evil.example",
    "https://evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "HTTPS://evil.example",
    "//evil.example%2f..",
    "//skills.example.org@evil.example/",
    "https://skills.example.org@evil.example/",
    "https://skills.example.org",
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "/javascript:alert(1)\n",
    "java\nscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "%2f%2fevil.example",
    "/%2fevil.example",
    "/%2Fevil.example",
    "/%252fevil.example",
    "/%25252fevil.example",
    "/%5cevil.example",
    "/%255cevil.example",
    "/\t/evil.example",
    "\t//evil.example",
    "/\n/evil.example",
    "/\r/evil.example",
    " //evil.example",
    "/ /evil.example",
    "/\x00/evil.example",
    "/acme/\r\nSet-Cookie: skillport_session=stolen",
    "/acme/%0d%0aSet-Cookie:%20skillport_session=stolen",
    "/acme/%00",
    "/..//evil.example",
    "/.//evil.example",
    "/acme/..//evil.example",
    "/acme/../../evil.example",
    "/acme/%2e%2e/%2e%2e//evil.example",
    "/%09/evil.example",
    "/\uff0fevil.example",
    "/\u2215evil.example",
    "\uff0f\uff0fevil.example",
    "/\u3002evil.example",
    "/\u202e/elpmaxe.live",
    "/\u00a0/evil.example",
    "/\u2028/evil.example",
    "acme",
    "evil.example",
    ".evil.example",
    "@evil.example",
    ":@evil.example",
    "?next=//evil.example",
    "#//evil.example",
    "/acme/#//evil.example",
    "ftp://evil.example",
    "///\\;@evil.example",
    "/;@evil.example//x",
    "/" + "a" * LONGEST,
]


@pytest.mark.parametrize("path", ON_OUR_SITE)
def test_a_page_of_ours_is_gone_to(path: str) -> None:
    assert safe_next(path) == path


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_else_is_asked_for_leads_home(text: str) -> None:
    assert safe_next(text) == HOME


def test_nothing_asked_for_leads_home() -> None:
    assert safe_next(None) == HOME


@given(st.text(alphabet=st.sampled_from("/\\@:?#%.;2f5cCe \t\n\x00evil\uff0f"), max_size=30))
def test_no_text_at_all_leads_to_another_host(text: str) -> None:
    there = urlsplit(urljoin(OURS, HttpResponseRedirect(safe_next(text))["Location"]))
    assert (there.scheme, there.netloc) == ("https", "skills.example.org")
