"""Taps: a learner's function says the name, line and value of everything that it assigns, and is otherwise unchanged.

    def f(W, X):               def f(W, X):
                                   __frame__ = __tap__.enter("f")
                                   W = __tap__.argument(__frame__, "W", W); X = ...
        Z = np.dot(W, X)           Z = __tap__.assign(__frame__, "Z", 2, np.dot(W, X))
        Z[i, j] = s                Z[i, j] = s; Z = __tap__.wrote(__frame__, "Z", 3, Z)
        grads["dZ"] = Z            grads["dZ"] = Z; grads = __tap__.wrote(__frame__, "grads", 4, grads)
        return Z                   return __tap__.assign(__frame__, "return", 5, Z)

Lines keep their numbers. A `Tape` listens; while none does, the program runs as written.
"""

import ast
import copy
import sys
from typing import Any, Protocol, runtime_checkable

KEEPING = ("append", "extend", "insert", "update", "setdefault", "save_for_backward")
"""The methods of lists, dicts and torch's ctx that keep what they are given as it is."""


@runtime_checkable
class Tape(Protocol):
    """Who listens to the taps."""

    def enter(self, function: str, line: int) -> int:
        """A function was called from `line` (0: from outside the program); what comes back identifies the call."""

    def argument(self, frame: int, name: str, value: Any) -> Any:
        """The call was given `value` as `name`; what comes back takes its place."""

    def assign(self, frame: int, name: str, line: int, value: Any) -> Any:
        """`name = value`; what comes back is assigned."""

    def wrote(self, frame: int, name: str, line: int, value: Any) -> Any:
        """Something inside `value` may have been written; what comes back takes its place."""


class Switch:
    """What a program knows as `__tap__`: it passes the taps on to the tape of the moment, if there is one."""

    def __init__(self) -> None:
        self.tape: Tape | None = None

    def enter(self, function: str) -> int:
        """See `Tape.enter`."""
        if self.tape is None:
            return 0
        caller = sys._getframe(2)
        return self.tape.enter(function, caller.f_lineno if "__tap__" in caller.f_globals else 0)

    def argument(self, frame: int, name: str, value: Any) -> Any:
        """See `Tape.argument`."""
        return value if self.tape is None else self.tape.argument(frame, name, value)

    def assign(self, frame: int, name: str, line: int, value: Any) -> Any:
        """See `Tape.assign`."""
        return value if self.tape is None else self.tape.assign(frame, name, line, value)

    def wrote(self, frame: int, name: str, line: int, value: Any) -> Any:
        """See `Tape.wrote`."""
        return value if self.tape is None else self.tape.wrote(frame, name, line, value)


def tapped(tree: ast.Module) -> ast.Module:
    """The module with taps in every function; `tree` itself stays as it is."""
    return ast.fix_missing_locations(_Taps().visit(copy.deepcopy(tree)))  # type: ignore[no-any-return]


