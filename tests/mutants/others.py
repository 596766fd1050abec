"""What else is used to check a gradient: torch's gradcheck, slow and fast, and the course's difference."""

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from .mutant import Mutant
from .programs import PROGRAMS, Array, Inputs, Program, cost, draw, gradients, load, parameters_of, with_value
from .proofs import differ

COURSE_BOUNDS = {"course < 2e-7": 2e-7, "course < 1e-7": 1e-7, "course < 1e-5": 1e-5}
CHECKS = ("gradcheck slow", "gradcheck fast", *COURSE_BOUNDS)
COURSE_EPSILON = 1e-7


def verdicts(planted: Mutant, seed: int, dtype: str = "float64") -> dict[str, bool]:
    """What each of the other checks says of the mutant's gradients of its parameters: True where it lets them pass."""
    program = PROGRAMS[planted.program]
    namespace = load(planted.source)
    # An entry that is zero where a unit is dead can't be seen missing: the first inputs at which it is there.
    seed = next((other for other in range(seed, seed + 20) if differ(planted, other)), seed) if planted.edits else seed
    inputs = _cast(draw(program, namespace, seed, planted.sizes), np.dtype(dtype))
    difference = course_difference(program, namespace, copy.deepcopy(inputs))
    return {
        "gradcheck slow": gradcheck(program, namespace, copy.deepcopy(inputs), fast=False),
        "gradcheck fast": gradcheck(program, namespace, copy.deepcopy(inputs), fast=True),
        **{name: difference < bound for name, bound in COURSE_BOUNDS.items()},
    }


def _cast(inputs: Inputs, dtype: np.dtype[Any]) -> Inputs:
    """Arrays of numbers in another precision; indices and options stay as they are."""
    return {
        name: _cast(value, dtype)
        if isinstance(value, dict)
        else value.astype(dtype)
        if isinstance(value, np.ndarray) and value.dtype.kind == "f"
        else value
        for name, value in inputs.items()
    }


def gradcheck(program: Program, namespace: dict[str, Any], inputs: Inputs, *, fast: bool) -> bool:
    """`torch.autograd.gradcheck` of a Function whose forward is the program's cost and whose backward is its own."""
    try:
        names = list(gradients(program, namespace, copy.deepcopy(inputs)))
    except Exception:
        return False
    known = parameters_of(inputs)
    # A number, as b may be, is taken to be as precise as the arrays.
    precision = next(known[name].dtype for name in names if isinstance(known[name], np.ndarray))
    tensors = [torch.tensor(np.asarray(known[name], dtype=precision), requires_grad=True) for name in names]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # gradcheck's own, that float32 is likely to fail.
            passed: bool = torch.autograd.gradcheck(
                _function(program, namespace, inputs, names), tensors, fast_mode=fast, check_undefined_grad=False
            )
    except Exception:  # GradcheckError, and whatever a wrong shape raises: either way it is found.
        return False
    return passed


def _function(
    program: Program, namespace: dict[str, Any], inputs: Inputs, names: list[str]
) -> Callable[..., torch.Tensor]:
    def at(tensors: tuple[torch.Tensor, ...]) -> Inputs:
        moved = copy.deepcopy(inputs)
        for name, tensor in zip(names, tensors, strict=True):
            value = tensor.detach().numpy().copy()
            moved = with_value(moved, name, value if value.ndim else float(value))
        return moved

    class Learner(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *tensors: torch.Tensor) -> torch.Tensor:
            ctx.save_for_backward(*tensors)
            return torch.tensor(cost(program, namespace, at(tensors)), dtype=tensors[0].dtype)

        @staticmethod
        def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, ...]:
            found = gradients(program, namespace, at(ctx.saved_tensors))
            return tuple(grad * torch.as_tensor(found[name]).to(grad.dtype) for name in names)

    apply: Callable[..., torch.Tensor] = Learner.apply
    return apply


def course_difference(program: Program, namespace: dict[str, Any], inputs: Inputs) -> float:
    """||gradapprox - grad|| / (||gradapprox|| + ||grad||) over all parameters as one vector; inf where sizes differ."""
    try:
        found = gradients(program, namespace, copy.deepcopy(inputs))
        approximations: dict[str, Array] = {}
        for name in found:
            value = np.asarray(parameters_of(inputs)[name])
            approximations[name] = np.zeros(value.shape)
            for index in np.ndindex(value.shape):
                shifted = []
                for epsilon in (COURSE_EPSILON, -COURSE_EPSILON):
                    moved = value.copy()
                    moved[index] += epsilon
                    # `float`, since b may be a number, as the course has it.
                    here = with_value(copy.deepcopy(inputs), name, moved if moved.ndim else float(moved))
                    shifted.append(cost(program, namespace, here))
                approximations[name][index] = (shifted[0] - shifted[1]) / (2 * COURSE_EPSILON)
        # The course flattens both, so that a gradient of another shape and as many entries passes for the right one.
        grad, gradapprox = (np.concatenate([g.ravel() for g in each.values()]) for each in (found, approximations))
        return float(np.linalg.norm(gradapprox - grad) / (np.linalg.norm(gradapprox) + np.linalg.norm(grad)))
    except (ValueError, IndexError):
        return np.inf
