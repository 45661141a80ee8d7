"""Which hosts a marketplace's external plugins may come from, and with what credentials: set by administrators."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.utils import timezone

from marketplaces.manifest.external import host_of
from marketplaces.models import (
    ExternalCredential,
    ExternalSource,
    ExternalUse,
    Marketplace,
    MirrorState,
)
from marketplaces.services.external.known import hosts_of
from marketplaces.services.external.settling import forget_unused
from marketplaces.services.queue import cancel_syncs, request_sync_unless_stopped
from skillport.audit import log as audit
from skillport.audit.actions import Action
from skillport.errors import NotFound, SkillportError
from skillport.outbound import AddressInvalid, Origin
from skillport.permissions import Permission, require, require_step_up
from skillport.principal import Principal
from skillport.scoping import within
from skillport.tokens import last_four

MOST_HOSTS: Final = 100
LONGEST_HOST: Final = 259


class HostInvalid(SkillportError):
    code = "external_host_invalid"
    status = 422
    message = "Write one host name a line, such as github.com, with :port only where it is not the usual one."

    @classmethod
    def of(cls, host: str) -> "HostInvalid":
        return cls(f"“{host[:100]}” is not a host name. {cls.message}")


class HostNotListed(SkillportError):
    code = "external_host_not_listed"
    status = 422
    message = "This marketplace may not use this host. Allow the host first."


class CredentialMissing(SkillportError):
    code = "external_credential_missing"
    status = 422
    message = "Give the credential that is to be used for this host."


@dataclass(frozen=True, kw_only=True, slots=True)
class HostCredential:
    """Which credential a host gets. Of the credential itself there are the last four characters."""

    id: UUID
    host: str
    username: str
    credential_last_four: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """An external plugin's source. `state` is a value of `MirrorState`; `commit` is '' before anything was mirrored."""

    plugin: str
    url: str
    ref: str
    sha: str
    folder: str
    state: str
    state_label: str
    commit: str
    file_count: int
    mirrored_at: datetime | None
    not_before: datetime | None
    error_code: str
    error_message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ExternalSources:
    """Everything about a marketplace's external sources. `is_default`: nobody has chosen the hosts yet."""

    hosts: list[str]
    is_default: bool
    credentials: list[HostCredential]
    sources: list[Source]


def get_external_sources(*, principal: Principal, marketplace_id: UUID) -> ExternalSources:
    """Give the allowed hosts, their credentials and how far each source is. Raises `NotAllowed` or `NotFound`."""
    require(principal, Permission.MARKETPLACES_MANAGE)
    with within(principal.organization):
        marketplace = _get(principal, marketplace_id)
        credentials = ExternalCredential.objects.for_organization(principal.organization)
        own = list(credentials.filter(marketplace=marketplace).order_by("host"))
        uses = ExternalUse.objects.for_organization(principal.organization).filter(marketplace=marketplace)
        used = list(uses.select_related("source").order_by("plugin"))
    return ExternalSources(
        hosts=hosts_of(marketplace),
        is_default=marketplace.external_hosts is None,
        credentials=[_credential(one) for one in own],
        sources=[_source(one) for one in used],
    )


def allow_hosts(*, principal: Principal, marketplace_id: UUID, hosts: Sequence[str]) -> int | None:
    """Let external plugins come from these hosts and no others from now on; begins a sync and gives its id.

    None where syncs are paused: then what was chosen shows after the next one.

    What is served from a host that is not among them any more is absent after the sync, and its credential is gone.
    Raises `NotAllowed`, `StepUpRequired`, `NotFound` or `HostInvalid`.
    """
    require(principal, Permission.MARKETPLACES_MANAGE)
    require_step_up(principal, now=timezone.now())
    wanted = _checked(hosts)
    with within(principal.organization):
        marketplace = _get(principal, marketplace_id, for_update=True)
        marketplace.external_hosts = wanted
        marketplace.save(update_fields=["external_hosts"])
        _stop_using(marketplace, {*_hosts_in_use(marketplace)} - {*wanted})
        audit.record(Action.EXTERNAL_HOSTS_CHANGED, actor=principal, target=marketplace, hosts=wanted)
        return _sync(principal, marketplace_id)


def bind_credential(
    *, principal: Principal, marketplace_id: UUID, host: str, credential_secret: str, username: str = ""
) -> HostCredential:
    """Read the marketplace's external sources on `host` with this credential from now on; begins a sync.

    It takes the place of an earlier one. Raises `NotAllowed`, `StepUpRequired`, `NotFound`, `HostNotListed` or
    `CredentialMissing`.
    """
    require(principal, Permission.MARKETPLACES_MANAGE)
    require_step_up(principal, now=timezone.now())
    if not credential_secret:
        raise CredentialMissing
    with within(principal.organization):
        marketplace = _get(principal, marketplace_id, for_update=True)
        if host not in hosts_of(marketplace):
            raise HostNotListed
        rows = ExternalCredential.objects.for_organization(principal.organization)
        bound = rows.filter(marketplace=marketplace, host=host).first() or ExternalCredential(
            organization_id=principal.organization_id, marketplace=marketplace, host=host
        )
        bound.username = username
        bound.credential.put(credential_secret)
        bound.credential_last_four = last_four(credential_secret)
        bound.save()
        _try_again(bound)
        audit.record(Action.EXTERNAL_CREDENTIAL_BOUND, actor=principal, target=marketplace, host=host)
        _sync(principal, marketplace_id)
        return _credential(bound)


