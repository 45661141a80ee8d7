"""The only way out: every address that a customer can name is checked here, for HTTP and for git alike.

An address is resolved once, refused unless **every** answer is public, and then connected to by exactly that answer
(no second resolution that a rebinding name server could change). https on port 443; anything else only where the
operator's allowlist names the origin, and plain http only when that origin is on loopback. No redirect is followed,
no proxy is used, and size and total time are capped.

Whether a host was refused, is closed or does not answer is the same error to the outside, so that the guard cannot
be used to map a private network; the log has the difference.
"""

import ipaddress
import logging
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as ResolutionTimeout
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpcore2
import idna

from skillport.errors import SkillportError

logger = logging.getLogger(__name__)

_RESOLVE_SECONDS: Final = 5.0
_CONNECT_SECONDS: Final = 5.0
_PIECE_BYTES: Final = 16 * 1024
_HOST = re.compile(r"[a-z0-9]([a-z0-9._-]{0,252}[a-z0-9])?\.?", re.ASCII)

# IANA special-purpose address registries, 2026-11; 168.63.129.16 is Azure's metadata and DNS address. Own lists,
# because `ipaddress.is_global` differs between Python versions and calls multicast and NAT64 addresses global.
_NOT_PUBLIC_4: Final = [
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",
        "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/3", "168.63.129.16/32",
    )
]  # fmt: skip
_PUBLIC_6: Final = ipaddress.ip_network("2000::/3")
_NOT_PUBLIC_6: Final = [
    ipaddress.ip_network(text)
    for text in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
]
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")

# The system's own lookup cannot be called off, and a silent name server holds it for half a minute: so each has a
# thread of its own that nobody has to wait for, not even the end of the process.
_lookups = threading.BoundedSemaphore(64)


class AddressInvalid(SkillportError):
    """The text is not an address that Skillport may ever use."""

    code = "address_invalid"
    status = 422
    message = "Give an address that begins with https:// and holds no user name or password."


class HostUnreachable(SkillportError):
    """The host was refused, did not resolve, did not answer, or broke off."""

    code = "host_unreachable"
    status = 502
    message = (
        "Skillport got no usable answer from this host. Check the address and try again. A host inside a private "
        "network must first be allowed by the operator of this deployment (SKILLPORT_OUTBOUND_ALLOW)."
    )


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port: what the operator's allowlist names."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> "Origin":
        """Read the origin of an http(s) address; the rest of it is ignored. Raises `AddressInvalid`."""
        if any(character <= " " or character in '\\"<>`{}|\x7f' for character in url):
            raise AddressInvalid("An address may not hold spaces, quotes, backslashes or control characters.")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise AddressInvalid from None
        if parts.scheme not in {"https", "http"} or "@" in parts.netloc or not parts.hostname or port == 0:
            raise AddressInvalid
        return cls(
            parts.scheme, _plain_host(parts.hostname), port or (443 if parts.scheme == "https" else 80)
        )

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def plain(self) -> str:
        """Give the origin as browsers write it: without the port that the scheme has anyway."""
        return str(self).removesuffix(":443" if self.scheme == "https" else ":80")


@dataclass(frozen=True, slots=True)
class Destination:
    """A checked address: connect to one of `addresses` and to nothing else."""

    url: str
    origin: Origin
    addresses: tuple[str, ...]

    @property
    def curl_resolve(self) -> str:
        """Give the pin in curl's `--resolve` form, which git takes as `http.curloptResolve`."""
        if ":" in self.origin.host:
            return ""  # curl cannot read a pin for an IPv6 literal, and never looks one up
        bracketed = (f"[{address}]" if ":" in address else address for address in self.addresses)
        return f"{self.origin.host}:{self.origin.port}:{','.join(bracketed)}"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response whose body was read whole, within the caps. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class Meter:
    """Counts requests to other hosts, and the bytes of their answers' bodies. Threads may count at the same time."""

    def __init__(self, requests: int = 0, received_bytes: int = 0) -> None:
        self.requests, self.received_bytes = requests, received_bytes
        self._lock = threading.Lock()

    def add(self, *, requests: int = 0, received_bytes: int = 0) -> None:
        with self._lock:
            self.requests += requests
            self.received_bytes += received_bytes


