"""Layers made of layers: closed forms, the notes' names however they nest, and whole networks of them."""

from collections.abc import Callable

import pytest
import torch
from cases import LAYERS, LayerCase
from hypothesis import given, settings
from hypothesis import strategies as st
from numerics import assert_close, autograd_quantities, generator, randomise, seeds
from test_layers import draw, some_sizes
from torch import Tensor, nn

from torchbasics.check.networks.layer import check_layer
from torchbasics.check.networks.network import check_network
from torchbasics.errors import InputError
from torchbasics.layers import (
    BatchNorm1d,
    Chain,
    Concatenate,
    Dropout,
    Layer,
    Linear,
    LinearOverTime,
    MeanOverTime,
    Residual,
    Sigmoid,
    Slice,
    Tanh,
)
from torchbasics.layers.compose import Skip
from torchbasics.losses import SigmoidCrossEntropy, SquaredError
from torchbasics.network import Network
from torchbasics.notation import examples_first, examples_last


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def linear(n_prev: int, n: int, seed: int = 0) -> Linear:
    layer = Linear(n_prev, n).double()
    randomise(layer, generator(seed))
    return layer


@settings(deadline=None)
@given(n=st.integers(1, 6), m=st.integers(1, 6), seed=seeds)
def test_residual_of_a_linear_layer_is_multiplication_by_1_plus_W(n: int, m: int, seed: int) -> None:
    inner = linear(n, n, seed)
    layer = Residual([inner])
    A_prev, dA = normal(n, m, seed=seed), normal(n, m, seed=seed + 1)
    W = inner.W + torch.eye(n, dtype=torch.float64)
    # 1 + w may cancel, and then is no more exact than 1.
    torch.testing.assert_close(layer(A_prev), W @ A_prev + inner.b, rtol=0, atol=1e-13)
    torch.testing.assert_close(layer.backward(dA), W.T @ dA, rtol=0, atol=1e-13)
    assert_close(inner.W.grad, dA @ A_prev.T / m, "dW")


@settings(deadline=None)
@given(n=st.integers(1, 6), m=st.integers(1, 6), seed=seeds)
def test_concatenation_of_linear_layers_is_one_with_their_weights_stacked(n: int, m: int, seed: int) -> None:
    parts = [linear(n, k, seed + k) for k in (2, 1, 4)]
    layer = Concatenate([[part] for part in parts])
    A_prev, dA = normal(n, m, seed=seed), normal(7, m, seed=seed + 1)
    W, b = torch.cat([part.W for part in parts]), torch.cat([part.b for part in parts])
    assert_close(layer(A_prev), W @ A_prev + b, "A")
    assert_close(layer.backward(dA), W.T @ dA, "dA_prev")
    assert_close(torch.cat([part.W.grad for part in parts]), dA @ A_prev.T / m, "dW")
    assert_close(torch.cat([part.b.grad for part in parts]), dA.sum(1, keepdim=True) / m, "db")


def test_the_whole_in_slices_is_the_identity() -> None:
    layer = Concatenate([[Slice(0, 2)], [Slice(2, 3)], [Slice(3, 7)]])
    A_prev, dA = normal(7, 4, 5), normal(7, 4, 5, seed=1)
    assert torch.equal(layer(A_prev), A_prev)
    assert torch.equal(layer.backward(dA), dA)
    # Rows that two branches look at have both their derivatives, and those that none does have 0.
    layer = Concatenate([[Slice(1, 3)], [Slice(2, 6)]])
    assert torch.equal(layer(A_prev), A_prev[[1, 2, 2, 3, 4, 5]])
    dA_prev = layer.backward(dA[:6])
    expected = torch.stack([0 * dA[0], dA[0], dA[1] + dA[2], dA[3], dA[4], dA[5], 0 * dA[0]])
    assert torch.equal(dA_prev, expected)


def test_without_layers_a_chain_is_the_identity() -> None:
    A_prev, dA = normal(3, 4), normal(3, 4, seed=1)
    chain = Chain([])
    assert torch.equal(chain(A_prev), A_prev)
    assert torch.equal(chain.backward(dA), dA)
    assert chain.gradients(dA) is None
    assert [prefix for prefix, _ in chain.parts()] == [""]
    double = Residual([])
    assert torch.equal(double(A_prev), 2 * A_prev)
    assert torch.equal(double.backward(dA), 2 * dA)