def remove_credential(*, principal: Principal, marketplace_id: UUID, credential_id: UUID) -> int | None:
    """Read the host's sources as anybody would again, and forget what the credential read; begins a sync, gives its id.

    None where syncs are paused.

    Raises `NotAllowed`, `StepUpRequired` or `NotFound`.
    """
    require(principal, Permission.MARKETPLACES_MANAGE)
    require_step_up(principal, now=timezone.now())
    with within(principal.organization):
        marketplace = _get(principal, marketplace_id, for_update=True)
        rows = ExternalCredential.objects.for_organization(principal.organization)
        bound = rows.filter(marketplace=marketplace, pk=credential_id).first()
        if bound is None:
            raise NotFound
        bound.delete()
        audit.record(Action.EXTERNAL_CREDENTIAL_REMOVED, actor=principal, target=marketplace, host=bound.host)
        return _sync(principal, marketplace_id)


def _checked(hosts: Sequence[str]) -> list[str]:
    """Give the hosts as addresses are compared with them, each once. Raises `HostInvalid`."""
    written = [host.strip() for host in hosts if host.strip()]
    if len(written) > MOST_HOSTS:
        raise HostInvalid(f"A marketplace may use at most {MOST_HOSTS} hosts. List fewer.")
    found: dict[str, None] = {}
    for host in written:
        try:
            origin = Origin.parse(f"https://{host}/")
        except AddressInvalid:
            raise HostInvalid.of(host) from None
        if any(character in host for character in "/?#") or len(host) > LONGEST_HOST:
            raise HostInvalid.of(host)
        found[host_of(str(origin))] = None
    return list(found)


def _hosts_in_use(marketplace: Marketplace) -> list[str]:
    uses = ExternalUse.objects.for_organization(marketplace.organization_id).filter(marketplace=marketplace)
    bound = ExternalCredential.objects.for_organization(marketplace.organization_id)
    return [
        *uses.values_list("source__host", flat=True),
        *bound.filter(marketplace=marketplace).values_list("host", flat=True),
    ]


def _stop_using(marketplace: Marketplace, hosts: set[str]) -> None:
    """Let no worker ask these hosts for this marketplace from now on."""
    uses = ExternalUse.objects.for_organization(marketplace.organization_id)
    gone = uses.filter(marketplace=marketplace, source__host__in=hosts)
    source_ids = set(gone.values_list("source_id", flat=True))
    uses.filter(pk__in=list(gone.values_list("pk", flat=True))).delete()
    forget_unused(marketplace.organization_id, source_ids)
    bound = ExternalCredential.objects.for_organization(marketplace.organization_id)
    bound.filter(marketplace=marketplace, host__in=hosts).delete()


def _try_again(bound: ExternalCredential) -> None:
    """Let what failed with an earlier credential wait for its turn at once."""
    sources = ExternalSource.objects.for_organization(bound.organization_id)
    failed = sources.filter(credential=bound, state=MirrorState.FAILED)
    failed.update(state=MirrorState.WAITING, not_before=None, failures=0)


def _sync(principal: Principal, marketplace_id: UUID) -> int | None:
    """Let the catalog be read again, also of a snapshot that somebody went back to: this is a wish of today.

    None where no sync may begin: what was chosen holds all the same, for the mirrors at once, for what is served with
    the next sync.
    """
    own = Marketplace.objects.for_organization(principal.organization).filter(pk=marketplace_id)
    own.update(external_outcome=b"")
    cancel_syncs(principal.organization_id, marketplace_id)  # they were planned with what was chosen before
    return request_sync_unless_stopped(
        organization=principal.organization, marketplace_id=marketplace_id, actor=principal
    )


def _get(principal: Principal, marketplace_id: UUID, *, for_update: bool = False) -> Marketplace:
    own = Marketplace.objects.for_organization(principal.organization).filter(pk=marketplace_id)
    marketplace = (own.select_for_update(no_key=True) if for_update else own).first()
    if marketplace is None:
        raise NotFound
    return marketplace


def _credential(row: ExternalCredential) -> HostCredential:
    return HostCredential(
        id=row.pk,
        host=row.host,
        username=row.username,
        credential_last_four=row.credential_last_four,
        created_at=row.created_at,
    )


def _source(use: ExternalUse) -> Source:
    row = use.source
    return Source(
        plugin=use.plugin,
        url=row.url,
        ref=row.ref,
        sha=row.sha,
        folder=use.folder,
        state=row.state,
        state_label=row.get_state_display(),
        commit=row.commit,
        file_count=row.file_count,
        mirrored_at=row.mirrored_at,
        not_before=row.not_before if row.not_before and row.not_before > timezone.now() else None,
        error_code=row.error_code,
        error_message=row.error_message,
    )
