"""One row per layer and per loss: how to make it, what goes in, and the stock part that its twin must be.

Sizes are drawn pairwise distinct, so that no axis can be mistaken for another.
"""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn

from torchbasics.layers import (
    ELU,
    GELU,
    GRU,
    LSTM,
    RNN,
    BatchNorm1d,
    BatchNorm2d,
    Chain,
    Concatenate,
    Dropout,
    Embedding,
    GroupNorm,
    Layer,
    LayerNorm,
    LeakyReLU,
    Linear,
    LinearOverTime,
    LogSoftmax,
    MultiHeadAttention,
    PositionalEncoding,
    ReLU,
    Residual,
    RMSNorm,
    ScaledDotProductAttention,
    Sigmoid,
    SiLU,
    Slice,
    Softmax,
    Softplus,
    Tanh,
)
from torchbasics.layers.attention import StockAttention, StockSelfAttention
from torchbasics.layers.base import FeaturesLast
from torchbasics.layers.compose import Cut, Skip, Stack
from torchbasics.layers.conv import Conv1d, Conv2d, ConvTranspose2d
from torchbasics.layers.dropout import SeededDropout
from torchbasics.layers.embedding import StockEmbedding
from torchbasics.layers.pool import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d
from torchbasics.layers.positional import StockPositionalEncoding
from torchbasics.layers.recurrent import StockRecurrent
from torchbasics.layers.reshape import Flatten, Images, Last, LastStep, MeanOverTime, MeanStep, Rows, Unflattened
from torchbasics.losses import (
    BinaryCrossEntropy,
    Hinge,
    Huber,
    KLDivergence,
    Loss,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    SquaredError,
)
from torchbasics.notation import examples_first


def normal(shape: tuple[int, ...], g: torch.Generator) -> Tensor:
    """Standard normal numbers, a fifth of them exactly 0."""
    A_prev = torch.randn(shape, generator=g, dtype=torch.float64)
    A_prev[torch.rand(shape, generator=g) < 0.2] = 0
    return A_prev


def spaced(shape: tuple[int, ...], g: torch.Generator) -> Tensor:
    """Numbers in random order, no two of them nearer to each other than 0.01."""
    count = torch.Size(shape).numel()
    return (torch.randperm(count, generator=g).double() - count / 2).view(shape) / 100


def scattered(shape: tuple[int, ...], g: torch.Generator) -> Tensor:
    """Numbers of both signs in turn along every axis: whatever a norm takes the variance of, it is not near 0.

    dZ is what is left of dZ_norm without its mean and its part along Z_norm: of few numbers it can be little, and
    rounding large beside it. Hence 5 numbers or more.
    """
    signs = 1 - 2 * (sum(torch.meshgrid(*map(torch.arange, shape), indexing="ij")) % 2)
    return signs * (1 + torch.rand(shape, generator=g, dtype=torch.float64)) + 0.5


def vectors(n: int) -> tuple[int]:
    """The shape of an example that is a vector."""
    return (n,)


def sequences(n: int, T: int) -> tuple[int, int]:
    """The shape of one that is a sequence of T steps."""
    return n, T


def images(n_C: int, H: int, W: int) -> tuple[int, int, int]:
    """The shape of one that is an image of n_C channels."""
    return n_C, H, W


def pooling(make: Callable[..., Layer], twin: type[nn.Module], **settings: Any) -> "LayerCase":
    """Images of n_C channels, so small that central differences take no time."""
    return LayerCase(lambda *sizes: make(), twin, images, largest=6, **settings)


def convolution(make: Callable[[int, int], Layer], twin: type[nn.Module], terms: int, channels: int = 1) -> "LayerCase":
    """`make(n_C_prev, n_C)` with multiples of `channels`, and images so small that differences take no time.

    db of a single filter is one sum, which may cancel; the largest of some filters' hardly does. Hence 5 more of them.
    """
    return LayerCase(
        lambda n_C_prev, n_C, H, W: make(channels * n_C_prev, channels * (n_C + 5)),
        twin,
        lambda n_C_prev, n_C, H, W: (channels * n_C_prev, H, W),
        largest=5,
        terms=terms,
    )


@dataclass(frozen=True)
class LayerCase:
    """`make(*sizes)` builds the layer, and it takes A_prev of shape (*shape(*sizes), m)."""

    make: Callable[..., Layer]
    twin: type[nn.Module]
    shape: Callable[..., tuple[int, ...]] = lambda n_prev, n: (n_prev,)
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

    @property
    def count(self) -> int:
        """How many sizes it takes, besides m."""
        return len(signature(self.shape).parameters)


