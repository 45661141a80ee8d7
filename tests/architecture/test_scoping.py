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
    ("marketplaces/services/leases.py", "release_those_of", "a worker that starts holds no runs"),
    ("marketplaces/services/queue.py", "poll_due", "find marketplaces to poll"),
    ("marketplaces/services/queue.py", "sweep", "sweep waiting sync runs"),
    ("marketplaces/webhooks.py", "_find", "a webhook's address names only the marketplace"),
}
# Statements written by hand run inside a scope, so the database holds them; each is listed all the same.
CURSORS = {
    "connector/credentials.py",
    "marketplaces/services/access.py",
    "marketplaces/services/storing.py",
    "skillport/roles.py",
    "skillport/scoping.py",
    "skillport/views.py",
}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            if "/migrations/" not in name and "/sample/" not in name:
                yield name, ast.parse(path.read_text())


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call, str]]:
    """Give (name of what is called, the call, name of the function around it)."""
    for around in ast.walk(tree):
        if isinstance(around, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(around):
                if isinstance(node, ast.Call):
                    name = (
                        node.func.attr
                        if isinstance(node.func, ast.Attribute)
                        else getattr(node.func, "id", "")
                    )
                    yield name, node, around.name


def test_every_crossing_is_listed_with_its_reason() -> None:
    found = {
        (module, function, ast.literal_eval(call.keywords[0].value))
        for module, tree in modules()
        for name, call, function in calls(tree)
        if name == "across_organizations"
    }
    assert found == CROSSINGS


def test_all_organizations_is_asked_for_only_where_a_crossing_is_open() -> None:
    allowed = {(module, function) for module, function, _ in CROSSINGS} | {
        ("connector/install/install_tokens.py", "_refusal")  # called inside redeem_install_token's block
    }
    found = {
        (module, function)
        for module, tree in modules()
        for name, _, function in calls(tree)
        if name == "all_organizations"
    }
    assert found == allowed


def test_nothing_reads_rows_in_a_way_that_cannot_be_scoped() -> None:
    banned = {"raw", "extra", "RawSQL", "_base_manager"}
    found = {(module, name) for module, tree in modules() for name, _, _ in calls(tree) if name in banned}
    assert found - {("skillport/scoping.py", "raw"), ("skillport/scoping.py", "extra")} == set()
    asynchronous = {
        (module, name)
        for module, tree in modules()
        for name, _, _ in calls(tree)
        if name in {"aget", "afirst", "acount", "aexists", "acreate", "aupdate", "adelete", "sync_to_async"}
    }
    assert asynchronous == set(), "the database is reached through in_database_thread only"


def test_statements_by_hand_are_in_the_listed_modules() -> None:
    assert {module for module, tree in modules() for name, _, _ in calls(tree) if name == "cursor"} == CURSORS


def test_the_standard_random_module_is_used_nowhere() -> None:
    for module, tree in modules():
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert "random" not in names, module
