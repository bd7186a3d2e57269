"""A component's source as a file that stands alone."""

from __future__ import annotations

import ast
import builtins
import inspect
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def standalone_source(fn: Callable[..., object], name: str) -> str | None:
    """The source of a function or class with the imports that it uses; None where its source cannot be read.

    What it takes from its own module (constants, helpers) is imported from there.
    """
    module = inspect.getmodule(inspect.unwrap(fn))
    if module is None:
        return None
    try:
        source = inspect.getsource(module)
    except (OSError, TypeError):
        return None
    tree = ast.parse(source)
    node = next((n for n in reversed(tree.body) if getattr(n, "name", None) == name), None)
    if node is None:
        return None
    used = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    imports = [text for statement in tree.body for text in _imports(statement, used)]
    own = sorted((used & _defined(tree)) - {name} - set(dir(builtins)))
    if own:
        imports.append(f"from {module.__name__} import {', '.join(own)}")
    return "\n".join(["from __future__ import annotations", "", *imports, "", "", _text(source, node), ""])


def _imports(statement: ast.stmt, used: set[str]) -> Iterator[str]:
    """The import statements, also those for type checkers, that bring names which are used."""
    if isinstance(statement, ast.If):
        for below in statement.body:
            yield from _imports(below, used)
    if not isinstance(statement, (ast.Import, ast.ImportFrom)):
        return
    kept = [alias for alias in statement.names if (alias.asname or alias.name.partition(".")[0]) in used]
    if kept:
        statement.names = kept
        yield ast.unparse(statement)


def _defined(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for statement in tree.body:
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            names.add(statement.name)
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        names.update(target.id for target in targets if isinstance(target, ast.Name))
    return names


def _text(source: str, node: ast.stmt) -> str:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(d.lineno for d in decorators)])
    return "\n".join(source.splitlines()[first - 1 : node.end_lineno])
