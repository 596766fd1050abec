"""Which of a file's functions are the forward sweep, the cost and the backward sweep, and what their arguments mean.

    all in one  propagate(w, b, X, Y) -> grads, cost; softmax_loss(x, y) -> loss, dx
    a network   forward_propagation, L_model_forward, forward; compute_cost, cost, loss; backward_propagation, ...
    a layer     conv_forward and conv_backward, which is given the gradient of the output
    in torch    a class of torch.autograd.Function, with its forward and backward

Helpers that another function of the same kind calls are not candidates. Several pairs in one file are several plans.
"""

import ast
import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from torchbasics.check.options import Options
from torchbasics.check.program.calls import below, graph
from torchbasics.check.program.patterns import (
    BACKWARD,
    COMBINED,
    COST,
    FORWARD,
    GRADIENTS,
    PREDICTOR,
    TRAINING,
    nothing_found,
    snake,
)
from torchbasics.check.program.source import Program
from torchbasics.errors import InputError, nearest

GRADIENT = re.compile(r"^(d_?[A-Za-z]\w*|grads?\w*|gradients?\w*|(delta_)?nabla_?\w+|[A-Za-z]\w*_grad(ient)?s?)$")
_NO_GRADIENT = re.compile(
    r"^(data\w*|dim\w*|dtype|depth|dot|dropout\w*|dict\w*|def\w*|delta|decay\w*|degree\w*|den\w*|"
    r"(requires|no|check|num|numerical|approx)_\w+)$"
)

HOLDER = re.compile(r"(grads?|gradients?|derivatives?)(_\w+)?", re.IGNORECASE)
COST_NAME = re.compile(r"J|cost|loss|total_(cost|loss)|data_loss|L|E", re.IGNORECASE)

_PARAMETER = re.compile(r"theta\w*|w|W|weights?|params?|parameters|beta|coefs?|coefficients")
_LONE = re.compile(r"grads?|gradients?|d_?J|d_?L|nabla|derivatives?|d")
_DATA = re.compile(r"[Xx](_\w+)?|inputs?|data|features")
_SAME = ("squeeze", "float", "array", "asarray", "copy", "ravel", "tuple", "list", "dict", "asscalar")

_SUFFIX = re.compile(r"_?(temp|tmp|total|sum|new|final|all|t|l|curr|current)$")


@dataclass(frozen=True)
class Plan:
    """What is called, in this order; `forward` alone where one function does everything."""

    forward: str
    cost: str | None
    backward: str | None
    settings: tuple[tuple[str, str], ...] = ()
    """Arguments that choose between branches, such as mode="average"."""

    @property
    def called(self) -> tuple[str, ...]:
        """The functions in the order of their calls."""
        return tuple(name for name in (self.forward, self.cost, self.backward) if name is not None)

    @property
    def title(self) -> str:
        """What tells it from the file's other plans."""
        how = "".join(f", {name} {value}" for name, value in self.settings)
        return f"{self.backward or self.forward}{how}"


def find(program: Program, options: Options) -> list[Plan]:
    """The plans of the file; raises `InputError` when there is none, saying what was looked for and what was found."""
    functions = program.functions
    for given in (options.forward, options.cost, options.backward):
        if given is not None and given not in functions:
            raise InputError(f"{program.path}: no function is called {given!r}; {nearest(given, functions)}")
    calls = graph(functions)

    def roots(pattern: re.Pattern[str]) -> list[str]:
        """Those of that kind that no other of the kind calls; what trains or compares gradients calls them all."""
        named = [n for n in functions if pattern.search(snake(n)) and not TRAINING.search(snake(n))]
        inside = {called for name in named for called in below(name, calls)}
        return [name for name in named if name not in inside]

    backward = [options.backward] if options.backward else roots(BACKWARD)
    forward = [options.forward] if options.forward else [name for name in roots(FORWARD) if not BACKWARD.search(name)]
    cost = [options.cost] if options.cost else [n for n in roots(COST) if _is_cost(functions[n])]
    if options.forward and not options.backward and _has_gradients(functions[options.forward]):
        return [Plan(options.forward, options.cost, None)]
    if not backward and (forward or cost):
        # gradient(theta, X, y) beside cost(theta, X, y); what returns its cost as well is on its own.
        several = [n for n in roots(GRADIENTS) if len(functions[n].args.args) > 1]
        backward = [n for n in several if not any(COST_NAME.fullmatch(r or "") for r in returned_names(functions[n]))]
    plans = [plan for name in backward if (plan := _plan(name, forward, cost, functions, calls)) is not None]
    if not options.backward:
        used = {called for plan in plans for name in plan.called for called in (name, *below(name, calls))}
        alone = [name for name in roots(COMBINED) if _has_gradients(functions[name]) and name not in used]
        # What calls a forward and a backward function of the file is the training, not a derivation.
        plans += [Plan(name, None, None) for name in alone if not below(name, calls) & used]
    if not plans:
        raise InputError(f"{program.path}: {nothing_found(program, forward, backward)}")
    return [branch for plan in plans for branch in _branches(plan, functions)]


