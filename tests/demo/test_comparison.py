"""What `demo --once` accepts as an explanation when something of a repository is not served."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from marketplaces.models import SyncFinding
from marketplaces.services import catalog
from marketplaces.services.worker import Worker
from skillport.demo.comparison import Counts, Differs, explain_counts, folder_of
from skillport.demo.comparison import Repository as Clone
from skillport.scoping import within
from tests.cast import Cast
from tests.publishing import publish
from tests.repositories import Files, Link, NewRepository, marketplace, plugin, skill

Explain = Callable[[Files, tuple[str, str] | None], Counts]
ELSEWHERE: dict[str, Any] = {"name": "elsewhere", "source": {"source": "github", "repo": "x/y"}}
ALL_OF_IT = {"name": "all", "source": "./", "strict": False, "skills": ["./report", "./linked"]}


@pytest.fixture
def explain(cast: Cast, new_repository: NewRepository, worker: Worker, tmp_path: Path) -> Explain:
    """Give a function that publishes files, forgets the findings of one code and path, and compares."""

    def explain(files: Files, forgotten: tuple[str, str] | None = None) -> Counts:
        repository = new_repository(files)
        publish(cast.alice, repository, worker)
        if forgotten is not None:
            code, path = forgotten
            with within(cast.acme):
                findings = SyncFinding.objects.for_organization(cast.acme)
                assert findings.filter(code=code, path=path).delete()[0] == 1
        return explain_counts("acme", Clone.clone(repository.url, repository.token, tmp_path / "clone"))

    return explain


MANIFEST = ".claude-plugin/marketplace.json"
FILES: Files = {
    MANIFEST: marketplace("tools", ELSEWHERE),
    **plugin("tools", good=skill("good"), broken="---\nname: [\n---\n", broken_too=skill("broken-too")),
    "plugins/tools/skills/broken-too/lost": Link("nowhere"),
    "template/SKILL.md": skill("template"),
}
ROOTED: Files = {
    MANIFEST: marketplace(ALL_OF_IT),
    "report/SKILL.md": skill("report"),
    "report/lost": Link("nowhere"),
    "report-of-old/SKILL.md": skill("report-of-old"),
    "linked": Link("kept/real"),
    "kept/real/SKILL.md": skill("real"),
}


def test_everything_that_is_missing_has_a_finding_of_its_own(explain: Explain) -> None:
    counts = explain(FILES, None)
    assert (counts.plugins, counts.plugins_served, counts.skills, counts.skills_served) == (2, 1, 4, 1)


def test_a_skill_behind_a_link_is_served_and_needs_no_explanation(explain: Explain) -> None:
    counts = explain(ROOTED, None)
    assert (counts.skills, counts.skills_served) == (3, 1)


def test_a_skill_behind_a_link_is_compared_with_what_lies_there(
    new_repository: NewRepository, tmp_path: Path
) -> None:
    repository = new_repository(ROOTED)
    clone = Clone.clone(repository.url, repository.token, tmp_path / "clone")
    assert clone.below("linked") == clone.below("kept/real") == {"SKILL.md": (0o644, skill("real").encode())}


def test_a_plugin_is_not_explained_by_findings_about_other_things(explain: Explain) -> None:
    with pytest.raises(Differs, match=r"no finding says why: the plugin “elsewhere”$"):
        explain(FILES, ("external_host_not_allowed", MANIFEST))


@pytest.mark.parametrize(
    ("forgotten", "missing"),
    [
        (("skill_not_listed", "template/SKILL.md"), "template/SKILL.md"),
        (
            ("frontmatter_invalid", "plugins/tools/skills/broken/SKILL.md"),
            "plugins/tools/skills/broken/SKILL.md",
        ),
        (("skill_refused", "plugins/tools/skills/broken-too"), "plugins/tools/skills/broken-too/SKILL.md"),
    ],
)
def test_a_skill_is_not_explained_by_findings_about_others(
    explain: Explain, forgotten: tuple[str, str], missing: str
) -> None:
    with pytest.raises(Differs, match=rf"no finding says why: {missing}$"):
        explain(FILES, forgotten)


def test_a_folder_whose_name_only_begins_the_same_explains_nothing(explain: Explain) -> None:
    with pytest.raises(Differs, match=r"no finding says why: report-of-old/SKILL.md$"):
        explain(ROOTED, ("skill_not_listed", "report-of-old/SKILL.md"))


def test_a_second_entry_of_one_name_needs_its_finding_too(explain: Explain) -> None:
    files = {**FILES, MANIFEST: marketplace("tools", ELSEWHERE, "tools")}
    with pytest.raises(Differs, match=r"no finding says why: the plugin “tools”$"):
        explain(files, ("plugin_name_taken", MANIFEST))


def test_the_skills_of_a_plugin_that_is_not_served_are_explained_with_it(explain: Explain) -> None:
    files = {**FILES, **plugin("lost", one=skill("one")), MANIFEST: marketplace("tools", "lost")}
    files["plugins/lost/.claude-plugin/plugin.json"] = json.dumps({"name": 7, "skills": 7}) + "}"
    counts = explain(files, None)
    assert (counts.plugins, counts.plugins_served, counts.skills_served) == (2, 1, 1)


def test_a_skill_is_found_in_the_folder_that_git_has_it_in(explain: Explain, cast: Cast) -> None:
    explain(ROOTED, None)
    shown = {one.name: one for one in catalog.list_skills(principal=cast.bob).skills}
    told = {
        name: {"name": name, "plugin": one.plugin, "marketplace": one.marketplace}
        for name, one in shown.items()
    }
    assert {name: folder_of("acme", skill) for name, skill in told.items()} == {"linked": "linked"}
