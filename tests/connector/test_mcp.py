"""The connector, spoken to by a real client and by hand."""

import json
from typing import Any

import anyio
import httpx2
import pytest
from django.conf import settings
from django.db import OperationalError, ProgrammingError
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from psycopg_pool import PoolTimeout

from marketplaces.services import catalog
from marketplaces.services.worker import Worker
from skillport.principal import Scope
from tests.cast import Cast, key_of, make_cast
from tests.publishing import publish
from tests.repositories import SMALL, NewRepository, skill

ERAS = ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]


def post(
    http: httpx2.Client, key: str, method: str, params: dict[str, Any], **headers: str
) -> httpx2.Response:
    given = {"Authorization": f"Bearer {key}", "Accept": "application/json, text/event-stream", **headers}
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return http.post("/acme/mcp", json=body, headers=given)


def call(http: httpx2.Client, key: str, tool: str, **arguments: Any) -> dict[str, Any]:
    answer = post(http, key, "tools/call", {"name": tool, "arguments": arguments})
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()["result"]
    return result


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_the_official_client_lists_and_calls_in_both_eras(published: Cast, mode: str) -> None:
    headers = {"Authorization": f"Bearer {key_of(published.bob)}"}

    async def talk() -> tuple[str, list[str], dict[str, Any]]:
        async with httpx2.AsyncClient(headers=headers, trust_env=False, timeout=20) as http_client:
            transport = streamable_http_client(f"{settings.SITE_URL}/acme/mcp", http_client=http_client)
            async with Client(transport, mode=mode) as client:
                tools = await client.list_tools()
                me = await client.call_tool("whoami", {})
                return (
                    client.protocol_version,
                    [tool.name for tool in tools.tools],
                    dict(me.structured_content or {}),
                )

    version, tools, me = anyio.run(talk)
    assert version == ("2026-07-28" if mode == "auto" else "2025-11-25")
    assert tools == ["whoami", "list_skills", "fetch_skill", "get_install_token", "check_updates"]
    assert me == {
        "id": f"usr_{published.bob.user_id.hex}", "name": "Bob", "email": "bob@example.org", "role": "member",
        "organization": "acme",
    }  # fmt: skip


@pytest.mark.parametrize("version", ERAS[1:])
def test_older_versions_are_spoken_too(http: httpx2.Client, published: Cast, version: str) -> None:
    client = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    answer = post(http, key_of(published.bob), "initialize", client)
    assert answer.json()["result"]["protocolVersion"] == version
    assert "mcp-session-id" not in answer.headers


def test_a_skill_is_fetched_file_by_file(http: httpx2.Client, published: Cast) -> None:
    key = key_of(published.bob)
    whole = call(http, key, "fetch_skill", name="hello")
    assert whole["content"][0]["text"].startswith("---\nname: hello")
    assert [file["path"] for file in whole["structuredContent"]["files"]] == [
        "SKILL.md",
        "assets/dot.png",
        "scripts/greet.sh",
    ]
    script = call(http, key, "fetch_skill", name="tools/hello", path="scripts/greet.sh")
    assert script["content"][0]["text"] == "#!/bin/sh\necho hello\n"
    assert (
        "binary" in call(http, key, "fetch_skill", name="hello", path="assets/dot.png")["content"][0]["text"]
    )
    missing = call(http, key, "fetch_skill", name="hello", path="../../etc/passwd")
    assert missing["isError"]


def test_a_long_file_is_cut_and_says_so(
    http: httpx2.Client, new_repository: NewRepository, worker: Worker
) -> None:
    cast = make_cast()
    long = {**SMALL, "plugins/tools/skills/hello/SKILL.md": skill("hello", body="line\n" * 20_000)}
    publish(cast.alice, new_repository(long), worker)
    text = call(http, key_of(cast.bob), "fetch_skill", name="hello")["content"][0]["text"]
    assert len(text) < 61_000
    assert "get_install_token" in text[-200:]


WRONG_ARGUMENTS = [
    ("fetch_skill", {}), ("fetch_skill", {"name": 1}), ("fetch_skill", {"name": ""}), ("get_install_token", {"nam": "x"}),
    ("list_skills", {"query": ["x"]}), ("whoami", {"extra": True}), ("fetch_skill", {"name": "x" * 1000}),
    ("no_such_tool", {}), ("list_skills", {"cursor": "junk"}),
]  # fmt: skip


