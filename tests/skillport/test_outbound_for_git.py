"""The pin for git: the checked address in curl's own form, tried with the real git."""

import subprocess
from pathlib import Path

from skillport.outbound import Destination, Origin, Outbound
from tests.skillport.loopback import listening, says

NOT_FOUND = says(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")


def git_asks(destination: Destination, tmp_path: Path) -> str:
    done = subprocess.run(
        ["git", "-c", f"http.curloptResolve={destination.curl_resolve}", "ls-remote", destination.url],
        cwd=tmp_path, env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "no_proxy": "*"}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    return done.stderr


def test_the_pin_is_written_as_curl_wants_it() -> None:
    origin = Origin("https", "git.example", 443)
    assert Destination("", origin, ("93.184.216.34",)).curl_resolve == "git.example:443:93.184.216.34"
    both = Destination("", origin, ("2606:2800::1", "93.184.216.34"))
    assert both.curl_resolve == "git.example:443:[2606:2800::1],93.184.216.34"


def test_git_goes_to_the_pinned_addresses_of_a_name_that_does_not_exist(tmp_path: Path) -> None:
    with listening(NOT_FOUND) as server:
        origin = Origin("http", "pinned.invalid", server.port)
        for addresses in (("127.0.0.1",), ("::1", "127.0.0.1")):
            pinned = Destination(f"{origin}/x.git", origin, addresses)
            assert "not found" in git_asks(pinned, tmp_path)
        assert server.connections() == 2
        # The twin: it is the pin that git follows. With another one it ends at a closed door.
        pinned = Destination(f"{origin}/x.git", origin, ("127.0.0.2",))
        assert "Failed to connect" in git_asks(pinned, tmp_path)
        assert server.connections() == 2


def test_git_reaches_a_host_that_is_written_as_an_ipv6_address(tmp_path: Path) -> None:
    with listening(NOT_FOUND, "::1") as server:
        url = f"http://[::1]:{server.port}"
        destination = Outbound(frozenset({Origin.parse(url)})).check(f"{url}/x.git")
        assert "not found" in git_asks(destination, tmp_path)
