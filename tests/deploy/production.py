"""The web process as the image starts it, with the address that people use and a database of the tests'."""

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
from django.db import connection

from tests.addresses import application_url
from tests.ports import claim_ports
from tests.waiting import until

ROOT = Path(__file__).parents[2]
HOST = "skills.example.org"


@contextlib.contextmanager
def web(**environment: str) -> Iterator[int]:
    """Run the Dockerfile's command on a free port of loopback, and give the port."""
    port = claim_ports()
    command = json.loads(
        re.findall(r"^CMD (\[.*\])$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[-1]
        .replace("0.0.0.0", "127.0.0.1")  # noqa: S104 the image listens to everybody, the test to itself
        .replace("8000", str(port))
    )
    given = {
        **{name: value for name, value in os.environ.items() if name != "FORWARDED_ALLOW_IPS"},
        "DJANGO_SETTINGS_MODULE": "skillport.settings",
        "SITE_URL": f"https://{HOST}",
        "DATABASE_URL": application_url(connection.settings_dict),
        **environment,
    }
    process = subprocess.Popen([sys.executable, "-m", *command], env=given, cwd=ROOT)
    try:
        until(lambda: process.poll() is not None or _listens(port), 120)
        assert process.poll() is None
        yield port
    finally:
        process.terminate()
        process.wait(timeout=60)


def _listens(port: int) -> bool:
    with contextlib.suppress(httpx2.TransportError):
        httpx2.get(f"http://127.0.0.1:{port}/", trust_env=False)
        return True
    return False
