"""Plugins that are kept in other repositories: absent with a reason until they are mirrored, then served like others."""

import json
from itertools import count

import pytest

from marketplaces.models import PluginListing, SkillListing, SyncRun, Trigger
from marketplaces.services import catalog, queue, sync
from marketplaces.services.credentials import Credential
from marketplaces.services.external import hosts
from marketplaces.services.external.mirrors import MirrorReplaced, Mirrors
from marketplaces.services.worker import Worker
from skillport.principal import Principal
from skillport.scoping import within
from tests.cast import Cast
from tests.marketplaces.external.conftest import Elsewhere, MirrorAll, queued, snapshots, source_of
from tests.publishing import bind, findings_of, hide, publish, sync_now
from tests.repositories import SMALL, Executable, Files, NewRepository, Repository, marketplace, skill

FAR: Files = {
    ".claude-plugin/plugin.json": json.dumps({"name": "far", "version": "2.0.0"}),
    "skills/reach/SKILL.md": skill("reach", "Reaches far."),
    "skills/reach/scripts/run.sh": Executable(b"#!/bin/sh\n"),
    "README.md": "Part of the plugin.\n",
}


def listing(*plugins: dict[str, object] | str) -> Files:
    return {**SMALL, ".claude-plugin/marketplace.json": marketplace("tools", *plugins)}


def far(repository: Repository, name: str = "far", **more: object) -> dict[str, object]:
    return {"name": name, "source": {"source": "url", "url": repository.url, **more}}


def names(who: Principal) -> list[str]:
    return [one.name for one in catalog.list_skills(principal=who).skills]


def state_of(owner: Principal, run_id: int) -> tuple[str, int]:
    with within(owner.organization):
        run = SyncRun.objects.for_organization(owner.organization).get(pk=run_id)
        return run.state, run.attempts


def test_a_plugin_elsewhere_is_absent_with_a_reason_until_it_is_mirrored_and_then_served_whole(
    cast: Cast, new_repository: NewRepository, worker: Worker, elsewhere: Elsewhere, mirror_all: MirrorAll
) -> None:
    there = elsewhere.public(FAR)
    marketplace_id = bind(cast.alice, new_repository(listing(far(there))))
    hosts.allow_hosts(principal=cast.alice, marketplace_id=marketplace_id, hosts=[elsewhere.name])
    run = sync_now(cast.alice, marketplace_id, worker)
    assert run.state == "succeeded"
    assert findings_of(cast.alice, run).keys() == {"external_waiting"}
    assert names(cast.bob) == ["hello", "secret"], "what is at hand does not wait"
    assert elsewhere.asked_for(there) == [], "the sync leaves the other host to a job of its own"
    assert mirror_all(cast.alice) == 1
    assert queued(cast.alice) == ["mirror"]
    run = sync_now(cast.alice, marketplace_id, worker)
    assert (run.state, findings_of(cast.alice, run)) == ("succeeded", {})
    assert names(cast.bob) == ["hello", "reach", "secret"]
    reach = catalog.find_skill(principal=cast.bob, name="skills/far/reach")
    with within(cast.acme):
        files = catalog.files_of(cast.acme.pk, reach.release_id)
        plugin = (
            PluginListing.objects.for_organization(cast.acme)
            .select_related("release")
            .get(plugin__name="far")
        )
        of_skill = SkillListing.objects.for_organization(cast.acme).get(skill__name="reach")
    assert [(file.path, file.executable) for file in files] == [("SKILL.md", False), ("scripts/run.sh", True)]
    assert (plugin.release.file_count, plugin.version, of_skill.version) == (4, "2.0.0", "2.0.0")
    hide(cast.alice, "reach", cast.bob)
    assert names(cast.bob) == ["hello", "secret"]


def test_a_mirror_that_is_there_is_not_planned_again_and_again(
    cast: Cast, new_repository: NewRepository, worker: Worker, elsewhere: Elsewhere, mirror_all: MirrorAll
) -> None:
    there = elsewhere.public(FAR)
    marketplace_id = bind(cast.alice, new_repository(listing(far(there))))
    hosts.allow_hosts(principal=cast.alice, marketplace_id=marketplace_id, hosts=[elsewhere.name])
    for _ in range(2):
        sync_now(cast.alice, marketplace_id, worker)
        mirror_all(cast.alice)
    assert snapshots(cast.alice) == 2
    assert queued(cast.alice) == []
    for _ in range(2):
        assert sync_now(cast.alice, marketplace_id, worker).state == "unchanged"
        assert mirror_all(cast.alice) == 1, "its default branch is asked for each time"
        assert queued(cast.alice) == []
    assert snapshots(cast.alice) == 2


