"""A text such as "u = b*c; v = a + u; J = 3*v" to its trace, without executing it.

The text is parsed, and what the grammar has is traced by `torch.fx` operation by operation:

| | |
|---|---|
| statements | `NAME = ...` between semicolons or on lines of their own; the last is J, with a name or without |
| operators | `+ - * / ** @` and the sign `-`; round brackets; numbers |
| functions | `exp log sqrt sigmoid tanh relu max(x, y) max(x) sum(x) mean(x) reshape(x, (2, 3)) transpose(x)` |
| axes | `axis=0`, `keepdims=True` in sum, mean, max; `x.T`; as methods too, `x.sum(axis=0)`; `np.` before a name |
"""

import ast
import math
import operator
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import fx

from torchbasics.errors import InputError, nearest

LONGEST = 10_000
_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.MatMult: operator.matmul,
}
_UNARY: dict[str, Callable[..., Any]] = {
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
}
_TWO: dict[str, Callable[..., Any]] = {"maximum": torch.maximum, "matmul": torch.matmul, "dot": torch.matmul}
_REDUCTIONS: dict[str, Callable[..., Any]] = {
    "sum": torch.sum,
    "mean": torch.mean,
    "max": torch.amax,
    "amax": torch.amax,
}
_SHAPES: dict[str, Callable[..., Any]] = {"reshape": torch.reshape, "transpose": torch.permute}
_FUNCTIONS = [*_UNARY, *_TWO, *_REDUCTIONS, *_SHAPES]
_PREFIXES = ("np", "numpy", "torch", "math")
GRAMMAR = f"numbers, names, + - * / ** @, .T and {', '.join(_FUNCTIONS)}"


def trace_text(text: str) -> tuple[fx.Graph, dict[fx.Node, str]]:
    """The trace of an expression, and its own names of the values.

    Raises `InputError` for what the grammar hasn't, pointing at it.
    """
    text = "\n".join(line.strip() for line in text.strip().splitlines())
    try:
        return _Reader(text).trace()
    except (RecursionError, MemoryError):
        raise InputError(f"expression {shown(text)}: brackets or signs are nested too deeply; write fewer") from None


