"""The catalog as a principal sees it: names, pages, searching."""

import pytest

from marketplaces.services import catalog
from marketplaces.services.catalog import AmbiguousName, BadCursor, SkillNotFound
from marketplaces.services.worker import Worker
from tests.cast import Cast
from tests.publishing import hide, publish
from tests.repositories import Files, NewRepository, marketplace, plugin, skill

MANIFEST = ".claude-plugin/marketplace.json"


def test_a_short_name_that_several_skills_have_lists_those_that_one_may_see(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    files: Files = {
        MANIFEST: marketplace("one", "two", "three"),
        **plugin("one", same=skill("same")), **plugin("two", same=skill("same")), **plugin("three", other=skill("other")),
    }  # fmt: skip
    publish(cast.alice, new_repository(files), worker, "main")
    with pytest.raises(AmbiguousName, match=r"main/one/same, main/two/same"):
        catalog.find_skill(principal=cast.bob, name="same")
    assert catalog.find_skill(principal=cast.bob, name="two/same").plugin == "two"
    assert catalog.find_skill(principal=cast.bob, name="main/one/same").plugin == "one"
    assert catalog.find_skill(principal=cast.bob, name="other").full_name == "main/three/other"


def test_an_ambiguous_name_does_not_tell_of_what_is_hidden(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    files: Files = {MANIFEST: marketplace("one"), **plugin("one", same=skill("same"))}
    publish(cast.alice, new_repository(files), worker, "main")
    hide(cast.alice, "same", cast.bob)
    publish(cast.alice, new_repository(files), worker, "second")
    assert catalog.find_skill(principal=cast.bob, name="same").marketplace == "second"


@pytest.mark.parametrize(
    "name", ["nothing", "one/nothing", "x/one/same", "a/b/c/d", "", "/", "same/", "'; --", "%"]
)
def test_a_name_that_means_nothing_is_not_found(
    cast: Cast, new_repository: NewRepository, worker: Worker, name: str
) -> None:
    publish(
        cast.alice,
        new_repository({MANIFEST: marketplace("one"), **plugin("one", same=skill("same"))}),
        worker,
    )
    with pytest.raises(SkillNotFound):
        catalog.find_skill(principal=cast.bob, name=name)


def test_pages_follow_each_other_without_gap_or_repetition(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    files: dict[str, object] = {MANIFEST: marketplace("one", "two")}
    for number in range(23):
        for name in ("one", "two"):
            files[f"plugins/{name}/skills/s-{number:02}/SKILL.md"] = skill(f"s-{number:02}")
    publish(cast.alice, new_repository(files), worker)  # type: ignore[arg-type]
    seen: list[tuple[str, str]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = catalog.list_skills(principal=cast.bob, cursor=cursor, limit=10)
        seen += [(one.name, one.plugin) for one in page.skills]
        cursor = page.next_cursor
    assert len(seen) == len(set(seen)) == 46
    assert [name for name, _ in seen] == sorted(name for name, _ in seen)


@pytest.mark.parametrize("cursor", ["x", "1", "١.a", "99999999999999999999.a", "-1.a", ".a"])
def test_a_cursor_that_was_not_given_is_refused(cast: Cast, cursor: str) -> None:
    with pytest.raises(BadCursor):
        catalog.list_skills(principal=cast.bob, cursor=cursor)


def test_searching_finds_every_word_in_name_or_description(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    files: Files = {
        MANIFEST: marketplace("one"),
        **plugin("one", csv=skill("csv", "Profile a TABLE."), pdf=skill("pdf", "Read a 100% document.")),
    }
    publish(cast.alice, new_repository(files), worker)

    def found(query: str) -> list[str]:
        return [one.name for one in catalog.list_skills(principal=cast.bob, query=query).skills]

    assert found("table") == ["csv"]
    assert found("CSV profile") == ["csv"]
    assert found("csv document") == []
    assert found("100%") == ["pdf"], "a percent sign is only a character"
    assert found("  ") == ["csv", "pdf"]
