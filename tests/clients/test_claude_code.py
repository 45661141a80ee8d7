"""The real Claude Code: connects to an organization's connector, and sees a skill that our installer installed."""

import json
from pathlib import Path

from django.conf import settings

from connector.install.install_tokens import issue_install_token
from marketplaces.services.worker import Worker
from tests.cast import Cast, key_of, make_cast
from tests.clients.conftest import claude
from tests.journeys.test_install_a_skill import install
from tests.publishing import publish
from tests.repositories import SMALL, NewRepository
from tests.running import Running


def published(new_repository: NewRepository, worker: Worker) -> Cast:
    cast = make_cast()
    publish(cast.alice, new_repository(SMALL), worker)
    return cast


def add_connector(program: Path, home: Path, slug: str, key: str) -> None:
    address, header = f"{settings.SITE_URL}/{slug}/mcp", f"Authorization: Bearer {key}"
    done = claude(
        program, home, "mcp", "add", "--transport", "http", "skillport", address, "--header", header
    )
    assert done.returncode == 0, done.stderr


def test_it_connects_with_an_api_key(
    live: Running, claude_code: Path, new_repository: NewRepository, worker: Worker, tmp_path: Path
) -> None:
    cast = published(new_repository, worker)
    add_connector(claude_code, tmp_path / "bob", "acme", key_of(cast.bob))
    assert "Connected" in claude(claude_code, tmp_path / "bob", "mcp", "list").stdout


def test_it_does_not_connect_with_another_organizations_key(
    live: Running, claude_code: Path, new_repository: NewRepository, worker: Worker, tmp_path: Path
) -> None:
    cast = published(new_repository, worker)
    add_connector(claude_code, tmp_path / "charlie", "acme", key_of(cast.charlie))
    assert "Connected" not in claude(claude_code, tmp_path / "charlie", "mcp", "list").stdout


def test_it_sees_a_skill_that_was_installed_by_one_line(
    live: Running, claude_code: Path, new_repository: NewRepository, worker: Worker, tmp_path: Path
) -> None:
    cast, home = published(new_repository, worker), tmp_path / "bob"
    done = install(issue_install_token(principal=cast.bob, name="hello").command, home)
    assert done.returncode == 0, done.stderr
    # A local slash command begins a whole session without any login; its first line lists what is loaded.
    said = claude(claude_code, home, "-p", "/cost", "--output-format", "stream-json", "--verbose").stdout
    first = next(line for line in map(json.loads, said.splitlines()) if line.get("subtype") == "init")
    assert "hello" in first["skills"]
