"""Addresses by which somebody might reach what only this machine, or its private network, is to reach."""

# ruff: noqa: S104 nothing is bound here, and look-alike characters are the subject
from tests.skillport.loopback import PUBLIC, PUBLIC_6, Network

HOSTILE_NAMES = {
    "localhost": ["127.0.0.1"],
    "localhost.": ["127.0.0.1"],
    "localhost.localdomain": ["127.0.0.1"],
    "ip6-localhost": ["::1"],
    "127.0.0.1.": ["127.0.0.1"],
    "alias-of-localhost.example": ["127.0.0.1"],
    "127.0.0.1.nip.example": ["127.0.0.1"],
    "under_score.example": ["127.0.0.1"],
    "xn--mnchen-3ya.example": ["127.0.0.1"],
    "metadata.google.internal": ["169.254.169.254"],
    "private-last.example": [PUBLIC, "10.0.0.1"],
    "loopback-first.example": ["127.0.0.1", PUBLIC],
    "both-families.example": [PUBLIC, "::1"],
    "both-families-6.example": [PUBLIC_6, "127.0.0.1"],
    "one-of-many.example": [*[PUBLIC] * 20, "192.168.0.1", *[PUBLIC] * 20],
    "mapped.example": ["::ffff:127.0.0.1"],
    "mapped-among-public.example": [PUBLIC_6, "::ffff:10.0.0.1"],
    "nat64.example": ["64:ff9b::7f00:1"],
    "link-local.example": ["fe80::1%1"],
    "inside.example": ["10.0.0.5"],  # which the operator allows, as https on its standard port
    "inside.example.": ["10.0.0.5"],
    "sub.inside.example": ["10.0.0.5"],
}
PUBLIC_NAMES = {"public.example": [PUBLIC], "xn--bcher-kva.example": [PUBLIC], "public6.example": [PUBLIC_6]}
ALLOWED = "https://inside.example"


def teach(network: Network) -> None:
    for name, addresses in {**HOSTILE_NAMES, **PUBLIC_NAMES}.items():
        network.knows(name, addresses)


# Hosts that resolve to something that is not public, however they are written.
_PRIVATE_HOSTS = [
    # loopback: short forms, decimal, hexadecimal, octal, the unspecified address
    "127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "2130706433", "0x7f000001", "0x7F.1", "0x7f.0x0.0x0.0x1",
    "0177.0.0.1", "017700000001", "0177.0x0.1", "0", "0.0.0.0", "0x0", "00000000000",
    "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[0000::0001]", "[::127.0.0.1]", "[::7f00:1]",
    # IPv4 inside IPv6: mapped, NAT64 (both prefixes), 6to4, Teredo
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::FFFF:7F00:0001]", "[::ffff:a9fe:a9fe]", "[::ffff:10.0.0.1]",
    "[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]", "[2002:a9fe:a9fe::1]", "[2002:0a00:0001::1]", "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
    # other IPv6: site-local, link-local, unique local, multicast, documentation, discard, SRv6, benchmarks
    "[fec0::1]", "[fe80::1]", "[fe80::1%1]", "[fc00::1]", "[fd00::1]", "[ff02::1]", "[ff0e::1]", "[2001:db8::1]",
    "[3fff::1]", "[100::1]", "[5f00::1]", "[2001:2::1]", "[4000::1]",
    # the clouds' metadata services
    "169.254.169.254", "0xa9fea9fe", "2852039166", "0251.0376.0251.0376", "169.254.170.2", "168.63.129.16",
    "100.100.100.200", "192.0.0.192", "[fd00:ec2::254]",
    # private, shared, documentation, benchmark, relay, multicast, reserved, broadcast
    "10.0.0.1", "10.1", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.1", "100.64.0.1", "100.127.255.255",
    "198.18.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "192.88.99.1", "224.0.0.1", "239.255.255.250",
    "240.0.0.1", "255.255.255.255",
    # digits, dots and letters of other scripts, which become the plain ones
    "①②⑦.⓪.⓪.①", "１２７.0.0.1", "127。0。0。1", "⑯⑨。②⑤④。⑯⑨｡②⑤④", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "LOCALHOST", "münchen.example",
    *(name for name in HOSTILE_NAMES if name != "inside.example"),
]  # fmt: skip

