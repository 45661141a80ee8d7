"""The refusal to run as a database role that row-level security would not hold."""

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.test import override_settings
from psycopg.conninfo import conninfo_to_dict

from skillport.roles import WrongDatabaseRole, creation_sql, verify_application_role
from tests.skillport.throwaway_roles import ThrowawayRoles, owner_url, throwaway_roles

ACROSS = settings.DATABASE_ACROSS_ROLE


@pytest.fixture
def roles(db: None) -> Iterator[ThrowawayRoles]:
    with throwaway_roles() as roles:
        yield roles


def refusal(roles: ThrowawayRoles, name: str) -> str:
    with roles.acting(name), pytest.raises(WrongDatabaseRole) as refused:
        verify_application_role()
    return refused.value.message


def test_the_role_of_the_tests_is_accepted(db: None) -> None:
    verify_application_role()


def test_a_role_without_any_fault_is_accepted(roles: ThrowawayRoles) -> None:
    """The twin of every refusal below: each differs from this one by a single word."""
    with roles.acting(roles.make("NOINHERIT", ACROSS)):
        verify_application_role()


def test_a_superuser_is_refused(roles: ThrowawayRoles) -> None:
    assert "it is a superuser" in refusal(roles, roles.make("NOINHERIT SUPERUSER", ACROSS))


def test_a_role_that_bypasses_row_level_security_is_refused(roles: ThrowawayRoles) -> None:
    assert "it has BYPASSRLS, so" in refusal(roles, roles.make("NOINHERIT BYPASSRLS", ACROSS))


def test_a_role_that_always_sees_every_organization_is_refused(roles: ThrowawayRoles) -> None:
    assert f"it inherits the rights of {ACROSS}, so" in refusal(roles, roles.make("INHERIT", ACROSS))


def test_a_role_that_cannot_cross_organizations_is_refused(roles: ThrowawayRoles) -> None:
    assert f"it is not a member of {ACROSS}, so" in refusal(roles, roles.make("NOINHERIT"))


def test_a_role_that_owns_a_table_is_refused(roles: ThrowawayRoles) -> None:
    name = roles.make("NOINHERIT", ACROSS)
    roles.admin.execute("CREATE TABLE owned_by_a_throwaway ()")
    roles.run("ALTER TABLE owned_by_a_throwaway OWNER TO {}", name)
    assert "it owns tables or" in refusal(roles, name)


def test_the_owner_is_refused(roles: ThrowawayRoles) -> None:
    owner = conninfo_to_dict(owner_url())
    roles.password = str(owner.get("password") or "")
    message = refusal(roles, str(owner["user"]))
    assert f"database role {owner['user']}: it owns tables or" in message


@pytest.mark.parametrize("greater", ["owner", "superuser", "bypassing"])
def test_a_role_that_may_become_a_greater_one_is_refused(roles: ThrowawayRoles, greater: str) -> None:
    other = {
        "owner": lambda: str(conninfo_to_dict(owner_url())["user"]),
        "superuser": lambda: roles.make("SUPERUSER"),
        "bypassing": lambda: roles.make("BYPASSRLS"),
    }[greater]()
    name = roles.make("NOINHERIT", ACROSS, other)
    with roles.acting(name), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('role', %s, false)", [other])  # it really may
    assert name in refusal(roles, name)


def test_a_role_with_several_faults_is_told_all_of_them(roles: ThrowawayRoles) -> None:
    message = refusal(roles, roles.make("INHERIT BYPASSRLS", ACROSS))
    assert f"it has BYPASSRLS and inherits the rights of {ACROSS}, so" in message


# --- the remedy -------------------------------------------------------------------------------------------------------


def test_the_message_holds_the_sql_that_makes_the_roles_and_no_password(roles: ThrowawayRoles) -> None:
    message = refusal(roles, roles.make("NOINHERIT"))
    assert creation_sql(owner="skillport_owner", app="skillport_app", across=ACROSS) in message
    assert roles.password not in message
    assert "DATABASE_URL" in message


def test_the_sql_of_the_message_really_makes_roles_that_are_accepted(roles: ThrowawayRoles) -> None:
    _, _, remedy = refusal(roles, roles.make("NOINHERIT")).partition("\n\n")
    across, owner, app = roles.name(), roles.name(), roles.name()
    remedy = remedy.replace(ACROSS, across).replace("skillport_owner", owner).replace("skillport_app", app)
    for _ in range(2):  # it may be run again
        roles.admin.execute(remedy.encode())
    roles.let_sign_in(owner)
    roles.let_sign_in(app)
    with override_settings(DATABASE_ACROSS_ROLE=across):
        with roles.acting(app):
            verify_application_role()
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('role', %s, false)", [across])
        assert f"it inherits the rights of {across}" in refusal(roles, owner)


def test_nobody_signs_in_as_the_role_that_sees_everything(roles: ThrowawayRoles) -> None:
    across, owner, app = roles.name(), roles.name(), roles.name()
    roles.admin.execute(creation_sql(owner=owner, app=app, across=across).encode())
    roles.let_sign_in(across)
    with roles.acting(across), pytest.raises(OperationalError, match="not permitted to log in"):
        connection.ensure_connection()


def test_unusual_role_names_are_quoted(roles: ThrowawayRoles) -> None:
    across, owner, app = (f"{roles.name()} \"x'{number}%s" for number in range(3))
    roles.names = [across, owner, app]
    roles.admin.execute(creation_sql(owner=owner, app=app, across=across).encode())
    made = roles.admin.execute(
        "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [roles.names]
    ).fetchall()
    assert {name for (name,) in made} == {across, owner, app}
