"""Lesson 1: squared error with a sigmoid is not convex in w, the log loss is."""

from functools import partial
from pathlib import Path

import pytest
import torch
from lessons import Told, script, small
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

LOSSES = ["squared error", "log loss"]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder: Path = tmp_path_factory.mktemp("convexity")
    return small("convexity", folder, starts=12, iterations=2500, grid=41)


def stock(loss: str, theta: Tensor) -> Tensor:
    """J at theta = (w, b) by torch's own losses."""
    lesson = script("convexity")
    Z = theta[0] * lesson.X + theta[1]
    if loss == "log loss":
        return binary_cross_entropy_with_logits(Z, lesson.Y)
    return mse_loss(torch.sigmoid(Z), lesson.Y) / 2


@pytest.mark.parametrize("loss", LOSSES)
def test_hessian_is_autograds(loss: str) -> None:
    theta = torch.randn(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2
    expected = torch.stack([torch.autograd.functional.hessian(partial(stock, loss), point) for point in theta])
    found = script("convexity").hessians(loss, theta[:, :1], theta[:, 1:])
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)
    costs = script("convexity").costs(loss, theta[:, :1], theta[:, 1:])
    torch.testing.assert_close(costs, torch.stack([stock(loss, point) for point in theta]), rtol=1e-13, atol=0)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_neuron_has_the_gradient_of_its_own_cost(loss: str) -> None:
    lesson = script("convexity")
    theta = torch.randn(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    network = lesson.neurons(loss, theta)
    network.cost(lesson.X, lesson.Y.expand(5, -1))
    network.backward()
    W, b = network.parameters()
    expected = torch.stack([torch.autograd.functional.jacobian(partial(stock, loss), point) for point in theta])
    torch.testing.assert_close(torch.cat([W.grad, b.grad], dim=1), expected, rtol=1e-12, atol=1e-15)


def test_squared_error_curves_down_where_the_neuron_is_wrong_by_more_than_two_thirds() -> None:
    # The docstring's rule, for either label.
    z = torch.linspace(-6, 6, 241, dtype=torch.float64, requires_grad=True)
    for y in (0.0, 1.0):
        error = torch.sigmoid(z) - y
        (first,) = torch.autograd.grad((error**2 / 2).sum(), z, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), z)
        assert torch.equal(second < 0, error.abs() > 2 / 3)


def test_squared_error_has_minima_where_descent_gets_caught(told: Told) -> None:
    numbers = told.verdict.numbers
    assert told.verdict.holds
    assert numbers["squared_smallest_eigenvalue"] < -0.4
    assert numbers["squared_minima"] == 2
    # Both are minima indeed: no point near them costs less.
    lesson = script("convexity")
    around = torch.linspace(0, 2 * torch.pi, 73, dtype=torch.float64)[:-1]
    # The one that costs less tells nothing apart: a is near the share of label 1 at every point.
    low, high = (torch.tensor(at, dtype=torch.float64) for at in ((-0.0083, -0.5497), (1.8393, -0.4614)))
    assert stock("squared error", low) < stock("squared error", high)
    assert (torch.sigmoid(low[0] * lesson.X + low[1]) - lesson.Y.mean()).abs().max() < 0.02
    for w, b in (low.tolist(), high.tolist()):
        ring = lesson.costs("squared error", w + 0.1 * around.cos()[:, None], b + 0.1 * around.sin()[:, None])
        assert ring.min() > stock("squared error", torch.tensor([w, b], dtype=torch.float64))


def test_log_loss_ends_at_one_cost_from_every_start(told: Told) -> None:
    numbers = told.verdict.numbers
    assert numbers["log_smallest_eigenvalue"] > 0
    assert numbers["log_minima"] == 1
    assert numbers["log_spread"] < 1e-12
    # The lines between the starts' costs and the end's close on one another under the log loss alone.
    gaps = {loss: told.curve(loss, "cost/highest")[2475] - told.curve(loss, "cost/lowest")[2475] for loss in LOSSES}
    assert gaps["log loss"] < 1e-6 < 0.01 < gaps["squared error"]


def test_starts_that_are_on_the_way_are_not_said_to_have_ended(tmp_path: Path) -> None:
    told = small("convexity", tmp_path, starts=3, iterations=2, grid=5)
    assert "3 starts are still on the way" in told.verdict.words
    assert "every start ends" not in told.verdict.words


@pytest.mark.parametrize("loss", LOSSES)
def test_only_the_log_loss_stays_below_its_chords(loss: str) -> None:
    # Convexity by its definition, J((p + q) / 2) <= (J(p) + J(q)) / 2, between random points.
    p, q = torch.randn(2, 500, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) * 3
    J = [script("convexity").costs(loss, at[:, :1], at[:, 1:]) for at in (p, q, (p + q) / 2)]
    above = J[2] > (J[0] + J[1]) / 2 + 1e-12
    assert bool(above.any()) is (loss == "squared error")
