r"""Convolutions: a window of weights slides over images or sequences, the same weights at every place.

Legend: m examples; n_C_prev channels in, n_C out; windows of f_H by f_W pixels (`kernel`).

| symbol | Conv2d | ConvTranspose2d | Conv1d |
|---|---|---|---|
| W, dW | (n_C, n_C_prev / groups, f_H, f_W) | (n_C_prev, n_C / groups, f_H, f_W) | (n_C, n_C_prev / groups, f) |
| b, db | (n_C, 1, 1, 1) | (n_C, 1, 1, 1) | (n_C, 1, 1) |
| A_prev, dA_prev | (n_C_prev, n_H_prev, n_W_prev, m) | (n_C_prev, n_H_prev, n_W_prev, m) | (n_C_prev, T_prev, m) |
| Z, dZ | (n_C, n_H, n_W, m) | (n_C, n_H, n_W, m) | (n_C, T, m) |

As in the notes the window isn't flipped, which mathematicians call cross-correlation. `stride` is how far it moves from
one place to the next, `padding` how many rows and columns of zeros go around the image, `dilation` how far apart the
pixels under it are; of images each is one number or a pair (height, width). `groups` splits the channels into as many
layers side by side, each with its share of n_C_prev and n_C. Below one another an image has room for

$$n_H = \Big\lfloor \frac{n_{H,prev} + 2\,padding - dilation\,(f_H - 1) - 1}{stride} \Big\rfloor + 1$$

windows, and beside one another for n_W likewise.

Source: course 4, week 1, "Convolutional model, step by step" (conv_forward and conv_backward, where images are
(m, H, W, C) and W is (f, f, n_C_prev, n_C)).
"""

from collections.abc import Callable, Iterator
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from torchbasics.errors import InputError
from torchbasics.layers.base import Layer, parameter
from torchbasics.notation import examples_first, examples_last

Pair = tuple[int, int]
Size = int | Pair
"""One number for both, or a pair (height, width)."""

# dW is summed up in blocks of at most so many numbers, of the images or of columns: they stay in the cache of a core.
# On another device blocks are as large as memory easily holds, for it is their number that takes time there.
IMAGES = 100_000
COLUMNS = 250_000
COLUMNS_ELSEWHERE = 50_000_000
# From so many weights per output on, a convolution by oneDNN is faster than products, though it reorders dZ first.
MANY_WEIGHTS = 64
# Products are slow whose rows are shorter than what a core multiplies at a time.
SHORT = 16


class Window(NamedTuple):
    """How a window slides over images; a sequence is an image of height 1."""

    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    groups: int

    @property
    def extent(self) -> Pair:
        """The rows and columns from the first pixel under the window to the last."""
        (f_H, f_W), (d_H, d_W) = self.kernel, self.dilation
        return d_H * (f_H - 1) + 1, d_W * (f_W - 1) + 1

    def leftover(self, images: Tensor, Z: Tensor) -> Pair:
        """The last rows and columns of the padded images (m, C, H, W) that no window reaches, one for each of Z."""
        axes = zip(images.shape[2:], self.padding, Z.shape[2:], self.stride, self.extent, strict=True)
        rows, columns = (size + 2 * p - s * (places - 1) - extent for size, p, places, s, extent in axes)
        return rows, columns


