"""Replacing the credential with which a bound repository is read."""

from uuid import UUID, uuid4

import pytest

from marketplaces.models import Marketplace
from marketplaces.services.binding import replace_credential
from marketplaces.services.credentials import Credential
from marketplaces.services.worker import Worker
from skillport.audit.models import AuditEvent
from skillport.errors import NotFound
from skillport.permissions import NotAllowed
from skillport.principal import Principal
from skillport.scoping import within
from tests.cast import Cast
from tests.publishing import bind, current_commit, sync_now
from tests.repositories import SMALL, NewRepository


def stored(owner: Principal, marketplace_id: UUID) -> tuple[str, str]:
    with within(owner.organization):
        row = Marketplace.objects.for_organization(owner.organization).get(pk=marketplace_id)
        return row.credential.open(), row.credential_last_four


def test_a_wrong_token_is_corrected_and_the_next_sync_uses_the_new_one(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    repository = new_repository(SMALL)
    marketplace_id = bind(cast.alice, repository, credential=Credential("wrong"))
    assert sync_now(cast.alice, marketplace_id, worker).error_code == "credential_refused"
    run_id = replace_credential(
        principal=cast.alice, marketplace_id=marketplace_id, credential=Credential(repository.token)
    )
    run = sync_now(cast.alice, marketplace_id, worker)
    assert (run.pk, run.state) == (run_id, "succeeded")
    assert current_commit(cast.alice, marketplace_id)
    assert stored(cast.alice, marketplace_id) == (repository.token, repository.token[-4:])


def test_replacing_is_told_to_the_audit_log_without_the_credential(
    cast: Cast, new_repository: NewRepository
) -> None:
    marketplace_id = bind(cast.alice, new_repository(SMALL), credential=Credential("before-and-secret"))
    replace_credential(
        principal=cast.alice, marketplace_id=marketplace_id, credential=Credential("after-and-secret")
    )
    with within(cast.acme):
        events = list(AuditEvent.objects.for_organization(cast.acme).order_by("id").values())
    assert "marketplace:credential-replaced" in {event["action"] for event in events}
    assert "and-secret" not in str(events)


def test_who_may_not_bind_may_not_replace(cast: Cast, new_repository: NewRepository) -> None:
    marketplace_id = bind(cast.alice, new_repository(SMALL), credential=Credential("kept-kept-kept-kept"))
    with pytest.raises(NotAllowed):
        replace_credential(principal=cast.bob, marketplace_id=marketplace_id, credential=Credential("x"))
    refusals = []
    for absent in (marketplace_id, uuid4()):  # another organization's, and one that is not there
        with pytest.raises(NotFound) as refused:
            replace_credential(principal=cast.charlie, marketplace_id=absent, credential=Credential("x"))
        refusals.append(refused.value.as_json())
    assert refusals[0] == refusals[1]
    assert stored(cast.alice, marketplace_id) == ("kept-kept-kept-kept", "kept")
