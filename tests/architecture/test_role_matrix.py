"""T-ROLE-1: what each role gets at each address by each method, compared with a reviewed file.

The addresses come from the URLconf, so a new one appears here by itself, and the file has to be read again. Ids are
those of things that exist, bodies are those that work, and each request is undone before the next. Only connections are
added, changed and checked without a provider's settings: 422 says there that the role would have been let through. To
write the file anew and review the difference: `SKILLPORT_WRITE_ROLE_MATRIX=1 python3 manage.py test -n0 tests/architecture/test_role_matrix.py`

Seen red with: `require` taken out of `groups.delete_group`, and MEMBERS_READ given to editors.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from connector.models import ApiKey
from marketplaces.models import Snapshot
from marketplaces.services.binding import bind_marketplace
from marketplaces.services.credentials import Credential
from marketplaces.services.external.hosts import bind_credential
from skillport.accounts.models import User
from skillport.organizations.models import Admission, AdmissionRule, By, JoinReason, VerifiedDomain
from skillport.organizations.services import groups, invitations
from skillport.organizations.services.join_requests import open_join_request
from skillport.organizations.services.members import add_member
from skillport.principal import Principal, Role
from skillport.scoping import within
from tests.cast import Cast, key_of, principal
from tests.isolation.routes import all_routes
from tests.name_server import NameServer
from tests.openid import OpenIDServer
from tests.repositories import SMALL, NewRepository
from tests.signing_in import browser, cookie_of
from tests.skillport.sign_in.conftest import own_provider

FILE = Path(__file__).with_name("role_matrix.txt")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
NOT_OF_MEMBERS = {"<org:organization>/sign-in", "<org:organization>/sign-in/own"}  # for people outside
# What stands in a body, by the name of a field; a form or a serializer takes what it knows.
BODY: dict[str, Any] = {
    "name": "New name", "role": "member", "email": "new@acme.example", "domain": "new.acme.example", "by": "connection",
    "value": "", "admission": "automatic", "kind": "oidc", "session_hours": 12, "confirmation": "acme", "enabled": "yes",
    "allowed": "yes", "scopes": ["skills:read"], "days": 30,
    "commit": "1" * 40, "poll_seconds": 600, "keep_days": 30,
    "address": "https://git.example/moved.git", "hosts": ["git.example"],
}  # fmt: skip


@dataclass
class World:
    keys: dict[Role, str]
    cookies: dict[Role, str]
    ids: dict[str, str]
    repository: dict[str, str]  # what a body says of one that can be read


@pytest.fixture
def world(
    cast: Cast,
    openid: OpenIDServer,
    name_server: NameServer,
    new_repository: NewRepository,
) -> World:
    """One person of each role in Acme, and one of each thing that an address can name."""
    people: dict[Role, Principal] = {Role.OWNER: cast.alice, Role.MEMBER: cast.bob}
    for role in (Role.ADMIN, Role.EDITOR, Role.AUDITOR):
        user = User.objects.create(email=f"{role}@example.org", name=role.title())
        add_member(organization=cast.acme, user=user, role=role, actor=cast.alice)
        people[role] = principal(cast.acme, user.pk)
    other = User.objects.create(email="dora@example.org", name="Dora")
    dora = add_member(organization=cast.acme, user=other, role=Role.MEMBER, actor=cast.alice)
    provider = own_provider(cast.alice, openid.issuer("roles"), groups_claim="groups")
    group = groups.create_group(principal=cast.alice, name="Writers")
    groups.add_to_group(principal=cast.alice, group_id=group.id, membership_id=dora.pk)
    invited = invitations.create_invitation(
        principal=cast.alice, email="eve@example.org", role=Role.MEMBER, now=timezone.now()
    )
    key_of(principal(cast.acme, other.pk))
    repository = new_repository(SMALL)
    bound = bind_marketplace(
        principal=cast.alice, slug="acme", url=repository.url, credential=Credential(repository.token)
    )
    newcomer = User.objects.create(email="new@example.org", name="New")
    with within(cast.acme):
        connection = AdmissionRule.objects.create(
            organization=cast.acme, connection_id=provider.connection_id, by=By.GROUP, value="staff",
            admission=Admission.AUTOMATIC, role=Role.MEMBER,
        )  # fmt: skip
        domain = VerifiedDomain.objects.create(organization=cast.acme, domain="acme.example", challenge="x")
        request = open_join_request(
            organization=cast.acme, user=newcomer, connection=connection.connection, reason=JoinReason.APPROVAL,
            role=Role.MEMBER,
        )  # fmt: skip
        key = ApiKey.objects.for_organization(cast.acme).get(membership=dora)
        for number in (1, 2):
            Snapshot.objects.create(
                organization=cast.acme, marketplace_id=bound.marketplace_id, number=number, commit="0" * 40,
                committed_at=timezone.now(), plugin_count=0, skill_count=0,
            )  # fmt: skip
    host = repository.host.url.removeprefix("http://")
    credential = bind_credential(
        principal=cast.alice, marketplace_id=bound.marketplace_id, host=host, credential_secret="x"
    )
    ids: dict[str, UUID | str] = {
        "membership_id": dora.pk, "group_id": group.id, "invitation_id": invited.invitation.id, "request_id": request.pk,
        "connection_id": provider.connection_id, "rule_id": connection.pk, "domain_id": domain.pk, "key_id": key.pk,
        "kind": "oidc", "name": "no-such-skill", "marketplace_id": bound.marketplace_id, "run_id": str(bound.sync_run_id),
        "sync_run_id": str(bound.sync_run_id), "number": "1", "older": "1", "newer": "2", "credential_id": credential.id,
    }  # fmt: skip
    return World(
        keys={role: key_of(who) for role, who in people.items()},
        cookies={role: cookie_of(who.user_id) for role, who in people.items()},
        ids={name: str(value) for name, value in ids.items()},
        repository={
            "url": repository.url,
            "credential": repository.token,
            "credential_secret": repository.token,
            "branch": "",
            "host": host,
        },
    )


def addresses(world: World) -> dict[str, str]:
    """Give every address of an organization: as it is written, and as it is asked for."""
    patterns = {route.pattern for route in all_routes() if route.of_organization} - NOT_OF_MEMBERS
    return {
        pattern: "/" + re.sub(r"<[a-z]+:(\w+)>", lambda found: world.ids[found[1]], pattern.replace("<org:organization>", "acme"))
        for pattern in sorted(patterns)
    }  # fmt: skip


def ask(world: World, role: Role, method: str, address: str) -> int:
    """Ask as somebody of this role, and undo what it did."""
    by_key = "/api/" in address
    client: Client = browser("" if by_key else world.cookies[role])
    headers = {"Authorization": f"Bearer {world.keys[role]}"} if by_key else {}
    body: dict[str, Any] = {} if method == "GET" else {"data": {**BODY, **world.repository}}
    if by_key and method != "GET":
        body["content_type"] = "application/json"
    with transaction.atomic():
        status = getattr(client, method.lower())(address, headers=headers, **body).status_code
        transaction.set_rollback(True)
    return int(status)


def lines(world: World) -> list[str]:
    told = []
    for pattern, address in addresses(world).items():
        for method in METHODS:
            answers = {role: ask(world, role, method, address) for role in Role}
            if set(answers.values()) != {405}:
                said = "  ".join(f"{role}={status}" for role, status in answers.items())
                told.append(f"{method:6} {pattern.replace('<org:organization>', '<org>')}\n       {said}")
    return told


def test_every_role_gets_what_the_reviewed_file_says(world: World) -> None:
    found = "\n".join(lines(world)) + "\n"
    if os.environ.get("SKILLPORT_WRITE_ROLE_MATRIX"):
        FILE.write_text(found)
    assert found == FILE.read_text()
