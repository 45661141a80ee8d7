"""A dry run of the first sync: what would happen if a repository were bound, step by step, with what to do about it.

Nothing here knows of organizations or writes a row; the fetched commit is in a folder that the caller removes.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from marketplaces.git.bounded import BoundedOutbound, OutOfTime
from marketplaces.git.commit import BlobReader, list_files
from marketplaces.git.errors import (
    BranchNotFound,
    CredentialRefused,
    FolderNotFound,
    GitStopped,
    RateLimited,
    RepositoryEmpty,
    RepositoryError,
    RepositoryMoved,
    RepositoryNotFound,
)
from marketplaces.git.head import Head, Remote, ask_head
from marketplaces.git.kept_copy import KeptCopy
from marketplaces.git.program import Connection, GitProgram
from marketplaces.git.providers import Provider, recognise, token_to_ask_for, why_hidden
from marketplaces.git.tree import below
from marketplaces.manifest.catalog import read_catalog
from marketplaces.manifest.limits import Limits
from marketplaces.manifest.plan import Catalog
from marketplaces.manifest.report import Finding, Severity
from skillport.errors import SkillportError
from skillport.outbound import AddressInvalid, HostUnreachable

FIRST_FINDINGS: Final = 5


class StepName(StrEnum):
    """What is looked at, in this order."""

    ADDRESS = "address"
    HOST = "host"
    CREDENTIAL = "credential"
    REPOSITORY = "repository"
    BRANCH = "branch"
    COMMIT = "commit"
    MARKETPLACE = "marketplace"
    PLUGINS = "plugins"
    SKILLS = "skills"
    FINDINGS = "findings"


class StepState(StrEnum):
    OK = "ok"
    CARE = "care"  # look at it; the repository can be bound
    FAILED = "failed"  # the last step there is


TITLES: Final = {
    StepName.ADDRESS: "Address is allowed",
    StepName.HOST: "Host answers",
    StepName.CREDENTIAL: "Token is valid",
    StepName.REPOSITORY: "Repository can be read",
    StepName.BRANCH: "Branch exists",
    StepName.COMMIT: "Newest commit arrives",
    StepName.MARKETPLACE: "Marketplace is found",
    StepName.PLUGINS: "Plugins",
    StepName.SKILLS: "Skills",
    StepName.FINDINGS: "Findings",
}


@dataclass(frozen=True, slots=True)
class Step:
    """What came of one step. `remedy` says what to do, '' when nothing is to be done.

    A failed one has the error's `code`, and in `moved_to` where the repository has gone, '' when it has not.
    """

    name: StepName
    state: StepState
    said: str
    remedy: str = ""
    code: str = ""
    moved_to: str = ""
    findings: tuple[Finding, ...] = ()
    error: SkillportError | None = field(default=None, repr=False)

    @property
    def title(self) -> str:
        return TITLES[self.name]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Everything that a dry run needs. `url` is an address that was checked."""

    remote: Remote
    branch: str
    own_name: str
    outbound: BoundedOutbound
    git: GitProgram
    folder: Path
    limits: Limits
    max_entries: int
    max_bytes: int
    below: str = ""  # the folder that is read; '' is all of it

    def steps(self) -> Iterator[Step]:
        """Give each step as it ends, up to and with the first that fails."""
        yield Step(StepName.ADDRESS, StepState.OK, self.remote.url)
        try:
            head = ask_head(self.remote, self.branch, self.outbound)
        except SkillportError as error:
            yield from self._refused(error)
            return
        yield from self._answered(head)
        try:
            catalog = self._catalog(head)
            yield Step(StepName.COMMIT, StepState.OK, f"{head.commit[:12]} was fetched and read.")
        except FolderNotFound as error:
            yield Step(StepName.COMMIT, StepState.OK, f"{head.commit[:12]} was fetched.")
            yield _failed(StepName.MARKETPLACE, error)
            return
        except (RepositoryError, HostUnreachable, OutOfTime) as error:
            # What was ended because the time was over may look like a fault of the host.
            slow = isinstance(error, GitStopped | OutOfTime) or self._time_is_over()
            yield Step(StepName.COMMIT, StepState.CARE, *_SLOW) if slow else _failed(StepName.COMMIT, error)
            return
        except SkillportError as error:
            yield Step(StepName.COMMIT, StepState.OK, f"{head.commit[:12]} was fetched.")
            yield _failed(StepName.MARKETPLACE, error)
            return
        yield from _read(catalog)

    def _refused(self, error: SkillportError) -> Iterator[Step]:
        """Tell how far we came before the host, or the guard in front of it, said no."""
        match error:
            case HostUnreachable() | AddressInvalid() | OutOfTime():
                yield _failed(StepName.HOST, error, _REACH)
                return
            case RateLimited(retry_after_seconds=seconds):
                wait = f"Check again in {seconds} seconds." if seconds else "Check again in a few minutes."
                yield _failed(StepName.HOST, error, wait, said="The host asks for a pause.")
                return
        yield self._host()
        if isinstance(error, CredentialRefused):
            yield _failed(StepName.CREDENTIAL, error, self._token(), said=self._no_entry())
            return
        silent = (
            "The host did not object to it." if self.remote.credential else "The host did not ask for one."
        )
        yield Step(StepName.CREDENTIAL, StepState.OK, silent)
        match error:
            case RepositoryNotFound():
                hidden = why_hidden(self._provider, self.remote.url)
                yield _failed(StepName.REPOSITORY, error, f"{hidden} {self._token()}", said=_NOT_THERE)
            case RepositoryMoved(to=to) if to:
                said = f"It has moved to {to}"
                yield _failed(StepName.REPOSITORY, error, _MOVED, said=said, moved_to=to)
            case RepositoryEmpty() | BranchNotFound():
                yield Step(StepName.REPOSITORY, StepState.OK, "It may be read.")
                yield _failed(StepName.BRANCH, error)
            case _:
                yield _failed(StepName.REPOSITORY, error)

    def _answered(self, head: Head) -> Iterator[Step]:
        yield self._host()
        given = "The host accepts it." if self.remote.credential else "None is needed."
        yield Step(StepName.CREDENTIAL, StepState.OK, given)
        corrected = f"It may be read, at {head.url}" if head.url != self.remote.url else "It may be read."
        yield Step(StepName.REPOSITORY, StepState.OK, corrected)
        name = head.branch or "the newest commit"
        yield Step(StepName.BRANCH, StepState.OK, name if self.branch else f"{name}, by default")

    def _catalog(self, head: Head) -> Catalog:
        """Fetch and read the commit, as a sync does."""
        remote = Remote(head.url, self.remote.username, self.remote.credential)
        copy = KeptCopy(self.folder / "copy", fence=1, program=self.git, blob_limit=self.limits.file_bytes)
        copy.fetch(head.commit, Connection(remote, self.outbound.check(remote.url)))
        listed = list_files(
            self.git, copy.path, head.commit, max_entries=self.max_entries, max_bytes=self.max_bytes
        )
        entries = list(below(listed, self.below.encode()))
        if self.below and not entries:
            raise FolderNotFound
        with BlobReader.opened(self.git, copy.path) as reader:
            return read_catalog(entries, self._in_time(reader.read), self.limits, self.own_name)

    def _in_time(self, read: Callable[[str], bytes]) -> Callable[[str], bytes]:
        def until_then(git_id: str) -> bytes:
            if self._time_is_over():
                raise OutOfTime
            return read(git_id)

        return until_then

    def _time_is_over(self) -> bool:
        return time.monotonic() >= self.outbound.ends_at

    @property
    def _provider(self) -> Provider:
        return recognise(self.remote.url, self.outbound.headers)

    def _host(self) -> Step:
        kind = _CALLED[self._provider]
        return Step(StepName.HOST, StepState.OK, f"It speaks git{f', as {kind} does' if kind else ''}.")

    def _token(self) -> str:
        begin = "Make another token" if self.remote.credential else "Enter a token"
        return f"{begin}: {token_to_ask_for(self._provider, self.remote.url)}."

    def _no_entry(self) -> str:
        return (
            "The host does not accept this token for this repository: it is mistyped, has expired, was revoked, or lacks a "
            "permission."
            if self.remote.credential
            else "The host wants a token: the repository is not public, or not there."
        )


