"""The first story: a member asks for a skill, and exactly that skill lies in their folder."""

import json
import subprocess
from pathlib import Path

import anyio
import httpx2
import pytest
from django.conf import settings
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from marketplaces.services.worker import Worker
from skillport.principal import Principal
from tests.cast import key_of, make_cast
from tests.publishing import hide, publish
from tests.repositories import SMALL, NewRepository
from tests.running import Running


def call(who: Principal, tool: str, **arguments: str) -> dict[str, object]:
    """Call a tool at the person's own organization, as an MCP client does; a refusal comes as {'refused': text}."""
    return call_at(who.organization.slug, key_of(who), tool, **arguments)


def call_at(slug: str, key: str, tool: str, **arguments: str) -> dict[str, object]:
    async def talk() -> dict[str, object]:
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx2.AsyncClient(headers=headers, trust_env=False, timeout=20) as http_client:
            transport = streamable_http_client(f"{settings.SITE_URL}/{slug}/mcp", http_client=http_client)
            async with Client(transport) as client:
                answer = await client.call_tool(tool, arguments)
                if answer.is_error:
                    return {"refused": answer.content[0].text}  # type: ignore[union-attr]
                return dict(answer.structured_content or {})

    return anyio.run(talk)


def install(command: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run the command that a model would run."""
    home.mkdir(exist_ok=True)
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], env={"HOME": str(home), "PATH": "/usr/bin:/bin:/usr/local/bin"},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def test_a_member_installs_a_skill_with_one_sentence(
    live: Running, new_repository: NewRepository, worker: Worker, tmp_path: Path
) -> None:
    cast = make_cast()
    publish(cast.alice, new_repository(SMALL), worker)
    hide(cast.alice, "secret", cast.bob)

    assert call(cast.bob, "whoami")["organization"] == "acme"
    listed = call(cast.bob, "list_skills")["skills"]
    assert [skill["name"] for skill in listed] == ["hello"]  # type: ignore[attr-defined]

    issued = call(cast.bob, "get_install_token", name="hello")
    assert issued["version"] == "1.2.0"
    done = install(str(issued["command"]), tmp_path / "home")
    assert done.returncode == 0, done.stderr

    installed = tmp_path / "home" / ".claude" / "skills" / "hello"
    files = {str(path.relative_to(installed)): path for path in installed.rglob("*") if path.is_file()}
    prefix = "plugins/tools/skills/hello/"
    wanted = {
        path.removeprefix(prefix): content for path, content in SMALL.items() if path.startswith(prefix)
    }
    assert files.keys() == wanted.keys()
    for name, path in files.items():
        content = wanted[name]
        body = (
            content
            if isinstance(content, bytes)
            else getattr(content, "content", None) or str(content).encode()
        )
        assert path.read_bytes() == body
        assert path.stat().st_mode & 0o777 == (0o755 if name.endswith(".sh") else 0o644)

    again = install(str(issued["command"]), tmp_path / "home")
    assert again.returncode != 0
    assert "already used" in again.stderr


def test_what_is_hidden_and_what_is_not_there_get_the_same_answer(
    live: Running, new_repository: NewRepository, worker: Worker
) -> None:
    cast = make_cast()
    publish(cast.alice, new_repository(SMALL), worker)
    hide(cast.alice, "secret", cast.bob)
    for tool in ("fetch_skill", "get_install_token"):
        assert call(cast.bob, tool, name="secret") == call(cast.bob, tool, name="no-such-skill")
        assert "refused" not in call(cast.alice, tool, name="secret")


@pytest.mark.parametrize("tool", ["whoami", "list_skills"])
def test_another_organizations_person_is_not_let_in(live: Running, tool: str) -> None:
    cast = make_cast()
    theirs = key_of(cast.charlie)
    body = json.dumps(
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": {}}}
    )
    answers = [
        httpx2.post(
            f"{settings.SITE_URL}/{slug}/mcp", content=body, trust_env=False, timeout=20,
            headers={"Authorization": f"Bearer {theirs}", "Content-Type": "application/json", "Accept": "application/json"},
        )
        for slug in ("acme", "nobody-has-this")
    ]  # fmt: skip
    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].content == answers[1].content
