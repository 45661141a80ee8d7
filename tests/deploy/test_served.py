"""The web process of production, asked by its platform and through a proxy."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import yaml
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from tests.deploy.production import HOST, ROOT, web


@pytest.fixture(scope="module")
def port(django_db_setup: None, django_db_blocker: Any) -> Iterator[int]:
    with django_db_blocker.unblock(), web(FORWARDED_ALLOW_IPS="127.0.0.2") as listening:
        yield listening


def ask(
    port: int, path: str, method: str = "GET", *, comes_from: str = "127.0.0.1", **headers: str
) -> httpx2.Response:
    way = httpx2.HTTPTransport(local_address=comes_from)
    with httpx2.Client(transport=way, trust_env=False, timeout=20) as client:
        return client.request(method, f"http://127.0.0.1:{port}{path}", headers=headers)


def test_the_platform_asks_by_address_and_over_plain_http(port: int) -> None:
    for path, told in (("/livez", {"alive": True}), ("/readyz", {"ready": True})):
        answer = ask(port, path)
        assert (answer.status_code, answer.json()) == (200, told)
        assert ask(port, path, "HEAD").status_code == 200
        assert ask(port, path, "POST").status_code == 405


def test_the_health_check_of_the_compose_file_succeeds(port: int) -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    kind, _, *arguments = compose["services"]["web"]["healthcheck"]["test"]
    assert kind == "CMD"
    arguments = [argument.replace("8000", str(port)) for argument in arguments]
    assert subprocess.run([sys.executable, *arguments], check=False).returncode == 0


def test_everything_else_is_answered_for_the_one_host_only(port: int) -> None:
    """The twin."""
    assert ask(port, "/").status_code == 421
    assert ask(port, "/", Host=HOST).status_code == 301


@pytest.mark.skipif(sys.platform != "linux", reason="needs several addresses on loopback")
def test_only_a_proxy_that_is_named_is_believed_that_a_browser_came_by_https(port: int) -> None:
    forwarded = {"Host": HOST, "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
    assert ask(port, "/", comes_from="127.0.0.2", **forwarded).status_code == 200
    stranger = ask(port, "/", comes_from="127.0.0.3", **forwarded)
    assert (stranger.status_code, stranger.headers["location"]) == (301, f"https://{HOST}/")


def test_the_compose_file_names_the_addresses_from_which_docker_lets_a_proxy_on_its_host_come() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    web_service = compose["services"]["web"]
    assert web_service["ports"] == ["127.0.0.1:8000:8000"], "nobody else reaches it, so they may be believed"
    named = (
        web_service["environment"]["FORWARDED_ALLOW_IPS"]
        .removeprefix("${FORWARDED_ALLOW_IPS:-")
        .removesuffix("}")
    )
    believed = ProxyHeadersMiddleware(lambda *_: None, trusted_hosts=named).trusted_hosts  # type: ignore[arg-type]
    for gateway in ("172.17.0.1", "172.18.0.1", "172.31.0.1", "192.168.65.1", "127.0.0.1"):
        assert gateway in believed
    for elsewhere in ("10.0.0.1", "203.0.113.9", "172.32.0.1"):
        assert elsewhere not in believed
