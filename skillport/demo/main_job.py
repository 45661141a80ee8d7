"""`demo --once`: the whole main job through the real doors, each step checked and timed.

A repository is bound and synced; a member asks the connector for skills and installs them with the real installer
into a temporary home, and every byte and mode is compared with what git has; then what must be refused is refused.
"""

import asyncio
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from skillport.accounts.models import User
from skillport.demo.comparison import Differs, Repository, compare_installed, explain_counts
from skillport.demo.seed import SeededOrganization, SyncDidNotSucceed, seed, write_demo_file
from skillport.demo.serving import served, worker_running
from skillport.demo.surroundings import Surroundings
from skillport.errors import SkillportError

_INSTALLS: Final = 5  # of the largest skills: enough to see every kind of file, and no more than seconds


class StepFailed(Exception):
    """A step of the main job did not do what it must; the message says what was expected and what came."""


def run(here: Surroundings) -> int:
    """Do the main job and say each step with its time. Gives the exit code."""
    began = time.perf_counter()
    try:
        with worker_running(here), served(here):
            _say("database, migrations, worker and server", began)
            _steps(here)
    except (StepFailed, Differs, SyncDidNotSucceed, SkillportError, httpx2.HTTPError) as error:
        print(f"FAILED: {error}")
        return 1
    print(f"All steps done in {time.perf_counter() - began:.1f} s")
    return 0


def _steps(here: Surroundings) -> None:
    with _step("two organizations bind their private repositories and sync them"):
        acme, globex = seed(here, print)
        write_demo_file(here, [acme, globex])
    if not here.options.marketplace:
        print(f"      it cost Acme's git host {_requests(here)}")
    _, bob = acme.people
    (charlie,) = globex.people
    bobs, charlies = _Connector(acme, bob.api_key), _Connector(acme, charlie.api_key)
    with tempfile.TemporaryDirectory() as scratch:
        with _step("an independent look at the same repository, by plain git"):
            repository = _look(here, Path(scratch) / "repository.git")
            counts = explain_counts(acme.slug, repository)
        print(f"      {counts}")
        with _step("Bob signs in with a browser, sees his catalog, and nothing of the other organization"):
            browser = _signed_in(here, bob.email)
            catalog = browser.get(f"/{acme.slug}/")
            _expect(catalog.status_code == 200, f"Bob's catalog, not status {catalog.status_code}")
            _expect(
                f"<h2>{acme.hidden_skill or 'nothing'}</h2>" not in catalog.text,
                "the hidden skill is not in the catalog",
            )
            foreign, absent = (browser.get(f"/{slug}/") for slug in (globex.slug, "not-there"))
            _expect(foreign.status_code == absent.status_code == 404, "404 for both")
            _expect(foreign.content == absent.content, "the same page for both")
        with _step(
            f"Bob lists his skills through the connector, without {acme.hidden_skill or 'any hidden one'}"
        ):
            skills = bobs.call("list_skills")["skills"]
            _expect(bool(skills), "Bob sees skills; where none is served, the findings above say why")
            _expect(
                acme.hidden_skill not in {skill["name"] for skill in skills}, "the hidden skill is not listed"
            )
        home = Path(scratch) / "home"
        for skill in sorted(skills, key=lambda one: -repository.file_count(acme.slug, one))[:_INSTALLS]:
            name = f"{skill['plugin']}/{skill['name']}"
            with _step(f"install {name} by one line, and compare every byte and mode"):
                issued = bobs.call("get_install_token", name=name)
                _install(here, issued["command"], home)
                files = compare_installed(
                    repository, acme.slug, skill, home / ".claude" / "skills" / skill["name"]
                )
            print(f"      {files}")
        with _step("the same token a second time is refused"):
            _expect(
                _redeem(here, issued["command"]) == (410, "install_token_spent"), "410 install_token_spent"
            )
        with _step("what is hidden from Bob cannot be had by name either"):
            refusal = bobs.refused("get_install_token", name=acme.hidden_skill or "hidden")
            _expect(
                refusal == bobs.refused("get_install_token", name="no-such-skill"),
                "the same answer as for nothing",
            )
        with _step("Charlie of the other organization is refused"):
            _expect(charlies.status() == 401, "401 at Acme's connector for Globex's key")


