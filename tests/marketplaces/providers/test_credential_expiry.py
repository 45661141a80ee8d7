"""When a credential ends: asked at binding, at replacement and daily, shown, and told ahead by mail."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from marketplaces.models import Marketplace
from marketplaces.services import binding, bound, credential_expiry
from marketplaces.services.bound import Expiry
from marketplaces.services.credentials import Credential
from skillport.accounts.models import User
from skillport.organizations.services.members import add_member
from skillport.outbound import Origin
from skillport.principal import Role, SystemActor
from skillport.scoping import within
from tests.cast import Cast
from tests.marketplaces.providers.fake_hosts import FakeGitHub, FakeGitLab, FakeHost, Token
from tests.repositories import SMALL, NewRepository, Repository

ENDS = datetime(2027, 3, 31, 9, 30, tzinfo=UTC)


def bind(cast: Cast, host: FakeHost, repository: Repository) -> Marketplace:
    """Bind as a person does, with the token that the git host behind knows."""
    binding.bind_checked_marketplace(
        principal=cast.alice,
        slug="skills",
        url=host.url_of(repository.name),
        credential=Credential(repository.token),
    )
    return row_of(cast)


def row_of(cast: Cast) -> Marketplace:
    with within(cast.acme):
        return Marketplace.objects.for_organization(cast.acme).get()


def shown(cast: Cast) -> Expiry:
    return bound.list_marketplaces(principal=cast.alice)[0].credential_expiry


def put(cast: Cast, **what: Any) -> None:
    with within(cast.acme):
        Marketplace.objects.for_organization(cast.acme).update(**what)


@pytest.fixture
def repository(new_repository: NewRepository) -> Repository:
    return new_repository(SMALL)


@pytest.mark.parametrize(
    ("told", "expires_at"),
    [
        ("2027-03-31 09:30:00 UTC", ENDS),
        ("2027-03-31 11:30:00 +0200", ENDS),
        (None, None),
    ],
)
def test_github_tells_it_in_a_header_when_a_repository_is_bound(
    cast: Cast, github: FakeGitHub, repository: Repository, told: str | None, expires_at: datetime | None
) -> None:
    github.tokens[repository.token] = Token(expires=told, hooks=False)
    row = bind(cast, github, repository)
    assert (row.provider, row.credential_expiry_known, row.credential_expires_at) == (
        "github",
        True,
        expires_at,
    )
    assert row.credential_asked_at is not None


@pytest.mark.parametrize(
    ("told", "expires_at"), [("2027-03-31", datetime(2027, 3, 31, tzinfo=UTC)), (None, None)]
)
def test_gitlab_tells_the_day(
    cast: Cast, gitlab: FakeGitLab, repository: Repository, told: str | None, expires_at: datetime | None
) -> None:
    gitlab.tokens[repository.token] = Token(expires=told, hooks=False)
    row = bind(cast, gitlab, repository)
    assert (row.provider, row.credential_expiry_known, row.credential_expires_at) == (
        "gitlab",
        True,
        expires_at,
    )


@pytest.mark.parametrize("trouble", ["unknown to the API", "down", "paused", "nonsense"])
def test_a_host_that_does_not_tell_keeps_nobody_from_binding(
    cast: Cast, github: FakeGitHub, repository: Repository, trouble: str
) -> None:
    if trouble != "unknown to the API":
        github.tokens[repository.token] = Token(expires="soon" if trouble == "nonsense" else None)
    github.down, github.paused = trouble == "down", trouble == "paused"
    row = bind(cast, github, repository)
    assert (row.credential_expiry_known, row.credential_expires_at) == (False, None)
    assert shown(cast).days_left is None


def test_a_new_credential_has_an_end_of_its_own_and_is_warned_of_anew(
    cast: Cast, github: FakeGitHub, repository: Repository
) -> None:
    github.tokens[repository.token] = Token(expires="2027-03-31 09:30:00 UTC")
    row = bind(cast, github, repository)
    put(cast, credential_warned_days=7)
    github.tokens[github.git_host.password] = Token(expires="2028-01-01 00:00:00 UTC")
    binding.replace_checked_credential(
        principal=cast.alice,
        marketplace_id=row.pk,
        credential=Credential(github.git_host.password, "owner"),
    )
    row = row_of(cast)
    assert row.credential_expires_at == datetime(2028, 1, 1, tzinfo=UTC)
    assert row.credential_warned_days is None


@pytest.fixture
def row(cast: Cast, github: FakeGitHub, repository: Repository) -> Marketplace:
    github.tokens[repository.token] = Token(expires="2027-03-31 09:30:00 UTC")
    row = bind(cast, github, repository)
    github.asked.clear()
    return row


def test_it_is_asked_once_a_day(cast: Cast, github: FakeGitHub, row: Marketplace) -> None:
    now = row.credential_asked_at
    assert now is not None
    credential_expiry.look_after_credentials(now=now + timedelta(hours=23))
    assert github.asked == []
    for _ in range(3):
        credential_expiry.look_after_credentials(now=now + timedelta(hours=25))
    assert len(github.asked) == 1


def test_what_was_prolonged_is_known_the_next_day_and_warned_of_anew(
    cast: Cast, github: FakeGitHub, row: Marketplace, repository: Repository
) -> None:
    put(cast, credential_warned_days=1)
    github.tokens[repository.token].expires = "2027-06-30 09:30:00 UTC"
    credential_expiry.look_after_credentials(now=timezone.now() + timedelta(hours=25))
    again = row_of(cast)
    assert again.credential_expires_at == datetime(2027, 6, 30, 9, 30, tzinfo=UTC)
    assert again.credential_warned_days is None


def test_a_host_that_is_down_takes_nothing_away(cast: Cast, github: FakeGitHub, row: Marketplace) -> None:
    github.down = True
    later = timezone.now() + timedelta(hours=25)
    credential_expiry.look_after_credentials(now=later)
    again = row_of(cast)
    assert (again.credential_expires_at, again.credential_asked_at) == (ENDS, later)


def test_an_answer_about_a_credential_that_was_replaced_meanwhile_is_dropped(
    cast: Cast, github: FakeGitHub, row: Marketplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replaced_meanwhile(**_: object) -> credential_expiry.Told:
        binding.replace_credential(
            principal=cast.alice, marketplace_id=row.pk, credential=Credential("another-token")
        )
        return credential_expiry.Told(expires_at=ENDS, known=True)

    monkeypatch.setattr(credential_expiry, "ask", replaced_meanwhile)
    credential_expiry.ask_again(organization_id=cast.acme.pk, marketplace_id=row.pk, now=timezone.now())
    again = row_of(cast)
    assert (again.credential_expiry_known, again.credential_asked_at) == (False, None)


def test_what_was_bound_before_is_asked_about(cast: Cast, github: FakeGitHub, row: Marketplace) -> None:
    put(
        cast,
        provider="",
        credential_asked_at=None,
        credential_expires_at=None,
        credential_expiry_known=False,
    )
    credential_expiry.look_after_credentials(now=timezone.now())
    assert (row_of(cast).provider, row_of(cast).credential_expires_at) == ("github", ENDS)


@pytest.fixture
def ending(cast: Cast, settings: Any) -> Marketplace:
    """A repository whose host is asked about nothing, with a token that ends at ENDS; Dora is an administrator."""
    settings.OUTBOUND_ALLOWED_ORIGINS = frozenset[Origin]()
    binding.bind_marketplace(
        principal=cast.alice,
        slug="skills",
        url="https://git.example/acme/skills.git",
        credential=Credential("x" * 20),
    )
    put(cast, provider="other", credential_expires_at=ENDS, credential_expiry_known=True)
    add_member(
        organization=cast.acme, user=User.objects.create(email="dora@example.org", name="Dora"), role=Role.ADMIN,
        actor=SystemActor(organization_id=cast.acme.pk, what="test"),
    )  # fmt: skip
    return row_of(cast)


def at(**before: float) -> None:
    credential_expiry.look_after_credentials(now=ENDS - timedelta(**before))


def test_owners_and_admins_are_told_14_7_and_1_days_ahead_once_each(
    ending: Marketplace, mailoutbox: list[Any]
) -> None:
    told = []
    for before in [400, 336.5, 336, 335, 200, 169, 168, 167, 30, 24, 23, 1, 0, -1, -100]:
        at(hours=before)
        told.append((before, len(mailoutbox)))
    assert told == [
        (400, 0), (336.5, 0), (336, 2), (335, 2), (200, 2), (169, 2), (168, 4), (167, 4), (30, 4), (24, 6), (23, 6),
        (1, 6), (0, 6), (-1, 6), (-100, 6),
    ]  # fmt: skip
    assert {to for mail in mailoutbox for to in mail.recipients()} == {
        "alice@example.org",
        "dora@example.org",
    }


def test_the_mail_says_what_ends_when_and_where_to_replace_it(
    cast: Cast, ending: Marketplace, mailoutbox: list[Any]
) -> None:
    at(days=6, hours=20)
    sent = mailoutbox[0]
    assert sent.subject == "The token of skills in Acme ends in 7 days"
    assert "https://git.example/acme/skills.git" in sent.body
    assert "31 March 2027 at 09:30 UTC" in sent.body
    assert f"/acme/settings/marketplaces/{ending.pk}/credential/" in sent.body
    assert "x" * 20 not in sent.body
    mailoutbox.clear()
    at(days=1)
    assert "in one day" in mailoutbox[0].subject


def test_one_that_is_known_late_is_told_once_and_not_for_every_step_that_passed(
    ending: Marketplace, mailoutbox: list[Any]
) -> None:
    at(hours=20)
    at(hours=19)
    assert len(mailoutbox) == 2


def test_the_neighbours_hear_nothing(cast: Cast, ending: Marketplace, mailoutbox: list[Any]) -> None:
    at(days=1)
    assert not any("charlie" in to for mail in mailoutbox for to in mail.recipients())


@pytest.mark.parametrize(
    ("hours", "days", "soon"),
    [(-1, 0, True), (1, 1, True), (25, 2, True), (14 * 24 - 1, 14, True), (14 * 24 + 1, 15, False)],
)
def test_days_left_counts_a_begun_day_whole(cast: Cast, hours: int, days: int, soon: bool) -> None:
    expiry = Expiry(known=True, expires_at=timezone.now() + timedelta(hours=hours), asked_at=None)
    assert (expiry.days_left, expiry.is_soon) == (days, soon)
