"""Whose API a host has, and where it is."""

from typing import Any

import pytest

from marketplaces.providers.api import Kind
from marketplaces.providers.detection import by_name, detect, provider_of
from marketplaces.providers.github import api_of
from skillport.demo.git_host import GitHost
from skillport.outbound import Origin, Outbound
from tests.marketplaces.providers.fake_hosts import FakeGitHub, FakeGitLab, FakeHost


@pytest.mark.parametrize(
    ("url", "kind", "api"),
    [
        ("https://github.com/acme/skills.git", Kind.GITHUB, "https://api.github.com"),
        ("https://GitHub.com/acme/skills", Kind.GITHUB, "https://api.github.com"),
        ("https://acme.ghe.com/acme/skills.git", Kind.GITHUB, "https://api.acme.ghe.com"),
        ("https://gitlab.com/acme/deep/skills.git", Kind.GITLAB, ""),
        ("https://github.com.evil.example/acme/skills", Kind.NOT_ASKED, ""),
        ("https://notghe.com/acme/skills", Kind.NOT_ASKED, ""),
        ("https://git.example/github.com/skills.git", Kind.NOT_ASKED, ""),
    ],
)
def test_a_host_is_known_by_its_name(url: str, kind: Kind, api: str) -> None:
    assert by_name(url) is kind
    if api:
        assert api_of(Origin.parse(url)) == api


def test_an_enterprise_servers_api_is_below_its_own_address() -> None:
    assert api_of(Origin.parse("https://git.acme.example:8443/a/b")) == "https://git.acme.example:8443/api/v3"


def of(host: FakeHost) -> Outbound:
    return Outbound(frozenset({host.origin}))


def test_another_host_is_asked_without_the_token(github: FakeGitHub, gitlab: FakeGitLab) -> None:
    assert detect(github.url_of("acme/skills"), of(github)) is Kind.GITHUB
    assert detect(gitlab.url_of("acme/skills"), of(gitlab)) is Kind.GITLAB
    for asked in github.asked + gitlab.asked:
        assert not {"authorization", "private-token", "cookie"} & asked.headers.keys()


def test_a_host_that_is_neither_and_one_that_is_silent(git_host: GitHost, settings: Any) -> None:
    outbound = Outbound(settings.OUTBOUND_ALLOWED_ORIGINS)
    assert detect(git_host.address_of("acme/skills"), outbound) is Kind.OTHER
    assert provider_of(Kind.OTHER) is None
    nobody = "http://127.0.0.1:9/acme/skills.git"
    assert detect(nobody, Outbound(frozenset({Origin.parse(nobody)}))) is Kind.NOT_ASKED
