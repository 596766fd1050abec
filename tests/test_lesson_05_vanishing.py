"""Lesson 5: what a layer makes of the gradient on its way back, and units that get none."""

from pathlib import Path

import pytest
import torch
from lessons import Told, script, small
from torch import Tensor, nn

from torchbasics.data.base import Split
from torchbasics.network import Network


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder: Path = tmp_path_factory.mktemp("vanishing")
    return small("vanishing", folder, depths=(3, 7), width=16, depth=4, iterations=120)


def examples(m: int = 40, n_x: int = 5) -> Split:
    generator = torch.Generator().manual_seed(4)
    X = torch.randn(n_x, m, generator=generator, dtype=torch.float64)
    return Split(X, (X[:1] * X[1:2] > 0).double())


def lengths_by_autograd(network: Network, split: Split) -> tuple[list[float], list[float], list[float]]:
    """The lengths of dZ, dA and dW of the hidden layers, from the torch.nn twin."""
    twin = network.twin()
    values: list[Tensor] = []
    A = split.X.T
    for module in twin:
        A = module(A)
        A.retain_grad()
        values.append(A)
    m = split.m
    nn.functional.binary_cross_entropy_with_logits(A, split.Y.T).backward()
    gradients = [m * value.grad.norm().item() for value in values if value.grad is not None]
    weights = [module.weight.grad.norm().item() for module in twin if isinstance(module, nn.Linear)]
    return gradients[:-1:2], gradients[1::2], weights[:-1]


def test_every_part_of_the_claim_holds_small(told: Told) -> None:
    numbers = told.verdict.numbers
    assert told.verdict.holds, told.verdict.words
    assert set(told.curve("sigmoid", "dW1_by_depth")) == {3, 7}
    assert set(told.curve("ReLU", "dW_by_layer")) == set(range(1, 8))
    sigmoid, relu = (told.curve(kind, "cost_deep") for kind in ("sigmoid", "ReLU"))
    assert set(sigmoid) == set(relu) == set(range(0, 120, 10))
    # No constant probability costs less than the labels' entropy, and no rate gets much below it.
    assert numbers["cost, deep, sigmoid"] == pytest.approx(numbers["cost of guessing"], abs=2e-3)
    assert min(sigmoid.values()) > numbers["cost of guessing"] - 2e-3
    # 0.02 alone would not do, as with ReLU it does.
    assert numbers["alpha, deep, sigmoid"] > numbers["alpha, deep, ReLU"] == 0.02
    assert relu[110] < 0.5


@pytest.mark.parametrize("kind", ["sigmoid", "tanh", "ReLU", "leaky ReLU"])
def test_lengths_are_autograds(kind: str) -> None:
    network = script("vanishing").network(kind, examples(), [7, 6, 4], seed=3)
    found = script("vanishing").lengths(network, examples(), "dZ", "dA", "dW")
    for ours, theirs in zip(found, lengths_by_autograd(network, examples()), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-12)
        assert len(ours) == 3


def test_what_a_layer_makes_of_a_gradient_is_the_geometric_mean() -> None:
    per_layer = script("vanishing").per_layer
    assert per_layer([0.25**3, 0.25**2, 0.25, 1.0]) == pytest.approx(0.25)
    assert per_layer([8.0, 1.0, 2.0]) == pytest.approx(2.0)
    assert per_layer([0.0, 0.0, 0.0]) == 0


@pytest.mark.filterwarnings("error")
def test_layers_of_one_unit_may_all_be_dead_which_is_said(tmp_path: Path) -> None:
    told = small("vanishing", tmp_path, depths=(12,), width=1, depth=1, iterations=2)
    assert not told.verdict.holds
    assert told.verdict.numbers["factor, ReLU"] == 0
    assert told.verdict.words.endswith("with ReLU no gradient comes back: a layer of the untrained network is dead")


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
def test_a_sigmoid_leaves_a_quarter_at_most_whatever_W_is(scale: float) -> None:
    network = script("vanishing").network("sigmoid", examples(), [6, 6, 6], seed=2)
    for W in network.weights():
        W.data *= scale
    dZ, dA = script("vanishing").lengths(network, examples(), "dZ", "dA")
    ratios = [after / before for after, before in zip(dZ, dA, strict=True)]
    assert 0 < max(ratios) <= 0.25
    if scale < 0.01:  # a = 1/2, where the quarter is reached
        assert min(ratios) == pytest.approx(0.25, rel=1e-4)


@pytest.mark.parametrize("seed", range(2, 7))
def test_factors_of_other_seeds(seed: int) -> None:
    lesson, split = script("vanishing"), examples(m=60, n_x=32)
    factors = {
        kind: lesson.per_layer(lesson.lengths(lesson.network(kind, split, [32] * 8, seed), split, "dZ")[0])
        for kind in lesson.KINDS
    }
    assert factors["sigmoid"] < 0.3
    assert min(factors["ReLU"], factors["leaky ReLU"], factors["tanh"]) > 0.7


def test_a_dead_relu_stays_to_the_last_bit_and_a_leaky_one_moves() -> None:
    lesson, split = script("vanishing"), examples()
    split = Split(split.X.clamp(-1, 1), split.Y)
    after, before = {}, {}
    for kind in ("ReLU", "leaky ReLU"):
        network = lesson.network(kind, split, [4], seed=1, b1=-20.0)
        before[kind] = {name: parameter.clone() for name, parameter in network.notes_parameters()}
        costs = lesson.descend(network, split, 0.5, 40)
        assert costs[-1] < costs[0]
        after[kind] = dict(network.notes_parameters())
    for name in ("W1", "b1"):
        assert torch.equal(after["ReLU"][name], before["ReLU"][name])
        assert not torch.equal(after["leaky ReLU"][name], before["leaky ReLU"][name])
    # With A1 = 0 on every example b[2] alone moves, as in logistic regression on nothing.
    assert torch.equal(after["ReLU"]["W2"], before["ReLU"]["W2"])
    assert not torch.equal(after["ReLU"]["b2"], before["ReLU"]["b2"])


def test_a_depth_of_one_has_no_factor() -> None:
    with pytest.raises(ValueError, match="--depths 1 4: expected numbers of layers, 2 or more"):
        script("vanishing").Config(depths=(1, 4)).check()
    with pytest.raises(ValueError, match="--iterations 0: expected"):
        script("vanishing").Config(iterations=0).check()
