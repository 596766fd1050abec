"""NumPy's elementwise functions on float64 torch tensors: each ufunc and the torch expression for autograd.

A derivative that is infinite where nothing flows back (`np.where(x > 0, np.log(x), 0)` at x = 0) is 0 here, as a
difference quotient has it; torch alone would return 0 * inf = nan.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

Elementwise = Callable[..., Tensor]


def _still(grad_inputs: tuple[Tensor | None, ...], grad_outputs: tuple[Tensor, ...]) -> tuple[Tensor | None, ...]:
    """0 goes back wherever 0 came."""
    silent = grad_outputs[0] == 0
    return tuple(None if grad is None else grad.masked_fill(silent, 0.0) for grad in grad_inputs)


def _singular(function: Elementwise) -> Elementwise:
    """`function`, one torch operation whose derivative can be infinite, with its backward made still where 0 comes."""

    def run(*tensors: Tensor) -> Tensor:
        if any(tensor.shape != tensors[0].shape for tensor in tensors):
            # Broadcasting inside the operation would sum nan over the broadcast axes before the hook sees it.
            tensors = tuple(torch.broadcast_tensors(*tensors))
        result = function(*tensors)
        if result.grad_fn is not None:
            result.grad_fn.register_hook(_still)
        return result

    return run


def _power(base: Tensor, exponent: Tensor) -> Tensor:
    if exponent.ndim or exponent.requires_grad:
        return _tensor_power(base, exponent)
    number = exponent.item()
    return _singular(lambda x: torch.pow(x, number))(base)


def _matmul(a: Tensor, b: Tensor) -> Tensor:
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError("matmul: an operand has no dimensions; multiply by a number with *")
    return torch.matmul(a, b)


def _cbrt(x: Tensor) -> Tensor:
    return torch.sign(x) * _root(x.abs())


_tensor_power = _singular(torch.pow)
_root = _singular(lambda x: torch.pow(x, 1 / 3))
_divide = _singular(torch.div)

# ufunc: torch, for the ufuncs that have a derivative, or one that is 0 almost everywhere
ELEMENTWISE: dict[Any, Elementwise] = {
    np.add: torch.add,
    np.subtract: torch.sub,
    np.multiply: torch.mul,
    np.divide: _divide,
    np.floor_divide: lambda a, b: torch.div(a, b, rounding_mode="floor"),
    np.remainder: torch.remainder,
    np.fmod: torch.fmod,
    np.power: _power,
    np.float_power: _power,
    np.matmul: _matmul,
    np.vecdot: lambda a, b: (a * b).sum(-1),
    np.negative: torch.neg,
    np.positive: torch.clone,
    np.conjugate: torch.clone,
    np.absolute: torch.abs,
    np.fabs: torch.abs,
    np.sign: torch.sign,
    np.floor: torch.floor,
    np.ceil: torch.ceil,
    np.trunc: torch.trunc,
    np.heaviside: lambda x, at_0: torch.where(x == 0, at_0, (x > 0).to(x.dtype)),
    np.copysign: torch.copysign,
    np.square: torch.square,
    np.sqrt: _singular(torch.sqrt),
    np.cbrt: _cbrt,
    np.reciprocal: _singular(torch.reciprocal),
    np.exp: _singular(torch.exp),
    np.exp2: _singular(torch.exp2),
    np.expm1: _singular(torch.expm1),
    np.log: _singular(torch.log),
    np.log2: _singular(torch.log2),
    np.log10: _singular(torch.log10),
    np.log1p: _singular(torch.log1p),
    np.logaddexp: torch.logaddexp,
    np.logaddexp2: torch.logaddexp2,
    np.sin: torch.sin,
    np.cos: torch.cos,
    np.tan: _singular(torch.tan),
    np.arcsin: _singular(torch.asin),
    np.arccos: _singular(torch.acos),
    np.arctan: torch.atan,
    np.arctan2: _singular(torch.atan2),
    np.hypot: _singular(torch.hypot),
    np.sinh: _singular(torch.sinh),
    np.cosh: _singular(torch.cosh),
    np.tanh: torch.tanh,
    np.arcsinh: torch.asinh,
    np.arccosh: _singular(torch.acosh),
    np.arctanh: _singular(torch.atanh),
    np.deg2rad: torch.deg2rad,
    np.radians: torch.deg2rad,
    np.rad2deg: torch.rad2deg,
    np.degrees: torch.rad2deg,
    np.maximum: torch.maximum,
    np.minimum: torch.minimum,
    np.fmax: torch.fmax,
    np.fmin: torch.fmin,
}

# ufuncs that answer a question about the values: their results are plain
QUESTIONS = frozenset(
    {
        np.greater,
        np.greater_equal,
        np.less,
        np.less_equal,
        np.equal,
        np.not_equal,
        np.isnan,
        np.isinf,
        np.isfinite,
        np.signbit,
        np.logical_and,
        np.logical_or,
        np.logical_not,
        np.logical_xor,
    }
)
