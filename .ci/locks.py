"""Check that the locks hold what pyproject.toml asks for, with hashes, and name no package index."""

import re
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LINE = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>\S+)")


def locked(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text()
    if re.search(r"https?://|--(extra-)?index-url|--find-links", text):
        sys.exit(f"{name} names an address: compile it with the command in docs/development.md")
    pins = [found for line in text.splitlines() if (found := LINE.match(line))]
    if text.count("--hash=") < len(pins):
        sys.exit(f"{name} has packages without hashes")
    return {canonicalize_name(pin["name"]): pin["version"] for pin in pins}


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    runtime, test, embedded = map(
        locked, ("requirements.txt", "requirements-test.txt", "requirements-embedded.txt")
    )
    asked = [
        ("requirements.txt", runtime, project["dependencies"]),
        ("requirements-test.txt", test, project["dependencies"] + extras["test"]),
        ("requirements-embedded.txt", embedded, extras["embedded"]),
    ]
    for name, pins, requirements in asked:
        for requirement in map(Requirement, requirements):
            version = pins.get(canonicalize_name(requirement.name))
            if version is None or not requirement.specifier.contains(version, prereleases=True):
                sys.exit(f"{name} has {requirement.name} {version}; pyproject.toml asks for {requirement}")
    apart = {name for name in runtime if test.get(name) != runtime[name]}
    if apart:
        sys.exit(f"the two locks differ in: {', '.join(sorted(apart))}")


if __name__ == "__main__":
    main()
