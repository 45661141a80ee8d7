"""Two organizations that must never see each other, each with its people and its private repository."""

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from connector.credentials import Unauthenticated, principal_of_bearer
from connector.install.api_keys import create_api_key
from marketplaces.models import AccessRule, Effect, Marketplace, RunState, SkillListing, SyncRun, Trigger
from marketplaces.services import access, catalog, queue
from marketplaces.services.access import What, Who
from marketplaces.services.binding import bind_marketplace, free_slug, replace_credential
from marketplaces.services.credentials import Credential
from marketplaces.services.founding import found_organization
from skillport.accounts.models import User
from skillport.demo.git_host import commit_folder, push
from skillport.demo.surroundings import Surroundings
from skillport.organizations.models import Membership, Organization
from skillport.organizations.services.members import add_member
from skillport.principal import Door, Principal, Role, Scope, SystemActor
from skillport.scoping import within

SAMPLE: Final = Path(__file__).resolve().parents[2] / "marketplaces" / "sample"
SAMPLE_SLUG: Final = "skills"
HIDDEN_FROM_BOB: Final = "salary-bands"
_SYNC_SECONDS: Final = 180


@dataclass
class Person:
    email: str
    role: str
    api_key: str = field(repr=False)


@dataclass
class SeededOrganization:
    slug: str
    connector_url: str
    marketplaces: list[str]
    people: list[Person]
    hidden_skill: str = ""
    visible_skill: str = ""


class SyncDidNotSucceed(Exception):
    """The first sync of a repository failed; the message says why."""


def seed(here: Surroundings, say: Callable[[str], None]) -> list[SeededOrganization]:
    """Make sure that both organizations are there, with repositories that are in step, and keys that work.

    What an earlier start made is kept. Raises `SyncDidNotSucceed`.
    """
    kept = kept_keys(_demo_file(here))
    acme = _found("acme", "Acme Weather Stations", [("alice", Role.OWNER), ("bob", Role.MEMBER)])
    globex = _found("globex", "Globex", [("charlie", Role.OWNER)])
    seeded = []
    for organization in (acme, globex):
        owner, *_ = _principals(organization)
        own = here.options.marketplace if organization.slug == "acme" else ""
        bound = _bind_own(owner, own, here.options.token) if own else _bind_sample(owner, here)
        _wait_for_snapshot(owner, bound, say)
        hidden = _hide_one_skill(owner) if organization.slug == "acme" else ""
        seeded.append(
            SeededOrganization(
                slug=organization.slug,
                connector_url=f"{here.site_url}/{organization.slug}/mcp",
                marketplaces=_marketplaces(organization),
                people=[_person(principal, kept) for principal in _principals(organization)],
                hidden_skill=hidden,
                visible_skill=_first_other_skill(owner, hidden),
            )
        )
    return seeded


def write_demo_file(here: Surroundings, seeded: list[SeededOrganization]) -> Path:
    """Write `demo.json` (mode 600) with everything that a script needs to use the running demo."""
    told = {
        "base_url": here.site_url,
        "git_host": {"url": here.git_host.url, "username": "owner", "password": here.git_host.password},
        "organizations": [asdict(organization) for organization in seeded],
    }
    file = _demo_file(here)
    file.touch(mode=0o600)
    file.write_text(json.dumps(told, indent=2) + "\n")
    return file


def _demo_file(here: Surroundings) -> Path:
    """Where scripts look for it; that of `--once` goes with its folder."""
    return (here.folder if here.options.once else here.folder.parent) / "demo.json"


def _found(slug: str, name: str, people: list[tuple[str, Role]]) -> Organization:
    organization = Organization.objects.filter(slug=slug).first()
    if organization is not None:
        return organization
    users = [
        (User.objects.create(email=f"{person}@{slug}.example", name=f"{person.title()} of {name}"), role)
        for person, role in people
    ]
    organization = found_organization(name=name, slug=slug, owner=users[0][0])
    actor = SystemActor(organization_id=organization.pk, what="demo", door=Door.COMMAND_LINE)
    for user, role in users[1:]:
        add_member(organization=organization, user=user, role=role, actor=actor)
    return organization


def _principals(organization: Organization) -> list[Principal]:
    """Give the organization's people, the owner first."""
    with within(organization):
        live = Membership.objects.for_organization(organization).live().select_related("user")
        memberships = sorted(
            live, key=lambda membership: (membership.role != Role.OWNER, membership.began_at)
        )
    return [
        Principal(
            organization=organization.ref,
            membership_id=membership.pk,
            user_id=membership.user_id,
            email=membership.user.email,
            name=membership.user.name,
            role=Role(membership.role),
            scopes=frozenset(Scope),
            door=Door.COMMAND_LINE,
        )
        for membership in memberships
    ]


