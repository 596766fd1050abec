"""Lesson 3: every way of one sweep gives autograd's gradients; how long each takes is shown, not asserted."""

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from lessons import Told, script, small

WAYS = ("two loops", "one loop", "NumPy", "torch")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder: Path = tmp_path_factory.mktemp("vectorisation")
    return small("vectorisation", folder, sizes=(3, 30, 300), features=5, budget=100.0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("n_x", "m"), [(1, 1), (1, 9), (7, 1), (6, 40)])
def test_a_sweep_is_autograds(way: str, n_x: int, m: int) -> None:
    lesson = script("vectorisation")
    w, X, Y = lesson.examples(n_x, m, 4)
    J, dw, db = lesson.WAYS[way](w, X, Y)()
    leaf = torch.tensor(w, requires_grad=True)
    b = torch.tensor(lesson.B, dtype=torch.float64, requires_grad=True)
    cost = torch.nn.functional.binary_cross_entropy_with_logits(leaf.T @ torch.tensor(X) + b, torch.tensor(Y))
    cost.backward()
    assert leaf.grad is not None
    assert b.grad is not None
    assert pytest.approx(cost.item(), rel=1e-13) == J
    assert pytest.approx(b.grad.item(), rel=1e-12, abs=1e-15) == db
    assert dw.shape == (n_x,)
    np.testing.assert_allclose(dw, leaf.grad[:, 0], rtol=1e-12, atol=1e-15)


def test_rounding_grows_with_what_is_summed() -> None:
    eps, dw = np.finfo(np.float64).eps, np.array([1.0, -4000.0])
    assert script("vectorisation").rounding((0.5, np.array([0.1]), 0.2), 10, 6) == pytest.approx(16 * eps)
    assert script("vectorisation").rounding((0.5, dw, 0.2), 10, 6) == pytest.approx(16 * eps * 4000)


def test_every_way_has_its_times(told: Told) -> None:
    for way in WAYS:
        seconds = told.curve(way, "seconds")
        assert set(seconds) == {3, 30, 300}
        assert min(seconds.values()) > 0
    numbers = told.verdict.numbers
    assert 0 < numbers["difference"] < 1e-14
    assert (numbers["fewest examples"], numbers["most examples"]) == (3, 300)
    assert numbers["ratio, many, NumPy"] > 0 < numbers["ratio, many, torch"]


def test_one_wrong_sweep_and_the_claim_does_not_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lesson = script("vectorisation")

    def db_wrong(w: Any, X: Any, Y: Any) -> Any:
        def sweep() -> Any:
            J, dw, db = lesson.numpy_vectorised(w, X, Y)()
            return J, dw, db + 1e-9

        return sweep

    monkeypatch.setitem(lesson.WAYS, "one loop", db_wrong)
    found = small("vectorisation", tmp_path, sizes=(3, 1000), features=2, budget=100.0)
    assert not found.verdict.holds
    assert found.verdict.numbers["difference"] == pytest.approx(1e-9, rel=1e-3)


def test_what_takes_longer_than_the_budget_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(0.0)
    # Every sweep takes one second by this clock, so that of three times the examples it would take three.
    monkeypatch.setattr(script("vectorisation"), "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    found = small("vectorisation", tmp_path, sizes=(1, 3, 30), features=1, budget=9.5)
    for way in WAYS:
        assert found.curve(way, "seconds") == {1: 1.0, 3: 1.0}
    assert not found.verdict.holds


def test_options_that_cannot_be_used_are_refused() -> None:
    for options, words in (
        ({"sizes": (5, 5)}, "--sizes 5 5: expected two numbers"),
        ({"sizes": (0, 5)}, "--sizes 0 5: expected two numbers"),
        ({"features": 0}, "--features 0: expected"),
        ({"budget": float("nan")}, "--budget nan: expected"),
    ):
        with pytest.raises(ValueError, match=words):
            script("vectorisation").Config(**options).check()
