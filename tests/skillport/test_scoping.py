"""The two walls: the queryset that refuses, and the database that shows nothing else."""

import threading

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, ProgrammingError, connection, models, transaction

from marketplaces.models import Marketplace, Snapshot
from skillport.organizations.models import Membership, Organization
from skillport.scoping import ScopeConflict, UnscopedQuery, across_organizations, within
from tests.cast import Cast, make_cast


@pytest.fixture
def both(cast: Cast) -> Cast:
    """Each organization has one marketplace, named like itself."""
    for organization in (cast.acme, cast.globex):
        with within(organization):
            Marketplace.objects.create(
                organization=organization, slug=organization.slug, url="https://git.example/x"
            )
    return cast


def rows_that_the_database_shows() -> int:
    """Count past the refusing queryset: what row-level security alone lets through."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM marketplaces_marketplace")
        count: int = cursor.fetchone()[0]
        return count


def test_the_tests_run_as_the_application_role(db: None):
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == (False, False)


def test_the_database_shows_nothing_outside_a_block_and_one_organization_inside(both: Cast):
    assert rows_that_the_database_shows() == 0
    with within(both.acme):
        assert rows_that_the_database_shows() == 1
    assert rows_that_the_database_shows() == 0
    with across_organizations(reason="test"):
        assert rows_that_the_database_shows() == 2
        with within(both.globex):
            assert rows_that_the_database_shows() == 1
        assert rows_that_the_database_shows() == 2
    assert rows_that_the_database_shows() == 0


def test_an_error_inside_a_block_closes_it_too(both: Cast):
    for block in (within(both.acme), across_organizations(reason="test")):
        with pytest.raises(ZeroDivisionError), block:
            _ = 1 / 0
        assert rows_that_the_database_shows() == 0
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_user = session_user")
            assert cursor.fetchone() == (True,)


def test_blocks_nest_by_narrowing_only(both: Cast):
    with within(both.acme):
        with within(both.acme):
            assert rows_that_the_database_shows() == 1
        with pytest.raises(ScopeConflict), within(both.globex):
            pass
        with pytest.raises(ScopeConflict), across_organizations(reason="test"):
            pass
        assert rows_that_the_database_shows() == 1


def test_a_row_for_another_organization_cannot_be_written(both: Cast):
    with pytest.raises(ProgrammingError, match="row-level security"), within(both.acme):
        Marketplace.objects.create(organization=both.globex, slug="stolen", url="https://git.example/x")


def test_a_row_cannot_point_at_another_organizations_row(both: Cast):
    with within(both.globex):
        theirs = Marketplace.objects.for_organization(both.globex).get()
    with pytest.raises(IntegrityError), within(both.acme):
        _snapshot(both.acme, theirs)
        _check_now()


def test_a_marketplace_cannot_serve_another_marketplaces_snapshot(both: Cast):
    with pytest.raises(IntegrityError), within(both.acme):
        ours = Marketplace.objects.for_organization(both.acme).get()
        other = Marketplace.objects.create(organization=both.acme, slug="other", url="https://git.example/y")
        ours.current_snapshot = _snapshot(both.acme, other)
        ours.save()
        _check_now()


def _snapshot(organization: Organization, marketplace: Marketplace) -> Snapshot:
    return Snapshot.objects.create(
        organization=organization, marketplace=marketplace, number=1, commit="0" * 40,
        committed_at="2026-01-01T00:00Z", plugin_count=0, skill_count=0,
    )  # fmt: skip


def _check_now() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


EVERYTHING = Marketplace.objects
READS = {
    "all": lambda: list(EVERYTHING.all()),
    "get": lambda: EVERYTHING.get(slug="acme"),
    "first": EVERYTHING.first,
    "count": EVERYTHING.count,
    "exists": EVERYTHING.exists,
    "aggregate": lambda: EVERYTHING.aggregate(n=models.Count("pk")),
    "values_list": lambda: list(EVERYTHING.values_list("slug")),
    "iterator": lambda: list(EVERYTHING.iterator()),
    "in_bulk": EVERYTHING.in_bulk,
    "explain": EVERYTHING.explain,
    "contains": lambda: EVERYTHING.contains(Marketplace(slug="x")),
    "earliest": lambda: EVERYTHING.earliest("created_at"),
    "dates": lambda: list(EVERYTHING.datetimes("created_at", "day")),
    "update": lambda: EVERYTHING.update(slug="x"),
    "delete": lambda: EVERYTHING.all().delete(),
    "get_or_create": lambda: EVERYTHING.get_or_create(slug="x"),
    "update_or_create": lambda: EVERYTHING.update_or_create(slug="x"),
    "raw": lambda: list(EVERYTHING.raw("SELECT * FROM marketplaces_marketplace")),
    "extra": lambda: list(EVERYTHING.extra(where=["true"])),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_query_that_names_no_organization_is_refused(both: Cast, read):
    with pytest.raises(UnscopedQuery), within(both.acme):
        read()


MIXED = {
    "or": lambda scoped: list(scoped | EVERYTHING.all()),
    "or, the other way round": lambda scoped: list(EVERYTHING.all() | scoped),
    "and": lambda scoped: list(scoped & EVERYTHING.all()),
    "union": lambda scoped: list(scoped.union(EVERYTHING.all())),
    "subquery": lambda scoped: list(scoped.filter(pk__in=Snapshot.objects.values("marketplace_id"))),
    "exists": lambda scoped: list(scoped.filter(models.Exists(Snapshot.objects.filter(commit="x")))),
}


@pytest.mark.parametrize("read", MIXED.values(), ids=MIXED)
def test_an_unscoped_part_of_a_scoped_query_is_refused(both: Cast, read):
    with pytest.raises(UnscopedQuery), within(both.acme):
        read(Marketplace.objects.for_organization(both.acme))


def test_a_scoped_query_is_refused_outside_its_block(both: Cast):
    query = Marketplace.objects.for_organization(both.acme)
    for read in (
        lambda: list(query),
        query.count,
        query.exists,
        lambda: query.update(branch="x"),
        query.delete,
    ):
        with pytest.raises(UnscopedQuery, match="within"):
            read()
    with pytest.raises(UnscopedQuery, match="reach"), within(both.globex):
        list(query)
    with pytest.raises(UnscopedQuery), within(both.globex):
        list(Marketplace.objects.all_organizations())


def test_what_django_does_by_itself_works_inside(both: Cast):
    with within(both.acme):
        scoped = Marketplace.objects.for_organization(both.acme)
        marketplace = scoped.get()
        snapshot = _snapshot(both.acme, marketplace)
        marketplace.refresh_from_db()
        assert list(marketplace.snapshots.all()) == [snapshot]
        assert [one.marketplace for one in Snapshot.objects.for_organization(both.acme)] == [marketplace]
        assert scoped.prefetch_related("snapshots").get().snapshots.all()[0] == snapshot
        assert scoped.get_or_create(organization=both.acme, slug="new", url="https://git.example/n")[1]
        assert scoped.filter(slug="new").update(branch="main") == 1
        marketplace.branch = "main"
        marketplace.save()
        assert scoped.filter(slug="new").delete()[0] == 1
        assert scoped.none().count() == 0
        assert list(EVERYTHING.none()) == []


def test_a_relation_from_a_person_does_not_cross_organizations(both: Cast):
    user = get_user_model().objects.get(pk=both.bob.user_id)
    with pytest.raises(UnscopedQuery), within(both.acme):
        list(user.memberships.all())
    with within(both.acme):
        assert user.memberships.for_organization(both.acme).count() == 1


def test_deleting_a_person_inside_one_organization_fails(both: Cast):
    user = get_user_model().objects.get(pk=both.bob.user_id)
    with within(both.globex):
        Membership.objects.create(organization=both.globex, user=user, role="member")
    with pytest.raises((IntegrityError, UnscopedQuery)), within(both.acme):
        user.delete()
        _check_now()


def test_a_repr_runs_no_query(both: Cast):
    assert "Marketplace" in repr(Marketplace.objects.all())


@pytest.mark.django_db(transaction=True)
def test_threads_that_share_a_pool_see_only_their_own_organization():
    both = make_cast()
    for organization in (both.acme, both.globex):
        with within(organization):
            Marketplace.objects.create(
                organization=organization, slug=organization.slug, url="https://git.example/x"
            )
    wrong: list[object] = []

    def read(organization) -> None:
        for turn in range(100):
            try:
                with within(organization):
                    with connection.cursor() as cursor:
                        cursor.execute("SELECT DISTINCT organization_id FROM marketplaces_marketplace")
                        if (seen := cursor.fetchall()) != [(organization.pk,)]:
                            wrong.append(seen)
                    if turn % 7 == 0:
                        raise InterruptedError
            except InterruptedError:
                pass
            finally:
                connection.close()  # back to the pool: the next turn may get another one's connection

    threads = [threading.Thread(target=read, args=(one,)) for one in (both.acme, both.globex) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_failed_block_inside_a_transaction_leaves_the_outer_block_as_it_was(both: Cast):
    with across_organizations(reason="test"):
        with pytest.raises(IntegrityError), within(both.acme), transaction.atomic():
            Marketplace.objects.create(organization=both.acme, slug="acme", url="https://git.example/x")
        assert rows_that_the_database_shows() == 2
