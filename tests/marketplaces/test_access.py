"""Access rules: what they let whom read, at every door that asks."""

import random
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from connector.credentials import principal_of_bearer
from marketplaces.models import AccessRule, Effect, Skill, Subject
from marketplaces.services import access, catalog
from marketplaces.services.access import What, Who
from marketplaces.services.worker import Worker
from skillport.errors import NotFound
from skillport.organizations.services import groups
from skillport.permissions import NotAllowed
from skillport.principal import Door, Principal
from skillport.scoping import within
from tests.cast import Cast, key_of
from tests.publishing import hide, publish
from tests.repositories import SMALL, Files, NewRepository, marketplace, plugin, skill


@pytest.fixture
def published(cast: Cast, new_repository: NewRepository, worker: Worker) -> Cast:
    publish(cast.alice, new_repository(SMALL), worker)
    return cast


def names(who: Principal) -> set[str]:
    return {one.name for one in catalog.list_skills(principal=who).skills}


def the_first_rule(cast: Cast) -> int:
    with within(cast.acme):
        return AccessRule.objects.for_organization(cast.acme).earliest("pk").pk


def test_an_organization_begins_with_one_rule_that_its_admin_may_delete(published: Cast) -> None:
    assert names(published.bob) == {"hello", "secret"}
    access.delete_rule(principal=published.alice, rule_id=the_first_rule(published))
    assert names(published.bob) == set()
    assert names(published.alice) == set(), "without an allow there is no access, for owners neither"


def test_a_denial_hides_a_skill_from_one_member_and_its_removal_shows_it_again(published: Cast) -> None:
    rule = hide(published.alice, "secret", published.bob)
    assert names(published.bob) == {"hello"}
    assert names(published.alice) == {"hello", "secret"}
    access.delete_rule(principal=published.alice, rule_id=rule)
    assert names(published.bob) == {"hello", "secret"}


def test_a_rule_for_a_group_follows_who_is_in_it(published: Cast) -> None:
    """No rule is compiled again when people come and go: the next request asks who they are."""
    group = groups.create_group(principal=published.alice, name="Writers")
    with within(published.acme):
        secret = Skill.objects.for_organization(published.acme).get(name="secret")
    access.create_rule(
        principal=published.alice,
        who=Who(group_id=group.id),
        what=What(skill_id=secret.pk),
        effect=Effect.DENY,
    )
    header = f"Bearer {key_of(published.bob)}"

    def bob() -> Principal:
        return principal_of_bearer(header=header, slug="acme", door=Door.API)

    assert names(bob()) == {"hello", "secret"}
    groups.add_to_group(
        principal=published.alice, group_id=group.id, membership_id=published.bob.membership_id
    )
    assert names(bob()) == {"hello"}
    assert names(published.alice) == {"hello", "secret"}
    groups.remove_from_group(
        principal=published.alice, group_id=group.id, membership_id=published.bob.membership_id
    )
    assert names(bob()) == {"hello", "secret"}


def test_a_rule_cannot_name_another_organizations_group(published: Cast) -> None:
    theirs = groups.create_group(principal=published.charlie, name="Writers")
    with pytest.raises(NotFound):
        access.create_rule(
            principal=published.alice, who=Who(group_id=theirs.id), what=What(), effect=Effect.ALLOW
        )


def test_a_timed_rule_begins_and_ends_by_itself(published: Cast) -> None:
    now = timezone.now()
    with within(published.acme):
        secret = Skill.objects.for_organization(published.acme).get(name="secret")
    for starts, expires, hidden in [
        (now - timedelta(hours=2), now - timedelta(hours=1), False),
        (now + timedelta(hours=1), None, False),
        (now - timedelta(hours=1), now + timedelta(hours=1), True),
    ]:
        who = Who(membership_id=published.bob.membership_id, starts_at=starts, expires_at=expires)
        rule = access.create_rule(
            principal=published.alice, who=who, what=What(skill_id=secret.pk), effect=Effect.DENY
        )
        assert ("secret" not in names(published.bob)) is hidden
        access.delete_rule(principal=published.alice, rule_id=rule)


