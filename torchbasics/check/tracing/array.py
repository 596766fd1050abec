"""Arrays that speak NumPy's protocols over float64 torch tensors, so that autograd differentiates unchanged NumPy code.

| handled | |
|---|---|
| elementwise | all of `elementwise.ELEMENTWISE`, all operators, `out=` and `where=`, `.outer` |
| | `.at` of add and subtract, `.reduce` of add, multiply, maximum, minimum, `.accumulate` of add, multiply |
| reductions | sum, mean, var, std, prod, max, min, ptp, median, average, nansum, nanmean, trace |
| scans | cumsum, cumprod, diff |
| products | `@`, dot, inner, outer, vdot, vecdot, tensordot, einsum, kron, convolve |
| linalg | norm, inv, pinv, det, solve, matrix_power, multi_dot |
| choices | where, clip, select, choose, nan_to_num, sort, tril, triu |
| views, written through | basic indexing, T, reshape, ravel, transpose, swapaxes, moveaxis, squeeze, expand_dims |
| | flips, atleast_1d to 3d, rot90, broadcast_to, diagonal, diag, splits, unstack, sliding_window_view |
| copies | fancy and boolean indexing, take, take_along_axis, compress, extract, concatenate, all stacks, block |
| | append, insert, delete, pad (constant, edge, reflect, symmetric, wrap), tile, repeat, resize, roll, copy |
| writes | `Z[any index] = x`, `Z[any index] += x`, copyto, fill_diagonal, put, place, putmask, put_along_axis |
| answers, plain | comparisons, argmax, argsort, nonzero, any, all, allclose, isnan, shapes, int(), astype(int) |
| stand-ins | array, asarray, zeros, ones, empty, full, eye, `*_like`, linspace, arange, copy, r_, c_ |
| | float, float64, float32, type, math; lists of traced numbers; np.testing, random.shuffle and permutation |

| refused with `Untraceable` | |
|---|---|
| leaves NumPy's protocols | a traced value put into a plain array, or given to `plain.dot`, vectorize, SciPy, pickle |
| no real floats | object and complex arrays |
| no useful derivative | round, around, rint |
| not implemented | every other function, ufunc method, padding mode and argument, by its name |

What depends on no input is constant, and goes through any function at all. Differences from NumPy: everything floating
is float64, and what is computed is C-ordered, which shows only where a reshaped result is written to.
"""

from collections.abc import Iterator
from types import EllipsisType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from torchbasics.check.tracing.box import Box, same
from torchbasics.check.tracing.frames import caller, formats
from torchbasics.check.tracing.functions import Untraceable, as_tensor
from torchbasics.check.tracing.memory import Layout, Memory, assign
from torchbasics.check.tracing.rearrange import rearrange

__all__ = ["Traced", "TracedArray", "Untraceable", "box", "plain", "tensors", "write"]

# the names that an array's method or attribute shares with a function that does something else
OTHERWISE = frozenset({"choose", "compress", "imag", "partition", "resize"})


class Traced(Box):
    """A number or, as `TracedArray`, an array that remembers how it came about; `Traced(tensor)` picks which.

    >>> x = Traced(torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True))
    >>> torch.autograd.grad(np.sum(np.exp(x) * x).tensor, x.tensor)
    (tensor([ 5.4366, 22.1672], dtype=torch.float64),)

    `isinstance` takes a number for np.float64 and an array for np.ndarray. A number is immutable, as in NumPy; an array
    may be a view that shares its memory with others.
    """

    __slots__ = ()

    def __new__(cls, tensor: Tensor, scalar: bool | None = None) -> "Traced":
        """Box a float64 `tensor`; one without axes is a number, unless `scalar` is False."""
        assert tensor.dtype == torch.float64
        return box(Memory(tensor), None, tensor.ndim == 0 if scalar is None else scalar)

    # What NumPy asks.

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from torchbasics.check.tracing.dispatch import call_ufunc

        return call_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        from torchbasics.check.tracing.dispatch import call

        return call(func, args, kwargs)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, np.dtype[Any]]:
        if self.tensor.requires_grad:
            raise Untraceable(f"{caller()} takes a plain array, and the derivative would be lost")
        array = np.asarray(self.value, dtype)
        # Whoever writes into it would expect to write into this array.
        array.flags.writeable = copy is True
        return array

    @property  # type: ignore[misc]  # isinstance asks an object for its class, and NumPy's programs ask isinstance
    def __class__(self) -> Any:
        return np.float64

    # What Python asks.

    def __float__(self) -> float:
        if self.tensor.requires_grad and not formats():
            raise Untraceable(f"{caller()} takes a plain number, and the derivative would be lost")
        return float(self.value.item())

    def __int__(self) -> int:
        return int(self.value.item())

    def __bool__(self) -> bool:
        return bool(plain(self))

    def __complex__(self) -> complex:
        raise Untraceable("complex() cannot be traced")

    def __round__(self, digits: int | None = None) -> Any:
        if self.tensor.requires_grad:
            raise Untraceable("round() cannot be traced: its derivative is 0 almost everywhere")
        return round(float(self), digits)

    def __format__(self, spec: str) -> str:
        return format(plain(self), spec)

    def __str__(self) -> str:
        return str(plain(self))

    def __repr__(self) -> str:
        return f"Traced({plain(self)!r})"

    def __copy__(self) -> "Traced":
        return self.copy()

    def __deepcopy__(self, memo: Any) -> "Traced":
        return self.copy()

    def __reduce__(self) -> Any:
        raise Untraceable("pickle cannot be traced")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or not hasattr(np.ndarray, name):
            raise AttributeError(f"an array has no attribute {name!r}", name=name, obj=self)
        function = getattr(np, name, None)
        if function is None or name in OTHERWISE:
            raise Untraceable(f"the array's .{name} cannot be traced")
        return lambda *args, **kwargs: function(self, *args, **kwargs)

    # What programs ask.

    @property
    def T(self) -> Any:
        return self.transpose()

    @property
    def real(self) -> Any:
        return self

    @property
    def flat(self) -> Any:
        """The entries in order, for loops, indices and writes."""
        if not self.layout.flags.c_contiguous:
            raise Untraceable("the .flat of an array that is not contiguous cannot be traced; use .ravel()")
        return self.reshape(-1)

    def reshape(self, *shape: Any, order: Any = "C") -> Any:
        target = shape[0] if len(shape) == 1 else shape
        return self.__array_function__(np.reshape, (), (self, target), {"order": order})

    def transpose(self, *axes: Any) -> Any:
        axes = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        return self.__array_function__(np.transpose, (), (self, axes or None), {})

    def copy(self, order: str = "C") -> "Traced":
        return Traced(self.tensor.clone(), scalar=not isinstance(self, TracedArray))

    def flatten(self, order: Any = "C") -> Any:
        return self.reshape(-1, order=order).copy()

    def astype(self, dtype: Any, *, copy: bool = True) -> Any:
        """A copy; plain if `dtype` is not floating: what is truncated has no derivative."""
        if np.dtype(dtype).kind == "f":
            return self.copy() if copy else self
        if np.dtype(dtype).kind in "biu":
            return plain(self).astype(dtype)
        raise Untraceable(f"astype({np.dtype(dtype)}) cannot be traced")

    def item(self, *index: Any) -> "Traced":
        """One entry, as a number."""
        place = self.memory.positions(self.layout).item(*index)
        return Traced(self.memory.tensor.reshape(-1)[place].clone())

    def tolist(self) -> Any:
        """Nested lists of numbers."""
        return [row.tolist() for row in self] if isinstance(self, TracedArray) and self.ndim else self.item()


