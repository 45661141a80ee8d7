"""Sources in other repositories: how they are written, and that their plugins are planned like others."""

import pytest

from marketplaces.manifest.catalog import read_catalog
from marketplaces.manifest.external import External, Mirror, MirrorState
from marketplaces.manifest.limits import DEFAULT
from marketplaces.manifest.repository import Repository
from tests.marketplaces.manifest.builder import (
    codes,
    entry,
    marketplace,
    only_plugin,
    paths,
    repository_of,
    skill_md,
    skills,
    the,
)

SHA = "0123456789abcdef0123456789abcdef01234567"
FAR = {
    "README.md": "x", "skills/reach/SKILL.md": skill_md(), "plugins/inner/skills/deep/SKILL.md": skill_md(),
    "other/SKILL.md": skill_md(),
}  # fmt: skip


def catalog_with(mirror, *entries, own=None):
    """Read a catalog for which every external source has this mirror; gives it with what was asked for."""
    asked = []

    def find(plugin, external):
        asked.append((plugin, external))
        return mirror

    listing, read = repository_of({".claude-plugin/marketplace.json": marketplace(*entries), **(own or {})})
    return read_catalog(listing, read, DEFAULT, find_mirror=find), asked


def ready(files=FAR):
    return Mirror(MirrorState.READY, Repository(*repository_of(files)))


@pytest.mark.parametrize(
    ("source", "meant"),
    [
        (
            {"source": "url", "url": "https://git.example/a/b.git"},
            ("https://git.example/a/b.git", "", "", ""),
        ),
        ({"source": "url", "url": "https://Git.Example:443/a/b/"}, ("https://git.example/a/b", "", "", "")),
        (
            {"source": "url", "url": "https://github.com/a/b", "ref": "v1"},
            ("https://github.com/a/b.git", "v1", "", ""),
        ),
        (
            {"source": "url", "url": "https://x.example/b", "ref": "main", "sha": SHA.upper()},
            ("https://x.example/b", "", SHA, ""),
        ),
        ({"source": "url", "url": "https://x.example/b", "ref": SHA}, ("https://x.example/b", "", SHA, "")),
        (
            {"source": "github", "repo": "a/b", "ref": "refs/tags/v1"},
            ("https://github.com/a/b.git", "v1", "", ""),
        ),
        (
            {"source": "git-subdir", "url": "https://gitlab.com/a/b/c", "path": "./plugins/inner/"},
            ("https://gitlab.com/a/b/c.git", "", "", "plugins/inner"),
        ),
        (
            {"source": "git-subdir", "url": "a/b", "path": "p", "sha": SHA},
            ("https://github.com/a/b.git", "", SHA, "p"),
        ),
    ],
)
def test_a_source_elsewhere_has_one_spelling(source, meant):
    _, asked = catalog_with(Mirror(MirrorState.WAITING), entry(source=source))
    assert asked == [("tools", External(*meant))]


@pytest.mark.parametrize(
    "source",
    [
        {"source": "url"}, {"source": "url", "url": 7}, {"source": "url", "url": "git@github.com:a/b.git"},
        {"source": "url", "url": "https://user:secret@x.example/b"}, {"source": "url", "url": "https://x.example"},
        {"source": "url", "url": "https://x.example/b?token=secret"}, {"source": "url", "url": "file:///secret"},
        {"source": "url", "url": "https://x.example/b", "sha": "abc"}, {"source": "github", "repo": "../x"},
        {"source": "url", "url": "https://x.example/b", "ref": "a\nb"}, {"source": "github"},
        {"source": "url", "url": "https://x.example/b", "ref": "a..b"}, {"source": "github", "repo": "a/b/c"},
        {"source": "git-subdir", "url": "https://x.example/b"}, {"source": "url", "url": "https://x.example/\u00e4"},
        {"source": "git-subdir", "url": "https://x.example/b", "path": "../up"},
    ],
)  # fmt: skip
def test_what_names_no_repository_is_refused_without_repeating_it(source):
    catalog, asked = catalog_with(ready(), entry(source=source))
    assert (catalog.plugins, asked) == ((), [])
    finding = the(catalog, "external_source_refused")
    assert "secret" not in finding.reason + finding.remedy