def masked(layer: Layer, T: int) -> Layer:
    """Attention in which the queries may look at some keys only, and the second at none."""
    t = torch.arange(T)
    mask = (t[:, None] ** 2 + 2 * t) % 3 != 0
    mask[1:2] = False
    layer.mask = mask
    return layer


def binary(shape: tuple[int, ...], g: torch.Generator) -> Tensor:
    """A label 0 or 1 for every prediction."""
    return torch.randint(0, 2, shape, generator=g).double()


def numbers(shape: tuple[int, ...], g: torch.Generator) -> Tensor:
    """Any number for every prediction."""
    return torch.randn(shape, generator=g, dtype=torch.float64)


def classes(shape: tuple[int, ...], g: torch.Generator) -> Tensor:
    """The number of its class for every column."""
    return torch.randint(0, shape[0], (1, *shape[1:]), generator=g).double()


def classes_or_padding(shape: tuple[int, ...], g: torch.Generator) -> Tensor:
    """The same, a third of them to be ignored."""
    Y = classes(shape, g)
    Y[torch.rand(Y.shape, generator=g) < 1 / 3] = -100
    return Y


def probabilities(shape: tuple[int, ...], g: torch.Generator) -> Tensor:
    """Columns that add up to 1, with exact zeros in them."""
    Y = torch.softmax(2 * numbers(shape, g), dim=0)
    Y[Y < 0.05] = 0
    return Y / Y.sum(dim=0)


def cross_entropy(Z: Tensor, Y: Tensor, **settings: float) -> Tensor:
    """J of classes by their numbers, on every time step that there is."""
    targets = examples_first(Y).squeeze(1).long()
    return nn.functional.cross_entropy(examples_first(Z), targets, reduction="sum", **settings) / Z.shape[-1]


@dataclass(frozen=True)
class LossCase:
    """`predictions` turns standard normal numbers into what the loss takes; `stock` is J, from torch.nn.functional."""

    make: Callable[[], Loss]
    predictions: Callable[[Tensor], Tensor]
    stock: Callable[[Tensor, Tensor], Tensor]
    labels: Callable[[tuple[int, ...], torch.Generator], Tensor] = binary
    """Y in float64, by the predictions' shape."""
    ulps: float = 64
    """Roundings of J and of the derivative that are none too many."""
    terms: Callable[[Tensor, Tensor], Tensor] = lambda A, Y: torch.zeros(())
    """The sizes of what J is the sum of, where they may cancel."""


