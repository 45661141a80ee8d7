"""PostgreSQL refuses every connection: each door says so in its own form, soon, and works again afterwards."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx2

from skillport.tokens import Prefix, mint
from tests.away import database_away
from tests.cast import key_of, make_cast
from tests.waiting import until

TOKEN = mint(Prefix.INSTALL_TOKEN).plain_secret
PROGRAMS = {
    "a list": ("GET", "/acme/api/v1/skills"),
    "a skill": ("GET", "/acme/api/v1/skills/hello"),
    "the schema": ("GET", "/acme/api/v1/schema"),
    "the connector": ("POST", "/acme/mcp"),
    "the installer": ("POST", "/api/v1/install/redeem"),
    "an install address": ("GET", f"/api/install/{TOKEN}"),
    "a webhook": ("POST", f"/hooks/{uuid4()}"),
    "the platform": ("GET", "/readyz"),
}
PAGES = {"a way in": ("GET", "/acme/sign-in/own"), "a page with a session": ("GET", "/accounts/continue")}


def test_every_door_says_that_the_database_is_away_and_works_again_afterwards(http: httpx2.Client) -> None:
    key = key_of(make_cast().bob)
    http.headers["Authorization"] = f"Bearer {key}"
    http.cookies.set("skillport_session", "a" * 32)

    def ask(door: tuple[str, str]) -> httpx2.Response:
        return http.request(*door, json={"token": TOKEN} if door[0] == "POST" else None)

    with database_away(), ThreadPoolExecutor(len(PROGRAMS) + len(PAGES)) as people:
        answers = dict(
            zip([*PROGRAMS, *PAGES], people.map(ask, [*PROGRAMS.values(), *PAGES.values()]), strict=True)
        )
    assert {door: answer.status_code for door, answer in answers.items()} == dict.fromkeys(answers, 503)
    for door, answer in answers.items():
        assert int(answer.headers["retry-after"]) > 0, door
    for door in PROGRAMS:
        assert answers[door].json()["error"]["code"] == "unavailable", door
    for door in PAGES:
        assert answers[door].headers["content-type"] == "text/html; charset=utf-8", door
        assert "cannot reach its database" in answers[door].text, door
    until(lambda: http.get("/readyz").status_code == 200)
    assert http.get("/acme/api/v1/skills").status_code == 200
