"""How addresses of repositories are written, and which of a host's redirects name a new one."""

import pytest

from marketplaces.git.addresses import checked_address, new_address, only_adds_git, same_host
from skillport.outbound import AddressInvalid

URL = "https://git.example/acme/skills"


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("https://github.com/acme/skills", "https://github.com/acme/skills.git"),
        ("https://github.com/acme/skills/", "https://github.com/acme/skills.git"),
        ("https://GitHub.com/acme/skills.git", "https://GitHub.com/acme/skills.git"),
        ("https://gitlab.com/group/sub/skills", "https://gitlab.com/group/sub/skills.git"),
        ("https://git.example/acme/skills/", "https://git.example/acme/skills"),
        ("https://dev.azure.com/acme/x/_git/skills", "https://dev.azure.com/acme/x/_git/skills"),
        ("https://github.com/acme", "https://github.com/acme"),
    ],
)
def test_an_address_is_stored_in_one_form(given: str, stored: str) -> None:
    assert checked_address(given) == stored
    assert checked_address(stored) == stored


@pytest.mark.parametrize(
    "given", ["git@github.com:acme/skills.git", f"{URL}?private_token=x", f"{URL}#x", f"https://git.example/{'x' * 475}"]
)  # fmt: skip
def test_what_is_no_address_of_a_repository_is_refused(given: str) -> None:
    with pytest.raises(AddressInvalid):
        checked_address(given)


@pytest.mark.parametrize(
    ("location", "to"),
    [
        ("/acme/skills.git/git-upload-pack", "https://git.example/acme/skills.git"),
        ("https://new.example/a/b.git/git-upload-pack", "https://new.example/a/b.git"),
        ("https://new.example/a/b.git/info/refs?service=git-upload-pack", "https://new.example/a/b.git"),
        ("/acme/skills/git-upload-pack", ""),
        ("/users/sign_in", ""),
        ("https://user:secret@new.example/a.git/git-upload-pack", ""),
        ("https://new.example/a.git?token=x/git-upload-pack", ""),
        ("file:///etc/git-upload-pack", ""),
        ("ext::sh -c true/git-upload-pack", ""),
        ("", ""),
    ],
)
def test_a_redirect_is_a_new_address_only_when_it_names_a_repository(location: str, to: str) -> None:
    assert new_address(location, f"{URL}/git-upload-pack", URL) == to


def test_only_the_same_address_with_git_behind_it_is_followed() -> None:
    assert only_adds_git(f"{URL}.git", URL)
    for other in (
        URL,
        "https://git.example/acme/other.git",
        "https://other.example/acme/skills.git",
        f"{URL}.git.git",
    ):
        assert not only_adds_git(other, URL)


def test_a_credential_belongs_to_scheme_host_and_port() -> None:
    assert same_host(URL, "https://GIT.example:443/elsewhere.git")
    for other in ("http://git.example/x", "https://git.example:8443/x", "https://git.example.net/x"):
        assert not same_host(URL, other)
