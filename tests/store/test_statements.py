"""Verbs and dialects agree on the names of statements."""

import ast
from importlib import resources

import pytest

from drayman.store.postgres.session import STATEMENTS as POSTGRES
from drayman.store.sqlite.session import STATEMENTS as SQLITE

DIALECTS = {"sqlite": SQLITE, "postgres": POSTGRES}
_METHODS = {"one", "first", "all", "each", "run", "insert"}
_FINDERS = {"find", "existing", "_find"}  # they pass the name of a statement on


def _names(source):
    """Yield the names of statements in a module: arguments of the session's methods."""
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.For) and isinstance(call.iter, ast.Tuple):
            yield from (each.value for each in call.iter.elts if isinstance(each, ast.Constant))
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute | ast.Name):
            continue
        name = call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id
        if name in _METHODS | _FINDERS:
            texts = [each for each in call.args if isinstance(each, ast.Constant)]
            yield from (each.value for each in texts if isinstance(each.value, str))
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef):
            for default in function.args.defaults:
                if isinstance(default, ast.Constant) and default.value == "get_queue":
                    yield default.value


def used():
    folder = resources.files("drayman.store") / "verbs"
    sources = [file.read_text() for file in folder.iterdir() if file.name.endswith(".py")]
    sources.append((resources.files("drayman.store") / "store.py").read_text())
    return {name for source in sources for name in _names(source)}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_dialect_has_each_statement_that_verbs_use_and_no_other(dialect):
    assert used() == set(DIALECTS[dialect])
