"""Syncs against a real git host: what arrives, what is refused, and that the old snapshot stays through it all."""

import json
from collections.abc import Callable
from itertools import count
from typing import Any

import psycopg
import pytest
from django.db import OperationalError

from marketplaces.git import program
from marketplaces.models import Marketplace, SkillListing, SyncRun
from marketplaces.services import bulk, catalog
from marketplaces.services.credentials import Credential
from marketplaces.services.worker import Worker
from skillport.demo.git_host import git
from skillport.principal import Principal
from skillport.scoping import within
from tests.cast import Cast
from tests.marketplaces.git.builder import write_delta_bomb
from tests.publishing import bind, current_commit, findings_of, publish, sync_now
from tests.repositories import SMALL, Files, Link, NewRepository, marketplace, plugin, skill


def names(who: Principal) -> list[str]:
    return [one.name for one in catalog.list_skills(principal=who).skills]


def test_a_sync_imports_plugins_skills_and_every_file(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    publish(cast.alice, new_repository(SMALL), worker)
    assert names(cast.bob) == ["hello", "secret"]
    hello = catalog.find_skill(principal=cast.bob, name="skills/tools/hello")
    with within(cast.acme):
        files = catalog.files_of(cast.acme.pk, hello.release_id)
    assert [(file.path, file.executable) for file in files] == [
        ("SKILL.md", False), ("assets/dot.png", False), ("scripts/greet.sh", True)
    ]  # fmt: skip


def test_nothing_new_costs_one_request_and_a_change_costs_what_changed(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    many = {f"plugins/tools/skills/hello/references/{n}.md": f"{n}\n" * 200 for n in range(300)}
    repository = new_repository({**SMALL, **many})
    seen = repository.host.exchanges

    def cost(step: Callable[[], object]) -> tuple[int, int]:
        before = len(seen)
        step()
        return len(seen) - before, sum(one.bytes_in + one.bytes_out for one in seen[before:])

    marketplace_id = bind(cast.alice, repository)
    requests, _ = cost(lambda: sync_now(cast.alice, marketplace_id, worker))
    assert requests <= 3
    requests, size = cost(lambda: sync_now(cast.alice, marketplace_id, worker))
    assert (requests, size <= 512) == (1, True)
    repository.commit({**SMALL, **many, "plugins/tools/skills/hello/references/7.md": "changed\n"})
    requests, size = cost(lambda: sync_now(cast.alice, marketplace_id, worker))
    assert requests <= 4
    assert size <= 64 * 1024


def test_an_unchanged_commit_is_told_as_such(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    marketplace_id = publish(cast.alice, new_repository(SMALL), worker)
    assert sync_now(cast.alice, marketplace_id, worker).state == "unchanged"


def test_a_redirect_that_only_adds_git_is_corrected(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    repository = new_repository(SMALL)
    repository.host.redirect_to_git_suffix = True
    try:
        marketplace_id = bind(cast.alice, repository)
        with within(cast.acme):
            own = Marketplace.objects.for_organization(cast.acme)
            own.filter(pk=marketplace_id).update(url=repository.url.removesuffix(".git"))
        assert sync_now(cast.alice, marketplace_id, worker).state == "succeeded"
        with within(cast.acme):
            assert own.get(pk=marketplace_id).url == repository.url
    finally:
        repository.host.redirect_to_git_suffix = False


# --- what a whole repository can be refused for: the run says why, and what was served stays -----------------------------

MANIFEST = ".claude-plugin/marketplace.json"
REFUSED: dict[str, tuple[Files, str]] = {
    "no marketplace.json": ({"README.md": "nothing"}, "marketplace_json_missing"),
    "invalid JSON": ({MANIFEST: '{"name": "x", '}, "marketplace_json_invalid"),
    "no list of plugins": ({MANIFEST: '{"name": "x", "plugins": {}}'}, "marketplace_json_invalid"),
    "a manifest too large": (
        {MANIFEST: json.dumps({"name": "x" * 2**20, "plugins": []})},
        "marketplace_json_too_large",
    ),
}


@pytest.mark.parametrize(("files", "code"), REFUSED.values(), ids=REFUSED)
def test_a_repository_without_a_usable_manifest_is_refused_with_a_reason(
    cast: Cast, new_repository: NewRepository, worker: Worker, files: Files, code: str
) -> None:
    repository = new_repository(SMALL)
    marketplace_id = publish(cast.alice, repository, worker)
    served = current_commit(cast.alice, marketplace_id)
    repository.commit(files)
    run = sync_now(cast.alice, marketplace_id, worker)
    assert (run.state, run.error_code) == ("failed", code)
    assert len(run.error_message) > 40, "says what to do"
    assert current_commit(cast.alice, marketplace_id) == served
    assert names(cast.bob) == ["hello", "secret"]


def test_a_repository_that_would_take_all_memory_is_refused_with_a_reason(
    cast: Cast, new_repository: NewRepository, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = new_repository(SMALL)
    marketplace_id = publish(cast.alice, repository, worker)
    served = current_commit(cast.alice, marketplace_id)
    git("config", "uploadpack.allowFilter", "false", folder=repository.folder)
    smaller = [part.replace("ulimit -v 524288", "ulimit -v 65536") for part in program._LIMITED]
    assert smaller != program._LIMITED
    monkeypatch.setattr(program, "_LIMITED", smaller)
    bomb = write_delta_bomb(repository.folder, 40 * 2**20)
    git("update-ref", "refs/heads/main", bomb, folder=repository.folder)
    run = sync_now(cast.alice, marketplace_id, worker)
    assert (run.state, run.error_code) == ("failed", "repository_too_large")
    assert "Move large files" in run.error_message
    assert current_commit(cast.alice, marketplace_id) == served
    assert names(cast.bob) == ["hello", "secret"]


def test_a_wrong_token_is_refused_with_what_to_do(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    repository = new_repository(SMALL)
    run = sync_now(cast.alice, bind(cast.alice, repository, credential=Credential("wrong")), worker)
    assert (run.state, run.error_code) == ("failed", "credential_refused")
    assert "token" in run.error_message


def test_an_unreachable_host_fails_the_run_only(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    repository = new_repository(SMALL)
    marketplace_id = publish(cast.alice, repository, worker)
    with within(cast.acme):
        own = Marketplace.objects.for_organization(cast.acme).filter(pk=marketplace_id)
        own.update(url="https://127.0.0.1/acme/skills.git")  # nothing the operator has allowed
    run = sync_now(cast.alice, marketplace_id, worker)
    assert (run.state, run.error_code) == ("failed", "host_unreachable")
    assert names(cast.bob) == ["hello", "secret"]


def test_an_empty_repository_and_a_missing_branch_are_told_apart(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    empty = sync_now(cast.alice, bind(cast.alice, new_repository({}), "empty"), worker)
    other = sync_now(cast.alice, bind(cast.alice, new_repository(SMALL), "other", branch="release"), worker)
    assert (empty.error_code, other.error_code) == ("repository_empty", "branch_not_found")


# --- what only a part is refused for: a finding with its path, and the rest is served -------------------------------------

GOOD = plugin("good", fine=skill("fine"))
PARTLY: dict[str, tuple[Files, str, str]] = {
    "invalid YAML": (
        {MANIFEST: marketplace("good", "bad"), **GOOD, **plugin("bad", broken="---\nname: [\n---\n")},
        "frontmatter_invalid", "plugins/bad/skills/broken/SKILL.md",
    ),
    "path traversal in source": (
        {MANIFEST: marketplace("good", {"name": "bad", "source": "./../../etc"}), **GOOD}, "source_refused", MANIFEST,
    ),
    "an absolute source": (
        {MANIFEST: marketplace("good", {"name": "bad", "source": "/etc"}), **GOOD}, "source_refused", MANIFEST,
    ),
    "a hostile file name": (
        {MANIFEST: marketplace("good", "bad"), **GOOD, **plugin("bad", evil=skill("evil")),
         "plugins/bad/skills/evil/..\\..\\x": "x"},
        "name_refused", "plugins/bad/skills/evil/",
    ),
    "a 10 MB SKILL.md": (
        {MANIFEST: marketplace("good", "bad"), **GOOD, **plugin("bad", huge=skill("huge", body="x" * 10_000_000))},
        "file_too_large", "plugins/bad/skills/huge/SKILL.md",
    ),
    "a link that leaves the plugin": (
        {MANIFEST: marketplace("good", "bad"), **GOOD, **plugin("bad", linked=skill("linked")),
         "plugins/bad/skills/linked/passwd": Link("../../../../../../etc/passwd")},
        "link_leaves_plugin", "plugins/bad/skills/linked/passwd",
    ),
    "a plugin in another repository": (
        {MANIFEST: marketplace("good", {"name": "bad", "source": {"source": "github", "repo": "a/b"}}), **GOOD},
        "external_host_not_allowed", MANIFEST,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("files", "code", "path"), PARTLY.values(), ids=PARTLY)
def test_what_is_refused_is_a_finding_and_the_rest_is_served(
    cast: Cast, new_repository: NewRepository, worker: Worker, files: Files, code: str, path: str
) -> None:
    run = sync_now(cast.alice, bind(cast.alice, new_repository(files)), worker)
    assert run.state == "succeeded", run.error_message
    assert names(cast.bob) == ["fine"]
    found = findings_of(cast.alice, run)
    assert code in found, found
    assert found[code].startswith(path)


# --- versions and listings -----------------------------------------------------------------------------------------------


def versions(who: Principal) -> dict[str, str]:
    return {one.name: one.version for one in catalog.list_skills(principal=who).skills}


def test_changed_content_under_an_unchanged_version_gets_a_version_of_its_own(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    repository = new_repository(SMALL)
    marketplace_id = publish(cast.alice, repository, worker)
    assert versions(cast.bob) == {"hello": "1.2.0", "secret": "1.2.0"}

    repository.commit({**SMALL, "plugins/tools/skills/hello/notes.md": "new\n"})
    sync_now(cast.alice, marketplace_id, worker)
    changed = versions(cast.bob)
    assert changed["hello"].startswith("1.2.0+")
    assert changed["secret"] == "1.2.0"

    repository.commit(SMALL, "Take it back")
    sync_now(cast.alice, marketplace_id, worker)
    assert versions(cast.bob) == {"hello": "1.2.0", "secret": "1.2.0"}, "equal content keeps its own version"


def test_an_import_writes_what_changed_and_not_what_is_there(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    skills = {f"skill-{n:02}": skill(f"skill-{n:02}") for n in range(40)}
    files: dict[str, Any] = {MANIFEST: marketplace("many")}
    files |= {f"plugins/many/skills/{name}/SKILL.md": text for name, text in skills.items()}
    repository = new_repository(files)
    marketplace_id = publish(cast.alice, repository, worker)

    def listings() -> int:
        with within(cast.acme):
            return SkillListing.objects.for_organization(cast.acme).count()

    assert listings() == 40
    repository.commit({**files, "plugins/many/skills/skill-07/SKILL.md": skill("skill-07", "Changed.")})
    sync_now(cast.alice, marketplace_id, worker)
    assert listings() == 41
    assert len(names(cast.bob)) == 40


def test_a_withdrawn_skill_is_gone_and_comes_back_as_the_same_one(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    repository = new_repository(SMALL)
    marketplace_id = publish(cast.alice, repository, worker)
    before = catalog.find_skill(principal=cast.bob, name="secret").skill_id
    repository.commit({path: content for path, content in SMALL.items() if "/secret/" not in path})
    sync_now(cast.alice, marketplace_id, worker)
    assert names(cast.bob) == ["hello"]
    repository.commit(SMALL)
    sync_now(cast.alice, marketplace_id, worker)
    assert catalog.find_skill(principal=cast.bob, name="secret").skill_id == before


def test_a_finished_run_keeps_what_it_did(cast: Cast, new_repository: NewRepository, worker: Worker) -> None:
    repository = new_repository(SMALL)
    marketplace_id = bind(cast.alice, repository)
    run = sync_now(cast.alice, marketplace_id, worker)
    with within(cast.acme):
        kept = SyncRun.objects.for_organization(cast.acme).select_related("snapshot").get(pk=run.pk)
        assert kept.snapshot is not None
        assert (kept.snapshot.number, kept.snapshot.skill_count, kept.snapshot.author) == (1, 2, "Alice Ng")
        assert kept.commit == kept.snapshot.commit


@pytest.mark.parametrize("fault", [psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected])
def test_a_lock_of_somebody_elses_ends_no_import(
    cast: Cast, new_repository: NewRepository, worker: Worker, monkeypatch: pytest.MonkeyPatch, fault: type[Exception]
) -> None:  # fmt: skip
    execute, times = bulk.execute, count(1)

    def locked_at_first(statement: str, parameters: Any) -> Any:
        if "marketplaces_blob" in statement and next(times) in {1, 2, 5}:
            raise OperationalError("locked") from fault()
        return execute(statement, parameters)

    monkeypatch.setattr(bulk, "execute", locked_at_first)
    run = sync_now(cast.alice, bind(cast.alice, new_repository(SMALL)), worker)
    assert (run.state, next(times) > 5) == ("succeeded", True)