class TracedArray(Traced):
    """A `Traced` with entries.

    It is a class of its own because a traced number must not look like a sequence: NumPy would then report its refusal
    to be written into a plain array as something else.
    """

    __slots__ = ()

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return np.ndarray

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __contains__(self, entry: Any) -> bool:
        return bool(np.any(self == entry))

    def __getitem__(self, key: Any) -> Any:
        keys = key if isinstance(key, tuple) else (key,)
        if not _basic(keys):
            return Traced(rearrange(lambda a: a[plain(key)], [self.tensor], {}))
        if any(part is Ellipsis for part in keys):
            return box(self.memory, self.layout[key])
        layout = self.layout[(*keys, ...)]
        # A number that is taken out of an array no longer changes with it.
        return box(self.memory, layout) if layout.ndim else Traced(self.memory.read(layout))

    def __setitem__(self, key: Any, value: Any) -> None:
        keys = key if isinstance(key, tuple) else (key,)
        if not self.layout.flags.writeable:
            raise ValueError("assignment destination is read-only")
        values = as_tensor(tensors(value))
        if not _basic(keys):
            positions = self.memory.positions(self.layout)[plain(key)]
            return assign(self.memory, positions, _fitted(values, positions.ndim))
        target = box(self.memory, self.layout[key if any(part is Ellipsis for part in keys) else (*keys, ...)])
        # Z[i] += x ends by writing Z[i], which it has changed already, into itself.
        if not (isinstance(value, Traced) and value.memory is self.memory and same(value.layout, target.layout)):
            write(target, values)
        return None

    def fill(self, value: Any) -> None:
        """Write `value` everywhere."""
        self[...] = value

    def sort(self, axis: int = -1) -> None:
        """Sort in place."""
        self[...] = np.sort(self, axis)


def box(memory: Memory, layout: Layout | None, scalar: bool = False) -> Traced:
    """Box what `layout` sees of `memory`; all of it if None."""
    traced: Traced = object.__new__(Traced if scalar else TracedArray)
    traced.memory = memory
    whole = layout is None or (layout.flags.writeable and same(layout, memory.layout))
    traced._layout = None if whole else layout
    traced._seen = None
    return traced


def tensors(value: Any) -> Any:
    """`value` with tensors for what is traced in it, in nested lists, tuples and dictionaries."""
    if isinstance(value, Traced):
        return value.tensor
    if type(value) in (list, tuple):
        return type(value)(tensors(entry) for entry in value)
    return {key: tensors(entry) for key, entry in value.items()} if type(value) is dict else value


def plain(value: Any) -> Any:
    """`value` with read-only plain arrays and numbers for what is traced in it."""
    if isinstance(value, TracedArray):
        array = value.tensor.detach().numpy().view()
        array.flags.writeable = False
        return array
    if isinstance(value, Traced):
        return value.tensor.detach().numpy()[()]
    if type(value) in (list, tuple):
        return type(value)(plain(entry) for entry in value)
    return {key: plain(entry) for key, entry in value.items()} if type(value) is dict else value


def _basic(keys: tuple[Any, ...]) -> bool:
    """Whether NumPy indexes with `keys` by strides alone."""
    kinds = (int, np.integer, slice, EllipsisType)
    return all(part is None or (isinstance(part, kinds) and not isinstance(part, bool)) for part in keys)


def _fitted(values: Tensor, ndim: int) -> Tensor:
    """`values` without the leading axes of length 1 that NumPy lets pass in an assignment."""
    while values.ndim > ndim and values.shape[0] == 1:
        values = values[0]
    return values


def write(target: Traced, values: Tensor) -> None:
    """target[...] = values."""
    if not target.layout.flags.writeable:
        raise ValueError("assignment destination is read-only")
    values = _fitted(values, target.ndim)
    if target._layout is None:
        target.memory.set(values.expand(target.shape).clone())
    else:
        target.memory.write(target._layout, values)
