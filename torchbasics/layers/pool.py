r"""Pooling: one number for each window of an image, in every channel by itself. There is nothing to learn in it.

Legend: m examples of n_C channels; images of n_H_prev by n_W_prev pixels in and n_H by n_W out; windows of f by f
pixels (`kernel`), s apart (`stride`), over images with p pixels of padding on every side (`padding`).

| symbol | shape |
|---|---|
| A_prev, dA_prev | (n_C, n_H_prev, n_W_prev, m) |
| A, dA | (n_C, n_H, n_W, m) |

The window of $a_{hw}$ has its top left corner at row $s h - p$ and column $s w - p$, and

$$n_H = \Big\lfloor \frac{n_{H,prev} + 2p - f}{s} \Big\rfloor + 1, \qquad n_W \text{ likewise}.$$

With `ceil_mode` it is rounded up instead: what is left over at the end has a window of its own, which reaches over the
edge. As in torch there is none that would begin in the padding at the end.

Source: course 4, week 1, "Pooling layers", and the assignment's create_mask_from_window and distribute_value.
"""

from abc import abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from torchbasics.errors import InputError
from torchbasics.layers.base import Layer
from torchbasics.notation import examples_first, examples_last


class _Pool(Layer):
    """What the poolings share: the shape of A_prev, and how it lies in memory."""

    symbol = "A"
    shape: torch.Size
    channels_last: bool

    def _examples(self, A_prev: Tensor) -> Float[Tensor, "m n_C n_H_prev n_W_prev"]:
        """A_prev with the examples first, once it has turned out to be images; backward needs no more than its form."""
        if A_prev.ndim != 4 or 0 in A_prev.shape[:3]:
            raise InputError(
                f"{self} got A_prev of shape {tuple(A_prev.shape)}, expected (n_C, n_H_prev, n_W_prev, m): "
                "channels, rows and columns of images, 1 or more of each, and the examples last"
            )
        X = examples_first(A_prev)
        channels_last = X.is_contiguous(memory_format=torch.channels_last) and not X.is_contiguous()
        self.shape, self.channels_last = X.shape, channels_last
        return X


class _Windows(_Pool):
    """What the poolings with windows of one size share."""

    def __init__(self, kernel: int, stride: int | None = None, padding: int = 0, ceil_mode: bool = False) -> None:
        super().__init__()
        stride = kernel if stride is None else stride
        self.kernel, self.stride, self.padding, self.ceil_mode = kernel, stride, padding, ceil_mode
        for name, value in (("kernel", kernel), ("stride", stride)):
            if value < 1:
                raise InputError(f"{self} got {name} {value}, expected 1 or more")
        if not 0 <= padding <= kernel // 2:
            raise InputError(
                f"{self} got padding {padding}, expected 0 to {kernel // 2}, half the kernel: "
                "no window may hold nothing but padding"
            )

    def _examples(self, A_prev: Tensor) -> Float[Tensor, "m n_C n_H_prev n_W_prev"]:
        """The same, once there has turned out to be room for a window."""
        X = super()._examples(A_prev)
        for name, size in (("rows", X.shape[2]), ("columns", X.shape[3])):
            overhang = self.stride - 1 if self.ceil_mode else 0
            if size + 2 * self.padding + overhang < self.kernel:
                raise InputError(
                    f"{self} got A_prev of shape {tuple(A_prev.shape)}: its {size} {name} and 2 x {self.padding} of "
                    f"padding hold no window of {self.kernel}; take a smaller kernel, or pool less before"
                )
        return X

    def extra_repr(self) -> str:
        """The window, as `print(network)` shows it."""
        ceil_mode = ", ceil_mode=True" if self.ceil_mode else ""
        return f"kernel={self.kernel}, stride={self.stride}, padding={self.padding}{ceil_mode}"


