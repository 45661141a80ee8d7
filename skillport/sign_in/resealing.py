"""Seal anew what older keys of the ring have sealed, so that these can be taken off it.

A row at a time, and only where it still holds what was read: it may be ended and begun again at any moment, beside
everything that runs. Sessions are left alone: they end by themselves.
"""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID

from allauth.mfa.models import Authenticator
from django.apps import apps

from skillport.encryption import EncryptedText, key_ring
from skillport.key_ring import Place, SecretUnreadable
from skillport.organizations.models import Organization
from skillport.scoping import OrganizationOwned, ScopedQuerySet, within
from skillport.sign_in.adapters import FACTORS_PLACE

_ROWS: Final = 50  # of one transaction
_SEALED_PARTS: Final = ("secret", "seed")  # of what allauth keeps of a second factor


@dataclass
class Resealed:
    """How many secrets there are, how many were sealed anew, and where (table and column) some cannot be read."""

    found: int = 0
    resealed: int = 0
    unreadable: tuple[str, ...] = ()

    def count(self, sealed: bytes, place: Place, replace: Callable[[bytes], object]) -> None:
        self.found += 1
        ring = key_ring()
        if ring.is_newest(sealed):
            return
        try:
            replace(ring.reseal(sealed, place))
            self.resealed += 1
        except SecretUnreadable:
            self.unreadable += (f"{place.table}.{place.field}",)


def reseal_secrets(tell: Callable[[Resealed], None] = lambda _: None) -> Resealed:
    """Seal everything anew that the ring's first key has not sealed. `tell` hears of it every few rows."""
    told = Resealed()
    for organization_id in Organization.objects.order_by("pk").values_list("pk", flat=True):
        for model, field in _sealed_columns():
            for _ in _reseal_column(told, organization_id, model, field):
                tell(told)
    for factor in Authenticator.objects.order_by("pk"):
        _reseal_factor(told, factor)
    tell(told)
    return told


def _sealed_columns() -> Iterator[tuple[type[OrganizationOwned], str]]:
    for model in apps.get_models():
        if issubclass(model, OrganizationOwned):
            yield from (
                (model, field.attname)
                for field in model._meta.concrete_fields
                if isinstance(field, EncryptedText)
            )


def _reseal_column(
    told: Resealed, organization_id: UUID, model: type[OrganizationOwned], field: str
) -> Iterator[None]:
    after: Any = None
    while True:
        with within(organization_id):
            own = model.objects.for_organization(organization_id)
            rows = (
                own.exclude(**{field: b""})
                if after is None
                else own.exclude(**{field: b""}).filter(pk__gt=after)
            )
            page = list(rows.order_by("pk").values_list("pk", field)[:_ROWS])
            for pk, sealed in page:
                place = Place(organization_id, model._meta.db_table, str(pk), field)
                same = own.filter(pk=pk, **{field: bytes(sealed)})
                told.count(bytes(sealed), place, partial(_update, same, field))
        if not page:
            return
        after = page[-1][0]
        yield


def _update(same: ScopedQuerySet[OrganizationOwned], field: str, new: bytes) -> None:
    same.update(**{field: new})


def _reseal_factor(told: Resealed, factor: Authenticator) -> None:
    for part in _SEALED_PARTS:
        if isinstance(text := factor.data.get(part), str):

            def replace(new: bytes, part: str = part) -> None:
                changed = {**factor.data, part: base64.b64encode(new).decode()}
                Authenticator.objects.filter(pk=factor.pk, data=factor.data).update(data=changed)

            told.count(base64.b64decode(text), FACTORS_PLACE, replace)
