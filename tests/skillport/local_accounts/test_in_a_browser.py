"""What only a browser shows: passkeys, and that nothing on these pages needs an exception from the policy."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from allauth.mfa.models import Authenticator

from skillport.accounts.models import Method, Session
from tests.browser import Page
from tests.ports import claim_ports
from tests.running import Running
from tests.skillport.local_accounts.local import PASSWORD, code_of, make_person
from tests.waiting import until


@pytest.fixture
def site(live: Running, settings: Any) -> Iterator[str]:
    """The pages once more, at a host's name: a browser makes no passkey for an address in digits."""
    # As in `running`: the entry point is imported when it is wanted.
    from skillport.asgi import Skillport, django_application
    from skillport.envelope import Envelope

    port = claim_ports()
    settings.ALLOWED_HOSTS = ["localhost"]
    pages = Envelope(Skillport(django_application), host=f"localhost:{port}")
    server = uvicorn.Server(
        uvicorn.Config(pages, host="127.0.0.1", port=port, log_config=None, lifespan="off")
    )
    thread = threading.Thread(target=server.run, name="pages at localhost", daemon=True)
    thread.start()
    until(lambda: server.started)
    yield f"http://localhost:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def dora(page: Page, site: str) -> Page:
    """The browser in which Dora has just given her password for the first time."""
    make_person("dora")
    page.keep_passkeys()
    give_password(page, site)
    page.wait_for("One step is left")
    return page


def give_password(page: Page, site: str) -> None:
    page.open(f"{site}/accounts/local/")
    page.wait_for("For people whom the operator")  # whole, so that the button stays where it is
    page.type("login", "dora")
    page.type("password", PASSWORD)
    page.click("Sign in")


def sign_out(page: Page) -> None:
    page.evaluate("document.querySelector('.avatar').click()")
    page.click("Sign out")
    until(lambda: not Session.objects.filter(user__handle="dora").exists())


def signed_in() -> bool:
    return Session.objects.filter(user__handle="dora", method=Method.LOCAL).exists()


def test_a_passkey_is_set_up_and_signs_in_alone_and_confirms(dora: Page, site: str) -> None:
    dora.click("Add a passkey")
    dora.wait_for("Your browser asks where to keep it")
    dora.click("Sign in with it alone, without name and password")
    dora.click("Add a passkey")
    dora.wait_for("Your recovery codes")
    assert Authenticator.objects.get(type="webauthn").wrap().is_passwordless
    assert signed_in()
    sign_out(dora)
    dora.open(f"{site}/accounts/local/?next=/accounts/sessions")
    dora.wait_for("For people whom the operator")
    dora.click("Sign in with a passkey")
    assert dora.wait_for("Your sessions") == f"{site}/accounts/sessions"
    assert signed_in()
    dora.open(f"{site}/accounts/2fa/webauthn/reauthenticate/?next=/accounts/2fa/")
    dora.wait_for("Confirm that it is you")
    dora.click("Use a passkey")
    assert dora.wait_for("Your second factor") == f"{site}/accounts/2fa/"
    assert dora.complaints(site) == []


def test_a_passkey_is_the_second_factor_after_a_password(dora: Page, site: str) -> None:
    dora.click("Add a passkey")
    dora.wait_for("Your browser asks where to keep it")
    dora.click("Add a passkey")
    dora.wait_for("Your recovery codes")
    sign_out(dora)
    give_password(dora, site)
    dora.wait_for("One more proof")
    assert not signed_in()
    dora.click("Use a passkey")
    until(signed_in)
    assert dora.complaints(site) == []


def test_a_passkey_that_the_device_refuses_is_told_and_changes_nothing(dora: Page, site: str) -> None:
    dora.click("Add a passkey")
    dora.wait_for("Your browser asks where to keep it")
    dora.evaluate(
        "navigator.credentials.create = async () => { throw new DOMException('', 'NotAllowedError') }"
    )
    dora.click("Add a passkey")
    dora.wait_for("the browser said no")
    assert not Authenticator.objects.exists()


def test_an_apps_code_is_drawn_without_an_exception_from_the_policy(dora: Page, site: str) -> None:
    dora.click("Set up an app")
    dora.wait_for("Scan this with the app")
    assert dora.evaluate("document.querySelector('.qr svg path').getBoundingClientRect().width") > 100
    dora.type("code", code_of(dora.evaluate("document.querySelector('form code').textContent")))
    dora.click("Set up")
    dora.wait_for("Your recovery codes")
    assert dora.complaints(site) == []
