"""A forgotten scope is an error and never an empty page (T-ISO-2).

Here every scope is shown to be removable, and those that a handful of services reach are really removed.
`python -m tests.benchmarks.mutants` removes all of them, one at a time, and a run of the whole suite lists those that no
test reaches.
"""

import ast
from collections.abc import Callable
from typing import Any

import psycopg.errors
import pytest
from django.db import ProgrammingError, transaction
from django.utils import timezone

from connector.install.api_keys import create_api_key, revoke_api_key
from connector.models import ApiKey
from marketplaces.models import Effect
from marketplaces.services import access, catalog
from marketplaces.services.access import What, Who
from skillport.organizations.services import members, organizations
from skillport.principal import Role, Scope
from skillport.scoping import ScopeConflict, UnscopedQuery, within
from tests.cast import Cast
from tests.mutations.mutant import removed, without
from tests.mutations.recorder import attributed_to, reached, those_that_reach, unreached
from tests.mutations.reviewed import WITHOUT_REFUSAL
from tests.mutations.sites import BLOCKS, PACKAGES, ROOT, Site, all_sites, called


def test_every_scope_is_inside_a_function_and_can_be_removed() -> None:
    for site in all_sites():
        assert site.function, site
        assert ast.dump(removed(site)) != ast.dump(ast.parse((ROOT / site.path).read_text())), site


def test_every_block_is_opened_by_a_with_statement_of_its_own() -> None:
    """Opened in any other way (a stack, a decorator, a variable) it would be no site, and no mutant would remove it."""
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            name = str(path.relative_to(ROOT))
            if name == "skillport/scoping.py":
                continue
            tree = ast.parse(path.read_text())
            opened = [
                node for node in ast.walk(tree) if isinstance(node, ast.Call) and called(node) in BLOCKS
            ]
            sites = [site for site in all_sites() if site.path == name and site.name in BLOCKS]
            assert len(opened) == len(sites) or "/migrations/" in name, name


def test_every_reviewed_scope_is_still_there() -> None:
    assert WITHOUT_REFUSAL.keys() <= {site.place for site in all_sites()}


def test_a_scope_that_no_test_reaches_is_told() -> None:
    """The twin: where nothing was reached, everything is told; and a site is reached from its own lines only."""
    assert unreached({}) == list(all_sites())
    site = all_sites()[0]
    assert site not in unreached({(site.path, site.line): {"a test"}})
    assert site in unreached({(site.path, site.end_line + 1): {"a test"}})
    assert site in unreached({(f"other/{site.path}", site.line): {"a test"}})


# --- a handful, for real ----------------------------------------------------------------------------------------------


def _catalog(cast: Cast) -> None:
    catalog.list_skills(principal=cast.bob)


def _rules(cast: Cast) -> None:
    rule = access.create_rule(
        principal=cast.alice, who=Who(membership_id=cast.bob.membership_id), what=What(), effect=Effect.DENY
    )
    access.delete_rule(principal=cast.alice, rule_id=rule)


def _keys(cast: Cast) -> None:
    create_api_key(
        organization=cast.acme, membership_id=cast.bob.membership_id, name="mine", scopes=[Scope.CONNECTOR], actor=cast.bob
    )  # fmt: skip
    with within(cast.acme):
        key = ApiKey.objects.for_organization(cast.acme).get()
    revoke_api_key(organization=cast.acme, key_id=key.pk, actor=cast.bob)


def _members(cast: Cast) -> None:
    bob = cast.bob.membership_id
    assert len(members.list_members(principal=cast.alice)) == 2
    members.get_member(principal=cast.alice, membership_id=bob)
    members.change_role(principal=cast.alice, membership_id=bob, role=Role.EDITOR, now=timezone.now())
    organizations.change_organization(principal=cast.alice, name="Acme, Inc.")


@pytest.mark.parametrize("services", [_catalog, _rules, _keys, _members])
def test_a_service_without_one_of_its_scopes_is_refused(cast: Cast, services: Callable[[Cast], None]) -> None:
    mine = _reached_by(services, cast)
    assert len(mine) >= 3
    for site in mine:
        with pytest.raises((UnscopedQuery, ScopeConflict, ProgrammingError)) as refused, without(site):
            _undone(services, cast)
        if isinstance(refused.value, ProgrammingError):
            assert isinstance(refused.value.__cause__, psycopg.errors.InsufficientPrivilege), site
        _undone(services, cast)  # nothing of the mutant stays


def _reached_by(services: Callable[[Cast], None], cast: Cast) -> list[Site]:
    with attributed_to(services.__name__):
        _undone(services, cast)
    return [site for site in all_sites() if services.__name__ in those_that_reach(site, reached)]


def _undone(services: Callable[[Cast], Any], cast: Cast) -> None:
    """Run the services and take back what they wrote."""
    with transaction.atomic():
        services(cast)
        transaction.set_rollback(True)