AXES = {
    "vectors": [(0, 1), (1, 0)],
    "sequences": [(0, 1, 2), (2, 0, 1), (2, 1, 0)],
    "images": [(0, 1, 2, 3), (3, 0, 1, 2), (3, 1, 2, 0)],
}


@pytest.mark.parametrize("axes", [axes for every in AXES.values() for axes in every], ids=str)
def test_memory_keeps_its_order(axes: tuple[int, ...]) -> None:
    # A sum or a copy between two orders, and every layer above, would take many times as long.
    shape = (5, 4, 3, 7)[-len(axes) :]
    back = [axes.index(axis) for axis in range(len(axes))]

    def laid(value: Tensor) -> Tensor:
        return value.permute(axes).contiguous().permute(back)

    layer = Concatenate([[Sigmoid()], [Slice(1, 3), Tanh()], []])
    A_prev = laid(normal(*shape))
    A = layer(A_prev)
    assert torch.equal(A, torch.cat([torch.sigmoid(A_prev), torch.tanh(A_prev[1:3]), A_prev]))
    assert A.permute(axes).is_contiguous()
    dA = laid(normal(*A.shape, seed=1))
    dA_prev = layer.backward(dA)
    assert dA_prev.permute(axes).is_contiguous()
    assert Slice(1, 3)(A_prev).data_ptr() == A_prev[1:3].data_ptr()  # a view


def nested() -> list[Layer]:
    """Concatenations of residuals of concatenations, from 6 units to 1."""
    return [
        Concatenate(
            [
                [Slice(0, 4), Residual([Linear(4, 3), Tanh(), Residual([Linear(3, 3), Sigmoid()]), Linear(3, 4)])],
                [Slice(4, 6), Linear(2, 5), BatchNorm1d(5), Tanh()],
                [],
            ]
        ),
        Linear(15, 3),
        Residual([Concatenate([[Linear(3, 2)], [Chain([Tanh(), Linear(3, 1)])]]), Tanh()]),
        Linear(3, 1),
    ]


def test_names_are_the_notes_however_layers_nest() -> None:
    network = Network(nested(), SigmoidCrossEntropy())
    assert network.names == ["A4", "Z5", "A7", "Z8"]
    names = [name for name, _ in network.notes_parameters()]
    expected = [name for depth in (1, 2, 3) for name in (f"W{depth}", f"b{depth}")]
    expected += ["W4", "b4", "gamma4", "beta4"]
    expected += [name for depth in (5, 6, 7, 8) for name in (f"W{depth}", f"b{depth}")]
    assert names == expected
    shapes = {name: tuple(parameter.shape) for name, parameter in network.notes_parameters()}
    assert [shapes[f"W{depth}"] for depth in range(1, 9)] == [
        (3, 4),
        (3, 3),
        (4, 3),
        (5, 2),
        (3, 15),
        (2, 3),
        (1, 3),
        (1, 3),
    ]


Make = Callable[[], Layer]


@st.composite
def trees(draw: st.DrawFn, n: int, depth: int) -> tuple[Make, int]:
    """How to make a layer of any nesting that takes n rows, and how many it gives."""
    kinds = ["linear", "tanh"]
    if depth:
        kinds += ["chain", "residual", "concatenate"] + ["slice"] * (n > 1)
    kind = draw(st.sampled_from(kinds))
    if kind == "tanh":
        return Tanh, n
    if kind == "slice":
        start = draw(st.integers(0, n - 1))
        stop = draw(st.integers(start + 1, n))
        return lambda: Slice(start, stop), stop - start
    if kind == "linear":
        k = draw(st.integers(1, 5))
        return lambda: Linear(n, k), k
    if kind == "concatenate":
        branches = draw(st.lists(lists_of_layers(n, depth - 1), min_size=1, max_size=3))
        return lambda: Concatenate([[make() for make in makes] for makes, _ in branches]), sum(k for _, k in branches)
    makes, k = draw(lists_of_layers(n, depth - 1))
    if kind == "chain":
        return lambda: Chain([make() for make in makes]), k
    return lambda: Residual([*(make() for make in makes), Linear(k, n)]), n


