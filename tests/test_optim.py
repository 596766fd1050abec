"""Gradient descent by hand against torch.optim.SGD."""

import pytest
import torch
from numerics import generator

from torchbasics.errors import InputError
from torchbasics.initialisation import initialise
from torchbasics.models import deep
from torchbasics.optim import GradientDescent
from torchbasics.training.engines import ENGINES


def test_the_update_is_W_minus_alpha_dW() -> None:
    W = torch.nn.Parameter(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), requires_grad=False)
    W.grad = torch.tensor([[0.5, -1.0], [0.0, 2.0]])
    GradientDescent([W], learning_rate=0.1).step()
    torch.testing.assert_close(W.data, torch.tensor([[0.95, 2.1], [3.0, 3.8]]))


def test_a_parameter_without_a_gradient_stays() -> None:
    with_gradient, without = (torch.nn.Parameter(torch.tensor([1.0, 2.0]), requires_grad=False) for _ in range(2))
    with_gradient.grad = torch.tensor([1.0, -1.0])
    GradientDescent([without, with_gradient], learning_rate=0.5).step()
    torch.testing.assert_close(without.data, torch.tensor([1.0, 2.0]), rtol=0, atol=0)
    torch.testing.assert_close(with_gradient.data, torch.tensor([0.5, 2.5]), rtol=0, atol=0)


def test_gradient_descent_is_sgd() -> None:
    g = generator(5)
    X, Y = torch.randn(6, 9, generator=g).double(), torch.randint(0, 2, (1, 9), generator=g).double()
    network = initialise(deep([6, 5, 4, 1]).double(), "he", seed=2)
    engines = [make(network, "gd", 0.3) for make in ENGINES.values()]
    for engine in engines:
        for _ in range(50):
            engine.cost_and_gradients(X, Y)
            engine.update()
    for name, ours, theirs in network.pairs(engines[1].module):
        torch.testing.assert_close(ours, theirs.data.reshape(ours.shape), rtol=1e-11, atol=1e-12, msg=name)
    assert [type(engine.optimizer) for engine in engines] == [GradientDescent, torch.optim.SGD]


def test_each_group_has_its_own_learning_rate() -> None:
    W, b = (torch.nn.Parameter(torch.tensor([1.0]), requires_grad=False) for _ in range(2))
    W.grad, b.grad = torch.tensor([1.0]), torch.tensor([1.0])
    GradientDescent([{"params": [W], "lr": 0.25}, {"params": [b]}], learning_rate=0.5).step()
    torch.testing.assert_close(torch.cat([W, b]).data, torch.tensor([0.75, 0.5]))


def test_torchs_schedules_drive_it() -> None:
    W = torch.nn.Parameter(torch.tensor([1.0]), requires_grad=False)
    optimizer = GradientDescent([W], learning_rate=1.0)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.1)
    for _ in range(2):
        W.grad = torch.tensor([1.0])
        optimizer.step()
        schedule.step()
    torch.testing.assert_close(W.data, torch.tensor([1 - 1 - 0.1]))


@pytest.mark.parametrize("learning_rate", [0.0, -0.1, float("nan"), float("inf")])
def test_learning_rate_must_be_positive(learning_rate: float) -> None:
    with pytest.raises(InputError, match="expected a positive number"):
        GradientDescent([torch.nn.Parameter(torch.ones(1))], learning_rate)
