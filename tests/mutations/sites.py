"""Every place in the code that says whose rows it wants: what mutations remove one at a time."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("skillport", "marketplaces", "connector")
BLOCKS = frozenset({"within", "across_organizations"})
NARROWINGS = frozenset({"for_organization"})
# The wall itself, and statements that run once, as the owner.
_OUTSIDE = ("skillport/scoping.py", "/migrations/", "/sample/")


@dataclass(frozen=True, order=True)
class Site:
    """One call. Lines are the statement's for a block and the call's for a narrowing; columns tell calls apart."""

    path: str
    line: int
    column: int
    end_line: int
    end_column: int
    first_line: int
    name: str
    function: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.name} in {self.function}"

    @property
    def place(self) -> str:
        """Name the site without its line, as the reviewed list does."""
        return f"{self.path} {self.function} {self.name}"

    def is_at(self, path: str, line: int) -> bool:
        """Tell whether a frame that stands at this line may be making this call."""
        return path == self.path and self.first_line <= line <= self.end_line


@lru_cache(maxsize=1)
def all_sites() -> tuple[Site, ...]:
    """Give every site of the packages, in the order of files and lines."""
    return tuple(
        sorted(
            site
            for package in PACKAGES
            for path in sorted((ROOT / package).rglob("*.py"))
            if not any(part in f"/{path.relative_to(ROOT)}" for part in _OUTSIDE)
            for site in sites_of(str(path.relative_to(ROOT)), ast.parse(path.read_text()))
        )
    )


def sites_of(path: str, tree: ast.AST, function: str = "") -> Iterator[Site]:
    """Give the sites below a node; those outside every function have no function's name."""
    for node in ast.iter_child_nodes(tree):
        named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        inside = ".".join(filter(None, [function, node.name])) if named else function  # type: ignore[attr-defined]
        if isinstance(node, ast.With | ast.AsyncWith):
            for item in node.items:
                call = item.context_expr
                if isinstance(call, ast.Call) and called(call) in BLOCKS:
                    yield _site(path, call, node.lineno, inside)
        if isinstance(node, ast.Call) and called(node) in NARROWINGS:
            yield _site(path, node, node.lineno, inside)
        yield from sites_of(path, node, inside)


def called(call: ast.Call) -> str:
    """Give the name of what is called, whatever it is called on."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _site(path: str, call: ast.Call, first_line: int, function: str) -> Site:
    return Site(
        path, call.lineno, call.col_offset, call.end_lineno or 0, call.end_col_offset or 0, first_line,
        called(call), function,
    )  # fmt: skip