def _signed_in(here: Surroundings, email: str) -> httpx2.Client:
    """Give a browser in which the demo's person has signed in."""
    browser = httpx2.Client(base_url=here.site_url, trust_env=False, timeout=20)
    user = User.objects.get(email=email)
    page = browser.get("/accounts/demo")
    form = {
        "person": str(user.pk),
        "csrfmiddlewaretoken": page.text.partition('csrfmiddlewaretoken" value="')[2][:64],
    }
    answer = browser.post("/accounts/demo", data=form, headers={"Referer": f"{here.site_url}/accounts/demo"})
    _expect(answer.status_code == 302, f"the demo's sign-in leads on, not status {answer.status_code}")
    return browser


@contextmanager
def _step(what: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    _say(what, began)


def _say(what: str, began: float) -> None:
    print(f"ok {time.perf_counter() - began:6.2f} s  {what}", flush=True)


def _expect(holds: bool, what: str) -> None:  # noqa: FBT001 a statement and its text
    if not holds:
        raise StepFailed(f"expected: {what}")


def _requests(here: Surroundings) -> str:
    """Say what reading the sample cost its host; a push is not counted."""
    reads = [one for one in here.git_host.exchanges if "acme/skills.git" in one.path and not one.is_push]
    return (
        f"{len(reads)} requests, {sum(one.bytes_in + one.bytes_out for one in reads):,} bytes in their bodies"
    )


class _Connector:
    """An organization's connector, as one person's MCP client sees it."""

    def __init__(self, organization: SeededOrganization, api_key: str) -> None:
        self._url = organization.connector_url
        self._headers = {"Authorization": f"Bearer {api_key}"}

    def call(self, tool: str, **arguments: str) -> dict[str, Any]:
        answer = asyncio.run(self._call(tool, arguments))
        _expect(not answer.is_error, f"{tool} answers; it said: {_text(answer)}")
        told: dict[str, Any] = answer.structured_content
        return told

    def refused(self, tool: str, **arguments: str) -> str:
        answer = asyncio.run(self._call(tool, arguments))
        _expect(bool(answer.is_error), f"{tool} refuses {arguments}")
        return _text(answer)

    def status(self) -> int:
        return httpx2.post(self._url, headers=self._headers, json={}, trust_env=False).status_code

    async def _call(self, tool: str, arguments: dict[str, str]) -> Any:
        async with (
            httpx2.AsyncClient(headers=self._headers, trust_env=False) as http,
            Client(streamable_http_client(self._url, http_client=http)) as client,
        ):
            return await client.call_tool(tool, arguments)


def _text(answer: Any) -> str:
    return "".join(part.text for part in answer.content if part.type == "text")


def _look(here: Surroundings, into: Path) -> Repository:
    """Clone what Acme bound, bare, with the same token, by git alone."""
    if here.options.marketplace:
        return Repository.clone(here.options.marketplace, here.options.token, into)
    return Repository.clone(
        here.git_host.address_of("acme/skills"), here.git_host.token_of("acme/skills"), into
    )


def _install(here: Surroundings, command: str, home: Path) -> None:
    """Run the command that a model would run, in a home of its own. Without curl, the script comes by another way."""
    home.mkdir(exist_ok=True)
    environment = {"HOME": str(home), "PATH": os.environ.get("PATH", os.defpath)}
    if shutil.which("curl") is None:
        script = httpx2.get(f"{here.site_url}/install.sh", trust_env=False).text
        environment["SKILLPORT_TOKEN"] = _token(command)
        done = _run(["bash"], script, environment)
    else:
        done = _run(["bash", "-o", "pipefail", "-c", command], "", environment)
    _expect(done.returncode == 0, f"the installer succeeds; it said: {done.stderr.strip()}")


def _run(arguments: list[str], given: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments, input=given, env=environment, capture_output=True, text=True, check=False
    )


def _token(command: str) -> str:
    return command.partition("SKILLPORT_TOKEN=")[2].split()[0]


def _redeem(here: Surroundings, command: str) -> tuple[int, str]:
    body = {"token": _token(command), "redemption_key": secrets.token_hex(16)}
    answer = httpx2.post(f"{here.site_url}/api/v1/install/redeem", json=body, trust_env=False)
    return answer.status_code, answer.json()["error"]["code"]
