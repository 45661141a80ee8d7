"""Asking the DNS: a real server on loopback, and the difference between "none" and "nobody answered"."""

import time

import pytest
from django.conf import settings

from skillport.txt_records import NameServer as Server
from skillport.txt_records import NameServerSilent, txt_records
from tests.name_server import NameServer


def ask(name: str, seconds: float = 5.0) -> tuple[str, ...]:
    return txt_records(name, servers=settings.DNS_SERVERS, deadline_seconds=seconds)


def test_texts_are_given_whole(name_server: NameServer) -> None:
    name_server.texts["acme.example"] = ["v=spf1 -all", "first half, |second half"]
    assert set(ask("acme.example")) == {"v=spf1 -all", "first half, second half"}


def test_no_such_name_and_a_name_without_texts_have_certainly_none(name_server: NameServer) -> None:
    name_server.texts["empty.example"] = []
    assert ask("acme.example") == ask("empty.example") == ()


def test_servfail_and_silence_say_nothing(name_server: NameServer) -> None:
    name_server.broken.add("broken.example")
    name_server.silent.add("silent.example")
    with pytest.raises(NameServerSilent):
        ask("broken.example")
    began = time.monotonic()
    with pytest.raises(NameServerSilent):
        ask("silent.example", seconds=0.3)
    assert time.monotonic() - began < 4.9  # of itself the resolver would wait for five


def test_nobody_there_says_nothing() -> None:
    with pytest.raises(NameServerSilent):
        ask("acme.example", seconds=0.3)


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("192.0.2.53", Server("192.0.2.53")),
        ("192.0.2.53:5353", Server("192.0.2.53", 5353)),
        ("2001:db8::53", Server("2001:db8::53")),
        ("[2001:db8::53]:5353", Server("2001:db8::53", 5353)),
    ],
)
def test_a_name_server_is_an_address_with_or_without_a_port(text: str, server: Server) -> None:
    assert Server.parse(text) == server


@pytest.mark.parametrize("text", ["", "dns.example", "192.0.2.53:x", "192.0.2.53:99999", "1.2.3"])
def test_a_name_server_is_nothing_else(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 of several kinds
        Server.parse(text)