@pytest.mark.parametrize(("tool", "arguments"), WRONG_ARGUMENTS)
def test_wrong_arguments_are_explained_to_the_model(
    http: httpx2.Client, published: Cast, tool: str, arguments: dict[str, Any]
) -> None:
    answer = post(http, key_of(published.bob), "tools/call", {"name": tool, "arguments": arguments}).json()
    assert answer["result"]["isError"], answer
    assert len(answer["result"]["content"][0]["text"]) > 20


def test_a_key_without_the_connectors_scope_is_told_which_it_lacks(
    http: httpx2.Client, published: Cast
) -> None:
    answer = post(http, key_of(published.bob, Scope.SKILLS_READ), "tools/list", {})
    assert answer.status_code == 403
    assert 'error="insufficient_scope", scope="connector"' in answer.headers["www-authenticate"]


def test_a_tool_needs_its_own_scope(http: httpx2.Client, published: Cast) -> None:
    key = key_of(published.bob, Scope.CONNECTOR, Scope.SKILLS_READ)
    assert call(http, key, "get_install_token", name="hello")["isError"]
    assert not call(http, key, "list_skills").get("isError")


def test_only_post_is_answered(http: httpx2.Client, published: Cast) -> None:
    headers = {"Authorization": f"Bearer {key_of(published.bob)}"}
    for method in ("GET", "DELETE", "PUT", "HEAD"):
        answer = http.request(method, "/acme/mcp", headers=headers)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("header", "value", "status"), [("Origin", "https://evil.example", 403), ("Host", "evil.example", 421)]
)
def test_a_foreign_page_cannot_speak_through_a_browser(
    http: httpx2.Client, published: Cast, header: str, value: str, status: int
) -> None:
    assert post(http, key_of(published.bob), "tools/list", {}, **{header: value}).status_code == status


def test_a_body_that_is_too_large_is_refused(http: httpx2.Client, published: Cast) -> None:
    answer = post(
        http, key_of(published.bob), "tools/call", {"name": "whoami", "arguments": {"x": "y" * 5_000_000}}
    )
    assert answer.status_code == 413


def test_lists_are_for_one_person_only(http: httpx2.Client, published: Cast) -> None:
    modern = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/list"}
    meta = {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28",
                      "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
                      "io.modelcontextprotocol/clientCapabilities": {}}}  # fmt: skip
    result = post(http, key_of(published.bob), "tools/list", meta, **modern).json()["result"]
    assert result["cacheScope"] == "private"


def test_every_tool_answers_in_the_shape_it_promises(http: httpx2.Client, published: Cast) -> None:
    import jsonschema

    key = key_of(published.bob)
    listed = post(http, key, "tools/list", {}).json()["result"]["tools"]
    arguments: dict[str, dict[str, Any]] = {
        "fetch_skill": {"name": "hello"},
        "get_install_token": {"name": "hello"},
        "check_updates": {"installed": [{"name": "hello"}]},
    }
    for tool in listed:
        assert len(tool["name"]) <= 21
        answer = call(http, key, tool["name"], **arguments.get(tool["name"], {}))
        jsonschema.validate(answer["structuredContent"], tool["outputSchema"])
    assert len(json.dumps(listed)) < 4000


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ProgrammingError("SELECT canary-of-sql"), "Something went wrong inside Skillport"),
        (RuntimeError("canary-of-sql"), "Something went wrong inside Skillport"),
        (OperationalError("canary-of-sql"), "Try again in a few seconds"),
        (PoolTimeout("canary-of-sql"), "Try again in a few seconds"),
    ],
)
def test_a_failure_inside_tells_the_model_what_to_do_and_nothing_of_itself(
    http: httpx2.Client, published: Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    error: Exception, told: str,
) -> None:  # fmt: skip
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(catalog, "list_skills", fail)
    answer = call(http, key_of(published.bob), "list_skills")
    assert answer["isError"]
    assert told in answer["content"][0]["text"]
    assert "canary" not in json.dumps(answer)
    assert "canary-of-sql" in caplog.text  # the twin: it is in the log, so it was there to be told


def test_a_nul_character_is_refused_with_the_reason(http: httpx2.Client, published: Cast) -> None:
    key = key_of(published.bob)
    for argument, text in [("query", "a\0b"), ("marketplace", "\0"), ("cursor", "1.a\0b")]:
        answer = call(http, key, "list_skills", **{argument: text})
        assert answer["isError"]
        assert f"at {argument}: it holds a NUL character" in answer["content"][0]["text"]
    assert not call(http, key, "list_skills", query="a\\u0000b").get("isError"), "the same, spelled out"
