"""Every place at which Skillport asks a host that somebody else has named, each done with an address of the test's choice."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from unittest.mock import patch
from uuid import UUID

import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings

from marketplaces.git.head import Head
from marketplaces.models import ExternalSource, ExternalUse, Marketplace, MirrorState
from marketplaces.providers.api import Kind
from marketplaces.providers.detection import detect
from marketplaces.services import binding, checking, credential_expiry, moving, sync, trial, webhook_setup
from marketplaces.services.credentials import Credential, InstalledApp, log_in
from marketplaces.services.external import mirroring
from marketplaces.services.worker import Worker
from skillport.errors import SkillportError
from skillport.organizations.services.provider_metadata import ProviderMetadata, get_json, read_provider
from skillport.outbound import Outbound
from skillport.scoping import within
from skillport.sign_in.guarded_requests import guarded_session
from tests.cast import Cast
from tests.publishing import sync_now

SECRET = "canary-token-0123456789"
COMMIT = "1" * 40


@dataclass
class World:
    """An organization with a marketplace, whose rows the points below change as they need it."""

    cast: Cast
    marketplace_id: UUID
    source_id: int
    worker: Worker

    def change(self, **columns: object) -> None:
        with within(self.cast.acme):
            own = Marketplace.objects.for_organization(self.cast.acme).filter(pk=self.marketplace_id)
            own.update(**columns)

    def outbound(self) -> Outbound:
        return Outbound(settings.OUTBOUND_ALLOWED_ORIGINS)


def make_world(cast: Cast, worker: Worker) -> World:
    bound = binding.bind_marketplace(
        principal=cast.alice, slug="skills", url="https://git.example/x.git", credential=Credential(SECRET)
    )
    with within(cast.acme):
        source = ExternalSource.objects.create(organization=cast.acme, url="x", host="git.example")
        ExternalUse.objects.create(
            organization=cast.acme, marketplace_id=bound.marketplace_id, plugin="far", source=source
        )
    return World(cast, bound.marketplace_id, source.pk, worker)


Point = Callable[
    [World, str], str
]  # gives all that is said of what came of it; may raise a `SkillportError` instead


def said_by(point: Point, world: World, url: str) -> str:
    """Give what is said, without the address itself: `code: message` of an error."""
    try:
        said = point(world, url)
    except SkillportError as error:
        said = f"{error.code}: {error.message}"
    return said.replace(url, "…") if url else said


def _sync(world: World, url: str) -> str:
    world.change(url=url)
    run = sync_now(world.cast.alice, world.marketplace_id, world.worker)
    return f"{run.error_code}: {run.error_message}"


def _sync_after_its_head(world: World, url: str) -> str:
    """Do what a sync does once the host has told its newest commit."""
    with patch.object(sync, "ask_head", lambda *_, **__: Head(COMMIT, "main", url)):
        return _sync(world, url)


def _check(world: World, url: str) -> str:
    steps = checking.begin_check(principal=world.cast.alice, url=url, credential=Credential(SECRET))
    return " ".join(f"{step.state} {step.code}: {step.said} {step.remedy}" for step in steps)


def _check_after_its_head(world: World, url: str) -> str:
    with patch.object(trial, "ask_head", lambda *_, **__: Head(COMMIT, "main", url)):
        return _check(world, url)


def _bind(world: World, url: str) -> str:
    binding.bind_checked_marketplace(
        principal=world.cast.alice, slug="other", url=url, credential=Credential(SECRET)
    )
    return "bound"


def _replace_credential(world: World, url: str) -> str:
    world.change(url=url)
    binding.replace_checked_credential(
        principal=world.cast.alice, marketplace_id=world.marketplace_id, credential=Credential(SECRET)
    )
    return "replaced"


def _confirm_move(world: World, url: str) -> str:
    world.change(url="https://git.example/x.git", moved_to=url)
    moving.confirm_move(principal=world.cast.alice, marketplace_id=world.marketplace_id, address=url)
    return "confirmed"


def _detect(world: World, url: str) -> str:
    return str(detect(url, world.outbound()))


def _expiry(kind: Kind) -> Point:
    def ask(_: World, url: str) -> str:
        return str(credential_expiry.ask(url=url, credential=Credential(SECRET), provider=kind))

    return ask


def _register(kind: Kind) -> Point:
    def register(world: World, url: str) -> str:
        world.change(url=url, provider=kind)
        webhook_setup.register_webhook(principal=world.cast.alice, marketplace_id=world.marketplace_id)
        return "registered"

    return register


@cache
def _key() -> str:
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return made.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def _mint(world: World, url: str) -> str:
    log_in(Credential(_key(), app=InstalledApp("1")), url, world.outbound())
    return "minted"


def _mirror(**which: str) -> Point:
    def mirror(world: World, url: str) -> str:
        with within(world.cast.acme):
            own = ExternalSource.objects.for_organization(world.cast.acme).filter(pk=world.source_id)
            own.update(url=url, state=MirrorState.WAITING, not_before=None, failures=0, **which)
        assert mirroring.run_next(organization_id=world.cast.acme.pk, worker=world.worker)
        with within(world.cast.acme):
            source = own.get()
        return f"{source.error_code}: {source.error_message}"

    return mirror


def _metadata(url: str) -> ProviderMetadata:
    return ProviderMetadata(url, url, url, url, url, basic_auth=True)


def _try_client(_: World, url: str) -> str:
    _metadata(url).try_client(client_id="us", secret=SECRET, redirect_url="https://skills.example/")
    return "tried"


def _userinfo(_: World, url: str) -> str:
    get_json(url, {"Authorization": f"Bearer {SECRET}"})
    return "read"


def _library(_: World, url: str) -> str:
    try:
        return f"status {guarded_session().get(url).status_code}"
    except requests.RequestException as error:
        return f"host_unreachable: {error}"


FETCH_POINTS: dict[str, Point] = {
    "a sync asks": _sync,
    "a sync fetches": _sync_after_its_head,
    "a check asks": _check,
    "a check fetches": _check_after_its_head,
    "binding": _bind,
    "another credential": _replace_credential,
    "confirming a move": _confirm_move,
    "whose host it is": _detect,
    "the end of a GitHub token": _expiry(Kind.GITHUB),
    "the end of a GitLab token": _expiry(Kind.GITLAB),
    "a webhook at GitHub": _register(Kind.GITHUB),
    "a webhook at GitLab": _register(Kind.GITLAB),
    "a webhook at an unknown host": _register(Kind.NOT_ASKED),
    "a token of a GitHub App": _mint,
    "an external source at a branch": _mirror(sha="", ref="main"),
    "an external source at a commit": _mirror(sha=COMMIT, ref=""),
    "what a provider says of itself": lambda _, url: str(read_provider(url)),
    "a provider's keys": lambda _, url: str(_metadata(url).keys()),
    "a provider's token endpoint": _try_client,
    "what a provider knows of a person": _userinfo,
    "the library that signs people in": _library,
}
