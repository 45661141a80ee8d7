import json
from typing import Any

import pytest

from marketplaces.manifest import marketplace_json
from marketplaces.manifest.catalog import read_catalog
from marketplaces.manifest.limits import DEFAULT, Limits
from skillport.errors import SkillportError
from tests.marketplaces.manifest.builder import (
    Absent,
    Content,
    Link,
    catalog_of,
    codes,
    entry,
    marketplace,
    repository_of,
    skill_md,
    the,
)  # fmt: skip

PATH = ".claude-plugin/marketplace.json"
ONE_FILE = {"tools/README.md": "Tools."}


def failure(content: Content | None, limits: Limits = DEFAULT) -> SkillportError:
    entries, read = repository_of({} if content is None else {PATH: content})
    with pytest.raises(SkillportError) as raised:
        read_catalog(entries, read, limits)
    assert raised.value.status == 422
    return raised.value


@pytest.mark.parametrize("content", [None, Link("../elsewhere.json")])
def test_a_repository_without_the_manifest_is_no_marketplace(content):
    error = failure(content)
    assert error.code == "marketplace_json_missing"
    assert "Add that file" in error.message


@pytest.mark.parametrize("content", [Absent(), b" " * (1024 * 1024 + 1)])
def test_a_manifest_that_is_too_large_is_not_read(content):
    assert failure(content).code == "marketplace_json_too_large"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "line 1, column 2"),
        (b'{"name": "\xff"}', "not UTF-8"),
        ("[]", "not an object"),
        ("{}", "no list `plugins`"),
        ('{"plugins": {}}', "no list `plugins`"),
        ('{"name": "a", "name": "b", "plugins": []}', "“name” stands twice"),
        ('{"plugins": [{"name": "a", "source": "./a", "source": "./b"}]}', "“source” stands twice"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_refused_with_the_reason(content, said):
    error = failure(content)
    assert error.code == "marketplace_json_invalid"
    assert said in error.message


def test_there_is_a_most_of_plugins():
    error = failure(marketplace(entry(), entry("other")), Limits(plugins=1))
    assert error.code == "too_many_plugins"
    assert "2 plugins, more than 1" in error.message
    assert isinstance(error, marketplace_json.TooManyPlugins)


def test_name_and_description_are_given_as_one_line():
    catalog = catalog_of(ONE_FILE, name=" Acme\u202e ", description="All\nof it.")
    assert (catalog.name, catalog.description) == ("Acme", "All of it.")


def test_the_description_may_be_in_the_metadata():
    assert catalog_of(ONE_FILE, metadata={"description": "Of Acme."}).description == "Of Acme."


def test_a_byte_order_mark_is_tolerated():
    entries, read = repository_of({PATH: b"\xef\xbb\xbf" + marketplace(entry()).encode(), "tools/a": "x"})
    assert [plugin.name for plugin in read_catalog(entries, read).plugins] == ["tools"]


def test_a_missing_name_is_a_warning():
    catalog = catalog_of(ONE_FILE, name="")
    assert codes(catalog) == ["catalog_name_missing"]
    assert catalog.plugins[0].name == "tools"


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("text", "Entry 1 is not served: it is not an object"),
        ({"source": "./tools"}, "Entry 1 is not served: it has no `name`"),
        ({"name": 7, "source": "./tools"}, "Entry 1 is not served: it has no `name`"),
        ({"name": "x"}, "The plugin “x” is not served: it has no `source`"),
        (entry("x", 7), "it has no `source`"),
        (entry("x", strict="no"), "`strict` is neither"),
        (entry("x", skills=7), "`skills` is not a path"),
        (entry("x", skills=["./a", None]), "`skills` is not a path"),
        (entry("x", skills=["./a"] * 5_001), "more than 5000 paths"),
    ],
)
def test_a_broken_entry_is_left_out_and_the_others_stay(broken, why):
    catalog = catalog_of(ONE_FILE, broken, entry())
    assert [plugin.name for plugin in catalog.plugins] == ["tools"]
    finding = the(catalog, "entry_invalid")
    assert why in finding.reason
    assert (finding.severity, finding.path) == ("error", PATH)


