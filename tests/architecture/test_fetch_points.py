"""Everything that goes out goes through the guard, and everything that goes out is tried with hostile addresses."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.test_scoping import PACKAGES
from tests.faults.fetch_points import FETCH_POINTS

ROOT = Path(__file__).parents[2]

# Who may open a connection, or start a program that may, and why nobody can choose where it goes.
CLIENTS = {
    "marketplaces/git/processes.py": "starts git, which gets a checked and pinned address or none",
    "marketplaces/git/program.py": "the same",
    "marketplaces/services/worker.py": "asks this machine for its own name",
    "skillport/demo/git_host.py": "the demo's own host, on loopback",
    "skillport/demo/main_job.py": "the demo, which asks itself",
    "skillport/demo/serving.py": "the demo listens",
    "skillport/demo/surroundings.py": "the demo looks for free ports",
    "skillport/embedded/postgres.py": "starts PostgreSQL on a socket",
    "skillport/outbound.py": "the guard itself",
    "skillport/sign_in/adapters.py": "hands the guarded session to the library",
    "skillport/sign_in/guarded_requests.py": "sends by the guard",
    "skillport/sign_in/provider.py": "knows the library's errors",
    "skillport/txt_records.py": "asks the name servers that the operator named",
}
_CLIENTS = {
    "aiohttp", "asyncio.subprocess", "dns", "ftplib", "http.client", "httpcore2", "httpx2", "requests", "smtplib", "socket",
    "ssl", "subprocess", "telnetlib", "urllib.request", "urllib3", "websockets",
}  # fmt: skip
_ONLY_NAMES = {"smtplib.SMTPException"}

# Who sends a request or has an address checked, and where that is tried with addresses that mean harm.
SENDERS = {
    ("marketplaces/git/bounded.py", "request"): "a check asks",
    ("marketplaces/git/head.py", "_ask"): "a sync asks",
    ("marketplaces/git/head.py", "_ask_for_all"): "a sync asks",
    ("marketplaces/providers/api.py", "ask"): "a webhook at GitHub",
    ("marketplaces/providers/detection.py", "detect"): "whose host it is",
    ("marketplaces/services/external/mirroring.py", "_fetch"): "an external source at a commit",
    ("marketplaces/services/sync.py", "_import"): "a sync fetches",
    ("marketplaces/services/trial.py", "_catalog"): "a check fetches",
    ("skillport/organizations/services/provider_metadata.py", "get_json"): "what a provider says of itself",
    ("skillport/organizations/services/provider_metadata.py", "read_provider"): "what a provider says of itself",
    ("skillport/organizations/services/provider_metadata.py", "try_client"): "a provider's token endpoint",
    ("skillport/sign_in/guarded_requests.py", "send"): "the library that signs people in",
}  # fmt: skip


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "/sample/" not in path.as_posix():
                yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())


def _imported(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _connects(name: str) -> bool:
    return name not in _ONLY_NAMES and any(name == one or name.startswith(f"{one}.") for one in _CLIENTS)


def test_nobody_else_can_open_a_connection() -> None:
    found = {path for path, module in _modules() if any(map(_connects, _imported(module)))}
    assert found == CLIENTS.keys()


def _senders(module: ast.Module) -> Iterator[str]:
    """Give the functions that call `request` or `check` of something that is called outbound."""
    for function in ast.walk(module):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                called, of = node.func.attr, ast.unparse(node.func.value).lower()
                if called in {"request", "check"} and ("outbound" in of or of == "super()"):
                    yield function.name


def test_everything_that_goes_out_is_tried_with_hostile_addresses() -> None:
    found = {
        (path, name)
        for path, module in _modules()
        if path != "skillport/outbound.py"
        for name in _senders(module)
    }
    assert found == SENDERS.keys()
    assert set(SENDERS.values()) <= FETCH_POINTS.keys()