# Written so that two readers may understand two different hosts.
_AMBIGUOUS = [
    "https://user@127.0.0.1/", "https://user:password@127.0.0.1/", "https://@127.0.0.1/", "https://:@127.0.0.1/",
    "https://public.example@127.0.0.1/", "https://127.0.0.1@public.example/", "https://public.example%40127.0.0.1/",
    "https://public.example:443@127.0.0.1/", "https://a@public.example@127.0.0.1/", "https://user:pw@public.example/",
    "https://public.example\\@127.0.0.1/", "https://127.0.0.1\\.public.example/", "https:\\\\127.0.0.1/",
    "https://127.0.0.1\\/", "https://public.example\\\t@127.0.0.1/", "https://public.example/\\..\\x",
    " https://127.0.0.1/", "https://127.0.0.1 /", "https://127.0.0.1\t/", "https://127.0.0.1\n/", "ht\ntps://127.0.0.1/",
    "https://public.example\r\nHost: inside.example/", "https://public.example/\r\nX: y", "https://127.0.0.1\x00/",
    "https://public.example\x7f/", "https://%31%32%37.0.0.1/", "https://127%2e0.0.1/", "https://[::1/", "https://::1/",
    "https://[127.0.0.1]/", "https://[::1]x/", "https://[v1.x]/", "https://127.0.0.1,public.example/",
    "https://public.example;127.0.0.1/", "https://<public.example>/", "https://public..example/", "https://.example/",
    "https://-/", "https://public.example℀.example/", "https://xn--/", "https://xn--a/",
    f"https://{'a' * 64}.example/", f"https://{'a.' * 200}example/", "https://./", "https://../",
]  # fmt: skip

_OTHER_SCHEMES = [
    "", "/", "127.0.0.1", "127.0.0.1:443", "//127.0.0.1/", "https:", "https:/127.0.0.1/", "https:127.0.0.1",
    "https:///127.0.0.1/", "https://", "https://?127.0.0.1", "https://#127.0.0.1", "://127.0.0.1/",
    "http://127.0.0.1/", "http://127.0.0.1:443/", "http://public.example/", "http://inside.example/",
    "http://inside.example:443/", "ftp://127.0.0.1/", "file:///etc/passwd", "file://127.0.0.1/etc/passwd",
    "gopher://127.0.0.1:6379/_FLUSHALL", "dict://127.0.0.1:11211/stats", "ldap://127.0.0.1/", "ws://127.0.0.1/",
    "wss://127.0.0.1/", "ssh://127.0.0.1/x.git", "git://127.0.0.1/x.git", "git@127.0.0.1:x.git", "ext::sh -c id",
    "ext::sh", "unix:/var/run/docker.sock", "jar:https://127.0.0.1!/", "data:text/plain,x", "javascript:alert(1)",
    "httpss://127.0.0.1/", "https+unix://127.0.0.1/",
]  # fmt: skip

_OTHER_PORTS = [
    *(f"https://127.0.0.1:{port}/" for port in (1, 22, 80, 5432, 6379, 8443, 65535)),
    "https://public.example:22/", "https://public.example:8443/", "https://public.example:80/",
    "https://public.example:65536/", "https://public.example:-1/", "https://public.example:4 43/",
    "https://public.example:443:22/", "https://public.example:0x1bb/", "https://public.example:٤٤٣/",
    "https://inside.example:8443/", "https://inside.example:22/",
    "https://public.example:0/", "https://inside.example:00/",
]  # fmt: skip

HOSTILE_URLS = [
    *(f"https://{host}/x.git" for host in _PRIVATE_HOSTS), *_AMBIGUOUS, *_OTHER_SCHEMES, *_OTHER_PORTS,
]  # fmt: skip

PUBLIC_ADDRESSES = [
    PUBLIC, PUBLIC_6, "1.1.1.1", "8.8.8.8", "1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0",
    "126.255.255.255", "128.0.0.0", "168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0",
    "172.15.255.255", "172.32.0.0", "191.255.255.255", "192.0.1.0", "192.0.3.0", "192.167.255.255", "192.169.0.0",
    "198.17.255.255", "198.20.0.0", "203.0.112.255", "203.0.114.0", "223.255.255.255", "2000::1", "2001:200::1",
    "2001:4860:4860::8888", "2003::1", "2606:4700:4700::1111", "2a00:1450:4001::1", "3ffe:ffff::1",
    "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
]  # fmt: skip

PRIVATE_ADDRESSES = [
    "0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.100.100.200", "100.127.255.255",
    "127.0.0.0", "127.0.0.1", "127.255.255.255", "168.63.129.16", "169.254.0.0", "169.254.169.254", "169.254.255.255",
    "172.16.0.0", "172.31.255.255", "192.0.0.0", "192.0.0.192", "192.0.2.255", "192.88.99.1", "192.168.0.0",
    "192.168.255.255", "198.18.0.0", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255",
    "240.0.0.0", "255.255.255.255", "::", "::1", "::7f00:1", "::127.0.0.1", "::ffff:0:127.0.0.1", "100::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "::ffff:224.0.0.1", "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe", "64:ff9b:1::8.8.8.8", "2001::1", "2001:2::1", "2001:10::1", "2001:1ff:ffff::1",
    "2001:db8::1", "2002::1", "2002:7f00:1::", "2002:808:808::1", "3fff::1", "3fff:fff::1", "4000::1", "5f00::1",
    "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fe80::8.8.8.8%1", "fec0::1", "ff02::1", "ff0e::1",
]  # fmt: skip
