"""Many threads on few connections, each in one organization after another, with rollbacks, errors and killed backends.

A pooled connection outlives what was set on it. If a setting, a role or a half-finished transaction stayed with the
connection, the next thread to borrow it would read another organization's rows. Every read here says which
organizations it saw, past the refusing queryset as well as through it.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connections
from django.db.backends.postgresql.base import DatabaseWrapper

from marketplaces.models import Marketplace
from skillport.organizations.models import Organization
from skillport.scoping import across_organizations, within

ALIAS = "bleed"
_MARK = "skillport-bleed"  # the name of these connections at the server, so that only they are killed
_SEEN = "SELECT DISTINCT organization_id FROM marketplaces_marketplace"
_KILL = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s AND pid <> pg_backend_pid()"
    " AND datname = current_database() ORDER BY random() LIMIT 1"  # whoever does the same beside us has a database of its own
)


class _Mishap(Exception):
    """Something goes wrong in the middle of a block."""


@dataclass
class Seen:
    """What the threads have seen: how many reads, what befell them, and what they should never have seen."""

    counted: Counter[str] = field(default_factory=Counter)
    foreign: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)

    @property
    def reads(self) -> int:
        return self.counted["reads"]


def make_organizations(number: int = 8) -> list[UUID]:
    """Make organizations with a row each."""
    made = []
    for n in range(number):
        organization = Organization.objects.create(slug=f"bleed-{n}", name=f"Bleed {n}")
        with within(organization):
            Marketplace.objects.create(organization=organization, slug="skills", url="https://git.example/x")
        made.append(organization.pk)
    return made


def watch(
    organizations: list[UUID],
    *,
    reads: int,
    threads: int = 64,
    pool: int = 4,
    seconds: float = 600,
    tell: Callable[[Seen], None] = lambda _: None,
) -> Seen:
    """Read until there were so many reads, or for so long. `tell` is called every five seconds."""
    seen, lock = Seen(), threading.Lock()
    ends_at = time.monotonic() + seconds

    def goes_on() -> bool:
        return (
            seen.reads < reads
            and time.monotonic() < ends_at
            and not seen.foreign
            and len(seen.unexpected) < 100
        )

    def run(number: int) -> None:
        one = _Thread(random.Random(number), organizations)
        with _own_connection(pool):
            while goes_on():
                one.borrow()
                with lock:
                    one.hand_over(seen)

    running = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        while thread.is_alive():
            thread.join(timeout=5)
            if thread.is_alive():
                tell(seen)
    with _own_connection(pool):
        connections[ALIAS].close_pool()  # type: ignore[attr-defined]
    return seen


@contextmanager
def _own_connection(pool: int) -> Iterator[None]:
    """Let this thread reach the database through a pool of so few connections, beside the usual one."""
    default = connections[DEFAULT_DB_ALIAS].settings_dict
    options = {**default["OPTIONS"], "application_name": _MARK}
    options["pool"] = {"min_size": pool, "max_size": pool, "timeout": 30}
    connections[ALIAS] = DatabaseWrapper({**default, "OPTIONS": options}, alias=ALIAS)
    try:
        yield
    finally:
        del connections[ALIAS]


class _Thread:
    """One thread: borrows a connection, does something with it, checks that nothing stays, and gives it back."""

    def __init__(self, chance: random.Random, organizations: list[UUID]) -> None:
        self._chance = chance
        self._organizations = organizations
        self._ways = [self._read] * 12 + [
            self._fail,
            self._fail_inside,
            self._narrow,
            self._alternate,
            self._kill,
        ]
        self._counted: Counter[str] = Counter()
        self._foreign: list[str] = []
        self._unexpected: list[str] = []

    def borrow(self) -> None:
        way = self._chance.choice(self._ways)
        try:
            self._check(set(), "before every block")
            with suppress(_Mishap):
                way(self._chance.choice(self._organizations))
            self._check(set(), f"after {way.__name__}")
        except (OperationalError, InterfaceError):
            self._counted["connections lost"] += 1
        except Exception as error:  # noqa: BLE001 whatever it is, it is told
            self._unexpected.append(f"{way.__name__}: {error!r}")
        finally:
            with suppress(OperationalError, InterfaceError):
                connections[ALIAS].close()  # back into the pool

    def hand_over(self, seen: Seen) -> None:
        seen.counted += self._counted
        seen.foreign += self._foreign
        seen.unexpected += self._unexpected
        self._counted, self._foreign, self._unexpected = Counter(), [], []

    # --- what may happen in a block -----------------------------------------------------------------------------------

    def _read(self, own: UUID) -> None:
        with within(own, using=ALIAS):
            for _ in range(self._chance.randint(1, 10)):
                self._check({own}, "inside")
            self._check_queryset(own)

    def _fail(self, own: UUID) -> None:
        with within(own, using=ALIAS):
            self._check({own}, "before an error")
            self._counted["rolled back"] += 1
            raise _Mishap

    def _fail_inside(self, own: UUID) -> None:
        with within(own, using=ALIAS):
            with suppress(_Mishap), within(own, using=ALIAS):
                raise _Mishap
            self._check({own}, "after an error in an inner block")

    def _narrow(self, own: UUID) -> None:
        with across_organizations(reason="threads on few connections", using=ALIAS):
            self._check(set(self._organizations), "across")
            with suppress(_Mishap), within(own, using=ALIAS):
                self._check({own}, "narrowed")
                if self._chance.random() < 0.5:
                    raise _Mishap
            self._check(set(self._organizations), "across again")
            if self._chance.random() < 0.5:
                self._counted["rolled back"] += 1
                raise _Mishap

    def _alternate(self, own: UUID) -> None:
        for organization in (own, self._chance.choice(self._organizations), own):
            with within(organization, using=ALIAS):
                self._check({organization}, "one after another")

    def _kill(self, own: UUID) -> None:
        with within(own, using=ALIAS), connections[ALIAS].cursor() as cursor:
            cursor.execute(_KILL, [_MARK])
            self._counted["killed"] += len(cursor.fetchall())
            self._check({own}, "after killing another")

    # --- what must be so ----------------------------------------------------------------------------------------------

    def _check(self, expected: set[UUID], when: str) -> None:
        """Look past the queryset: what row-level security alone lets through."""
        with connections[ALIAS].cursor() as cursor:
            cursor.execute(_SEEN)
            self._compare({organization for (organization,) in cursor.fetchall()}, expected, when)

    def _check_queryset(self, own: UUID) -> None:
        rows = Marketplace.objects.using(ALIAS).for_organization(own)
        self._compare(set(rows.values_list("organization_id", flat=True)), {own}, "through the queryset")

    def _compare(self, seen: set[UUID], expected: set[UUID], when: str) -> None:
        self._counted["reads"] += 1
        if seen - expected:
            self._foreign.append(f"{when}: {seen - expected} beside {expected}")
        elif seen != expected:
            self._unexpected.append(f"{when}: {expected - seen} is missing")
