r"""Layers made of layers: one after the other, around a skip connection, side by side.

Legend: F a chain of layers, $F_1, \dots, F_k$ branches; rows are those of axis 0, the units or channels.

| layer | forward | backward |
|---|---|---|
| `Chain` | A = F(A_prev) | dA_prev = F.backward(dA) |
| `Residual` | A = A_prev + F(A_prev) | dA_prev = dA + F.backward(dA) |
| `Concatenate` | A = [F1(A_prev); ...; Fk(A_prev)] | dA_prev = F1.backward(dA1) + ... + Fk.backward(dAk) |
| `Slice` | A = rows start, ..., stop - 1 of A_prev | dA_prev = dA in these rows, 0 in the others |

A value that is used twice has the sum of what comes back along both ways: with $a = f(u, v)$ and $u = v = x$,
$\frac{\partial\mathcal L}{\partial x} = \frac{\partial\mathcal L}{\partial u} + \frac{\partial\mathcal L}{\partial v}$.

The layers within are numbered in the notes' way among all the network's: `Residual([Linear(5, 4), Tanh(),
Linear(4, 5)])` at the front of a network has W1, b1, W2 and b2. They may not work in place on what they are given: the
other way needs it as well.
"""

import functools
from collections.abc import Iterable, Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from torchbasics.errors import InputError
from torchbasics.layers.base import Layer, twin_of


