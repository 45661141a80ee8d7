"""Ask a git host for the newest commit of a branch, in one request.

`git ls-remote` needs two and an unchanged `git fetch` three, so this is our own: protocol version 2, command
`ls-refs`, narrowed by `ref-prefix` (git's gitprotocol-v2(5)).
"""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urljoin

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
_DEADLINE_SECONDS: Final = 20
_SERVICE: Final = "/git-upload-pack"
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
    """The host speaks an older protocol: `git ls-remote` can still ask it."""


def ask_head(remote: Remote, branch: str, outbound: Outbound) -> Head:
    """Give the newest commit of `branch` ('' for the default branch).

    Follows one redirect only, the one by which a host adds `.git` to the same address. Raises `RepositoryError`,
    `AddressInvalid` or `HostUnreachable`.
    """
    try:
        return _ask(remote, branch, outbound)
    except RepositoryMoved as moved:
        if moved.location != f"{remote.url}.git":
            raise
        return _ask(Remote(moved.location, remote.username, remote.credential), branch, outbound)


def _ask(remote: Remote, branch: str, outbound: Outbound) -> Head:
    prefixes = [b"ref-prefix HEAD\n", *([f"ref-prefix refs/heads/{branch}\n".encode()] if branch else [])]
    lines = [b"command=ls-refs\n", b"object-format=sha1\n", None, b"symrefs\n", *prefixes]
    headers = {
        "Content-Type": "application/x-git-upload-pack-request",
        "Accept": "application/x-git-upload-pack-result",
        "Git-Protocol": "version=2",
        "User-Agent": "git/2 (skillport)",
    }
    if remote.authorization:
        headers["Authorization"] = remote.authorization
    answer = outbound.request(
        "POST", remote.url + _SERVICE, headers=headers, content=b"".join(map(_packet, lines)) + b"0000",
        max_bytes=_MAX_BYTES, deadline_seconds=_DEADLINE_SECONDS,
    )  # fmt: skip
    _raise_for_status(answer, remote.url)
    return _choose(answer.body, branch, remote.url)


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


def _raise_for_status(answer: Answer, url: str) -> None:
    if answer.status == 401 or (answer.status == 403 and "retry-after" not in answer.headers):
        raise CredentialRefused
    if answer.status == 404:
        raise RepositoryNotFound
    if answer.status in {403, 429} or (answer.status == 503 and "retry-after" in answer.headers):
        raise RateLimited(_pause(answer.headers.get("retry-after", "")))
    if 300 <= answer.status < 400:
        try:
            location = urljoin(url + _SERVICE, answer.headers.get("location", ""))
        except ValueError:
            raise RepositoryError from None
        raise RepositoryMoved(location.removesuffix(_SERVICE))
    if answer.status != 200:
        raise RepositoryError
    if answer.headers.get("content-type", "").partition(";")[0] != "application/x-git-upload-pack-result":
        raise NotAGitHost


def _pause(seconds: str) -> int | None:
    """Give how long the host asks us to wait; None for a date, or for what is no number of seconds."""
    return min(int(seconds), _LONGEST_PAUSE_SECONDS) if re.fullmatch(r"[0-9]{1,9}", seconds) else None


def _choose(body: bytes, branch: str, url: str) -> Head:
    refs: dict[str, str] = {}
    default = ""
    for line in _packets(body):
        commit, _, rest = line.decode("utf-8", "replace").partition(" ")
        name, _, attributes = rest.partition(" ")
        refs[name] = commit
        if name == "HEAD" and attributes.startswith("symref-target:refs/heads/"):
            default = attributes.removeprefix("symref-target:refs/heads/")
    commit = refs.get(f"refs/heads/{branch}" if branch else "HEAD", "")
    if commit and all(character in "0123456789abcdef" for character in commit) and len(commit) in {40, 64}:
        return Head(commit, branch or default, url)
    raise BranchNotFound if refs else RepositoryEmpty
