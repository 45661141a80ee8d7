"""What was listed long ago costs those little who read what is listed now."""

import json
from collections.abc import Iterator
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
    walked = [condition for condition in _index_conditions(cast) if "first_number" in condition]
    assert walked == [], (
        "an index was walked by the number, through the history of all skills for each of them"
    )


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


def _index_conditions(cast: Cast) -> list[str]:
    """Give by what PostgreSQL finds its way through indexes when it lists the skills."""
    with CaptureQueriesContext(connection) as statements:
        catalog.list_skills(principal=cast.bob)
    (read,) = (one["sql"] for one in statements if "skilllisting" in one["sql"])
    with within(cast.acme), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {read}")
        told: Any = cursor.fetchone()[0]
    return list(_conditions_in((json.loads(told) if isinstance(told, str) else told)[0]["Plan"]))


def _conditions_in(plan: dict[str, Any]) -> Iterator[str]:
    if "Index Cond" in plan:
        yield plan["Index Cond"]
    for part in plan.get("Plans", ()):
        yield from _conditions_in(part)
