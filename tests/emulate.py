"""Google, Microsoft Entra and GitHub as `emulate` plays them (npm, Apache-2.0): providers that nobody here wrote.

Its `latest` tag is another program of the same name, so the version is pinned; it needs Node 22.15, so it brings one.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import httpx2

from tests import npm
from tests.ports import claim_ports
from tests.waiting import until

VERSION = "0.12.2"


class Emulator:
    """One provider on a free port of loopback; its issuers begin with `url`."""

    def __init__(self, service: str, folder: Path) -> None:
        self.service = service
        self.port = claim_ports()
        self.url = f"http://localhost:{self.port}"
        self._folder = folder
        self._modules = npm.installed(f"emulate-{VERSION}", f"emulate@{VERSION}", "node@24")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, users: list[dict[str, Any]], clients: list[dict[str, Any]]) -> None:
        """Begin anew, with new keys, knowing exactly these people and applications."""
        self.begin({"users": users, "oauth_clients": clients})

    def begin(
        self,
        known: dict[str, Any],
        *,
        tokens: dict[str, Any] | None = None,
        ready: str = "/.well-known/openid-configuration",
    ) -> None:
        """Begin anew, knowing exactly this and people's `tokens`, and wait until the path `ready` answers."""
        self.stop()
        seed = self._folder / "seed.json"
        seed.write_text(json.dumps({"tokens": tokens or {}, self.service: known}))
        program = self._modules / "emulate" / "dist" / "index.js"
        arguments = ["start", "--service", self.service, "--seed", str(seed), "--port", str(self.port)]
        self._process = subprocess.Popen(
            [self._modules / ".bin" / "node", program, *arguments],
            env={"HOME": str(self._folder), "PATH": os.environ["PATH"]}, cwd=self._folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        until(lambda: self._answers(ready), 120)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=60)
            self._process = None

    def _answers(self, path: str) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"emulate ended with {self._process.returncode}"
        try:
            return httpx2.get(f"{self.url}{path}", trust_env=False).is_success
        except httpx2.TransportError:
            return False
