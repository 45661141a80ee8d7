"""What genuine deliveries lead to, and what is noted of those that come and of those that are refused."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.utils import timezone

from marketplaces.models import Marketplace, Webhook
from marketplaces.services import webhook_setup
from skillport.scoping import within
from tests.cast import Cast
from tests.marketplaces.webhooks.sending import Hook, by_github, by_gitlab, github_push, gitlab_push


def follow(hook: Hook, branch: str) -> None:
    with within(hook.owner.organization):
        own = Marketplace.objects.for_organization(hook.owner.organization)
        own.filter(pk=hook.marketplace_id).update(branch=branch)


def test_a_push_queues_a_sync_and_its_repetition_no_other(hook: Hook) -> None:
    body = github_push()
    for _ in range(3):
        assert hook.deliver(body, by_github(hook.secret, body, delivery="the-same")) == (202, "queued")
    body = gitlab_push()
    assert hook.deliver(body, by_gitlab(hook.secret, body)) == (202, "queued")
    assert hook.waiting == 1


@pytest.mark.parametrize(("followed", "pushed"), [("", "topic"), ("stable", "main"), ("main", "main-2")])
def test_a_push_to_another_branch_is_taken_and_queues_nothing(hook: Hook, followed: str, pushed: str) -> None:
    follow(hook, followed)
    for body, headers in [
        (github_push(pushed), by_github(hook.secret, github_push(pushed))),
        (gitlab_push(pushed), by_gitlab(hook.secret, gitlab_push(pushed))),
    ]:
        assert hook.deliver(body, headers) == (202, "other-branch")
    assert hook.waiting == 0
    assert hook.health.last_delivery_at, "but it is a delivery all the same"


@pytest.mark.parametrize(("followed", "default"), [("stable", "main"), ("", "stable")])
def test_the_branch_that_counts_is_the_followed_one_or_else_the_default(
    hook: Hook, followed: str, default: str
) -> None:
    follow(hook, followed)
    body = github_push("stable", default)
    assert hook.deliver(body, by_github(hook.secret, body)) == (202, "queued")


@pytest.mark.parametrize("what", [{"paused_at": timezone.now()}, {"attention": "credential_refused"}])
def test_where_syncs_are_stopped_a_delivery_is_right_all_the_same(hook: Hook, what: dict[str, Any]) -> None:
    with within(hook.owner.organization):
        Marketplace.objects.for_organization(hook.owner.organization).update(**what)
    body = github_push()
    assert hook.deliver(body, by_github(hook.secret, body)) == (202, "stopped")
    assert hook.waiting == 0
    assert hook.health.last_delivery_at


def test_a_tag_of_the_branchs_name_is_not_the_branch(hook: Hook) -> None:
    body = github_push().replace(b"refs/heads/main", b"refs/tags/main")
    assert hook.deliver(body, by_github(hook.secret, body)) == (202, "other-branch")


def test_a_ping_is_answered_and_other_events_are_left_alone(hook: Hook) -> None:
    body = b'{"zen":"Design for failure.","hook_id":7}'
    assert hook.deliver(body, by_github(hook.secret, body, event="ping")) == (200, "ping")
    assert hook.deliver(body, by_github(hook.secret, body, event="issues")) == (202, "other-event")
    assert hook.deliver(body, by_gitlab(hook.secret, body, event="Tag Push Hook")) == (202, "other-event")
    assert hook.waiting == 0


@pytest.mark.parametrize(
    "body", [b"", b"no JSON", b"[1]", b"[" * 100_000, b'{"ref":7,"repository":[]}', b"\xff"]
)
def test_a_payload_that_says_nothing_of_branches_is_a_hint_all_the_same(hook: Hook, body: bytes) -> None:
    assert hook.deliver(body, by_github(hook.secret, body)) == (202, "queued")


def test_githubs_other_content_type_is_read_too(hook: Hook) -> None:
    body = urlencode({"payload": github_push("topic").decode()}).encode()
    sent = hook.deliver(body, by_github(hook.secret, body), "application/x-www-form-urlencoded")
    assert sent == (202, "other-branch")


def test_bitbuckets_header_counts_as_well(hook: Hook) -> None:
    body = b'{"push":{"changes":[]}}'
    signed = by_github(hook.secret, body)["X-Hub-Signature-256"]
    told = {"X-Event-Key": "repo:push", "X-Hub-Signature": signed, "X-Request-UUID": "bitbucket-1"}
    assert hook.deliver(body, told) == (202, "queued")
    assert hook.health.last_delivery_id == "bitbucket-1"


def test_a_sender_may_sign_with_several_keys(hook: Hook) -> None:
    body = gitlab_push()
    headers = by_gitlab(hook.secret, body)
    headers["webhook-signature"] = f"v1,{'A' * 43}= {headers['webhook-signature']}"
    assert hook.deliver(body, headers) == (202, "queued")


def test_the_last_delivery_is_noted_with_the_hosts_own_name_for_it(hook: Hook) -> None:
    body = github_push()
    hook.deliver(body, by_github(hook.secret, body, delivery="72d3162e-cc78-11e3-81ab-4c9367dc0958"))
    health = hook.health
    assert (health.last_delivery_event, health.last_delivery_id) == (
        "push",
        "72d3162e-cc78-11e3-81ab-4c9367dc0958",
    )
    body = gitlab_push()
    hook.deliver(body, by_gitlab(hook.secret, body, delivery="x" * 200))
    assert (hook.health.last_delivery_event, hook.health.last_delivery_id) == ("Push Hook", "x" * 100)
    assert hook.health.last_refusal_at is None


def test_a_refusal_is_noted_with_its_reason_at_most_once_a_minute(hook: Hook) -> None:
    body = github_push()
    hook.deliver(body, {})
    first = hook.health
    assert first.last_refusal_reason == "It carried no signature: the webhook has no secret at the git host."
    hook.deliver(body, by_github("another", body))
    assert hook.health.last_refusal_at == first.last_refusal_at
    assert hook.health.last_refusal_reason == first.last_refusal_reason
    with within(hook.owner.organization):
        own = Webhook.objects.for_organization(hook.owner.organization)
        own.update(last_refusal_at=timezone.now() - timedelta(seconds=61))
    hook.deliver(body, by_github("another", body))
    assert "the git host has another secret" in hook.health.last_refusal_reason


def test_a_marketplace_bound_before_webhooks_had_rows_gets_one(hook: Hook) -> None:
    body = github_push()
    for headers in ({}, by_github(hook.secret, body)):
        with within(hook.owner.organization):
            Webhook.objects.for_organization(hook.owner.organization).all().delete()
        hook.deliver(body, headers)
        assert hook.health.last_refusal_at or hook.health.last_delivery_at


class TestAnotherSecret:
    def test_both_are_good_for_a_day(self, cast: Cast, hook: Hook) -> None:
        former, body = hook.secret, github_push()
        made = webhook_setup.replace_secret(principal=cast.alice, marketplace_id=hook.marketplace_id)
        assert made.webhook_secret == hook.secret != former
        assert hook.deliver(body, by_github(former, body))[0] == 202
        assert hook.deliver(body, by_github(hook.secret, body))[0] == 202
        with within(cast.acme):
            own = Marketplace.objects.for_organization(cast.acme)
            own.update(former_webhook_secret_until=timezone.now() - timedelta(seconds=1))
        assert hook.deliver(body, by_github(former, body))[0] == 401
        assert hook.deliver(body, by_github(hook.secret, body))[0] == 202

    def test_one_that_leaked_ends_at_once(self, cast: Cast, hook: Hook) -> None:
        former, body = hook.secret, github_push()
        made = webhook_setup.replace_secret(
            principal=cast.alice, marketplace_id=hook.marketplace_id, at_once=True
        )
        assert made.former_until is None
        assert hook.deliver(body, by_github(former, body))[0] == 401

    def test_the_signing_token_that_gitlab_made_is_taken(self, cast: Cast, hook: Hook) -> None:
        token, body = "whsec_dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q=", gitlab_push()
        made = webhook_setup.replace_secret(
            principal=cast.alice, marketplace_id=hook.marketplace_id, signing_token_secret=token
        )
        assert made.webhook_secret == "", "who gave it has it"
        assert hook.deliver(body, by_gitlab(token, body)) == (202, "queued")

    @pytest.mark.parametrize(
        "token", ["whsec_", "whsec_short", "dGVzdA==", "whsec_" + "A" * 43, "whsec_" + "é" * 44]
    )
    def test_what_is_no_signing_token_is_refused(self, cast: Cast, hook: Hook, token: str) -> None:
        former = hook.secret
        with pytest.raises(webhook_setup.SigningTokenInvalid):
            webhook_setup.replace_secret(
                principal=cast.alice, marketplace_id=hook.marketplace_id, signing_token_secret=token
            )
        assert hook.secret == former
