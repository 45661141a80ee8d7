import pytest

from marketplaces.manifest.git_names import is_git_own


@pytest.mark.parametrize(
    "name",
    [
        ".git", ".GIT", ".gIt", ".git.", ".git ", ".git . .", ".git\\hooks", ".git:stream", ".git .:x",
        "git~1", "GIT~1", "git~1 .", ".g\u200dit", "\ufeff.git", ".gi\u202et",
        ".gitmodules", ".GitModules", ".gitmodules . ", ".gitmodules:$DATA", ".git\u200cmodules",
        "gitmod~1", "GITMOD~4", "gi7eba~1", "GI7EBA~9", "gi7eb~10", "gi7~1234", "g~123456", "~1000000", "gi7eba~1 .",
    ],
)  # fmt: skip
def test_what_git_protects_somewhere_is_its_own(name):
    assert is_git_own(name)


@pytest.mark.parametrize(
    "name",
    [
        ".gitignore", ".gitattributes", ".github", ".gitkeep", ".mailmap", "git", "x.git", ".git2", "git~2",
        "gitmodules", ".gitmodules.txt", "gitmod~5", "gitmod~10", "gi7eba~0", "gi7eba", "gi7ebaa~1", "gi7eb~1", "~1",
    ],
)  # fmt: skip
def test_other_names_are_ordinary(name):
    assert not is_git_own(name)
