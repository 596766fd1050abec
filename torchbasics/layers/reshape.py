r"""From one form of A_prev to another: images or sequences from columns of X, and columns again. Nothing to learn.

Legend: m examples; n_x inputs; images of C channels, H rows and W columns; sequences of T steps of n numbers.

| layer | A_prev | A |
|---|---|---|
| `Images` | (n_x, m) | (C, H, W, m) |
| `Rows` | (n_x, m) | (W C, H, m): T = H steps |
| `Flatten` | (C, H, W, m) or (n, T, m) | (C H W, m) or (n T, m) |
| `Last` | (n, T, m) | (n, m) |
| `MeanOverTime` | (n, T, m) | (n, m) |

The first three only put the same numbers elsewhere, so that dA_prev has those of dA in the places of A_prev. A column
of X has an image's pixels as the course flattens them, (H, W, C) in C order: red, green and blue of the top left pixel,
then of the one to its right (`torchbasics.data.base.ImageShape`).

**Lengths.** `Last` and `MeanOverTime` have an attribute `lengths` (m,): example i has `lengths[i]` steps, and what is
in A_prev beyond them counts for nothing. None, as at first, is for sequences of T steps all. A twin has `lengths` of
its own, at first the layer's.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from torchbasics.errors import InputError
from torchbasics.layers.base import Layer, checked_lengths
from torchbasics.notation import examples_first, examples_last


class Flatten(Layer):
    """All numbers of an example in one column, in C order: of an image (C, H, W), of a sequence (n, T).

    Raises `InputError` for an A_prev that has no axes to flatten.

    >>> Flatten()(torch.zeros(3, 4, 5, 7)).shape
    torch.Size([60, 7])
    """

    symbol = "A"
    shape: torch.Size

    def forward(self, A_prev: Float[Tensor, "..."]) -> Float[Tensor, "n m"]:
        """A."""
        if A_prev.ndim < 2:
            raise InputError(
                f"Flatten got A_prev of shape {tuple(A_prev.shape)}, expected (C, H, W, m), (n, T, m) or another with "
                "the examples on its last axis"
            )
        rows = examples_first(A_prev)
        self.shape = rows.shape
        return rows.flatten(1).T

    def backward(self, dA: Float[Tensor, "n m"]) -> Float[Tensor, "*n_prev m"]:
        """dA_prev."""
        return examples_last(dA.T.reshape(self.shape))

    def twin(self) -> nn.Flatten:
        """`nn.Flatten`, which leaves the first axis alone."""
        return nn.Flatten()


class _Pixels(Layer):
    """What takes a column of X for the pixels of an image."""

    symbol = "A"

    def __init__(self, height: int, width: int, channels: int) -> None:
        super().__init__()
        self.height, self.width, self.channels = height, width, channels
        if min(height, width, channels) < 1:
            raise InputError(f"{self} has no pixels, expected a height, a width and channels of 1 or more")

    def _columns(self, X: Tensor) -> Float[Tensor, "n_x m"]:
        n_x = self.height * self.width * self.channels
        if X.ndim != 2 or X.shape[0] != n_x:
            raise InputError(
                f"{self} got X of shape {tuple(X.shape)}, expected ({n_x}, m): "
                f"{self.height} x {self.width} x {self.channels} numbers to an image, one image per column"
            )
        return X

    def extra_repr(self) -> str:
        """The image, as `print(network)` shows it."""
        return f"height={self.height}, width={self.width}, channels={self.channels}"


class Images(_Pixels):
    """The columns of X as images. A view: memory stays as it is, which `torch.nn` calls channels last.

    Raises `InputError` for an image without pixels, and for an X whose columns have another number of them.

    >>> Images(height=2, width=2, channels=3)(torch.arange(12.0).view(12, 1))[:, 0, 0, 0]
    tensor([0., 1., 2.])
    """

    def forward(self, X: Float[Tensor, "..."]) -> Float[Tensor, "C H W m"]:
        """A."""
        return self._columns(X).T.reshape(-1, self.height, self.width, self.channels).permute(3, 1, 2, 0)

    def backward(self, dA: Float[Tensor, "C H W m"]) -> Float[Tensor, "n_x m"]:
        """dX."""
        return dA.permute(3, 1, 2, 0).flatten(1).T

    def twin(self) -> "Unflattened":
        """`nn.Unflatten` and a permutation."""
        return Unflattened((self.height, self.width, self.channels), (0, 3, 1, 2))


class Rows(_Pixels):
    """The columns of X as images that are read row by row: step t has the W C numbers of row t. A view.

    Raises `InputError` for an image without pixels, and for an X whose columns have another number of them.

    >>> Rows(height=2, width=2, channels=1)(torch.arange(4.0).view(4, 1))[:, 0, 0]
    tensor([0., 1.])
    """

    def forward(self, X: Float[Tensor, "..."]) -> Float[Tensor, "n H m"]:
        """A."""
        return self._columns(X).T.reshape(-1, self.height, self.width * self.channels).permute(2, 1, 0)

    def backward(self, dA: Float[Tensor, "n H m"]) -> Float[Tensor, "n_x m"]:
        """dX."""
        return dA.permute(2, 1, 0).flatten(1).T

    def twin(self) -> "Unflattened":
        """`nn.Unflatten` and a permutation."""
        return Unflattened((self.height, self.width * self.channels), (0, 2, 1))


class Unflattened(nn.Module):
    """`nn.Unflatten` of each example's numbers to `sizes`, whose axes then go into `order`; the examples are axis 0."""

    def __init__(self, sizes: tuple[int, ...], order: tuple[int, ...]) -> None:
        super().__init__()
        self.unflatten = nn.Unflatten(1, sizes)
        self.order = order

    def forward(self, X: Float[Tensor, "m n_x"]) -> Float[Tensor, "m *n"]:
        """A."""
        A: Tensor = self.unflatten(X)
        return A.permute(self.order)