class MaxPool2d(_Windows):
    r"""A = the largest number of each window.

    $$a_{hw} = \max_{(i,j)\,\in\,\text{window } hw} a_{prev,ij}, \qquad
      \frac{\partial a_{hw}}{\partial a_{prev,ij}} = 1 \text{ at the maximum, 0 elsewhere},$$

    so that each dA goes to the place of its window's maximum, and where windows overlap a place may receive several:

    $$dA_{prev,ij} = \sum_{hw:\ \text{its maximum is at } ij} dA_{hw}.$$

    Of equal maxima the first takes it all, row by row, as in torch. The course's mask x == max(x) gives the whole dA to
    each of them, k times what came in where k are equal; after a ReLU, windows of zeros are common. Padding is never
    the maximum. A NaN always is, the last one where there are several.

    Raises `InputError` for a window that can't be, for what isn't images, and for images without room for a window.

    >>> layer = MaxPool2d(kernel=2)
    >>> layer(torch.arange(16.0).view(1, 4, 4, 1)).squeeze()
    tensor([[ 5.,  7.],
            [13., 15.]])
    """

    places: Tensor

    def forward(self, A_prev: Float[Tensor, "..."]) -> Float[Tensor, "n_C n_H n_W m"]:
        """A = the maximum of each window, whose place is kept."""
        X = self._examples(A_prev)
        _, n_C, n_H_prev, n_W_prev = X.shape
        A, places = nn.functional.max_pool2d(
            X, self.kernel, self.stride, self.padding, ceil_mode=self.ceil_mode, return_indices=True
        )
        # torch counts places within each channel; here they count within an example, as it lies in memory.
        channel = torch.arange(n_C, device=X.device).view(n_C, 1, 1)
        if self.channels_last:
            torch.add(channel, places, alpha=n_C, out=places)
        else:
            places.add_(channel * (n_H_prev * n_W_prev))
        self.places = self._rows(places)
        return examples_last(A)

    def backward(self, dA: Float[Tensor, "n_C n_H n_W m"]) -> Float[Tensor, "n_C n_H_prev n_W_prev m"]:
        """dA_prev = dA, added up at the places of the maxima; 0 elsewhere."""
        m, n_C, n_H_prev, n_W_prev = self.shape
        rows = self._added(self._rows(examples_first(dA)), n_C * n_H_prev * n_W_prev)
        if self.channels_last:
            return rows.view(m, n_H_prev, n_W_prev, n_C).permute(3, 1, 2, 0)
        return examples_last(rows.view(self.shape))

    def twin(self) -> nn.MaxPool2d:
        """`nn.MaxPool2d` with the same windows."""
        return nn.MaxPool2d(self.kernel, self.stride, self.padding, ceil_mode=self.ceil_mode)

    def _rows(self, A: Tensor) -> Tensor:
        """(m, n_C, n_H, n_W) -> (m, n_C n_H n_W), in the order in which A_prev lies in memory: one row per example."""
        return (A.permute(0, 2, 3, 1) if self.channels_last else A).flatten(1)

    def _added(self, values: Float[Tensor, "m n"], size: int) -> Float[Tensor, "m size"]:
        """Rows of zeros to which the values are added at the maxima's places."""
        rows = values.new_empty(len(values), size)
        for some_rows, places, some_values in _in_parts(rows, self.places, values):
            some_rows.zero_().scatter_add_(1, places, some_values)
        return rows


class _Axis(NamedTuple):
    """How the windows lie along the rows, or along the columns.

    With `pairs` of (pixels, windows), the two equally many or one of them single, every pixel meets every window that
    it is in once.
    """

    pairs: list[tuple[slice, slice]]
    lengths: list[int]
    """What each window's sum is divided by."""


