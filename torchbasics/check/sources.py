"""Where a function that lives in the process was written: its `def`, and what was wrapped around it."""

import ast
import copy
import functools
import inspect
import linecache
import types
import warnings
from collections.abc import Iterator
from typing import Any

from torchbasics.errors import InputError


def inner(function: types.FunctionType) -> types.FunctionType:
    """What decorators were wrapped around."""
    found = inspect.unwrap(function)
    return found if isinstance(found, types.FunctionType) else function


def wrappers(subject: Any) -> list[types.CodeType]:
    """The code of everything that is wrapped around it, outermost first."""
    codes = []
    while not isinstance(subject, type) and hasattr(subject, "__wrapped__"):
        codes.append(subject.__code__)
        subject = subject.__wrapped__
    return codes


def methods(kind: type) -> list[types.FunctionType]:
    """The functions in the body of a class, `forward` first."""
    raw = {n: getattr(v, "__func__", v) for n, v in vars(kind).items()}
    ordered = [raw.pop("forward", None), *raw.values()]
    return [inner(value) for value in ordered if isinstance(value, types.FunctionType)]


def definition(function: types.FunctionType) -> ast.FunctionDef:
    """The `def` of a function, a copy of its own. Raises `InputError` where there is none to be read."""
    code = inner(function).__code__
    name = code.co_name
    if name == "<lambda>":
        raise InputError(f"{_where(code)} is a lambda; expected a function with a def, for its names tell what is what")
    tree, compiled = _file(inner(function))
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.name == name
            and _first(node) == (code.co_firstlineno)
        ):
            if isinstance(node, ast.AsyncFunctionDef) or code.co_flags & inspect.CO_GENERATOR:
                raise InputError(f"{name} is a generator or coroutine; expected a function that returns its values")
            if not _is_rewritten(code) and not any(_equal(code, other) for other in _codes(compiled)):
                break
            return copy.deepcopy(node)
    raise InputError(
        f"the source of {name} isn't what runs: {code.co_filename} has changed since; import it again, or run its cell"
    )


def definition_of_class(kind: type) -> ast.ClassDef:
    """The `class` that `forward` stands in, a copy of its own. Raises `InputError` likewise."""
    forward = next(iter(methods(kind)), None)
    if forward is None or "forward" not in vars(kind) or "backward" not in vars(kind):
        raise InputError(f"{kind.__name__} has no forward and backward of its own; give the class that defines both")
    wanted = definition(forward)
    for node in ast.walk(_file(forward)[0]):
        if isinstance(node, ast.ClassDef) and node.name == kind.__name__:
            for part in node.body:
                if isinstance(part, ast.FunctionDef) and (part.name, part.lineno) == (wanted.name, wanted.lineno):
                    return copy.deepcopy(node)
    raise InputError(f"the source of the class {kind.__name__} can't be read; define it with class in a file or a cell")


def _file(function: types.FunctionType) -> tuple[ast.Module, types.CodeType]:
    code = function.__code__
    linecache.checkcache(code.co_filename)
    text = "".join(linecache.getlines(code.co_filename, function.__globals__))
    try:
        return _parsed(text, code.co_filename)
    except (SyntaxError, ValueError):
        text = ""
    raise InputError(
        f"the source of {code.co_name} can't be read ({_where(code)}); define it with def in a file or a notebook cell"
    )


@functools.lru_cache(maxsize=16)
def _parsed(text: str, file: str) -> tuple[ast.Module, types.CodeType]:
    if not text.strip():
        raise SyntaxError("nothing there")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        return ast.parse(text, file), compile(text, file, "exec", flags, dont_inherit=True)


def _first(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from _codes(constant)


def _equal(live: types.CodeType, written: types.CodeType) -> bool:
    return (live.co_name, live.co_firstlineno) == (written.co_name, written.co_firstlineno) and (
        _says(live) == _says(written)
    )


def _says(code: types.CodeType) -> tuple[Any, ...]:
    constants = [(type(c), c) for c in code.co_consts if not isinstance(c, types.CodeType)]
    return code.co_code, code.co_names, code.co_varnames, constants


def _is_rewritten(code: types.CodeType) -> bool:
    """Whether pytest has rewritten its asserts: what is written then isn't what runs, and means the same."""
    return any("@py" in name for name in (*code.co_names, *code.co_varnames))


def _where(code: types.CodeType) -> str:
    return f"{code.co_filename}, line {code.co_firstlineno}"