class _OverTime(Layer):
    """What makes one column of a sequence's steps."""

    symbol = "A"
    like: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.lengths: Tensor | None = None

    def _steps(self, A_prev: Tensor) -> Tensor | None:
        """The lengths as whole numbers where A_prev is, once they and A_prev have turned out to fit."""
        called = type(self).__name__
        if A_prev.ndim != 3 or A_prev.shape[1] == 0:
            raise InputError(
                f"{called} got A_prev of shape {tuple(A_prev.shape)}, expected (n, T, m) with T 1 or more: "
                "the numbers of a step first, the examples last"
            )
        # On "meta" it has a shape and an order in memory, and no numbers: backward needs no more.
        self.like = torch.empty_like(A_prev, device="meta")
        return checked_lengths(self.lengths, A_prev, called)


class Last(_OverTime):
    r"""A = each example's last step: a^{<T>}, or with lengths T_i a^{<T_i>(i)}.

    $$dA_{prev}^{\langle t\rangle(i)} = dA^{(i)} \text{ at } t = T_i, \text{ and 0 at every other step.}$$

    Raises `InputError` for what isn't sequences, and for lengths that don't fit. Source: course 5, week 1, "Different
    types of RNNs", many-to-one.

    >>> Last()(torch.arange(6.0).view(2, 3, 1)).squeeze()
    tensor([2., 5.])
    """

    place: tuple[Tensor, Tensor] | None

    def forward(self, A_prev: Float[Tensor, "..."]) -> Float[Tensor, "n m"]:
        """A."""
        lengths = self._steps(A_prev)
        if lengths is None:
            self.place = None
            return A_prev[:, -1]
        self.place = lengths - 1, torch.arange(len(lengths), device=A_prev.device)
        return A_prev.permute(1, 2, 0)[self.place].T

    def backward(self, dA: Float[Tensor, "n m"]) -> Float[Tensor, "n T m"]:
        """dA_prev."""
        dA_prev, place = torch.zeros_like(self.like, device=dA.device), self.place
        if place is None:
            dA_prev[:, -1] = dA
        else:
            dA_prev.permute(1, 2, 0)[place] = dA.T
        return dA_prev

    def twin(self) -> "LastStep":
        """A selection, with the lengths as they are now."""
        return LastStep(self.lengths)


class LastStep(nn.Module):
    """(m, n, T) -> (m, n): each example's last step by `torch.gather`."""

    def __init__(self, lengths: Tensor | None) -> None:
        super().__init__()
        self.lengths = lengths

    def forward(self, A_prev: Float[Tensor, "m n T"]) -> Float[Tensor, "m n"]:
        """A."""
        if self.lengths is None:
            return A_prev[..., -1]
        last = self.lengths.to(A_prev.device, torch.int64).view(-1, 1, 1) - 1
        return A_prev.gather(2, last.expand(-1, A_prev.shape[1], 1)).squeeze(2)


class MeanOverTime(_OverTime):
    r"""A = the mean of each example's steps: with T_i of them, T or the example's length,

    $$a^{(i)} = \frac1{T_i} \sum_{t=1}^{T_i} a_{prev}^{\langle t\rangle(i)}, \qquad
      dA_{prev}^{\langle t\rangle(i)} = \frac{dA^{(i)}}{T_i} \text{ at } t \le T_i, \text{ and 0 beyond.}$$

    Raises `InputError` for what isn't sequences, and for lengths that don't fit. Source: course 5, week 2, "Sentiment
    Classification", which averages the words of a text.

    >>> MeanOverTime()(torch.arange(6.0).view(2, 3, 1)).squeeze()
    tensor([1., 4.])
    """

    steps: Tensor | int
    beyond: Tensor | None

    def forward(self, A_prev: Float[Tensor, "..."]) -> Float[Tensor, "n m"]:
        """A."""
        lengths = self._steps(A_prev)
        # The same numbers as (n, T, m), but with the examples first the sum is several times as fast.
        X = examples_first(A_prev)
        T = X.shape[2]
        if lengths is None:
            self.steps, self.beyond = T, None
            return X.mean(2).T
        self.steps = lengths
        self.beyond = torch.arange(T, device=X.device) >= lengths.view(-1, 1, 1)
        return torch.where(self.beyond, 0, X).sum(2).T / lengths

    def backward(self, dA: Float[Tensor, "n m"]) -> Float[Tensor, "n T m"]:
        """dA_prev."""
        dA_prev, share = torch.empty_like(self.like, device=dA.device), (dA / self.steps).T.unsqueeze(2)
        if self.beyond is None:
            examples_first(dA_prev).copy_(share)
        else:
            torch.where(self.beyond, dA.new_zeros(()), share, out=examples_first(dA_prev))
        return dA_prev

    def twin(self) -> "MeanStep":
        """A mean, with the lengths as they are now."""
        return MeanStep(self.lengths)


class MeanStep(nn.Module):
    """(m, n, T) -> (m, n): the mean of each example's steps."""

    def __init__(self, lengths: Tensor | None) -> None:
        super().__init__()
        self.lengths = lengths

    def forward(self, A_prev: Float[Tensor, "m n T"]) -> Float[Tensor, "m n"]:
        """A."""
        if self.lengths is None:
            return A_prev.mean(2)
        lengths = self.lengths.to(A_prev.device, torch.int64).view(-1, 1, 1)
        within = torch.arange(A_prev.shape[2], device=A_prev.device) < lengths
        return torch.where(within, A_prev, 0).sum(2) / lengths.squeeze(2)
