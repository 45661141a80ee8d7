import pytest

from marketplaces.manifest.versions import is_writable, served_version

FIRST, OTHER = bytes.fromhex("aa" * 32), bytes.fromhex("9f2cbead" + "00" * 28)


@pytest.mark.parametrize("version", ["1.2.3", "0.0.1", "1.2.3-rc.1", "1.2.3+build.7", "1.0.0-alpha-x+a.b"])
def test_the_first_content_of_a_version_has_it_as_it_stands(version):
    assert served_version(author_version=version, digest=FIRST, first_digest=FIRST) == version


@pytest.mark.parametrize(
    ("version", "served"),
    [
        ("1.2.3", "1.2.3+9f2cbead"),
        ("1.2.3-rc.1", "1.2.3-rc.1+9f2cbead"),
        ("1.2.3+build", "1.2.3+build.9f2cbead"),
        ("1.2.3+9f2cbead", "1.2.3+9f2cbead.9f2cbead"),
    ],
)
def test_other_content_has_its_hash_behind_it(version, served):
    assert served_version(author_version=version, digest=OTHER, first_digest=FIRST) == served
    assert served_version(author_version=version, digest=OTHER, first_digest=None) == served


@pytest.mark.parametrize("version", ["", "1", "1.2", "v1.2.3", "01.2.3", "1.2.3_4", "latest", "1.2.3\n"])
def test_what_is_no_semantic_version_is_named_by_its_hash_alone(version):
    assert served_version(author_version=version, digest=OTHER, first_digest=OTHER) == "0.0.0+9f2cbead"


def test_every_served_version_fits_beside_its_hash():
    assert len(served_version(author_version="1.2.3-" + "x" * 54, digest=OTHER, first_digest=FIRST)) == 69


@pytest.mark.parametrize("version", ["1.2.3", "v2", "2026-11-22", "1.0_beta+x"])
def test_authors_may_write_versions_that_are_safe_in_names(version):
    assert is_writable(version)


@pytest.mark.parametrize("version", ["", "1.0 beta", "1/2", "../1", "1.0\n", "é", "1" * 61])
def test_authors_may_not_write_others(version):
    assert not is_writable(version)
