"""Lesson 6: a network without activations is one linear map."""

from pathlib import Path

import pytest
import torch
from lessons import Told, script, small
from torch import Tensor

from torchbasics.initialisation import initialise


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder: Path = tmp_path_factory.mktemp("linear_collapse")
    return small("linear_collapse", folder, depths=(1, 3, 9), iterations=1500)


def test_one_map_is_the_network(told: Told) -> None:
    assert told.verdict.holds
    assert set(told.curve("collapse", "difference_from_one_map")) == {1, 3, 9}
    assert 0 < told.verdict.numbers["difference"] < 1e-13


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_map_is_the_jacobian(depth: int) -> None:
    # W' is dA[L]/dX, which autograd gets from the network's twin, and b' is what X = 0 gives.
    network = initialise(script("linear_collapse").network(depth, 4).double(), "he", seed=3)
    for name, parameter in network.notes_parameters():
        if name.startswith("b"):
            parameter.data.uniform_(-1, 1)
    W, b = script("linear_collapse").one_map(network)
    twin = network.twin()

    def output(x: Tensor) -> Tensor:
        found: Tensor = twin(x[None])[0]
        return found

    jacobian = torch.autograd.functional.jacobian(output, torch.randn(2, dtype=torch.float64))
    torch.testing.assert_close(W, jacobian, rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(b[:, 0], output(torch.zeros(2, dtype=torch.float64)), rtol=1e-13, atol=1e-13)


def test_depth_without_activations_buys_nothing_and_tanh_does(told: Told) -> None:
    numbers = told.verdict.numbers
    assert abs(numbers["linear"] - numbers["logistic"]) < 0.03
    assert numbers["tanh"] > numbers["linear"] + 0.15
