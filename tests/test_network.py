"""Whole networks: every Z, A, dZ, dA, dW and db against autograd of the twin, and central differences of J."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numerics import (
    assert_close,
    autograd_quantities,
    central_differences,
    distinct_sizes,
    dtypes,
    generator,
    randomise,
    seeds,
)
from torch import nn

from torchbasics.errors import InputError
from torchbasics.initialisation import SCALES, initialise
from torchbasics.layers import BatchNorm1d, Dropout, Layer, LeakyReLU, Linear, ReLU, Residual, Sigmoid, Tanh
from torchbasics.losses import BinaryCrossEntropy, Loss, SigmoidCrossEntropy, SquaredError
from torchbasics.models import deep, logistic, shallow
from torchbasics.network import Network

activations = st.sampled_from([Sigmoid, Tanh, ReLU, LeakyReLU])
endings = st.sampled_from(
    [
        ([], SigmoidCrossEntropy),
        ([Sigmoid], BinaryCrossEntropy),
        ([Sigmoid], SquaredError),
        ([Tanh], SquaredError),
        ([], SquaredError),
    ]
)


def build(sizes: list[int], hidden: list[type[Layer]], ending: tuple[list[type[Layer]], type[Loss]]) -> Network:
    last, loss = ending
    layers: list[Layer] = []
    for n_prev, n, activation in zip(sizes[:-2], sizes[1:-1], hidden, strict=True):
        layers += [Linear(n_prev, n), activation()]
    return Network([*layers, Linear(*sizes[-2:]), *(kind() for kind in last)], loss())


@dataclass(frozen=True)
class Plan:
    """A network of 1 to 4 layers; `sizes` begin with m, and the linear layer number `zeroed` has a unit with Z = 0."""

    sizes: list[int]
    hidden: list[type[Layer]]
    ending: tuple[list[type[Layer]], type[Loss]]
    seed: int
    dtype: torch.dtype = torch.float64
    zeroed: int | None = None


@st.composite
def plans(draw: st.DrawFn, largest: int = 8) -> Plan:
    """Pairwise-distinct sizes, hidden activations, ending and seed; float64, and no unit with Z = 0."""
    depth = draw(st.integers(1, 4))
    sizes = draw(distinct_sizes(depth + 2, largest))
    hidden = draw(st.lists(activations, min_size=depth - 1, max_size=depth - 1))
    return Plan(sizes, hidden, draw(endings), draw(seeds))


@st.composite
def plans_at_kinks(draw: st.DrawFn) -> Plan:
    """Any dtype, and often a unit whose Z is exactly 0 for every example."""
    plan = draw(plans())
    # Through A, float32 has no digits left for 1 - A long before Z is large.
    dtype = torch.float64 if plan.ending[1] is BinaryCrossEntropy else draw(dtypes)
    return replace(plan, dtype=dtype, zeroed=draw(st.none() | st.integers(0, len(plan.hidden))))


def realise(plan: Plan) -> tuple[Network, torch.Tensor, torch.Tensor]:
    """The planned network with random parameters, X and Y."""
    m, *sizes = plan.sizes
    g = generator(plan.seed)
    network = build(sizes, plan.hidden, plan.ending).to(plan.dtype)
    randomise(network, g)
    if plan.zeroed is not None:
        linear = [layer for layer in network.sequence if isinstance(layer, Linear)][plan.zeroed]
        linear.W.data[0] = linear.b.data[0] = 0
    X = torch.randn(sizes[0], m, generator=g, dtype=torch.float64).to(plan.dtype)
    Y = torch.randint(0, 2, (sizes[-1], m), generator=g).to(plan.dtype)
    return network, X, Y


def growth(network: Network, A: torch.Tensor) -> float:
    """How many times larger a rounding can become on its way through the network, which ends in the predictions A.

    Every activation's slope is at most 1, so that only the weights enlarge it, forward and backward alike; and through
    A the cross-entropy divides by A and 1 - A.
    """
    weights = [layer.W for layer in network.sequence if isinstance(layer, Linear)]
    factor = math.prod(max(1.0, torch.linalg.matrix_norm(W, ord=2).item()) for W in weights)
    if isinstance(network.loss, BinaryCrossEntropy):
        factor /= torch.minimum(A, 1 - A).min().item()
    return factor


@settings(max_examples=200, deadline=None)
@given(plan=plans_at_kinks())
@example(plan=Plan([7, 3, 5, 2], [ReLU], ([], SquaredError), 0, torch.float64, zeroed=0))
@example(plan=Plan([7, 3, 5, 4, 2], [ReLU, LeakyReLU], ([], SigmoidCrossEntropy), 1, torch.float32, zeroed=1))
def test_every_quantity_agrees_with_autograd(plan: Plan) -> None:
    network, X, Y = realise(plan)
    ours, reference = network.quantities(X, Y), autograd_quantities(network, X, Y)
    assert ours.keys() == reference.keys()
    # Two roundings, of a product and of a sum, for each of at most 8 terms; relative to the largest entry or 1.
    rounding = 16 * torch.finfo(plan.dtype).eps * growth(network, reference[network.names[-1]])
    bounds = {name: rounding * (1 + value.abs().max()) for name, value in reference.items()}
    for name, layer in zip(network.names, network.sequence[1:], strict=False):
        if isinstance(layer, ReLU | LeakyReLU):  # within rounding of the kink, but not on it, either side is right
            both_0 = (ours[name] == 0) & (reference[name] == 0)
            assume((both_0 | (reference[name].abs() > bounds[name])).all())
    for name, value in reference.items():
        assert ours[name].shape == value.shape, name
        assert (ours[name] - value).abs().max() <= bounds[name], name


@settings(max_examples=25, deadline=None)
@given(plan=plans(largest=6))
def test_parameters_agree_with_central_differences(plan: Plan) -> None:
    network, X, Y = realise(plan)
    ours = network.quantities(X, Y)
    pre_activations = [ours[name] for name in ours if name.startswith("Z")]
    # A kink within reach of h makes the difference meaningless.
    assume(min(Z.abs().min() for Z in pre_activations) >= 1e-3)
    # Through A, 1 - A would have lost its digits.
    assume(not isinstance(network.loss, BinaryCrossEntropy) or pre_activations[-1].abs().max() <= 10)
    for name, parameter in network.notes_parameters():
        gradient = ours["d" + name].clone()
        numeric = central_differences(lambda: network.cost(X, Y), parameter.data, h=1e-6)
        assert (gradient - numeric).abs().max() <= 1e-6 * (1 + gradient.abs().max()), name


def test_names_and_parameters_are_the_notes() -> None:
    network = deep([6, 5, 4, 1])
    assert network.names == ["Z1", "A1", "Z2", "A2", "Z3"]
    assert [name for name, _ in network.notes_parameters()] == ["W1", "b1", "W2", "b2", "W3", "b3"]
    assert [tuple(p.shape) for _, p in network.notes_parameters()] == [(5, 6), (5, 1), (4, 5), (4, 1), (1, 4), (1, 1)]
    quantities = network.quantities(torch.randn(6, 3), torch.ones(1, 3))
    forward, backward = ["Z1", "A1", "Z2", "A2", "Z3", "J"], ["dZ3", "dA2", "dZ2", "dA1", "dZ1"]
    assert list(quantities) == [*forward, *backward, "dW1", "db1", "dW2", "db2", "dW3", "db3"]


class Scale(Layer):
    """A = gamma A_prev, whose gamma[l] stands beside W[l]."""

    symbol = "A"
    joins = True
    twin_names: ClassVar[dict[str, str]] = {"gamma": "gamma"}

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(1), requires_grad=False)

    def forward(self, A_prev: torch.Tensor) -> torch.Tensor:
        return self.gamma * A_prev

    def backward(self, dA: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def twin(self) -> nn.Module:
        raise NotImplementedError


def test_no_two_quantities_share_a_name() -> None:
    layers = [Scale(), Linear(2, 3), Scale(), Tanh(), Sigmoid(), Scale(), Linear(3, 1)]
    network = Network(layers, SquaredError())
    # The first has no W to stand beside, and the last beside one that has a gamma already: they count by themselves.
    assert network.names == ["A1", "Z2", "A2", "A2'", "A2''", "A3", "Z4"]
    assert [name for name, _ in network.notes_parameters()] == ["gamma1", "W2", "b2", "gamma2", "gamma3", "W4", "b4"]


def test_first_layer_never_forms_dA0(monkeypatch: pytest.MonkeyPatch) -> None:
    network = deep([6, 5, 1])
    first, calls = network.sequence[0], []
    monkeypatch.setattr(first, "backward", lambda dZ: calls.append(dZ))
    network.cost(torch.randn(6, 3), torch.ones(1, 3))
    network.backward()
    assert not calls
    assert first.get_parameter("W").grad is not None


def test_backward_needs_the_sweep_of_cost() -> None:
    network = deep([6, 5, 1])
    with pytest.raises(InputError, match="call cost"):
        network.backward()
    network.cost(torch.randn(6, 3), torch.ones(1, 3))
    network.backward()
    network(torch.randn(6, 4))  # the caches are no longer of the examples that J was the cost of
    with pytest.raises(InputError, match="call cost"):
        network.backward()


def test_twin_of_a_network_starts_equal_and_stays_independent() -> None:
    network = initialise(deep([6, 5, 4, 1]).double(), "he", seed=1)
    X = torch.randn(6, 7, generator=generator(0), dtype=torch.float64)
    before, twin = network(X).clone(), network.twin()
    assert_close(network(X), torch.sigmoid(twin(X.T)).T.detach(), "A3")
    for parameter in twin.parameters():
        parameter.data.add_(1)
    torch.testing.assert_close(network(X), before, rtol=0, atol=0)
    assert [name for name, _, _ in network.pairs(twin)] == ["W1", "b1", "W2", "b2", "W3", "b3"]


def test_models_are_the_notes_networks() -> None:
    assert [type(layer) for layer in logistic(3).sequence] == [Linear]
    assert [type(layer) for layer in shallow(3, 4).sequence] == [Linear, Tanh, Linear]
    assert [type(layer) for layer in deep([3, 4, 2, 1]).sequence] == [Linear, ReLU, Linear, ReLU, Linear]
    assert [type(layer) for layer in deep([3, 4, 1], LeakyReLU).sequence] == [Linear, LeakyReLU, Linear]
    for network in (logistic(3), shallow(3, 4), deep([3, 4, 2, 1])):
        assert isinstance(network.loss, SigmoidCrossEntropy)


@pytest.mark.parametrize("layers", [[], [3], [3, 0, 1], [-3, 1]])
def test_layer_sizes_are_checked(layers: list[int]) -> None:
    with pytest.raises(InputError, match=r"expected \[n_x, ..., 1\]"):
        deep(layers)


@pytest.mark.parametrize(
    ("init", "variance"),
    [("zeros", 0.0), ("small", 1e-4), ("sqrt", 1 / 300), ("he", 2 / 300), ("xavier", 2 / 500)],
)
def test_initial_scale(init: str, variance: float) -> None:
    network = initialise(deep([300, 200, 1]).double(), init, seed=4)
    W1 = network.sequence[0].get_parameter("W")
    # The variance of 60,000 normal numbers is known to sqrt(2 / 60,000) = 0.6 %; five of those.
    assert W1.var().item() == pytest.approx(variance, rel=0.03)
    assert not network.sequence[0].get_parameter("b").any()


def test_initialisation_draws_numpys_legacy_stream_in_order() -> None:
    np.random.seed(1)
    W1, W2 = np.random.randn(4, 3) / np.sqrt(3), np.random.randn(1, 4) / np.sqrt(4)
    parameters = dict(initialise(shallow(3, 4).double(), "sqrt", seed=1).notes_parameters())
    torch.testing.assert_close(parameters["W1"].data, torch.from_numpy(W1), rtol=1e-15, atol=0)
    torch.testing.assert_close(parameters["W2"].data, torch.from_numpy(W2), rtol=1e-15, atol=0)


def test_unknown_initialisation_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'xavier'"):
        initialise(logistic(3), "xaviar", seed=0)
    assert set(SCALES) == {"zeros", "small", "sqrt", "he", "xavier"}


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            lambda one: [one, Tanh(), one],
            "the same Linear as layers.0 and as layers.2, expected another at every place",
        ),
        (lambda one: [one, Residual([Tanh(), one])], "the same Linear as layers.0 and as layers.1.F.layers.1"),
        (lambda one: [one, tied(one)], "the same parameter as layers.0.W and as layers.1.W"),
        (lambda one: [], "Network got no layers, expected one or more"),
    ],
    ids=["layer", "inside another", "parameter", "none"],
)
def test_a_layer_stands_in_one_place(layers: Callable[[Linear], list[Layer]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Network(layers(Linear(3, 3)), SquaredError())


def tied(one: Linear) -> Linear:
    """Another layer with the same W."""
    other = Linear(3, 3)
    other.W = one.W
    return other


@pytest.mark.parametrize("frozen", [BatchNorm1d(3), Dropout(0.5, seed=1)], ids=["batch norm", "dropout"])
@pytest.mark.parametrize("composed", [False, True])
def test_a_layer_in_use_within_a_network_that_trains_is_so_in_the_twin(frozen: Layer, composed: bool) -> None:
    network = Network([Residual([Linear(3, 3), frozen]) if composed else frozen, Linear(3, 1)], SquaredError()).double()
    g = generator(2)
    randomise(network, g)
    frozen.eval()
    X = torch.randn(3, 5, dtype=torch.float64, generator=g)
    twin = network.twin()
    assert_close(network(X), twin(X.T).detach().T, "A")
    assert twin.training
    network.train()
    assert (network(X) - twin(X.T).T).abs().max() > 1e-3


class Block(Layer):
    """A layer of one's own, around another, whose twin knows nothing of training and use."""

    symbol = "A"

    def __init__(self, part: Layer) -> None:
        super().__init__()
        self.part = part

    def forward(self, A_prev: torch.Tensor) -> torch.Tensor:
        return self.part(A_prev)

    def backward(self, dA: torch.Tensor) -> torch.Tensor:
        return self.part.backward(dA)

    def twin(self) -> nn.Module:
        return nn.Sequential(self.part.twin())


@pytest.mark.parametrize("training", [False, True])
def test_the_twin_of_a_layer_around_another_is_in_its_mode(training: bool) -> None:
    network = Network([Linear(3, 4), Block(BatchNorm1d(4)), Linear(4, 1)], SquaredError()).double()
    g = generator(5)
    randomise(network, g)
    network.train(training)
    X = torch.randn(3, 6, dtype=torch.float64, generator=g)
    assert_close(network.twin()(X.T).detach().T, network(X), "A")
