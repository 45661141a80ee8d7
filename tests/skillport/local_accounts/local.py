"""A local account, and how its owner comes in."""

import base64
import hashlib
import hmac
import re
import struct
import time

import httpx2

from skillport.accounts.models import User
from skillport.sign_in.local_accounts import create_local_account
from tests.visiting import Visitor

PASSWORD = "a harbour in the morning mist"
SIGN_IN, FACTORS, APP = "/accounts/local/", "/accounts/2fa/", "/accounts/2fa/totp/activate/"


def make_person(handle: str = "dora", **told: str) -> User:
    return create_local_account(
        handle=handle, name=told.get("name", handle.title()), email="", password=PASSWORD
    )


def code_of(secret: str) -> str:
    """Give the code that an authenticator app shows now (RFC 6238, written anew)."""
    counter = struct.pack(">Q", int(time.time()) // 30)
    digest = hmac.new(base64.b32decode(secret), counter, hashlib.sha1).digest()
    start = digest[-1] & 0x0F
    number = struct.unpack(">I", digest[start : start + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06}"


def give_password(visitor: Visitor, handle: str = "dora", password: str = PASSWORD) -> httpx2.Response:
    return visitor.submit(SIGN_IN, login=handle, password=password)


def set_up_app(visitor: Visitor) -> list[str]:
    """Set up an authenticator app, and give the recovery codes that are shown once it is."""
    page = visitor.get(APP)
    assert page.status_code == 200, page.headers.get("location")
    secret = re.search(r"<code>([A-Z2-7]{32})</code>", page.text)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    assert secret
    assert token
    answer = visitor.post(APP, code=code_of(secret[1]), csrfmiddlewaretoken=token[1])
    if answer.status_code == 200:  # the half minute ended in between
        answer = visitor.post(APP, code=code_of(secret[1]), csrfmiddlewaretoken=token[1])
    assert answer.headers.get("location") == "/accounts/2fa/recovery-codes/", answer.text
    shown = visitor.get("/accounts/2fa/recovery-codes/").text
    return re.findall(r"<code>(\d{8})</code>", shown)


def come_in(visitor: Visitor, handle: str, recovery_code: str) -> httpx2.Response:
    """Sign in with password and second factor, for whom both are set up."""
    assert give_password(visitor, handle).headers["location"] == "/accounts/2fa/authenticate/"
    return visitor.submit("/accounts/2fa/authenticate/", code=recovery_code)
