"""`manage.py create_owner`: the first owner, whom no provider has to vouch for."""

import io
import logging
import os
import pty
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from skillport.accounts.models import User
from skillport.audit.models import AuditEvent
from skillport.organizations.models import Membership, Organization
from skillport.principal import Role
from skillport.scoping import within
from tests.addresses import application_url
from tests.cast import Cast
from tests.skillport.local_accounts.local import PASSWORD


@pytest.fixture(autouse=True)
def typed(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{PASSWORD}\n"))


def create(handle: str, **options: Any) -> str:
    said = io.StringIO()
    told = {"person": "Dora Ek", "email": "dora@example.org", "password_stdin": True, **options}
    call_command("create_owner", handle, stdout=said, **told)
    return said.getvalue()


def owners_of(organization: Organization) -> set[str]:
    with within(organization):
        live = Membership.objects.for_organization(organization).filter(ended_at=None, role=Role.OWNER)
        return {handle for (handle,) in live.values_list("user__handle")}


def test_a_new_organization_gets_its_owner(db: None) -> None:
    said = create("dora", organization="initech", name="Initech")
    person = User.objects.get(handle="dora")
    assert (person.name, person.email, person.is_operator) == ("Dora Ek", "dora@example.org", False)
    assert person.check_password(PASSWORD)
    organization = Organization.objects.get(slug="initech")
    assert (organization.name, owners_of(organization)) == ("Initech", {"dora"})
    assert "/accounts/local/" in said
    with within(organization):
        recorded = AuditEvent.objects.for_organization(organization).values_list("action", flat=True)
        assert {"organization:created", "membership:began"} <= set(recorded)


def test_an_organization_that_is_there_gets_another_owner(cast: Cast) -> None:
    create("dora", organization="acme")
    assert "dora" in owners_of(cast.acme)
    with within(cast.acme):
        event = AuditEvent.objects.for_organization(cast.acme).filter(action="membership:began").latest("id")
    assert (event.actor, event.door, event.details["by"]) == (
        "system:create_owner",
        "command-line",
        "operator",
    )


def test_an_operator_needs_no_organization(db: None) -> None:
    create("root-of-it-all", operator=True)
    assert User.objects.get(handle="root-of-it-all").is_operator
    assert not Organization.objects.exists()


@pytest.mark.parametrize(
    "handle", ["", "do", "d" * 65, "Dora", "dora ek", "dora\n", "dörte", "dora/..", "dora'--", "\u0430lice"]
)
def test_a_sign_in_name_has_one_form(handle: str) -> None:
    with pytest.raises(CommandError, match="3 to 64"):
        create(handle)
    assert not User.objects.exists()


def test_a_sign_in_name_that_is_taken_and_an_e_mail_address_that_is_known(cast: Cast) -> None:
    """The name must be free; the address says nothing about who somebody is."""
    create("dora", email="alice@example.org")
    person = User.objects.get(handle="dora")
    assert person.pk != cast.alice.user_id
    sys.stdin.seek(0)
    with pytest.raises(CommandError, match="already"):
        create("dora")


@pytest.mark.parametrize(
    ("password", "why"),
    [("", "15"), ("hurry", "15"), ("123456789123456789", "common"), ("dora-of-the-harbour", "similar")],
)
def test_a_weak_password_is_refused(password: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{password}\n"))
    with pytest.raises(CommandError, match=why) as refused:
        create("dora-of-the-harbour")
    assert not password or password not in str(refused.value)
    assert not User.objects.exists()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"organization": "nowhere"}, "no organization nowhere"),
        ({"organization": "acme", "name": "Acme"}, "already"),
        ({"organization": "admin", "name": "Admin"}, "cannot be used"),
        ({"name": "Initech"}, "--organization"),
        ({"email": "no address"}, "valid email"),
        ({"person": ""}, "name"),
        ({"person": None}, "Name is missing"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_made(cast: Cast, options: dict[str, Any], why: str) -> None:
    before = User.objects.count()
    with pytest.raises(CommandError, match=why):
        create("dora", **options)
    assert User.objects.count() == before


def test_an_organization_that_wants_no_passwords_gets_no_such_owner(cast: Cast) -> None:
    Organization.objects.filter(pk=cast.acme.pk).update(local_accounts=False)
    with pytest.raises(CommandError, match="lets nobody in"):
        create("dora", organization="acme")


def test_without_local_accounts_there_is_nobody_to_create(settings: Any) -> None:
    settings.LOCAL_ACCOUNTS = False
    with pytest.raises(CommandError, match="SKILLPORT_LOCAL_ACCOUNTS"):
        create("dora")


def test_without_a_terminal_the_password_has_to_come_from_standard_input() -> None:
    with pytest.raises(CommandError, match="--password-stdin"):
        create("dora", password_stdin=False)


def test_the_password_is_nowhere_but_in_its_hash(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        said = create("dora")
    assert PASSWORD not in caplog.text + said
    assert PASSWORD not in repr(User.objects.get(handle="dora").__dict__)


@pytest.mark.django_db(transaction=True)
def test_at_a_terminal_what_is_missing_is_asked_for_and_the_password_not_shown() -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "create_owner"],
        cwd=settings.BASE_DIR, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "skillport.settings",
             "DATABASE_URL": application_url(connection.settings_dict)},
    )  # fmt: skip
    os.close(theirs)
    shown, read = "", 0
    for question, answer in [
        ("Sign-in name", "dora"), ("Name", "Dora Ek"), ("E-mail", ""), ("Password", PASSWORD), ("The same", PASSWORD)
    ]:  # fmt: skip
        while question not in shown[read:] or not shown.endswith(": "):
            shown += os.read(ours, 1000).decode()
        read = len(shown)
        os.write(ours, f"{answer}\n".encode())
    while "second factor" not in shown:
        shown += os.read(ours, 1000).decode()
    assert process.wait(timeout=60) == 0
    os.close(ours)
    assert PASSWORD not in shown
    assert User.objects.get(handle="dora").check_password(PASSWORD)