def test_a_new_skill_obeys_the_rules_from_its_first_moment(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    repository = new_repository(
        {".claude-plugin/marketplace.json": marketplace("one"), **plugin("one", a=skill("a"))}
    )
    marketplace_id = publish(cast.alice, repository, worker)
    access.create_rule(
        principal=cast.alice, who=Who(membership_id=cast.bob.membership_id), what=What(marketplace_id=marketplace_id),
        effect=Effect.DENY,
    )  # fmt: skip
    repository.commit(
        {".claude-plugin/marketplace.json": marketplace("one"), **plugin("one", a=skill("a"), b=skill("b"))}
    )
    from tests.publishing import sync_now

    sync_now(cast.alice, marketplace_id, worker)
    assert names(cast.bob) == set()
    assert names(cast.alice) == {"a", "b"}


def test_only_owners_and_admins_change_rules(published: Cast) -> None:
    with pytest.raises(NotAllowed):
        access.create_rule(principal=published.bob, who=Who(), what=What(), effect=Effect.ALLOW)
    with pytest.raises(NotAllowed):
        access.delete_rule(principal=published.bob, rule_id=the_first_rule(published))


def test_another_organizations_things_cannot_be_named_in_a_rule(published: Cast) -> None:
    with within(published.acme):
        ours = Skill.objects.for_organization(published.acme).get(name="hello")
    for who, what in [
        (Who(membership_id=published.bob.membership_id), What()),
        (Who(), What(skill_id=ours.pk)),
        (Who(), What(plugin_id=ours.plugin_id)),
        (Who(), What(marketplace_id=ours.marketplace_id)),
    ]:
        with pytest.raises(NotFound):
            access.create_rule(principal=published.charlie, who=who, what=what, effect=Effect.ALLOW)
    with pytest.raises(NotFound):
        access.delete_rule(principal=published.charlie, rule_id=the_first_rule(published))


def test_compiled_rules_agree_with_the_rules_as_written(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    """Random rules over everything that a rule can name, compared with a reading of the rows one by one."""
    files: Files = {
        ".claude-plugin/marketplace.json": marketplace("one", "two"),
        **plugin("one", a=skill("a"), b=skill("b")),
        **plugin("two", c=skill("c"), d=skill("d")),
    }
    first = publish(cast.alice, new_repository(files), worker, "first")
    second = publish(cast.alice, new_repository(files), worker, "second")
    access.delete_rule(principal=cast.alice, rule_id=the_first_rule(cast))
    with within(cast.acme):
        skills = list(Skill.objects.for_organization(cast.acme))
    chance = random.Random(20261122)
    people = [cast.alice, cast.bob]
    whats = [
        What(), What(marketplace_id=first), What(marketplace_id=second),
        *(What(plugin_id=pk) for pk in {one.plugin_id for one in skills}), *(What(skill_id=one.pk) for one in skills),
    ]  # fmt: skip
    made: list[int] = []
    for _ in range(60):
        if made and chance.random() < 0.4:
            access.delete_rule(principal=cast.alice, rule_id=made.pop(chance.randrange(len(made))))
        else:
            who = Who(membership_id=chance.choice([None, *(one.membership_id for one in people)]))
            effect = chance.choice([Effect.ALLOW, Effect.ALLOW, Effect.DENY])
            made.append(
                access.create_rule(principal=cast.alice, who=who, what=chance.choice(whats), effect=effect)
            )
        for person in people:
            shown = {one.skill_id for one in catalog.list_skills(principal=person).skills}
            assert shown == {one.pk for one in skills if _by_the_book(cast, person, one)}


def _by_the_book(cast: Cast, person: Principal, one: Skill) -> bool:
    """Decide as design says: deny wins over allow, without an allow there is no access."""
    with within(cast.acme):
        rules = list(AccessRule.objects.for_organization(cast.acme).select_related("subject"))
    mine = [
        rule.effect
        for rule in rules
        if rule.subject.membership_id in {None, person.membership_id}
        and rule.marketplace_id in {None, one.marketplace_id}
        and rule.plugin_id in {None, one.plugin_id}
        and rule.skill_id in {None, one.pk}
    ]
    return Effect.ALLOW in mine and Effect.DENY not in mine


def test_equal_subjects_are_one_row(published: Cast) -> None:
    hide(published.alice, "secret", published.bob)
    hide(published.alice, "hello", published.bob)
    with within(published.acme):
        assert Subject.objects.for_organization(published.acme).count() == 2


def test_a_page_of_skills_is_one_statement(published: Cast, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(5):  # savepoint, settings, the page, settings, release: no query per skill
        catalog.list_skills(principal=published.bob)
    assert connection.in_atomic_block
