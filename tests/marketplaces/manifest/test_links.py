import time
from typing import Any

import pytest

from marketplaces.manifest.limits import Limits
from marketplaces.manifest.plan import PlannedFile
from tests.marketplaces.manifest.builder import (
    Content,
    Link,
    Program,
    Submodule,
    catalog_of,
    codes,
    entry,
    git_id_of,
    only_plugin,
    paths,
    skill_md,
    skills,
    the,
)  # fmt: skip


def served(links: dict[str, Any], **files: Content) -> tuple[list[str], list[str]]:
    """Give the paths that are served and the codes of what is said, for a plugin with these links and files."""
    contents = {f"tools/{path}": content for path, content in {**links, **files}.items()}
    catalog = catalog_of(contents)
    plugin = only_plugin(catalog)
    assert plugin.refused_files == len(catalog.findings)
    return paths(plugin), codes(catalog)


def test_a_link_to_a_file_is_that_file_in_another_place():
    catalog = catalog_of({"tools/bin/python": Program(b"#!"), "tools/shims/python3": Link("../bin/python")})
    assert only_plugin(catalog).files == (
        PlannedFile("bin/python", git_id_of("#!"), executable=True, size_bytes=2),
        PlannedFile("shims/python3", git_id_of("#!"), executable=True, size_bytes=2),
    )


def test_a_link_to_a_folder_is_its_files_in_another_place():
    files = {"tools/house/a": "A", "tools/house/x/b": "B", "tools/skills/s/common": Link("../../house")}
    catalog = catalog_of({**files, "tools/skills/s/SKILL.md": skill_md()})
    assert paths(skills(catalog)["s"]) == ["SKILL.md", "common/a", "common/x/b"]
    assert catalog.findings == ()


def test_what_links_add_is_sorted_in_with_the_rest():
    found, _ = served({"b": Link("z")}, **{"b-c": "x", "b.d": "x", "z/1": "x"})
    assert found == ["b-c", "b.d", "b/1", "z/1"]


def test_a_whole_skill_may_be_behind_a_link():
    catalog = catalog_of({"tools/store/s/SKILL.md": skill_md(), "tools/skills": Link("store")})
    assert {name: skill.folder for name, skill in skills(catalog).items()} == {"s": "skills/s"}
    assert catalog.findings == ()


def test_a_manifest_may_be_behind_a_link():
    files = {
        "tools/.claude-plugin/plugin.json": Link("../plugin.json"),
        "tools/plugin.json": '{"version": "2.0.0"}',
    }
    assert only_plugin(catalog_of(files)).author_version == "2.0.0"


@pytest.mark.parametrize("target", ["real", "./real", "folder/../real", "x/../folder/up", "real/."])
def test_targets_are_found_as_a_file_system_would_find_them(target):
    files: dict[str, Content] = {"real": "R", "folder/up": Link("../real"), "x/y": "Y"}
    found, reported = served({"link": Link(target)}, **files)
    assert "link" in found
    assert reported == []


def test_a_step_up_behind_a_linked_folder_is_from_where_it_leads():
    found, _ = served(
        {"link": Link("near/../file"), "near": Link("far/away")}, **{"far/away/x": "X", "far/file": "F"}
    )
    assert "link" in found


def test_links_lead_to_links_up_to_eight():
    chain = {"l0": Link("real"), **{f"l{n}": Link(f"l{n - 1}") for n in range(1, 9)}}
    found, reported = served(chain, real="R")
    assert found == [*(f"l{n}" for n in range(8)), "real"]
    assert reported == ["link_circular"]


@pytest.mark.parametrize(
    ("links", "code"),
    [
        ({"a": Link("a")}, "link_circular"),
        ({"a": Link(".")}, "link_circular"),
        ({"x/a": Link("..")}, "link_circular"),
        ({"x/y/a": Link("../../x")}, "link_circular"),
        ({"a": Link("nowhere")}, "link_dangling"),
        ({"a": Link("real/below")}, "link_dangling"),
        ({"a": Link("REAL")}, "link_dangling"),
        ({"a": Link("..\\real")}, "link_dangling"),
        ({"a": Link("/etc/passwd")}, "link_absolute"),
        ({"a": Link("../outside")}, "link_leaves_plugin"),
        ({"a": Link("../tools/real")}, "link_leaves_plugin"),
        ({"x/a": Link("../../../../etc/passwd")}, "link_leaves_plugin"),
        ({"a": Link("x" * 4_097)}, "link_too_long"),
        ({"a": Link("./" * 64 + "real")}, "link_too_long"),
        ({"a": Link("")}, "link_circular"),
        ({"con": Link("real")}, "name_refused"),
        ({"REAL": Link("real")}, "name_collides"),
    ],
)
def test_a_link_that_leads_nowhere_safe_is_refused(links, code):
    found, reported = served(links, real="R")
    assert reported == [code]
    assert len(found) == 1


