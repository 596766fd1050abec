r"""The operations of a computation graph: the value forward, and the hand-derived local derivative backward.

Legend: v is what an operation gives, x and y what it takes, dv = dJ/dv what comes back to it. An element-wise operation
has slopes, dv/dx at every entry, and sends dJ/dx = dJ/dv * dv/dx on; where x was repeated to fit y (broadcasting), the
graph sums what comes back over the repeats. The others say what they send in whole.

| v | sent on to x | and to y |
|---|---|---|
| x + y, x - y | dv | dv, -dv |
| x y | dv * y | dv * x |
| x / y | dv / y | -dv * v / y |
| x ** y | dv * y x ** (y-1) | dv * v log(x) |
| x @ y | dv @ y^T | x^T @ dv |
| exp(x), log(x), sqrt(x) | dv * v, dv / x, dv / 2v | |
| sigmoid(x), tanh(x) | dv * v (1-v), dv * (1 - v^2) | |
| relu(x) | dv where x > 0, else 0 | |
| maximum(x, y) | dv where x > y, half of it where x = y | the rest |
| sum(x), mean(x) | dv to every entry; 1/n of it | |
| max(x) | dv to the largest entry, in equal shares where there are several | |
| reshape(x), x.T | dv in the shape of x | |

Source: week 2, "Computation graph" and "Derivatives with a computation graph".
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Values = tuple[Tensor, ...]
Words = tuple[str, ...]


@dataclass(frozen=True)
class Operation:
    """One kind of node.

    - `forward(*values, **settings)` gives v, by stock torch, so that autograd can differentiate it.
    - `written(*names, **settings)` is the formula of v.
    - `slopes(v, *values)` and `factors(v, *names)`: dv/dx for each argument of an element-wise operation, as numbers
      and in words. None of the others, for which
    - `backward(dv, v, *values, **settings)` and `sent(dv, *names, **settings)` are what each argument gets.
    - `sizes(v, *values)`: the sums of the slopes' terms without their signs, where they may cancel.
    """

    name: str
    forward: Callable[..., Tensor]
    written: Callable[..., str]
    slopes: Callable[..., Values] | None = None
    factors: Callable[..., Words] | None = None
    backward: Callable[..., Values] | None = None
    sent: Callable[..., Words] | None = None
    sizes: Callable[..., Values] | None = None


def _full(shape: torch.Size, axis: Any) -> tuple[int, ...]:
    """The axes that a sum over `axis` runs over, counted from 0."""
    axes = range(len(shape)) if axis is None else [axis] if isinstance(axis, int) else axis
    # A single number has no axes, and is its own sum over any that torch allows it.
    return tuple(a % len(shape) for a in axes) if shape else ()


def _kept(reduced: Tensor, shape: torch.Size, axis: Any) -> Tensor:
    """What a sum over `axis` gave, or comes back to it, with the axes that it lost, of length 1."""
    axes = _full(shape, axis)
    return reduced.reshape([1 if a in axes else n for a, n in enumerate(shape)])


def _count(shape: torch.Size, axis: Any) -> int:
    return math.prod(shape[a] for a in _full(shape, axis))


def _settings(axis: Any, keepdims: bool) -> str:
    return ("" if axis is None else f", axis={axis}") + (", keepdims=True" if keepdims else "")


def _axes(x: Tensor, axis: Any) -> Any:
    return tuple(range(x.ndim)) if axis is None else axis


def _sum(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    return torch.sum(x, dim=_axes(x, axis), keepdim=keepdims)


def _sum_back(dv: Tensor, v: Tensor, x: Tensor, axis: Any = None, keepdims: bool = False) -> Values:
    return (_kept(dv, x.shape, axis).expand(x.shape),)


def _mean(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    return torch.mean(x, dim=_axes(x, axis), keepdim=keepdims)


def _mean_back(dv: Tensor, v: Tensor, x: Tensor, axis: Any = None, keepdims: bool = False) -> Values:
    return (_kept(dv, x.shape, axis).expand(x.shape) / _count(x.shape, axis),)


def _max(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    return torch.amax(x, dim=_axes(x, axis), keepdim=keepdims)


def _max_back(dv: Tensor, v: Tensor, x: Tensor, axis: Any = None, keepdims: bool = False) -> Values:
    largest = (x == _kept(v, x.shape, axis)).to(x.dtype)
    ties = _kept(largest.sum(_full(x.shape, axis)), x.shape, axis) if x.ndim else largest
    return (_kept(dv, x.shape, axis) * largest / ties,)


def _matmul_back(dv: Tensor, v: Tensor, x: Tensor, y: Tensor) -> Values:
    # A vector is a row on the left of @ and a column on the right.
    row, column = (x[None] if x.ndim == 1 else x), (y[:, None] if y.ndim == 1 else y)
    dV = dv.reshape(*torch.broadcast_shapes(row.shape[:-2], column.shape[:-2]), row.shape[-2], column.shape[-1])
    dx, dy = dV @ column.mT, row.mT @ dV
    return (dx.squeeze(-2) if x.ndim == 1 else dx), (dy.squeeze(-1) if y.ndim == 1 else dy)


def _order(ndim: int, axes: tuple[int, ...] | None, swap: tuple[int, int] | None) -> tuple[int, ...]:
    """The axes of x in the order in which v has them: reversed, unless they are given or two of them swapped."""
    if swap is None:
        return tuple(reversed(range(ndim))) if axes is None else tuple(axis % ndim for axis in axes)
    order = list(range(ndim))
    if not ndim:
        return ()
    i, j = swap
    order[i], order[j] = order[j], order[i]
    return tuple(order)


def _transpose(x: Tensor, axes: tuple[int, ...] | None = None, swap: tuple[int, int] | None = None) -> Tensor:
    if swap is not None:
        return x.transpose(*swap)
    return x.permute(tuple(reversed(range(x.ndim))) if axes is None else axes)


def _transpose_back(
    dv: Tensor, v: Tensor, x: Tensor, axes: tuple[int, ...] | None = None, swap: tuple[int, int] | None = None
) -> Values:
    order = _order(x.ndim, axes, swap)
    return (dv.permute(tuple(order.index(axis) for axis in range(x.ndim))),)


def _transposed(x: str, axes: tuple[int, ...] | None = None, swap: tuple[int, int] | None = None) -> str:
    if axes is None and swap is None:
        return f"{x}.T"
    return f"transpose({x}, {axes})" if swap is None else f"{x} with axes {swap[0]} and {swap[1]} swapped"


def _half_where_equal(x: Tensor, y: Tensor) -> Tensor:
    """1 where x > y, 1/2 where they are equal, 0 elsewhere."""
    return ((x > y).to(x.dtype) + (x >= y).to(x.dtype)) / 2


def _power_slopes(v: Tensor, x: Tensor, y: Tensor) -> Values:
    # x ** 0 is 1 everywhere, whose slope is 0, though x ** -1 may be infinite; and 0 ** y stays 0 for y > 0.
    by_x = torch.where(y == 0, torch.zeros_like(v), y * x ** (y - 1))
    return by_x, torch.where(x == 0, torch.zeros_like(v), v * torch.log(x))


def _power_rule(x: str, y: str) -> str:
    """y x**(y - 1), with the exponent worked out where it is a whole number."""
    less = str(int(y) - 1) if y.isdecimal() else f"({y} - 1)"
    return f"{y} {x}" + ("" if less == "1" else f"**{less}")


OPERATIONS = {
    operation.name: operation
    for operation in (
        Operation(
            "add",
            torch.add,
            lambda x, y: f"{x} + {y}",
            lambda v, x, y: (torch.ones_like(v), torch.ones_like(v)),
            lambda v, x, y: ("1", "1"),
        ),
        Operation(
            "sub",
            torch.sub,
            lambda x, y: f"{x} - {y}",
            lambda v, x, y: (torch.ones_like(v), -torch.ones_like(v)),
            lambda v, x, y: ("1", "-1"),
        ),
        Operation("mul", torch.mul, lambda x, y: f"{x}*{y}", lambda v, x, y: (y, x), lambda v, x, y: (y, x)),
        Operation(
            "div",
            torch.div,
            lambda x, y: f"{x}/{y}",
            lambda v, x, y: (1 / y, -v / y),
            lambda v, x, y: (f"1/{y}", f"-{v}/{y}"),
        ),
        Operation(
            "pow",
            torch.pow,
            lambda x, y: f"{x}**{y}",
            _power_slopes,
            lambda v, x, y: (_power_rule(x, y), f"{v} log({x})"),
        ),
        Operation("neg", torch.neg, lambda x: f"-{x}", lambda v, x: (-torch.ones_like(v),), lambda v, x: ("-1",)),
        Operation("exp", torch.exp, lambda x: f"exp({x})", lambda v, x: (v,), lambda v, x: (v,)),
        Operation("log", torch.log, lambda x: f"log({x})", lambda v, x: (1 / x,), lambda v, x: (f"1/{x}",)),
        Operation("sqrt", torch.sqrt, lambda x: f"sqrt({x})", lambda v, x: (0.5 / v,), lambda v, x: (f"1/(2 {v})",)),
        Operation(
            "sigmoid",
            torch.sigmoid,
            lambda x: f"sigmoid({x})",
            lambda v, x: (v * (1 - v),),
            lambda v, x: (f"{v} (1 - {v})",),
        ),
        Operation(
            "tanh",
            torch.tanh,
            lambda x: f"tanh({x})",
            lambda v, x: (1 - v * v,),
            lambda v, x: (f"(1 - {v}**2)",),
            sizes=lambda v, x: (1 + v * v,),
        ),
        Operation(
            "relu",
            torch.relu,
            lambda x: f"relu({x})",
            lambda v, x: ((x > 0).to(x.dtype),),
            lambda v, x: (f"({x} > 0)",),
        ),
        Operation(
            "maximum",
            torch.maximum,
            lambda x, y: f"max({x}, {y})",
            lambda v, x, y: (_half_where_equal(x, y), _half_where_equal(y, x)),
            lambda v, x, y: (f"({x} > {y}; half where equal)", f"({y} > {x}; half where equal)"),
        ),
        Operation(
            "matmul",
            torch.matmul,
            lambda x, y: f"{x} @ {y}",
            backward=_matmul_back,
            sent=lambda dv, x, y: (f"{dv} @ {y}^T", f"{x}^T @ {dv}"),
        ),
        Operation(
            "sum",
            _sum,
            lambda x, axis=None, keepdims=False: f"sum({x}{_settings(axis, keepdims)})",
            backward=_sum_back,
            sent=lambda dv, x, axis=None, keepdims=False: (f"{dv} to every entry of {x}",),
        ),
        Operation(
            "mean",
            _mean,
            lambda x, axis=None, keepdims=False: f"mean({x}{_settings(axis, keepdims)})",
            backward=_mean_back,
            sent=lambda dv, x, axis=None, keepdims=False: (f"1/n {dv} to every one of the n entries of {x}",),
        ),
        Operation(
            "max",
            _max,
            lambda x, axis=None, keepdims=False: f"max({x}{_settings(axis, keepdims)})",
            backward=_max_back,
            sent=lambda dv, x, axis=None, keepdims=False: (f"{dv} to the largest entry of {x}",),
        ),
        Operation(
            "reshape",
            lambda x, shape: torch.reshape(x, shape),
            lambda x, shape: f"reshape({x}, {shape})",
            backward=lambda dv, v, x, shape: (dv.reshape(x.shape),),
            sent=lambda dv, x, shape: (f"{dv} in the shape of {x}",),
        ),
        Operation(
            "transpose",
            _transpose,
            _transposed,
            backward=_transpose_back,
            sent=lambda dv, x, axes=None, swap=None: (f"{dv} with its axes put back",),
        ),
    )
}
