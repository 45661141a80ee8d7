"""Remove every scope of the code, one at a time, and see that some test turns red because the wall said no.

    python -m tests.benchmarks.mutants [--processes 2] [--scopes FILE]

First all tests run once, to learn which of them reach which scope; `--scopes` keeps that in a file, and a file that is
there already is taken as it is. Then each mutant runs against the tests that reach it, the quickest first, until one
catches it. Ends with 1 when a mutant lives that `tests/mutations/reviewed.py` does not explain.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.mutations.recorder import those_that_reach
from tests.mutations.reviewed import WITHOUT_REFUSAL
from tests.mutations.sites import ROOT, all_sites

_PYTEST = [sys.executable, "-m", "pytest", "-q", "--no-header"]

# What a broken test leaves behind (a connection, a thread) would turn the next one red.
_CALM = ["-p", "no:unraisableexception", "-p", "no:threadexception"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--scopes", type=Path)
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        scopes = given.scopes or Path(temporary, "scopes.json")
        if not scopes.exists():
            print("Running all tests once …", flush=True)
            subprocess.run(
                [*_PYTEST, "-n", str(given.processes), "--scopes-to", str(scopes)], cwd=ROOT, check=False
            )
        verdicts = _hunted(scopes, given.processes, Path(temporary))
    return _tell(verdicts, time.monotonic() - began)


def _hunted(scopes: Path, processes: int, folder: Path) -> list[dict[str, Any]]:
    known = json.loads(scopes.read_text())
    reached = {(path, line): set(tests) for path, line, tests in known["reached"]}
    reaching = {test for site in all_sites() for test in those_that_reach(site, reached)}
    files = sorted(
        {test.partition("::")[0] for test in reaching if "::" in test}
    )  # others are named by a test itself
    print(f"{len(all_sites())} mutants …", flush=True)
    parts = [folder / f"{number}.jsonl" for number in range(processes)]
    running = [
        subprocess.Popen(
            [
                *_PYTEST, "-n0", *_CALM, "-p", "tests.mutations.hunt", "--scopes-from", str(scopes.absolute()),
                "--part", f"{number}/{processes}", "--verdicts-to", str(part), *files,
            ],
            cwd=ROOT, stdout=(folder / f"{number}.said").open("w"), stderr=subprocess.STDOUT,
        )
        for number, part in enumerate(parts)
    ]  # fmt: skip
    for number, process in enumerate(running):
        if process.wait():
            print((folder / f"{number}.said").read_text())
    return [json.loads(line) for part in parts if part.exists() for line in part.read_text().splitlines()]


def _tell(verdicts: list[dict[str, Any]], seconds: float) -> int:
    caught = Counter(verdict["by"] for verdict in verdicts if verdict["caught"])
    alive = {verdict["place"]: verdict for verdict in verdicts if not verdict["caught"]}
    for place, verdict in alive.items():
        tests = (
            f"red, and nobody refused: {verdict['test']}"
            if verdict["test"]
            else f"{verdict['tried']} tests green"
        )
        print(f"{'reviewed' if place in WITHOUT_REFUSAL else 'ALIVE'}  {verdict['site']} ({tests})")
    wrong = alive.keys() ^ WITHOUT_REFUSAL.keys()
    for place in sorted(WITHOUT_REFUSAL.keys() - alive.keys()):
        print(f"no longer so: {place}")
    complete = len(verdicts) == len(all_sites())
    print(
        f"{len(verdicts)} of {len(all_sites())} mutants in {seconds:.0f} s: {caught.total()} caught, refused by "
        f"{dict(caught)}; {len(alive)} without a refusal, {len(alive.keys() & WITHOUT_REFUSAL.keys())} of them reviewed"
    )
    return 0 if complete and not wrong else 1


if __name__ == "__main__":
    sys.exit(main())
