"""Install tokens: issue one, redeem it once."""

import shlex
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db.models.functions import Now

from connector.credentials import require
from connector.install import bundles
from connector.models import InstallToken
from marketplaces.models import Skill
from marketplaces.services import catalog
from skillport import tokens
from skillport.audit import log as audit
from skillport.audit.actions import Action
from skillport.errors import SkillportError
from skillport.organizations.models import Membership
from skillport.principal import Door, OrganizationRef, Principal, Role, Scope
from skillport.scoping import across_organizations, within

LIFETIME_SECONDS: Final = 300
KEPT: Final = timedelta(days=30)  # beyond its end, so that whoever comes late still hears whether it was used


class InstallTokenUnknown(SkillportError):
    """Never issued, expired, or its right is gone: one answer for all three."""

    code = "install_token_unknown"
    status = 404
    message = "This install token is not valid, or its five minutes are over. Ask for a new one."


class InstallTokenSpent(SkillportError):
    code = "install_token_spent"
    status = 410
    message = "This install token was already used. Ask for a new one."


@dataclass(frozen=True, slots=True)
class Issued:
    """A new install token, inside the command that redeems it.

    The command also names the digest (16 digits of it), which the installer compares with what the server sends it:
    what arrives by one way has to agree with what was said by the other.
    """

    skill: str
    version: str
    expires_at: datetime
    command: str = field(repr=False)
    plain_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Redeemed:
    """What a token gives: a skill's names and version, its release digest, and the bundle that holds its files."""

    marketplace: str
    plugin: str
    skill: str
    version: str
    digest: str
    archive: bytes = field(repr=False)


def issue_install_token(*, principal: Principal, name: str) -> Issued:
    """Make a token for the skill that `name` means, good for one redemption within five minutes.

    Raises `ScopeMissing`, `SkillNotFound` or `AmbiguousName`.
    """
    require(principal, Scope.SKILLS_INSTALL)
    minted = tokens.mint(tokens.Prefix.INSTALL_TOKEN)
    with within(principal.organization):
        skill = catalog.find_inside(principal, name)
        bundles.ensure_bundle(principal.organization_id, skill.release_id)
        token = InstallToken.objects.create(
            organization_id=principal.organization_id,
            digest=minted.digest,
            membership_id=principal.membership_id,
            skill_id=skill.skill_id,
            release_id=skill.release_id,
            version=skill.version,
            expires_at=Now() + timedelta(seconds=LIFETIME_SECONDS),
        )
        token.refresh_from_db(fields=["expires_at"])
        audit.record(
            Action.INSTALL_TOKEN_ISSUED,
            actor=principal,
            target=token,
            skill=skill.full_name,
            version=skill.version,
        )
    command = _command(minted.plain_secret, skill.digest)
    return Issued(skill.name, skill.version, token.expires_at, command, minted.plain_secret)


def redeem_install_token(*, secret: str, redemption_key: str = "") -> Redeemed:
    """Exchange a token for the files of the one release it was issued for.

    The conditional UPDATE is the lock: of simultaneous redemptions exactly one sees a row change. The same
    `redemption_key` may repeat its own redemption for two minutes, so that a broken download costs nothing. The
    member's right is checked again here, in the same transaction. Raises `InstallTokenUnknown` or
    `InstallTokenSpent`.
    """
    if not tokens.well_formed(secret, tokens.Prefix.INSTALL_TOKEN):
        raise InstallTokenUnknown
    digest = tokens.digest(secret)
    key_digest = tokens.digest(redemption_key) if redemption_key else tokens.digest(tokens.random_secret())
    with across_organizations(reason="an install token names its organization"):
        claimed = InstallToken.objects.all_organizations().claim(
            digest=digest, redemption_key_digest=key_digest
        )
        token = claimed.select_related(
            "organization", "membership__user", "skill__plugin__marketplace"
        ).first()
        if token is None:
            raise _refusal(digest)
        with within(token.organization_id):
            principal = _redeemer(token.membership)
            if not _still_entitled(token.membership, principal, token.skill_id):
                raise InstallTokenUnknown  # rolls the claim back too
            audit.record(
                Action.INSTALL_TOKEN_REDEEMED, actor=principal, target=token, version=token.version,
                skill=str(token.skill), repeated=token.redemptions > 1,
            )  # fmt: skip
            return _contents(token)


def _command(secret: str, digest: str) -> str:
    """Give the shell line that redeems the token.

    The token goes through the environment, because other users of the machine can list arguments.
    """
    script = shlex.quote(f"{settings.SITE_URL}/install.sh")
    return f"curl -fsSL {script} | SKILLPORT_TOKEN={shlex.quote(secret)} bash -s -- --digest {digest[: len('sha256:') + 16]}"


def forget_old_tokens(organization_id: UUID) -> int:
    """Forget the tokens that ended long ago, and give how many; what became of them is in the audit log."""
    with within(organization_id):
        ended = InstallToken.objects.for_organization(organization_id).filter(expires_at__lt=Now() - KEPT)
        return ended.delete()[0]


def _refusal(digest: bytes) -> SkillportError:
    spent = InstallToken.objects.all_organizations().filter(digest=digest).exclude(redeemed_at=None).exists()
    return InstallTokenSpent() if spent else InstallTokenUnknown()


def _still_entitled(membership: Membership, principal: Principal, skill_id: int) -> bool:
    lives = membership.ended_at is None and membership.user.is_active
    return lives and catalog.may_read(principal, skill_id)


def _redeemer(membership: Membership) -> Principal:
    organization, user = membership.organization, membership.user
    return Principal(
        organization=OrganizationRef(pk=organization.pk, slug=organization.slug, name=organization.name),
        membership_id=membership.pk,
        user_id=user.pk,
        email=user.email,
        name=user.name,
        role=Role(membership.role),
        scopes=frozenset({Scope.SKILLS_INSTALL}),
        door=Door.INSTALL,
    )


def _contents(token: InstallToken) -> Redeemed:
    skill: Skill = token.skill
    return Redeemed(
        marketplace=skill.plugin.marketplace.slug,
        plugin=skill.plugin.name,
        skill=skill.name,
        version=token.version,
        digest=f"sha256:{bytes(token.release.digest).hex()}",
        archive=bundles.archive_of(token.organization_id, token.release_id),
    )
