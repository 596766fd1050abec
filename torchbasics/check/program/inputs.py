"""Values for a program's inputs: its own `inputs`, its initialiser's shapes, what the user says, or drawn ones.

Drawn sizes are pairwise distinct, so that a transposed or misdivided gradient shows; biases are random, m > 1. Where a
file doesn't say how it lays out its arrays, the layouts are tried in turn until one runs: examples last as in the
notes, examples first with W (n_prev, n), examples first with W (n, n_prev) as in `nn.Linear`.
"""

import ast
import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from types import ModuleType
from typing import Any

import numpy as np
import torch

from torchbasics.check.options import Options
from torchbasics.check.program.attention import Attention, ways
from torchbasics.check.program.calls import globals_read
from torchbasics.check.program.draw import HOLDERS, SCALARS, Drawing
from torchbasics.check.program.find import Plan, is_gradient, quantity_names, reachable
from torchbasics.check.program.held import Use
from torchbasics.check.program.run import DATA, LABELS, PARAMETERS, Missing, forward
from torchbasics.check.program.sizes import Layout, layouts, sizes
from torchbasics.check.program.source import Program, where_it_failed
from torchbasics.check.program.tape import is_float, leaves, plain, put
from torchbasics.check.program.wanted import Wanted, depth, wanted
from torchbasics.errors import InputError


def candidates(program: Program, plan: Plan, options: Options) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Inputs by name, how they came about, and their kind; likeliest first. Which of them fit is for the caller to try:
    only inputs of one kind are alternatives to one another.

    Raises `InputError` where the file's own `inputs` or initialiser fails.
    """
    generator = np.random.default_rng(options.seed)
    framework = "torch" if frameworks(program, plan) == {"torch"} else "numpy"
    own = _own_inputs(program, options)
    if own is not None:
        how = "inputs: the file's own" if program.inputs is None else "inputs: as given"
        yield _convert(own, framework, options), how, "own"
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
    _explore(program, plan, asked)
    how = f"inputs: drawn, seed {options.seed}{_beside(program, plan)}"
    for number, way in enumerate(ways(program, plan, asked)):
        attention = Attention(way, program, plan, asked, generator)
        layout = Layout(way.examples, way.weights, "vector", "one-hot")
        chosen = sizes(generator, options, 1, layout)
        drawing = Drawing(program, plan, asked, layout, chosen, generator, options, attention)
        for drawn in drawing.draw():
            inputs, fits = _tried(program, plan, drawing, _convert(drawn, framework, options))
            if fits:
                yield inputs, how, f"attention {number}"
    later: list[dict[str, Any]] = []
    for layout in sorted(layouts(), key=lambda layout: _is_layer(plan, asked) and layout.labels == "binary"):
        if layout.labels != "binary" and options.layers and options.layers[-1] == 1:
            # Of a single class every label is 1.
            continue
        chosen = sizes(generator, options, depth(asked), layout)
        drawing = Drawing(program, plan, asked, layout, chosen, generator, options)
        for drawn in drawing.draw():
            inputs, fits = _tried(program, plan, drawing, _convert(drawn, framework, options))
            if fits:
                yield inputs, how, layout.labels
            elif fits is not None:
                later.append(inputs)
    for inputs in later:
        yield inputs, how, "unlikely"


def _is_layer(plan: Plan, asked: Wanted) -> bool:
    """Whether it is given the gradient of its output: then nothing says that its output is a single row, in which a sum
    over the wrong axis doesn't show."""
    return plan.backward is not None and plan.cost is None and not any(map(LABELS.fullmatch, asked.arguments))


class _Asking(dict[str, Any]):
    """Parameters that are drawn when they are asked for."""

    def __init__(self, known: dict[str, Any], draw: Callable[[str], Any]) -> None:
        super().__init__(known)
        self.draw = draw

    def __missing__(self, key: str) -> Any:
        value = self.draw(key) if isinstance(key, str) else None
        if value is None:
            raise KeyError(key)
        self[key] = value
        return value

    def get(self, key: str, default: Any = None) -> Any:
        """As a dict's; what can be drawn is there."""
        with suppress(KeyError):
            return self[key]
        return default