def test_a_mirror_that_is_made_anew_while_a_sync_reads_it_is_read_anew(
    cast: Cast, new_repository: NewRepository, worker: Worker, elsewhere: Elsewhere, mirror_all: MirrorAll,
    monkeypatch: pytest.MonkeyPatch, no_other_worker: None,
) -> None:  # fmt: skip
    there = elsewhere.public(FAR)
    repository = new_repository(listing(far(there)))
    marketplace_id = bind(cast.alice, repository)
    hosts.allow_hosts(principal=cast.alice, marketplace_id=marketplace_id, hosts=[elsewhere.name])
    sync_now(cast.alice, marketplace_id, worker)
    mirror_all(cast.alice)
    read, times = Mirrors._read, count(1)

    def gone_the_first_time(mirrors: Mirrors, git_id: str) -> bytes:
        if next(times) == 1:
            raise MirrorReplaced
        return read(mirrors, git_id)

    monkeypatch.setattr(Mirrors, "_read", gone_the_first_time)
    run_id = queue.request_sync(
        organization=cast.acme, marketplace_id=marketplace_id, trigger=Trigger.MANUAL, actor=cast.alice
    )
    sync.run(organization_id=cast.acme.pk, sync_run_id=run_id, worker=worker)
    assert state_of(cast.alice, run_id) == ("queued", 0), "it waits as before, and no attempt is counted"
    sync.run(organization_id=cast.acme.pk, sync_run_id=run_id, worker=worker)
    assert state_of(cast.alice, run_id) == ("succeeded", 1)
    assert "reach" in names(cast.bob)


def test_another_host_is_not_asked_before_it_is_allowed(
    cast: Cast, new_repository: NewRepository, worker: Worker, elsewhere: Elsewhere, mirror_all: MirrorAll
) -> None:
    there = elsewhere.public(FAR)
    marketplace_id = bind(cast.alice, new_repository(listing(far(there))))
    run = sync_now(cast.alice, marketplace_id, worker)
    assert findings_of(cast.alice, run).keys() == {"external_host_not_allowed"}
    assert (mirror_all(cast.alice), elsewhere.asked_for(there)) == (0, [])
    hosts.allow_hosts(principal=cast.alice, marketplace_id=marketplace_id, hosts=[elsewhere.name])
    sync_now(cast.alice, marketplace_id, worker)
    mirror_all(cast.alice)
    sync_now(cast.alice, marketplace_id, worker)
    assert "reach" in names(cast.bob)
    hosts.allow_hosts(principal=cast.alice, marketplace_id=marketplace_id, hosts=[])
    asked = len(elsewhere.asked_for(there))
    run = sync_now(cast.alice, marketplace_id, worker)
    assert findings_of(cast.alice, run).keys() == {"external_host_not_allowed"}
    assert "reach" not in names(cast.bob), "forbidden again, it is gone again"
    assert (mirror_all(cast.alice), len(elsewhere.asked_for(there))) == (0, asked)


def test_the_marketplaces_own_token_goes_nowhere_and_a_bound_credential_only_to_its_host(
    cast: Cast, new_repository: NewRepository, worker: Worker, mirror_all: MirrorAll
) -> None:
    there = new_repository(FAR)  # on the marketplace's own host, which is allowed from the beginning
    host = there.host
    owners = {"username": "owner", "credential_secret": host.password}  # it would open `there` as well
    marketplace_id = publish(cast.alice, new_repository(listing(far(there))), worker)
    with within(cast.acme):
        assert hosts.get_external_sources(principal=cast.alice, marketplace_id=marketplace_id).is_default
    own = Credential(host.password, "owner")
    second = bind(cast.alice, new_repository(listing(far(there))), "second", credential=own)
    sync_now(cast.alice, second, worker)
    assert mirror_all(cast.alice) == 1, "one for both"
    assert source_of(cast.alice, there).error_code == "external_credential_needed"
    run = sync_now(cast.alice, second, worker)
    assert findings_of(cast.alice, run).keys() == {"external_failed"}
    bound = hosts.bind_credential(
        principal=cast.alice, marketplace_id=second, host=host.url.removeprefix("http://"), **owners
    )
    assert bound.credential_last_four == host.password[-4:]
    sync_now(cast.alice, second, worker)
    assert mirror_all(cast.alice) >= 1
    assert sync_now(cast.alice, second, worker).state == "succeeded"
    assert catalog.find_skill(principal=cast.bob, name="second/far/reach")
    run = sync_now(cast.alice, marketplace_id, worker)
    assert "external_failed" in findings_of(cast.alice, run), (
        "what one marketplace may read, another one may not"
    )
    hosts.remove_credential(principal=cast.alice, marketplace_id=second, credential_id=bound.id)
    sync_now(cast.alice, second, worker)
    assert "reach" not in names(cast.bob)


@pytest.mark.parametrize("kind", ["npm", "archive", "command"])
def test_what_is_no_repository_is_never_asked_for(
    cast: Cast,
    new_repository: NewRepository,
    worker: Worker,
    elsewhere: Elsewhere,
    mirror_all: MirrorAll,
    kind: str,
) -> None:
    there = elsewhere.public(FAR)
    source = {"source": kind, "url": there.url, "package": "far", "command": "touch /tmp/x"}
    marketplace_id = bind(cast.alice, new_repository(listing({"name": "far", "source": source})))
    hosts.allow_hosts(principal=cast.alice, marketplace_id=marketplace_id, hosts=[elsewhere.name])
    run = sync_now(cast.alice, marketplace_id, worker)
    assert len(findings_of(cast.alice, run)) == 1
    assert (mirror_all(cast.alice), elsewhere.asked_for(there)) == (0, [])
