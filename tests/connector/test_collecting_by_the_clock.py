"""The hourly task, with a real worker, and what older databases are told about their snapshots."""

from importlib import import_module

from django.db.models.functions import Now

from connector import tasks
from connector.install.install_tokens import KEPT, issue_install_token
from connector.models import InstallToken
from marketplaces.models import Snapshot
from marketplaces.services.worker import Worker
from skillport.organizations.models import Organization
from skillport.scoping import within
from tests.cast import Cast, make_cast
from tests.collecting import let_time_pass, numbers
from tests.conftest import owner_connection
from tests.publishing import publish, sync_now
from tests.repositories import SMALL, NewRepository
from tests.running import Running
from tests.waiting import until


def test_every_organization_is_collected_by_a_task_of_its_own(
    live: Running, new_repository: NewRepository, worker: Worker
) -> None:
    cast = make_cast()
    for owner in (cast.alice, cast.charlie):
        repository = new_repository(SMALL)
        marketplace_id = publish(owner, repository, worker)
        repository.commit({**SMALL, "plugins/tools/skills/hello/notes.md": "new\n"})
        sync_now(owner, marketplace_id, worker)
        let_time_pass(owner.organization)
    issue_install_token(principal=cast.bob, name="hello")
    with within(cast.acme):
        tokens = InstallToken.objects.for_organization(cast.acme)
        tokens.update(expires_at=Now() - 2 * KEPT)
    Organization.objects.create(slug="closed", name="", closed_at="2026-01-01T00:00:00Z")
    tasks.collect_organizations()
    until(lambda: numbers(cast.acme) == numbers(cast.globex) == [2])
    until(lambda: not _tokens_of(cast))


def _tokens_of(cast: Cast) -> int:
    with within(cast.acme):
        return InstallToken.objects.for_organization(cast.acme).count()


def test_of_older_snapshots_each_counts_as_served_until_the_next(
    transactional_db: None, no_other_worker: None, new_repository: NewRepository, worker: Worker
) -> None:
    cast, repository = make_cast(), new_repository(SMALL)
    marketplace_id = publish(cast.alice, repository, worker)
    for number in range(2):
        repository.commit({**SMALL, "plugins/tools/skills/hello/notes.md": f"{number}\n"})
        sync_now(cast.alice, marketplace_id, worker)
    with within(cast.acme):
        Snapshot.objects.for_organization(cast.acme).update(served_until=None)
    migration = import_module("marketplaces.migrations.0010_collection")
    with owner_connection() as owner:
        owner.execute(migration._SINCE_THE_NEXT)
    with within(cast.acme):
        one, two, three = Snapshot.objects.for_organization(cast.acme).order_by("number")
    assert (one.served_until, two.served_until, three.served_until) == (
        two.imported_at,
        three.imported_at,
        None,
    )