@dataclass(frozen=True)
class Outbound:
    """The guard, with the operator's allowlist of origins; `meter` counts what goes through it."""

    allowed_origins: frozenset[Origin] = frozenset()
    meter: Meter = field(default_factory=Meter, compare=False, repr=False)

    def metered(self, meter: Meter) -> "Outbound":
        """Give the same guard, counting into `meter`."""
        return replace(self, meter=meter)

    def check(self, url: str) -> Destination:
        """Resolve `url` and decide whether Skillport may go there.

        Raises `AddressInvalid` when it never may, `HostUnreachable` when the host is refused or unknown.
        """
        origin = Origin.parse(url)
        allowed = origin in self.allowed_origins
        if not allowed and (origin.scheme, origin.port) != ("https", 443):
            raise AddressInvalid(
                "Give an address that begins with https:// and uses the standard port. Another port must first be "
                "allowed by the operator of this deployment (SKILLPORT_OUTBOUND_ALLOW)."
            )
        addresses = _resolve(origin)
        for address in addresses:
            # SECURITY: every answer counts. One private address among public ones is how a filter is walked around.
            if not (allowed or is_public(address)) or (origin.scheme == "http" and not _is_loopback(address)):
                logger.warning("Refused an outbound address", extra={"host": origin.host, "address": address})
                raise HostUnreachable
        return Destination(_plain_url(url, origin), origin, addresses)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        max_bytes: int,
        deadline_seconds: float,
    ) -> Answer:
        """Make one request and read the whole answer; a redirect is given back, not followed.

        `max_bytes` caps the body, `deadline_seconds` the whole exchange from connecting to the last byte.
        Raises `AddressInvalid` or `HostUnreachable`.
        """
        destination = self.check(url)
        backend = _PinnedBackend(destination, time.monotonic() + deadline_seconds)
        self.meter.add(requests=1)
        try:
            with (
                httpcore2.ConnectionPool(
                    ssl_context=_authorities(), network_backend=backend, max_connections=1
                ) as pool,
                pool.stream(
                    method, destination.url, headers=list((headers or {}).items()), content=content
                ) as response,
            ):
                body = _read_at_most(response.iter_stream(), max_bytes, self.meter)
                names = (
                    (name.decode("latin-1").lower(), value.decode("latin-1"))
                    for name, value in response.headers
                )
                return Answer(response.status, dict(names), body)
        except (
            httpcore2.NetworkError,
            httpcore2.TimeoutException,
            httpcore2.ProtocolError,
            ssl.SSLError,
            OSError,
        ) as error:
            logger.warning(
                "No usable answer", extra={"host": destination.origin.host, "fault": type(error).__name__}
            )
            raise HostUnreachable from None


def _plain_url(url: str, origin: Origin) -> str:
    """Write the address with the host that was checked, in ASCII: what connects must not read it in its own way."""
    parts = urlsplit(url)
    path, query = (quote(part, safe="/%:@!$&'()*+,;=~?") for part in (parts.path, parts.query))
    return f"{origin.plain}{path}?{query}" if query else f"{origin.plain}{path}"


