"""One row per layer and per loss: how to make it, what goes in, and the stock part that its twin must be.

Sizes are drawn pairwise distinct, so that no axis can be mistaken for another.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from torchbasics.layers import Layer, LeakyReLU, Linear, ReLU, Sigmoid, Tanh
from torchbasics.losses import BinaryCrossEntropy, Loss, SigmoidCrossEntropy, SquaredError


def normal(shape: tuple[int, ...], g: torch.Generator) -> Tensor:
    """Standard normal numbers, a fifth of them exactly 0."""
    A_prev = torch.randn(shape, generator=g, dtype=torch.float64)
    A_prev[torch.rand(shape, generator=g) < 0.2] = 0
    return A_prev


@dataclass(frozen=True)
class LayerCase:
    """`make(*sizes)` builds the layer, and it takes A_prev of shape (*shape(*sizes), m)."""

    make: Callable[..., Layer]
    twin: type[nn.Module]
    shape: Callable[..., tuple[int, ...]] = lambda n_prev, n: (n_prev,)
    count: int = 2
    """How many sizes it takes, besides m."""
    smallest: int = 1
    """The smallest of its sizes."""
    largest: int = 9
    fewest: int = 1
    """The smallest m."""
    inputs: Callable[[tuple[int, ...], torch.Generator], Tensor] = normal
    """A_prev in float64, by its shape."""
    kink: bool = False
    """The derivative jumps at 0."""
    terms: int = 10
    """Of the longest sum in it, at the largest sizes."""


@dataclass(frozen=True)
class LossCase:
    """`predictions` turns standard normal numbers into what the loss takes; `stock` is J, from torch.nn.functional."""

    make: Callable[[], Loss]
    predictions: Callable[[Tensor], Tensor]
    stock: Callable[[Tensor, Tensor], Tensor]


LAYERS = {
    "linear": LayerCase(lambda n_prev, n: Linear(n_prev, n), nn.Linear),
    "sigmoid": LayerCase(lambda n_prev, n: Sigmoid(), nn.Sigmoid),
    "tanh": LayerCase(lambda n_prev, n: Tanh(), nn.Tanh),
    "relu": LayerCase(lambda n_prev, n: ReLU(), nn.ReLU, kink=True),
    "leaky-relu": LayerCase(lambda n_prev, n: LeakyReLU(), nn.LeakyReLU, kink=True),
    "leaky-relu-0.3": LayerCase(lambda n_prev, n: LeakyReLU(0.3), nn.LeakyReLU, kink=True),
}

LOSSES = {
    "squared-error": LossCase(
        SquaredError,
        lambda Z: Z,
        lambda A, Y: nn.functional.mse_loss(A, Y, reduction="sum") / 2 / A.shape[1],
    ),
    "binary-cross-entropy": LossCase(
        BinaryCrossEntropy,
        torch.sigmoid,
        lambda A, Y: nn.functional.binary_cross_entropy(A, Y, reduction="sum") / A.shape[1],
    ),
    "sigmoid-cross-entropy": LossCase(
        SigmoidCrossEntropy,
        lambda Z: Z,
        lambda Z, Y: nn.functional.binary_cross_entropy_with_logits(Z, Y, reduction="sum") / Z.shape[1],
    ),
}
