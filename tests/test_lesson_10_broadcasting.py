"""Lesson 10: what A - y of a column and an (n,) array is, and what is trained by it."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from lessons import Told, script, small


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder: Path = tmp_path_factory.mktemp("broadcasting")
    return small("broadcasting", folder, iterations=60)


def inputs(m: int = 11, n_x: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    return random.normal(size=(n_x, 1)), random.normal(size=(m, n_x)), (np.arange(m) % 3 == 0).astype(float)


def test_the_same_code_trains_with_one_shape_and_guesses_with_the_other(told: Told) -> None:
    numbers = told.verdict.numbers
    assert told.verdict.holds, told.verdict.words
    assert "dZ: shape (7, 7), expected (7, 1)" in told.verdict.words
    right, wrong = (told.curve(name, "cost") for name in ("y (m, 1)", "y (m,)"))
    assert set(right) == set(wrong) == set(range(60))
    assert right[0] == wrong[0] == pytest.approx(np.log(2))
    # Whatever the weights, nothing below the labels' entropy can be reached; right labels go below it.
    assert min(wrong.values()) > numbers["cost of guessing"] - 1e-6
    assert right[59] < numbers["cost of guessing"] / 2


def test_right_labels_give_autograds_gradients() -> None:
    w, X, y = inputs()
    gradients, J = script("broadcasting").propagate(w, 0.2, X, y.reshape(-1, 1))
    leaf, b = torch.tensor(w, requires_grad=True), torch.tensor([0.2], dtype=torch.float64, requires_grad=True)
    Z = torch.tensor(X) @ leaf + b
    cost = torch.nn.functional.binary_cross_entropy_with_logits(Z[:, 0], torch.tensor(y))
    cost.backward()
    assert pytest.approx(cost.item(), rel=1e-14) == J
    assert leaf.grad is not None
    assert b.grad is not None
    np.testing.assert_allclose(gradients["dw"], leaf.grad, rtol=1e-12)
    np.testing.assert_allclose(gradients["db"], b.grad.item(), rtol=1e-12)


def test_a_rank_one_y_is_every_label_for_every_example() -> None:
    lesson = script("broadcasting")
    w, X, y = inputs()
    gradients, J = lesson.propagate(w, 0.2, X, y)
    # J of the mean label, by torch, whose labels may be any probability.
    mean = torch.full((11, 1), y.mean(), dtype=torch.float64)
    Z = torch.tensor(X @ w + 0.2)
    assert pytest.approx(torch.nn.functional.binary_cross_entropy_with_logits(Z, mean).item(), rel=1e-13) == J
    # Column j of dw is the gradient with label j for all: held one by one against the right code.
    assert gradients["dw"].shape == (3, 11)
    for j in range(11):
        one, _ = lesson.propagate(w, 0.2, X, np.full((11, 1), y[j]))
        np.testing.assert_allclose(gradients["dw"][:, [j]], one["dw"], rtol=1e-12, atol=1e-15)
    of_mean, _ = lesson.propagate(w, 0.2, X, mean.numpy())
    np.testing.assert_allclose(gradients["dw"].mean(axis=1, keepdims=True), of_mean["dw"], rtol=1e-12)
    np.testing.assert_allclose(gradients["db"], of_mean["db"], rtol=1e-12)


def test_the_check_finds_the_shapes_and_passes_the_right_ones() -> None:
    _, X, y = inputs()
    found = script("broadcasting").checked(X, y)
    assert [quantity.name for quantity in found.wrong] == ["dZ", "dw"]
    assert "expected (7, 1)" in next(found.wrong).note
    assert script("broadcasting").checked(X, y.reshape(-1, 1))


def test_differences_by_the_rule() -> None:
    # From the last axis on: equal, or one of them 1 or missing.
    found = script("broadcasting").differences(5)
    shapes = {"(1, m)": (1, 5), "(m, 1)": (5, 1), "(m,)": (5,)}
    assert found == {(A, Y): np.broadcast_shapes(shapes[A], shapes[Y]) for A in shapes for Y in shapes}
    square = {pair for pair, shape in found.items() if shape == (5, 5)}
    assert square == {("(1, m)", "(m, 1)"), ("(m, 1)", "(1, m)"), ("(m, 1)", "(m,)"), ("(m,)", "(m, 1)")}


def test_sums_of_axes() -> None:
    found = script("broadcasting").sums(4, 7)
    assert (found["a.T"], found["np.dot(a, a.T)"]) == ((4,), ())
    assert (found["np.sum(dZ, axis=0)"], found["np.sum(dZ, axis=1)"]) == ((7,), (4,))
    assert found["b - np.sum(dZ, axis=1)"] == (4, 4)
    assert found["b - np.sum(dZ, axis=1, keepdims=True)"] == found["b"] == (4, 1)


def test_a_prediction_of_zero_is_no_warning(tmp_path: Path) -> None:
    with np.errstate(all="raise"):
        told = small("broadcasting", tmp_path, learning_rate=100.0, iterations=10)
    assert told.verdict.numbers["test accuracy, y (m, 1)"] > 0.8


def test_options_that_cannot_be_used_are_refused() -> None:
    with pytest.raises(ValueError, match="--iterations 0: expected"):
        script("broadcasting").Config(iterations=0).check()
    for rate in (float("nan"), 1e300):
        with pytest.raises(ValueError, match=f"--learning-rate {re.escape(str(rate))}: expected a positive number"):
            script("broadcasting").Config(learning_rate=rate).check()
