"""Gradient descent by hand against torch.optim.SGD, and torch's own optimizers on hand-derived gradients."""

import pytest
import torch
from numerics import generator

from torchbasics.errors import InputError
from torchbasics.initialisation import initialise
from torchbasics.models import deep
from torchbasics.network import Network
from torchbasics.optim import GradientDescent


def data() -> tuple[torch.Tensor, torch.Tensor]:
    g = generator(5)
    return torch.randn(6, 9, generator=g, dtype=torch.float64), torch.randint(0, 2, (1, 9), generator=g).double()


def train(network: Network, optimizer: torch.optim.Optimizer, steps: int) -> None:
    X, Y = data()
    for _ in range(steps):
        network.cost(X, Y)
        network.backward()
        optimizer.step()


def train_twin(
    network: Network, make: type[torch.optim.Optimizer], steps: int, **options: float
) -> torch.nn.Sequential:
    X, Y = data()
    twin, loss = network.twin(), network.loss.twin()
    optimizer = make(twin.parameters(), **options)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(twin(X.T), Y.T).backward()
        optimizer.step()
    return twin


def assert_same_parameters(network: Network, twin: torch.nn.Sequential) -> None:
    for name, ours, theirs in network.pairs(twin):
        torch.testing.assert_close(ours, theirs.data.reshape(ours.shape), rtol=1e-11, atol=1e-12, msg=name)


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
    network = initialise(deep([6, 5, 4, 1]).double(), "he", seed=2)
    twin = train_twin(network, torch.optim.SGD, 50, lr=0.3)
    train(network, GradientDescent(network.parameters(), 0.3), 50)
    assert_same_parameters(network, twin)


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
        (torch.optim.RMSprop, {"lr": 0.01}),
        (torch.optim.Adagrad, {"lr": 0.05}),
        (torch.optim.Adam, {"lr": 0.01}),
        (torch.optim.AdamW, {"lr": 0.01}),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_torchs_optimizers_drive_hand_derived_gradients(make: type, options: dict[str, float]) -> None:
    network = initialise(deep([6, 5, 4, 1]).double(), "he", seed=2)
    twin = train_twin(network, make, 20, **options)
    train(network, make(network.parameters(), **options), 20)
    assert_same_parameters(network, twin)


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