def returned_names(function: ast.FunctionDef) -> list[str | None]:
    """The names in the last `return`: A2, cache -> ["A2", "cache"]; None for what has none."""
    returns = [node for node in ast.walk(function) if isinstance(node, ast.Return) and node.value is not None]
    if not returns:
        return []
    value = max(returns, key=lambda node: node.lineno).value
    assert value is not None
    names = [_name(part) for part in (value.elts if isinstance(value, ast.Tuple) else [value])]
    # What a function called cost returns is the cost.
    return ["J"] if names == [None] and _is_cost(function) else names


def returned_gradients(function: ast.FunctionDef) -> dict[tuple[int, ...], str]:
    """The same of a backward function by place, where -dW1, 2 * dW1, dW1 / m and dW1.T are still called dW1.

    Lists and tuples are looked into, and so is a name that stands for one: grads = [dw, db]; return grads, cost.
    """
    returns = [node for node in ast.walk(function) if isinstance(node, ast.Return) and node.value is not None]
    if not returns:
        return {}
    value = max(returns, key=lambda node: node.lineno).value
    assert value is not None
    literal = {
        target.id: node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.List | ast.Tuple)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found: dict[tuple[int, ...], str] = {}

    def look(node: ast.expr, place: tuple[int, ...]) -> None:
        if isinstance(node, ast.Name) and node.id in literal:
            node = literal[node.id]
        if isinstance(node, ast.List | ast.Tuple):
            for position, part in enumerate(node.elts):
                look(part, (*place, position))
        elif name := _gradient_in(node):
            found[place] = name

    look(value, () if isinstance(value, ast.Tuple | ast.List) else (0,))
    arguments = [a.arg for a in function.args.args]
    owners = [name for name in arguments if _PARAMETER.fullmatch(name)]
    if len(owners) == 1 and not any(is_gradient(name) for name in arguments):
        # Of gradient(theta, X, y) the only thing that is returned beside the cost is theta's, whatever it is called.
        count = len(value.elts) if isinstance(value, ast.Tuple) else 1
        own = [(n,) for n in range(count) if not COST_NAME.fullmatch(found.get((n,), ""))]
        nameless = own[0] not in found and GRADIENTS.search(snake(function.name)) if len(own) == 1 else None
        if nameless or (len(own) == 1 and _LONE.fullmatch(found.get(own[0], ""))):
            found[own[0]] = f"d{owners[0]}"
    return found


def _gradient_in(node: ast.expr) -> str | None:
    match node:
        case ast.Name(id=name):
            return name
        case ast.UnaryOp(operand=inner) | ast.Attribute(value=inner, attr="T"):
            return _gradient_in(inner)
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id=name), attr="ravel" | "flatten" | "reshape" | "squeeze" | "copy")
        ):
            return name if name != "np" else _name(node)
        case ast.BinOp(left=left, op=ast.Mult() | ast.Div() | ast.Add() | ast.Sub(), right=right):
            names = [name for name in (_gradient_in(left), _gradient_in(right)) if name and is_gradient(name)]
            return names[0] if len(names) == 1 else None
        case ast.Subscript(slice=ast.Constant(value=str(name))):
            return name
    return None


def reachable(program: Program, names: tuple[str, ...]) -> list[ast.FunctionDef]:
    """The functions of these names and everything of the file that they call."""
    functions = program.functions
    calls = graph(functions)
    return [functions[name] for name in dict.fromkeys(n for name in names for n in (name, *sorted(below(name, calls))))]


def is_gradient(name: str) -> bool:
    """Whether a name looks like a gradient's: dW1, dz, grads; not data or dtype."""
    return bool(GRADIENT.match(name)) and not _NO_GRADIENT.match(name)


