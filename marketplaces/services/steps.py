"""What a dry run tells: its steps, what came of each, and what to do about it."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from marketplaces.manifest.report import Finding
from skillport.errors import SkillportError


class StepName(StrEnum):
    """What is looked at, in this order."""

    ADDRESS = "address"
    APP = "app"
    INSTALLATION = "installation"
    HOST = "host"
    CREDENTIAL = "credential"
    REPOSITORY = "repository"
    BRANCH = "branch"
    COMMIT = "commit"
    MARKETPLACE = "marketplace"
    PLUGINS = "plugins"
    SKILLS = "skills"
    FINDINGS = "findings"


def steps_of(*, app: bool) -> list[StepName]:
    """Give what is looked at, with a GitHub App or without one."""
    of_apps = {StepName.APP, StepName.INSTALLATION}
    return [name for name in StepName if app or name not in of_apps]


class StepState(StrEnum):
    OK = "ok"
    CARE = "care"  # look at it; the repository can be bound
    FAILED = "failed"  # the last step there is


TITLES: Final = {
    StepName.ADDRESS: "Address is allowed",
    StepName.APP: "GitHub App is known",
    StepName.INSTALLATION: "App is installed for the repository",
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


def failed(
    name: StepName, error: SkillportError, remedy: str = "", *, said: str = "", moved_to: str = ""
) -> Step:
    """Make the last step. Without words of its own it says what the error says."""
    told = said or error.message
    return Step(name, StepState.FAILED, told, remedy, code=error.code, moved_to=moved_to, error=error)


REACH: Final = (
    "The host must answer Skillport's server over https, on port 443, with a certificate of a public authority or of one "
    "that the operator trusts (SSL_CERT_FILE)."
)