LAYERS = {
    "linear": LayerCase(lambda n_prev, n: Linear(n_prev, n), nn.Linear),
    "linear-over-time": LayerCase(
        lambda n_prev, n, T: LinearOverTime(n_prev, n), FeaturesLast, lambda n_prev, n, T: (n_prev, T), terms=100
    ),
    # One unit's dgamma may be a sum that cancels; the largest of some units' hardly is.
    "batch-norm": LayerCase(lambda n: BatchNorm1d(n), nn.BatchNorm1d, vectors, smallest=3, fewest=5, inputs=scattered),
    "batch-norm-over-time": LayerCase(
        lambda n, T: BatchNorm1d(n, epsilon=0.3),
        nn.BatchNorm1d,
        sequences,
        smallest=3,
        fewest=3,
        inputs=scattered,
        terms=72,
    ),
    "batch-norm-of-images": LayerCase(
        lambda n_C, H, W: BatchNorm2d(n_C),
        nn.BatchNorm2d,
        images,
        smallest=2,
        largest=6,
        fewest=3,
        inputs=scattered,
        terms=120,
    ),
    "layer-norm": LayerCase(lambda n: LayerNorm(n), FeaturesLast, vectors, smallest=5, fewest=2, inputs=scattered),
    "layer-norm-over-time": LayerCase(
        lambda n, T: LayerNorm(n, epsilon=0.3), FeaturesLast, sequences, smallest=5, inputs=scattered, terms=72
    ),
    "rms-norm": LayerCase(lambda n: RMSNorm(n), FeaturesLast, vectors, smallest=5, fewest=2, inputs=scattered),
    "rms-norm-over-time": LayerCase(
        lambda n, T: RMSNorm(n, epsilon=0.3), FeaturesLast, sequences, smallest=5, inputs=scattered, terms=72
    ),
    "group-norm": LayerCase(
        lambda groups, size: GroupNorm(groups, groups * size),
        nn.GroupNorm,
        lambda groups, size: (groups * size,),
        smallest=5,
        inputs=scattered,
    ),
    "group-norm-of-images": LayerCase(
        lambda groups, size, H, W: GroupNorm(groups, groups * size, epsilon=0.3),
        nn.GroupNorm,
        lambda groups, size, H, W: (groups * size, H, W),
        largest=6,
        inputs=scattered,
        terms=120,
    ),
    "dropout": LayerCase(lambda n_prev, n: Dropout(0.7, seed=1), SeededDropout),
    "dropout-of-images": LayerCase(lambda n_C, H, W: Dropout(0.4, seed=1), SeededDropout, images, largest=6),
    # Two steps, since a derivative by the third power of a weight grows with each; test_recurrent.py has more of them.
    # A single unit may saturate, and its slope be rounding; hardly three of them do.
    "rnn": LayerCase(
        lambda n_x, n_a: RNN(n_x, n_a),
        StockRecurrent,
        lambda n_x, n_a: (n_x, 2),
        smallest=3,
        largest=5,
        fewest=3,
        terms=11,
    ),
    "gru": LayerCase(
        lambda n_x, n_a: GRU(n_x, n_a),
        StockRecurrent,
        lambda n_x, n_a: (n_x, 2),
        smallest=3,
        largest=5,
        fewest=3,
        terms=11,
    ),
    "lstm": LayerCase(
        lambda n_x, n_a: LSTM(n_x, n_a),
        StockRecurrent,
        lambda n_x, n_a: (n_x, 2),
        smallest=3,
        largest=5,
        fewest=3,
        terms=11,
    ),
    # More tokens than any other size.
    "embedding": LayerCase(
        lambda n, T: Embedding(11, n),
        StockEmbedding,
        lambda n, T: (T,),
        inputs=lambda shape, g: torch.randint(0, 11, shape, generator=g).double(),
        terms=72,
    ),
    "sigmoid": LayerCase(lambda n_prev, n: Sigmoid(), nn.Sigmoid),
    "tanh": LayerCase(lambda n_prev, n: Tanh(), nn.Tanh),
    "relu": LayerCase(lambda n_prev, n: ReLU(), nn.ReLU, kink=True),
    "leaky-relu": LayerCase(lambda n_prev, n: LeakyReLU(), nn.LeakyReLU, kink=True),
    "leaky-relu-0.3": LayerCase(lambda n_prev, n: LeakyReLU(0.3), nn.LeakyReLU, kink=True),
    # The longest sum is db, over m examples and n_H n_W places, of which a transposed convolution makes more; or
    # dA_prev, over n_C f_H f_W.
    "convolution": convolution(lambda n_C_prev, n_C: Conv2d(n_C_prev, n_C, 3, padding=1), nn.Conv2d, terms=90),
    "convolution-strided": convolution(
        lambda n_C_prev, n_C: Conv2d(n_C_prev, n_C, (3, 2), stride=(2, 3), padding=(1, 2), dilation=(1, 2)),
        nn.Conv2d,
        terms=60,
    ),
    "convolution-grouped": convolution(
        lambda n_C_prev, n_C: Conv2d(n_C_prev, n_C, 2, padding=1, groups=2), nn.Conv2d, terms=100, channels=2
    ),
    "transposed-convolution": convolution(
        lambda n_C_prev, n_C: ConvTranspose2d(n_C_prev, n_C, 3, stride=2, padding=1, output_padding=1),
        nn.ConvTranspose2d,
        terms=240,
    ),
    "transposed-convolution-grouped": convolution(
        lambda n_C_prev, n_C: ConvTranspose2d(n_C_prev, n_C, 2, (1, 2), output_padding=(1, 0), dilation=2, groups=2),
        nn.ConvTranspose2d,
        terms=270,
        channels=2,
    ),
    "sequence-convolution": LayerCase(
        lambda n_C_prev, n_C, T: Conv1d(n_C_prev, n_C + 6, 3, padding=1),
        nn.Conv1d,
        lambda n_C_prev, n_C, T: (n_C_prev, T),
        largest=6,
        terms=36,
    ),
    "sequence-convolution-strided": LayerCase(
        lambda n_C_prev, n_C, T: Conv1d(n_C_prev, n_C + 6, 2, stride=3, padding=2, dilation=2),
        nn.Conv1d,
        lambda n_C_prev, n_C, T: (n_C_prev, T),
        largest=6,
        terms=30,
    ),
    "max-pool": pooling(lambda: MaxPool2d(2), nn.MaxPool2d, smallest=2, inputs=spaced),
    "max-pool-overlapping": pooling(lambda: MaxPool2d(3, 2), nn.MaxPool2d, smallest=3, inputs=spaced),
    "max-pool-padded": pooling(lambda: MaxPool2d(3, 1, 1), nn.MaxPool2d, inputs=spaced),
    "max-pool-ceil": pooling(lambda: MaxPool2d(3, 2, 1, ceil_mode=True), nn.MaxPool2d, inputs=spaced),
    "average-pool": pooling(lambda: AvgPool2d(2), nn.AvgPool2d, smallest=2),
    "average-pool-overlapping": pooling(lambda: AvgPool2d(3, 2), nn.AvgPool2d, smallest=3),
    "average-pool-padded": pooling(lambda: AvgPool2d(3, 1, 1), nn.AvgPool2d),
    "average-pool-ceil": pooling(lambda: AvgPool2d(3, 2, 1, ceil_mode=True), nn.AvgPool2d),
    "average-pool-apart": pooling(lambda: AvgPool2d(2, 3), nn.AvgPool2d, smallest=2),
    "global-average-pool": pooling(lambda: AdaptiveAvgPool2d(1, 1), nn.AdaptiveAvgPool2d, terms=30),
    "adaptive-average-pool": pooling(lambda: AdaptiveAvgPool2d(2, 4), nn.AdaptiveAvgPool2d),
    "flatten-images": LayerCase(lambda n_C, H, W: Flatten(), nn.Flatten, images, largest=6),
    "flatten-sequences": LayerCase(lambda n, T: Flatten(), nn.Flatten, sequences),
    "images": LayerCase(Images, Unflattened, lambda H, W, n_C: (H * W * n_C,), largest=6),
    "rows": LayerCase(Rows, Unflattened, lambda H, W, n_C: (H * W * n_C,), largest=6),
    "last": LayerCase(lambda n, T: Last(), LastStep, sequences),
    "mean-over-time": LayerCase(lambda n, T: MeanOverTime(), MeanStep, sequences),
    # At 0 the second derivative of an ELU jumps, which a central difference sees as well.
    "elu": LayerCase(lambda n_prev, n: ELU(), nn.ELU, kink=True),
    "elu-0.3": LayerCase(lambda n_prev, n: ELU(0.3), nn.ELU, kink=True),
    "gelu": LayerCase(lambda n_prev, n: GELU(), nn.GELU),
    "silu": LayerCase(lambda n_prev, n: SiLU(), nn.SiLU),
    "softplus": LayerCase(lambda n_prev, n: Softplus(), nn.Softplus),
    "softmax": LayerCase(lambda n_prev, n: Softmax(), nn.Softmax),
    "softmax-over-time": LayerCase(lambda n_y, T: Softmax(), nn.Softmax, sequences),
    "log-softmax": LayerCase(lambda n_prev, n: LogSoftmax(), nn.LogSoftmax),
    "log-softmax-over-time": LayerCase(lambda n_y, T: LogSoftmax(), nn.LogSoftmax, sequences),
    # Sums over units of sums over units, and then over examples: a single parameter's may cancel.
    "chain": LayerCase(lambda n_prev, n: Chain([Linear(n_prev, n), Tanh(), Linear(n, 4)]), nn.Sequential, terms=100),
    "residual": LayerCase(lambda n_prev, n: Residual([Linear(n_prev, n), Tanh(), Linear(n, n_prev)]), Skip, terms=100),
    "residual-of-residual": LayerCase(
        lambda n_prev, n: Residual([Residual([Linear(n_prev, n_prev), Sigmoid()]), Tanh()]), Skip, terms=100
    ),
    "concatenation": LayerCase(
        lambda n_prev, n: Concatenate([[Linear(n_prev, n), Tanh()], [], [Slice(1, n_prev), Sigmoid()]]),
        Stack,
        smallest=2,
        terms=20,
    ),
    "concatenation-of-images": LayerCase(
        lambda n_C, H, W: Concatenate([[Sigmoid()], [Residual([Slice(0, n_C), Tanh()])]]), Stack, images, largest=6
    ),
    "slice": LayerCase(lambda n_prev, n: Slice(1, n_prev), Cut, smallest=2),
    "slice-of-images": LayerCase(lambda n_C, H, W: Slice(0, 2), Cut, images, smallest=2, largest=6),
    "attention": LayerCase(
        lambda h, d, T: ScaledDotProductAttention(h), StockAttention, lambda h, d, T: (3 * h * d, T), largest=4
    ),
    "attention-causal": LayerCase(
        lambda h, d, T: ScaledDotProductAttention(h, causal=True),
        StockAttention,
        lambda h, d, T: (3 * h * d, T),
        largest=4,
    ),
    "attention-masked": LayerCase(
        lambda h, d, T: masked(ScaledDotProductAttention(h), T),
        StockAttention,
        lambda h, d, T: (3 * h * d, T),
        largest=4,
    ),
    # Heads of d + 1 features: of one alone, dbqkv is few numbers, and each a sum that may cancel.
    "multi-head-attention": LayerCase(
        lambda d, T: MultiHeadAttention(2 * d + 2, 2),
        StockSelfAttention,
        lambda d, T: (2 * d + 2, T),
        largest=4,
        terms=12,
    ),
    "multi-head-attention-causal-masked": LayerCase(
        lambda d, T: masked(MultiHeadAttention(2 * d + 2, 2, causal=True), T),
        StockSelfAttention,
        lambda d, T: (2 * d + 2, T),
        largest=4,
        terms=12,
    ),
    "positional-encoding": LayerCase(lambda n, T: PositionalEncoding(n), StockPositionalEncoding, sequences),
}

