"""What a traced array holds: memory, its view of it, and what of that needs no knowledge of NumPy's functions."""

import math
from typing import Any

import numpy as np
from torch import Tensor

from torchbasics.check.tracing.memory import Layout, Memory


class Box(np.lib.mixins.NDArrayOperatorsMixin):
    """Values on autograd's record, and their shape. The mixin makes every operator a ufunc."""

    __slots__ = ("__weakref__", "_layout", "_seen", "memory")
    memory: Memory
    _layout: Layout | None
    """None for the whole memory."""
    _seen: tuple[int, Tensor] | None
    """What was last read through the layout, and the memory's version then."""

    @property
    def tensor(self) -> Tensor:
        """The current values, on autograd's record; the very tensor that was boxed, unless written to since."""
        if self._layout is None:
            return self.memory.tensor
        if self._seen is None or self._seen[0] != self.memory.version:
            self._seen = (self.memory.version, self.memory.read(self._layout))
        return self._seen[1]

    @property
    def value(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """The current values, a copy without record."""
        return np.array(self.tensor.detach().numpy())

    def replace(self, tensor: Tensor) -> None:
        """Put `tensor`, of equal shape, in the place of the current values, for all views."""
        assert tensor.shape == self.tensor.shape
        assert tensor.dtype == self.tensor.dtype
        if self._layout is None:
            self.memory.set(tensor)
        else:
            self.memory.write(self._layout, tensor)

    @property
    def layout(self) -> Layout:
        """Shape, strides and place in the memory."""
        return self.memory.layout if self._layout is None else self._layout

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.memory.tensor.shape) if self._layout is None else self._layout.shape

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def dtype(self) -> Any:
        return np.dtype(np.float64)

    @property
    def strides(self) -> tuple[int, ...]:
        return tuple(8 * stride for stride in self.layout.strides)

    @property
    def itemsize(self) -> int:
        return 8

    @property
    def nbytes(self) -> int:
        return 8 * self.size


def same(a: Layout, b: Layout) -> bool:
    """Whether two layouts see the same entries in the same order."""
    place = a.__array_interface__["data"] == b.__array_interface__["data"]
    return place and a.shape == b.shape and a.strides == b.strides
