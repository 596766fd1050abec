"""Whole networks: every Z, A, dZ, dA, dW and db against autograd of the twin, and central differences of J."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numerics import assert_close, autograd_quantities, central_differences, distinct_sizes, generator, randomise, seeds

from torchbasics.errors import InputError
from torchbasics.initialisation import SCALES, initialise
from torchbasics.layers import Layer, LeakyReLU, Linear, ReLU, Sigmoid, Tanh
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


@st.composite
def plans(draw: st.DrawFn, largest: int = 8) -> tuple[Any, ...]:
    """Sizes (m first; all pairwise distinct), hidden activations, ending and seed of a network of 1 to 4 layers."""
    depth = draw(st.integers(1, 4))
    sizes = draw(distinct_sizes(depth + 2, largest))
    hidden = draw(st.lists(activations, min_size=depth - 1, max_size=depth - 1))
    return sizes, hidden, draw(endings), draw(seeds)


def realise(plan: tuple[Any, ...]) -> tuple[Network, torch.Tensor, torch.Tensor]:
    """The planned network with random parameters, X and Y."""
    (m, *sizes), hidden, ending, seed = plan
    g = generator(seed)
    network = build(sizes, hidden, ending).double()
    randomise(network, g)
    X = torch.randn(sizes[0], m, generator=g, dtype=torch.float64)
    Y = torch.randint(0, 2, (sizes[-1], m), generator=g).double()
    return network, X, Y


@settings(max_examples=150, deadline=None)
@given(plan=plans())
def test_every_quantity_agrees_with_autograd(plan: tuple[Any, ...]) -> None:
    network, X, Y = realise(plan)
    ours, reference = network.quantities(X, Y), autograd_quantities(network, X, Y)
    assert ours.keys() == reference.keys()
    for name, value in reference.items():
        # Four layers of up to 8 terms, and 1 / min(A, 1 - A) through A: relative to each quantity's largest entry.
        scale = 1 + value.abs().max()
        assert ours[name].shape == value.shape, name
        assert (ours[name] - value).abs().max() <= 1e-11 * scale, name


@settings(max_examples=25, deadline=None)
@given(plan=plans(largest=6))
def test_parameters_agree_with_central_differences(plan: tuple[Any, ...]) -> None:
    network, X, Y = realise(plan)
    ours = network.quantities(X, Y)
    pre_activations = [ours[name] for name in ours if name.startswith("Z")]
    if min(Z.abs().min() for Z in pre_activations) < 1e-3:
        return  # a kink within reach of h makes the difference meaningless
    if isinstance(network.loss, BinaryCrossEntropy) and max(Z.abs().max() for Z in pre_activations[-1:]) > 10:
        return  # 1 - A has lost its digits
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


def test_first_layer_never_forms_dA0(monkeypatch: pytest.MonkeyPatch) -> None:
    network = deep([6, 5, 1])
    first, calls = network.sequence[0], []
    monkeypatch.setattr(first, "backward", lambda dZ: calls.append(dZ))
    network.cost(torch.randn(6, 3), torch.ones(1, 3))
    network.backward()
    assert not calls
    assert first.get_parameter("W").grad is not None


def test_twin_of_a_network_starts_equal_and_stays_independent() -> None:
    network = initialise(deep([6, 5, 4, 1]), "he", seed=1).double()
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
    network = initialise(deep([300, 200, 1]), init, seed=4).double()
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