@st.composite
def lists_of_layers(draw: st.DrawFn, n: int, depth: int) -> tuple[list[Make], int]:
    """How to make up to three layers, each of which takes what the one before gives."""
    makes: list[Make] = []
    for _ in range(draw(st.integers(0, 3))):
        make, n = draw(trees(n, depth))
        makes.append(make)
    return makes, n


@settings(max_examples=60, deadline=None)
@given(tree=lists_of_layers(4, depth=3), seed=seeds)
def test_every_quantity_of_any_nesting_agrees_with_autograd(tree: tuple[list[Make], int], seed: int) -> None:
    makes, n = tree
    network = Network([Linear(3, 4), *(make() for make in makes), Linear(n, 2)], SquaredError()).double()
    randomise(network, generator(seed))
    X, Y = normal(3, 5, seed=seed), normal(2, 5, seed=seed + 1)
    ours, reference = network.quantities(X, Y), autograd_quantities(network, X, Y)
    assert ours.keys() == reference.keys()
    for name, value in reference.items():
        assert ours[name].shape == value.shape, name
        # A thousand roundings of numbers as large as 1 and the largest; a mistake is of the value's own size.
        assert (ours[name] - value).abs().max() <= 1e-12 * (1 + value.abs().max()), name


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_check_judges_nested_layers_right(dtype: torch.dtype) -> None:
    network = Network(nested(), SigmoidCrossEntropy()).to(dtype)
    randomise(network, generator(1))
    Y = torch.randint(0, 2, (1, 11), generator=generator(2)).to(dtype)
    assert check_network(network, normal(6, 11, seed=3).to(dtype), Y)
    for layer in network.sequence[::2]:
        assert check_layer(layer, normal(6 if layer is network.sequence[0] else 3, 11, seed=4).to(dtype))


class ForgetsTheMean(Linear):
    """dW without the 1/m."""

    def gradients(self, dZ: Tensor) -> None:
        super().gradients(dZ)
        self.W.grad = dZ @ self.A_prev.T


class ForgetsTheTranspose(Linear):
    """dA_prev = W dZ, where W is square and nothing says so."""

    def backward(self, dZ: Tensor) -> Tensor:
        self.gradients(dZ)
        return self.W @ dZ


def test_the_check_finds_a_mistake_inside_a_residual() -> None:
    Y = torch.randint(0, 2, (1, 11), generator=generator(2)).double()
    for mistaken, wrong in (
        ([Linear(4, 3), Tanh(), ForgetsTheMean(3, 4)], {"dW3"}),
        ([Linear(4, 4), Tanh(), ForgetsTheTranspose(4, 4)], {"dW2", "db2", "dZ1"}),
    ):
        network = Network([Linear(6, 4), Residual(mistaken), Linear(4, 1)], SigmoidCrossEntropy()).double()
        randomise(network, generator(1))
        report = check_network(network, normal(6, 11, seed=3), Y)
        assert {quantity.name for quantity in report.wrong} == wrong
        assert report.verdict == "wrong"


class AddsOnlyF(Residual):
    """A residual whose skip connection is lost on the way back."""

    def backward(self, dA: Tensor) -> Tensor:
        return self.F.backward(dA)


class KeepsTheLast(Concatenate):
    """A concatenation that has what the last branch sends back only."""

    def backward(self, dA: Tensor) -> Tensor:
        *_, last = [branch.backward(part) for branch, part in zip(self.chains, dA.split(self.rows), strict=True)]
        return last


@pytest.mark.parametrize("layer", [AddsOnlyF([Linear(4, 4), Tanh()]), KeepsTheLast([[Linear(4, 2)], [Tanh()]])])
def test_the_check_finds_a_way_that_is_lost(layer: Layer) -> None:
    layer = layer.double()
    randomise(layer, generator(5))
    report = check_layer(layer, normal(4, 7, seed=6))
    assert [quantity.name for quantity in report.wrong] == ["dA_prev"]


class Counts(Linear):
    """A linear layer that counts how often each of its ways back is taken."""

    def __init__(self, n_prev: int, n: int) -> None:
        super().__init__(n_prev, n)
        self.backwards = self.alone = 0

    def gradients(self, dZ: Tensor) -> None:
        self.alone += 1
        super().gradients(dZ)

    def backward(self, dZ: Tensor) -> Tensor:
        self.backwards += 1
        return super().backward(dZ)


