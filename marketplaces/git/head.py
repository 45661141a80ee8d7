"""Ask a git host for the newest commit of a branch, in one request.

`git ls-remote` needs two and an unchanged `git fetch` three, so this is our own: protocol version 2, command
`ls-refs`, narrowed by `ref-prefix` (git's gitprotocol-v2(5)). A host that only knows an older version is asked once more,
for the list of all of its branches (gitprotocol-http(5)).
"""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from marketplaces.git.addresses import new_address, only_adds_git, pointed_to
from marketplaces.git.errors import (
    BranchNotFound,
    CredentialRefused,
    NotAGitHost,
    RateLimited,
    RepositoryEmpty,
    RepositoryError,
    RepositoryMoved,
    RepositoryNotFound,
)
from skillport.outbound import Answer, Outbound

_MAX_BYTES: Final = 1024 * 1024
_MAX_LIST_BYTES: Final = 16 * 1024 * 1024  # of all branches and tags: 200,000 of them
_DEADLINE_SECONDS: Final = 20
_SERVICE: Final = "/git-upload-pack"
_LIST: Final = "/info/refs?service=git-upload-pack"
_LIST_BEGINS: Final = b"001e# service=git-upload-pack\n0000"
_LONGEST_PAUSE_SECONDS: Final = 24 * 3600


@dataclass(frozen=True, slots=True)
class Remote:
    """A repository and the credential for it, which no repr and no URL shows."""

    url: str
    username: str = field(default="", repr=False)
    credential: str = field(default="", repr=False)

    @property
    def authorization(self) -> str | None:
        """Give the value of the Authorization header; None for a repository without a credential."""
        if not self.credential:
            return None
        # GitHub wants any name, GitLab `oauth2`; a name that the admin gave counts more.
        pair = f"{self.username or 'x-access-token'}:{self.credential}"
        return "Basic " + base64.b64encode(pair.encode()).decode()


@dataclass(frozen=True, slots=True)
class Head:
    """The newest commit (hexadecimal id) of `branch`, at the address that answered."""

    commit: str
    branch: str
    url: str


class NoProtocolV2(RepositoryError):
    """What the host answered is no list of protocol version 2."""


