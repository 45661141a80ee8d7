"""How much of a repository is taken in, and how often a worker tries."""

from typing import Final

from marketplaces.manifest.limits import Limits

MAX_ENTRIES: Final = 20_000
MAX_BYTES: Final = 200 * 2**20
LIMITS: Final = Limits()
MAX_ATTEMPTS: Final = 3
