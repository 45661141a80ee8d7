"""Asking the DNS for TXT records, and telling "there is none" from "nobody answered"."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import dns.exception
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver
from dns.rdtypes.ANY.TXT import TXT

from skillport.errors import SkillportError

_TRY_SECONDS: Final = 1.0  # for one server, before the next one is asked


class NameServerSilent(SkillportError):
    """No usable answer: a timeout, SERVFAIL, or a refusal. It says nothing about the record."""

    code = "dns_unanswered"
    status = 502
    message = (
        "The domain's name servers gave no usable answer. Nothing was changed; try again in some minutes."
    )


@dataclass(frozen=True, slots=True)
class NameServer:
    """Where questions go: an IP address and a port."""

    address: str
    port: int = 53

    @classmethod
    def parse(cls, text: str) -> "NameServer":
        """Read `ip`, `ip:port` or `[ip]:port`. Raises `ValueError`."""
        try:
            return cls(str(ipaddress.ip_address(text)))
        except ValueError:
            parts = urlsplit(f"//{text}")
            return cls(str(ipaddress.ip_address(parts.hostname or "")), parts.port or 53)


def txt_records(name: str, *, servers: Sequence[NameServer], deadline_seconds: float) -> tuple[str, ...]:
    """Give the texts at `name`, each with its parts joined (RFC 1035, 3.3.14); () where there are certainly none.

    Without `servers`, the machine's own are asked. Raises `NameServerSilent` when it cannot be known in time.
    """
    try:
        resolver = dns.resolver.Resolver(configure=not servers)
        if servers:
            resolver.nameservers = [
                dns.nameserver.Do53Nameserver(server.address, server.port) for server in servers
            ]
        resolver.timeout = _TRY_SECONDS
        answer = resolver.resolve(
            dns.name.from_text(name), dns.rdatatype.TXT, lifetime=deadline_seconds, search=False
        )
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return ()
    except (dns.exception.DNSException, OSError):
        raise NameServerSilent from None
    return tuple(b"".join(row.strings).decode("utf-8", "replace") for row in answer if isinstance(row, TXT))