class _Convolution(Layer):
    """What convolutions share: their settings, and what they take."""

    symbol = "Z"
    twin_names: ClassVar[dict[str, str]] = {"W": "weight", "b": "bias"}
    axes: ClassVar[tuple[str, ...]] = ("H", "W")
    images: Tensor

    def __init__(self, n_C_prev: int, n_C: int, window: Window, output_padding: Pair = (0, 0)) -> None:
        super().__init__()
        self.n_C_prev, self.n_C, self.window, self.output_padding = n_C_prev, n_C, window, output_padding
        for name, size in self._settings().items():
            smallest = 0 if "padding" in name else 1
            if min(_pair(size)) < smallest:
                raise InputError(f"{self} got {name} {size}, expected {smallest} or more")
        if n_C_prev % window.groups or n_C % window.groups:
            raise InputError(
                f"{self} got groups {window.groups}, expected a divisor of n_C_prev {n_C_prev} and of n_C {n_C}: "
                "all groups have equally many channels"
            )

    def _take(self, A_prev: Tensor) -> Float[Tensor, "m n_C_prev n_H_prev n_W_prev"]:
        """Keep A_prev for `backward`, the examples first, and a sequence as an image of height 1."""
        if A_prev.ndim != len(self.axes) + 2 or A_prev.shape[0] != self.n_C_prev or 0 in A_prev.shape[:-1]:
            expected = ", ".join((str(self.n_C_prev), *self.axes, "m"))
            raise InputError(
                f"{self} got A_prev of shape {tuple(A_prev.shape)}, expected ({expected}): channels first and examples "
                "last; permute it, or change n_C_prev to its channels"
            )
        images = examples_first(A_prev)
        self.images = images if images.ndim == 4 else images.unsqueeze(2)
        return self.images

    def _check_room(self) -> None:
        padded = [size + 2 * p for size, p in zip(self.images.shape[2:], self.window.padding, strict=True)]
        if any(size < extent for size, extent in zip(padded, self.window.extent, strict=True)):
            size, extent = (" x ".join(map(str, sizes[-len(self.axes) :])) for sizes in (padded, self.window.extent))
            raise InputError(
                f"{self} got A_prev whose {' x '.join(self.axes)} is {size}, padding included, with no room for a "
                f"window of {extent}; take a smaller kernel or dilation, or more padding"
            )

    def _settings(self) -> dict[str, Size]:
        pairs = {**self.window._asdict(), "output_padding": self.output_padding}
        groups: int = pairs.pop("groups")
        one = {
            name: width if len(self.axes) == 1 or height == width else (height, width)
            for name, (height, width) in pairs.items()
        }
        return {"n_C_prev": self.n_C_prev, "n_C": self.n_C, **one, "groups": groups}

    def extra_repr(self) -> str:
        """The sizes, and the settings that are not as usual, as `print(network)` shows them."""
        usual = {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, "groups": 1}
        return ", ".join(f"{name}={size}" for name, size in self._settings().items() if size != usual.get(name))


