"""Wait for something to be so, instead of for some time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(look: Callable[[], T], seconds: float = 60) -> T:
    """Look again and again until there is something true to see, and give it. Fails after `seconds`.

    They are far from what it takes on a machine that has other work as well: they end a wait, and judge nothing.
    """
    ends_at = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < ends_at, "it did not happen in time"
        time.sleep(0.01)
    return seen
