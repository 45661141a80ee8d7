"""Secrets on rows: two marketplaces in the database, and an attacker who may write every column with SQL."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.core import serializers
from django.core.exceptions import FieldError
from django.db import connection, models
from django.forms import model_to_dict, modelform_factory
from django.test.utils import isolate_apps
from rest_framework.serializers import ModelSerializer

from marketplaces.models import Marketplace
from skillport.encryption import EncryptedText
from skillport.key_ring import Place, SecretUnreadable
from skillport.scoping import across_organizations, within
from tests.cast import Cast

SECRET = "glpat-a-service-token"
OTHER_SECRET = "glpat-somebody-elses"


@pytest.fixture
def row(cast: Cast) -> Iterator[Marketplace]:
    """Acme's marketplace with a credential; the test stands inside Acme."""
    with within(cast.acme):
        yield bound(cast, "acme", SECRET)


def bound(cast: Cast, slug: str, secret: str, organization: Any = None) -> Marketplace:
    marketplace = Marketplace(
        organization_id=(organization or cast.acme).pk, slug=slug, url="https://git.example/x"
    )
    marketplace.credential.put(secret)
    marketplace.save()
    return marketplace


def read(marketplace_id: UUID) -> Marketplace:
    with across_organizations(reason="test"):
        return Marketplace.objects.all_organizations().get(pk=marketplace_id)


def run(statement: str, *parameters: bytes | UUID) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def test_a_stored_secret_comes_back(cast: Cast) -> None:
    with within(cast.acme):
        stored = bound(cast, "acme", SECRET)
        stored = Marketplace.objects.for_organization(cast.acme).get(pk=stored.pk)
        assert stored.credential.open() == SECRET
        assert stored.webhook_secret.open() == ""
        stored.save()  # writes the sealed value back as it is
    assert read(stored.pk).credential.open() == SECRET


def move_to_another_row(cast: Cast) -> Marketplace:
    with within(cast.acme):
        mine, theirs = bound(cast, "mine", OTHER_SECRET), bound(cast, "theirs", SECRET)
        run(
            "UPDATE marketplaces_marketplace SET credential = %s WHERE id = %s",
            theirs.credential.sealed,
            mine.pk,
        )
    return read(mine.pk)


def move_to_another_organization(cast: Cast) -> Marketplace:
    with within(cast.acme):
        moving = bound(cast, "acme", SECRET)
    with across_organizations(reason="test"):
        run(
            "UPDATE marketplaces_marketplace SET organization_id = %s WHERE id = %s",
            cast.globex.pk,
            moving.pk,
        )
    return read(moving.pk)


def move_to_another_organizations_row(cast: Cast) -> Marketplace:
    with within(cast.acme):
        acmes = bound(cast, "acme", SECRET)
    with within(cast.globex):
        globexs = bound(cast, "globex", OTHER_SECRET, cast.globex)
        run(
            "UPDATE marketplaces_marketplace SET credential = %s WHERE id = %s",
            acmes.credential.sealed,
            globexs.pk,
        )
    return read(globexs.pk)


def move_from_another_field(cast: Cast) -> Marketplace:
    with within(cast.acme):
        moving = bound(cast, "acme", "")
        moving.webhook_secret.put(SECRET)
        moving.save()
        run("UPDATE marketplaces_marketplace SET credential = webhook_secret WHERE id = %s", moving.pk)
    return read(moving.pk)


def move_to_another_table(cast: Cast) -> Any:
    """Everything stays the same but the table: the same row id, organization and column."""
    with within(cast.acme):
        moving = bound(cast, "acme", SECRET)
        run(
            "CREATE TEMPORARY TABLE elsewhere AS SELECT id, organization_id, credential FROM marketplaces_marketplace"
        )
    with isolate_apps("marketplaces"):

        class Elsewhere(models.Model):  # noqa: DJ008 seen by this test only
            id = models.UUIDField(primary_key=True)
            organization_id = models.UUIDField()
            credential = EncryptedText()

            class Meta:
                app_label = "marketplaces"
                db_table = "elsewhere"

        return Elsewhere._default_manager.get(pk=moving.pk)


