"""From what a provider says of a person to who that is here, and whether an organization lets them in.

Nobody is found by an e-mail address. A person is an issuer and a subject; an address that is already known under
another identity makes the newcomer wait for an administrator. What an organization's connection asserts counts in
that organization only.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction

from skillport.accounts.models import Identity, Method, User, identity_key
from skillport.audit import log as audit
from skillport.audit.actions import Action
from skillport.audit.log import Target
from skillport.errors import SkillportError
from skillport.organizations.models import (
    Admission,
    AdmissionRule,
    AdmittedBy,
    By,
    JoinReason,
    Kind,
    Membership,
    Organization,
    SignInConnection,
    VerifiedDomain,
)
from skillport.organizations.services.accepting import accept_invitation
from skillport.organizations.services.groups import set_fed_groups
from skillport.organizations.services.join_requests import open_join_request, request_of
from skillport.organizations.services.members import add_member, by_sign_in, end_membership, lock_members
from skillport.permissions import RANK
from skillport.principal import Role
from skillport.scoping import within
from skillport.sign_in.claims import Claims
from skillport.sign_in.clients import Client
from skillport.sign_in.routing import holder_of


class NotAdmitted(SkillportError):
    """The provider vouches for the person, and the organization does not let them in."""

    code = "not_admitted"
    status = 403


class Waiting(SkillportError):
    """An administrator decides; until then the person is nobody here."""

    code = "waiting_for_approval"
    status = 403
    message = (
        "An administrator of the organization has to let you in first. They have been told; when they have, sign in "
        "again. If it is urgent, ask whoever gave you this address."
    )


_DECIDED_AGAINST: Final = (
    "An administrator of this organization has decided not to let you in with this account. Ask them for an invitation "
    "if that was a mistake."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """Who is to be signed in, and how."""

    user: User
    method: Method
    connection_id: UUID | None


def come_in(
    *, claims: Claims, client: Client, slug: str = "", invitation_digest: bytes = b"", now: datetime
) -> Arrival:
    """Decide about a person whom a provider vouches for.

    `slug` is the organization whose sign-in page they used (Google only; a connection names its own). Raises
    `NotAdmitted`, `Waiting`, or what accepting an invitation raises; then nobody is to be signed in.
    """
    if client.organization is not None:
        user = _enter(claims, client, client.organization.pk, invitation_digest, now)
        return Arrival(user=user, method=Method.CONNECTION, connection_id=client.connection_id)
    if slug:
        organization = Organization.objects.filter(slug=slug, closed_at=None).first()
        user = _enter(claims, client, organization.pk if organization else None, invitation_digest, now)
        return Arrival(user=user, method=Method.GOOGLE, connection_id=None)
    return Arrival(user=_look_around(claims, client, now), method=Method.GOOGLE, connection_id=None)


def confirms(*, claims: Claims, user_id: UUID) -> bool:
    """Tell whether the provider vouches for exactly this person (step-up)."""
    return Identity.objects.filter(
        issuer=claims.issuer, subject=claims.subject, user_id=user_id, user__is_active=True
    ).exists()


def _look_around(claims: Claims, client: Client, now: datetime) -> User:
    """Sign a person in who named no organization; the one that holds their domain may admit them on the way."""
    holder = holder_of(claims.hosted_domain)
    if holder is not None:
        try:
            return _enter(claims, client, holder.pk, b"", now)
        except (NotAdmitted, Waiting):
            pass  # they are somebody all the same, and may belong elsewhere
    with transaction.atomic():
        return _person(claims, now)


def _enter(
    claims: Claims, client: Client, organization_id: UUID | None, invitation_digest: bytes, now: datetime
) -> User:
    """Give the member that this person is or becomes. Raises `NotAdmitted` or `Waiting`."""
    if organization_id is None:
        raise NotAdmitted(_refusal(claims, client))
    if invitation_digest and not _belongs(organization_id, claims):
        return _accept(claims, client, organization_id, invitation_digest, now)
    with within(organization_id):
        connection = _accepted(organization_id, client)
        if connection is None:
            raise NotAdmitted(_refusal(claims, client))
        lock_members(connection.organization)
        entered = _decide(connection, claims, client, now)
        if isinstance(entered, SkillportError):
            _record_refusal(entered, claims, connection)
    if isinstance(entered, SkillportError):
        raise entered  # outside the block, so that what was recorded stays
    return entered


def _accept(
    claims: Claims, client: Client, organization_id: UUID, invitation_digest: bytes, now: datetime
) -> User:
    """Let the person accept the invitation that this browser holds: from now on it is bound to this identity."""
    with transaction.atomic():
        user = _person(claims, now)
        membership = accept_invitation(digest=invitation_digest, user_id=user.pk, begun_in_session="")
        with within(organization_id):
            connection = _accepted(organization_id, client)
            if connection is None or membership.organization_id != organization_id:
                raise NotAdmitted(_refusal(claims, client))
            return _welcome(user, membership, connection, claims, now)


def _decide(
    connection: SignInConnection, claims: Claims, client: Client, now: datetime
) -> User | SkillportError:
    """Give the member, new or known, or why there is none."""
    organization = connection.organization
    known = _known(claims)
    membership = _membership(organization.pk, known) if known else None
    if known and not known.is_active:
        return NotAdmitted(_refusal(claims, client))
    if known and membership:
        if not _withdrawn(membership, connection, claims):
            _update(known, claims, now)
            return _welcome(known, membership, connection, claims, now)
        # The provider no longer says of them what let them in: their membership, and all that hangs on it, ends.
        end_membership(
            organization=organization, membership_id=membership.pk, actor=by_sign_in(organization.pk)
        )
        return NotAdmitted(_refusal(claims, client))
    return _let_in(connection, claims, client, known, now)


def _let_in(
    connection: SignInConnection, claims: Claims, client: Client, known: User | None, now: datetime
) -> User | SkillportError:
    """Make somebody a member by a rule, or give why not, or why not yet."""
    organization = connection.organization
    rule = _rule(organization.pk, connection, claims)
    if rule is None:
        return NotAdmitted(_refusal(claims, client))
    request = request_of(organization=organization, user=known) if known else None
    if (
        request is not None
    ):  # somebody decides or has decided about this person, whatever they are called by now
        return NotAdmitted(_DECIDED_AGAINST) if request.decided_at else Waiting()
    reason = _reason_to_wait(organization.pk, known, claims, rule)
    user = _person(claims, now)
    role = Role(rule.role)
    if reason is not None:
        open_join_request(
            organization=organization, user=user, connection=connection, reason=reason, role=role
        )
        return Waiting()
    membership = add_member(
        organization=organization, user=user, role=role, actor=by_sign_in(organization.pk),
        admitted_by=AdmittedBy(rule.by),
    )  # fmt: skip
    if rule.by == By.GROUP:
        _remember_group(membership, connection, rule)
    return _welcome(user, membership, connection, claims, now)


def _reason_to_wait(
    organization_id: UUID, known: User | None, claims: Claims, rule: AdmissionRule
) -> JoinReason | None:
    """Say why somebody whom a rule lets in has to wait all the same."""
    everybody = Membership.objects.for_organization(organization_id)
    if known and everybody.filter(user=known).exists():
        return JoinReason.RETURNING  # somebody ended their membership; a rule must not undo that
    # SECURITY: an address that was given to somebody else, or a provider that says anybody's: never the same person.
    if claims.email and everybody.filter(user__email__iexact=claims.email).exists():
        return JoinReason.NEW_SUBJECT
    return JoinReason.APPROVAL if rule.admission == Admission.APPROVAL else None


def _welcome(
    user: User,
    membership: Membership,
    connection: SignInConnection,
    claims: Claims,
    now: datetime,
) -> User:
    """Let a member in: with the groups that the provider says of them now, and with a line in the log."""
    if claims.groups is not None and connection.kind != Kind.GOOGLE:
        set_fed_groups(membership=membership, connection_id=connection.pk, claim_values=claims.groups)
    SignInConnection.objects.for_organization(connection.organization_id).filter(pk=connection.pk).update(
        last_used_at=now
    )
    actor = by_sign_in(connection.organization_id)
    audit.record(
        Action.SIGNED_IN, actor=actor, target=membership, person=str(user.pk), connection=str(connection.pk)
    )
    return user


def _remember_group(membership: Membership, connection: SignInConnection, rule: AdmissionRule) -> None:
    """Note what let the member in, so that settings may change without ending anybody's membership."""
    Membership.objects.for_organization(connection.organization_id).filter(pk=membership.pk).update(
        admission_connection_id=connection.pk,
        admission_claim=connection.groups_claim,
        admission_group=rule.value,
    )


