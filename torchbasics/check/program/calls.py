"""Which function of a file calls which."""

import ast
from collections.abc import Mapping


def graph(functions: Mapping[str, ast.FunctionDef]) -> dict[str, set[str]]:
    """The functions that each one calls, or names, to call them later."""
    return {name: (globals_read(node) & functions.keys()) - {node.name} for name, node in functions.items()}


def below(name: str, calls: Mapping[str, set[str]]) -> set[str]:
    """Everything that is called on the way."""
    seen: set[str] = set()
    stack = list(calls[name])
    while stack:
        called = stack.pop()
        if called not in seen:
            seen.add(called)
            stack += calls[called]
    return seen


def globals_read(node: ast.FunctionDef) -> set[str]:
    """The names that a function reads and doesn't bind."""
    names = [part for part in ast.walk(node) if isinstance(part, ast.Name)]
    bound = {part.id for part in names if isinstance(part.ctx, ast.Store)}
    bound |= {part.arg for part in ast.walk(node) if isinstance(part, ast.arg)}
    return {part.id for part in names if isinstance(part.ctx, ast.Load)} - bound