class Untouched(Slice):
    """Rows that nobody may ask for the derivative of."""

    def backward(self, dA: Tensor) -> Tensor:
        raise AssertionError("nobody asks for this")


def test_gradients_stops_at_the_first_layer_with_parameters() -> None:
    makers: list[Callable[[list[Layer]], Layer]] = [
        lambda layers: Chain([Untouched(0, 4), *layers]),
        lambda layers: Residual([Concatenate([[Untouched(0, 4)], []]), Slice(0, 4), *layers]),
        lambda layers: Concatenate([[Untouched(0, 4), *layers], [Untouched(1, 3)]]),
        lambda layers: Chain([Residual([Untouched(0, 4), Tanh()]), Chain([Untouched(0, 4), Tanh()]), *layers]),
    ]
    for make in makers:
        first, second = Counts(4, 3), Counts(3, 4)
        layer = make([first, Tanh(), second])
        A = layer(torch.randn(4, 5))
        layer.gradients(torch.randn(A.shape))
        # `backward` of Counts calls `gradients` itself.
        assert (first.backwards, first.alone) == (0, 1)
        assert (second.backwards, second.alone) == (1, 1)
        assert first.W.grad is not None


def test_training_use_and_redrawing_reach_the_layers_within() -> None:
    network = Network([Linear(3, 40), Residual([Dropout(0.5, seed=1)]), Linear(40, 1)], SquaredError()).double()
    randomise(network, generator(1))
    X = normal(3, 4)
    drawn = network(X).clone()
    assert torch.equal(network(X), drawn)
    assert_close(examples_last(network.twin()(examples_first(X)).detach()), drawn, "A in training", ulps=1024)
    network.redraw()
    assert not torch.equal(network(X), drawn)
    network.eval()
    A1 = network.sequence[0](X)
    assert_close(network(X), network.sequence[2](2 * A1), "A in use", ulps=1024)
    assert_close(examples_last(network.twin()(examples_first(X)).detach()), network(X), "A of the twin in use", 1024)


def test_twin_is_stock_parts() -> None:
    twin = Residual([Linear(2, 3), Tanh(), Linear(3, 2)]).twin()
    assert isinstance(twin, Skip)
    assert [type(part) for part in twin.f] == [nn.Linear, nn.Tanh, nn.Linear]


@pytest.mark.parametrize("case", LAYERS.values(), ids=LAYERS.keys())
def test_every_layer_leaves_what_it_is_given_alone(case: LayerCase) -> None:
    # Beside a skip connection, and between branches, what one layer is given another has as well.
    layer, A_prev, dA = draw(case, some_sizes(case), seed=3, dtype=torch.float64)
    before = A_prev.clone(), dA.clone()
    A = layer(A_prev)
    kept = A.clone()
    layer.gradients(dA)
    layer.backward(dA)
    assert torch.equal(A_prev, before[0])
    assert torch.equal(dA, before[1])
    assert torch.equal(A, kept)


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (Residual([Linear(3, 2)]), (3, 5), r"A_prev of shape \(3, 5\), and its layers made \(2, 5\) of it"),
        (Residual([Linear(3, 1)]), (3, 5), r"its layers made \(1, 5\) of it: only equal shapes"),
        (Residual([Slice(0, 1)]), (3, 5), r"its layers made \(1, 5\) of it"),
        (Slice(2, 4), (3, 5), r"Slice\(2, 4\) got A_prev of shape \(3, 5\), expected 4 rows or more"),
        (
            Concatenate([[LinearOverTime(3, 2)], [], [MeanOverTime()]]),
            (3, 4, 5),
            r"branch 2 gave shape \(3, 5\), and branch 0 \(2, 4, 5\): .* all the other axes are equal",
        ),
    ],
)
def test_says_what_shape_it_needs(layer: Layer, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        layer(torch.zeros(shape))
    assert "\n" not in str(caught.value)


def test_says_what_it_is_made_of() -> None:
    with pytest.raises(InputError, match="Concatenate got no branches"):
        Concatenate([])
    for start, stop in ((2, 2), (3, 1), (-1, 2)):
        with pytest.raises(InputError, match=f"Slice got start {start} and stop {stop}, expected 0 <= start < stop"):
            Slice(start, stop)
