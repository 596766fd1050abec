"""One row per layer and per loss: how to make it, what goes in, and the stock part that its twin must be."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from torchbasics.layers import Layer, LeakyReLU, Linear, ReLU, Sigmoid, Tanh
from torchbasics.losses import BinaryCrossEntropy, Loss, SigmoidCrossEntropy, SquaredError


@dataclass(frozen=True)
class LayerCase:
    """`make(n_prev, n)` builds the layer; it takes A_prev (n_prev, m). `kink` marks a derivative that jumps at 0."""

    make: Callable[[int, int], Layer]
    twin: type[nn.Module]
    kink: bool = False


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
