"""What has become of installed skills, over REST and as a tool."""

import json
from typing import Any
from uuid import UUID

import httpx2
import pytest

from marketplaces.services import changing
from marketplaces.services.worker import Worker
from tests.cast import Cast, key_of, make_cast
from tests.connector.rest import call
from tests.connector.test_mcp import call as call_tool
from tests.publishing import hide, publish, sync_now
from tests.repositories import Files, NewRepository, Repository, marketplace, skill

LISTED: list[dict[str, Any]] = [
    {"name": "tools", "source": "./plugins/tools"},
    {"name": "extra", "source": "./plugins/extra"},
]
FILES: Files = {
    ".claude-plugin/marketplace.json": marketplace(*LISTED),
    "plugins/tools/skills/hello/SKILL.md": skill("hello", "Says hello."),
    "plugins/tools/skills/gone/SKILL.md": skill("gone", "Will go."),
    "plugins/tools/skills/secret/SKILL.md": skill("secret", "Nobody's business."),
    "plugins/extra/skills/twice/SKILL.md": skill("twice", "In one plugin."),
    "plugins/tools/skills/twice/SKILL.md": skill("twice", "In another plugin."),
}


class Shop:
    """A repository that changes, and a member who asks what became of what he has."""

    def __init__(self, http: httpx2.Client, cast: Cast, repository: Repository, worker: Worker) -> None:
        self.http, self.cast, self.repository, self.worker = http, cast, repository, worker
        self.key = key_of(cast.bob)
        self.marketplace_id: UUID = publish(cast.alice, repository, worker)

    def become(self, files: Files) -> None:
        self.repository.commit(files)
        assert sync_now(self.cast.alice, self.marketplace_id, self.worker).state == "succeeded"

    def listed(self, name: str, key: str = "") -> dict[str, Any]:
        answer = call(self.http, key or self.key, "GET", f"skills/{name}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()["skill"]
        return found

    def check(self, *installed: dict[str, str], key: str = "", slug: str = "acme") -> list[dict[str, Any]]:
        answer = call(
            self.http, key or self.key, "POST", "check-updates", {"installed": installed}, slug=slug
        )
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["skills"]
        return found

    def states(self, *names: str) -> list[str]:
        return [one["state"] for one in self.check(*({"name": name, "version": "0.9"} for name in names))]


@pytest.fixture
def shop(http: httpx2.Client, new_repository: NewRepository, worker: Worker) -> Shop:
    return Shop(http, make_cast(), new_repository(FILES), worker)


def test_what_is_installed_is_current_until_its_files_change(shop: Shop) -> None:
    before = shop.listed("hello")
    by_digest, by_version = (
        {"name": "hello", "digest": before["digest"]},
        {"name": "hello", "version": before["version"]},
    )
    assert [one["state"] for one in shop.check(by_digest, by_version)] == ["current", "current"]
    shop.become({**FILES, "plugins/tools/skills/hello/SKILL.md": skill("hello", "Says hello, louder.")})
    now = shop.listed("hello")
    told = shop.check(by_digest, by_version, {"name": "tools/hello"}, {"name": "shop/tools/hello"}, {"name": "skills/tools/hello"})  # fmt: skip
    assert [one["state"] for one in told] == ["newer", "newer", "newer", "unknown", "newer"]
    assert told[0]["skill"] == now
    assert told[0]["name"] == "hello"


def test_what_is_gone_is_withdrawn_and_what_never_was_unknown(shop: Shop) -> None:
    shop.become({path: text for path, text in FILES.items() if "gone" not in path})
    assert shop.states("gone", "skills/tools/gone", "extra/gone", "never", "a/b/c/gone") == [
        "withdrawn", "withdrawn", "unknown", "unknown", "unknown",
    ]  # fmt: skip


def test_a_renamed_plugin_and_a_renamed_skill_are_found_again(shop: Shop) -> None:
    moved = {path.replace("plugins/tools", "plugins/kit"): text for path, text in FILES.items()}
    moved["plugins/kit/skills/bye/SKILL.md"] = moved.pop("plugins/kit/skills/gone/SKILL.md")
    renamed = [{"name": "kit", "source": "./plugins/kit"}, LISTED[1]]
    listing = {**json.loads(marketplace(*renamed)), "renames": {"tools": "kit"}}
    shop.become({**moved, ".claude-plugin/marketplace.json": json.dumps(listing)})
    told = shop.check({"name": "tools/hello"}, {"name": "hello", "version": "0.9"}, {"name": "tools/secret"})
    assert [(one["state"], one["skill"]["plugin"]) for one in told] == [
        ("renamed", "kit"), ("newer", "kit"), ("renamed", "kit"),
    ]  # fmt: skip


def test_a_skill_whose_files_are_served_under_another_name_is_renamed(shop: Shop) -> None:
    moved = {
        path.replace("plugins/tools/skills/gone/", "plugins/extra/skills/gone/"): text
        for path, text in FILES.items()
    }
    shop.become(moved)
    (told,) = shop.check({"name": "tools/gone"})
    assert (told["state"], told["skill"]["plugin"]) == ("renamed", "extra")


def test_a_name_that_several_have_is_told_apart_by_the_digest_only(shop: Shop) -> None:
    digest = shop.listed("extra/twice")["digest"]
    by_name, by_digest = shop.check({"name": "twice", "version": "0.9"}, {"name": "twice", "digest": digest})
    assert (by_name["state"], by_name["candidates"]) == (
        "ambiguous",
        ["skills/extra/twice", "skills/tools/twice"],
    )
    assert (by_digest["state"], by_digest["skill"]["plugin"]) == ("current", "extra")


def test_files_that_the_one_skill_of_a_short_name_never_had_may_be_anothers(shop: Shop) -> None:
    hello, others = shop.listed("hello")["digest"], shop.listed("extra/twice")["digest"]
    shop.become({**FILES, "plugins/tools/skills/hello/SKILL.md": skill("hello", "Says hello, louder.")})
    mine, theirs, full, nonsense = shop.check(
        {"name": "hello", "digest": hello},
        {"name": "hello", "digest": others},
        {"name": "tools/hello", "digest": others},
        {"name": "hello", "digest": "sha256:none"},
    )
    assert [one["state"] for one in (mine, theirs, full, nonsense)] == [
        "newer",
        "ambiguous",
        "newer",
        "ambiguous",
    ]
    assert theirs["candidates"] == ["skills/tools/hello"]


def test_nobody_inherits_a_name_that_several_had(shop: Shop) -> None:
    moved = {path.replace("tools/skills/twice/", "tools/skills/once/"): text for path, text in FILES.items()}
    shop.become({path: text for path, text in moved.items() if "extra/skills" not in path})
    short, full = shop.check({"name": "twice"}, {"name": "tools/twice"})
    assert (short["state"], full["state"], full["skill"]["name"]) == ("withdrawn", "renamed", "once")


def test_what_the_rules_hide_is_as_unknown_as_what_never_was(shop: Shop) -> None:
    digest = shop.listed("secret")["digest"]
    hide(shop.cast.alice, "secret", shop.cast.bob)
    asked = {"name": "secret", "digest": digest}
    never = {"name": "secreu", "digest": digest}
    hidden, unknown = shop.check(asked, never)
    assert {**hidden, "name": ""} == {**unknown, "name": ""}
    assert unknown["state"] == "unknown"
    shop.become({path: text for path, text in FILES.items() if "secret" not in path})
    assert shop.check(asked) == [hidden], "gone, it is no less hidden"
    (theirs,) = shop.check(asked, key=key_of(shop.cast.alice))
    assert theirs["state"] == "withdrawn"
    (strangers,) = shop.check(asked, key=key_of(shop.cast.charlie), slug="globex")
    assert strangers == hidden


def test_nothing_of_a_closing_marketplace_is_served_any_more(shop: Shop) -> None:
    changing.delete_marketplace(
        principal=shop.cast.alice, marketplace_id=shop.marketplace_id, confirmation="skills"
    )
    assert shop.states("hello", "twice", "never") == ["withdrawn", "withdrawn", "unknown"]


def test_the_tool_says_what_to_do_and_nothing_of_what_is_current(shop: Shop) -> None:
    digest = shop.listed("hello")["digest"]
    shop.become({path: text for path, text in FILES.items() if "gone" not in path})
    current = {"name": "hello", "digest": digest}
    told = call_tool(shop.http, shop.key, "check_updates", installed=[current])
    assert told["content"][0]["text"] == "All are up to date."
    assert told["structuredContent"]["skills"][0]["now"] == "skills/tools/hello"
    installed = [
        current,
        {"name": "gone"},
        {"name": "twice"},
        {"name": "secret", "version": "0.9"},
        {"name": "x"},
    ]
    told = call_tool(shop.http, shop.key, "check_updates", installed=installed)
    assert told["content"][0]["text"].splitlines() == [
        "gone: no longer published. Tell the person, and remove it if they agree.",
        "twice: ask again with one of skills/extra/twice, skills/tools/twice.",
        f"secret: {shop.listed('secret')['version']} is there. Install skills/tools/secret again.",
        "x: not from here, or not this person's to use. Leave it as it is.",
    ]
    assert [one["state"] for one in told["structuredContent"]["skills"]] == [
        "current", "withdrawn", "ambiguous", "newer", "unknown",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "installed", [[], [{"name": ""}], [{"version": "1"}], "hello", [{"name": "x"}] * 201]
)
def test_what_is_no_list_of_installed_skills_is_refused(shop: Shop, installed: Any) -> None:
    answer = call(shop.http, shop.key, "POST", "check-updates", {"installed": installed})
    assert answer.status_code == 400
    assert "installed" in answer.text
    told = call_tool(shop.http, shop.key, "check_updates", installed=installed)
    assert told["isError"]