def test_a_plugin_of_a_mirror_is_planned_as_if_it_were_here():
    catalog, _ = catalog_with(ready(), entry(source={"source": "url", "url": "https://x.example/b"}))
    assert paths(only_plugin(catalog)) == sorted(FAR)
    assert list(skills(catalog)) == ["reach"]
    assert codes(catalog) == [], "what else the other repository holds is not ours to complain of"


def test_a_folder_of_a_mirror_and_a_list_of_skills_count_as_they_do_here():
    subdir = {"source": "git-subdir", "url": "https://x.example/b", "path": "plugins/inner"}
    whole = {"source": "url", "url": "https://x.example/b"}
    catalog, _ = catalog_with(
        ready(), entry("one", subdir), entry("two", whole, strict=False, skills=["./other"])
    )
    assert [(plugin.name, plugin.root, len(plugin.files)) for plugin in catalog.plugins] == [
        ("one", "plugins/inner", 1), ("two", "", 4)
    ]  # fmt: skip
    assert sorted(skills(catalog)) == ["deep", "other"]


def test_a_folder_that_the_mirror_lacks_is_said():
    subdir = {"source": "git-subdir", "url": "https://x.example/b", "path": "gone"}
    catalog, _ = catalog_with(ready(), entry(source=subdir))
    assert codes(catalog) == ["source_missing"]


def test_what_is_found_in_a_mirror_is_said_with_its_address():
    broken = {"skills/bad/SKILL.md": "---\ndescription: [\n---\n", ".claude-plugin/plugin.json": "{"}
    far = {"source": "url", "url": "https://x.example/b"}
    for strict, path in [(True, ".claude-plugin/plugin.json"), (False, "skills/bad/SKILL.md")]:
        catalog, _ = catalog_with(ready(broken), entry(source=far, strict=strict))
        assert f"https://x.example/b {path}" in {finding.path for finding in catalog.findings}


@pytest.mark.parametrize(
    ("state", "code", "severity"),
    [
        (MirrorState.WAITING, "external_waiting", "warning"),
        (MirrorState.FAILED, "external_failed", "error"),
        (MirrorState.HOST_NOT_ALLOWED, "external_host_not_allowed", "error"),
        (MirrorState.TOO_MANY, "external_too_many", "error"),
    ],
)
def test_a_plugin_without_a_mirror_is_absent_with_a_reason_and_a_remedy(state, code, severity):
    why = "Our own words. " * 30
    catalog, _ = catalog_with(
        Mirror(state, why=why), entry("far", {"source": "github", "repo": "a/b"}), entry("tools"),
        own={"tools/a.md": "x"},
    )  # fmt: skip
    assert [plugin.name for plugin in catalog.plugins] == ["tools"]
    finding = the(catalog, code)
    assert finding.severity == severity
    assert "“far”" in finding.reason
    assert finding.remedy == why, "whole, however long"


def test_an_earlier_mirror_is_served_with_a_warning():
    stale = Mirror(MirrorState.STALE, Repository(*repository_of(FAR)), "Because.")
    catalog, _ = catalog_with(stale, entry(source={"source": "github", "repo": "a/b"}))
    assert only_plugin(catalog).skills
    assert the(catalog, "external_stale").severity == "warning"


def test_nothing_slips_in_under_the_name_of_a_plugin_that_is_still_to_come():
    catalog, _ = catalog_with(
        Mirror(MirrorState.WAITING), entry("far", {"source": "github", "repo": "a/b"}), entry("Far"),
        own={"tools/a.md": "x"},
    )  # fmt: skip
    assert (catalog.plugins, codes(catalog)) == ((), ["external_waiting", "plugin_name_taken"])


def test_plugins_of_two_mirrors_with_the_same_folders_are_not_taken_for_each_other():
    mirrors = {"one": ready({"a.md": "1"}), "two": ready({"b.md": "2"})}
    listing, read = repository_of({
        ".claude-plugin/marketplace.json": marketplace(
            *(entry(name, {"source": "url", "url": f"https://x.example/{name}"}) for name in mirrors)
        )
    })  # fmt: skip
    catalog = read_catalog(listing, read, DEFAULT, find_mirror=lambda plugin, _: mirrors[plugin])
    assert [paths(plugin) for plugin in catalog.plugins] == [["a.md"], ["b.md"]]
