"""One run of a plan: the forward sweep, the cost and the backward sweep, with every argument bound by its name."""

import inspect
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from torchbasics.check.program.find import UPSTREAM, Plan, is_gradient, quantity_names, returned_names
from torchbasics.check.program.source import Program
from torchbasics.check.program.tape import is_float, leaves
from torchbasics.check.program.taps import Tape
from torchbasics.errors import InputError

PREDICTION = re.compile(
    r"A\d*|AL|a\d*|[PRSOo]|A_?(last|out|final)|Y_?(hat|pred\w*)|y_?(hat|pred\w*)|pred\w*|out(put)?s?|probs?|scores?"
)
LABELS = re.compile(r"Y|y|labels?|targets?|t|[Yy]_?(true|train)|y_?onehot|Y_?onehot", re.IGNORECASE)
DATA = re.compile(r"X|x|inputs?|data|images?|features|A_?0|[Xx]_?train|A_?prev|x_?in", re.IGNORECASE)
CACHE = re.compile(r"caches?|memory|ctx|cached|tape|context|intermediates?|stored?", re.IGNORECASE)
PARAMETERS = re.compile(r"param\w*|theta|weights|model|params?", re.IGNORECASE)
COST_NAME = re.compile(r"J|cost|loss|total_(cost|loss)|data_loss|L", re.IGNORECASE)


class Context:
    """What stands in for the `ctx` of a `torch.autograd.Function`: it keeps what its forward saves for its backward."""

    def __init__(self, arguments: int) -> None:
        self.saved_tensors: tuple[torch.Tensor, ...] = ()
        self.needs_input_grad = (True,) * arguments

    def save_for_backward(self, *tensors: torch.Tensor) -> None:
        """Keep the tensors."""
        self.saved_tensors = tensors

    def mark_non_differentiable(self, *tensors: torch.Tensor) -> None:
        """Nothing to do here."""

    mark_dirty = mark_non_differentiable

    def set_materialize_grads(self, value: bool) -> None:
        """Nothing to do here."""


class Missing(Exception):
    """An argument that nothing can be bound to."""

    def __init__(self, function: str, argument: str) -> None:
        super().__init__(f"{function} takes {argument!r}, which nothing is known for")
        self.function = function
        self.argument = argument


@dataclass
class Outcome:
    """What a run has given so far."""

    known: dict[str, Any]
    """Values by the names that they can be asked for."""

    output: Any = None
    """What the forward function predicts: the first array that it returns."""

    outputs: list[Any] = field(default_factory=list)
    """Every array that it returns."""

    J: Any = None
    result: Any = None
    """What the backward function (or the one that does everything) returned."""

    cache: Any = field(default=None, repr=False)


def binding(
    program: Program, function: str, known: Mapping[str, Any], settings: Mapping[str, Any], outcome: Outcome | None
) -> dict[str, Any]:
    """The function's arguments by name; raises `Missing`."""
    node = program.functions[function]
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    with_default = {a.arg for a in positional[len(positional) - len(arguments.defaults) :]}
    with_default |= {a.arg for a, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if default}
    bound: dict[str, Any] = {}
    for argument in (a.arg for a in (*positional, *arguments.kwonlyargs)):
        if argument in settings:
            bound[argument] = settings[argument]
            continue
        value = _look_up(argument, known, outcome)
        if value is not None:
            bound[argument] = value[0]
        elif argument not in with_default:
            raise Missing(function, argument)
    return bound


def _look_up(argument: str, known: Mapping[str, Any], outcome: Outcome | None) -> tuple[Any] | None:
    if argument in known:
        return (known[argument],)
    same = [name for name in known if name.casefold() == argument.casefold()]
    if len(same) == 1:
        return (known[same[0]],)
    if outcome is not None:
        if CACHE.fullmatch(argument) and outcome.cache is not None:
            return (outcome.cache,)
        if PREDICTION.fullmatch(argument) and outcome.output is not None and not LABELS.fullmatch(argument):
            return (outcome.output,)
    for pattern in (LABELS, DATA, PARAMETERS):
        if pattern.fullmatch(argument):
            alike = [name for name in known if pattern.fullmatch(name)]
            if alike:
                return (known[alike[0]],)
    return None


def seed_everything() -> None:
    """Let unseeded randomness in the program be the same in every run."""
    np.random.seed(20)
    random.seed(20)
    # torch.manual_seed formats the whole stack, for CUDA's sake, every time.
    torch.default_generator.manual_seed(20)


