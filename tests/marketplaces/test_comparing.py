"""What changed between two snapshots, file by file: as a service, as a page and over REST."""

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client
from django.utils import timezone

from marketplaces.models import ReleaseFile
from marketplaces.services import comparing, snapshots
from marketplaces.services.comparing import Comparison, FileChange, compare_snapshots
from marketplaces.services.worker import Worker
from skillport.errors import NotFound
from skillport.permissions import NotAllowed
from skillport.principal import Door, Principal
from skillport.scoping import within
from tests.cast import Cast, key_of
from tests.publishing import publish, sync_now
from tests.repositories import SMALL, Files, NewRepository, marketplace, plugin, skill
from tests.signing_in import browser_of

HELLO = "plugins/tools/skills/hello"
CHANGED: Files = {
    **{path: content for path, content in SMALL.items() if "skills/secret" not in path},
    f"{HELLO}/SKILL.md": skill("hello", "Greets people.", "Do it <b>well</b>.\n"),
    f"{HELLO}/scripts/greet.sh": b"#!/bin/sh\necho hello\n",
    f"{HELLO}/assets/dot.png": b"\x89PNG\r\n\x1a\n\x00\x00another binary",
    f"{HELLO}/references/new.md": "Trojan \u202e source\n",
    "plugins/tools/README.md": "Of the plugin itself.\n",
    "plugins/tools/skills/brand-new/SKILL.md": skill("brand-new"),
}


@pytest.fixture
def two(cast: Cast, new_repository: NewRepository, worker: Worker) -> UUID:
    """A marketplace with two snapshots."""
    repository = new_repository(SMALL)
    marketplace_id = publish(cast.alice, repository, worker)
    repository.commit(CHANGED, message="Say more")
    assert sync_now(cast.alice, marketplace_id, worker).state == "succeeded"
    return marketplace_id


def compared(
    cast: Cast, marketplace_id: UUID, older: int = 1, newer: int = 2, plugin: str = ""
) -> Comparison:
    return compare_snapshots(
        principal=cast.alice, marketplace_id=marketplace_id, older=older, newer=newer, plugin=plugin
    )


def files_of(found: Comparison, name: str) -> dict[str, FileChange]:
    return {file.path: file for thing in found.things if thing.name == name for file in thing.files}


def test_snapshots_are_listed_the_newest_first(cast: Cast, two: UUID) -> None:
    found = snapshots.list_snapshots(principal=cast.alice, marketplace_id=two)
    assert [(one.number, one.subject, one.skills, one.is_served, one.before) for one in found] == [
        (2, "Say more", 2, True, 1), (1, "A change", 2, False, None)
    ]  # fmt: skip
    older = snapshots.list_snapshots(principal=cast.alice, marketplace_id=two, before=2)
    assert [one.number for one in older] == [1]


def test_each_file_is_shown_once_with_the_plugin_or_skill_that_it_belongs_to(cast: Cast, two: UUID) -> None:
    found = compared(cast, two)
    assert [(one.what, one.name, [file.path for file in one.files]) for one in found.things] == [
        ("changed", "tools", ["README.md"]),
        ("added", "tools/brand-new", ["SKILL.md"]),
        ("changed", "tools/hello", ["SKILL.md", "assets/dot.png", "references/new.md", "scripts/greet.sh"]),
        ("removed", "tools/secret", ["SKILL.md"]),
    ]
    assert found.words == "1 skill added, 1 skill changed, 1 skill removed, 1 plugin changed"


def test_a_file_is_told_by_its_lines_its_mode_and_its_bytes(cast: Cast, two: UUID) -> None:
    files = files_of(compared(cast, two), "tools/hello")
    text, binary = files["SKILL.md"], files["assets/dot.png"]
    assert [(line.kind, line.text) for line in text.lines][-2:] == [
        ("-", "Do it."),
        ("+", "Do it <b>well</b>."),
    ]
    assert (binary.shown, binary.lines) == ("binary", [])
    assert binary.before is not None
    assert binary.after is not None
    assert binary.after.size_bytes - binary.before.size_bytes == len("another ")
    assert binary.before.digest != binary.after.digest
    mode = files["scripts/greet.sh"]
    assert (mode.shown, mode.mode) == ("same", "no longer executable")
    assert files["references/new.md"].diff.unseen
    assert files["references/new.md"].lines[-1].text == "Trojan \\u202e source"


def test_the_way_back_is_the_same_turned_around(cast: Cast, two: UUID) -> None:
    back = compared(cast, two, older=2, newer=1)
    assert [(one.what, one.name) for one in back.things] == [
        ("changed", "tools"), ("removed", "tools/brand-new"), ("changed", "tools/hello"), ("added", "tools/secret"),
    ]  # fmt: skip
    assert files_of(back, "tools/hello")["scripts/greet.sh"].mode == "executable"
    assert compared(cast, two, older=1, newer=1).things == []


