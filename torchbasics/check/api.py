"""The check as a Python call: of functions, a `torch.autograd.Function`, a `Layer`, a `Network` or a file."""

import dataclasses
import os
import types
from pathlib import Path
from typing import Any

import torch
from torch import nn

from torchbasics.check.file import check_file
from torchbasics.check.given import as_floats, check_framework, check_values, examples, named
from torchbasics.check.live import live_program, name_of
from torchbasics.check.networks.layer import check_layer
from torchbasics.check.networks.network import check_network
from torchbasics.check.objects import checked
from torchbasics.check.options import Options
from torchbasics.check.program.find import Plan
from torchbasics.check.program.inputs import candidates, own
from torchbasics.check.program.plans import check_plan
from torchbasics.check.program.recorded import Unchecked
from torchbasics.check.program.run import Missing, binding, forward, upstream_arguments
from torchbasics.check.program.source import Program, where_it_failed
from torchbasics.check.program.undisturbed import undisturbed
from torchbasics.check.refused import file_options, is_compiled, kinds, only, refuse, seed_of, short
from torchbasics.check.report import Report
from torchbasics.check.restored import restored
from torchbasics.check.sources import definition, methods
from torchbasics.errors import InputError
from torchbasics.layers import Layer
from torchbasics.network import Network


def check(subject: Any = None, /, *given: Any, **options: Any) -> Report:
    """Judge a derivation and say, per quantity, right or wrong, where and why.

    | call | what is judged | options |
    |---|---|---|
    | `check(forward, backward, inputs)` | two functions, in NumPy or torch | cost, seed |
    | `check(propagate, inputs)` | one function that returns gradients and cost | seed |
    | `check(Function, inputs)` | a class of `torch.autograd.Function` | seed |
    | `check(network, X, Y)` | a `Network`, against its `torch.nn` twin | twin |
    | `check(layer, A_prev)` | a `Layer`, with a random dA | seed |
    | `check(path)` | a file, as on the command line, but in this process | `torchbasics.check.options.Options` |

    >>> import numpy as np, torchbasics
    >>> def forward(x, w):
    ...     z = x @ w
    ...     return np.tanh(z), (x, w, z)
    >>> def backward(dout, cache):
    ...     x, w, z = cache
    ...     dz = dout * (1 - np.tanh(z) ** 2)
    ...     dx, dw = dz @ w.T, x.T @ dz
    ...     return dx, dw
    >>> random = np.random.default_rng(0)
    >>> inputs = {"x": random.normal(size=(5, 3)), "w": random.normal(size=(3, 4))}
    >>> report = torchbasics.check(forward, backward, inputs)
    >>> report.verdict, [quantity.name for quantity in report.quantities]
    ('right', ['dz', 'dx', 'dw'])

    **Functions** are those of a file or a notebook's cells, with def; what they call by name, in their own module or in
    one beside it, is judged with them. `inputs` are values by argument name, or in the order of forward's arguments,
    and are never written to. Names tell what is what: `dw` in backward, returned or a local variable, is the gradient
    of `w` in forward, and backward's arguments are found by name among the inputs and what forward returns. With
    `cost`, a function that returns J, the gradients are J's; without one, and where forward returns none, backward is
    given a random gradient of forward's output under the name that it has for it (dZ, dA, dout, grad_output).

    **A `torch.autograd.Function`** is given as the class, and its inputs as `apply` takes them. Its forward takes ctx,
    keeps what it needs with ctx.save_for_backward or as an attribute, and every entry of ctx.needs_input_grad is True.
    What backward returns is judged by its place; None is for what has no gradient, such as a number of units.

        torchbasics.check(Square, torch.randn(3, 4, dtype=torch.float64))

    **`seed`** chooses the random gradients. **`twin`** is an `nn.Sequential` to judge the network against, one module
    per layer, with equal parameters.

    The report is truthy when everything is right; it is `unchecked`, and says why, where the derivation can't be
    judged: forward fails or gives NaN, or no gradient is recognised. Raises `InputError`, one line, where it is the
    call that can't be used. Random states, torch's modes and defaults, the working directory and warnings are left as
    they were; `input()` is not answered.
    """
    __tracebackhide__ = True
    try:
        return _dispatched(subject, given, options)
    except InputError as error:
        # What the call lacks is in the message; where in our code that was noticed helps nobody.
        raise error.with_traceback(None) from None


def _dispatched(subject: Any, given: tuple[Any, ...], options: dict[str, Any]) -> Report:
    if isinstance(subject, Network):
        return _network(subject, given, options)
    if isinstance(subject, Layer):
        return _layer(subject, given, options)
    if isinstance(subject, str | os.PathLike):
        return _file(Path(subject), given, options)
    if isinstance(subject, type) and issubclass(subject, torch.autograd.Function):
        return _function(subject, given, options)
    if isinstance(subject, types.FunctionType) and not is_compiled(subject):
        return _functions(subject, given, options)
    return refuse(subject)


def _network(network: Network, given: tuple[Any, ...], options: dict[str, Any]) -> Report:
    only(options, "a network", "twin")
    if len(given) != 2 or any(callable(value) for value in given):
        raise InputError(f"check(network, ...) was given {kinds(given)}; expected X (n_x, m) and Y (n_y, m)")
    with restored(), undisturbed():
        X, Y = (examples(name, value, network) for name, value in zip("XY", given, strict=True))
        return checked(type(network).__name__, lambda: check_network(network, X, Y, **options))


