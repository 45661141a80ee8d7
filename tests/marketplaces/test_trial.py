"""The dry run of a first sync, against hosts that answer as they are told and against a real one."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from marketplaces.git.bounded import BoundedOutbound
from marketplaces.git.head import Remote
from marketplaces.git.processes import Processes
from marketplaces.git.program import GitProgram
from marketplaces.manifest.limits import DEFAULT
from marketplaces.services.steps import Step, StepName, StepState, steps_of
from marketplaces.services.trial import Trial
from skillport.outbound import Origin
from tests.marketplaces.git.hosts import LISTED, Answers, FakeHost, Request, always, answer
from tests.ports import nobodys_port
from tests.repositories import SMALL, NewRepository, marketplace, skill

SECRET = "a-token-that-nobody-may-see"


def trial(
    folder: Path, url: str, *, branch: str = "", credential: str = SECRET, seconds: float = 60
) -> Trial:
    allowed = frozenset({Origin.parse(url)})
    return Trial(
        remote=Remote(url, "", credential),
        branch=branch,
        own_name="acme",
        outbound=BoundedOutbound(allowed, ends_at=time.monotonic() + seconds),
        git=GitProgram(Processes(folder / "processes")),
        folder=folder,
        limits=DEFAULT,
        max_entries=1000,
        max_bytes=2**20,
    )


def states(steps: list[Step]) -> dict[str, str]:
    return {step.name: step.state for step in steps}


def ok(*names: StepName) -> dict[str, str]:
    return dict.fromkeys(names, StepState.OK)


ANSWERED = (StepName.ADDRESS, StepName.HOST, StepName.CREDENTIAL, StepName.REPOSITORY, StepName.BRANCH)


def test_what_can_be_served_passes_every_step(tmp_path: Path, new_repository: NewRepository) -> None:
    repository = new_repository(SMALL)
    steps = list(trial(tmp_path, repository.url, credential=repository.token).steps())
    assert states(steps) == ok(*steps_of(app=False))
    told = {step.name: step.said for step in steps}
    assert told[StepName.BRANCH] == "main, by default"
    assert told[StepName.MARKETPLACE] == "“test-skills”"
    assert (told[StepName.PLUGINS], told[StepName.SKILLS]) == ("1 plugin", "2 skills")
    assert told[StepName.FINDINGS] == "none"
    assert repository.token not in repr(steps)


def test_what_is_worth_a_look_is_said_and_still_passes(tmp_path: Path, new_repository: NewRepository) -> None:
    derived = new_repository({"skills/hello/SKILL.md": skill("other")})
    steps = {one.name: one for one in trial(tmp_path / "a", derived.url, credential=derived.token).steps()}
    assert steps[StepName.MARKETPLACE].state is StepState.CARE
    assert "derived" in steps[StepName.MARKETPLACE].said
    assert {one.code for one in steps[StepName.FINDINGS].findings} == {
        "catalog_derived",
        "skill_name_differs",
    }
    empty = new_repository({".claude-plugin/marketplace.json": marketplace("absent")})
    steps = {one.name: one for one in trial(tmp_path / "b", empty.url, credential=empty.token).steps()}
    assert steps[StepName.PLUGINS].state is StepState.CARE
    assert steps[StepName.FINDINGS].state is StepState.CARE
    assert steps[StepName.FINDINGS].findings[0].code == "source_missing"


def test_content_that_is_no_marketplace_fails_with_what_to_add(
    tmp_path: Path, new_repository: NewRepository
) -> None:
    repository = new_repository({"README.md": "x"})
    *before, last = trial(tmp_path, repository.url, credential=repository.token).steps()
    assert states(before) == ok(*ANSWERED, StepName.COMMIT)
    assert (last.name, last.state, last.code) == (
        StepName.MARKETPLACE,
        StepState.FAILED,
        "marketplace_json_missing",
    )
    assert "skills/<name>/SKILL.md" in last.said


REFUSALS: dict[str, tuple[Answers, StepName, str, str]] = {
    "GitHub, a wrong token": (
        always(401, WWW_Authenticate='Basic realm="GitHub"'),
        StepName.CREDENTIAL, "credential_refused", "Contents: Read-only",
    ),
    "GitLab, a wrong token": (
        always(401, WWW_Authenticate='Basic realm="GitLab"'),
        StepName.CREDENTIAL, "credential_refused", "read_repository",
    ),
    "any host, a wrong token": (always(403), StepName.CREDENTIAL, "credential_refused", "nothing else"),
    "GitHub, hidden": (
        always(404, X_GitHub_Request_Id="1"), StepName.REPOSITORY, "repository_not_found", "acme has yet to approve it"
    ),
    "GitLab, hidden": (
        always(404, X_Gitlab_Meta="{}"), StepName.REPOSITORY, "repository_not_found", "Reporter is needed"
    ),
    "a pause": (always(429, Retry_After="120"), StepName.HOST, "git_host_rate_limited", "in 120 seconds"),
    "a web page": (
        always(200, b"<html>", content_type="text/html"), StepName.REPOSITORY, "not_a_git_repository", ""
    ),
    "nothing pushed yet": (always(200, b"0000"), StepName.BRANCH, "repository_empty", ""),
    "moved": (
        always(301, Location="https://new.example/acme/skills.git/git-upload-pack"),
        StepName.REPOSITORY, "repository_moved", "enter the token again",
    ),
    "a page to sign in on": (always(302, Location="/login"), StepName.REPOSITORY, "repository_moved", ""),
}  # fmt: skip


@pytest.mark.parametrize(("answers", "name", "code", "remedy"), REFUSALS.values(), ids=REFUSALS)
def test_each_refusal_ends_the_step_that_it_is_about_with_its_remedy(
    tmp_path: Path, answers: Answers, name: StepName, code: str, remedy: str
) -> None:
    with FakeHost(answers) as host:
        *before, last = trial(tmp_path, f"{host.url}/acme/skills.git").steps()
    order = steps_of(app=False)
    assert states(before) == ok(*order[: order.index(name)])
    assert (last.name, last.state, last.code) == (name, StepState.FAILED, code)
    assert remedy in last.remedy
    assert (last.moved_to == "https://new.example/acme/skills.git") == (remedy == "enter the token again")
    assert SECRET not in repr([*before, last]) + str(last.error)


def test_without_a_token_it_is_asked_for_and_not_called_wrong(tmp_path: Path) -> None:
    with FakeHost(always(401)) as host:
        *_, last = trial(tmp_path, f"{host.url}/acme/skills.git", credential="").steps()
    assert last.said.startswith("The host wants a token")
    assert last.remedy.startswith("Enter a token: ")


def test_nobody_at_the_address_fails_the_host(tmp_path: Path) -> None:
    with nobodys_port() as port:
        *before, last = trial(tmp_path, f"http://127.0.0.1:{port}/acme/skills.git").steps()
    assert states(before) == ok(StepName.ADDRESS)
    assert (last.name, last.code) == (StepName.HOST, "host_unreachable")


def test_a_branch_that_is_not_there_fails_its_step(tmp_path: Path, new_repository: NewRepository) -> None:
    repository = new_repository(SMALL)
    *before, last = trial(tmp_path, repository.url, branch="nope", credential=repository.token).steps()
    assert states(before) == ok(*ANSWERED[:-1])
    assert (last.name, last.code) == (StepName.BRANCH, "branch_not_found")


def test_a_time_that_is_over_asks_nobody(tmp_path: Path) -> None:
    with FakeHost(always(200, LISTED + b"0000")) as host:
        *_, last = trial(tmp_path, f"{host.url}/acme/skills.git", seconds=0).steps()
        assert host.requests == []
    assert (last.name, last.code) == (StepName.HOST, "check_too_slow")


def test_git_that_is_ended_because_the_time_is_over_leaves_a_repository_that_can_be_bound(
    tmp_path: Path,
) -> None:
    def answers(request: Request) -> Iterator[bytes]:
        if request.method == "POST":
            yield from answer(body=LISTED + b"0000")
        else:
            made.git.processes.stop()
            yield from host._silence(request)

    with FakeHost(answers) as host:
        made = trial(tmp_path, f"{host.url}/acme/skills.git")
        *before, last = made.steps()
    assert states(before) == ok(*ANSWERED)
    assert (last.name, last.state) == (StepName.COMMIT, StepState.CARE)
    assert "a sync has more time" in last.remedy