def _withdrawn(membership: Membership, connection: SignInConnection, claims: Claims) -> bool:
    """Tell whether the very group that let this member in is no longer said of them, by the connection that said it."""
    return (
        membership.admitted_by == AdmittedBy.GROUP
        and membership.role != Role.OWNER
        and membership.admission_connection_id == connection.pk
        and membership.admission_claim == connection.groups_claim != ""
        and claims.groups is not None
        and membership.admission_group not in claims.groups
    )


def _rule(organization_id: UUID, connection: SignInConnection, claims: Claims) -> AdmissionRule | None:
    """Give the rule that decides about this person: at once before after approval, then the highest role."""
    rules = AdmissionRule.objects.for_organization(organization_id).filter(connection=connection)
    held = VerifiedDomain.objects.for_organization(organization_id).holding()
    holds = bool(claims.hosted_domain) and held.filter(domain=claims.hosted_domain).exists()
    matching = [
        rule
        for rule in rules
        if rule.by == By.CONNECTION
        or (rule.by == By.GROUP and rule.value in (claims.groups or ()))
        or (rule.by == By.DOMAIN and holds and rule.value == claims.hosted_domain)
    ]
    return max(
        matching,
        key=lambda rule: (rule.admission == Admission.AUTOMATIC, RANK[Role(rule.role)]),
        default=None,
    )


