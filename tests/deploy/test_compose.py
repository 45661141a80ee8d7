"""docker-compose.yml and its helpers, as far as they can be checked without an engine."""

import importlib
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from django.conf import settings

from skillport.embedded.postgres import ADMIN, binaries
from skillport.env import Environment

ROOT = Path(__file__).parents[2]
NEW_NAME = "composed"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return parsed


def test_every_service_that_is_waited_for_and_every_volume_exists(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert set(service.get("depends_on", {})) <= compose["services"].keys(), name
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            assert source in compose["volumes"] or (ROOT / source).is_file(), mount


def test_the_parts_of_skillport_are_all_there_and_get_only_settings_that_exist(
    compose: dict[str, Any],
) -> None:
    ours = {name: one for name, one in compose["services"].items() if one.get("build")}
    assert ours.keys() == {"web", "worker", "beat", "migrate"}
    known = {str(field.alias) for field in Environment.model_fields.values()}
    needed = {str(field.alias) for field in Environment.model_fields.values() if field.is_required()}
    for name, service in ours.items():
        given = service["environment"].keys()
        assert needed <= given <= known | ({"FORWARDED_ALLOW_IPS"} if name == "web" else set()), (
            name
        )  # uvicorn's
        assert ("DATABASE_OWNER_URL" in given) is (name == "migrate"), "only migrate is the owner"


def test_the_commands_name_things_that_exist(compose: dict[str, Any]) -> None:
    text = (ROOT / "Dockerfile").read_text() + str(compose)
    module, attribute = re.findall(r"skillport\.asgi:(\w+)", text), "application"
    assert module == [attribute]
    assert importlib.import_module("skillport.celery").app
    copied = re.findall(r"^COPY (?!--from)(\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    ignored = (ROOT / ".dockerignore").read_text()
    for source in copied:
        assert (ROOT / source).exists()
        assert f"!{source}" in ignored


@pytest.mark.skipif(
    settings.EMBEDDED_POSTGRES is None, reason="needs a PostgreSQL whose administrator the tests are"
)
def test_the_roles_script_makes_the_same_roles_as_ours(db: None, tmp_path: Path) -> None:
    script = tmp_path / "roles.sh"
    script.write_text((ROOT / "deploy" / "postgres-roles.sh").read_text().replace("skillport", NEW_NAME))
    assert settings.EMBEDDED_POSTGRES is not None
    admin_url = settings.EMBEDDED_POSTGRES.url(ADMIN, "postgres")
    try:
        done = subprocess.run(
            ["bash", str(script)], capture_output=True, text=True, check=False,
            env={
                "PATH": f"{binaries()}:{os.environ['PATH']}", "POSTGRES_USER": ADMIN, "PGHOST": admin_url.rpartition("=")[2],
                "OWNER_PASSWORD": "it's a password", "APP_PASSWORD": "another",
            },
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        with psycopg.connect(admin_url) as admin:
            for role in ("owner", "app", "across"):
                assert _attributes(admin, f"{NEW_NAME}_{role}") == _attributes(admin, f"skillport_{role}"), (
                    role
                )
    finally:
        with psycopg.connect(admin_url, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {NEW_NAME}")
            for role in ("owner", "app", "across"):
                admin.execute(f"DROP ROLE IF EXISTS {NEW_NAME}_{role}")


def _attributes(admin: psycopg.Connection, role: str) -> tuple[Any, ...]:
    """Give what decides about a role's rights. The tests' own owner may also create databases: not compared."""
    row = admin.execute(
        "SELECT rolsuper, rolbypassrls, rolinherit, rolcanlogin, rolcreaterole, rolconfig,"
        " ARRAY(SELECT g.rolname ~ 'across' AND NOT m.admin_option FROM pg_auth_members m"
        "       JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid)"
        " FROM pg_roles r WHERE rolname = %s",
        [role],
    ).fetchone()
    assert row is not None
    return row