def _layer(layer: Layer, given: tuple[Any, ...], options: dict[str, Any]) -> Report:
    only(options, "a layer", "seed")
    seed_of(options)
    if len(given) != 1 or callable(given[0]):
        raise InputError(
            f"check(layer, ...) was given {kinds(given)}; expected A_prev (n_prev, m) alone: it has its own backward"
        )
    with restored(), undisturbed():
        A_prev = examples("A_prev", given[0], layer)
        return checked(type(layer).__name__, lambda: check_layer(layer, A_prev, **options))


def _file(path: Path, given: tuple[Any, ...], options: dict[str, Any]) -> Report:
    only(options, "a file", *(field.name for field in dataclasses.fields(Options)))
    if given:
        raise InputError(f"check(path) was given {kinds(given)} too; a file has its own inputs, options go by name")
    try:
        exists, is_folder = path.exists(), path.is_dir()
    except (OSError, ValueError):
        exists, is_folder = False, False
    if not exists:
        raise InputError(f"there is no file {short(str(path))!r}; expected a .py file or an .ipynb notebook")
    if is_folder:
        raise InputError(f"{path} is a folder; give its files one by one, or torchbasics check {path}/*.py in a shell")
    settings = file_options(options)
    with restored(path.resolve().parent):
        return checked(str(path), lambda: check_file(path, settings))


def _function(kind: Any, given: tuple[Any, ...], options: dict[str, Any]) -> Report:
    only(options, "a torch.autograd.Function", "seed")
    if given and callable(given[0]):
        raise InputError(f"check({kind.__name__}, ...) was given a function; it has its own backward: give its inputs")
    if "setup_context" in vars(kind):
        raise InputError(
            f"{kind.__name__} has a setup_context; expected forward(ctx, ...) that saves itself: let forward take ctx "
            "first and call ctx.save_for_backward"
        )
    if methods(kind) and methods(kind)[0].__code__.co_varnames[:1] != ("ctx",):
        raise InputError(f"{kind.__name__}.forward doesn't take ctx first; expected forward(ctx, ...)")
    plan = Plan(f"{kind.__name__}.forward", None, f"{kind.__name__}.backward")
    return _judged([kind], plan, given, options)


def _functions(first: types.FunctionType, given: tuple[Any, ...], options: dict[str, Any]) -> Report:
    only(options, "functions", "cost", "seed")
    backward, cost = None, options.pop("cost", None)
    if given and (given[0] is None or callable(given[0])):
        backward, given = given[0], given[1:]
        if not isinstance(backward, types.FunctionType):
            if backward is None or isinstance(backward, type | nn.Module):
                raise InputError(
                    f"the backward is {short(repr(backward))}; expected a function, or only {first.__name__} and inputs"
                )
            refuse(backward)
    if cost is not None and not isinstance(cost, types.FunctionType):
        raise InputError(f"cost is {short(repr(cost))}; expected a function that returns J")
    parts = [part for part in (first, cost, backward) if part is not None]
    for part in parts:
        definition(part)
    names = [name_of(part) for part in parts]
    if len(set(names)) < len(names):
        raise InputError(
            f"two of the functions are called {max(names, key=names.count)}: rename one; what returns gradients and "
            "cost goes alone, check(propagate, inputs)"
        )
    plan = Plan(names[0], cost and name_of(cost), backward and name_of(backward))
    return _judged(parts, plan, given, options)


def _judged(parts: list[Any], plan: Plan, given: tuple[Any, ...], options: dict[str, Any]) -> Report:
    """The plan judged; every part is known to be a plain function or a class of torch.autograd.Function."""
    settings = Options(seed=seed_of(options))
    with restored(), undisturbed():
        program = live_program(parts, {})
        if plan.forward not in program.functions:
            raise InputError(
                f"{plan.forward.split('.')[0]} derives from another class; expected torch.autograd.Function"
            )
        program.inputs = named(given, program, plan)
        check_values(program.inputs)
        check_framework(program.inputs, program, plan)
        notes = [*program.notes, *as_floats(program.inputs, program, plan)]
        report = checked(plan.title, lambda: _report(program, plan, settings))
    # What check_plan says, it says of a file.
    report.reason = report.reason.replace("with --cost", "with cost=")
    report.file = str(program.path) if program.path.is_file() else ", ".join(name_of(part) for part in parts)
    report.notes = [*notes, *report.notes]
    return report


def _report(program: Program, plan: Plan, settings: Options) -> Report:
    try:
        _bind(program, plan, settings)
    except Unchecked as reason:
        return Report("", "unchecked", str(reason))
    try:
        return check_plan(program, plan, settings)
    except (Unchecked, InputError) as reason:
        return Report("", "unchecked", str(reason))


def _bind(program: Program, plan: Plan, settings: Options) -> None:
    """One forward sweep, to tell inputs that are missing (`InputError`) from a program that fails (`Unchecked`)."""
    inputs, *_ = next(candidates(program, plan, settings))
    try:
        outcome = forward(program, plan, program.namespace, own(inputs), None)
        if plan.backward is not None:
            upstream = upstream_arguments(program, plan, inputs) if outcome.J is None else {}
            known = {**outcome.known, **dict.fromkeys(upstream)}
            binding(program, plan.backward, known, dict(plan.settings), outcome)
    except Missing as missing:
        more = "" if missing.function == plan.forward else f", and {plan.forward} doesn't return it under that name"
        raise InputError(f"inputs has no {missing.argument!r}, which {missing.function} takes{more}: give it") from None
    except InputError as error:
        raise Unchecked(str(error)) from None
    except Exception as error:
        raise Unchecked(f"it fails on these inputs: {where_it_failed(error, program.path)}") from None
