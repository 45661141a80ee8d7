"""Acme with somebody in each role, and their browsers."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from skillport.accounts.models import User
from skillport.organizations.models import Organization
from skillport.organizations.services.members import add_member
from skillport.principal import Door, Principal, Role
from tests.cast import Cast, principal
from tests.signing_in import browser_of


@dataclass(frozen=True)
class People:
    """Alice owns Acme and Bob is its member, as in the cast; Ada is an administrator, Eve edits, Otto audits."""

    acme: Organization
    roles: dict[Role, Principal]

    def __getitem__(self, role: Role) -> Principal:
        return self.roles[role]


@pytest.fixture
def people(cast: Cast) -> People:
    roles = {
        Role.OWNER: replace(cast.alice, door=Door.PAGE, confirmed_at=timezone.now()),
        Role.MEMBER: cast.bob,
    }
    for name, role in (("Ada", Role.ADMIN), ("Eve", Role.EDITOR), ("Otto", Role.AUDITOR)):
        user = User.objects.create(name=name, email=f"{name.lower()}@example.org")
        add_member(organization=cast.acme, user=user, role=role, actor=cast.alice)
        roles[role] = principal(cast.acme, user.pk)
    return People(cast.acme, roles)


@dataclass(frozen=True)
class Pages:
    """A person's browser below one organization."""

    client: Client
    root: str

    def get(self, page: str = "", **query: str) -> HttpResponse:
        return self.client.get(self.root + page, query)  # type: ignore[return-value]

    def post(self, page: str, **form: Any) -> HttpResponse:
        return self.client.post(self.root + page, form)  # type: ignore[return-value]

    def says(self, page: str = "") -> str:
        answer = self.get(page)
        assert answer.status_code == 200, answer
        return answer.content.decode()

    def told_after(self, page: str, **form: Any) -> str:
        """Post, follow the redirect, and give the page that then shows what happened."""
        answer = self.post(page, **form)
        assert answer.status_code == 302, answer.content.decode()
        shown = self.client.get(answer["Location"])
        assert shown.status_code == 200, answer["Location"]
        return shown.content.decode()

    def refused(self, page: str, **form: Any) -> str:
        """Post what is not accepted, and give the form that says why."""
        answer = self.post(page, **form)
        assert answer.status_code == 422, answer.content.decode()
        shown = answer.content.decode()
        assert "<title>Error: " in shown
        assert 'role="alert"' in shown
        return shown


@pytest.fixture
def pages(people: People) -> Callable[[Role], Pages]:
    """Give a function from a role to the browser of who has it in Acme."""
    return lambda role: Pages(browser_of(people[role]), "/acme/")


@pytest.fixture
def alice(pages: Callable[[Role], Pages]) -> Pages:
    return pages(Role.OWNER)


@pytest.fixture
def ada(pages: Callable[[Role], Pages]) -> Pages:
    return pages(Role.ADMIN)


@pytest.fixture
def bob(pages: Callable[[Role], Pages]) -> Pages:
    return pages(Role.MEMBER)