def quantity_names(name: str) -> Iterator[str]:
    """What a gradient may be the gradient of: dA_prev_temp -> A_prev_temp, A_prev; dJ_dW1 -> W1; delta2 -> Z2."""
    for pattern in (
        r"d_?(?:J|j|L|l|E|cost|loss)_?d_?(\w+)",
        r"(?:delta_)?nabla_?([A-Za-z]\w*)",
        r"(?:grads?|gradients?)_?([A-Za-z]\w*)",
        r"(\w+?)_?(?:grads?|gradients?)",
        r"d_?(\w+)",
    ):
        if match := re.fullmatch(pattern, name):
            base = match[1]
            if base in ("y", "Y"):
                # Of the labels nobody takes the gradient.
                yield from (f"{base}_hat", f"{base}hat", f"{base}_pred")
            yield base
            if shorter := _SUFFIX.sub("", base):
                yield shorter
    if match := re.fullmatch(r"(?:delta|error)_?(\d*)", name):
        yield f"Z{match[1]}"


def _plan(
    backward: str,
    forward: list[str],
    cost: list[str],
    functions: dict[str, ast.FunctionDef],
    calls: dict[str, set[str]],
) -> Plan | None:
    """The forward and the cost whose names are most like the backward's: with_dropout goes with with_dropout.

    Where nothing is called forward, a cost that takes the data itself, or a function such as predict that does.
    """
    stem = BACKWARD.sub("", backward)

    def likeness(name: str, pattern: re.Pattern[str]) -> float:
        return difflib.SequenceMatcher(None, stem, pattern.sub("", name)).ratio()

    upstream = {a.arg for a in functions[backward].args.args}
    has_upstream = any(UPSTREAM.fullmatch(name) for name in upstream)
    chosen = max(cost, key=lambda name: likeness(name, COST)) if cost and not has_upstream else None
    if not forward and chosen is not None and _takes_data(functions[chosen]):
        return Plan(chosen, None, backward)
    if not forward and chosen is not None:
        named = [n for n in functions if PREDICTOR.search(snake(n)) and _takes_data(functions[n]) and n != chosen]
        forward = [n for n in named if n in calls[backward]] or named
    if not forward:
        return None
    best = max(forward, key=lambda name: likeness(name, FORWARD))
    if stem in functions.keys() - {backward} and likeness(best, FORWARD) < 1 and _takes_data_or_Z(functions[stem]):
        # relu_backward beside relu and conv_forward.
        best = stem
    return Plan(best, chosen, backward)


def _takes_data_or_Z(node: ast.FunctionDef) -> bool:
    return _takes_data(node) or any(a.arg in ("Z", "z") for a in node.args.args)


def _takes_data(node: ast.FunctionDef) -> bool:
    return any(_DATA.fullmatch(a.arg) for a in node.args.args)


UPSTREAM = re.compile(
    r"d_?(out\w*|A|Z|a|z|h|H|A_?next|a_?next|h_?next|y|Y|AL|ZL|scores?)|grad_?(output|out)|upstream\w*"
)


def _branches(plan: Plan, functions: dict[str, ast.FunctionDef]) -> list[Plan]:
    """One plan per value of an argument `mode` that the functions compare with: max and average pooling."""
    compared: list[str] = []
    for name in plan.called:
        for node in ast.walk(functions[name]):
            match node:
                case ast.Compare(left=ast.Name(id="mode"), comparators=[ast.Constant(value=str(value))]):
                    compared.append(value)
    modes = list(dict.fromkeys(compared))
    shared = all("mode" in {a.arg for a in functions[name].args.args} for name in plan.called)
    if not shared or len(modes) < 2:
        return [plan]
    return [replace(plan, settings=(("mode", mode),)) for mode in modes]


def _is_cost(node: ast.FunctionDef) -> bool:
    name = snake(node.name)
    return bool(COST.search(name)) and not GRADIENTS.search(name) and not _has_gradients(node)


def _has_gradients(node: ast.FunctionDef) -> bool:
    names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
    return any(is_gradient(name) for name in names)


def _name(node: ast.expr) -> str | None:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Call(func=ast.Name(id=call) | ast.Attribute(attr=call), args=[ast.Name(id=name)]) if call in _SAME:
            return name
    return None