class Conv2d(_Convolution):
    r"""Z = W * A_prev + b, where * slides W over the images.

    With stride s, dilation d, padding p, and a = 0 outside the image, one example has

    $$z_{o,y,x} = \sum_{c,i,j} w_{o,c,i,j}\; a_{c,\;sy+di-p,\;sx+dj-p} + b_o .$$

    Pixel $a_{c,h,v}$ was multiplied by $w_{o,c,i,j}$ on its way into each $z_{o,y,x}$ with $sy+di-p=h$, $sx+dj-p=v$.
    With the sum of the losses $\mathcal L = \sum_n \mathcal L_n = m J$ therefore

    $$\frac{\partial\mathcal L}{\partial a_{c,h,v}} = \sum_{o}\;\sum_{y,i:\;sy+di-p=h}\;\sum_{x,j:\;sx+dj-p=v}
      w_{o,c,i,j}\,\frac{\partial\mathcal L}{\partial z_{o,y,x}}:$$

    at every place of Z, W times the dZ there is added to the pixels of dA_prev that the window lay on. This is the
    transposed convolution, which is `ConvTranspose2d`'s forward step. And over the examples n

    $$\frac{\partial J}{\partial w_{o,c,i,j}} = \frac1m \sum_{n,y,x} \frac{\partial\mathcal L}{\partial z_{n,o,y,x}}\;
      a_{n,c,\;di+sy-p,\;dj+sx-p}, \qquad
      \frac{\partial J}{\partial b_o} = \frac1m \sum_{n,y,x} \frac{\partial\mathcal L}{\partial z_{n,o,y,x}} .$$

    dW is a convolution again: dZ is the window that slides over A_prev, now with stride d and dilation s, and the sum
    is over examples where it was over channels. Pixels that no window reaches, because the stride stops short of them,
    have gradient 0.

    W and b start at zero; `torchbasics.initialisation` breaks the symmetry. Raises `InputError` for sizes below 1,
    groups that do not divide the channels, and A_prev that is not (n_C_prev, H, W, m) or smaller than the window.

    >>> layer = Conv2d(n_C_prev=3, n_C=8, kernel=5, stride=2)
    >>> layer(torch.ones(3, 32, 32, 10)).shape
    torch.Size([8, 14, 14, 10])
    """

    def __init__(
        self,
        n_C_prev: int,
        n_C: int,
        kernel: Size,
        stride: Size = 1,
        padding: Size = 0,
        dilation: Size = 1,
        groups: int = 1,
    ) -> None:
        super().__init__(n_C_prev, n_C, _window(kernel, stride, padding, dilation, groups))
        self.W = parameter(torch.zeros(n_C, n_C_prev // groups, *self.window.kernel))
        self.b = parameter(torch.zeros(n_C, 1, 1, 1))

    def forward(self, A_prev: Float[Tensor, "..."]) -> Float[Tensor, "n_C n_H n_W m"]:
        """Z = W * A_prev + b."""
        images = self._take(A_prev)
        self._check_room()
        _, stride, padding, dilation, groups = self.window
        return examples_last(F.conv2d(images, self.W, self.b.flatten(), stride, padding, dilation, groups))

    def gradients(self, dZ: Float[Tensor, "n_C n_H n_W m"]) -> None:
        """dW = 1/m A_prev * dZ, db = 1/m sum of dZ over examples and places."""
        m = dZ.shape[-1]
        dZ_first = examples_first(dZ)
        self.W.grad = _slide(dZ_first, self.images, self.window) / m
        self.b.grad = _sum(dZ_first).view_as(self.b) / m

    def backward(self, dZ: Float[Tensor, "n_C n_H n_W m"]) -> Float[Tensor, "n_C_prev n_H_prev n_W_prev m"]:
        """dA_prev = W added in at every place, times the dZ there; and the gradients."""
        self.gradients(dZ)
        dZ_first = examples_first(dZ)
        _, stride, padding, dilation, groups = self.window
        leftover = self.window.leftover(self.images, dZ_first)
        return examples_last(F.conv_transpose2d(dZ_first, self.W, None, stride, padding, leftover, groups, dilation))

    def twin(self) -> nn.Conv2d:
        """`nn.Conv2d` with weight = W and bias = b as a vector."""
        twin = nn.Conv2d(self.n_C_prev, self.n_C, *self.window, device="meta")
        twin.weight = nn.Parameter(self.W.detach().clone())
        twin.bias = nn.Parameter(self.b.detach().flatten().clone())
        return twin


class ConvTranspose2d(_Convolution):
    r"""Z = W added in at every place of A_prev, times A_prev there, + b: Conv2d's way back as a way forward.

    The settings are those of a W that slides over Z. A_prev has a pixel for each of its places, so that a stride makes
    images larger. `output_padding` adds rows and columns at the end of Z, for with a stride several sizes of Z have
    equally many places. One example has

    $$z_{o,h,v} = \sum_{c}\;\sum_{y,i:\;sy+di-p=h}\;\sum_{x,j:\;sx+dj-p=v} w_{c,o,i,j}\,a_{c,y,x} + b_o,$$
    $$n_H = stride\,(n_{H,prev}-1) + dilation\,(f_H-1) + 1 - 2\,padding + output\_padding .$$

    Every $a_{c,y,x}$ went, times $w_{c,o,i,j}$, to one $z_{o,\;sy+di-p,\;sx+dj-p}$, if that is in the image. Therefore

    $$\frac{\partial\mathcal L}{\partial a_{c,y,x}} = \sum_{o,i,j} w_{c,o,i,j}\;
      \frac{\partial\mathcal L}{\partial z_{o,\;sy+di-p,\;sx+dj-p}}, \qquad
      \frac{\partial J}{\partial w_{c,o,i,j}} = \frac1m\sum_{n,y,x} a_{n,c,y,x}\;
      \frac{\partial\mathcal L}{\partial z_{n,o,\;sy+di-p,\;sx+dj-p}},$$

    Conv2d's forward step and its dW, in which dZ and A_prev have changed places.

    Raises `InputError` for sizes below 1, groups that do not divide the channels, an `output_padding` as large as both
    stride and dilation, A_prev that is not (n_C_prev, H, W, m), and padding that leaves nothing of Z.

    >>> layer = ConvTranspose2d(n_C_prev=8, n_C=3, kernel=5, stride=2, output_padding=1)
    >>> layer(torch.ones(8, 14, 14, 10)).shape
    torch.Size([3, 32, 32, 10])
    """

    def __init__(
        self,
        n_C_prev: int,
        n_C: int,
        kernel: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        dilation: Size = 1,
        groups: int = 1,
    ) -> None:
        window = _window(kernel, stride, padding, dilation, groups)
        super().__init__(n_C_prev, n_C, window, _pair(output_padding))
        for more, s, d in zip(self.output_padding, window.stride, window.dilation, strict=True):
            if more >= max(s, d):
                raise InputError(
                    f"{self} got output_padding {more}, expected less than the stride {s} or the dilation {d}: "
                    "it only says which of the sizes of Z is meant that have equally many places"
                )
        self.W = parameter(torch.zeros(n_C_prev, n_C // groups, *window.kernel))
        self.b = parameter(torch.zeros(n_C, 1, 1, 1))

    def forward(self, A_prev: Float[Tensor, "..."]) -> Float[Tensor, "n_C n_H n_W m"]:
        """Z = W added in at every place of A_prev, times A_prev there, + b."""
        images = self._take(A_prev)
        _, stride, padding, dilation, groups = self.window
        steps = zip(images.shape[2:], stride, self.window.extent, padding, self.output_padding, strict=True)
        sizes = [s * (n_prev - 1) + extent - 2 * p + more for n_prev, s, extent, p, more in steps]
        if min(sizes) < 1:
            raise InputError(
                f"{self} got A_prev of shape {tuple(A_prev.shape)}, which would make Z {sizes[0]} x {sizes[1]} pixels; "
                "take less padding, or a larger kernel"
            )
        b = self.b.flatten()
        Z = F.conv_transpose2d(images, self.W, b, stride, padding, self.output_padding, groups, dilation)
        return examples_last(Z)

    def gradients(self, dZ: Float[Tensor, "n_C n_H n_W m"]) -> None:
        """dW = 1/m dZ * A_prev, db = 1/m sum of dZ over examples and pixels."""
        m = dZ.shape[-1]
        dZ_first = examples_first(dZ)
        self.W.grad = _slide(self.images, dZ_first, self.window) / m
        self.b.grad = _sum(dZ_first).view_as(self.b) / m

    def backward(self, dZ: Float[Tensor, "n_C n_H n_W m"]) -> Float[Tensor, "n_C_prev n_H_prev n_W_prev m"]:
        """dA_prev = W * dZ, and the gradients."""
        self.gradients(dZ)
        _, stride, padding, dilation, groups = self.window
        dA_prev = F.conv2d(examples_first(dZ), self.W, None, stride, padding, dilation, groups)
        # An output_padding as large as the stride, which a dilation allows, has room for places that A_prev has not.
        _, _, n_H_prev, n_W_prev = self.images.shape
        return examples_last(dA_prev[:, :, :n_H_prev, :n_W_prev])

    def twin(self) -> nn.ConvTranspose2d:
        """`nn.ConvTranspose2d` with weight = W and bias = b as a vector."""
        kernel, stride, padding, dilation, groups = self.window
        twin = nn.ConvTranspose2d(
            self.n_C_prev,
            self.n_C,
            kernel,
            stride,
            padding,
            self.output_padding,
            groups,
            dilation=dilation,
            device="meta",
        )
        twin.weight = nn.Parameter(self.W.detach().clone())
        twin.bias = nn.Parameter(self.b.detach().flatten().clone())
        return twin


class Conv1d(_Convolution):
    r"""Z = W * A_prev + b, where * slides W over sequences: `Conv2d` along one axis.

    $$z_{o,t} = \sum_{c,i} w_{o,c,i}\; a_{c,\;st+di-p} + b_o, \qquad
      \frac{\partial\mathcal L}{\partial a_{c,u}} = \sum_o \sum_{t,i:\;st+di-p=u} w_{o,c,i}\,
      \frac{\partial\mathcal L}{\partial z_{o,t}},$$
    $$\frac{\partial J}{\partial w_{o,c,i}} = \frac1m \sum_{n,t} \frac{\partial\mathcal L}{\partial z_{n,o,t}}\;
      a_{n,c,\;di+st-p}, \qquad
      \frac{\partial J}{\partial b_o} = \frac1m \sum_{n,t} \frac{\partial\mathcal L}{\partial z_{n,o,t}} .$$

    Raises `InputError` as `Conv2d` does, for A_prev that is not (n_C_prev, T, m) or shorter than the window.

    >>> layer = Conv1d(n_C_prev=7, n_C=4, kernel=3, padding=1)
    >>> layer(torch.ones(7, 20, 10)).shape
    torch.Size([4, 20, 10])
    """

    axes = ("T",)

    def __init__(
        self,
        n_C_prev: int,
        n_C: int,
        kernel: int,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__(n_C_prev, n_C, Window((1, kernel), (1, stride), (0, padding), (1, dilation), groups))
        self.W = parameter(torch.zeros(n_C, n_C_prev // groups, kernel))
        self.b = parameter(torch.zeros(n_C, 1, 1))

    def forward(self, A_prev: Float[Tensor, "..."]) -> Float[Tensor, "n_C T m"]:
        """Z = W * A_prev + b."""
        images = self._take(A_prev)
        self._check_room()
        _, stride, padding, dilation, groups = self.window
        Z = F.conv2d(images, self.W.unsqueeze(2), self.b.flatten(), stride, padding, dilation, groups)
        return examples_last(Z.squeeze(2))

    def gradients(self, dZ: Float[Tensor, "n_C T m"]) -> None:
        """dW = 1/m A_prev * dZ, db = 1/m sum of dZ over examples and steps."""
        m = dZ.shape[-1]
        dZ_first = examples_first(dZ).unsqueeze(2)
        self.W.grad = _slide(dZ_first, self.images, self.window).view_as(self.W) / m
        self.b.grad = _sum(dZ_first).view_as(self.b) / m

    def backward(self, dZ: Float[Tensor, "n_C T m"]) -> Float[Tensor, "n_C_prev T_prev m"]:
        """dA_prev = W added in at every step, times the dZ there; and the gradients."""
        self.gradients(dZ)
        dZ_first, W = examples_first(dZ).unsqueeze(2), self.W.unsqueeze(2)
        _, stride, padding, dilation, groups = self.window
        leftover = self.window.leftover(self.images, dZ_first)
        dA_prev = F.conv_transpose2d(dZ_first, W, None, stride, padding, leftover, groups, dilation)
        return examples_last(dA_prev.squeeze(2))

    def twin(self) -> nn.Conv1d:
        """`nn.Conv1d` with weight = W and bias = b as a vector."""
        (_, kernel), (_, stride), (_, padding), (_, dilation), groups = self.window
        twin = nn.Conv1d(self.n_C_prev, self.n_C, kernel, stride, padding, dilation, groups, device="meta")
        twin.weight = nn.Parameter(self.W.detach().clone())
        twin.bias = nn.Parameter(self.b.detach().flatten().clone())
        return twin


def _pair(size: Size) -> Pair:
    return (size, size) if isinstance(size, int) else size


def _window(kernel: Size, stride: Size, padding: Size, dilation: Size, groups: int) -> Window:
    return Window(_pair(kernel), _pair(stride), _pair(padding), _pair(dilation), groups)


def _sum(dZ: Float[Tensor, "m n_C n_H n_W"]) -> Float[Tensor, " n_C"]:
    """The sum over places, and then over examples: for torch several times as fast as both at once."""
    return dZ.sum((2, 3)).sum(0)


def _slide(
    dZ: Float[Tensor, "m n_C n_H n_W"], images: Float[Tensor, "m n_C_prev n_H_prev n_W_prev"], window: Window
) -> Float[Tensor, "n_C n_C_prev_of_group f_H f_W"]:
    """m dW: the sum, over all places of the window and all examples, of dZ times what lies under each weight."""
    multiply, numbers = _way(images, window)
    blocks = _blocks(dZ, images, window, numbers)
    dW = multiply(*next(blocks), window)
    for dZ_block, images_block in blocks:
        dW += multiply(dZ_block, images_block, window)
    return dW.contiguous()


def _way(images: Tensor, window: Window) -> tuple[Callable[[Tensor, Tensor, Window], Tensor], int]:
    """What multiplies a block of dZ with a block of the images, and how many numbers of the images a block has."""
    f_H, f_W = window.kernel
    on_cpu = images.device.type == "cpu"
    by_onednn = on_cpu and images.dtype == torch.float32 and window.groups == 1
    solid = window.extent == window.kernel != (1, 1)
    if by_onednn and solid and images.shape[1] * f_H * f_W >= MANY_WEIGHTS:
        return _by_convolution, IMAGES
    return _by_products, (COLUMNS if on_cpu else COLUMNS_ELSEWHERE) // (f_H * f_W)


def _by_convolution(dZ: Tensor, images: Tensor, window: Window) -> Tensor:
    """As a convolution: dZ is the window, and the examples are the channels.

    Let the channels of a pixel lie side by side, as in channels-last memory. A row of pixels is then a row of
    n_W n_C_prev numbers, on which dZ has a dilation of n_C_prev: moved by one, it meets the next channel.
    """
    (f_H, f_W), (s_H, s_W), _, _, _ = window
    n_C, n_C_prev = dZ.shape[1], images.shape[1]
    rows = images.permute(0, 2, 3, 1).flatten(2).unsqueeze(0)
    dW = F.conv2d(rows, dZ.transpose(0, 1), dilation=(s_H, s_W * n_C_prev))
    return dW.view(n_C, f_H, f_W, n_C_prev).permute(0, 3, 1, 2)


def _by_products(dZ: Tensor, images: Tensor, window: Window) -> Tensor:
    """As products of matrices: what lies under the window, a column for each place, times the dZ of the places."""
    (f_H, f_W), (s_H, s_W), _, (d_H, d_W), groups = window
    (extent_H, extent_W), (m, n_C, n_H, n_W) = window.extent, dZ.shape
    # Columns are copied sooner from pixels that lie side by side; a window of one pixel needs no copy at all.
    pixels = images if window.kernel == (1, 1) else images.contiguous()
    under = pixels.unfold(2, extent_H, s_H).unfold(3, extent_W, s_W)[..., ::d_H, ::d_W]
    columns = under.permute(0, 1, 4, 5, 2, 3).reshape(m, groups, -1, n_H * n_W)
    places = dZ.reshape(m, groups, -1, n_H * n_W)
    return _product(places, columns).sum(0).reshape(n_C, -1, f_H, f_W)


def _product(left: Tensor, right: Tensor) -> Tensor:
    """left right^T, of which the transposed is computed where its rows are long enough."""
    return left @ right.mT if left.shape[-2] < SHORT else (right @ left.mT).mT


def _blocks(dZ: Tensor, images: Tensor, window: Window, numbers: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield dZ and the padded images under its places: some examples at a time, or of large images some rows of one."""
    _, (s_H, s_W), (p_H, p_W), _, _ = window
    extent_H, extent_W = window.extent
    n_H, n_W = dZ.shape[2:]
    examples, rows = _block_size(images, n_H, numbers)
    width = s_W * (n_W - 1) + extent_W
    for dZ_some, some in zip(dZ.split(examples), images.split(examples), strict=True):
        padded = F.pad(some, (p_W, p_W, p_H, p_H)) if p_H or p_W else some
        for top, dZ_block in zip(range(0, s_H * n_H, s_H * rows), dZ_some.split(rows, dim=2), strict=True):
            height = s_H * (dZ_block.shape[2] - 1) + extent_H
            yield dZ_block, padded[:, :, top : top + height, :width]


def _block_size(images: Tensor, n_H: int, numbers: int) -> tuple[int, int]:
    """How many examples, or else how many of n_H rows of one, have about so many numbers of the images."""
    of_example = images.shape[1:].numel()
    # Examples by a power of 2: oneDNN takes twice as long with 21 as with 16.
    return 1 << max(0, (numbers // of_example).bit_length() - 1), max(1, n_H * numbers // of_example)
