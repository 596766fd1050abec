"""Windows over padded images: a convolution and its pulls in the canonical layout, and users' layouts.

Legend: the canonical form is X (m, C_prev, H, W), K (C, C_prev, f, g), Z (m, C, H', W'), one window per entry of Z at
multiples of the stride in the padded X; users have channels last, first or none.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from torchbasics.check.step import Array


@dataclass(frozen=True)
class Layout:
    """Where the user's axes are in the canonical form; None is an axis that the user hasn't got."""

    X: tuple[int | None, ...]
    K: tuple[int | None, ...]
    Z: tuple[int | None, ...]


LAYOUTS = (
    Layout((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2)),
    Layout((0, 1, 2, 3), (0, 1, 2, 3), (0, 1, 2, 3)),
    Layout((0, None, 1, 2), (0, None, 1, 2), (0, 1, 2, 3)),
)


def canonical(value: Array, axes: tuple[int | None, ...]) -> Array:
    """The value with its axes in the canonical order, unit axes where it has none."""
    present = [axis for axis in axes if axis is not None]
    moved = value.transpose(present)
    return np.asarray(moved[tuple(slice(None) if axis is not None else None for axis in axes)])


def stored(value: Array, axes: tuple[int | None, ...]) -> Array:
    """The inverse of `canonical`."""
    squeezed = value[tuple(slice(None) if axis is not None else 0 for axis in axes)]
    return np.asarray(squeezed.transpose(np.argsort([axis for axis in axes if axis is not None])))


@dataclass(frozen=True)
class Convolution:
    """Z = K * X + b in the canonical form."""

    X: Array
    K: Array
    stride: int
    pad: int
    shape: tuple[int, ...]
    """Of Z."""

    @property
    def padded(self) -> Array:
        """X with zeros around it."""
        return np.pad(self.X, ((0, 0), (0, 0), (self.pad, self.pad), (self.pad, self.pad)))

    def windows(self, step: int | None = None, shift: int = 0) -> Array:
        """(m, C_prev, H', W', f, g); `step` and `shift` place them as a mistaken loop does."""
        step = step or self.stride
        views = sliding_window_view(self.padded, self.K.shape[2:], axis=(2, 3))
        H, W = self.shape[2:]
        return np.asarray(views[:, :, shift::step, shift::step][:, :, :H, :W])

    def forward(self) -> Array:
        """Z without the bias."""
        return np.asarray(np.einsum("nchwij,fcij->nfhw", self.windows(), self.K))

    def to_K(self, G: Array, windows: Array | None = None) -> Array:
        """The sum over all windows of dZ times the window."""
        windows = self.windows() if windows is None else windows
        H, W = windows.shape[2:4]
        return np.asarray(np.einsum("nchwij,nfhw->fcij", windows, G[:, :, :H, :W]))

    def spread(self, G: Array, K: Array, step: int | None = None) -> Array:
        """The gradient of the padded X: every window's K dZ added where the window was."""
        step = step or self.stride
        padded = np.zeros((*self.X.shape[:2], *self.padded.shape[2:]))
        for h, w in np.ndindex(*self.shape[2:]):
            top, left = h * step, w * step
            window = padded[:, :, top : top + K.shape[2], left : left + K.shape[3]]
            window += np.einsum("nf,fcij->ncij", G[:, :, h, w], K)
        return padded

    def overwritten(self, G: Array, K: Array) -> Array:
        """The same with = for +=."""
        padded = np.zeros((*self.X.shape[:2], *self.padded.shape[2:]))
        for h, w in np.ndindex(*self.shape[2:]):
            top, left = h * self.stride, w * self.stride
            term = np.einsum("nf,fcij->ncij", G[:, :, h, w], K)
            padded[:, :, top : top + K.shape[2], left : left + K.shape[3]] = term
        return padded

    def crop(self, padded: Array, top: int | None = None) -> Array:
        """The part of the padded gradient that is X's; `top` cuts it as a mistaken slice does."""
        top = self.pad if top is None else top
        return np.asarray(padded[:, :, top : top + self.X.shape[2], top : top + self.X.shape[3]])


def borders(H: int, W: int) -> Iterator[tuple[str, Array]]:
    """Masks that leave a border of H by W windows out, as a loop with a wrong range does."""
    rows, columns = np.arange(H)[:, None], np.arange(W)[None, :]
    everywhere = np.ones((H, W))
    yield "last row and column", (rows < H - 1) * (columns < W - 1) * everywhere
    yield "last row", (rows < H - 1) * everywhere
    yield "last column", (columns < W - 1) * everywhere
    yield "first row and column", (rows > 0) * (columns > 0) * everywhere
