"""What can go wrong between us and a git host, each with what to do about it."""

import errno

from skillport.errors import SkillportError


class RepositoryError(SkillportError):
    """The repository could not be read. The last good snapshot stays in place."""

    code = "repository_unreadable"
    status = 502
    message = (
        "The git host did not deliver the repository. Skillport tries again by itself; nothing was lost."
    )


class CredentialRefused(RepositoryError):
    code = "credential_refused"
    status = 422
    message = (
        "The git host does not accept this token for this repository. Make a new one that may read the repository's "
        "contents (nothing else is needed) and enter it here."
    )


class RepositoryNotFound(RepositoryError):
    code = "repository_not_found"
    status = 422
    message = (
        "The git host knows no such repository, or hides it from this token. Check the address, and that the token "
        "belongs to an account that may read the repository."
    )


class RepositoryMoved(RepositoryError):
    """`location` is where the host points, `to` the repository's address there, '' where that is none.

    Nothing was requested from there.
    """

    code = "repository_moved"
    status = 422
    message = (
        "The git host sends us to a page instead of the repository, mostly because it wants a sign-in. Check the address, "
        "and that the token may read the repository."
    )

    def __init__(self, location: str, to: str = "") -> None:
        said = f"The git host says that this repository has moved. Confirm its new address before it is read again: {to}"
        super().__init__(said if to else None)
        self.location = location
        self.to = to


class RepositoryEmpty(RepositoryError):
    code = "repository_empty"
    status = 422
    message = "This repository has no commit yet. Push one that holds .claude-plugin/marketplace.json."


class BranchNotFound(RepositoryError):
    code = "branch_not_found"
    status = 422
    message = (
        "This repository has no branch of that name. Check the branch, or leave it empty for the default one."
    )


class RateLimited(RepositoryError):
    """`retry_after_seconds` is what the host asked for; None when it did not say."""

    code = "git_host_rate_limited"
    status = 503
    message = (
        "The git host asks for a pause. Skillport waits as long as it says and then tries again by itself."
    )

    def __init__(self, retry_after_seconds: int | None) -> None:
        super().__init__()
        self.retry_after_seconds = retry_after_seconds


class NotAGitHost(RepositoryError):
    code = "not_a_git_repository"
    status = 422
    message = "There is no git repository at this address. Copy the https address from the repository's clone button."


class FetchFailed(RepositoryError):
    """git could not fetch the commit; the log has its words, without secrets."""

    code = "fetch_failed"
    message = (
        "The git host announced a commit but did not deliver it. Skillport tries again by itself. If this stays, "
        "look at the git host's status."
    )


class DiskFull(FetchFailed):
    """There is no room where the worker keeps its copies."""

    code = "disk_full"
    status = 503
    message = (
        "Skillport's worker has no room left on its disk; nothing was lost. Tell whoever runs Skillport to make room: it is "
        "tried again by itself."
    )

    @staticmethod
    def is_told_by(error: BaseException) -> bool:
        """Tell whether the system says so in what it raised."""
        return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}


class PinnedCommitMissing(RepositoryError):
    code = "pinned_commit_missing"
    status = 422
    message = (
        "The git host did not deliver the commit that this marketplace is pinned to. Check that it is in this "
        "repository and that a branch or tag contains it, or follow the branch again."
    )


class FolderNotFound(RepositoryError):
    code = "folder_not_found"
    status = 422
    message = "There is no file below this marketplace's folder. Correct the folder, or leave it empty for the root."


class RepositoryTooLarge(RepositoryError):
    code = "repository_too_large"
    status = 422


class GitStopped(RepositoryError):
    """The process is ending, or the time allowed for git is over."""

    code = "sync_stopped"
    status = 503
    message = "This sync was stopped before it was finished. It is taken up again by itself."
