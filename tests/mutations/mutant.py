"""Remove one scope from the running code, and put it back."""

import ast
import gc
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType

from tests.mutations.sites import ROOT, Site


@contextmanager
def without(site: Site) -> Iterator[None]:
    """Let the function around `site` run without that one scope, wherever it is called from, until the block ends.

    The module is compiled again without it, and the function that holds it gets that code: the function itself stays
    the same object, so every import, decorator and route has the mutant.
    """
    path = str(ROOT / site.path)
    mutated = compile(removed(site), path, "exec")
    code = next(code for code in _functions(mutated) if _holds(code, site))
    gc.unfreeze()  # the server has set aside what its start made, where get_objects() does not look
    functions = [
        one
        for one in gc.get_objects()
        if type(one) is FunctionType  # lazy objects would answer isinstance() by waking up
        and one.__code__.co_filename == path
        and one.__code__.co_qualname == code.co_qualname
        and one.__code__.co_firstlineno == code.co_firstlineno
    ]
    assert functions, f"{site} is in a module that nothing has imported"
    originals = [one.__code__ for one in functions]
    try:
        for one in functions:
            one.__code__ = code
        yield
    finally:
        for one, original in zip(functions, originals, strict=True):
            one.__code__ = original


class _Removal(ast.NodeTransformer):
    """Takes the scope away and leaves everything else: the arguments are still computed, the transaction is still opened."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.removed = 0

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        here = (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)
        site = self._site
        if here != (site.line, site.column, site.end_line, site.end_column):
            return node
        self.removed += 1
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        if isinstance(node.func, ast.Attribute):
            instead = f"({ast.unparse(node.func.value)}).all()"
        else:
            instead = "__import__('django.db.transaction', fromlist=['atomic']).atomic()"
        replaced = ast.parse(f"({', '.join([instead, *map(ast.unparse, given)])},)[0]", mode="eval").body
        for part in ast.walk(replaced):
            ast.copy_location(part, node)
        return replaced


def removed(site: Site) -> ast.Module:
    """Give the module without this one scope."""
    removal = _Removal(site)
    tree = ast.parse((ROOT / site.path).read_text())
    removal.visit(tree)
    assert removal.removed == 1, site
    return ast.fix_missing_locations(tree)


def _functions(module: CodeType) -> Iterator[CodeType]:
    """Give the functions and methods of a module; not those inside other functions."""
    for code in module.co_consts:
        if isinstance(code, CodeType):
            if code.co_flags & inspect.CO_OPTIMIZED:
                yield code
            else:  # a class's body
                yield from _functions(code)


def _holds(code: CodeType, site: Site) -> bool:
    """Tell whether the call is inside this function or one of those that it makes."""
    lines = {line for _, _, line in code.co_lines() if line}
    return site.line in lines or any(
        _holds(inner, site) for inner in code.co_consts if isinstance(inner, CodeType)
    )