MOVES = {move.__name__.replace("_", " "): move for move in (
    move_to_another_row, move_to_another_organization, move_to_another_organizations_row, move_from_another_field,
    move_to_another_table,
)}  # fmt: skip


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
def test_a_ciphertext_that_sql_moved_does_not_open(cast: Cast, move: Any) -> None:
    moved = move(cast)
    assert moved.credential, "the move itself must have worked"
    with pytest.raises(SecretUnreadable):
        moved.credential.open()


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
def test_without_the_binding_it_would_open_where_it_was_moved(
    cast: Cast, move: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: each move really brings the ciphertext to its new place."""
    monkeypatch.setattr(Place, "associated_data", lambda _: b"anywhere")
    assert move(cast).credential.open() == SECRET


def test_two_rows_with_one_secret_hold_different_bytes(cast: Cast) -> None:
    with within(cast.acme):
        one, other = bound(cast, "one", SECRET), bound(cast, "other", SECRET)
    assert one.credential.sealed != other.credential.sealed
    assert SECRET.encode() not in one.credential.sealed


def test_an_empty_secret_is_stored_as_nothing(row: Marketplace) -> None:
    row.credential.put("")
    row.save()
    assert not row.credential
    assert row.credential.sealed == b""
    assert row.credential.open() == ""


def test_a_repr_says_only_whether_a_secret_is_set(row: Marketplace) -> None:
    for shown in (repr(row.credential), str(row.credential), f"{row.credential}", repr([row.credential])):
        assert "SealedText(set)" in shown
        assert SECRET not in shown
    assert repr(row.webhook_secret) == "SealedText(empty)"
    assert SECRET not in repr(row.__dict__)


@pytest.mark.parametrize("form", ["json", "python", "xml", "jsonl", "yaml"])
def test_a_row_with_a_secret_is_not_serialized(row: Marketplace, form: str) -> None:
    with pytest.raises(TypeError, match="cannot be shown"):
        serializers.serialize(form, [row])


def test_an_api_serializer_that_names_the_field_fails(row: Marketplace) -> None:
    class Careless(ModelSerializer[Marketplace]):
        class Meta:
            model = Marketplace
            fields = ("slug", "credential")

    with pytest.raises(TypeError, match="cannot be shown"):
        _ = Careless(row).data
    with pytest.raises(TypeError):
        json.dumps({"credential": row.credential})


def test_a_form_does_not_offer_the_field(row: Marketplace) -> None:
    everything = modelform_factory(Marketplace, fields="__all__")
    assert "slug" in everything.base_fields
    assert not {"credential", "webhook_secret"} & set(everything.base_fields)
    assert "credential" not in model_to_dict(row)
    assert not EncryptedText(editable=True).editable  # whatever a model says
    with pytest.raises(FieldError, match="non-editable"):
        modelform_factory(Marketplace, fields=["credential"])


def test_a_secret_survives_a_refresh_from_the_database(row: Marketplace) -> None:
    row.refresh_from_db()
    assert row.credential.open() == SECRET
    row.save()
    assert read_within(row).credential.open() == SECRET


@pytest.mark.parametrize("narrow", ["only", "defer"])
def test_a_deferred_secret_is_fetched_when_it_is_asked_for(row: Marketplace, narrow: str) -> None:
    rows = Marketplace.objects.for_organization(row.organization_id)
    found = (rows.only("slug") if narrow == "only" else rows.defer("credential")).get(pk=row.pk)
    assert found.credential
    assert found.credential.open() == SECRET


def read_within(row: Marketplace) -> Marketplace:
    return Marketplace.objects.for_organization(row.organization_id).get(pk=row.pk)
