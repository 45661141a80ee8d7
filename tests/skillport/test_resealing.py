"""The key that seals everything is changed: nothing becomes unreadable, whenever it is interrupted, and the old key can go."""

import base64
import os
import subprocess
import sys
from io import StringIO
from typing import Any

import pytest
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db import connection

from marketplaces.models import Marketplace
from skillport.accounts.models import User
from skillport.key_ring import KeyRing, SecretUnreadable
from skillport.scoping import within
from skillport.sign_in.resealing import reseal_secrets
from tests.addresses import application_url
from tests.cast import Cast, make_cast

ROWS, KILLS = 1_000, 20


def encoded(ring: KeyRing) -> str:
    return ",".join(f"{name}:{base64.b64encode(key).decode()}" for name, key in ring.keys.items())


@pytest.fixture
def ring(settings: LazySettings) -> KeyRing:
    """A ring with a new key in front, on which the old one still is."""
    made = KeyRing({"new": os.urandom(32), **settings.KEY_RING.keys})
    assert len(made.keys) >= 2
    return made


def bind(cast: Cast, number: int) -> None:
    owner = cast.acme if number % 2 else cast.globex
    with within(owner):
        row = Marketplace(organization=owner, slug=f"m-{number}", url="https://git.example/a.git")
        row.credential.put(f"token-{number}")
        row.webhook_secret.put(f"hook-{number}")
        row.save()


def opened(cast: Cast) -> dict[str, tuple[str, str]]:
    """Open every secret of every marketplace with the ring of now."""
    found = {}
    for owner in (cast.acme, cast.globex):
        with within(owner):
            for row in Marketplace.objects.for_organization(owner):
                found[row.slug] = (row.credential.open(), row.webhook_secret.open())
    return found


def expected(count: int) -> dict[str, tuple[str, str]]:
    return {f"m-{number}": (f"token-{number}", f"hook-{number}") for number in range(count)}


def test_afterwards_the_new_key_alone_opens_everything(
    cast: Cast, ring: KeyRing, settings: LazySettings
) -> None:
    for number in range(3):
        bind(cast, number)
    person = User.objects.create(email="", name="Local")
    factor = Authenticator.objects.create(
        user=person, type=Authenticator.Type.TOTP, data={"secret": get_adapter().encrypt("JBSWY3DP")}
    )
    before = settings.KEY_RING
    settings.KEY_RING = ring
    assert (reseal_secrets().resealed, reseal_secrets().resealed) == (7, 0)
    settings.KEY_RING = KeyRing({"new": ring.keys["new"]})
    assert opened(cast) == expected(3)
    factor.refresh_from_db()
    assert get_adapter().decrypt(factor.data["secret"]) == "JBSWY3DP"
    settings.KEY_RING = before
    with pytest.raises(SecretUnreadable):
        opened(cast)


def test_what_somebody_replaces_meanwhile_stays_theirs(
    cast: Cast, ring: KeyRing, settings: LazySettings
) -> None:
    bind(cast, 1)
    settings.KEY_RING = ring
    reseal = KeyRing.reseal
    replaced: list[bool] = []

    def slow(one: KeyRing, sealed: bytes, place: Any) -> bytes:
        if not replaced and place.field == "credential":
            with within(cast.acme):
                row = Marketplace.objects.for_organization(cast.acme).get()
                row.credential.put("another")
                row.save(update_fields=["credential"])
            replaced.append(True)
        return reseal(one, sealed, place)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(KeyRing, "reseal", slow)
        reseal_secrets()
    assert opened(cast) == {"m-1": ("another", "hook-1")}


def test_what_cannot_be_read_is_counted_and_left_as_it_is(cast: Cast, settings: LazySettings) -> None:
    bind(cast, 1)
    with within(cast.acme):
        before = Marketplace.objects.for_organization(cast.acme).get().credential.sealed
    settings.KEY_RING = KeyRing({"new": os.urandom(32)})
    with pytest.raises(CommandError) as refusal:
        call_command("reseal_secrets", stdout=StringIO())
    assert "2 cannot be read" in str(refusal.value)
    assert "marketplaces_marketplace.credential" in str(refusal.value)
    assert "token-1" not in str(refusal.value)
    with within(cast.acme):
        assert Marketplace.objects.for_organization(cast.acme).get().credential.sealed == before


def test_killed_at_twenty_points_it_loses_nothing(
    transactional_db: None, ring: KeyRing, settings: LazySettings
) -> None:
    """T-SEC-3: of a thousand bindings, while credentials are replaced beside it."""
    cast = make_cast()
    for number in range(ROWS):
        bind(cast, number)
    wanted = expected(ROWS)
    settings.KEY_RING = ring
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "skillport.settings",
        "DATABASE_URL": application_url(connection.settings_dict),
        "SKILLPORT_ENCRYPTION_KEYS": encoded(ring),
        "SKILLPORT_NO_BOOTSTRAP": "1",
    }
    command = [sys.executable, "manage.py", "reseal_secrets"]
    for kill in range(KILLS):
        with subprocess.Popen(command, env=environment, cwd=settings.BASE_DIR, stdout=subprocess.PIPE, text=True) as process:  # fmt: skip
            assert process.stdout is not None
            for _ in range(2 * kill + 1):  # in front of a page of rows that is further on each time
                process.stdout.readline()
            process.kill()
        slug = f"m-{50 * kill}"
        wanted[slug] = (f"replaced-{kill}", wanted[slug][1])
        with within(cast.globex):
            row = Marketplace.objects.for_organization(cast.globex).get(slug=slug)
            row.credential.put(wanted[slug][0])
            row.save(update_fields=["credential"])
        assert opened(cast) == wanted
    last = subprocess.run(
        command, env=environment, cwd=settings.BASE_DIR, capture_output=True, text=True, check=True
    )
    assert f"{2 * ROWS} secrets: " in last.stdout
    settings.KEY_RING = KeyRing({"new": ring.keys["new"]})
    assert opened(cast) == wanted
