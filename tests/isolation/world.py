"""Two organizations that look alike, with a row in every table, and the people who must not see into the first.

Same names, same slugs of everything below the organization, same roles. What one may read in the first holds canaries
(`canaries.py`); what nobody may read holds a secret canary.
"""

from dataclasses import dataclass, field, replace
from datetime import timedelta

from django.utils import timezone

from connector.install.install_tokens import issue_install_token
from marketplaces.models import (
    Blob,
    Effect,
    ExternalCredential,
    ExternalFile,
    ExternalSource,
    ExternalUse,
    Marketplace,
    MirrorState,
    RunState,
    SyncRun,
    Trigger,
    Webhook,
)
from marketplaces.services import access
from marketplaces.services.access import What, Who
from marketplaces.services.founding import found_organization
from marketplaces.services.quotas import set_quota
from marketplaces.services.worker import Worker
from skillport.accounts.models import Identity, User
from skillport.demo.git_host import GitHost
from skillport.organizations.models import (
    Admission,
    AdmissionRule,
    By,
    Group,
    Invitation,
    JoinReason,
    Kind,
    Organization,
    SignInConnection,
)
from skillport.organizations.services.connections import accept_google
from skillport.organizations.services.domains import claim_domain
from skillport.organizations.services.groups import add_to_group, create_group
from skillport.organizations.services.join_requests import open_join_request
from skillport.organizations.services.members import add_member, end_membership
from skillport.principal import Door, Principal, Role, SystemActor
from skillport.scoping import within
from tests.cast import key_of, principal
from tests.isolation.canaries import CANARY, HIDDEN, SECRET, put_canaries
from tests.publishing import hide, publish
from tests.repositories import Files, Repository, marketplace, plugin, skill
from tests.signing_in import cookie_of

# Equally long, so that one can stand for another; none is part of a word that a page says.
OURS, THEIRS, ABSENT = "anvil-one", "anvil-two", "anvil-six"
ONLY_OURS, HIDDEN_NAME = "unlike-any", "kept-from-some"


@dataclass(frozen=True)
class Side:
    """One organization and its people: by role, and `barred` (a member with a rule against them) and `removed`."""

    organization: Organization
    people: dict[str, Principal]
    keys: dict[str, str]
    cookies: dict[str, str]

    @property
    def owner(self) -> Principal:
        return self.people["owner"]


@dataclass(frozen=True)
class World:
    ours: Side
    theirs: Side
    install_token: str = field(repr=False)  # one of ours, which opens no address

    @property
    def secrets(self) -> list[str]:
        """Give what may be told to nobody but whoever holds it, and stands in no log."""
        held = [
            *self.ours.keys.values(),
            *self.ours.cookies.values(),
            *self.theirs.keys.values(),
            *self.theirs.cookies.values(),
        ]
        return [SECRET, self.install_token, *held]


def make_world(host: GitHost, worker: Worker) -> World:
    ours, theirs = (
        _make_side(slug, host, worker, mark) for slug, mark in ((OURS, CANARY), (THEIRS, "plain"))
    )
    # Whoever was removed still sees their own name; those who stayed have canaries for names.
    put_canaries(ours.organization, [who.user_id for name, who in ours.people.items() if name != "removed"])
    token = issue_install_token(principal=ours.people["member"], name=HIDDEN_NAME).plain_secret
    return World(ours, theirs, token)


def _make_side(slug: str, host: GitHost, worker: Worker, mark: str) -> Side:
    users = {name: User.objects.create(email=f"{name}@anvil.example", name=name.title()) for name in _PEOPLE}
    organization = found_organization(name="Anvil", slug=slug, owner=users["owner"])
    actor = SystemActor(organization_id=organization.pk, what="test")
    for name, role in _PEOPLE.items():
        add_member(organization=organization, user=users[name], role=role, actor=actor)
        Identity.objects.create(user=users[name], issuer=f"https://127.0.0.1/{slug}", subject=name)
    people = {
        name: replace(principal(organization, user.pk), door=Door.PAGE, confirmed_at=timezone.now())
        for name, user in users.items()
    }
    side = Side(
        organization,
        people,
        {name: key_of(who) for name, who in people.items()},
        {name: cookie_of(who.user_id, ago=timedelta(0)) for name, who in people.items()},
    )
    _publish(side, host, worker, mark)
    _furnish(side)
    end_membership(organization=organization, membership_id=people["removed"].membership_id, actor=actor)
    return side


_PEOPLE = {
    "owner": Role.OWNER, "admin": Role.ADMIN, "editor": Role.EDITOR, "member": Role.MEMBER, "auditor": Role.AUDITOR,
    "barred": Role.MEMBER, "removed": Role.ADMIN,
}  # fmt: skip


