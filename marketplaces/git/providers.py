"""Which kind of git host we speak to, and what its people have to do so that we may read a repository.

Names of settings, permissions and scopes as pages of GitHub, GitLab, Atlassian, Microsoft and Gitea had them (looked up
2026-11). The headers by which hosts are recognised still have to be compared with live hosts.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from skillport.outbound import Origin


class Provider(StrEnum):
    GITHUB = "github"
    GITHUB_ENTERPRISE = "github_enterprise"
    GITLAB = "gitlab"
    GITLAB_SELF_MANAGED = "gitlab_self_managed"
    BITBUCKET = "bitbucket"
    BITBUCKET_DATA_CENTER = "bitbucket_data_center"
    AZURE_DEVOPS = "azure_devops"
    GITEA = "gitea"
    OTHER = "other"


_BY_HOST: Final = {
    "github.com": Provider.GITHUB,
    "gitlab.com": Provider.GITLAB,
    "bitbucket.org": Provider.BITBUCKET,
    "dev.azure.com": Provider.AZURE_DEVOPS,
    "codeberg.org": Provider.GITEA,
}
# What a host says of itself: in headers of its own, and in the realm for which it asks a password.
_BY_HEADER: Final = {
    "x-github-request-id": Provider.GITHUB_ENTERPRISE,
    "x-gitlab-meta": Provider.GITLAB_SELF_MANAGED,
    "x-gitea-version": Provider.GITEA,
    "x-tfs-processid": Provider.AZURE_DEVOPS,
}
_BY_REALM: Final = {
    "github": Provider.GITHUB_ENTERPRISE,
    "gitlab": Provider.GITLAB_SELF_MANAGED,
    "gitea": Provider.GITEA,
    "forgejo": Provider.GITEA,
    "bitbucket": Provider.BITBUCKET_DATA_CENTER,
}
_TOKENS: Final = {
    Provider.GITHUB: "a fine-grained token (Settings / Developer settings / Personal access tokens / Fine-grained tokens): resource owner {owner}, "
    "only this repository, permission Contents: Read-only. A classic token needs the scope repo, which may do far more",
    Provider.GITHUB_ENTERPRISE: "a fine-grained token on {host} (Settings / Developer settings / Personal access tokens): resource owner {owner}, "
    "only this repository, permission Contents: Read-only. Where the server is too old for those, a classic token with "
    "the scope repo",
    Provider.GITLAB: "a project access token (the project's Settings / Access tokens) with the role Reporter and the scope "
    "read_repository",
    Provider.GITLAB_SELF_MANAGED: "a project access token on {host} (the project's Settings / Access tokens) with the role "
    "Reporter and the scope read_repository",
    Provider.BITBUCKET: "a repository access token (Repository settings / Access tokens) with the permission Repositories: "
    "Read, and the user name x-token-auth",
    # Its tokens of projects and repositories are for a header that git hosts do not share.
    Provider.BITBUCKET_DATA_CENTER: "an HTTP access token of an account's own (Manage account / HTTP access tokens) with the "
    "permission Repository read, and that account's user name",
    Provider.AZURE_DEVOPS: "a personal access token (User settings / Personal access tokens) with the scope Code: Read",
    Provider.GITEA: "a token (Settings / Applications) with the scope read:repository, of an account that may only read this "
    "repository",
    Provider.OTHER: "a token or password that may read this repository and nothing else; enter the user name beside it if "
    "{host} wants a certain one",
}  # fmt: skip
_HIDDEN: Final = {
    Provider.GITHUB: "GitHub answers the same for what is not there and for what a token may not see. Usual causes: the "
    "token's resource owner is you and not {owner}; an owner of {owner} has yet to approve it (organization settings / "
    "Personal access tokens / Pending requests); a classic token is not authorized for {owner}'s single sign-on.",
    Provider.GITLAB: "GitLab answers the same for what is not there and for what a token may not see. Usual causes: the token "
    "belongs to another project or group; its role is Guest (Reporter is needed); it has expired.",
}


def recognise(url: str, headers: Mapping[str, str]) -> Provider:
    """Give the kind of host at `url`, by its name or by the headers (names in lower case) that it answered with."""
    host = Origin.parse(url).host
    if host in _BY_HOST:
        return _BY_HOST[host]
    if host.endswith(".visualstudio.com"):
        return Provider.AZURE_DEVOPS
    for name, provider in _BY_HEADER.items():
        if name in headers:
            return provider
    realm = headers.get("www-authenticate", "").lower()
    return next((provider for word, provider in _BY_REALM.items() if word in realm), Provider.OTHER)


def token_to_ask_for(provider: Provider, url: str) -> str:
    """Say what the least is that a token for `url` has to be allowed, as the end of a sentence."""
    return _TOKENS[provider].format(**_names(url))


def why_hidden(provider: Provider, url: str) -> str:
    """Say why a host may hide a repository from a token that it accepts."""
    kin = {Provider.GITHUB_ENTERPRISE: Provider.GITHUB, Provider.GITLAB_SELF_MANAGED: Provider.GITLAB}
    said = _HIDDEN.get(kin.get(provider, provider), "Many hosts hide what a token may not see.")
    return said.format(**_names(url))


def _names(url: str) -> dict[str, str]:
    path = urlsplit(url).path.strip("/").split("/")
    return {"host": Origin.parse(url).host, "owner": path[0] if len(path) > 1 else "its owner"}
