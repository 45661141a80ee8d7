"""A real Chromium, driven over the DevTools protocol, for what only a browser does: redirects under a policy, scripts.

Protocol: https://chromedevtools.github.io/devtools-protocol/ (checked 2026-11).
"""

import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from websockets.sync.client import ClientConnection

from tests.sockets import open_socket
from tests.waiting import until

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
_FLAGS: Final = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",  # nothing beyond loopback
)  # fmt: skip
# A device that keeps passkeys, and knows its owner without being touched.
_AUTHENTICATOR: Final = {
    "protocol": "ctap2", "ctap2Version": "ctap2_1", "transport": "internal", "hasResidentKey": True,
    "hasUserVerification": True, "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip
_FIND: Final = """(wanted => [...document.querySelectorAll("a, button, summary, label, input[type=submit]")].find(
    element => (element.value || element.innerText).trim() === wanted && element.checkVisibility()))"""
_IS_WHOLE: Final = "document.readyState === 'complete'"
# The middle of an element, once it has not moved from one frame to the next.
_SPOT: Final = """async element => {
    if (!element) return null;
    element.scrollIntoView({block: "center", behavior: "instant"});
    const middle = () => { const at = element.getBoundingClientRect(); return [at.x + at.width / 2, at.y + at.height / 2]; };
    const before = middle();
    await new Promise(requestAnimationFrame);
    const now = middle(), there = document.elementFromPoint(...now);
    const hit = there && (element.contains(there) || there.contains(element));
    return hit && String(before) === String(now) ? now : null;
}"""


class NotPossible(Exception):
    """The browser refused a command, mostly because the page has gone on to another meanwhile."""


def find_program() -> str | None:
    """Give the browser that this machine has."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


class DevTools:
    """Commands to the browser or to one of its tabs, and what it told meanwhile."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Give one command, and take in the events before its answer. Raises `NotPossible`."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (said := json.loads(self._socket.recv(timeout=60))).get("id") != number:
            self.events.append(said)
        if "error" in said:
            raise NotPossible(said["error"])
        result: dict[str, Any] = said["result"]
        return result

    def named(self, method: str) -> list[dict[str, Any]]:
        """Give the parameters of the events of this name so far."""
        return [event["params"] for event in self.events if event["method"] == method]


class Page:
    """A tab with cookies of its own, used as a person does: by what stands on buttons, and by typing."""

    def __init__(self, tools: DevTools) -> None:
        self._tools = tools
        for domain in ("Page", "Runtime", "Network", "Log"):
            tools.call(f"{domain}.enable")

    def open(self, address: str) -> None:
        """Go to an address, as if it were typed."""
        said = self._tools.call("Page.navigate", url=address)
        assert not said.get("errorText"), said["errorText"]

    def bring(self, site: str, name: str, value: str) -> None:
        """Come with a cookie for the site."""
        self._tools.call("Network.setCookie", url=site, name=name, value=value, httpOnly=True)

    def click(self, text: str) -> None:
        """Click the link or button with this text, as soon as it stands still and nothing covers it."""
        spot = f"({_SPOT})({_FIND}({json.dumps(text)}))"
        x, y = self._until(f"{_IS_WHOLE} && {spot}", f"nothing to click says {text!r}")
        for kind in ("mousePressed", "mouseReleased"):
            self._tools.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def type(self, name: str, text: str) -> None:
        """Type into the field of this name, as soon as there is one."""
        field = f"document.getElementsByName({json.dumps(name)})[0]"
        self._until(f"{_IS_WHOLE} && !!{field}", f"no field is named {name!r}")
        self.evaluate(f"{field}.focus()")
        self._tools.call("Input.insertText", text=text)

    def wait_for(self, text: str) -> str:
        """Wait until this text can be read on the page, and give its address."""
        self._until(
            f"{_IS_WHOLE} && document.body.innerText.includes({json.dumps(text)})", f"nothing says {text!r}"
        )
        return self.address

    def keep_passkeys(self) -> None:
        """Let the machine have a device for passkeys from now on."""
        self._tools.call("WebAuthn.enable")
        self._tools.call("WebAuthn.addVirtualAuthenticator", options=_AUTHENTICATOR)

    @property
    def address(self) -> str:
        address: str = self.evaluate("location.href")
        return address

    @property
    def asked(self) -> list[dict[str, Any]]:
        """Give every request that the browser has made so far: `url`, `method`, `headers` and, if any, `postData`."""
        self._look("1")  # takes in what has happened meanwhile
        made = [one["request"] for one in self._tools.named("Network.requestWillBeSent")]
        return [{name: told for name, told in one.items() if name != "urlFragment"} for one in made]

    def complaints(self, site: str) -> list[str]:
        """Give what the console shows in red about this site: scripts that failed, and what a policy forbade."""
        self._look("1")
        logged = [one["entry"] for one in self._tools.named("Log.entryAdded")]
        thrown = [one["exceptionDetails"] for one in self._tools.named("Runtime.exceptionThrown")]
        red = [entry for entry in logged if entry["level"] == "error"] + thrown
        return [one["text"] for one in red if one.get("url", site).startswith(site)]

    def evaluate(self, expression: str) -> Any:
        """Give the value of a JavaScript expression. Raises `NotPossible`."""
        said = self._tools.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in said:
            raise NotPossible(said["exceptionDetails"])
        return said["result"].get("value")

    def _until(self, expression: str, complaint: str) -> Any:
        try:
            return until(lambda: self._look(expression))
        except AssertionError:
            shown = self._look("document.body.innerText")
            raise AssertionError(f"{complaint} at {self.address}:\n{shown}") from None

    def _look(self, expression: str) -> Any:
        """Evaluate on a page that may be about to go away: then there is nothing to see yet."""
        try:
            return self.evaluate(expression)
        except NotPossible:
            return None


class Chromium:
    """The browser, whose tabs share nothing."""

    def __init__(self, address: str, tools: DevTools) -> None:
        self._address = address
        self._tools = tools

    @contextmanager
    def page(self) -> Iterator[Page]:
        """Open a tab until the block ends."""
        context = self._tools.call("Target.createBrowserContext")["browserContextId"]
        target = self._tools.call("Target.createTarget", url="about:blank", browserContextId=context)
        with _connected(f"{self._address}/devtools/page/{target['targetId']}") as tools:
            yield Page(tools)
        self._tools.call("Target.disposeBrowserContext", browserContextId=context)


@contextmanager
def started(program: str, folder: Path) -> Iterator[Chromium]:
    """Run the browser until the block ends; all that it keeps is in this folder."""
    process = subprocess.Popen(
        [program, *_FLAGS, f"--user-data-dir={folder}", "about:blank"],
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        port, path = until(lambda: _told(folder / "DevToolsActivePort"), 120)
        address = f"ws://127.0.0.1:{port}"
        with _connected(f"{address}{path}") as tools:
            yield Chromium(address, tools)
            tools.call("Browser.close")  # a signal would leave its folder in /tmp behind
            process.wait(timeout=60)
    finally:
        process.terminate()
        process.wait(timeout=60)


@contextmanager
def _connected(address: str) -> Iterator[DevTools]:
    with open_socket(address, max_size=None) as socket:
        yield DevTools(socket)


def _told(file: Path) -> list[str]:
    """Read where the browser listens, which it writes as soon as it does: port and path."""
    lines = file.read_text().splitlines() if file.exists() else []
    return lines if len(lines) == 2 else []
