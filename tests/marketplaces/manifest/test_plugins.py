import json

import pytest

from marketplaces.manifest.catalog import read_catalog
from marketplaces.manifest.limits import Limits
from marketplaces.manifest.plan import PlannedFile
from tests.marketplaces.manifest.builder import (
    Absent,
    Program,
    Submodule,
    catalog_of,
    codes,
    entry,
    git_id_of,
    only_plugin,
    paths,
    repository_of,
    skill_md,
    skills,
    the,
)  # fmt: skip


def own(**fields: object) -> dict[str, str]:
    return {"tools/.claude-plugin/plugin.json": json.dumps(fields)}


def test_the_files_are_everything_below_the_root_sorted_by_path():
    catalog = catalog_of(
        {"tools/b": "B", "tools/a/run": Program(b"#!"), "tools/Z": "", "toolsx/c": "C", "other": "D"}
    )
    assert only_plugin(catalog).files == (
        PlannedFile("Z", git_id_of(""), executable=False, size_bytes=0),
        PlannedFile("a/run", git_id_of("#!"), executable=True, size_bytes=2),
        PlannedFile("b", git_id_of("B"), executable=False, size_bytes=1),
    )
    assert catalog.findings == ()


def test_only_manifests_skill_files_and_links_are_read():
    files = {
        ".claude-plugin/marketplace.json": '{"name": "a", "plugins": [{"name": "tools", "source": "./tools"}]}',
        **own(name="tools"),
        "tools/skills/a/SKILL.md": skill_md(),
        "tools/skills/a/script.py": "print()",
        "tools/README.md": "Tools.",
    }
    entries, read = repository_of(files)
    read_catalog(entries, read)
    assert sorted(read.asked) == sorted(git_id_of(content) for content in list(files.values())[:3])


def test_a_plugin_without_skills_is_served():
    assert only_plugin(catalog_of({"tools/commands/go.md": "Go."})).skills == ()


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"tools/big": Absent()}, "file_too_large"),
        ({"tools/big": b"x" * (1024 * 1024 + 1)}, "file_too_large"),
        ({"tools/vendor": Submodule()}, "submodule_refused"),
        (
            {
                "tools/model.bin": "version https://git-lfs.github.com/spec/v1\noid sha256:"
                + "0" * 64
                + "\nsize 12\n"
            },
            "large_file_pointer",
        ),
        ({"tools/con": "x"}, "name_refused"),
        ({b"tools/\xff": "x"}, "name_refused"),
        ({"tools/Readme": "x"}, "name_collides"),
    ],
)
def test_a_refused_file_is_counted_and_said_and_the_rest_stays(files, code):
    catalog = catalog_of(
        {**files, "tools/README": "x"}
        if isinstance(next(iter(files)), str)
        else {**files, b"tools/README": "x"}
    )
    plugin = only_plugin(catalog)
    assert (paths(plugin), plugin.refused_files) == (["README"], 1)
    assert the(catalog, code).path.startswith("tools/")


def test_files_outside_every_plugin_do_not_matter():
    catalog = catalog_of(
        {"tools/a": "x", b"\xff".decode("latin-1"): "x", "con": Absent(), "x/CON": Submodule()}
    )
    assert catalog.findings == ()


def test_a_plugin_with_too_many_files_is_absent():
    catalog = catalog_of({"tools/a": "x", "tools/b": "x"}, limits=Limits(plugin_files=1))
    assert catalog.plugins == ()
    assert the(catalog, "plugin_too_many_files").path == "tools"


def test_plugins_of_one_folder_share_their_files():
    catalog = catalog_of({"tools/a": "x", "tools/con": "x"}, entry("one"), entry("two"))
    one, two = catalog.plugins
    assert one.files is two.files
    assert codes(catalog) == ["name_refused"]


def test_plugin_json_wins_for_version_and_description_and_the_entry_for_the_name():
    files = {**own(name="other", version="2.0.0", description="Own.", license="MIT"), "tools/a": "x"}
    said = {"version": "1.0.0", "description": "Listed.", "license": "BSD", "category": "x"}
    catalog = catalog_of(files, entry(**said))
    plugin = only_plugin(catalog)
    assert (plugin.name, plugin.author_version, plugin.description) == ("tools", "2.0.0", "Own.")
    assert plugin.about == {"license": "MIT", "category": "x"}
    assert codes(catalog) == ["plugin_name_differs"]
    assert the(catalog, "plugin_name_differs").severity == "advice"


def test_the_entry_completes_what_plugin_json_leaves_out():
    plugin = only_plugin(catalog_of(own(name="tools"), entry(version="1.0.0", description="Listed.")))
    assert (plugin.author_version, plugin.description) == ("1.0.0", "Listed.")


def test_a_version_of_plugin_json_that_cannot_be_used_falls_back_to_the_entrys():
    catalog = catalog_of(own(version="one point two"), entry(version="1.0.0"))
    assert only_plugin(catalog).author_version == "1.0.0"
    assert codes(catalog) == ["version_ignored"]


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"a": 1, "a": 2}', b"\xff", '{"skills": 7}', " " * (256 * 1024 + 1), Absent(), Submodule()],
)
def test_a_broken_plugin_json_takes_a_strict_plugin_out_and_leaves_the_other_its_entry(content):
    files = {"tools/.claude-plugin/plugin.json": content, "tools/skills/a/SKILL.md": skill_md()}
    catalog = catalog_of(files, entry(version="1.0.0"))
    assert catalog.plugins == ()
    assert the(catalog, "plugin_json_invalid").path == "tools/.claude-plugin/plugin.json"

    catalog = catalog_of(files, entry(version="1.0.0", strict=False))
    assert only_plugin(catalog).author_version == "1.0.0"
    assert list(skills(catalog)) == ["a"]
    assert the(catalog, "plugin_json_ignored").severity == "warning"


def test_a_plugin_at_the_root_needs_no_plugin_json():
    catalog = catalog_of({"a": "x"}, entry(source="./", strict=False))
    assert only_plugin(catalog).refused_files == 0
    assert catalog.findings == ()
