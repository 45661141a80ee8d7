"""The REST API over HTTP, on the real server."""

import re

import httpx2
import pytest
from django.conf import settings

from connector.api.urls import urlpatterns
from connector.install.api_keys import revoke_api_key
from connector.models import ApiKey
from skillport.organizations.services.members import end_membership
from skillport.principal import Principal, Scope
from skillport.scoping import within
from tests.cast import Cast, key_of
from tests.publishing import hide


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def get(http: httpx2.Client, who: Principal, path: str) -> httpx2.Response:
    return http.get(f"/{who.organization.slug}/api/v1/{path}", headers=bearer(key_of(who)))


def test_skills_are_listed_and_read(http: httpx2.Client, published: Cast) -> None:
    listed = get(http, published.bob, "skills").json()
    assert [one["name"] for one in listed["skills"]] == ["hello", "secret"]
    told = get(http, published.bob, "skills/skills/tools/hello").json()
    assert told["skill"]["digest"] == listed["skills"][0]["digest"]
    assert told["skill_md"].startswith("---\nname: hello")
    assert {file["path"]: file["executable"] for file in told["files"]} == {
        "SKILL.md": False, "assets/dot.png": False, "scripts/greet.sh": True
    }  # fmt: skip


def test_a_hidden_skill_and_one_that_is_not_there_answer_alike(http: httpx2.Client, published: Cast) -> None:
    hide(published.alice, "secret", published.bob)
    hidden, nothing = (get(http, published.bob, f"skills/{name}") for name in ("secret", "nothing"))
    assert (hidden.status_code, hidden.content) == (404, nothing.content)
    varying = {"date", "x-request-id"}
    assert {k: v for k, v in hidden.headers.items() if k not in varying} == {
        k: v for k, v in nothing.headers.items() if k not in varying
    }


WRONG = {
    "nothing": "",
    "not a bearer": "Basic abc",
    "junk": "Bearer junk",
    "a well-formed stranger": "Bearer sklp_ak_" + "A" * 43 + "000000",
    "an install token": "Bearer sklp_it_" + "A" * 49,
    "not ASCII": "Bearer sklp_ak_é",
}


@pytest.mark.parametrize("header", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("path", ["skills", "skills/hello", "schema"])
def test_without_a_valid_key_nothing_is_told(
    http: httpx2.Client, published: Cast, header: str, path: str
) -> None:
    answer = http.get(f"/acme/api/v1/{path}", headers={b"Authorization": header.encode()})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["error"]["code"] == "unauthenticated"


def test_another_organizations_key_is_as_wrong_as_one_that_never_was(
    http: httpx2.Client, published: Cast
) -> None:
    theirs = http.get("/acme/api/v1/skills", headers=bearer(key_of(published.charlie)))
    never = http.get("/acme/api/v1/skills", headers=bearer("sklp_ak_" + "0" * 49))
    nowhere = http.get("/no-such-organization/api/v1/skills", headers=bearer(key_of(published.charlie)))
    assert theirs.status_code == never.status_code == nowhere.status_code == 401
    assert theirs.content == never.content == nowhere.content


def test_a_key_may_do_what_its_scopes_say(http: httpx2.Client, published: Cast) -> None:
    key = key_of(published.bob, Scope.CONNECTOR)
    answer = http.get("/acme/api/v1/skills", headers=bearer(key))
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "insufficient_scope")
    assert "skills:read" in answer.json()["error"]["message"]


def test_a_revoked_key_and_an_ended_membership_count_from_the_next_request(
    http: httpx2.Client, published: Cast
) -> None:
    first, second = key_of(published.bob), key_of(published.bob)
    assert http.get("/acme/api/v1/skills", headers=bearer(first)).status_code == 200
    with within(published.acme):
        key_id = ApiKey.objects.for_organization(published.acme).get(last_four=first[-4:]).pk
    revoke_api_key(organization=published.acme, key_id=key_id, actor=published.alice)
    assert http.get("/acme/api/v1/skills", headers=bearer(first)).status_code == 401
    assert http.get("/acme/api/v1/skills", headers=bearer(second)).status_code == 200
    end_membership(
        organization=published.acme, membership_id=published.bob.membership_id, actor=published.alice
    )
    assert http.get("/acme/api/v1/skills", headers=bearer(second)).status_code == 401


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=10000", "cursor=junk", "query=" + "x" * 300])
def test_bad_input_is_refused_with_what_to_do(http: httpx2.Client, published: Cast, query: str) -> None:
    answer = get(http, published.bob, f"skills?{query}")
    assert answer.status_code == 400
    assert len(answer.json()["error"]["message"]) > 10


@pytest.mark.parametrize(
    "path", ["skills/a%00b", "skills?query=a%00b", "skills?cursor=1.%00", "skills?nobody=reads%00this", "%00"]
)
def test_a_nul_character_in_an_address_is_refused_with_the_reason(
    http: httpx2.Client, published: Cast, path: str
) -> None:
    answer = get(http, published.bob, path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_address")


def test_the_schema_describes_every_address_with_what_goes_in_and_what_comes_out(
    http: httpx2.Client, published: Cast
) -> None:
    schema = get(http, published.bob, "schema").json()
    converter = re.compile(r"<\w+:(\w+)>")
    served = {"/{organization}/api/v1/" + converter.sub(r"{\1}", str(one.pattern)) for one in urlpatterns} - {
        "/{organization}/api/v1/schema"
    }
    assert schema["paths"].keys() == served | {"/api/v1/install/redeem", "/api/install/{token}"}
    takes_nothing = {
        "add_to_group", "resend_invitation", "refuse_join_request", "verify_domain", "begin_sync",
        "register_webhook", "pause_syncs",
    }  # fmt: skip
    told = [(method, one) for path in schema["paths"].values() for method, one in path.items()]
    assert len({one["operationId"] for _, one in told}) == len(told)
    for method, one in told:
        name = one["operationId"]
        assert one["description"], name
        assert one["responses"]["default"]["content"]["application/json"]["schema"] == {
            "$ref": "#/components/schemas/Error"
        }, name
        well = [answer for status, answer in one["responses"].items() if status.startswith("2")]
        assert len(well) == 1, name
        assert "content" in well[0] or "204" in one["responses"], name
        assert ("requestBody" in one) == (method in {"post", "put", "patch"} and name not in takes_nothing), (
            name
        )
    assert schema["components"]["schemas"]["MemberChange"]["required"] == ["role"]
    assert "client_secret" not in schema["components"]["schemas"]["Connection"]["properties"]


def test_no_address_is_answered_by_a_redirect_to_a_similar_one(http: httpx2.Client, published: Cast) -> None:
    for path in ("/acme/api/v1/skills/", "/acme/mcp/", "/api/v1/install/redeem/", "/hooks", "/livez/"):
        assert http.post(path).status_code in {401, 404, 405}, path


def test_the_probes_and_the_small_files_answer(http: httpx2.Client) -> None:
    assert http.get("/livez").json() == {"alive": True}
    assert http.get("/readyz").json() == {"ready": True}
    assert "Disallow" in http.get("/robots.txt").text
    assert settings.SITE_URL in http.get("/install.sh").text
    gone = http.get("/sse")
    assert (gone.status_code, "/mcp" in gone.text) == (410, True)
    home = http.get("/")
    assert home.status_code == 200
    assert "unsafe-inline" not in home.headers["content-security-policy"]
