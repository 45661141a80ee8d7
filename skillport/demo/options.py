"""What `manage.py demo` can be told."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

_HIGHEST_PORT: Final = 65534


@dataclass(frozen=True)
class Options:
    """`port` 0 takes a free one. `token` comes from the environment, never from an argument."""

    once: bool
    port: int
    marketplace: str
    token: str = field(repr=False)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="do the whole main job once, compare, and exit")
    parser.add_argument("--port", type=int, default=8000, help="where to serve (default 8000)")
    parser.add_argument("--marketplace", metavar="URL", default="", help="bind your own repository to Acme")
    parser.add_argument(
        "--token-env", metavar="NAME", default="", help="the variable that holds its access token"
    )


def read_options(arguments: Sequence[str]) -> Options:
    """Read the demo's own arguments; Django's, such as --verbosity, are left to Django. Exits on a wrong one."""
    parser = argparse.ArgumentParser(prog="manage.py demo")
    add_arguments(parser)
    given, _ = parser.parse_known_args(arguments)
    if given.token_env and given.token_env not in os.environ:
        parser.error(f"the environment has no variable {given.token_env}")
    if not 0 <= given.port <= _HIGHEST_PORT:
        parser.error(
            f"--port must be at most {_HIGHEST_PORT} (the git host takes the one behind it), or 0 for any"
        )
    return Options(
        once=given.once,
        port=0 if given.once else given.port,
        marketplace=given.marketplace.rstrip("/"),
        token=os.environ.get(given.token_env, "") if given.token_env else "",
    )
