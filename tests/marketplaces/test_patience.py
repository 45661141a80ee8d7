"""Which addresses wait beside the others: exactly those that ask a git host."""

from typing import Any

import pytest

from marketplaces.patience import asks_a_git_host
from marketplaces.services.asking import TooManyAtOnce, a_place
from marketplaces.services.binding import bind_checked_marketplace
from marketplaces.services.credentials import Credential
from tests.cast import Cast
from tests.repositories import SMALL, NewRepository

ONE = "/acme/settings/marketplaces/0b6f0a3e-8a5b-4c43-9d8e-1f6a7b0c2d3e"
KEY = "/acme/api/v1/marketplaces/0b6f0a3e-8a5b-4c43-9d8e-1f6a7b0c2d3e"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/acme/settings/marketplaces/bind/"),
        ("POST", "/acme/settings/marketplaces/check/"),
        ("POST", f"{ONE}/credential/"),
        ("POST", f"{ONE}/moved/"),
        ("POST", "/acme/api/v1/marketplaces"),
        ("POST", "/acme/api/v1/marketplaces/check"),
        ("PUT", f"{KEY}/credential"),
        ("POST", f"{ONE}/webhook/register/"),
        ("PUT", f"{KEY}/webhook/registration"),
        ("POST", f"{KEY}/move"),
    ],
)
def test_who_asks_a_host_waits_apart(method: str, path: str) -> None:
    assert asks_a_git_host(method, path)
    assert not asks_a_git_host("GET", path)


@pytest.mark.parametrize(
    "path",
    [
        "/acme/settings/marketplaces/x/bind/",
        f"{ONE}/sync/",
        f"{KEY}/syncs",
        "/acme/api/v1/members",
        "/acme/mcp",
        "/new",
    ],
)
def test_nobody_else_does(path: str) -> None:
    assert not asks_a_git_host("POST", path)


def test_an_organization_takes_two_places_at_most_and_leaves_the_others_theirs(cast: Cast) -> None:
    acme, globex = cast.acme.pk, cast.globex.pk
    with a_place(acme), a_place(acme):
        with pytest.raises(TooManyAtOnce), a_place(acme):
            pass
        with a_place(globex):
            pass
    with a_place(acme):
        pass


def test_whoever_finds_no_place_is_told_so_and_nothing_is_bound(
    cast: Cast, new_repository: NewRepository
) -> None:
    repository = new_repository(SMALL)
    given: dict[str, Any] = {
        "principal": cast.alice,
        "slug": "",
        "url": repository.url,
        "credential": Credential(repository.token),
    }
    with a_place(cast.acme.pk), a_place(cast.acme.pk), pytest.raises(TooManyAtOnce):
        bind_checked_marketplace(**given)
    assert bind_checked_marketplace(**given).marketplace_id
