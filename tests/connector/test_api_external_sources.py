"""External sources over REST and on their pages, against real hosts and a real worker, from listing to being served."""

import re
from typing import Any

import httpx2

from skillport.principal import Scope
from tests.cast import Cast, key_of
from tests.connector.rest import call, code_of
from tests.repositories import SMALL, NewRepository, Repository, marketplace, skill
from tests.signing_in import browser_of
from tests.waiting import until


def bound_to(http: httpx2.Client, key: str, there: Repository, repository: NewRepository) -> str:
    """Bind a marketplace that lists a plugin of `there`, and give its address."""
    far = {"name": "far", "source": {"source": "url", "url": there.url}}
    own = repository({**SMALL, ".claude-plugin/marketplace.json": marketplace("tools", far)})
    made = call(http, key, "POST", "marketplaces", {"url": own.url, "credential": own.token})
    return f"marketplaces/{made.json()['id']}"


def the_source(http: httpx2.Client, key: str, address: str, state: str) -> dict[str, Any]:
    """Wait until the one source is as it is said, and give it."""

    def look() -> dict[str, Any]:
        sources = call(http, key, "GET", f"{address}/external").json()["sources"]
        return next((one for one in sources if one["state"] == state), {})

    return until(look, 60)


def test_a_private_plugin_elsewhere_is_served_once_its_host_has_a_credential(
    http: httpx2.Client, people: Cast, new_repository: NewRepository
) -> None:
    key, there = key_of(people.alice), new_repository({"skills/reach/SKILL.md": skill("reach")})
    host = there.host.url.removeprefix("http://")
    address = bound_to(http, key, there, new_repository)
    failed = the_source(http, key, address, "failed")
    assert failed["error_code"] == "external_credential_needed"
    told = call(http, key, "GET", f"{address}/external").json()
    assert (told["hosts"], told["is_default"], told["credentials"]) == ([host], True, [])
    given = {"host": host, "credential": there.token}
    made = call(http, key, "POST", f"{address}/external/credentials", given)
    assert (made.status_code, made.json()["credential_last_four"]) == (201, there.token[-4:])
    the_source(http, key, address, "mirrored")
    until(lambda: call(http, key, "GET", address).json()["served"]["skills"] == 3, 60)
    shown = call(http, key, "GET", f"{address}/external")
    assert there.token not in made.text + shown.text
    gone = call(http, key, "DELETE", f"{address}/external/credentials/{made.json()['id']}")
    assert gone.status_code == 200
    until(lambda: call(http, key, "GET", address).json()["served"]["skills"] == 2, 60)


def test_what_is_wrong_is_refused_and_only_managers_reach_it(
    http: httpx2.Client, people: Cast, new_repository: NewRepository
) -> None:
    key, there = key_of(people.alice), new_repository(SMALL)
    address = bound_to(http, key, there, new_repository)
    for hosts in (["https://github.com"], ["a b"], ["user@github.com"], ["github.com/acme"], ["a?b"]):
        refused = call(http, key, "PUT", f"{address}/external/hosts", {"hosts": hosts})
        assert code_of(refused) == (422, "external_host_invalid"), hosts
    given = {"hosts": ["GitHub.com", "github.com:443", " gitlab.com ", "git.example:8443"]}
    assert call(http, key, "PUT", f"{address}/external/hosts", given).status_code == 200
    told = call(http, key, "GET", f"{address}/external").json()
    assert (told["hosts"], told["is_default"]) == (["github.com", "gitlab.com", "git.example:8443"], False)
    elsewhere = {"host": "evil.example", "credential": "secret-0123456789"}
    refused = call(http, key, "POST", f"{address}/external/credentials", elsewhere)
    assert code_of(refused) == (422, "external_host_not_listed")
    for other in (key_of(people.bob), key_of(people.alice, Scope.SIGN_IN_MANAGE)):
        assert code_of(call(http, other, "GET", f"{address}/external")) == (403, "not_allowed")
        assert code_of(call(http, other, "PUT", f"{address}/external/hosts", given)) == (403, "not_allowed")
        refused = call(http, other, "POST", f"{address}/external/credentials", elsewhere)
        assert code_of(refused) == (403, "not_allowed")
    assert call(http, key_of(people.charlie), "GET", f"{address}/external", slug="globex").status_code == 404


def test_the_same_on_pages(http: httpx2.Client, people: Cast, new_repository: NewRepository) -> None:
    key, there = key_of(people.alice), new_repository({"skills/reach/SKILL.md": skill("reach")})
    host = there.host.url.removeprefix("http://")
    address = bound_to(http, key, there, new_repository)
    the_source(http, key, address, "failed")
    alice, page = browser_of(people.alice), f"/acme/settings/{address}/external/"

    def said() -> str:
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", alice.get(page).content.decode()))

    assert "the marketplace's own, until you choose" in said().replace("&#x27;", "'")
    assert "bind a credential to the host" in said()
    wrong = alice.post(f"{page}hosts/", {"hosts": "not a host"})
    assert (wrong.status_code, b"is not a host name" in wrong.content) == (422, True)
    assert alice.post(f"{page}hosts/", {"hosts": f"{host}\ngithub.com"})["Location"] == page
    given = {"host": host, "credential_secret": there.token}
    assert alice.post(f"{page}credential/", given)["Location"] == page
    the_source(http, key, address, "mirrored")
    assert f"token …{there.token[-4:]}" in said()
    assert there.token not in alice.get(page).content.decode()
    (bound,) = call(http, key, "GET", f"{address}/external").json()["credentials"]
    assert alice.post(f"{page}credentials/{bound['id']}/remove/")["Location"] == page
    assert "Hosts are asked without a credential." in said()
