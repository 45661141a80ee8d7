"""What a marketplace's repository is read with: what an administrator gives, and what its host is shown at the moment of use.

A token or password is shown as it is. With the key of a GitHub App, tokens are minted that read this one repository for an
hour; the last of them is kept, encrypted, until it is about to end, so that looking for new commits mints none each time.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeVar

from django.utils import timezone

from marketplaces.git.errors import CredentialRefused, RateLimited, RepositoryNotFound
from marketplaces.git.head import Remote
from marketplaces.models import Marketplace
from marketplaces.providers import github_app
from marketplaces.providers.api import Kind, ProviderPaused
from marketplaces.providers.detection import by_name, provider_of
from marketplaces.providers.github_app import AppRefused, GitHubApp, Minted
from skillport import tokens
from skillport.outbound import Outbound
from skillport.scoping import within

GIT_USER: Final = "x-access-token"  # beside an installation's token (docs.github.com, checked 2026-11)
_SPARE: Final = timedelta(minutes=10)  # as long as a sync may fetch, twice

T = TypeVar("T")


class AppNeedsGitHub(AppRefused):
    code = "github_app_needs_github"
    message = "A GitHub App opens repositories on GitHub only, and this is another host. Give a token that may read the repository."


class AppTokenRefused(AppRefused):
    code = "github_app_token_refused"
    message = (
        "GitHub refused a token that it had just given to the GitHub App. Look whether the organization's IP allow list at GitHub "
        "lets this server in, and at GitHub's status; then try again."
    )


@dataclass(frozen=True, slots=True)
class InstalledApp:
    """A GitHub App by its App id or client id, its installation, and the repository's id at GitHub; None: not known yet."""

    id: str
    installation_id: int | None = None
    repository_id: int | None = None


@dataclass(frozen=True, slots=True)
class Credential:
    """A token or password, or a private key (PEM) of `app`; '' for a repository that anybody may read.

    `username` only where the host wants a certain one.
    """

    secret: str = field(default="", repr=False)
    username: str = ""
    app: InstalledApp | None = None


NO_CREDENTIAL: Final = Credential()


@dataclass(frozen=True, slots=True)
class Login:
    """A repository and what its host is shown; `minted` when that is a token that an App's key made."""

    remote: Remote
    minted: Minted | None = None


def app_at(credential: Credential, url: str, outbound: Outbound) -> GitHubApp | None:
    """Give the GitHub App that acts for the repository at `url`; None for another credential. Raises `AppNeedsGitHub`."""
    if credential.app is None:
        return None
    # SECURITY: a host that is known to be another one is not told who the App is.
    require_github(by_name(url))
    return GitHubApp(credential.app.id, credential.secret, url, outbound)


def known_kind(row: Marketplace) -> Kind:
    """Give whose API the host has: as somebody said, or as the host itself was known by."""
    kind = Kind(row.provider)
    return kind if row.provider_chosen or provider_of(kind) is not None else Kind.NOT_ASKED


def require_github(kind: Kind) -> None:
    """Raise `AppNeedsGitHub` for a host that is something else."""
    if kind not in {Kind.NOT_ASKED, Kind.GITHUB}:
        raise AppNeedsGitHub


def log_in(credential: Credential, url: str, outbound: Outbound) -> Login:
    """Give what the host at `url` is to be shown, asking GitHub for a new token where an App makes them.

    Raises `AppRefused`, `RateLimited`, `NotARepository`, `ProviderMoved`, `HostUnreachable` or `AddressInvalid`.
    """
    app = app_at(credential, url, outbound)
    if app is None or credential.app is None:
        return Login(Remote(url, credential.username, credential.secret))
    try:
        minted = app.mint(github_app.READ, credential.app.installation_id, credential.app.repository_id)
    except ProviderPaused:
        raise RateLimited(None) from None
    return Login(Remote(url, GIT_USER, minted.secret), minted)


