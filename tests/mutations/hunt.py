"""A pytest plugin that, instead of running the tests, removes one scope at a time and runs the tests that reach it.

A mutant is caught when a test turns red **and** the wall said no: the queryset refused, or the database did. A test
that is red only because something was missing would mean that a forgotten scope looks like an empty page.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg.errors
import pytest
from _pytest.runner import runtestprotocol

from tests.mutations.mutant import without
from tests.mutations.recorder import those_that_reach
from tests.mutations.sites import Site, all_sites

MOST_TESTS = 25  # tried for one mutant, the quickest first


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant: `by` is who refused, and empty when nobody did; `test` is the one that turned red."""

    site: str
    place: str
    caught: bool
    by: str
    test: str
    tried: int


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--scopes-from", metavar="FILE", help="what --scopes-to has written")
    parser.addoption("--part", default="0/1", help="which share of the mutants: number/of")
    parser.addoption("--verdicts-to", metavar="FILE", help="where to write one JSON line for each mutant")


def pytest_runtestloop(session: pytest.Session) -> bool:
    known = json.loads(Path(session.config.getoption("--scopes-from")).read_text())
    reached = {(path, line): set(tests) for path, line, tests in known["reached"]}
    part, parts = map(int, session.config.getoption("--part").split("/"))
    items = {item.nodeid: item for item in session.items}
    slowest_last = sorted(items, key=lambda test: known["seconds"].get(test, 0))
    _warm_up(items, reached, slowest_last)
    with Path(session.config.getoption("--verdicts-to")).open("w") as file:
        for site in all_sites()[part::parts]:
            covering = those_that_reach(site, reached)
            verdict = _hunt(site, [items[test] for test in slowest_last if test in covering][:MOST_TESTS])
            file.write(json.dumps(verdict.__dict__) + "\n")
            file.flush()
    session._setupstate.teardown_exact(None)
    return True


def _hunt(site: Site, tests: list[pytest.Item]) -> Verdict:
    silent = ""
    for number, test in enumerate(tests, 1):
        with _refusals() as refused, without(site):
            red = _is_red(test)
        if red and refused:
            return Verdict(str(site), site.place, True, refused.most_common(1)[0][0], test.nodeid, number)
        if red:
            silent = silent or test.nodeid
    return Verdict(str(site), site.place, False, "", silent, len(tests))


def _is_red(test: pytest.Item) -> bool:
    # What is shared by the session stays; a module's own is made anew for each test.
    session: Any = test.session
    reports = runtestprotocol(test, log=False, nextitem=session)
    return any(report.failed for report in reports)


def _warm_up(items: dict[str, pytest.Item], reached: dict[Any, set[str]], order: list[str]) -> None:
    """Start what the session shares before anything is broken: a fixture that once failed would stay so."""
    wanted = {name for item in items.values() for name in getattr(item, "fixturenames", ()) if name == "live"}
    for name in [*wanted, "db"]:
        one = next((test for test in order if name in getattr(items[test], "fixturenames", ())), None)
        if one:
            assert not _is_red(items[one]), f"{one} is red without any mutant"


@contextmanager
def _refusals() -> Iterator[Counter[str]]:
    """Count how often the wall says no, in whatever thread."""
    from skillport.scoping import ScopeConflict, UnscopedQuery  # once Django's settings are there

    counted: Counter[str] = Counter()
    kinds = {
        UnscopedQuery: "the queryset", ScopeConflict: "the block", psycopg.errors.InsufficientPrivilege: "the database"
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for kind, said in kinds.items():
            patch.setattr(kind, "__init__", _counting(kind, said, counted))
        yield counted


def _counting(kind: type[Exception], said: str, counted: Counter[str]) -> Callable[..., None]:
    def count(self: Exception, *given: Any, **named: Any) -> None:
        counted[said] += 1
        super(kind, self).__init__(*given, **named)

    return count
