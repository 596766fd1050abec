"""Lesson 2: gradient descent reaches the one optimum of the logistic cost from any start, if alpha is right."""

import itertools
from pathlib import Path

import pytest
import torch
from lessons import Told, script, small
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from torchbasics.logistic import optimize, propagate


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder: Path = tmp_path_factory.mktemp("descent")
    return small("descent", folder, starts=4)


def test_the_witness_stands_where_no_gradient_is_left_and_j_curves_up() -> None:
    of = script("descent").problem(seed=3)
    theta = of.optimum()
    gradients, _ = propagate(theta[:2, None], theta[2], of.X, of.Y)
    assert max(gradients["dw"].abs().max(), gradients["db"].abs()) < 1e-10

    def J(at: Tensor) -> Tensor:
        return binary_cross_entropy_with_logits(at @ of.rows, of.Y[0])

    torch.testing.assert_close(of.costs(theta[None])[0], J(theta), rtol=1e-13, atol=0)
    expected = torch.autograd.functional.hessian(J, theta)
    torch.testing.assert_close(of.hessian(theta), expected, rtol=1e-11, atol=1e-14)
    assert torch.linalg.eigvalsh(expected).min() > 0.001


def test_every_start_descends_as_the_notes_do() -> None:
    # k neurons side by side, each by the cost of its own: `optimize` has one.
    lesson = script("descent")
    of = lesson.problem(seed=1)
    starts = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 5
    ends = lesson.descend(of, starts, 2.5, 30)[-1]
    for start, end in zip(starts, ends, strict=True):
        parameters, _, _ = optimize(start[:2, None], start[2], of.X, of.Y, num_iterations=30, learning_rate=2.5)
        expected = torch.cat([parameters["w"][:, 0], parameters["b"][None]])
        torch.testing.assert_close(end, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("share", [0.9, 1.1])
def test_the_limit_is_two_by_the_largest_eigenvalue(share: float) -> None:
    # Along H's first eigenvector an update multiplies the error by 1 - alpha lambda, here -0.8 or -1.2.
    lesson = script("descent")
    of = lesson.problem(seed=2)
    optimum = of.optimum()
    values, vectors = torch.linalg.eigh(of.hessian(optimum))
    path = lesson.descend(of, (optimum + 1e-5 * vectors[:, -1])[None], share * 2 / values[-1].item(), 10)
    found = (path[:, 0] - optimum) @ vectors[:, -1]
    expected = 1e-5 * (1 - 2 * share) ** torch.arange(11, dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=0)


def test_all_starts_come_to_one_end_and_beyond_the_limit_none_does(told: Told) -> None:
    numbers = told.verdict.numbers
    assert told.verdict.holds
    assert max(numbers["right_distance"], numbers["right_apart"], numbers["below_limit_distance"]) < 1e-6
    assert numbers["above_limit_distance"] > 0.1
    # No alpha is tried that gains from a margin: the right one is below the limit by a factor.
    assert numbers["alpha"] < numbers["limit"] / 2


def test_up_to_the_bound_no_step_climbs(told: Told) -> None:
    costs = {run: list(told.curve(run, "cost").values()) for run in ("right", "too small", "too large")}
    for run, J in costs.items():
        climbs = [after > before * (1 + 1e-6) for before, after in itertools.pairwise(J)]
        assert any(climbs) is (run == "too large")
