"""The part of a dry run that is about a GitHub App: is it known, is it installed, and does it get a token."""

from collections.abc import Generator

from marketplaces.git.head import Remote
from marketplaces.providers import github_app
from marketplaces.providers.api import ProviderPaused
from marketplaces.providers.github_app import AppRefused, GitHubApp, Minted
from marketplaces.services.credentials import GIT_USER
from marketplaces.services.steps import REACH, Step, StepName, StepState, failed
from skillport.errors import SkillportError
from skillport.outbound import HostUnreachable

_LATER = "Check again in a few minutes."


def app_steps(app: GitHubApp, installation_id: int | None) -> Generator[Step, None, Minted | None]:
    """Give each step as it ends, up to and with the first that fails; and in the end the token, if it came to that."""
    try:
        app.introduce()
    except SkillportError as error:
        yield _refused(StepName.APP, error)
        return None
    yield Step(StepName.APP, StepState.OK, "GitHub knows it, and the key is one of its own.")
    try:
        installation = app.installation(installation_id)
        installation.require(github_app.READ)
        minted = app.mint(github_app.READ, installation.id)
    except SkillportError as error:
        yield _refused(StepName.INSTALLATION, error)
        return None
    more = sorted(installation.permissions.keys() - {"contents", "metadata", "repository_hooks"})
    writes = installation.permissions.get("contents") != "read"
    said = f"Installation {installation.id} gives a token for this repository alone, to read it for an hour."
    if more or writes:
        yield Step(StepName.INSTALLATION, StepState.CARE, said, _TOO_MUCH)
    else:
        yield Step(StepName.INSTALLATION, StepState.OK, said)
    return minted


def remote_of(minted: Minted, url: str) -> Remote:
    """Give the repository as git is to ask for it."""
    return Remote(url, GIT_USER, minted.secret)


def _refused(name: StepName, error: SkillportError) -> Step:
    """Say what to do in the remedy: what an App's errors say is both, what is wrong and what to do."""
    if isinstance(error, HostUnreachable):
        return failed(name, error, REACH)
    if isinstance(error, ProviderPaused):
        return failed(name, error, _LATER, said="GitHub asks for a pause.")
    if isinstance(error, AppRefused):
        said, _, remedy = error.message.partition(". ")
        return failed(name, error, remedy, said=f"{said}.")
    return failed(name, error)


_TOO_MUCH = (
    "The App may do more than that: whoever has its key may, too. Contents: Read-only is all that Skillport needs, and "
    "Webhooks: Read and write if it is to register webhooks."
)
