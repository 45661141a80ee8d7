"""How many requests of one organization may ask a git host at once, and wait for it: the others' are not to queue behind."""

import contextlib
from collections.abc import Iterator
from typing import Final
from uuid import UUID

from django.core.cache import cache

from skillport.errors import SkillportError

MOST_AT_ONCE: Final = 2  # of the four that one process serves (`marketplaces.patience`)
_FORGOTTEN_SECONDS: Final = 120  # of a process that was killed meanwhile


class TooManyAtOnce(SkillportError):
    code = "too_many_at_once"
    status = 409
    message = "Others of your organization are asking git hosts at this moment. Try again in a minute."


@contextlib.contextmanager
def a_place(organization_id: UUID) -> Iterator[None]:
    """Take one of the organization's places for the block. Raises `TooManyAtOnce`."""
    places = [f"asking-a-git-host:{organization_id}:{number}" for number in range(MOST_AT_ONCE)]
    place = next((one for one in places if cache.add(one, 1, timeout=_FORGOTTEN_SECONDS)), None)
    if place is None:
        raise TooManyAtOnce
    try:
        yield
    finally:
        cache.delete(place)