def _tried(
    program: Program, plan: Plan, drawing: Drawing, inputs: dict[str, Any]
) -> tuple[dict[str, Any], bool | None]:
    """The inputs with the keys that a forward sweep asks for, and whether it runs with them; None where they tell
    nothing, since a softmax over a single class is 1 whatever comes in.

    NumPy computes with a Y of three rows beside an A of one too: where no output is as large as the labels, they don't
    fit.
    """
    framework = "torch" if any(isinstance(value, torch.Tensor) for _, value in leaves(inputs)) else "numpy"

    def draw(key: str) -> Any:
        return _convert({key: drawing.missed(key)}, framework, drawing.options)[key]

    known = own(inputs)
    for path, value in list(leaves(known)):
        if isinstance(value, np.ndarray | torch.Tensor) and is_float(value) and not LABELS.fullmatch(str(path[0])):
            # Not the values themselves: an np.empty of the run that is judged would find its own results in it.
            put(known, path, value * 0.5)
    asking = {n: _Asking(v, draw) if isinstance(v, dict) and HOLDERS.fullmatch(n) else v for n, v in known.items()}
    try:
        outcome = forward(program, plan, program.namespace, asking, None)
    except Missing:
        return inputs, True
    except Exception:
        return inputs, False
    for name, value in asking.items():
        if isinstance(value, _Asking):
            inputs[name] = {**{key: _copy(inner) for key, inner in value.items()}, **inputs[name]}
    outputs = [plain(output) for output in outcome.outputs]
    nothing = any(output.size > 1 and bool((output == 1).all()) for output in outputs)
    nothing = nothing or (is_float(outcome.J) and not plain(outcome.J).any())
    if drawing.layout.labels == "binary" and nothing:
        return inputs, None
    labels = [plain(value).size for name, value in inputs.items() if LABELS.fullmatch(name) and is_float(value)]
    return inputs, not labels or not outputs or plan.cost is None or any(o.size in labels for o in outputs)


def _explore(program: Program, plan: Plan, asked: Wanted) -> None:
    """Find the keys that the source doesn't tell: a forward sweep on ones, one by one, which fit everywhere."""
    function = program.functions[plan.forward].args.args
    unknown = [a.arg for a in function if PARAMETERS.fullmatch(a.arg) and not asked.uses[a.arg].is_container]
    if not unknown:
        return
    asking = {name: _Asking({}, lambda key: np.ones((1, 1))) for name in unknown}
    ones = {a.arg: np.ones((1, 1)) for a in function}
    with suppress(Exception):
        forward(program, plan, program.namespace, {**ones, **asking}, None)
    for name in unknown:
        for key in asking[name]:
            asked.uses[name].keys.setdefault(key, Use())


def _beside(program: Program, plan: Plan) -> str:
    """The arrays of the module that its functions compute with."""
    read = {name for function in reachable(program, plan.called) for name in globals_read(function)}
    found = sorted(name for name in read if _holds_arrays(program.namespace.get(name)))
    stored = {
        part.id
        for function in reachable(program, plan.called)
        for part in ast.walk(function)
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store) and is_gradient(part.id)
    }
    varied = [name for name in found if any(name in quantity_names(gradient) for gradient in stored)]
    if varied:
        arguments = ", ".join(name for name in found if name in varied or DATA.fullmatch(name))
        raise InputError(
            f"{program.path}: {' and '.join(plan.called)} compute with {', '.join(varied)} of the module; expected "
            f"arguments, such as {plan.forward}({arguments}), for what is differentiated has to be varied"
        )
    return f", beside the file's own {', '.join(found)}" if found else ""


def _holds_arrays(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(value) and all(_holds_arrays(inner) for inner in value.values())
    return isinstance(value, np.ndarray | torch.Tensor) and value.ndim > 0


def _own_inputs(program: Program, options: Options) -> dict[str, Any] | None:
    if program.inputs is not None:
        return dict(program.inputs)
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


def frameworks(program: Program, plan: Plan) -> set[str]:
    """Which of "numpy" and "torch" its functions name; where they name neither, which are imported."""
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
    return modules & {"numpy", "torch"}


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
        elif type(value) is float:
            # Python keeps one object for equal constants; a value is told from others by which object it is.
            put(copied, path, float.fromhex(value.hex()))
    return copied