def forward(
    program: Program,
    plan: Plan,
    namespace: Mapping[str, Any],
    inputs: Mapping[str, Any],
    tape: Tape | None,
) -> Outcome:
    """Run the forward sweep and the cost (everything, where one function does it)."""
    outcome = Outcome(dict(inputs))
    settings: dict[str, Any] = dict(plan.settings)
    seed_everything()
    if "." in plan.forward:
        settings["ctx"] = outcome.known["ctx"] = Context(len(program.functions[plan.forward].args.args) - 1)
    result = _call(program, namespace, plan.forward, binding(program, plan.forward, inputs, settings, None), tape)
    names = returned_names(program.functions[plan.forward])
    parts = list(result) if isinstance(result, tuple) else [result]
    for name, part in zip(names, parts, strict=False):
        if name is not None:
            outcome.known[name] = part
    if plan.backward is None:
        outcome.result = result
        outcome.J = _cost_among(names, parts)
        return outcome
    for path, part in leaves(result):
        if path and isinstance(path[-1], str):
            outcome.known.setdefault(path[-1], part)
    outcome.outputs = [part for part in parts if _is_array(part)]
    if not outcome.outputs:
        # Only a dict or a list came back: the last array in it is where the sweep ended.
        outcome.outputs = [part for _, part in leaves(result) if _is_array(part)][-1:]
    # Where z, sigmoid(z) comes back, it is the nameless one that other functions have their own name for.
    nameless = [part for name, part in zip(names, parts, strict=False) if name is None and _is_array(part)]
    outcome.output = nameless[-1] if nameless else outcome.outputs[0] if outcome.outputs else None
    if "." in plan.forward:
        return outcome
    others = [part for part in parts if not any(part is output for output in outcome.outputs)]
    # relu(Z) may return A, Z: then Z is all that there is to keep.
    kept = others or parts[1:2]
    outcome.cache = kept[0] if len(kept) == 1 else tuple(kept) or None
    if plan.cost is not None:
        arguments = binding(program, plan.cost, outcome.known, settings, outcome)
        cost = _call(program, namespace, plan.cost, arguments, tape)
        parts = list(cost) if isinstance(cost, tuple) else [cost]
        outcome.J = parts[0]
        for name, part in zip(returned_names(program.functions[plan.cost]), parts, strict=False):
            if name is not None and len(parts) > 1:
                outcome.known[name] = part
        outcome.known.setdefault("cost", outcome.J)
    elif any(name is not None and COST_NAME.fullmatch(name) for name in names):
        outcome.J = _cost_among(names, parts)
    return outcome


def backward(
    program: Program,
    plan: Plan,
    namespace: Mapping[str, Any],
    outcome: Outcome,
    upstream: Mapping[str, Any],
    tape: Tape | None,
) -> Outcome:
    """Run the backward sweep; `upstream` are the gradients of the outputs by the names of the arguments."""
    if plan.backward is not None:
        known = {**outcome.known, **upstream}
        arguments = binding(program, plan.backward, known, dict(plan.settings), outcome)
        outcome.result = _call(program, namespace, plan.backward, arguments, tape)
    return outcome


def upstream_arguments(program: Program, plan: Plan, inputs: Mapping[str, Any]) -> dict[str, int]:
    """The arguments of the backward function that are gradients of the forward's outputs, with the outputs' positions.

    By name, da_next for a_next; what is left goes by order.
    """
    if plan.backward is None or plan.cost is not None:
        return {}
    returned = [name or "" for name in returned_names(program.functions[plan.forward])]
    arguments = [a.arg for a in program.functions[plan.backward].args.args if a.arg not in inputs]
    found: dict[str, int] = {}
    for argument in arguments:
        bases = [returned.index(base) for base in quantity_names(argument) if base in returned]
        if is_gradient(argument) and bases:
            found[argument] = bases[0]
        elif UPSTREAM.fullmatch(argument) or ("." in plan.forward and argument != "ctx"):
            found[argument] = next(at for at in range(len(arguments)) if at not in found.values())
    return found


def _call(
    program: Program, namespace: Mapping[str, Any], function: str, arguments: Mapping[str, Any], tape: Tape | None
) -> Any:
    name, *method = function.split(".")
    called: Callable[..., Any] = namespace[name]
    for part in method:
        called = getattr(called, part)
    only = [
        p.name for p in inspect.signature(called).parameters.values() if p.kind is inspect.Parameter.POSITIONAL_ONLY
    ]
    program.switch.tape = tape
    try:
        return called(
            *(arguments[name] for name in only if name in arguments),
            **{name: value for name, value in arguments.items() if name not in only},
        )
    finally:
        program.switch.tape = None


def _is_array(value: Any) -> bool:
    return (is_float(value) and not isinstance(value, float)) or hasattr(value, "tensor")


def _cost_among(names: list[str | None], parts: list[Any]) -> Any:
    """The one that is called cost, J or loss, or else the only scalar."""
    for name, part in zip(names, parts, strict=False):
        if name is not None and COST_NAME.fullmatch(name):
            return part
    scalars = [part for part in parts if (is_float(part) or hasattr(part, "tensor")) and np.prod(np.shape(part)) == 1]
    if len(scalars) == 1:
        return scalars[0]
    raise InputError(
        "no cost is found in what is returned; return it under the name cost, or name its function with --cost"
    )