def asking(
    credential: Credential,
    url: str,
    outbound: Outbound,
    ask: Callable[[Remote], T],
    former: Login | None = None,
) -> tuple[T, Login]:
    """Ask the host with `former`, or with a new login, and give what came of it with the login that did.

    A token that an App made may have been revoked, or be one of before the App's rights were changed: where the host
    refuses it, another is minted, once. Raises what `ask` and `log_in` raise, and `AppTokenRefused`.
    """
    login = former or log_in(credential, url, outbound)
    try:
        return ask(login.remote), login
    except (CredentialRefused, RepositoryNotFound):
        if login.minted is None:
            raise
    login = log_in(credential, url, outbound)
    try:
        return ask(login.remote), login
    except CredentialRefused:
        raise AppTokenRefused from None


def stored(row: Marketplace) -> Credential:
    """Give a marketplace's credential, opened."""
    app = InstalledApp(row.app_id, row.app_installation_id, row.app_repository_id) if row.app_id else None
    return Credential(row.credential.open(), row.username, app)


def put(row: Marketplace, credential: Credential) -> list[str]:
    """Put another credential on the row, and give the names of the fields. Saving is up to the caller.

    Raises `AppKeyInvalid` for what is no key of an App, `AppNeedsGitHub` where somebody says that its host is another one.
    """
    app = credential.app
    if app and row.provider_chosen:
        require_github(Kind(row.provider))
    row.username = credential.username
    row.credential.put(credential.secret)
    # The end of a key's file says nothing, and its fingerprint is what GitHub shows of it.
    row.credential_last_four = "" if app else tokens.last_four(credential.secret)
    row.credential_fingerprint = github_app.fingerprint(credential.secret) if app else ""
    changed = forget_place(row)
    row.app_id = app.id if app else ""
    row.app_installation_id = app.installation_id if app else None
    row.minted_token.put("")
    return [
        *changed, "username", "credential", "credential_last_four", "credential_fingerprint", "app_id", "minted_token",
    ]  # fmt: skip


def forget_place(row: Marketplace) -> list[str]:
    """Forget where an App is installed and what it minted, because the repository is elsewhere; gives the fields' names."""
    row.app_installation_id = row.app_repository_id = row.minted_until = None
    return ["app_installation_id", "app_repository_id", "minted_until"]


def kept(row: Marketplace, now: datetime) -> Login | None:
    """Give the login with the token that was minted last, as long as it is good for a whole sync."""
    if row.minted_until is None or row.app_installation_id is None or row.minted_until - now < _SPARE:
        return None
    secret = row.minted_token.open()
    minted = Minted(secret, row.minted_until, row.app_installation_id, row.app_repository_id)
    return Login(Remote(row.url, GIT_USER, secret), minted)


def keep(row: Marketplace, minted: Minted) -> None:
    """Keep a token for the next time, unless credential or address were changed meanwhile."""
    row.minted_token.put(minted.secret)
    with within(row.organization_id):
        same = Marketplace.objects.for_organization(row.organization_id).filter(
            pk=row.pk, url=row.url, credential=row.credential.sealed
        )
        same.update(
            minted_token=row.minted_token.sealed, minted_until=minted.expires_at,
            app_installation_id=minted.installation_id, app_repository_id=minted.repository_id,
        )  # fmt: skip


def login_of(row: Marketplace, outbound: Outbound) -> Login:
    """Give what a marketplace's host is to be shown: the token that is kept, or a new one. Raises what `log_in` raises."""
    if (login := kept(row, timezone.now())) is not None:
        return login
    login = log_in(stored(row), row.url, outbound)
    if login.minted is not None:
        keep(row, login.minted)
    return login


def ask_host(row: Marketplace, outbound: Outbound, ask: Callable[[Remote], T]) -> tuple[T, Login]:
    """Ask a marketplace's host, with the token that is kept where there is one. Raises what `asking` raises."""
    former = kept(row, timezone.now())
    answer, login = asking(stored(row), row.url, outbound, ask, former)
    if login.minted is not None and login is not former:
        keep(row, login.minted)
    return answer, login


def token_for_webhooks(row: Marketplace, outbound: Outbound) -> str:
    """Give the secret with which webhooks are registered: an App makes one for that alone, which is not kept.

    Raises `AppRefused`, `ProviderPaused`, `NotARepository`, `HostUnreachable` or `AddressInvalid`.
    """
    credential = stored(row)
    app = app_at(credential, row.url, outbound)
    if app is None or credential.app is None:
        return credential.secret
    known = credential.app
    return app.mint(github_app.REGISTER_WEBHOOKS, known.installation_id, known.repository_id).secret
