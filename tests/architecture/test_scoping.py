"""Every way around the scope is listed here, and nothing else goes around it."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("skillport", "marketplaces", "connector")

# Adding a line here is a review topic: file, function, reason.
CROSSINGS = {
    (
        "connector/install/install_tokens.py",
        "redeem_install_token",
        "an install token names its organization",
    ),
    (
        "marketplaces/services/changing.py",
        "delete_closed_marketplaces",
        "delete marketplaces whose grace is over",
    ),
    (
        "marketplaces/services/gone_copies.py",
        "_bound",
        "a worker's disk holds copies of every organization's repositories",
    ),
    ("marketplaces/services/leases.py", "release_those_of", "a worker that starts holds no runs"),
    (
        "marketplaces/services/external/leases.py",
        "release_mirrors_of",
        "a worker that starts mirrors nothing",
    ),
    ("marketplaces/services/external/queue.py", "sweep_mirrors", "sweep external sources"),
    ("marketplaces/services/queue.py", "poll_due", "find marketplaces to poll"),
    ("marketplaces/services/queue.py", "sweep", "sweep waiting sync runs"),
    (
        "skillport/organizations/services/forgetting.py",
        "_live_memberships",
        "a person is erased wherever they belonged",
    ),
    (
        "skillport/organizations/services/forgetting.py",
        "_named_in_the_log",
        "a person is erased wherever they belonged",
    ),
    ("skillport/sign_in/clients.py", "find_client", "the address of a sign-in names only its connection"),
    ("skillport/sign_in/routing.py", "holder_of", "a verified domain names its organization"),
    (
        "skillport/sign_in/routing.py",
        "own_ways",
        "the sign-in page of an organization is for people outside it",
    ),
    ("marketplaces/services/deliveries.py", "_find", "a webhook's address names only the marketplace"),
    (
        "marketplaces/services/credential_expiry.py",
        "look_after_credentials",
        "find credentials to ask about",
    ),
    (
        "marketplaces/services/credential_expiry.py",
        "look_after_credentials",
        "find credentials that end soon",
    ),
    (
        "skillport/organizations/services/accepting.py",
        "accept_invitation",
        "an invitation names its organization",
    ),
    (
        "skillport/organizations/services/accepting.py",
        "look_up_invitation",
        "an invitation names its organization",
    ),
    ("skillport/organizations/services/belonging.py", "organizations_of", "a person's own organizations"),
    ("skillport/organizations/services/belonging.py", "waited_for_by", "a person's own requests to join"),
    (
        "skillport/organizations/services/domain_checks.py",
        "check_due_domains",
        "find domains to check",
    ),
    (
        "skillport/organizations/services/members.py",
        "record_local_sign_in",
        "a local account may belong to several organizations",
    ),
    (
        "skillport/organizations/services/members.py",
        "longest_session",
        "a session lasts as long as the person's organizations allow",
    ),
}
# Statements written by hand run inside a scope, so the database holds them; each is listed all the same.
CURSORS = {
    "connector/credentials.py",
    "marketplaces/services/access.py",
    "marketplaces/services/bulk.py",
    "marketplaces/services/leases.py",  # a lock
    "marketplaces/services/collecting.py",
    "marketplaces/services/publishing.py",
    "marketplaces/services/quotas.py",
    "marketplaces/services/storing.py",
    "skillport/database_clock.py",
    "skillport/organizations/credentials.py",
    "skillport/probes.py",
    "skillport/organizations/services/forgetting.py",
    "skillport/roles.py",
    "skillport/scoping.py",
}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            if "/migrations/" not in name and "/sample/" not in name:
                yield name, ast.parse(path.read_text())


def nodes(tree: ast.AST, around: str = "") -> Iterator[tuple[ast.AST, str]]:
    """Give every node with the name of the innermost function around it, '' outside of any."""
    for node in ast.iter_child_nodes(tree):
        within = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else around
        yield node, within
        yield from nodes(node, within)


def calls(tree: ast.AST, name: str) -> Iterator[tuple[ast.Call, str]]:
    """Give each call of `name`, of whatever it is an attribute, and the function around it."""
    for node, around in nodes(tree):
        if isinstance(node, ast.Call) and name in {
            getattr(node.func, "attr", None),
            getattr(node.func, "id", None),
        }:
            yield node, around


def mentions(tree: ast.AST) -> Iterator[str]:
    """Give every name that a module takes from elsewhere: attributes, imports, and texts that `getattr` may be given."""
    for node, _ in nodes(tree):
        match node:
            case ast.Attribute(attr=name) | ast.Constant(value=str(name)):
                yield name
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from (alias.name for alias in names)


def test_every_crossing_is_listed_with_its_reason() -> None:
    found = {
        (module, function, ast.literal_eval(call.keywords[0].value))
        for module, tree in modules()
        for call, function in calls(tree, "across_organizations")
    }
    assert found == CROSSINGS


def test_all_organizations_is_asked_for_only_where_a_crossing_is_open() -> None:
    allowed = {(module, function) for module, function, _ in CROSSINGS} | {
        ("connector/install/install_tokens.py", "_refusal")  # called inside redeem_install_token's block
    }
    found = {
        (module, function) for module, tree in modules() for _, function in calls(tree, "all_organizations")
    }
    assert found == allowed


def test_the_ways_around_the_scope_have_no_second_names() -> None:
    for module, tree in modules():
        for name in ("across_organizations", "all_organizations"):
            called = [id(call.func) for call, _ in calls(tree, name)]
            used = [
                id(node)
                for node, _ in nodes(tree)
                if name in {getattr(node, "attr", None), getattr(node, "id", None)}
            ]
            assert sorted(used) == sorted(called), f"{module} passes {name} on without calling it"
        renamed = {
            alias.name
            for node, _ in nodes(tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
            if alias.asname not in {None, alias.name}
        }
        assert "across_organizations" not in renamed, module


def test_nothing_reads_rows_in_a_way_that_cannot_be_scoped() -> None:
    banned = {"raw", "extra", "RawSQL", "_base_manager"}
    found = {(module, name) for module, tree in modules() for name in mentions(tree) if name in banned}
    assert found == set()


def test_the_database_is_reached_through_its_own_threads_only() -> None:
    asynchronous = {"aget", "afirst", "acount", "aexists", "acreate", "aupdate", "adelete", "sync_to_async"}
    found = {(module, name) for module, tree in modules() for name in mentions(tree) if name in asynchronous}
    assert found == set()


def test_statements_by_hand_are_in_the_listed_modules() -> None:
    found = {
        module
        for module, tree in modules()
        for node, _ in nodes(tree)
        if getattr(node, "attr", "") in {"cursor", "Cursor"} or getattr(node, "name", "") == "bulk"
    }
    assert found == CURSORS


def test_the_standard_random_module_is_used_nowhere() -> None:
    for module, tree in modules():
        from_where = {node.module for node, _ in nodes(tree) if isinstance(node, ast.ImportFrom)}
        assert "random" not in from_where | set(mentions(tree)), module
