"""What a worker keeps on its disk of repositories that are not bound any more."""

from marketplaces.models import Marketplace
from marketplaces.services.gone_copies import forget_gone_copies
from marketplaces.services.worker import Worker
from skillport.scoping import within
from tests.cast import Cast
from tests.publishing import publish
from tests.repositories import SMALL, NewRepository


def test_the_copy_of_a_marketplace_goes_with_it_and_no_other_does(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    gone, kept = (publish(cast.alice, new_repository(SMALL), worker, slug) for slug in ("gone", "kept"))
    theirs = publish(cast.charlie, new_repository(SMALL), worker)
    copies = worker.folder / "copies"
    stray = copies / str(cast.acme.pk) / str(theirs)  # a name that is right elsewhere
    stray.mkdir()
    (copies / str(cast.acme.pk) / "no-id").mkdir()
    (copies / "no-id").mkdir()
    forget_gone_copies(worker)
    assert worker.copies_of(cast.acme.pk, gone).is_dir(), "it is still bound"
    with within(cast.acme):
        Marketplace.objects.for_organization(cast.acme).filter(pk=gone).delete()
    forget_gone_copies(worker)
    assert not worker.copies_of(cast.acme.pk, gone).exists()
    assert worker.copies_of(cast.acme.pk, kept).is_dir()
    assert worker.copies_of(cast.globex.pk, theirs).is_dir()
    assert sorted(path.name for path in (copies / str(cast.acme.pk)).iterdir()) == [str(kept)]
    assert {path.name for path in copies.iterdir()} == {str(cast.acme.pk), str(cast.globex.pk)}


def test_a_worker_without_copies_asks_for_nothing(cast: Cast, worker: Worker) -> None:
    forget_gone_copies(worker)
