"""What Django answers when no view does, on the real server: pages for people, JSON where programs ask."""

import logging

import httpx2
import pytest

from connector.api import views as rest
from skillport.sign_in import views as pages

CANARY = "canary-of-a-failure"
PROGRAMS = ("/acme/api/v1/nothing", "/acme/api/", "/api/nothing", "/hooks/nothing", "/install.exe")
PEOPLE = ("/nothing", "/acme/nothing/at/all", "/accounts/nothing", "/static/nothing.css", "/apiary")


@pytest.mark.parametrize("path", PROGRAMS)
def test_a_program_is_told_in_json_that_nothing_is_there(http: httpx2.Client, path: str) -> None:
    answer = http.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize("path", PEOPLE)
def test_a_person_is_told_by_a_page_that_nothing_is_there(http: httpx2.Client, path: str) -> None:
    answer = http.get(path)
    assert answer.status_code == 404
    assert "This page is not here, or not for you" in answer.text


def test_a_form_that_cannot_be_read_is_answered_by_a_page(http: httpx2.Client) -> None:
    assert http.get("/accounts/sign-in").cookies, "a form's own cookie"
    answer = http.post("/accounts/sign-in", data={f"field-{number}": "x" for number in range(1001)})
    assert answer.status_code == 400
    assert "Skillport does not understand this request" in answer.text


def test_a_failure_tells_nothing_of_itself_but_to_the_log(
    http: httpx2.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(CANARY)

    monkeypatch.setattr(rest, "redeem_install_token", fail)
    monkeypatch.setattr(pages, "own_ways", fail)
    with caplog.at_level(logging.ERROR):
        program = http.post("/api/v1/install/redeem", json={"token": "x"})
        person = http.get("/acme/sign-in/own")
    assert (program.status_code, program.json()["error"]["code"]) == (500, "internal_error")
    assert (person.status_code, person.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert "Something went wrong inside Skillport" in person.text
    assert f"<code>{person.headers['x-request-id']}</code>" in person.text, "what the message asks for"
    assert CANARY not in program.text + person.text
    assert caplog.text.count(f"RuntimeError: {CANARY}") >= 2  # the twin: it was there to be told