class _Reader:
    """Walks the parsed text once, on `torch.fx` stand-ins for its variables."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.graph = fx.Graph()
        self.tracer = fx.proxy.GraphAppendingTracer(self.graph)
        self.names: dict[fx.Node, str] = {}
        # What each name stands for at this place of the text: a traced value, or a number.
        self.bound: dict[str, Any] = {}

    def trace(self) -> tuple[fx.Graph, dict[fx.Node, str]]:
        body = _parsed(self.text)
        result: Any = None
        for statement in body:
            match statement:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    result = self.bound[name] = self.value(value)
                case ast.Expr(value=value) if statement is body[-1]:
                    name, result = "J", self.value(value)
                case ast.Expr():
                    raise self.refused(statement, "its value goes nowhere: give it a name, as in u = b*c")
                case _:
                    raise self.refused(statement, f"expected NAME = an expression of {GRAMMAR}")
            if isinstance(result, fx.Proxy):
                self.names.setdefault(result.node, name)
        if not isinstance(result, fx.Proxy):
            raise InputError(f"expression {shown(self.text)}: no variable is in it, expected one such as 3*(a+b*c)")
        self.graph.output(result.node)
        return self.graph, self.names

    def leaf(self, name: str) -> fx.Proxy:
        """A variable that the text takes from outside, before everything that is computed."""
        leaves = [node for node in self.graph.nodes if node.op == "placeholder"]
        with self.graph.inserting_after(leaves[-1]) if leaves else self.graph.inserting_before():
            node = self.graph.placeholder(name)
        self.names[node] = name
        return fx.Proxy(node, self.tracer)

    def value(self, node: ast.expr) -> Any:
        """A traced value, or a number."""
        match node:
            case ast.Constant(value=bool() | complex()):
                pass
            case ast.Constant(value=int() | float() as number) if abs(number) <= sys.float_info.max:
                return float(number)
            case ast.Constant(value=int() | float()):
                raise self.refused(node, "it is too large")
            case ast.Name(id=name):
                if name not in self.bound:
                    self.bound[name] = self.leaf(name)
                return self.bound[name]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.value(operand)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.value(operand)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                return self.computed(node, _BINARY[type(op)], self.value(left), self.value(right))
            case ast.BinOp(op=ast.BitXor()):
                raise self.refused(node, "a power is written x**2")
            case ast.Attribute(value=value, attr="T"):
                return self.transposed(node, value)
            case ast.Call(func=ast.Name(id=name)):
                return self.called(node, name, node.args)
            case ast.Call(func=ast.Attribute(value=ast.Name(id=prefix), attr=name)) if self.is_prefix(prefix):
                # The library's max(x, 0) is over an axis, where max(x, 0) alone is the larger of two.
                if name == "max" and len(node.args) == 2 and _is_literal(node.args[1]):
                    return self.called(node, "amax", node.args)
                return self.called(node, name, node.args)
            case ast.Call(func=ast.Attribute(value=value, attr=name)):
                return self.called(node, "amax" if name == "max" else name, [value, *node.args])
        raise self.refused(node, f"the grammar has {GRAMMAR}")

    def is_prefix(self, name: str) -> bool:
        """Whether np in np.exp(x) is the library, and no variable of the text."""
        return name in _PREFIXES and name not in self.bound

    def called(self, node: ast.Call, name: str, arguments: list[ast.expr]) -> Any:
        """A function's value."""
        settings = self.settings(node, name)
        match name, arguments:
            case "max", [_, _] if not settings:
                return self.called(node, "maximum", arguments)
            case "transpose", [x]:
                return self.transposed(node, x)
            case "transpose", [x, i, j]:
                # Of two axes, as torch has it.
                return self.computed(node, torch.transpose, self.value(x), self.literal(i), self.literal(j))
            case "reshape" | "transpose", [x, *sizes] if sizes:
                shape = [self.literal(size) for size in sizes]
                axes = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else tuple(shape)
                return self.computed(node, _SHAPES[name], self.value(x), axes)
            case _, [x] if name in _UNARY:
                return self.computed(node, _UNARY[name], self.value(x))
            case _, [x, y] if name in _TWO:
                return self.computed(node, _TWO[name], self.value(x), self.value(y))
            case _, [x] if name in _REDUCTIONS:
                return self.computed(node, _REDUCTIONS[name], self.value(x), **settings)
            case _, [x, axis] if name in _REDUCTIONS and "dim" not in settings:
                settings["dim"] = self.literal(axis)
                return self.computed(node, _REDUCTIONS[name], self.value(x), **settings)
        if name not in _FUNCTIONS:
            raise self.refused(node, f"no function is called {name!r}; {nearest(name, _FUNCTIONS)}")
        example = {"reshape": "reshape(x, (2, 3))"} | dict.fromkeys(_TWO, f"{name}(x, y)")
        raise self.refused(node, f"expected {example.get(name, f'{name}(x)')}")

    def transposed(self, node: ast.expr, of: ast.expr) -> Any:
        """x.T."""
        value = self.value(of)
        if not isinstance(value, fx.Proxy):
            raise self.refused(node, "a number alone has no axes")
        return value.T

    def settings(self, node: ast.Call, name: str) -> dict[str, Any]:
        """The axis of a sum, by torch's own names."""
        found = {}
        for word in node.keywords:
            known = {"axis": "dim", "dim": "dim", "keepdims": "keepdim", "keepdim": "keepdim"}
            if name not in _REDUCTIONS or word.arg not in known:
                raise self.refused(node, f"{name} takes no {word.arg}=")
            value = found[known[word.arg]] = self.literal(word.value)
            if value == ():
                raise self.refused(node, f"{word.arg}=() names no axis; leave it out for all of them")
        return found

    def computed(self, node: ast.expr, function: Callable[..., Any], *values: Any, **settings: Any) -> Any:
        """A traced value, or the number that comes of numbers."""
        if any(isinstance(value, fx.Proxy) for value in values):
            # Not called: torch's own check of its arguments would want tensors only.
            return self.tracer.create_proxy("call_function", function, values, settings)
        try:
            number = float(function(*(torch.tensor(value, dtype=torch.float64) for value in values), **settings))
        except (RuntimeError, TypeError, IndexError, ValueError) as error:
            raise self.refused(node, "it is computed of numbers alone, which fails") from error
        if not math.isfinite(number):
            raise self.refused(node, f"it is {number}")
        return number

    def literal(self, node: ast.expr) -> Any:
        """A whole number, True, False or several whole numbers in brackets."""
        try:
            value = ast.literal_eval(node)
        except (ValueError, TypeError):
            value = None
        several = tuple(value) if isinstance(value, list | tuple) else (value,)
        if not all(isinstance(number, int) for number in several):
            raise self.refused(node, "expected a whole number, or several as in (2, 3)")
        return several if isinstance(value, list | tuple) else value

    def refused(self, node: ast.stmt | ast.expr, why: str) -> InputError:
        """The error that says what of the text can't be read, and why."""
        segment = ast.get_source_segment(self.text, node) or ""
        return InputError(f"expression {shown(self.text)}: can't read {shown(segment)}: {why}")


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError):
        return False
    return True


def shown(text: str) -> str:
    """A text in an error's line, cut where it is long."""
    line = " ".join(text.split())
    return repr(line if len(line) <= 80 else line[:77] + "...")


def _parsed(text: str) -> list[ast.stmt]:
    if len(text) > LONGEST:
        raise InputError(f"expression {shown(text)}: it has {len(text):,} characters, expected at most {LONGEST:,}")
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError) as error:
        said = error.msg if isinstance(error, SyntaxError) else str(error)
        hint = "; a product is written 3*a" if "invalid decimal literal" in said or "perhaps you forgot" in said else ""
        raise InputError(f"expression {shown(text)}: {said}{hint}") from None
    if not body:
        raise InputError("expression '': it is empty, expected one such as 3*(a+b*c)")
    return body
