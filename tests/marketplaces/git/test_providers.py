"""Which kind of host it is, and what its people are told to do."""

import pytest

from marketplaces.git.providers import Provider, recognise, token_to_ask_for, why_hidden

OWN = "https://git.acme.example/acme/skills.git"


@pytest.mark.parametrize(
    ("url", "headers", "provider"),
    [
        ("https://github.com/acme/skills.git", {}, Provider.GITHUB),
        ("https://gitlab.com/acme/skills.git", {}, Provider.GITLAB),
        ("https://bitbucket.org/acme/skills.git", {}, Provider.BITBUCKET),
        ("https://dev.azure.com/acme/x/_git/skills", {}, Provider.AZURE_DEVOPS),
        ("https://acme.visualstudio.com/x/_git/skills", {}, Provider.AZURE_DEVOPS),
        (OWN, {"x-github-request-id": "1"}, Provider.GITHUB_ENTERPRISE),
        (OWN, {"www-authenticate": 'Basic realm="GitHub"'}, Provider.GITHUB_ENTERPRISE),
        (OWN, {"x-gitlab-meta": "{}"}, Provider.GITLAB_SELF_MANAGED),
        (OWN, {"www-authenticate": 'Basic realm="GitLab"'}, Provider.GITLAB_SELF_MANAGED),
        (OWN, {"www-authenticate": 'Basic realm="Atlassian Bitbucket"'}, Provider.BITBUCKET_DATA_CENTER),
        (OWN, {"www-authenticate": 'Basic realm="Gitea"'}, Provider.GITEA),
        (OWN, {"www-authenticate": 'Basic realm="git"'}, Provider.OTHER),
        ("https://github.com.evil.example/a/b.git", {}, Provider.OTHER),
    ],
)
def test_a_host_is_known_by_its_name_or_by_what_it_says_of_itself(
    url: str, headers: dict[str, str], provider: Provider
) -> None:
    assert recognise(url, headers) is provider


LEAST = {
    Provider.GITHUB: "Contents: Read-only",
    Provider.GITHUB_ENTERPRISE: "Contents: Read-only",
    Provider.GITLAB: "read_repository",
    Provider.GITLAB_SELF_MANAGED: "read_repository",
    Provider.BITBUCKET: "Repositories: Read",
    Provider.BITBUCKET_DATA_CENTER: "Repository read",
    Provider.AZURE_DEVOPS: "Code: Read",
    Provider.GITEA: "read:repository",
    Provider.OTHER: "nothing else",
}


@pytest.mark.parametrize("provider", Provider)
def test_each_kind_is_asked_for_the_least_that_reading_needs(provider: Provider) -> None:
    assert LEAST[provider] in token_to_ask_for(provider, OWN)
    for said in (token_to_ask_for(provider, OWN), why_hidden(provider, OWN)):
        assert "{" not in said


def test_the_owner_and_the_host_are_named() -> None:
    assert "resource owner acme" in token_to_ask_for(Provider.GITHUB, "https://github.com/acme/skills.git")
    assert "git.acme.example" in token_to_ask_for(Provider.GITLAB_SELF_MANAGED, OWN)
    assert "an owner of acme has yet to approve it" in why_hidden(Provider.GITHUB_ENTERPRISE, OWN)
