import pytest

from marketplaces.manifest.spellings import Spellings


def claimed(*paths: str) -> list[str | None]:
    spellings = Spellings()
    return [spellings.claim(path) for path in paths]


def test_different_files_stand_side_by_side():
    assert claimed("a", "b", "c/a", "c/b", "c/d/a") == [None] * 5


@pytest.mark.parametrize("twin", ["README.md", "readme.MD", "\uff32eadme.md"])
def test_a_path_that_differs_in_case_or_width_alone_is_refused(twin):
    assert claimed("Readme.md", twin) == [None, "Readme.md"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("straße", "STRASSE"),
        ("\ufb01le", "file"),
        ("\u0131", "I"),
        ("\u212a", "k"),
        ("\u017f", "s"),
        ("ς", "Σ"),
        ("\u213b", "fax"),
    ],
)
def test_letters_that_a_file_system_may_fold_together_are_one(one, other):
    assert claimed(one, other) == [None, one]


def test_the_same_path_twice_is_refused():
    assert claimed("a/b", "a/b") == [None, "a/b"]


def test_a_file_cannot_stand_where_a_folder_is_nor_the_other_way_round():
    assert claimed("a/b", "A") == [None, "a"]
    assert claimed("a", "A/b") == [None, "a"]


def test_a_folder_has_one_spelling():
    assert claimed("Docs/one", "docs/two", "Docs/three") == [None, "Docs", None]


def test_a_refused_path_takes_nothing():
    assert claimed("a", "A/new/x", "new/x") == [None, "a", None]


def test_files_of_a_known_folder_are_compared_as_well():
    assert claimed("Docs/sub/one", "Docs/sub/ONE", "Docs/SUB/two", "Docs/Sub", "Docs/sub/two") == [
        None, "Docs/sub/one", "Docs/sub", "Docs/sub", None,
    ]  # fmt: skip
