"""Any chain of layers whose shapes fit, on vectors, pictures, sequences or tokens, against autograd of its twin.

One run of hypothesis draws what comes in, up to six layers that take what the one before gives, and a loss.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numerics import autograd_quantities, generator, randomise, seeds

from torchbasics.layers import (
    ELU,
    GELU,
    GRU,
    LSTM,
    RNN,
    AdaptiveAvgPool2d,
    AvgPool2d,
    BatchNorm1d,
    BatchNorm2d,
    Concatenate,
    Conv1d,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Embedding,
    Flatten,
    GroupNorm,
    Images,
    Last,
    Layer,
    LayerNorm,
    LeakyReLU,
    Linear,
    LinearOverTime,
    LogSoftmax,
    MaxPool2d,
    MeanOverTime,
    MultiHeadAttention,
    PositionalEncoding,
    ReLU,
    Residual,
    RMSNorm,
    Rows,
    ScaledDotProductAttention,
    Sigmoid,
    SiLU,
    Slice,
    Softmax,
    Softplus,
    Tanh,
)
from torchbasics.losses import Hinge, Huber, Loss, SigmoidCrossEntropy, SoftmaxCrossEntropy, SquaredError
from torchbasics.network import Network
from torchbasics.regularisation import L1, L2

M = 5
VOCABULARY = 6
ACTIVATIONS: list[Callable[[], Layer]] = [Sigmoid, Tanh, ReLU, LeakyReLU, ELU, GELU, SiLU, Softplus]
Draw = Callable[[st.SearchStrategy[Any]], Any]
Shape = tuple[int, ...]
Made = tuple[Layer, Shape]


@dataclass
class Plan:
    """The network, what it takes, and the kind of labels of its loss."""

    network: Network
    shape: Shape
    seed: int
    tokens: bool


def anywhere(draw: Draw, shape: Shape) -> Made:
    """What takes any shape, and keeps it."""
    kinds = [*ACTIVATIONS, lambda: Dropout(0.7, seed=draw(seeds)), Softmax, LogSoftmax]
    return draw(st.sampled_from(kinds))(), shape


def on_vectors(draw: Draw, shape: Shape) -> Made:
    (n,) = shape
    n_next = draw(st.integers(2, 7))
    kinds: list[Callable[[], Made]] = [
        lambda: (Linear(n, n_next), (n_next,)),
        lambda: (Linear(n, n_next), (n_next,)),
        lambda: anywhere(draw, shape),
        lambda: (BatchNorm1d(n), shape),
        lambda: (LayerNorm(n), shape),
        lambda: (RMSNorm(n), shape),
        lambda: (Residual([Linear(n, n_next), Tanh(), Linear(n_next, n)]), shape),
        lambda: (Residual([Residual([Linear(n, n)]), GELU()]), shape),
        lambda: (Concatenate([[Linear(n, n_next), Sigmoid()], [Slice(0, n - 1)]]), (n_next + n - 1,)),
        lambda: (Concatenate([[], [Tanh()], [Slice(1, n), Linear(n - 1, 3)]]), (2 * n + 3,)),
        lambda: (Images(1, 1, n), (n, 1, 1)),
    ]
    return draw(st.sampled_from(kinds if n > 1 else kinds[:4]))()


def on_images(draw: Draw, shape: Shape) -> Made:
    n_C, H, W = shape
    n_next = 2 * draw(st.integers(1, 2))
    kernel, padding = draw(st.integers(1, min(3, H, W))), draw(st.integers(0, 1))
    stride = draw(st.integers(1, 2))

    def after(size: int, kernel: int, stride: int, padding: int) -> int:
        return (size + 2 * padding - kernel) // stride + 1

    def windows(n: int, layer: Layer, padding: int) -> Made:
        return layer, (n, after(H, kernel, stride, padding), after(W, kernel, stride, padding))

    inside = min(padding, kernel // 2)
    kinds: list[Callable[[], Made]] = [
        lambda: windows(n_next, Conv2d(n_C, n_next, kernel, stride=stride, padding=padding), padding),
        lambda: windows(n_C, Conv2d(n_C, n_C, kernel, stride=stride, padding=padding, groups=n_C), padding),
        lambda: (
            ConvTranspose2d(n_C, n_next, kernel, stride=stride),
            (n_next, (H - 1) * stride + kernel, (W - 1) * stride + kernel),
        ),
        lambda: windows(n_C, MaxPool2d(kernel, stride, inside), inside),
        lambda: windows(n_C, AvgPool2d(kernel, stride, inside), inside),
        lambda: (AdaptiveAvgPool2d(2, 3), (n_C, 2, 3)),
        lambda: anywhere(draw, shape),
        lambda: (BatchNorm2d(n_C), shape),
        lambda: (GroupNorm(1, n_C), shape),
        lambda: (Residual([Conv2d(n_C, n_C, 3, padding=1), ReLU()]), shape),
        lambda: (Concatenate([[Conv2d(n_C, n_next, 1)], [MaxPool2d(1)]]), (n_next + n_C, H, W)),
        lambda: (Flatten(), (n_C * H * W,)),
    ]
    return draw(st.sampled_from(kinds))()


def on_sequences(draw: Draw, shape: Shape) -> Made:
    n, T = shape
    n_next = draw(st.integers(2, 5))
    both = draw(st.booleans())
    cell = draw(st.sampled_from([RNN, GRU, LSTM]))
    kinds: list[Callable[[], Made]] = [
        lambda: (LinearOverTime(n, n_next), (n_next, T)),
        lambda: (cell(n, n_next, num_layers=draw(st.integers(1, 2)), bidirectional=both), (n_next * (1 + both), T)),
        lambda: (cell(n, n_next), (n_next, T)),
        lambda: (MultiHeadAttention(n, 1, causal=both), shape),
        lambda: (Conv1d(n, n_next, 3, padding=1), (n_next, T)),
        lambda: anywhere(draw, shape),
        lambda: (LayerNorm(n), shape),
        lambda: (BatchNorm1d(n), shape),
        lambda: (Residual([RMSNorm(n), MultiHeadAttention(n, 1)]), shape),
        lambda: (Last(), (n,)),
        lambda: (MeanOverTime(), (n,)),
        lambda: (Flatten(), (n * T,)),
    ]
    if n % 3 == 0:
        kinds.append(lambda: (ScaledDotProductAttention(1, causal=both), (n // 3, T)))
    if n % 2 == 0:
        kinds.append(lambda: (PositionalEncoding(n), shape))
    return draw(st.sampled_from(kinds))()


ON = {1: on_vectors, 2: on_sequences, 3: on_images}


def planned(draw: Draw) -> Plan:
    """Layers are made here and not in a strategy, where hypothesis suspects torch's constructors of drawing numbers."""
    layers: list[Layer] = []
    start = draw(st.sampled_from(["vectors", "images", "sequences", "rows", "tokens"]))
    if start == "vectors":
        given_shape = shape = (draw(st.integers(2, 7)),)
    elif start == "sequences":
        given_shape = shape = (draw(st.integers(2, 4)), draw(st.integers(1, 4)))
    elif start == "tokens":
        given_shape = (draw(st.integers(1, 4)),)
        layers.append(Embedding(VOCABULARY, 3))
        shape = (3, *given_shape)
    else:
        H, W, n_C = draw(st.integers(2, 5)), draw(st.integers(2, 5)), draw(st.integers(1, 2))
        given_shape = (H * W * n_C,)
        layers.append(Images(H, W, n_C) if start == "images" else Rows(H, W, n_C))
        shape = (n_C, H, W) if start == "images" else (W * n_C, H)
    for _ in range(draw(st.integers(1, 6))):
        layer, shape = ON[len(shape)](draw, shape)
        layers.append(layer)
    if len(shape) > 1:
        layers.append(Flatten())
        shape = (torch.Size(shape).numel(),)
    n_y = draw(st.integers(2, 4))
    layers.append(Linear(shape[0], n_y))
    losses: list[Callable[[], Loss]] = [SquaredError, SigmoidCrossEntropy, SoftmaxCrossEntropy, Huber, Hinge]
    penalties = draw(st.sampled_from([[], [L2(0.7)], [L1(0.3), L2(0.2)]]))
    network = Network(layers, draw(st.sampled_from(losses))(), penalties)
    return Plan(network.double(), given_shape, draw(seeds), start == "tokens")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_every_quantity_of_any_chain_agrees_with_autograd(data: st.DataObject) -> None:
    plan = planned(data.draw)
    network, g = plan.network, generator(plan.seed)
    randomise(network, g)
    X = torch.randn(*plan.shape, M, generator=g, dtype=torch.float64)
    if plan.tokens:
        X = torch.randint(0, VOCABULARY, (*plan.shape, M), generator=g).double()
    n_y = network(X).shape[0]
    Y = torch.randint(0, 2, (n_y, M), generator=g).double()
    if isinstance(network.loss, SoftmaxCrossEntropy):
        Y = torch.randint(0, n_y, (1, M), generator=g).double()
    ours, reference = network.quantities(X, Y), autograd_quantities(network, X, Y)
    assert ours.keys() == reference.keys()
    for name, value in reference.items():
        assert ours[name].shape == value.shape, name
        # float64's rounding, 1e-16, a million times amplified by what lies between; a mistake is of the value's size.
        assert (ours[name] - value).abs().max() <= 1e-9 * (1 + value.abs().max()), name
