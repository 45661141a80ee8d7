"""A repository that has moved: where its host points is written down, and nothing goes there until somebody says so."""

from uuid import UUID

from marketplaces.git.addresses import checked_address, same_host
from marketplaces.git.errors import RepositoryMoved
from marketplaces.models import Marketplace, Webhook
from marketplaces.providers.api import Kind
from marketplaces.providers.secrets import new_secret
from marketplaces.services import credential_expiry, credentials
from marketplaces.services.asking import a_place
from marketplaces.services.binding import check_repository
from marketplaces.services.credentials import NO_CREDENTIAL, Credential
from marketplaces.services.leases import Lease
from marketplaces.services.queue import cancel_syncs, request_sync_unless_stopped
from skillport.audit import log as audit
from skillport.audit.actions import Action
from skillport.errors import NotFound, SkillportError
from skillport.permissions import Permission, require
from skillport.principal import Principal
from skillport.scoping import within


class NotMovedThere(SkillportError):
    code = "not_moved_there"
    status = 409
    message = "The git host no longer says that this repository has moved to that address. Look at the marketplace again."


def note(lease: Lease, to: str) -> None:
    """Write down where the repository has gone ('': nowhere), unless another worker has taken the marketplace over."""
    with within(lease.organization_id):
        own = Marketplace.objects.for_organization(lease.organization_id)
        own.filter(pk=lease.marketplace_id, fence=lease.fence).update(moved_to=to)


def keeps_credential(url: str, moved_to: str) -> bool:
    """Tell whether the stored credential may go to the new address: on another host it has to be entered again."""
    return same_host(url, moved_to)


def confirm_move(
    *,
    principal: Principal,
    marketplace_id: UUID,
    address: str,
    credential: Credential = NO_CREDENTIAL,
) -> int | None:
    """Read the marketplace from the address that its host points to, once it answers. Gives the id of the sync.

    None while none may begin.

    `address` is what the caller was shown: another one than is written down is refused. An empty credential keeps the
    stored one on the same host; on another it means none, because the stored one is never sent there.

    Raises `NotFound`, `NotMovedThere`, `TooManyAtOnce` and what `check_repository` raises; where the new address points elsewhere once
    more, that is written down instead.
    """
    require(principal, Permission.MARKETPLACES_MANAGE)
    with within(principal.organization):
        own = Marketplace.objects.for_organization(principal.organization).filter(pk=marketplace_id)
        found = own.first()
        if found is None:
            raise NotFound
        if not found.moved_to or checked_address(address) != found.moved_to:
            raise NotMovedThere
        is_new = bool(credential.secret) or not keeps_credential(found.url, found.moved_to)
        if not is_new:
            credentials.forget_place(found)
            credential = credentials.stored(found)
    try:
        with a_place(principal.organization_id):
            stays = same_host(found.url, found.moved_to)
            head = check_repository(
                principal=principal, url=found.moved_to, branch=found.branch, credential=credential,
                provider=credentials.known_kind(found) if stays else Kind.NOT_ASKED,
            )  # fmt: skip
    except RepositoryMoved as again:
        if again.to:
            with within(principal.organization):
                own.filter(moved_to=found.moved_to).update(moved_to=again.to)
        raise
    return _save(principal, found, head.url, credential if is_new else None)


def _save(principal: Principal, found: Marketplace, url: str, credential: Credential | None) -> int | None:
    with within(principal.organization):
        own = Marketplace.objects.for_organization(principal.organization)
        # What was checked may have been changed meanwhile, by a sync or by somebody else.
        marketplace = (
            own.filter(pk=found.pk, url=found.url, moved_to=found.moved_to).select_for_update().first()
        )
        if marketplace is None:
            raise NotMovedThere
        marketplace.url, marketplace.moved_to = url, ""
        changed = ["url", "moved_to", "provider_chosen", *credentials.forget_place(marketplace)]
        marketplace.provider_chosen &= same_host(found.url, url)  # that was said of the old host
        if credential is not None:
            changed += credentials.put(marketplace, credential)
            # Nothing is known of the new host and its credential: the daily look asks.
            changed += credential_expiry.note(marketplace, credential_expiry.Told(), None)
        if not same_host(found.url, url):
            # The old host knows the webhook's secret, and is asked no more.
            marketplace.webhook_secret.put(new_secret())
            marketplace.former_webhook_secret_until = None
            changed += ["webhook_secret", "former_webhook_secret_until"]
            hooks = Webhook.objects.for_organization(principal.organization).filter(marketplace=marketplace)
            hooks.update(registered_at=None)
        marketplace.save(update_fields=changed)
        audit.record(Action.MARKETPLACE_ADDRESS_CHANGED, actor=principal, target=marketplace, url=url)
        if credential is not None:
            audit.record(Action.MARKETPLACE_CREDENTIAL_REPLACED, actor=principal, target=marketplace)
        cancel_syncs(principal.organization_id, marketplace.pk)  # they would still read the old address
        return request_sync_unless_stopped(
            organization=principal.organization, marketplace_id=marketplace.pk, actor=principal
        )