class _Taps(ast.NodeTransformer):
    """Inside functions only; comprehensions, lambdas, generators and coroutines are left alone."""

    def __init__(self) -> None:
        self.local: set[str] | None = None

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        outer = self.local
        if _is_generator(node):
            return node
        self.local = _local_names(node)
        body = self._body(node.body)
        self.local = outer
        everything = node.args
        names = [a.arg for a in (*everything.posonlyargs, *everything.args, *everything.kwonlyargs)]
        names += [a.arg for a in (everything.vararg, everything.kwarg) if a is not None]
        taps = [f"{name} = __tap__.argument(__frame__, {name!r}, {name})" for name in names]
        enter = _at(node, "\n".join([f"__frame__ = __tap__.enter({node.name!r})", *taps]))
        docstring = 1 if ast.get_docstring(node, clean=False) is not None else 0
        node.body = [*body[:docstring], *enter, *body[docstring:]]
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        outer, self.local = self.local, None
        node.body = self._body(node.body)
        self.local = outer
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AsyncFunctionDef:
        return node

    def _body(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        for statement in statements:
            result = self.visit(statement)
            out.extend(result if isinstance(result, list) else [result])
        return out

    def generic_visit(self, node: ast.AST) -> ast.AST:
        for name in ("body", "orelse", "finalbody"):
            statements = getattr(node, name, None)
            if isinstance(statements, list) and not isinstance(node, ast.Lambda):
                setattr(node, name, self._body(statements))
        for handler in [*getattr(node, "handlers", []), *getattr(node, "cases", [])]:
            handler.body = self._body(handler.body)
        return node

    def visit_Assign(self, node: ast.Assign) -> list[ast.stmt]:
        if self.local is None:
            return [node]
        if len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            node.value = _call(node, "assign", node.targets[0].id, node.value)
            return [node]
        return [node, *self._after(node, [name for target in node.targets for name in _roots(target)])]

    def visit_AnnAssign(self, node: ast.AnnAssign) -> list[ast.stmt]:
        if self.local is None or node.value is None:
            return [node]
        return [node, *self._after(node, _roots(node.target))]

    def visit_AugAssign(self, node: ast.AugAssign) -> list[ast.stmt]:
        return [node] if self.local is None else [node, *self._after(node, _roots(node.target))]

    def visit_For(self, node: ast.For) -> ast.For:
        self.generic_visit(node)
        if self.local is not None:
            node.body = [*self._after(node, _roots(node.target)), *node.body]
        return node

    def visit_Expr(self, node: ast.Expr) -> list[ast.stmt]:
        """np.add.at(dW, i, dZ), grads.update(...), np.copyto(Z, ...): a call may write what it is given; only
        caches.append(Z) writes nothing into Z."""
        if self.local is None or not isinstance(node.value, ast.Call):
            return [node]
        function = node.value.func
        if isinstance(function, ast.Attribute) and function.attr in KEEPING:
            return [node, *self._after(node, _roots(function))]
        given = [*node.value.args, *(keyword.value for keyword in node.value.keywords), node.value.func]
        return [node, *self._after(node, [(name, False) for value in given for name, _ in _roots(value)])]

    def visit_Return(self, node: ast.Return) -> list[ast.stmt]:
        if self.local is not None and node.value is not None:
            node.value = _call(node, "assign", "return", node.value)
        return [node]

    def _after(self, node: ast.stmt, roots: list[tuple[str, bool]]) -> list[ast.stmt]:
        assert self.local is not None
        taps: list[ast.stmt] = []
        for name, whole in dict(roots).items():
            if name in self.local:
                kind = "assign" if whole else "wrote"
                taps += _at(node, f"{name} = __tap__.{kind}(__frame__, {name!r}, {node.lineno}, {name})")
        return taps


def _roots(target: ast.AST) -> list[tuple[str, bool]]:
    """The names that an assignment's target rests on, and whether they are bound as a whole: Z[0].x -> (Z, False)."""
    match target:
        case ast.Name(id=name):
            return [(name, True)]
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return [root for part in parts for root in _roots(part)]
        case ast.Starred(value=value):
            return _roots(value)
        case ast.Subscript(value=value) | ast.Attribute(value=value):
            return [(name, False) for name, _ in _roots(value)]
    return []


def _local_names(node: ast.FunctionDef) -> set[str]:
    """What the function binds itself. Assigning any other name would hide the global that it means."""
    bound = {a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)}
    elsewhere: set[str] = set()
    stack: list[ast.AST] = list(node.body)
    while stack:
        part = stack.pop()
        if isinstance(part, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            bound.add(part.id)
        if isinstance(part, ast.Global | ast.Nonlocal):
            elsewhere |= set(part.names)
        if not isinstance(part, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            stack.extend(ast.iter_child_nodes(part))
    return bound - elsewhere


def _is_generator(node: ast.FunctionDef) -> bool:
    return any(isinstance(part, ast.Yield | ast.YieldFrom) for part in ast.walk(node))


def _call(node: ast.stmt, kind: str, name: str, value: ast.expr) -> ast.expr:
    (statement,) = _at(node, f"__tap__.{kind}(__frame__, {name!r}, {node.lineno}, None)")
    assert isinstance(statement, ast.Expr)
    assert isinstance(statement.value, ast.Call)
    statement.value.args[-1] = value
    return statement.value


def _at(node: ast.stmt, source: str) -> list[ast.stmt]:
    """The statements of `source`, standing where `node` stands."""
    statements = ast.parse(source).body
    for statement in statements:
        for part in ast.walk(statement):
            if hasattr(part, "lineno"):
                ast.copy_location(part, node)
    return statements
