"""Read skills whose files have made-up names: what is served can be unpacked anywhere, and never leaves its folder.

python -m tests.benchmarks.names [--lists 100000] [--seed 1]
"""

import argparse
import sys
import time
from random import Random

from tests.faults.made_up_names import make_up, served_of, wrong_with


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lists", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    chance, began, files, whole, wrong = Random(given.seed), time.monotonic(), 0, 0, []
    for _ in range(given.lists):
        names = make_up(chance)
        served = served_of(names)
        files, whole = files + len(names), whole + bool(served)
        if said := wrong_with(served):
            wrong.append((said, names))
    print(
        f"{given.lists:,} lists with {files:,} names in {time.monotonic() - began:.0f} s: {whole:,} skills served"
    )
    print(f"lists that could not be unpacked everywhere: {len(wrong)}")
    for line in wrong[:20]:
        print(f"  {line}")
    print("NOT as it must be" if wrong else "as it must be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