def _read(catalog: Catalog) -> Iterator[Step]:
    """Tell what a commit would have members get."""
    found = (
        ("There is no marketplace.json: the catalog is derived from the repository's folders.", _DERIVED)
        if catalog.derived
        else (f"“{catalog.name}”" if catalog.name else "It has no name of its own.", "")
    )
    yield Step(StepName.MARKETPLACE, StepState.CARE if catalog.derived else StepState.OK, *found)
    skills = sum(len(plugin.skills) for plugin in catalog.plugins)
    for name, one, count in (
        (StepName.PLUGINS, "plugin", len(catalog.plugins)),
        (StepName.SKILLS, "skill", skills),
    ):
        none = "" if count else f"Nobody would get anything of it until a {one} can be served."
        said = f"{count} {one}{'' if count == 1 else 's'}"
        yield Step(name, StepState.OK if count else StepState.CARE, said, none)
    yield _findings(catalog.findings)


def _findings(found: tuple[Finding, ...]) -> Step:
    order = list(Severity)
    first = sorted(found, key=lambda finding: order.index(finding.severity))[:FIRST_FINDINGS]
    counts = [(kind, sum(1 for finding in found if finding.severity == kind)) for kind in Severity]
    words = {Severity.ERROR: "not served", Severity.WARNING: "to look at", Severity.ADVICE: "as advice"}
    said = ", ".join(f"{count} {words[kind]}" for kind, count in counts if count) or "none"
    grave = any(count for kind, count in counts if kind is not Severity.ADVICE)
    remedy = "The repository can be bound; each sync lists them all." if found else ""
    return Step(
        StepName.FINDINGS, StepState.CARE if grave else StepState.OK, said, remedy, findings=tuple(first)
    )


def _failed(
    name: StepName, error: SkillportError, remedy: str = "", *, said: str = "", moved_to: str = ""
) -> Step:
    """Make the last step. Without words of its own it says what the error says."""
    told = said or error.message
    return Step(name, StepState.FAILED, told, remedy, code=error.code, moved_to=moved_to, error=error)


_CALLED: Final = {
    Provider.GITHUB: "GitHub",
    Provider.GITHUB_ENTERPRISE: "GitHub Enterprise Server",
    Provider.GITLAB: "GitLab",
    Provider.GITLAB_SELF_MANAGED: "GitLab",
    Provider.BITBUCKET: "Bitbucket",
    Provider.AZURE_DEVOPS: "Azure DevOps",
    Provider.GITEA: "Gitea",
    Provider.OTHER: "",
}
_NOT_THERE: Final = "The host knows no such repository, or hides it from this token."
_REACH: Final = (
    "The host must answer Skillport's server over https, on port 443, with a certificate of a public authority or of one "
    "that the operator trusts (SSL_CERT_FILE)."
)
_MOVED: Final = "Nothing was sent there. If it is the right place, use the new address; on another host, enter the token again."
_SLOW: Final = (
    "The commit did not arrive within the time of a check.",
    "The repository can be bound: a sync has more time. If it is large, the first sync may take minutes.",
)
_DERIVED: Final = (
    "Add .claude-plugin/marketplace.json to decide yourself what is published, and under which names."
)