def test_links_that_lead_to_each_other_are_refused():
    found, reported = served({"a": Link("b"), "b": Link("a")}, real="R")
    assert (found, reported) == (["real"], ["link_circular"] * 2)


def test_folders_that_link_to_each_other_end():
    found, reported = served({"a/l": Link("../b"), "b/m": Link("../a")}, **{"a/x": "A", "b/y": "B"})
    assert found == ["a/l/y", "a/x", "b/m/x", "b/y"]
    assert reported == ["link_circular"] * 2


def test_a_link_to_a_submodule_is_refused_like_it():
    assert served({"a": Link("sub")}, sub=Submodule(), real="R") == (["real"], ["submodule_refused"] * 2)


def test_no_link_leads_into_another_plugin():
    files = {"one/a": Link("../two/secret"), "one/b": "x", "two/secret": "S"}
    catalog = catalog_of(files, entry("one", "./one"), entry("two", "./two"))
    assert [paths(plugin) for plugin in catalog.plugins] == [["b"], ["secret"]]
    assert the(catalog, "link_leaves_plugin").path == "one/a"


def test_a_skill_with_a_link_out_of_the_plugin_is_absent():
    catalog = catalog_of(
        {"tools/skills/s/SKILL.md": skill_md(), "tools/skills/s/x": Link("../../../../etc/passwd")}
    )
    assert skills(catalog) == {}
    assert codes(catalog) == ["link_leaves_plugin", "skill_refused"]


def bomb(levels: int, width: int) -> dict[str, Content]:
    """Folders that each hold `width` links to the next one: width ** levels files from levels * width links."""
    links: dict[str, Content] = {f"tools/{levels}/file": "x"}
    for level in range(levels):
        links |= {f"tools/{level}/{number}": Link(f"../{level + 1}") for number in range(width)}
    return links


def test_a_bomb_of_links_ends_quickly_and_nothing_of_it_is_half_served():
    began = time.monotonic()
    catalog = catalog_of({**bomb(levels=9, width=9), "tools/ok": "x"})
    assert time.monotonic() - began < 5
    plugin = only_plugin(catalog)
    assert len(plugin.files) < 20_001
    assert "links_too_many" in codes(catalog)
    assert all(file.path.count("/") <= 9 for file in plugin.files)


def test_a_bomb_without_any_file_ends_as_well():
    links = bomb(levels=9, width=9)
    links["tools/9/file"] = Link("nowhere")
    began = time.monotonic()
    assert paths(only_plugin(catalog_of({**links, "tools/ok": "x"}))) == ["ok"]
    assert time.monotonic() - began < 5


def test_folders_that_each_link_to_the_next_end_where_paths_are_too_deep():
    catalog = catalog_of(bomb(levels=2_000, width=1))
    assert "1990/0/0/0/0/0/0/0/0/0/0/file" in paths(only_plugin(catalog))
    assert set(codes(catalog)) == {"name_refused"}


def test_many_plugins_share_what_their_links_may_add():
    files: dict[str, Content] = {}
    for name in "ab":
        files |= {f"{name}/real/1": "x", f"{name}/real/2": "x", f"{name}/link": Link("real")}
    catalog = catalog_of(files, entry("a", "./a"), entry("b", "./b"), limits=Limits(linked_files=3))
    assert [paths(plugin) for plugin in catalog.plugins] == [
        ["link/1", "link/2", "real/1", "real/2"],
        ["real/1", "real/2"],
    ]
    assert the(catalog, "links_too_many").path == "b/link"


def test_what_links_add_counts_as_the_plugins_files():
    files: dict[str, Content] = {"tools/real/1": "x", "tools/real/2": "x", "tools/link": Link("real")}
    assert codes(catalog_of(files, limits=Limits(plugin_files=3))) == ["plugin_too_many_files"]
