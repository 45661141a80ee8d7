"""The demo's sign-in lets anybody be anybody, so it must be nowhere but in the demo, on loopback."""

import os
import subprocess
import sys
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings as configured
from django.core.checks import run_checks
from django.test import Client

from skillport.env import Environment
from tests.cast import Cast
from tests.signing_in import inside

# What a deployment in production sets; none of it may switch the demo's sign-in on.
PRODUCTION = {
    "SITE_URL": "https://skills.example.org",
    "SECRET_KEY": "x" * 60,
    "SKILLPORT_ENCRYPTION_KEYS": "k:" + "A" * 43 + "=",
    "DATABASE_URL": "postgresql://app:secret@127.0.0.1/skillport",
    "DJANGO_SETTINGS_MODULE": "skillport.settings",
}
TRICKS = {"DEMO_SIGN_IN": "1", "SKILLPORT_DEMO_SIGN_IN": "true", "SKILLPORT_DEMO": "1", "DEMO": "1"}


def visitor() -> Client:
    return Client(SERVER_NAME=urlsplit(configured.SITE_URL).netloc)


def test_it_is_not_there_outside_the_demo(cast: Cast) -> None:
    for method in ("get", "post"):
        answer = getattr(visitor(), method)("/accounts/demo", {"person": str(cast.alice.user_id)})
        assert answer.status_code == 404
        assert b"alice@" not in answer.content
    assert b"/accounts/demo" not in visitor().get("/accounts/sign-in").content


def test_it_signs_in_as_the_person_that_was_chosen(cast: Cast, settings: Any) -> None:
    settings.DEMO_SIGN_IN = True
    browser = visitor()
    assert "Alice" in browser.get("/accounts/demo").content.decode()
    answer = browser.post("/accounts/demo?next=/acme/settings/", {"person": str(cast.alice.user_id)})
    assert answer["Location"] == "/acme/settings/"
    assert browser.session["skillport_signed_in"]["method"] == "demo"


def test_a_session_of_the_demo_counts_nowhere_else(cast: Cast, settings: Any) -> None:
    settings.DEMO_SIGN_IN = True
    browser = visitor()
    browser.post("/accounts/demo", {"person": str(cast.alice.user_id)})
    cookie = browser.cookies[settings.SESSION_COOKIE_NAME].value
    assert inside(cookie) is not None
    settings.DEMO_SIGN_IN = False
    assert inside(cookie) is None


@pytest.mark.parametrize(
    "address", ["https://skills.example.org", "http://10.0.0.1:8000", "https://127.0.0.1"]
)
def test_it_refuses_to_be_anywhere_but_on_loopback(cast: Cast, settings: Any, address: str) -> None:
    settings.DEMO_SIGN_IN = True
    browser = visitor()
    settings.SITE_URL = address
    assert browser.post("/accounts/demo", {"person": str(cast.alice.user_id)}).status_code == 404
    assert "skillport.E001" in {message.id for message in run_checks()}


def test_no_variable_of_the_environment_switches_it_on() -> None:
    assert not {str(field.alias) for field in Environment.model_fields.values()} & TRICKS.keys()
    program = "import django; django.setup(); from django.conf import settings; print(settings.DEMO_SIGN_IN)"
    told = subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": os.environ["PATH"], **PRODUCTION, **TRICKS},
        cwd=configured.BASE_DIR, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout.strip() == "False"
