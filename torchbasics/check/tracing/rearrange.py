"""NumPy's functions that move entries about: NumPy itself runs them on positions, and the values follow.

Every entry of the data gets an integer, its position in a pool that opens with the constant 0 (so zero padding and the
zeros of `np.diag` need no rule). NumPy's result is then an array of positions, and pool[positions] is the result: its
broadcasting, its index arithmetic and its order of writes are NumPy's own.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from torchbasics.check.tracing.functions import Untraceable, as_tensor

# function: which arguments are data, by position and name; the others are indices, counts, conditions
REARRANGE: dict[Any, dict[int, str]] = {
    np.concatenate: {0: "arrays"},
    np.stack: {0: "arrays"},
    np.vstack: {0: "tup"},
    np.hstack: {0: "tup"},
    np.dstack: {0: "tup"},
    np.column_stack: {0: "tup"},
    np.block: {0: "arrays"},
    np.append: {0: "arr", 1: "values"},
    np.insert: {0: "arr", 2: "values"},
    np.delete: {0: "arr"},
    np.pad: {0: "array"},
    np.tile: {0: "A"},
    np.repeat: {0: "a"},
    np.resize: {0: "a"},
    np.roll: {0: "a"},
    np.take: {0: "a"},
    np.take_along_axis: {0: "arr"},
    np.compress: {1: "a"},
    np.extract: {1: "arr"},
    np.choose: {1: "choices"},
    np.select: {1: "choicelist", 2: "default"},
    np.tril: {0: "m"},
    np.triu: {0: "m"},
    np.diagflat: {0: "v"},
    np.copy: {0: "a"},
    np.random.permutation: {0: "x"},
}

# functions that overwrite their first argument
OVERWRITE: dict[Any, dict[int, str]] = {
    np.copyto: {0: "dst", 1: "src"},
    np.fill_diagonal: {0: "a", 1: "val"},
    np.place: {0: "arr", 2: "vals"},
    np.put: {0: "a", 2: "v"},
    np.put_along_axis: {0: "arr", 2: "values"},
    np.putmask: {0: "a", 2: "values"},
    np.random.shuffle: {0: "x"},
}

# functions of one array that return views of it, or copies where no strides can say it
VIEWS = frozenset(
    {
        np.reshape,
        np.ravel,
        np.transpose,
        np.matrix_transpose,
        np.swapaxes,
        np.moveaxis,
        np.rollaxis,
        np.squeeze,
        np.expand_dims,
        np.atleast_1d,
        np.atleast_2d,
        np.atleast_3d,
        np.flip,
        np.fliplr,
        np.flipud,
        np.rot90,
        np.broadcast_to,
        np.diag,
        np.diagonal,
        np.split,
        np.array_split,
        np.hsplit,
        np.vsplit,
        np.dsplit,
        # NumPy 2.0 has none.
        *([np.unstack] if hasattr(np, "unstack") else []),
        np.real,
        np.lib.stride_tricks.sliding_window_view,
    }
)


class Pool:
    """The values of all data arguments, flat, after the constant 0."""

    def __init__(self) -> None:
        self.tensors = [torch.zeros(1, dtype=torch.float64)]
        self.size = 1

    def positions(self, data: Any) -> Any:
        """Take in `data`, an array, number or nested list; return the same structure with positions for values."""
        if isinstance(data, list | tuple):
            return [self.positions(entry) for entry in data]
        tensor = as_tensor(data)
        start, self.size = self.size, self.size + tensor.numel()
        self.tensors.append(tensor.reshape(-1))
        return np.arange(start, self.size).reshape(tensor.shape)

    def values(self, positions: Any) -> Any:
        """The values at `positions`, an integer array or a list of them."""
        if isinstance(positions, list | tuple):
            return [self.values(part) for part in positions]
        positions = np.asarray(positions)
        assert positions.dtype.kind == "i"
        if len(self.tensors) == 2:
            pool, flat = self.tensors[1], positions.reshape(-1) - 1
            if flat.size == 0 or flat.min() >= 0:
                return pool.index_select(0, torch.from_numpy(flat)).reshape(positions.shape)
        flat = torch.from_numpy(np.ascontiguousarray(positions.reshape(-1)))
        return torch.cat(self.tensors).index_select(0, flat).reshape(positions.shape)


def rearrange(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], data: Mapping[int, str] = {0: "a"}
) -> Any:
    """`function(*args, **kwargs)`, which only moves entries of its `data` arguments; tensors for traced arrays.

    Raises `Untraceable` for a mode of `np.pad` that computes new values.
    """
    if function is np.pad:
        args, kwargs, data = _padding(*args, **kwargs)
    pool = Pool()
    names = set(data.values())
    positions = [pool.positions(value) if i in data else _plain(value) for i, value in enumerate(args)]
    named = {key: pool.positions(value) if key in names else _plain(value) for key, value in kwargs.items()}
    result = function(*positions, **named)
    return pool.values(positions[0] if function in OVERWRITE else result)


def _plain(value: Any) -> Any:
    """An index, a count or a condition: no derivative goes through it."""
    return value.detach().numpy() if isinstance(value, Tensor) else value


def _padding(
    array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any
) -> tuple[Sequence[Any], Mapping[str, Any], Mapping[int, str]]:
    if mode not in ("constant", "edge", "reflect", "symmetric", "wrap", "empty"):
        raise Untraceable(f"np.pad with mode {mode!r} cannot be traced; constant, edge, reflect, symmetric, wrap can")
    if kwargs.pop("reflect_type", "even") != "even":
        raise Untraceable("np.pad with reflect_type='odd' cannot be traced; 'even' can")
    return (array, pad_width, mode), kwargs, {0: "array", 3: "constant_values"}
