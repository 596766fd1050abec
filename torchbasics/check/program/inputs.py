"""Values for a program's inputs: its own `inputs`, its initialiser's shapes, what the user says, or drawn ones.

Drawn sizes are pairwise distinct, so that a transposed or misdivided gradient shows; biases are random, m > 1. Where a
file doesn't say how it lays out its arrays, the layouts are tried in turn until one runs: examples last as in the
notes, examples first with W (n_prev, n), examples first with W (n, n_prev) as in `nn.Linear`.
"""

import ast
import copy
import inspect
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import ModuleType
from typing import Any

import numpy as np
import torch

from torchbasics.check.options import Options
from torchbasics.check.program.draw import SCALARS, Drawing, layouts, sizes
from torchbasics.check.program.find import Plan, reachable
from torchbasics.check.program.source import Program, where_it_failed
from torchbasics.check.program.tape import leaves, put
from torchbasics.check.program.wanted import depth, wanted
from torchbasics.errors import InputError


def candidates(program: Program, plan: Plan, options: Options) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Inputs by name, how they came about, and their kind; likeliest first. Which of them fit is for the caller to try:
    only inputs of one kind are alternatives to one another.

    Raises `InputError` where the file's own `inputs` or initialiser fails.
    """
    generator = np.random.default_rng(options.seed)
    framework = "torch" if _is_torch(program, plan) else "numpy"
    own = _own_inputs(program, options)
    if own is not None:
        yield _convert(own, framework, options), "inputs: the file's own", "own"
        return
    asked = wanted(program, plan)
    at_hand = {name: program.namespace[name] for name in asked.arguments if _holds_arrays(program.namespace.get(name))}
    if at_hand and all(name in at_hand or name in SCALARS for name in asked.arguments) and not options.shape:
        scalars = {name: SCALARS[name] for name in asked.arguments if name not in at_hand}
        yield (
            _convert({**at_hand, **scalars}, framework, options),
            "inputs: the file's own " + ", ".join(at_hand),
            "at hand",
        )
    for layout in layouts():
        if layout.labels != "binary" and options.layers and options.layers[-1] == 1:
            # Of a single class every label is 1.
            continue
        chosen = sizes(generator, options, depth(asked), layout)
        drawing = Drawing(program, plan, asked, layout, chosen, generator, options)
        for drawn in drawing.draw():
            yield _convert(drawn, framework, options), f"inputs: drawn, seed {options.seed}", layout.labels


def _holds_arrays(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(value) and all(_holds_arrays(inner) for inner in value.values())
    return isinstance(value, np.ndarray | torch.Tensor) and value.ndim > 0


def _own_inputs(program: Program, options: Options) -> dict[str, Any] | None:
    given = program.namespace.get("inputs")
    if callable(given) and "inputs" in program.functions:
        try:
            takes_seed = "seed" in inspect.signature(given).parameters
            given = given(seed=options.seed) if takes_seed else given()
        except Exception as error:
            raise InputError(f"{program.path}: its inputs() fails: {where_it_failed(error, program.path)}") from None
    if given is None:
        return None
    if not isinstance(given, dict) or not all(isinstance(name, str) for name in given):
        raise InputError(
            f"{program.path}: its inputs is a {type(given).__name__}; expected a dict of values by argument name, "
            'such as {"X": X, "Y": Y, "parameters": parameters}, or a function that returns one'
        )
    return dict(given)


def _is_torch(program: Program, plan: Plan) -> bool:
    """Whether its functions compute with torch; where they name neither, whether torch is all that is imported."""
    roots = {
        part.value.id
        for function in reachable(program, plan.called)
        for part in ast.walk(function)
        if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name)
    }
    modules = {
        getattr(program.namespace.get(root), "__name__", "").split(".")[0]
        for root in roots
        if isinstance(program.namespace.get(root), ModuleType)
    }
    if not modules & {"torch", "numpy"}:
        modules = {value.__name__ for value in program.namespace.values() if isinstance(value, ModuleType)}
    return "torch" in modules and "numpy" not in modules


def _convert(inputs: dict[str, Any], framework: str, options: Options) -> dict[str, Any]:
    """Every array in the dtype asked for, and as a tensor for a program in torch."""
    inputs = {name: _copy(value) for name, value in inputs.items()}
    for path, value in list(leaves(inputs)):
        new = value
        if isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "f" and options.dtype == "float32":
            new = value.astype(np.float32)
        if isinstance(value, torch.Tensor) and value.is_floating_point() and options.dtype == "float32":
            new = value.to(torch.float32)
        if framework == "torch" and isinstance(new, np.ndarray):
            new = torch.from_numpy(np.ascontiguousarray(new))
        if new is not value:
            put(inputs, path, new)
    return inputs


def _copy(value: Any) -> Any:
    """Containers anew, so that filling them changes nothing of the user's."""
    if isinstance(value, dict):
        return {key: _copy(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_copy(inner) for inner in value]
    if type(value) is tuple:
        return tuple(_copy(inner) for inner in value)
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if hasattr(value, "__dict__") and not callable(value):
        # An object that holds parameters: a run may replace them, and the next is to find them as they were.
        with suppress(Exception):
            return copy.deepcopy(value)
    return value


def own(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the inputs that a run may fill and change."""
    copied: dict[str, Any] = _copy(dict(inputs))
    for path, value in list(leaves(copied)):
        if isinstance(value, np.ndarray):
            put(copied, path, value.copy())
    return copied
