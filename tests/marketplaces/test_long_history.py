"""What was listed long ago costs those little who read what is listed now."""

import json
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from marketplaces.models import Marketplace, SkillListing, Snapshot
from marketplaces.services import catalog
from marketplaces.services.worker import Worker
from skillport.scoping import within
from tests.cast import Cast, make_cast
from tests.conftest import owner_connection
from tests.publishing import publish
from tests.repositories import Files, NewRepository, marketplace, plugin, skill

SKILLS, CHANGES = 20, 400


def test_a_list_does_not_walk_the_history_of_all_skills_for_each_of_them(
    transactional_db: None, no_other_worker: None, new_repository: NewRepository, worker: Worker
) -> None:
    cast = make_cast()
    skills = {f"s{number:02}": skill(f"s{number:02}") for number in range(SKILLS)}
    files: Files = {".claude-plugin/marketplace.json": marketplace("many"), **plugin("many", **skills)}
    publish(cast.alice, new_repository(files), worker)
    _remember_changes(cast)
    with owner_connection() as owner:  # as autovacuum does by itself before long
        owner.execute("ANALYZE marketplaces_skilllisting, marketplaces_skill, marketplaces_snapshot")
    assert len(catalog.list_skills(principal=cast.bob).skills) == SKILLS
    # Once through the history is 8,000 rows on some 200 pages; once for each skill would be twice as many pages as rows.
    assert _pages_of_a_list(cast) < SKILLS * CHANGES


def _remember_changes(cast: Cast) -> None:
    """Let the snapshot be one of many, each of which changed every skill."""
    with within(cast.acme):
        listings = SkillListing.objects.for_organization(cast.acme)
        now = list(listings)
        listings.update(first_number=CHANGES)
        Snapshot.objects.for_organization(cast.acme).update(number=CHANGES)
        Marketplace.objects.for_organization(cast.acme).update(last_snapshot_number=CHANGES)
        former = [(listing, number) for listing in now for number in range(1, CHANGES)]
        SkillListing.objects.bulk_create(
            SkillListing(
                organization_id=cast.acme.pk, marketplace_id=one.marketplace_id, skill_id=one.skill_id,
                release_id=one.release_id, version="1.0.0", first_number=number, end_number=number + 1,
            )
            for one, number in former
        )  # fmt: skip


def _pages_of_a_list(cast: Cast) -> int:
    """Give how many pages PostgreSQL looks at to list the skills."""
    with CaptureQueriesContext(connection) as statements:
        catalog.list_skills(principal=cast.bob)
    (read,) = (one["sql"] for one in statements if "skilllisting" in one["sql"])
    with within(cast.acme), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {read}")
        told: Any = cursor.fetchone()[0]
    plan = (json.loads(told) if isinstance(told, str) else told)[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
