"""The check as a Python call: of a pair of functions, a `torch.autograd.Function`, a `Layer`, a `Network` or a file."""

import ast
import inspect
import os
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from torchbasics.check.networks.layer import check_layer
from torchbasics.check.networks.network import check_network
from torchbasics.check.options import Options
from torchbasics.check.program.find import Plan
from torchbasics.check.program.plans import check_plan
from torchbasics.check.program.recorded import Unchecked
from torchbasics.check.program.source import Program, define
from torchbasics.check.program.taps import Switch
from torchbasics.check.program.undisturbed import undisturbed
from torchbasics.check.report import Report
from torchbasics.errors import InputError
from torchbasics.layers import Layer
from torchbasics.network import Network


def check(subject: Any, /, *given: Any, cost: Callable[..., Any] | None = None, seed: int = 0, **named: Any) -> Report:
    """Judge a derivation and say, per quantity, right or wrong, where and why.

    | call | what is judged |
    |---|---|
    | `check(forward, backward, inputs, cost=cost)` | two functions, NumPy or torch; `inputs` are values by name |
    | `check(propagate, inputs)` | one function that returns gradients and cost |
    | `check(Function, inputs)` | a class of `torch.autograd.Function` |
    | `check(network, X, Y)` | a `Network`, against its `torch.nn` twin |
    | `check(layer, A_prev)` | a `Layer`, with a random dA |
    | `check(path)` | a file, as on the command line, but in this process |

    Without a cost, and where the forward function returns none, the backward function is given a random gradient of
    the forward's output under the name that it has for it (dZ, dA, dout, grad_output). Raises `InputError` for a call
    that is none of these, or functions whose source cannot be read.
    """
    if isinstance(subject, Network):
        return check_network(subject, *given, **named)
    if isinstance(subject, Layer):
        return check_layer(subject, *given, seed=seed, **named)
    if isinstance(subject, str | os.PathLike):
        from torchbasics.check.file import check_file

        return check_file(Path(subject), Options(seed=seed, **named))
    if named:
        raise InputError(f"check has no option {next(iter(named))!r} for functions; it takes cost and seed")
    functions: list[Any]
    if isinstance(subject, type) and issubclass(subject, torch.autograd.Function):
        inputs, functions = _inputs(given, subject.forward, skip=1), [subject]
        plan = Plan(f"{subject.__name__}.forward", None, f"{subject.__name__}.backward")
    elif callable(subject):
        backward = given[0] if given and callable(given[0]) else None
        inputs = _inputs(given[1:] if backward else given, subject)
        functions = [part for part in (subject, cost, backward) if part is not None]
        plan = Plan(subject.__name__, cost.__name__ if cost else None, backward.__name__ if backward else None)
    else:
        raise InputError(
            f"check was given {type(subject).__name__}; expected functions (forward, backward, inputs), a Network ("
            "with X and Y), a Layer (with A_prev), a torch.autograd.Function or a file"
        )
    program = _program(functions, inputs)
    try:
        with undisturbed():
            return check_plan(program, plan, Options(seed=seed))
    except Unchecked as reason:
        return Report(plan.title, "unchecked", str(reason))


def _inputs(given: tuple[Any, ...], function: Any, skip: int = 0) -> dict[str, Any]:
    """The inputs by name: from a dict, or positionally as the function takes them."""
    if len(given) == 1 and isinstance(given[0], Mapping):
        return dict(given[0])
    names = list(inspect.signature(function).parameters)[skip:]
    values = given[0] if len(given) == 1 and isinstance(given[0], tuple | list) else given
    if not values or len(values) > len(names):
        raise InputError(
            f"the inputs of {function.__qualname__} are missing or too many: expected a dict of {', '.join(names)}"
        )
    return dict(zip(names, values, strict=False))


def _program(functions: list[Any], inputs: dict[str, Any]) -> Program:
    """The functions, and what they call of their own modules, as a program."""
    nodes: dict[str, ast.stmt] = {}
    namespace: dict[str, Any] = {}
    waiting = list(functions)
    file = "<functions>"
    while waiting:
        function = waiting.pop()
        if function.__name__ in nodes:
            continue
        node, file = _source(function)
        nodes[function.__name__] = node
        methods = (
            [m for m in vars(function).values() if isinstance(m, staticmethod)] if isinstance(function, type) else []
        )
        for method in [m.__func__ for m in methods] or [function]:
            variables = inspect.getclosurevars(method)
            for name, value in {**variables.globals, **variables.nonlocals}.items():
                namespace[name] = value
                if inspect.isfunction(value) and value.__module__ == function.__module__ and value.__name__ == name:
                    waiting.append(value)
    tree = ast.Module([nodes[name] for name in reversed(nodes)], [])
    program = Program(Path(file), tree, namespace, Switch())
    namespace["inputs"] = {name: _own(value) for name, value in inputs.items()}
    define(program)
    return program


def _source(function: Any) -> tuple[ast.stmt, str]:
    try:
        lines, start = inspect.getsourcelines(function)
        node = ast.parse(textwrap.dedent("".join(lines))).body[0]
        file = inspect.getsourcefile(function) or "<functions>"
    except (OSError, TypeError, SyntaxError):
        node = None
    if not isinstance(node, ast.FunctionDef | ast.ClassDef):
        raise InputError(
            f"the source of {getattr(function, '__qualname__', function)} can't be read; expected a function that is "
            "defined with def in a file or a notebook"
        )
    node.decorator_list = []
    ast.increment_lineno(node, start - 1)
    return node, file


def _own(value: Any) -> Any:
    """Tensors without autograd's history."""
    return value.detach() if isinstance(value, Tensor) else np.asarray(value) if isinstance(value, list) else value