def _bind_sample(owner: Principal, here: Surroundings) -> UUID:
    """Push the sample marketplace to the demo's git host and bind it, as its owner would."""
    name = f"{owner.organization.slug}/{SAMPLE_SLUG}"
    is_new = not here.git_host.path_of(name).exists()
    here.git_host.make_repository(name)
    if is_new:
        work = here.folder / "work" / owner.organization.slug
        commit_folder(SAMPLE, work, "Begin with the sample marketplace")
        push(work, here.git_host.address_of(name), "owner", here.git_host.password)
    with within(owner.organization):
        known = Marketplace.objects.for_organization(owner.organization).filter(slug=SAMPLE_SLUG).first()
        if known is not None:
            # The demo may have moved to another port since.
            Marketplace.objects.for_organization(owner.organization).filter(pk=known.pk).update(
                url=here.git_host.address_of(name)
            )
            secret = known.webhook_secret.open()
            here.git_host.tell_of_pushes(name, f"{here.site_url}/hooks/{known.pk}", secret)
            return known.pk
    bound = bind_marketplace(
        principal=owner,
        slug=SAMPLE_SLUG,
        url=here.git_host.address_of(name),
        credential=Credential(here.git_host.token_of(name)),
    )
    here.git_host.tell_of_pushes(name, bound.webhook_url, bound.webhook_secret)
    return bound.marketplace_id


def _bind_own(owner: Principal, url: str, token: str) -> UUID:
    """Bind the repository at `url`, or give the known one the token if it is another than before."""
    with within(owner.organization):
        rows = Marketplace.objects.for_organization(owner.organization)
        known = rows.filter(url__in=[url, f"{url}.git"]).first()
        is_stale = known is not None and token not in {"", known.credential.open()}
        taken = set(rows.values_list("slug", flat=True))
    if known is None:
        slug = free_slug(url, {SAMPLE_SLUG, *taken})
        credential = Credential(token)
        return bind_marketplace(principal=owner, slug=slug, url=url, credential=credential).marketplace_id
    if is_stale:
        replace_credential(principal=owner, marketplace_id=known.pk, credential=Credential(token))
    return known.pk


def _wait_for_snapshot(owner: Principal, marketplace_id: UUID, say: Callable[[str], None]) -> None:
    """Ask for a sync and wait for its end, saying how far it is."""
    actor = SystemActor(organization_id=owner.organization_id, what="demo", door=Door.COMMAND_LINE)
    run_id = queue.request_sync(
        organization=owner.organization, marketplace_id=marketplace_id, trigger=Trigger.MANUAL, actor=actor
    )
    ends_at, said = time.monotonic() + _SYNC_SECONDS, ""
    while time.monotonic() < ends_at:
        with within(owner.organization):
            run = SyncRun.objects.for_organization(owner.organization).get(pk=run_id)
        if run.state == RunState.FAILED:
            raise SyncDidNotSucceed(f"{run.error_message} ({run.error_code})")
        if run.state in {RunState.SUCCEEDED, RunState.UNCHANGED}:
            return
        now = (
            f"{run.get_phase_display()}: {run.done:,} of {run.total:,} files"
            if run.total
            else run.get_phase_display()
        )
        if now and now != said:
            say(f"  {owner.organization.slug}: {now}")
        said = now
        time.sleep(0.05)
    raise SyncDidNotSucceed("The first sync did not end. Look at the log, then start the demo again.")


def _hide_one_skill(owner: Principal) -> str:
    """Hide one skill from Bob, by an ordinary rule, and give its name."""
    _, bob = _principals(Organization.objects.get(pk=owner.organization_id))
    with within(owner.organization):
        rules = (
            AccessRule.objects.for_organization(owner.organization)
            .filter(effect=Effect.DENY)
            .exclude(skill=None)
        )
        if (rule := rules.select_related("skill").first()) is not None:
            return str(rule.skill)
        listed = SkillListing.objects.for_organization(owner.organization).current().select_related("skill")
        named = Counter(one.skill.name for one in listed)
        # One that no other plugin has a skill of the same name beside, so that its name says which is hidden.
        alone = [one.skill for one in listed if named[one.skill.name] == 1]
        skill = min(alone, key=lambda one: (one.name != HIDDEN_FROM_BOB, one.name), default=None)
    if skill is None:
        return ""
    access.create_rule(
        principal=owner, who=Who(membership_id=bob.membership_id), what=What(skill_id=skill.pk), effect=Effect.DENY,
        note="The demo's example: one skill that Bob may not see.",
    )  # fmt: skip
    return skill.name


def _first_other_skill(owner: Principal, hidden: str) -> str:
    page = catalog.list_skills(principal=owner)
    named = Counter(skill.name for skill in page.skills)
    return next((name for name, number in named.items() if number == 1 and name != hidden), "")


def _marketplaces(organization: Organization) -> list[str]:
    with within(organization):
        slugs = (
            Marketplace.objects.for_organization(organization).order_by("slug").values_list("slug", flat=True)
        )
        return list(slugs)


def _person(principal: Principal, kept: dict[str, str]) -> Person:
    """Give the person with a key that works: the one of the last start, or a new one."""
    key = kept.get(f"{principal.organization.slug}/{principal.email}", "")
    try:
        principal_of_bearer(header=f"Bearer {key}", slug=principal.organization.slug, door=Door.COMMAND_LINE)
    except Unauthenticated:
        key = create_api_key(
            organization=principal.organization, membership_id=principal.membership_id, name="demo",
            scopes=frozenset(Scope), actor=principal,
        ).plain_secret  # fmt: skip
    return Person(email=principal.email, role=principal.role, api_key=key)


def kept_keys(file: Path) -> dict[str, str]:
    """Give the API keys that an earlier start wrote down, by organization and e-mail address."""
    try:
        told: Any = json.loads(file.read_text())
        return {
            f"{organization['slug']}/{person['email']}": person["api_key"]
            for organization in told["organizations"]
            for person in organization["people"]
        }
    except (OSError, ValueError, LookupError, TypeError):
        return {}