class Chain(Layer):
    """One layer after the other, as one layer; without any, A = A_prev.

    >>> from torchbasics.layers.activation import Tanh
    >>> Chain([Slice(0, 1), Tanh()])(torch.zeros(3, 5)).shape
    torch.Size([1, 5])
    """

    symbol = "A"

    def __init__(self, layers: Iterable[Layer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        # Where `gradients` ends: nobody asks for what lies below.
        self.first = next((k for k, layer in enumerate(self.layers) if any(True for _ in layer.parameters())), None)

    @property
    def sequence(self) -> list[Layer]:
        """The layers in forward order, as `Layer`s."""
        return list(self.layers)  # type: ignore[arg-type]  # nn.ModuleList holds plain Modules for mypy

    def forward(self, A_prev: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """A = F(A_prev)."""
        A = A_prev
        for layer in self.sequence:
            A = layer(A)
        return A

    def gradients(self, dA: Float[Tensor, "..."]) -> None:
        """Go back to the first layer with parameters, and form no dA_prev there."""
        if self.first is not None:
            layers = self.sequence
            for layer in layers[: self.first : -1]:
                dA = layer.backward(dA)
            layers[self.first].gradients(dA)

    def backward(self, dA: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """dA_prev = F.backward(dA): the chain rule, the last layer first."""
        for layer in self.sequence[::-1]:
            dA = layer.backward(dA)
        return dA

    def twin(self) -> nn.Sequential:
        """`nn.Sequential` of the layers' twins."""
        return nn.Sequential(*(twin_of(layer) for layer in self.sequence))

    def parts(self) -> Iterator[tuple[str, Layer]]:
        """The layers' parts in forward order."""
        if not self.layers:
            yield "", self
        for k, layer in enumerate(self.sequence):
            for prefix, part in layer.parts():
                yield f"layers.{k}.{prefix}", part

    def pairs(self, twin: nn.Module) -> Iterator[tuple[str, nn.Parameter, nn.Parameter]]:
        """The layers' pairs in forward order."""
        assert isinstance(twin, nn.Sequential)
        for k, (layer, layer_twin) in enumerate(zip(self.sequence, twin, strict=True)):
            for name, ours, theirs in layer.pairs(layer_twin):
                yield f"layers.{k}.{name}", ours, theirs


class Residual(Layer):
    r"""A = A_prev + F(A_prev), F being a chain of layers that keeps the shape.

    A_prev is used twice, as it is and by F, so that

    $$dA_{prev} = dA + \Big(\frac{\partial F}{\partial A_{prev}}\Big)^T dA.$$

    However deep F is and however small its weights, dA comes through whole. Raises `InputError` if F changes the shape.

    Source: course 4, week 2, "ResNets"; He et al. 2015, "Deep Residual Learning for Image Recognition".

    >>> from torchbasics.layers.activation import ReLU
    >>> Residual([ReLU()])(torch.tensor([[-1.0, 2.0]]))
    tensor([[-1.,  4.]])
    """

    symbol = "A"

    def __init__(self, layers: Iterable[Layer]) -> None:
        super().__init__()
        self.F = Chain(layers)

    def forward(self, A_prev: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """A = A_prev + F(A_prev)."""
        F: Tensor = self.F(A_prev)
        if F.shape != A_prev.shape:
            # As an n x 1 would be added to every column of an n x m, the sum alone would not say so.
            raise InputError(
                f"Residual got A_prev of shape {tuple(A_prev.shape)}, and its layers made {tuple(F.shape)} of it: only "
                "equal shapes can be added, so let them keep it"
            )
        return A_prev + F

    def gradients(self, dA: Float[Tensor, "..."]) -> None:
        """Those of F, which dA reaches unchanged."""
        self.F.gradients(dA)

    def backward(self, dA: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """dA_prev = dA + F.backward(dA)."""
        return dA + self.F.backward(dA)

    def twin(self) -> "Skip":
        """x + f(x), f being the `nn.Sequential` of the layers' twins."""
        return Skip(self.F.twin())

    def parts(self) -> Iterator[tuple[str, Layer]]:
        """The layers' parts in forward order."""
        for prefix, part in self.F.parts():
            yield f"F.{prefix}", part

    def pairs(self, twin: nn.Module) -> Iterator[tuple[str, nn.Parameter, nn.Parameter]]:
        """The layers' pairs in forward order."""
        assert isinstance(twin, Skip)
        for name, ours, theirs in self.F.pairs(twin.f):
            yield f"F.{name}", ours, theirs


class Concatenate(Layer):
    r"""A = [F1(A_prev); F2(A_prev); ...]: every branch gets A_prev, and what they give is stacked along axis 0.

    A branch is a list of layers; one without any gives A_prev itself. With $dA = [dA_1; dA_2; \dots]$ cut at the same
    rows, A_prev has as many ways to J as there are branches:

    $$dA_{prev} = \sum_k \Big(\frac{\partial F_k}{\partial A_{prev}}\Big)^T dA_k.$$

    A network for examples of two kinds of inputs, images in the first k rows and a structured rest, is
    `Concatenate([[Slice(0, k), ...], [Slice(k, n_x), ...]])`. Raises `InputError` without a branch, and if the branches
    give shapes that differ beyond axis 0.

    Source: course 4, week 2, "Inception network motivation", which stacks channels so.

    >>> from torchbasics.layers.activation import ReLU
    >>> Concatenate([[], [ReLU()]])(torch.tensor([[-1.0, 2.0]]))
    tensor([[-1.,  2.],
            [ 0.,  2.]])
    """

    symbol = "A"

    def __init__(self, branches: Iterable[Iterable[Layer]]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(Chain(branch) for branch in branches)
        if not self.branches:
            raise InputError("Concatenate got no branches, expected a list of lists of layers: [[Tanh()], [ReLU()]]")
        self.rows: list[int] = []

    @property
    def chains(self) -> list[Chain]:
        """The branches, as `Chain`s."""
        return list(self.branches)  # type: ignore[arg-type]  # nn.ModuleList holds plain Modules for mypy

    def forward(self, A_prev: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """A = [F1(A_prev); F2(A_prev); ...]."""
        values = [branch(A_prev) for branch in self.chains]
        for k, value in enumerate(values):
            if value.shape[1:] != values[0].shape[1:]:
                raise InputError(
                    f"Concatenate's branch {k} gave shape {tuple(value.shape)}, and branch 0 {tuple(values[0].shape)}: "
                    "they can be stacked along axis 0 only if all the other axes are equal"
                )
        self.rows = [len(value) for value in values]
        return _stacked(values, values[0])

    def gradients(self, dA: Float[Tensor, "..."]) -> None:
        """Each branch's from its own rows of dA."""
        for branch, dA_k in zip(self.chains, dA.split(self.rows), strict=True):
            branch.gradients(dA_k)

    def backward(self, dA: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """dA_prev = F1.backward(dA1) + F2.backward(dA2) + ..."""
        pairs = zip(self.chains, dA.split(self.rows), strict=True)
        return functools.reduce(torch.add, [branch.backward(dA_k) for branch, dA_k in pairs])

    def twin(self) -> "Stack":
        """`torch.cat` of what the `nn.Sequential` of each branch's twins gives."""
        return Stack([branch.twin() for branch in self.chains])

    def parts(self) -> Iterator[tuple[str, Layer]]:
        """The layers' parts, branch after branch."""
        for k, branch in enumerate(self.chains):
            for prefix, part in branch.parts():
                yield f"branches.{k}.{prefix}", part

    def pairs(self, twin: nn.Module) -> Iterator[tuple[str, nn.Parameter, nn.Parameter]]:
        """The layers' pairs, branch after branch."""
        assert isinstance(twin, Stack)
        for k, (branch, branch_twin) in enumerate(zip(self.chains, twin.branches, strict=True)):
            for name, ours, theirs in branch.pairs(branch_twin):
                yield f"branches.{k}.{name}", ours, theirs


class Slice(Layer):
    """A = A_prev[start:stop], a view: rows start, ..., stop - 1 of axis 0.

    The other rows have no way to J, so that their derivative is 0. Raises `InputError` for rows that are not there.

    >>> Slice(1, 3)(torch.tensor([[0.0], [1.0], [2.0], [3.0]]))
    tensor([[1.],
            [2.]])
    """

    symbol = "A"

    def __init__(self, start: int, stop: int) -> None:
        super().__init__()
        if not 0 <= start < stop:
            raise InputError(f"Slice got start {start} and stop {stop}, expected 0 <= start < stop")
        self.start, self.stop = start, stop
        self.n_prev = 0

    def forward(self, A_prev: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """A = A_prev[start:stop]."""
        self.n_prev = len(A_prev)
        if self.stop > self.n_prev:
            raise InputError(
                f"Slice({self.start}, {self.stop}) got A_prev of shape {tuple(A_prev.shape)}, expected {self.stop} "
                "rows or more on axis 0"
            )
        return A_prev[self.start : self.stop]

    def backward(self, dA: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """dA_prev = dA in rows start, ..., stop - 1, and 0 in the others."""
        above, below = (dA.new_zeros(()).expand(rows, *dA.shape[1:]) for rows in (self.start, self.n_prev - self.stop))
        return _stacked([above, dA, below], dA)

    def twin(self) -> "Cut":
        """The same rows with the examples first: x[:, start:stop]."""
        return Cut(self.start, self.stop)

    def extra_repr(self) -> str:
        """The rows, as `print(network)` shows them."""
        return f"start={self.start}, stop={self.stop}"


class Skip(nn.Module):
    """x + f(x)."""

    def __init__(self, f: nn.Module) -> None:
        super().__init__()
        self.f = f

    def forward(self, A_prev: Float[Tensor, "m ..."]) -> Float[Tensor, "m ..."]:
        """A."""
        A: Tensor = A_prev + self.f(A_prev)
        return A


class Stack(nn.Module):
    """What the branches give, side by side on the axis after the examples'."""

    def __init__(self, branches: Sequence[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, A_prev: Float[Tensor, "m ..."]) -> Float[Tensor, "m ..."]:
        """A."""
        return torch.cat([branch(A_prev) for branch in self.branches], dim=1)


class Cut(nn.Module):
    """Rows start to stop on the axis after the examples'."""

    def __init__(self, start: int, stop: int) -> None:
        super().__init__()
        self.start, self.stop = start, stop

    def forward(self, A_prev: Float[Tensor, "m ..."]) -> Float[Tensor, "m ..."]:
        """A."""
        return A_prev.narrow(1, self.start, self.stop - self.start)


def _stacked(values: Sequence[Tensor], like: Tensor) -> Tensor:
    """The values one below the other along axis 0, in memory that has its axes in the order of `like`'s.

    A copy between two orders takes many times as long, and so would all that the layers above do with it.
    """
    order = sorted(range(like.ndim), key=like.stride, reverse=True)
    laid = torch.cat([value.permute(order) for value in values], dim=order.index(0))
    return laid.permute([order.index(axis) for axis in range(like.ndim)])
