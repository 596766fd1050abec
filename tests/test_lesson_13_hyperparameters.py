"""Lesson 13: which hyperparameter matters first."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lessons import Told, script, small
from rich.console import Console

from torchbasics.errors import InputError
from torchbasics.lessons.lesson import Lesson
from torchbasics.training.sweep.command import results_of
from torchbasics.training.sweep.plan import Plan, plan
from torchbasics.training.sweep_config import SweepConfig

GRID: dict[str, Any] = {"alphas": (0.001, 1.0), "depths": (2, 3), "widths": (4, 6), "activations": ("sigmoid", "tanh")}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    with pytest.MonkeyPatch.context() as patch:
        # The runs' own; the lesson's picture is drawn.
        patch.setattr("torchbasics.training.pictures.save_figure", lambda figure, path: None)
        return small("hyperparameters", tmp_path_factory.mktemp("lesson"), **GRID, iterations=40, jobs=1)


@pytest.fixture(scope="module")
def runs(told: Told) -> list[dict[str, Any]]:
    """The hyperparameters and the accuracy of every run, by what the run itself says it was."""
    results = results_of(plan(SweepConfig(resume=told.folder / "sweep")))
    return [
        {**run["hyperparameters"], "accuracy": run["results"]["manual"]["test_accuracy"]} for run in results.values()
    ]


def test_the_shares_are_those_of_a_regression(told: Told, runs: list[dict[str, Any]]) -> None:
    # R^2 of the least-squares fit of the accuracy by one input per value.
    y = np.array([run["accuracy"] for run in runs])
    of = {
        "alpha": lambda run: run["learning_rate"],
        "depth": lambda run: run["layers"].count("-"),
        "width": lambda run: run["layers"].split("-")[1],
        "activation": lambda run: run["activation"],
    }
    assert len(runs) == 16
    for name, value in of.items():
        values = [value(run) for run in runs]
        columns = np.array([[v == one for one in sorted(set(values))] for v in values], dtype=float)
        fitted = columns @ np.linalg.lstsq(columns, y, rcond=None)[0]
        expected = 1 - ((y - fitted) ** 2).sum() / ((y - y.mean()) ** 2).sum()
        assert told.verdict.numbers[name] == pytest.approx(expected, abs=1e-12)
    assert told.verdict.numbers["best"] == y.max()


def test_an_effect_of_one_axis_alone_is_all_of_it_and_an_interaction_is_nobodys() -> None:
    shares = script("hyperparameters").shares
    a, b, c = np.meshgrid([0.0, 1.0], [0.0, 2.0, 7.0], [-1.0, 1.0], indexing="ij")
    assert shares(b) == pytest.approx([0, 1, 0])
    # Variances of independent parts add up: 1/4 of a, 78/9 of b.
    assert shares(a + b) == pytest.approx([9 / 321, 312 / 321, 0])
    assert shares((2 * a - 1) * c) == pytest.approx([0, 0, 0])
    assert shares(np.full((2, 2), 0.5)) == [0, 0]


def test_alpha_comes_first(told: Told) -> None:
    numbers = told.verdict.numbers
    assert told.verdict.holds
    assert numbers["alpha"] > 2 * max(numbers[name] for name in ("depth", "width", "activation"))


def test_a_run_that_diverges_has_learned_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = script("hyperparameters")

    def results(plan: Plan) -> dict[str, dict[str, Any]]:
        figures = {"manual": {"test_accuracy": 0.9}}
        return {name: {"results": {} if "activation=tanh" in name else figures} for name in plan.runs}

    monkeypatch.setattr(module, "train", lambda plan, jobs, console: {})
    monkeypatch.setattr(module, "results_of", results)
    y = module.accuracies(module.Config(**GRID), Lesson(tmp_path, Console(file=io.StringIO())))
    assert y.shape == (2, 2, 2, 2)
    assert (y[..., 0] == 0.9).all()
    assert (y[..., 1] == 0.5).all()


def test_a_grid_with_nothing_to_compare_is_refused(tmp_path: Path) -> None:
    for changes, said in (
        ({"alphas": (0.1,)}, "--alphas: 1 value"),
        ({"depths": (1, 2)}, "--depths 1 2: expected whole numbers, 2 or more"),
        ({"widths": (0, 2)}, "--widths 0 2"),
        ({"jobs": 0}, "--jobs 0"),
        ({"alphas": (0.1, -1.0)}, "--alphas 0.1 -1.0: expected positive"),
        ({"widths": (4, 4)}, "--widths 4 4: expected every value once"),
    ):
        with pytest.raises(InputError, match=said):
            small("hyperparameters", tmp_path, **(GRID | changes))
    assert not list(tmp_path.iterdir())