class _Average(_Pool):
    """What the averages share: each pixel of a window gets an equal part of the window's dA."""

    @abstractmethod
    def _axis(self, size: int, n: int) -> _Axis:
        """How n windows lie along an axis of so many pixels."""

    def backward(self, dA: Float[Tensor, "n_C n_H n_W m"]) -> Float[Tensor, "n_C n_H_prev n_W_prev m"]:
        """dA_prev = the sum of dA / (pixels of the window) over the windows that a pixel is in."""
        _, _, n_H_prev, n_W_prev = self.shape
        _, n_H, n_W, _ = dA.shape
        rows, columns = self._axis(n_H_prev, n_H), self._axis(n_W_prev, n_W)
        pixels = dA.new_tensor(rows.lengths).unsqueeze(1) * dA.new_tensor(columns.lengths)
        dA_first, dA_prev = examples_first(dA), self._room(dA, self.shape)
        for some_dA_prev, some_dA in _in_parts(dA_prev, dA_first):
            # A window's pixels are its rows times its columns: first to the columns, then to the rows.
            wide = _distribute(some_dA / pixels, columns, self._room(dA, (*some_dA.shape[:3], n_W_prev)))
            _distribute(wide.transpose(2, 3), rows, some_dA_prev.transpose(2, 3))
        return examples_last(dA_prev)

    def _room(self, dA: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Uninitialised, in the order of A_prev in memory."""
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        return torch.empty(shape, dtype=dA.dtype, device=dA.device, memory_format=layout)


class AvgPool2d(_Windows, _Average):
    r"""A = the mean of each window.

    $$a_{hw} = \frac1{f^2} \sum_{(i,j)\,\in\,\text{window } hw} a_{prev,ij}, \qquad
      dA_{prev,ij} = \frac1{f^2} \sum_{hw:\ ij\,\in\,\text{window } hw} dA_{hw}.$$

    Padding counts as zeros that are averaged with the rest, as it does in torch unless count_include_pad=False. What a
    window of `ceil_mode` has beyond the padding doesn't count: its mean is over the f^2 less those.

    Raises `InputError` for a window that can't be, for what isn't images, and for images without room for a window.

    >>> layer = AvgPool2d(kernel=2)
    >>> layer(torch.arange(16.0).view(1, 4, 4, 1)).squeeze()
    tensor([[ 2.5000,  4.5000],
            [10.5000, 12.5000]])
    """

    def forward(self, A_prev: Float[Tensor, "..."]) -> Float[Tensor, "n_C n_H n_W m"]:
        """A = the mean of each window."""
        X = self._examples(A_prev)
        return examples_last(nn.functional.avg_pool2d(X, self.kernel, self.stride, self.padding, self.ceil_mode))

    def _axis(self, size: int, n: int) -> _Axis:
        """Windows of f pixels, s apart, the first of them beginning in the padding."""
        return _regular(size, n, self.kernel, self.stride, self.padding)

    def twin(self) -> nn.AvgPool2d:
        """`nn.AvgPool2d` with the same windows."""
        return nn.AvgPool2d(self.kernel, self.stride, self.padding, ceil_mode=self.ceil_mode)


class AdaptiveAvgPool2d(_Average):
    r"""A = the means of n_H by n_W windows that share the image out, whatever its size; 1 by 1 averages all of it.

    Window h has the rows from $\lfloor h\,n_{H,prev}/n_H\rfloor$ to before $\lceil (h+1)\,n_{H,prev}/n_H\rceil$,
    $f_h$ of them, and likewise the columns, $f_w$ of them. Where n_H doesn't divide n_H_prev they overlap.

    $$a_{hw} = \frac1{f_h f_w} \sum_{(i,j)\,\in\,\text{window } hw} a_{prev,ij}, \qquad
      dA_{prev,ij} = \sum_{hw:\ ij\,\in\,\text{window } hw} \frac{dA_{hw}}{f_h f_w}.$$

    Raises `InputError` for an empty output and for what isn't images.

    >>> layer = AdaptiveAvgPool2d(n_H=1, n_W=2)
    >>> layer(torch.arange(16.0).view(1, 4, 4, 1)).squeeze()
    tensor([6.5000, 8.5000])
    """

    def __init__(self, n_H: int, n_W: int) -> None:
        super().__init__()
        self.n_H, self.n_W = n_H, n_W
        if min(n_H, n_W) < 1:
            raise InputError(f"{self} gives images of {n_H} by {n_W} pixels, expected 1 or more of both")

    def forward(self, A_prev: Float[Tensor, "..."]) -> Float[Tensor, "n_C n_H n_W m"]:
        """A = the mean of each window."""
        return examples_last(nn.functional.adaptive_avg_pool2d(self._examples(A_prev), (self.n_H, self.n_W)))

    def _axis(self, size: int, n: int) -> _Axis:
        """Windows that begin at every n-th part of the pixels, and end where the next one begins or just behind."""
        # Each pair is a pass over memory: one for each pixel of windows all alike, or one for each of the windows.
        if size % n == 0 and size // n <= n:
            return _regular(size, n, size // n, size // n, 0)
        starts, ends = [h * size // n for h in range(n)], [-(-(h + 1) * size // n) for h in range(n)]
        pairs = [(slice(starts[h], ends[h]), slice(h, h + 1)) for h in range(n)]
        return _Axis(pairs, [ends[h] - starts[h] for h in range(n)])

    def twin(self) -> nn.AdaptiveAvgPool2d:
        """`nn.AdaptiveAvgPool2d` of the same size."""
        return nn.AdaptiveAvgPool2d((self.n_H, self.n_W))

    def extra_repr(self) -> str:
        """The size of what comes out, as `print(network)` shows it."""
        return f"n_H={self.n_H}, n_W={self.n_W}"


def _regular(size: int, n: int, f: int, s: int, p: int) -> _Axis:
    """n windows of f pixels, s apart, the first of them beginning p before the first pixel."""
    pairs = []
    for k in range(f):
        # The k-th pixel of window h is s h + k - p: of which windows is it in the image?
        first, last = max(0, -((k - p) // s)), min(n - 1, (size - 1 + p - k) // s)
        if first <= last:
            pairs.append((slice(s * first + k - p, s * last + k - p + 1, s), slice(first, last + 1)))
    return _Axis(pairs, [min(f, size + 2 * p - s * h) for h in range(n)])


def _distribute(shares: Tensor, axis: _Axis, to: Tensor) -> Tensor:
    """Write to each place on the last axis the sum of the shares of the windows that it is in."""
    to.zero_()
    for places, windows in axis.pairs:
        to[..., places].add_(shares[..., windows])
    return to


def _in_parts(dA_prev: Tensor, *others: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The same examples of each of them, a few at a time."""
    count = _at_a_time(dA_prev)
    return zip(*(one.split(count) for one in (dA_prev, *others)), strict=True)


def _at_a_time(dA_prev: Tensor) -> int:
    """Over how many examples to make all passes of a backward before the next ones."""
    if dA_prev.device.type != "cpu":
        return max(1, len(dA_prev))
    # 1 MiB of float32 stays in a CPU's caches from one pass to the next.
    return max(1, 2**18 // dA_prev.shape[1:].numel())