LOSSES = {
    "squared-error": LossCase(
        SquaredError,
        lambda Z: Z,
        lambda A, Y: nn.functional.mse_loss(A, Y, reduction="sum") / 2 / A.shape[-1],
        labels=numbers,
    ),
    "binary-cross-entropy": LossCase(
        BinaryCrossEntropy,
        torch.sigmoid,
        lambda A, Y: nn.functional.binary_cross_entropy(A, Y, reduction="sum") / A.shape[-1],
        # Through A, the rounding of A and 1 - A is carried into J and dA 1 / min(A, 1 - A) <= 200 times for normal z.
        ulps=512,
    ),
    "sigmoid-cross-entropy": LossCase(
        SigmoidCrossEntropy,
        lambda Z: Z,
        lambda Z, Y: nn.functional.binary_cross_entropy_with_logits(Z, Y, reduction="sum") / Z.shape[-1],
    ),
    "hinge": LossCase(
        Hinge,
        lambda Z: Z,
        lambda Z, Y: (
            nn.functional.hinge_embedding_loss((2 * Y - 1) * Z, torch.full_like(Z, -1), reduction="sum") / Z.shape[-1]
        ),
    ),
    "huber": LossCase(
        Huber,
        lambda Z: Z,
        lambda A, Y: nn.functional.smooth_l1_loss(A, Y, reduction="sum") / A.shape[-1],
        labels=numbers,
    ),
    "huber-0.3": LossCase(
        lambda: Huber(0.3),
        lambda Z: Z,
        lambda A, Y: nn.functional.huber_loss(A, Y, reduction="sum", delta=0.3) / A.shape[-1],
        labels=numbers,
    ),
    "softmax-cross-entropy": LossCase(
        SoftmaxCrossEntropy, lambda Z: Z, lambda Z, Y: cross_entropy(Z, Y), labels=classes
    ),
    "softmax-cross-entropy-smoothed-ignoring": LossCase(
        lambda: SoftmaxCrossEntropy(label_smoothing=0.1),
        lambda Z: Z,
        lambda Z, Y: cross_entropy(Z, Y, label_smoothing=0.1),
        labels=classes_or_padding,
    ),
    "softmax-cross-entropy-ignoring-0": LossCase(
        lambda: SoftmaxCrossEntropy(ignore_index=0),
        lambda Z: Z,
        lambda Z, Y: cross_entropy(Z, Y, ignore_index=0),
        labels=classes,
    ),
    "kl-divergence": LossCase(
        KLDivergence,
        lambda Z: torch.log_softmax(Z, dim=0),
        lambda A, Y: nn.functional.kl_div(A, Y, reduction="sum") / A.shape[-1],
        labels=probabilities,
        terms=lambda A, Y: torch.special.entr(Y) - Y * A,
    ),
}
