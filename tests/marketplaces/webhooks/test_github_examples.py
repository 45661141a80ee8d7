"""Payloads that GitHub really sent, collected by @octokit/webhooks-examples (npm, MIT), through our door for webhooks.

Pinned: what is delivered is data of another project, and what is expected of it is counted.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests import npm
from tests.marketplaces.webhooks.sending import Hook, by_github

VERSION = "7.6.1"
DEPLOYMENTS = ["api.github.com", "ghes-31", "ghes-32", "ghes-33", "ghes-34", "ghes-35"]


@pytest.fixture(params=DEPLOYMENTS)
def examples(request: pytest.FixtureRequest) -> list[tuple[str, Any]]:
    """Give every example of one of GitHub's deployments: the event's name and its payload."""
    modules = npm.installed(f"webhooks-examples-{VERSION}", f"@octokit/webhooks-examples@{VERSION}")
    found = json.loads(
        (modules / "@octokit" / "webhooks-examples" / request.param / "index.json").read_text()
    )
    return [(event["name"], example) for event in found for example in event["examples"]]


def delivered(hook: Hook, examples: list[tuple[str, Any]]) -> Iterator[tuple[str, Any, str]]:
    for event, payload in examples:
        body = json.dumps(payload).encode()
        status, outcome = hook.deliver(body, by_github(hook.secret, body, event))
        assert status in {200, 202}, (event, payload)
        yield event, payload, outcome


def test_every_real_payload_is_taken_and_only_pushes_to_the_branch_begin_a_sync(
    hook: Hook, examples: list[tuple[str, Any]]
) -> None:
    outcomes = Counter[str]()
    for event, payload, outcome in delivered(hook, examples):
        expected = "other-event"
        if event == "ping":
            expected = "ping"
        elif event == "push":
            followed = f"refs/heads/{payload['repository']['default_branch']}"
            expected = "queued" if payload["ref"] == followed else "other-branch"
        assert outcome == expected, (event, payload)
        assert hook.health.last_delivery_event == event
        outcomes[outcome] += 1
    assert outcomes.total() == len(examples) > 40
    assert outcomes["other-event"] > 30
    assert hook.waiting <= 1
    assert hook.waiting == (1 if outcomes["queued"] else 0)
    assert hook.health.last_refusal_at is None


def test_the_same_payloads_with_one_byte_more_are_refused(
    hook: Hook, examples: list[tuple[str, Any]]
) -> None:
    pushes = [payload for event, payload in examples if event == "push"]
    for payload in pushes:
        body = json.dumps(payload).encode()
        headers = by_github(hook.secret, body, "push")
        assert hook.deliver(body + b" ", headers) == (401, "signature_invalid")
    assert hook.waiting == 0
