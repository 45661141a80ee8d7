"""A repository without marketplace.json, from its commit to what REST and the pages say of it."""

from dataclasses import replace

import httpx2
from django.utils import timezone

from marketplaces.services.worker import Worker
from skillport.principal import Door
from tests.cast import Cast, key_of
from tests.connector.rest import call
from tests.publishing import publish, sync_now
from tests.repositories import SMALL, NewRepository, skill
from tests.signing_in import browser_of


def test_its_folders_are_served_and_everybody_is_told_until_there_is_a_manifest(
    http: httpx2.Client, people: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    repository = new_repository({"skills/hello/SKILL.md": skill("hello")})
    marketplace_id = publish(people.alice, repository, worker, slug="acme-skills")
    key, address = key_of(people.alice), f"marketplaces/{marketplace_id}"
    shown = call(http, key, "GET", address).json()["served"]
    assert (shown["derived"], shown["plugins"], shown["skills"]) == (True, 1, 1)
    found = call(http, key, "GET", "skills").json()["skills"]
    assert [(one["plugin"], one["name"]) for one in found] == [("acme-skills", "hello")]
    alice = browser_of(replace(people.alice, door=Door.PAGE, confirmed_at=timezone.now()))
    page = f"/acme/settings/marketplaces/{marketplace_id}/"
    assert "This catalog is derived." in alice.get(page).content.decode()
    repository.commit(SMALL)
    assert sync_now(people.alice, marketplace_id, worker).state in {"succeeded", "unchanged"}
    assert call(http, key, "GET", address).json()["served"]["derived"] is False
    assert "derived" not in alice.get(page).content.decode()