def ask_head(remote: Remote, branch: str, outbound: Outbound, *, or_tag: bool = False) -> Head:
    """Give the newest commit of `branch` ('' for the default branch); with `or_tag`, of the tag where no branch is.

    Follows one redirect only, the one by which a host adds `.git` to the same address. Raises `RepositoryError`,
    `AddressInvalid` or `HostUnreachable`.
    """
    try:
        return _ask_either_way(remote, _Wanted(branch, or_tag), outbound)
    except RepositoryMoved as moved:
        if not only_adds_git(moved.location, remote.url):
            raise
        corrected = Remote(moved.location, remote.username, remote.credential)
        return _ask_either_way(corrected, _Wanted(branch, or_tag), outbound)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A branch, '' for the default one, or where there is none of that name and tags count, a tag."""

    name: str
    or_tag: bool

    @property
    def refs(self) -> list[str]:
        """Give what it may be called, as hosts write it; a tag may be an object of its own, that has to be peeled."""
        tags = [f"refs/tags/{self.name}^{{}}", f"refs/tags/{self.name}"] if self.or_tag else []
        return [f"refs/heads/{self.name}", *tags] if self.name else ["HEAD"]


def _ask_either_way(remote: Remote, wanted: _Wanted, outbound: Outbound) -> Head:
    try:
        return _ask(remote, wanted, outbound)
    except NoProtocolV2 as other:
        try:
            return _ask_for_all(remote, wanted, outbound)
        except NotAGitHost:
            raise other from None


def _ask(remote: Remote, wanted: _Wanted, outbound: Outbound) -> Head:
    names = dict.fromkeys(["HEAD", *(name.removesuffix("^{}") for name in wanted.refs)])
    prefixes = [f"ref-prefix {name}\n".encode() for name in names]
    peel = [b"peel\n"] if wanted.or_tag else []
    lines = [b"command=ls-refs\n", b"object-format=sha1\n", None, *peel, b"symrefs\n", *prefixes]
    headers = {
        **_headers(remote),
        "Content-Type": "application/x-git-upload-pack-request",
        "Accept": "application/x-git-upload-pack-result",
        "Git-Protocol": "version=2",
    }
    answer = outbound.request(
        "POST", remote.url + _SERVICE, headers=headers, content=b"".join(map(_packet, lines)) + b"0000",
        max_bytes=_MAX_BYTES, deadline_seconds=_DEADLINE_SECONDS,
    )  # fmt: skip
    _raise_for_status(answer, remote, _SERVICE, "application/x-git-upload-pack-result")
    return _choose(answer.body, wanted, remote.url)


def _ask_for_all(remote: Remote, wanted: _Wanted, outbound: Outbound) -> Head:
    """Read the list that older versions of the protocol begin with: every ref, what HEAD points to beside the first."""
    answer = outbound.request(
        "GET", remote.url + _LIST, headers=_headers(remote), max_bytes=_MAX_LIST_BYTES,
        deadline_seconds=_DEADLINE_SECONDS,
    )  # fmt: skip
    _raise_for_status(answer, remote, _LIST, "application/x-git-upload-pack-advertisement")
    if not answer.body.startswith(_LIST_BEGINS):
        raise NoProtocolV2
    refs, default = {}, ""
    for line in _packets(answer.body.removeprefix(_LIST_BEGINS)):
        told, _, capabilities = line.partition(b"\0")
        commit, _, name = told.decode("utf-8", "replace").partition(" ")
        refs[name] = commit
        for capability in capabilities.decode("utf-8", "replace").split(" "):
            if capability.startswith("symref=HEAD:refs/heads/"):
                default = capability.removeprefix("symref=HEAD:refs/heads/")
    refs.pop("capabilities^{}", None)  # stands where there is no ref
    refs.pop("1", None)  # "version 1"
    return _chosen(refs, default, wanted, remote.url)


def _headers(remote: Remote) -> dict[str, str]:
    own = {"User-Agent": "git/2 (skillport)"}
    return {**own, "Authorization": remote.authorization} if remote.authorization else own


def _packet(line: bytes | None) -> bytes:
    """Frame one line; None is the delimiter between command and arguments."""
    return b"0001" if line is None else b"%04x" % (len(line) + 4) + line


def _packets(body: bytes) -> Iterator[bytes]:
    """Unframe lines up to the flush packet. Raises `NoProtocolV2` for anything that is not such a list."""
    position = 0
    while (length := _length(body[position : position + 4])) != 0:
        yield body[position + 4 : position + length].rstrip(b"\n")
        position += length


def _length(digits: bytes) -> int:
    # SECURITY: `int` alone also reads "-009", and a list could lead back to its own beginning.
    if not re.fullmatch(rb"[0-9a-fA-F]{4}", digits) or 0 < int(digits, 16) <= 4:
        raise NoProtocolV2
    return int(digits, 16)


def _moved(location: str, asked: str, remote: Remote) -> RepositoryError:
    try:
        to = new_address(location, asked, remote.url)
        shown = pointed_to(location, asked)
    except ValueError:
        return RepositoryError()
    # SECURITY: a host may say our credential back to us, and where a repository has gone is shown and stored.
    secrets = (remote.credential, quote(remote.credential, safe=""), (remote.authorization or "")[6:])
    return RepositoryMoved(shown, "" if any(secret and secret in to for secret in secrets) else to)


def _raise_for_status(answer: Answer, remote: Remote, service: str, content_type: str) -> None:
    if answer.status == 401 or (answer.status == 403 and "retry-after" not in answer.headers):
        raise CredentialRefused
    if answer.status == 404:
        raise RepositoryNotFound
    if answer.status in {403, 429} or (answer.status == 503 and "retry-after" in answer.headers):
        raise RateLimited(_pause(answer.headers.get("retry-after", "")))
    if 300 <= answer.status < 400:
        raise _moved(answer.headers.get("location", ""), remote.url + service, remote)
    if answer.status != 200:
        raise RepositoryError
    if answer.headers.get("content-type", "").partition(";")[0] != content_type:
        raise NotAGitHost


def _pause(seconds: str) -> int | None:
    """Give how long the host asks us to wait; None for a date, or for what is no number of seconds."""
    return min(int(seconds), _LONGEST_PAUSE_SECONDS) if re.fullmatch(r"[0-9]{1,9}", seconds) else None


def _choose(body: bytes, wanted: _Wanted, url: str) -> Head:
    refs: dict[str, str] = {}
    default = ""
    for line in _packets(body):
        commit, _, rest = line.decode("utf-8", "replace").partition(" ")
        name, _, attributes = rest.partition(" ")
        refs[name] = commit
        if name == "HEAD" and attributes.startswith("symref-target:refs/heads/"):
            default = attributes.removeprefix("symref-target:refs/heads/")
        elif attributes.startswith("peeled:"):
            refs[f"{name}^{{}}"] = attributes.removeprefix("peeled:")
    return _chosen(refs, default, wanted, url)


def _chosen(refs: dict[str, str], default: str, wanted: _Wanted, url: str) -> Head:
    commit = next((refs[name] for name in wanted.refs if name in refs), "")
    if commit and all(character in "0123456789abcdef" for character in commit) and len(commit) in {40, 64}:
        return Head(commit, wanted.name or default, url)
    raise BranchNotFound if refs else RepositoryEmpty