def is_public(address: str) -> bool:
    """Tell whether an IP address belongs to the public internet, seeing through IPv4-in-IPv6 forms."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        embedded = ip.ipv4_mapped or (ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None)
        if embedded is None:
            return ip in _PUBLIC_6 and not any(ip in network for network in _NOT_PUBLIC_6)
        ip = embedded
    return not any(ip in network for network in _NOT_PUBLIC_4)


@lru_cache(maxsize=1)
def _authorities() -> ssl.SSLContext:
    """Give the machine's trusted authorities, read once: they take longer to load than a request takes."""
    return ssl.create_default_context()


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def _plain_host(host: str) -> str:
    """Give the host as it is looked up: lower case, international names in their ASCII form, or an IP literal."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        plain = host.lower() if host.isascii() else idna.encode(host, uts46=True).decode()
    except idna.IDNAError:
        raise AddressInvalid("The host name in this address is not valid.") from None
    if not _HOST.fullmatch(plain):
        raise AddressInvalid("The host name in this address is not valid.")
    return plain


def _resolve(origin: Origin) -> tuple[str, ...]:
    ends_at = time.monotonic() + _RESOLVE_SECONDS
    if not _lookups.acquire(timeout=_RESOLVE_SECONDS):
        raise HostUnreachable
    found: Future[list[Any]] = Future()
    threading.Thread(target=_look_up, args=(origin, found), name="look-up", daemon=True).start()
    try:
        answers = found.result(timeout=ends_at - time.monotonic())
    except (OSError, UnicodeError, ResolutionTimeout):
        raise HostUnreachable from None
    return tuple(dict.fromkeys(str(address[4][0]) for address in answers))


def _look_up(origin: Origin, found: "Future[list[Any]]") -> None:
    try:
        found.set_result(socket.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM))
    except Exception as error:  # noqa: BLE001 raised again where the answer is waited for
        found.set_exception(error)
    finally:
        _lookups.release()


def _read_at_most(chunks: Iterable[bytes], max_bytes: int, meter: Meter) -> bytes:
    body = bytearray()
    for chunk in chunks:
        meter.add(received_bytes=len(chunk))
        body += chunk
        if len(body) > max_bytes:
            raise HostUnreachable(f"The host's answer is larger than {max_bytes} bytes, so it was not read.")
    return bytes(body)


class _PinnedBackend(httpcore2.NetworkBackend):
    """Connects to the addresses that were checked, whatever the name says by now."""

    def __init__(self, destination: Destination, ends_at: float) -> None:
        self._destination = destination
        self._ends_at = ends_at

    def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore2.NetworkStream:
        origin = self._destination.origin
        # SECURITY: only this origin was checked.
        if (host.strip("[]").lower(), port) != (origin.host, origin.port):
            logger.error("A request would have left its origin", extra={"host": origin.host, "wanted": host})
            raise HostUnreachable
        for address in self._destination.addresses[:-1]:
            try:
                return self._connect(address, port)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return self._connect(self._destination.addresses[-1], port)

    def _connect(self, address: str, port: int) -> httpcore2.NetworkStream:
        seconds = min(_CONNECT_SECONDS, _remaining(self._ends_at))
        return _DeadlineStream(httpcore2.SyncBackend().connect_tcp(address, port, seconds), self._ends_at)


class _DeadlineStream(httpcore2.NetworkStream):
    """Ends at a fixed time however slowly the other side drips: a timeout per read would begin anew each time."""

    def __init__(self, stream: httpcore2.NetworkStream, ends_at: float) -> None:
        self._stream = stream
        self._ends_at = ends_at

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 the deadline decides
        return self._stream.read(max_bytes, _remaining(self._ends_at))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 the deadline decides
        # In pieces: the backend begins its timeout anew with every send of a longer one.
        for start in range(0, len(buffer), _PIECE_BYTES):
            self._stream.write(buffer[start : start + _PIECE_BYTES], _remaining(self._ends_at))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 the deadline decides
    ) -> httpcore2.NetworkStream:
        secure = self._stream.start_tls(ssl_context, server_hostname, _remaining(self._ends_at))
        return _DeadlineStream(secure, self._ends_at)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _remaining(ends_at: float) -> float:
    seconds = ends_at - time.monotonic()
    if seconds <= 0:
        raise httpcore2.ReadTimeout("The deadline has passed.")
    return seconds
