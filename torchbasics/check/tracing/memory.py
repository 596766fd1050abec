"""What an array and all its views share: one torch tensor that is replaced, never changed, when any of them is written.

NumPy decides which operation gives a view: it is tried on a `layout`, an array of bytes that nobody reads or writes, of
the same shape and strides. A view is then an offset and strides into the memory, as in NumPy. No tensor that autograd
has recorded is ever changed in place.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

Layout = np.ndarray[Any, np.dtype[np.int8]]


class Memory:
    """The current values of an array (`tensor`), and how often they were replaced (`version`)."""

    __slots__ = ("_layout", "tensor", "version")

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        self.version = 0
        self._layout: Layout | None = None

    @property
    def layout(self) -> Layout:
        """The whole memory's layout, in C order."""
        if self._layout is None:
            self._layout = np.empty(tuple(self.tensor.shape), np.int8)
        return self._layout

    def set(self, tensor: Tensor) -> None:
        """Replace all values."""
        self.tensor = tensor
        self.version += 1

    def read(self, layout: Layout) -> Tensor:
        """The values that `layout`, a view of the memory's, sees."""
        flat = self.tensor.reshape(-1)
        if layout.size == 0:
            return flat[:0].view(layout.shape)
        whole = _permutation(layout) if layout.size == flat.numel() else None
        if whole is not None:
            # A transposition's backward is free, as_strided's allocates.
            inverse = [whole.index(d) for d in range(layout.ndim)]
            return flat.view([layout.shape[d] for d in whole]).permute(inverse)
        view, flipped = self._strided(flat, layout)
        return view.flip(flipped) if flipped else view

    def write(self, layout: Layout, values: Tensor) -> None:
        """Overwrite what `layout` sees with `values`, which broadcast."""
        if layout.size == 0:
            return
        flat = self.tensor.reshape(-1).clone()
        view, flipped = self._strided(flat, layout)
        values = values.expand(layout.shape)
        view.copy_(values.flip(flipped) if flipped else values)
        self.set(flat.view(self.tensor.shape))

    def positions(self, layout: Layout) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The flat position in the memory of every entry that `layout` sees; read only."""
        if layout.size == 0:
            return np.empty(layout.shape, np.int64)
        every = np.arange(self.tensor.numel())
        strides = tuple(8 * stride for stride in layout.strides)
        return np.ndarray(layout.shape, np.int64, every.data, 8 * self._offset(layout), strides)

    def _offset(self, layout: Layout) -> int:
        return _address(layout) - _address(self.layout)

    def _strided(self, flat: Tensor, layout: Layout) -> tuple[Tensor, list[int]]:
        """`flat` as `layout` sees it but for the axes that it walks backward, and those axes."""
        flipped = [d for d in range(layout.ndim) if layout.strides[d] < 0]
        offset = self._offset(layout) + sum(layout.strides[d] * (layout.shape[d] - 1) for d in flipped)
        strides = [abs(stride) for stride in layout.strides]
        return flat.as_strided(layout.shape, strides, flat.storage_offset() + offset), flipped


def _address(layout: Layout) -> int:
    address: int = layout.__array_interface__["data"][0]
    return address


def _permutation(layout: Layout) -> list[int] | None:
    """The order of axes in which `layout` is C-contiguous, if there is one."""
    order = sorted(range(layout.ndim), key=lambda d: (-layout.strides[d], d))
    expected = 1
    for d in reversed(order):
        if layout.shape[d] != 1:
            if layout.strides[d] != expected:
                return None
            expected *= layout.shape[d]
    return order


def assign(memory: Memory, positions: np.ndarray[Any, np.dtype[np.int64]], values: Tensor) -> None:
    """Write `values` at flat `positions` one after the other, as NumPy does: of repeated ones the last stays."""
    values = values.expand(positions.shape).reshape(-1)
    writer = np.full(memory.tensor.numel(), -1)
    writer[positions.reshape(-1)] = np.arange(positions.size)
    written = np.flatnonzero(writer >= 0)
    chosen = values[torch.from_numpy(writer[written])]
    flat = memory.tensor.reshape(-1).index_put((torch.from_numpy(written),), chosen)
    memory.set(flat.view(memory.tensor.shape))


def accumulate(memory: Memory, positions: np.ndarray[Any, np.dtype[np.int64]], values: Tensor) -> None:
    """Add `values` at flat `positions`, repeated ones as often as they come."""
    index = torch.from_numpy(np.ascontiguousarray(positions).reshape(-1))
    values = values.expand(positions.shape).reshape(-1)
    flat = memory.tensor.reshape(-1).index_put((index,), values, accumulate=True)
    memory.set(flat.view(memory.tensor.shape))
