"""A dry run of the first sync: what would happen if a repository were bound, step by step, with what to do about it.

Nothing here knows of organizations or writes a row; the fetched commit is in a folder that the caller removes.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
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
from marketplaces.providers.api import Kind
from marketplaces.providers.github_app import GitHubApp
from marketplaces.services.app_trial import app_steps, remote_of
from marketplaces.services.credentials import AppTokenRefused
from marketplaces.services.steps import REACH, Step, StepName, StepState, failed
from skillport.errors import SkillportError
from skillport.outbound import AddressInvalid, HostUnreachable

FIRST_FINDINGS: Final = 5


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Everything that a dry run needs. The address is one that was checked; with `app` a token for it is minted first."""

    remote: Remote
    app: GitHubApp | None = None
    installation_id: int | None = None
    branch: str
    own_name: str
    outbound: BoundedOutbound
    git: GitProgram
    folder: Path
    limits: Limits
    max_entries: int
    max_bytes: int
    kind: Kind = Kind.NOT_ASKED  # whose API the host has, where somebody says so
    below: str = ""  # the folder that is read; '' is all of it

    def steps(self) -> Iterator[Step]:
        """Give each step as it ends, up to and with the first that fails."""
        yield Step(StepName.ADDRESS, StepState.OK, self.remote.url)
        trial = self
        if self.app is not None:
            minted = yield from app_steps(self.app, self.installation_id)
            if minted is None:
                return
            trial = replace(self, remote=remote_of(minted, self.remote.url))
        yield from trial._of_repository()

    def _of_repository(self) -> Iterator[Step]:
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
            yield failed(StepName.MARKETPLACE, error)
            return
        except (RepositoryError, HostUnreachable, OutOfTime) as error:
            # What was ended because the time was over may look like a fault of the host.
            slow = isinstance(error, GitStopped | OutOfTime) or self._time_is_over()
            yield Step(StepName.COMMIT, StepState.CARE, *_SLOW) if slow else failed(StepName.COMMIT, error)
            return
        except SkillportError as error:
            yield Step(StepName.COMMIT, StepState.OK, f"{head.commit[:12]} was fetched.")
            yield failed(StepName.MARKETPLACE, error)
            return
        yield from _read(catalog)

    def _refused(self, error: SkillportError) -> Iterator[Step]:
        """Tell how far we came before the host, or the guard in front of it, said no."""
        match error:
            case HostUnreachable() | AddressInvalid() | OutOfTime():
                yield failed(StepName.HOST, error, REACH)
                return
            case RateLimited(retry_after_seconds=seconds):
                wait = f"Check again in {seconds} seconds." if seconds else "Check again in a few minutes."
                yield failed(StepName.HOST, error, wait, said="The host asks for a pause.")
                return
        yield self._host()
        if isinstance(error, CredentialRefused):
            yield failed(StepName.CREDENTIAL, error, self._token(), said=self._no_entry())
            return
        silent = (
            "The host did not object to it." if self.remote.credential else "The host did not ask for one."
        )
        yield Step(StepName.CREDENTIAL, StepState.OK, silent)
        match error:
            case RepositoryNotFound():
                hidden = why_hidden(self._provider, self.remote.url)
                yield failed(StepName.REPOSITORY, error, f"{hidden} {self._token()}", said=_NOT_THERE)
            case RepositoryMoved(to=to) if to:
                said = f"It has moved to {to}"
                yield failed(StepName.REPOSITORY, error, _MOVED, said=said, moved_to=to)
            case RepositoryEmpty() | BranchNotFound():
                yield Step(StepName.REPOSITORY, StepState.OK, "It may be read.")
                yield failed(StepName.BRANCH, error)
            case _:
                yield failed(StepName.REPOSITORY, error)

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
        found = recognise(self.remote.url, self.outbound.headers)
        return _SELF_MANAGED.get(self.kind, found) if found is Provider.OTHER else found

    def _host(self) -> Step:
        kind = _CALLED[self._provider]
        return Step(StepName.HOST, StepState.OK, f"It speaks git{f', as {kind} does' if kind else ''}.")

    def _token(self) -> str:
        if self.app is not None:
            return f"{AppTokenRefused.message} GitHub may also need a moment to know a token that it made."
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


_SELF_MANAGED: Final = {
    Kind.GITHUB: Provider.GITHUB_ENTERPRISE,
    Kind.GITLAB: Provider.GITLAB_SELF_MANAGED,
}
_CALLED: Final = {
    Provider.GITHUB: "GitHub",
    Provider.GITHUB_ENTERPRISE: "GitHub Enterprise Server",
    Provider.GITLAB: "GitLab",
    Provider.GITLAB_SELF_MANAGED: "GitLab",
    Provider.BITBUCKET: "Bitbucket",
    Provider.BITBUCKET_DATA_CENTER: "Bitbucket Data Center",
    Provider.AZURE_DEVOPS: "Azure DevOps",
    Provider.GITEA: "Gitea",
    Provider.OTHER: "",
}
_NOT_THERE: Final = "The host knows no such repository, or hides it from this token."
_MOVED: Final = "Nothing was sent there. If it is the right place, use the new address; on another host, enter the token again."
_SLOW: Final = (
    "The commit did not arrive within the time of a check.",
    "The repository can be bound: a sync has more time. If it is large, the first sync may take minutes.",
)
_DERIVED: Final = (
    "Add .claude-plugin/marketplace.json to decide yourself what is published, and under which names."
)
