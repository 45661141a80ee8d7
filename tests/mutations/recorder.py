"""Which tests reach which scopes: a pytest plugin that is always on, because it costs next to nothing.

When the whole suite has run and was green, a scope that no test reached fails it: removing that scope would go unseen.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tests.mutations.sites import PACKAGES, ROOT, Site, all_sites

Place = tuple[str, int]

_inside = tuple(f"{ROOT}/{package}/" for package in PACKAGES)
_scoping = f"{ROOT}/skillport/scoping.py"
reached: defaultdict[Place, set[str]] = defaultdict(set)  # where, and in which tests
seconds: defaultdict[str, float] = defaultdict(float)  # how long each test took, with what it had to set up
_now = ""


def install() -> None:
    """Note from now on who asks for a scope."""
    from skillport import scoping  # once Django's settings are there

    narrow, reach = scoping.ScopedQuerySet.for_organization, scoping._reaching

    def for_organization(self: Any, organization: Any) -> Any:
        _note(sys._getframe(1))
        return narrow(self, organization)

    def reaching(*given: Any, **named: Any) -> Any:
        _note(sys._getframe(1))
        return reach(*given, **named)

    scoping.ScopedQuerySet.for_organization = for_organization  # type: ignore[method-assign]
    scoping._reaching = reaching


def _note(frame: FrameType | None) -> None:
    """Keep the nearest place of ours that is not the wall itself."""
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith(_inside) and path != _scoping:
            reached[path.removeprefix(f"{ROOT}/"), frame.f_lineno].add(_now)
            return
        frame = frame.f_back


def those_that_reach(site: Site, places: Mapping[Place, set[str]]) -> set[str]:
    """Give the tests in which some frame stood where this call is."""
    return {test for place, tests in places.items() if site.is_at(*place) for test in tests}


def unreached(places: Mapping[Place, set[str]]) -> list[Site]:
    """Give the sites that no test has reached."""
    return [site for site in all_sites() if not those_that_reach(site, places)]


@contextmanager
def attributed_to(test: str) -> Iterator[None]:
    """Let what is reached inside the block, in whatever thread, count as reached by `test`."""
    global _now  # noqa: PLW0603 one test runs at a time, and its threads belong to it
    around, _now = _now, test
    try:
        yield
    finally:
        _now = around


# --- hooks ------------------------------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--scopes-to", metavar="FILE", help="write which tests reach which scopes")


def pytest_sessionstart() -> None:
    install()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    with attributed_to(item.nodeid):
        return (yield)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    seconds[report.nodeid] += report.duration


def pytest_testnodedown(node: Any) -> None:
    """Take over what a parallel process has seen."""
    for path, line, tests in getattr(node, "workeroutput", {}).get("scopes", []):
        reached[path, line] |= set(tests)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput["scopes"] = [
            (path, line, sorted(tests)) for (path, line), tests in reached.items()
        ]
        return
    if file := config.getoption("--scopes-to"):
        told = [(path, line, sorted(tests)) for (path, line), tests in sorted(reached.items())]
        Path(file).write_text(json.dumps({"reached": told, "seconds": seconds}))
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    narrowed = config.option.keyword or config.option.markexpr or config.option.collectonly
    if exitstatus == 0 and whole and not narrowed and (missing := unreached(reached)):
        config.stash[_UNREACHED] = missing
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


_UNREACHED = pytest.StashKey[list[Site]]()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for site in terminalreporter.config.stash.get(_UNREACHED, []):
        terminalreporter.line(f"no test reaches {site}: removing it would go unseen", red=True)
