"""NumPy's reductions, products and linear algebra on float64 torch tensors, with NumPy's own signatures.

What arrives is a tensor where the user gave a traced array, and whatever it was otherwise. Parameters that are left out
of a signature are those that nothing here can honour: giving one is refused by the function's name.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from torchbasics.check.tracing.elementwise import ELEMENTWISE

Axis = int | Sequence[int] | None


class Untraceable(Exception):
    """The derivative would be lost here; the message names what was called, on one line."""


def as_tensor(value: Any) -> Tensor:
    """`value`, a number, array or nested list, as a float64 tensor; tensors in lists are stacked.

    Raises `Untraceable` for complex numbers and objects.
    """
    if isinstance(value, Tensor):
        return value
    if isinstance(value, list | tuple) and any(isinstance(leaf, Tensor) for leaf in leaves(value)):
        return torch.stack([as_tensor(entry) for entry in value])
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise Untraceable(f"an array of {array.dtype} cannot be traced; only real numbers can")
    return torch.from_numpy(np.array(array, np.float64, order="C"))


def leaves(value: Any) -> list[Any]:
    """What nested lists and tuples hold."""
    if type(value) in (list, tuple):
        return [leaf for entry in value for leaf in leaves(entry)]
    return [value]


def axes(a: Tensor, axis: Axis) -> tuple[int, ...]:
    """NumPy's `axis` as torch's `dim`: None is all."""
    if axis is None:
        return tuple(range(a.ndim))
    return tuple(axis) if isinstance(axis, Sequence) else (int(axis),)


def _sum(a: Any, axis: Axis = None, *, keepdims: bool = False, where: Any = True, initial: int | float = 0.0) -> Tensor:
    a = as_tensor(a)
    if where is not True:
        a = torch.where(torch.as_tensor(where), a, 0.0)
    dims = axes(a, axis)
    # torch takes no axes for all axes, NumPy's () is none.
    return (torch.sum(a, dims, keepdim=keepdims) if dims else a) + initial


def _nansum(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
    a = as_tensor(a)
    return torch.nansum(a, axes(a, axis), keepdim=keepdims)


def _nanmean(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
    a = as_tensor(a)
    return torch.nanmean(a, axes(a, axis), keepdim=keepdims)


def _mean(a: Any, axis: Axis = None, *, keepdims: bool = False, where: Any = True) -> Any:
    a = as_tensor(a)
    if where is True:
        return _sum(a, axis, keepdims=keepdims) / math.prod(a.shape[dim] for dim in axes(a, axis))
    count = torch.as_tensor(where).expand(a.shape).to(a.dtype)
    return _sum(a, axis, keepdims=keepdims, where=where) / _sum(count, axis, keepdims=keepdims)


def _var(
    a: Any, axis: Axis = None, *, ddof: int | float = 0, correction: int | float = 0, keepdims: bool = False
) -> Any:
    a = as_tensor(a)
    count = math.prod(a.shape[d] for d in axes(a, axis))
    return _sum((a - _mean(a, axis, keepdims=True)) ** 2, axis, keepdims=keepdims) / (count - ddof - correction)


def _std(
    a: Any, axis: Axis = None, *, ddof: int | float = 0, correction: int | float = 0, keepdims: bool = False
) -> Tensor:
    return ELEMENTWISE[np.sqrt](_var(a, axis, ddof=ddof, correction=correction, keepdims=keepdims))


def _prod(a: Any, axis: Axis = None, *, keepdims: bool = False, initial: int | float = 1.0) -> Any:
    a = as_tensor(a)
    for dim in sorted((dim % a.ndim for dim in axes(a, axis)), reverse=True):
        a = torch.prod(a, dim, keepdim=keepdims)
    return a * initial


def _max(a: Any, axis: Axis = None, *, keepdims: bool = False, initial: int | float = -math.inf) -> Tensor:
    a = as_tensor(a)
    return torch.clamp(torch.amax(a, axes(a, axis), keepdim=keepdims), min=initial)


def _min(a: Any, axis: Axis = None, *, keepdims: bool = False, initial: int | float = math.inf) -> Tensor:
    a = as_tensor(a)
    return torch.clamp(torch.amin(a, axes(a, axis), keepdim=keepdims), max=initial)


def _ptp(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
    return _max(a, axis, keepdims=keepdims) - _min(a, axis, keepdims=keepdims)


def _median(a: Any, axis: int | None = None, *, keepdims: bool = False) -> Any:
    a = as_tensor(a)
    ordered = a.reshape(-1).sort(0).values if axis is None else a.sort(axis).values
    dim = 0 if axis is None else axis
    n = ordered.shape[dim]
    middle = (ordered.select(dim, (n - 1) // 2) + ordered.select(dim, n // 2)) / 2
    if not keepdims:
        return middle
    return middle.reshape([1] * a.ndim) if axis is None else middle.unsqueeze(axis)


def _average(a: Any, axis: int | None = None, weights: Any = None, *, keepdims: bool = False) -> Tensor:
    a = as_tensor(a)
    weights = torch.ones_like(a) if weights is None else as_tensor(weights)
    if axis is not None and weights.ndim == 1:
        weights = weights.reshape([-1 if d == axis % a.ndim else 1 for d in range(a.ndim)])
    weights = weights.expand(a.shape)
    return _sum(a * weights, axis, keepdims=keepdims) / _sum(weights, axis, keepdims=keepdims)


def _scan(scan: Callable[[Tensor, int], Tensor]) -> Callable[..., Tensor]:
    def run(a: Any, axis: int | None = None) -> Tensor:
        a = as_tensor(a)
        return scan(a.reshape(-1), 0) if axis is None else scan(a, axis)

    return run


def _diff(a: Any, n: int = 1, axis: int = -1) -> Tensor:
    return torch.diff(as_tensor(a), n=n, dim=axis)


def _dot(a: Any, b: Any) -> Any:
    a, b = as_tensor(a), as_tensor(b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    if a.ndim <= 2 and b.ndim <= 2:
        return torch.matmul(a, b)
    return torch.tensordot(a, b, ([a.ndim - 1], [max(b.ndim - 2, 0)]))


def _inner(a: Any, b: Any) -> Any:
    a, b = as_tensor(a), as_tensor(b)
    return a * b if a.ndim == 0 or b.ndim == 0 else torch.tensordot(a, b, ([a.ndim - 1], [b.ndim - 1]))


def _outer(a: Any, b: Any) -> Tensor:
    return torch.outer(as_tensor(a).reshape(-1), as_tensor(b).reshape(-1))


def _vdot(a: Any, b: Any) -> Tensor:
    return torch.dot(as_tensor(a).reshape(-1), as_tensor(b).reshape(-1))


def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    if not isinstance(axes, int):
        axes = tuple([side] if isinstance(side, int) else list(side) for side in axes)
    return torch.tensordot(as_tensor(a), as_tensor(b), axes)


def _einsum(*operands: Any, optimize: Any = False) -> Tensor:
    if not isinstance(operands[0], str):
        # The operands stand at 0, 2, ..., each with its list of axes; a last list alone is the result's.
        pairs = len(operands) - len(operands) % 2
        return torch.einsum(*(as_tensor(x) if i % 2 == 0 and i < pairs else x for i, x in enumerate(operands)))
    subscripts = operands[0].replace(" ", "")
    if "->" not in subscripts:
        # torch sorts the implicit result by its own alphabet, NumPy by character.
        letters = subscripts.replace(",", "").replace("...", "")
        ellipsis = "..." if "..." in subscripts else ""
        subscripts += "->" + ellipsis + "".join(sorted(x for x in set(letters) if letters.count(x) == 1))
    return torch.einsum(subscripts, *(as_tensor(operand) for operand in operands[1:]))


def _convolve(a: Any, v: Any, mode: str = "full") -> Tensor:
    a, v = as_tensor(a), as_tensor(v)
    if len(a) < len(v):
        a, v = v, a
    padding = 0 if mode == "valid" else len(v) - 1
    result = torch.nn.functional.conv1d(a[None, None], v.flip(0)[None, None], padding=padding)[0, 0]
    return result[(len(v) - 1) // 2 :][: len(a)] if mode == "same" else result


def _where(condition: Any, x: Any, y: Any) -> Tensor:
    if isinstance(condition, Tensor):
        condition = condition != 0
    return torch.where(torch.as_tensor(condition, dtype=torch.bool), as_tensor(x), as_tensor(y))


def _clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Tensor:
    a = as_tensor(a)
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    if low is not None:
        a = torch.maximum(a, as_tensor(low))
    return a.clone() if high is None else torch.minimum(a, as_tensor(high))


def _nan_to_num(
    x: Any, *, nan: int | float = 0.0, posinf: int | float | None = None, neginf: int | float | None = None
) -> Tensor:
    return torch.nan_to_num(as_tensor(x), nan=nan, posinf=posinf, neginf=neginf)


def _sort(a: Any, axis: int | None = -1) -> Tensor:
    a = as_tensor(a)
    return torch.sort(a.reshape(-1), 0).values if axis is None else torch.sort(a, axis).values


def _trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    return torch.diagonal(as_tensor(a), offset, axis1, axis2).sum(-1)


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    x = as_tensor(x)
    return torch.linalg.norm(x, ord, None if axis is None else axes(x, axis), keepdims)


def _solve(a: Any, b: Any) -> Any:
    a, b = as_tensor(a), as_tensor(b)
    # NumPy takes b for a vector only if it has one axis, torch also where the batch axes suggest it.
    return torch.linalg.solve(a, b[:, None])[..., 0] if b.ndim == 1 else torch.linalg.solve(a, b)


def _multi_dot(arrays: Any) -> Any:
    return torch.linalg.multi_dot([as_tensor(array) for array in arrays])


def _full_like(a: Any, fill_value: Any) -> Tensor:
    return as_tensor(fill_value).expand(as_tensor(a).shape).clone()


def _broadcast_arrays(*args: Any) -> tuple[Tensor, ...]:
    return tuple(tensor.clone() for tensor in torch.broadcast_tensors(*(as_tensor(array) for array in args)))


# NumPy's function: what computes it
FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sum: _sum,
    np.nansum: _nansum,
    np.nanmean: _nanmean,
    np.mean: _mean,
    np.var: _var,
    np.std: _std,
    np.prod: _prod,
    np.max: _max,
    np.amax: _max,
    np.min: _min,
    np.amin: _min,
    np.ptp: _ptp,
    np.median: _median,
    np.average: _average,
    np.cumsum: _scan(torch.cumsum),
    np.cumprod: _scan(torch.cumprod),
    np.diff: _diff,
    np.dot: _dot,
    np.inner: _inner,
    np.outer: _outer,
    np.vdot: _vdot,
    np.tensordot: _tensordot,
    np.einsum: _einsum,
    np.kron: lambda a, b: torch.kron(as_tensor(a), as_tensor(b)),
    np.convolve: _convolve,
    np.where: _where,
    np.clip: _clip,
    np.nan_to_num: _nan_to_num,
    np.sort: _sort,
    np.trace: _trace,
    np.sinc: lambda x: torch.sinc(as_tensor(x)),
    np.full_like: _full_like,
    np.broadcast_arrays: _broadcast_arrays,
    np.linalg.norm: _norm,
    np.linalg.inv: lambda a: torch.linalg.inv(as_tensor(a)),
    np.linalg.pinv: lambda a: torch.linalg.pinv(as_tensor(a)),
    np.linalg.det: lambda a: torch.linalg.det(as_tensor(a)),
    np.linalg.solve: _solve,
    np.linalg.matrix_power: lambda a, n: torch.linalg.matrix_power(as_tensor(a), n),
    np.linalg.multi_dot: _multi_dot,
}