def _publish(side: Side, host: GitHost, worker: Worker, mark: str) -> None:
    name = f"{side.organization.slug}/skills"
    host.make_repository(name)
    repository = Repository(host, name)
    repository.commit(_files(mark), message=f"{mark} subject")
    marketplace_id = publish(side.owner, repository, worker)
    hide(side.owner, HIDDEN_NAME, side.people["barred"])
    issue_install_token(principal=side.people["removed"], name="hello")
    with within(side.organization):
        bound = Marketplace.objects.for_organization(side.organization).get(pk=marketplace_id)
        bound.credential.put(SECRET)
        bound.former_webhook_secret.put(SECRET)
        bound.minted_token.put(SECRET)
        bound.save(update_fields=["credential", "former_webhook_secret", "minted_token"])
        Webhook.objects.for_organization(side.organization).filter(marketplace=bound).update(
            last_delivery_event="push", last_delivery_id="72d3162e", last_refusal_reason="It carried no signature.",
        )  # fmt: skip
        _list_elsewhere(bound)
        SyncRun.objects.create(
            organization=side.organization, marketplace=bound, trigger=Trigger.POLL, state=RunState.FAILED,
            ended_at=timezone.now(), error_code="failed", error_message="It failed.",
        )  # fmt: skip


def _list_elsewhere(bound: Marketplace) -> None:
    """Write down a plugin that another repository has, as if a worker had mirrored it."""
    own = {"organization": bound.organization, "marketplace": bound}
    credential = ExternalCredential(**own, host="git.example", username="reader")
    credential.credential.put(SECRET)
    credential.save(force_insert=True)
    source = ExternalSource.objects.create(
        organization=bound.organization, credential=credential, url="https://git.example/far.git", host="git.example",
        sha="0" * 40, commit="0" * 40, folders=[""], state=MirrorState.MIRRORED, mirrored_at=timezone.now(),
    )  # fmt: skip
    ExternalUse.objects.create(**own, plugin="far", source=source)
    ExternalFile.objects.create(
        organization=bound.organization, source=source, path=b"README.md", mode="100644", git_id="0" * 40, size_bytes=1,
        blob=Blob.objects.for_organization(bound.organization).first(),
    )  # fmt: skip


def _files(mark: str) -> Files:
    """Give the same repository for both; only descriptions and contents tell them apart, and one skill of ours."""
    skills = {
        "hello": skill("hello", f"Greets. {mark}", f"{mark}\n"),
        HIDDEN_NAME.replace("-", "_"): skill(
            HIDDEN_NAME, f"{mark} {HIDDEN if mark == CANARY else ''}", f"{mark}\n"
        ),
    }
    if mark == CANARY:
        skills[ONLY_OURS.replace("-", "_")] = skill(ONLY_OURS, f"Ours alone. {mark}", f"{mark}\n")
    refused = {"name": "outside", "source": "/etc"}  # leaves a finding
    return {
        ".claude-plugin/marketplace.json": marketplace("tools", refused),
        **plugin("tools", **skills),
        "plugins/tools/skills/hello/references/more.md": mark,
    }


def _furnish(side: Side) -> None:
    """Put at least one row into every table that publishing has left empty."""
    owner, organization, now = side.owner, side.organization, timezone.now()
    group = create_group(principal=owner, name="people")
    add_to_group(principal=owner, group_id=group.id, membership_id=side.people["member"].membership_id)
    access.create_rule(
        principal=owner, who=Who(group_id=group.id), what=What(), effect=Effect.ALLOW, note="a note"
    )
    google = accept_google(organization)
    claim_domain(principal=owner, domain="anvil.example", now=now)
    open_join_request(
        organization=organization, user=User.objects.create(name="Waiting"), connection=google,
        reason=JoinReason.APPROVAL, role=Role.MEMBER,
    )  # fmt: skip
    set_quota(
        organization=organization, stored_bytes=None, marketplaces=50,
        actor=SystemActor(organization_id=organization.pk, what="test"),
    )  # fmt: skip
    with within(organization):
        own = SignInConnection(
            organization=organization, kind=Kind.OIDC, name="Own", client_id="client",
            issuer=f"https://127.0.0.1/{organization.slug}", groups_claim="groups",
        )  # fmt: skip
        own.client_secret.put(SECRET)
        own.save(force_insert=True)
        Group.objects.create(organization=organization, name="fed", connection=own, claim_value="everybody")
        AdmissionRule.objects.create(
            organization=organization, connection=own, by=By.GROUP, value="everybody", admission=Admission.AUTOMATIC,
            role=Role.MEMBER,
        )  # fmt: skip
        Invitation.objects.create(
            organization=organization, email="invited@anvil.example", role=Role.MEMBER, digest=organization.pk.bytes * 2,
            invited_by_id=owner.membership_id, sent_at=now, expires_at=now + timedelta(days=7),
        )  # fmt: skip