def _accepted(organization_id: UUID, client: Client) -> SignInConnection | None:
    """Give the organization's own row for this client, if it is switched on."""
    own = SignInConnection.objects.for_organization(organization_id).filter(enabled=True)
    wanted = (
        own.filter(kind=Kind.GOOGLE) if client.connection_id is None else own.filter(pk=client.connection_id)
    )
    return wanted.select_related("organization").filter(organization__closed_at=None).first()


def _membership(organization_id: UUID, user: User) -> Membership | None:
    return Membership.objects.for_organization(organization_id).live().filter(user=user).first()


def _belongs(organization_id: UUID, claims: Claims) -> bool:
    with within(organization_id):
        user = _known(claims)
        return user is not None and _membership(organization_id, user) is not None


# --- who it is --------------------------------------------------------------------------------------------------------


def _known(claims: Claims) -> User | None:
    identity = (
        Identity.objects.filter(issuer=claims.issuer, subject=claims.subject).select_related("user").first()
    )
    return identity.user if identity else None


def _person(claims: Claims, now: datetime) -> User:
    """Give the person of this identity, making both the first time. A race for the same identity makes one."""
    user = _known(claims)
    if user is None:
        user = User(email=claims.email, name=claims.name)
        user.set_unusable_password()
        user.save(force_insert=True)
        identity, is_new = Identity.objects.get_or_create(
            issuer=claims.issuer,
            subject=claims.subject,
            defaults={"user": user, "directory_id": claims.directory_id},
        )
        if not is_new:
            user.delete()
            return identity.user
    if not user.is_active:
        raise NotAdmitted("This account is switched off here. Ask the operator of this deployment.")
    _update(user, claims, now)
    return user


def _update(user: User, claims: Claims, now: datetime) -> None:
    """Show people as their provider names them now; it is never what they are found by."""
    named = {"email": claims.email or user.email, "name": claims.name or user.name}
    User.objects.filter(pk=user.pk).update(**named)
    Identity.objects.filter(issuer=claims.issuer, subject=claims.subject).update(
        last_used_at=now, directory_id=claims.directory_id
    )


def _record_refusal(refusal: SkillportError, claims: Claims, connection: SignInConnection) -> None:
    actor = by_sign_in(connection.organization_id)
    subject = Target("identity", identity_key(claims.issuer, claims.subject), claims.email or "somebody")
    audit.record(
        Action.SIGN_IN_REFUSED, actor=actor, target=subject, code=refusal.code, connection=str(connection.pk)
    )


def _refusal(claims: Claims, client: Client) -> str:
    """Say why nobody is let in and whom to ask: the same words whether the organization exists or not."""
    whom = claims.email or "this account"
    if client.organization is not None:
        return (
            f"{client.name} knows you as {whom}, but {client.organization.name} has not let you in. Ask an owner or an "
            "administrator there for an invitation, or to admit people of your group."
        )
    belongs = (
        f"It belongs to {claims.hosted_domain}"
        if claims.hosted_domain
        else "It belongs to no Google Workspace domain"
    )
    return (
        f"You came as {whom} with Google. {belongs}, and this address admits only people of its own verified domains, or "
        "with an invitation. Ask whoever gave you the address, or sign in with another account."
    )