def test_what_came_back_as_it_was_is_no_change(
    cast: Cast, new_repository: NewRepository, worker: Worker, two: UUID
) -> None:
    with_both = {".claude-plugin/marketplace.json": marketplace("a"), **plugin("a", one=skill("one"))}
    repository = new_repository(with_both)
    marketplace_id = publish(cast.alice, repository, worker, slug="others")
    for files in ({**with_both, **plugin("a", two=skill("two"))}, with_both):
        repository.commit(files)
        sync_now(cast.alice, marketplace_id, worker)
    assert len(compared(cast, marketplace_id, 1, 2).things) == 2
    assert compared(cast, marketplace_id, 1, 3).things == []


def test_one_plugin_can_be_looked_at_alone(cast: Cast, two: UUID) -> None:
    assert len(compared(cast, two, plugin="tools").things) == 4
    assert compared(cast, two, plugin="another").things == []


def test_what_is_too_much_is_left_out_and_says_so(
    cast: Cast, two: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing, "MOST_LINES", 8)
    assert [one.shown for one in files_of(compared(cast, two), "tools/hello").values()][-2:] == [
        "too_large", "same"
    ]  # fmt: skip
    monkeypatch.setattr(comparing, "MOST_FILES", 3)
    found = compared(cast, two)
    assert [(len(one.files), one.files_left_out) for one in found.things] == [
        (1, False), (1, False), (1, True), (0, True)
    ]  # fmt: skip
    monkeypatch.setattr(comparing, "MOST_THINGS", 1)
    assert (len(compared(cast, two).things), compared(cast, two).left_out) == (1, 3)
    monkeypatch.setattr(comparing, "MOST_LISTED", 0)
    assert compared(cast, two).things[0].files_left_out


def test_a_release_whose_files_are_no_longer_kept_is_told_as_such(cast: Cast, two: UUID) -> None:
    with within(cast.acme):
        ReleaseFile.objects.for_organization(cast.acme).filter(path="references/new.md").delete()
    hello = next(one for one in compared(cast, two).things if one.name == "tools/hello")
    assert (hello.files, hello.files_gone) == ([], True)


def test_only_who_manages_marketplaces_compares_and_only_what_is_theirs(cast: Cast, two: UUID) -> None:
    for who, marketplace_id, older, error in [
        (cast.bob, two, 1, NotAllowed), (cast.charlie, two, 1, NotFound), (cast.alice, uuid4(), 1, NotFound),
        (cast.alice, two, 7, NotFound), (cast.alice, two, 10**20, NotFound),
    ]:  # fmt: skip
        with pytest.raises(error):
            compare_snapshots(principal=who, marketplace_id=marketplace_id, older=older, newer=2)
    with pytest.raises(NotAllowed):
        snapshots.list_snapshots(principal=cast.bob, marketplace_id=two)
    with pytest.raises(NotFound):
        snapshots.list_snapshots(principal=cast.charlie, marketplace_id=two)


def test_the_pages_lead_from_a_sync_to_its_files(cast: Cast, two: UUID) -> None:
    alice = browser_of(replace(cast.alice, door=Door.PAGE, confirmed_at=timezone.now()))
    own = f"/acme/settings/marketplaces/{two}/"
    changes = f"{own}snapshots/1/to/2/"
    listed = alice.get(f"{own}snapshots/").content.decode()
    assert changes in listed
    assert "served now" in listed
    first = alice.get(own).content.decode().split("/syncs/")[1].partition("/")[0]
    assert changes in alice.get(f"{own}syncs/{first}/").content.decode()
    shown = alice.get(changes).content.decode()
    for told in (
        "Do it &lt;b&gt;well&lt;/b&gt;.",
        "Trojan \\u202e source",
        "no longer executable",
        "Not a text",
    ):
        assert told in shown
    assert "<b>well" not in shown
    assert "\u202e" not in shown
    assert alice.get(f"{own}snapshots/1/to/9/").status_code == 404
    assert alice.get(f"{own}snapshots/?before=junk").status_code == 200


def test_over_rest_there_is_the_same(cast: Cast, two: UUID) -> None:
    def get(address: str, who: Principal = cast.alice) -> dict[str, Any]:
        key = {"Authorization": f"Bearer {key_of(who)}"}
        answer = Client(headers=key).get(f"/acme/api/v1/marketplaces/{two}/{address}")
        return {"status": answer.status_code, **answer.json()}

    listed = get("snapshots?before=2")["snapshots"]
    assert [one["number"] for one in listed] == [1]
    found = get("snapshots/1/to/2?plugin=tools")
    hello = next(one for one in found["things"] if one["name"] == "tools/hello")
    assert hello["files"][0]["lines"][-1] == {"kind": "+", "text": "Do it <b>well</b>."}
    assert [file["after"]["executable"] for file in hello["files"] if file["path"].endswith(".sh")] == [False]
    assert get("snapshots/1/to/2", cast.bob)["status"] == 403
    assert get("snapshots/1/to/9")["status"] == 404
    (newest, _) = get("syncs")["syncs"]
    assert (newest["snapshot_before"], newest["snapshot"], newest["changes"]["skills"]["added"]) == (1, 2, 1)
    assert newest["requests"] == 3