@pytest.mark.parametrize("name", ["", "two words", "../x", "con", "x\u202e", "\ud800", "x" * 101])
def test_a_plugin_whose_name_is_refused_is_absent(name):
    catalog = catalog_of(ONE_FILE, entry(name))
    assert catalog.plugins == ()
    assert codes(catalog) == ["plugin_name_refused"]
    json.dumps(the(catalog, "plugin_name_refused").reason, ensure_ascii=False).encode()


def test_a_second_plugin_of_the_same_name_is_absent_whatever_its_case():
    catalog = catalog_of(ONE_FILE, entry("tools"), entry("Tools"))
    assert [plugin.name for plugin in catalog.plugins] == ["tools"]
    assert codes(catalog) == ["plugin_name_taken"]


def test_a_name_stays_taken_when_its_first_plugin_is_not_served():
    catalog = catalog_of(ONE_FILE, entry("x", "./gone"), entry("X"))
    assert catalog.plugins == ()
    assert codes(catalog) == ["source_missing", "plugin_name_taken"]


def test_what_an_entry_says_about_a_plugin_is_kept_in_its_json_form():
    about: dict[str, Any] = {
        "author": {"name": "Mira", "email": "mira@acme.example", "url": "https://acme.example"},
        "category": "legal",
        "tags": ["a", "b"],
        "keywords": ["c"],
        "license": "MIT",
        "homepage": "https://acme.example/tools",
    }
    (plugin,) = catalog_of(ONE_FILE, entry(**about, description="Useful.", version="1.2.3")).plugins
    assert plugin.about == about
    assert (plugin.description, plugin.author_version) == ("Useful.", "1.2.3")


def test_an_author_may_be_a_text():
    assert catalog_of(ONE_FILE, entry(author="Mira")).plugins[0].about == {"author": "Mira"}


@pytest.mark.parametrize(
    "field",
    [
        {"description": 7}, {"author": ["Mira"]}, {"author": {"name": 7}}, {"category": {}}, {"tags": "a"},
        {"keywords": [1]}, {"license": True}, {"homepage": "javascript:alert(1)"},
        {"author": {"url": "data:text/html,x"}},
    ],
)  # fmt: skip
def test_a_field_of_another_form_is_left_out_with_a_warning(field):
    catalog = catalog_of(ONE_FILE, entry(**field))
    assert codes(catalog) == ["field_ignored"]
    assert catalog.plugins[0].about == {}
    assert catalog.plugins[0].description == ""


@pytest.mark.parametrize("version", [1.0, "1.0 beta", "x" * 61, ["1"], {"a": 1}])
def test_a_version_that_cannot_be_used_is_left_out_with_a_warning(version):
    catalog = catalog_of(ONE_FILE, entry(version=version))
    assert catalog.plugins[0].author_version == ""
    assert codes(catalog) == ["version_ignored"]


def test_a_value_that_is_just_shallow_enough_to_be_read_ends_in_a_finding():
    for depth in range(850, 1_050):
        manifest = marketplace(entry(version="DEEP")).replace('"DEEP"', "[" * depth + "]" * depth)
        entries, read = repository_of({PATH: manifest, "tools/a": "x"})
        try:
            catalog = read_catalog(entries, read)
        except marketplace_json.MarketplaceJsonInvalid:
            continue
        assert codes(catalog) == ["version_ignored"]


def test_the_skills_of_a_broken_entry_are_not_reported_one_by_one():
    catalog = catalog_of({"tools/skills/a/SKILL.md": skill_md()}, entry(strict=7))
    assert codes(catalog) == ["entry_invalid"]


@pytest.mark.parametrize("name", ["claude-tools", "Anthropic-x", "anthropics-x", "cc-plugin-x"])
def test_a_reserved_plugin_name_is_served_with_advice(name):
    catalog = catalog_of(ONE_FILE, entry(name))
    assert [plugin.name for plugin in catalog.plugins] == [name]
    assert the(catalog, "plugin_name_reserved").severity == "advice"
