"""Addresses of repositories: written in one way, and read out of what a host says when it points elsewhere."""

from typing import Final
from urllib.parse import urljoin, urlsplit

from skillport.errors import SkillportError
from skillport.outbound import AddressInvalid, Origin

LONGEST: Final = 490  # a host may add .git to it
# On these a repository has two names at least, and the address with .git answers without a redirect.
_WITH_GIT: Final = {"github.com", "gitlab.com"}
_SERVICES: Final = ("/git-upload-pack", "/info/refs?service=git-upload-pack")


def checked_address(url: str) -> str:
    """Give a repository's address as it is stored, or raise `AddressInvalid`.

    Without a slash at the end, and with `.git` where the host is known to want it. A query is no part of an address:
    it may hold a token, and addresses are shown.
    """
    host = Origin.parse(url).host
    if "?" in url or "#" in url:
        raise AddressInvalid(
            "Give the address without ? or #, as it stands behind the repository's clone button."
        )
    plain = url.rstrip("/")
    if host in _WITH_GIT and urlsplit(plain).path.count("/") >= 2 and not plain.endswith(".git"):
        plain = f"{plain}.git"
    if len(plain) > LONGEST:
        raise AddressInvalid(f"An address has at most {LONGEST} characters.")
    return plain


def pointed_to(location: str, asked: str) -> str:
    """Give the absolute address in a `Location` header, without git's own ending. `asked` is what was requested.

    Raises `ValueError` for what is no address at all.
    """
    absolute = urljoin(asked, location)
    return next((absolute.removesuffix(end) for end in _SERVICES if absolute.endswith(end)), absolute)


def new_address(location: str, asked: str, url: str) -> str:
    """Give the repository's address that a host points to, '' when it points to none.

    A page to sign in on, another scheme, a query or the same address again is no place to which it has moved.
    """
    absolute = urljoin(asked, location)
    if not absolute.endswith(_SERVICES):
        return ""
    try:
        to = checked_address(pointed_to(location, asked))
    except SkillportError:
        return ""
    return "" if to == url or "/../" in to else to


def only_adds_git(to: str, url: str) -> bool:
    """Tell whether `to` is `url` with `.git` at its end, on the same scheme, host and port."""
    return to == f"{url}.git"


def same_host(one: str, other: str) -> bool:
    """Tell whether two addresses are on one scheme, host and port, so that a credential may go to both."""
    return Origin.parse(one) == Origin.parse(other)
