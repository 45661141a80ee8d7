"""python-gitlab as a client that nobody here wrote: what we send is what it would, and our GitLab answers it as GitLab does."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import gitlab as python_gitlab
import pytest
import requests
from gitlab.exceptions import GitlabAuthenticationError, GitlabCreateError, GitlabHttpError, GitlabListError
from gitlab.v4.objects import ProjectHookManager

from marketplaces.providers.api import Access, Hook
from marketplaces.providers.gitlab import GitLab
from marketplaces.providers.secrets import new_secret
from skillport.outbound import Outbound
from tests.marketplaces.providers.fake_hosts import GITLAB_ATTRIBUTES, FakeGitLab, Token

TOKEN, LIMITED = "glpat-may-all-0123456789", "glpat-may-read-0123456789"
PROJECT = "acme/deep/skills & more"
HOOK = Hook("https://skills.example/hooks/1", new_secret())


@pytest.fixture
def host(gitlab: FakeGitLab) -> FakeGitLab:
    gitlab.tokens = {TOKEN: Token(expires="2027-03-31"), LIMITED: Token(hooks=False)}
    return gitlab


@pytest.fixture
def session() -> Iterator[Any]:
    with requests.Session() as made:
        made.trust_env = False
        yield made


def client(host: FakeGitLab, session: Any, token: str = TOKEN) -> python_gitlab.Gitlab:
    return python_gitlab.Gitlab(
        host.origin.plain, private_token=token, session=session, retry_transient_errors=False
    )


def register(host: FakeGitLab, token: str = TOKEN) -> None:
    url = f"{host.origin.plain}/{PROJECT.replace(' ', '%20')}.git"
    GitLab().register(Access(url, token, Outbound(frozenset({host.origin}))), HOOK)


def sent(host: FakeGitLab, method: str) -> list[Any]:
    return [asked for asked in host.asked if asked.method == method]


def test_what_we_send_has_the_names_that_the_client_knows(host: FakeGitLab) -> None:
    register(host)
    known = ProjectHookManager._create_attrs
    for asked in sent(host, "POST"):
        assert set(asked.body) <= {*known.required, *known.optional}
        assert set(known.required) <= set(asked.body)
    assert set(GITLAB_ATTRIBUTES) <= {*known.required, *known.optional}, "what the fake takes for known"


def test_both_make_the_same_request(host: FakeGitLab, session: Any) -> None:
    register(host)
    ours = sent(host, "POST")[0]
    hooks = client(host, session).projects.get(PROJECT, lazy=True).hooks
    hooks.create(dict(ours.body))
    theirs = sent(host, "POST")[1]
    assert unquote(ours.path) == unquote(theirs.path) == f"/api/v4/projects/{PROJECT}/hooks"
    assert ours.path.count("/") == theirs.path.count("/"), "the project is one segment of the path"
    assert ours.body == theirs.body
    for name in ("private-token", "content-type"):
        assert ours.headers[name] == theirs.headers[name]


def test_the_client_sees_changes_and_repeats_what_we_registered(host: FakeGitLab, session: Any) -> None:
    register(host)
    hooks = client(host, session).projects.get(PROJECT, lazy=True).hooks
    (made,) = hooks.list(get_all=True)
    assert made.url == HOOK.url
    assert (made.push_events, made.enable_ssl_verification, made.signing_token_present) == (True, True, True)
    for secret in ("token", "signing_token"):
        assert secret not in made.attributes
    made.push_events = False
    made.save()
    assert host.hooks[made.id]["push_events"] is False
    register(host)
    assert [hook.push_events for hook in hooks.list(get_all=True)] == [True]
    theirs, ours = sent(host, "PUT")[0], sent(host, "PUT")[-1]
    assert theirs.path == ours.path


def test_the_end_of_a_token_is_what_the_client_reads(host: FakeGitLab, session: Any) -> None:
    told = client(host, session).personal_access_tokens.get("self").expires_at
    url = f"{host.origin.plain}/acme/skills.git"
    ends = GitLab().expires_at(Access(url, TOKEN, Outbound(frozenset({host.origin}))))
    assert ends is not None
    assert told == ends.date().isoformat()
    assert len({asked.path for asked in sent(host, "GET")}) == 1


def test_refusals_are_those_that_the_client_knows(host: FakeGitLab, session: Any) -> None:
    def hooks(token: str) -> Any:
        return client(host, session, token).projects.get(PROJECT, lazy=True).hooks

    with pytest.raises(GitlabAuthenticationError) as unknown:
        hooks("nobody's").list(get_all=True)
    assert unknown.value.response_code == 401
    with pytest.raises(GitlabListError) as limited:
        hooks(LIMITED).list(get_all=True)
    assert limited.value.response_code == 403
    with pytest.raises(GitlabCreateError) as wrong:
        hooks(TOKEN).create({"url": "not-an-address"})
    assert (wrong.value.response_code, wrong.value.error_message) == (422, "Invalid url given")
    host.paused = True
    with pytest.raises(GitlabHttpError) as paused:
        client(host, session).http_request("get", "/personal_access_tokens/self", obey_rate_limit=False)
    assert paused.value.response_code == 429
