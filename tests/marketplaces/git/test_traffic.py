"""What a fetch costs by our own count, beside what the host has seen."""

import pytest

from marketplaces.git.errors import FetchFailed
from marketplaces.git.head import ask_head
from marketplaces.git.kept_copy import KeptCopy
from skillport.outbound import Meter
from tests.marketplaces.git.builder import Content, Repository, allowing, connect
from tests.marketplaces.git.hosts import Relay

ROUNDING = 200  # bytes by which both counts may differ: the service line, and the framing of packets


def many_files(changed: bytes = b"") -> dict[str, Content]:
    files: dict[str, Content] = {
        f"{number}.md": b"%d lines\n" % (number * 7919) * 200 for number in range(100)
    }
    return {**files, "7.md": b"another %s\n" % changed * 100}


def by_the_host(repository: Repository) -> tuple[int, int]:
    seen = len(repository.host.exchanges), sum(one.bytes_out for one in repository.host.exchanges)
    repository.host.exchanges.clear()
    return seen


# What a relay makes of each request: nothing, or one by a client that knows no version 2.
SPOKEN = {"version 2": (b"Git-Protocol", b"Git-Protocol"), "older": (b"Git-Protocol", b"Not-Protocol")}


@pytest.mark.parametrize("spoken", SPOKEN.values(), ids=SPOKEN)
def test_a_first_and_a_changed_fetch_are_counted_as_the_host_counts_them(
    repository: Repository, copy: KeptCopy, spoken: tuple[bytes, bytes]
) -> None:
    with Relay(repository.url, rewritten=spoken) as relay:
        for changed in (b"", b"changed"):
            commit = repository.commit(many_files(changed))
            by_the_host(repository)
            there = connect(f"{relay.url}/acme/skills.git", repository.credential)
            copy.fetch(commit, there)
            requests, received = by_the_host(repository)
            assert there.meter.requests == requests
            assert abs(there.meter.received_bytes - received) <= ROUNDING
            assert 0 < received < (3_000 if changed else 20_000)


def test_asking_for_the_newest_commit_is_counted(repository: Repository) -> None:
    repository.commit({"a": b"1"})
    by_the_host(repository)
    meter = Meter()
    ask_head(repository.remote, "", allowing(repository.url).metered(meter))
    assert (meter.requests, meter.received_bytes) == by_the_host(repository)


def test_what_a_host_answers_before_it_refuses_is_counted(repository: Repository, copy: KeptCopy) -> None:
    repository.commit({"a": b"1"})
    by_the_host(repository)
    connection = connect(repository.url, repository.credential)
    with pytest.raises(FetchFailed):
        copy.fetch("0123456789" * 4, connection)
    assert connection.meter.requests == by_the_host(repository)[0]
