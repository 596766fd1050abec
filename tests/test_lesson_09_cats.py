"""Lesson 9: four networks on the same pictures; what is right is counted anew, and the errors by NumPy."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from lessons import Told, script, small

from torchbasics.data import load
from torchbasics.data.base import Split
from torchbasics.errors import InputError
from torchbasics.training.engines import TorchEngine

NAMES = ("logistic", "shallow", "deep", "cnn")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder: Path = tmp_path_factory.mktemp("cats")
    return small("cats", folder, passes=3, starts=1)


def test_few_passes_tell_logistic_regression_from_convolution(told: Told) -> None:
    numbers = told.verdict.numbers
    assert numbers["pictures"] == 360
    for name in NAMES:
        # The last pass is what the verdict counts.
        assert told.curve(name, "test accuracy")[3] == pytest.approx(numbers[f"test, {name}"], rel=1e-6)
    assert numbers["test, cnn"] > numbers["test, logistic"] + 0.05
    assert numbers["deep - logistic"] == pytest.approx(numbers["test, deep"] - numbers["test, logistic"], abs=1e-12)
    assert numbers["cnn - deep"] == pytest.approx(numbers["test, cnn"] - numbers["test, deep"], abs=1e-12)


def test_the_error_of_a_difference() -> None:
    # 50 pictures, of which 5 only the second gets right and 2 only the first.
    first, second = [1.0] * 40 + [0.0] * 5 + [1.0] * 2 + [0.0] * 3, [1.0] * 45 + [0.0] * 5
    d, error = script("cats").difference(first, second)
    assert d == pytest.approx(0.06)
    assert error == pytest.approx(math.sqrt(((5 + 2) / 50 - 0.06**2) / 49))
    assert error == pytest.approx(np.std(np.subtract(second, first), ddof=1) / math.sqrt(50))


def test_right_is_on_its_labels_side() -> None:
    split = Split(torch.zeros(3, 4), torch.tensor([[1.0, 1.0, 0.0, 0.0]]))
    assert script("cats").correct(torch.tensor([[0.9, 0.4, 0.2, 0.7]]), split).tolist() == [1, 0, 1, 0]


def test_moved_digits_are_the_digits_in_many_places() -> None:
    X = load("digits", dtype=torch.float32, seed=1).test.X
    frames = script("cats").moved(X).T.view(-1, 12, 12)
    places = set()
    for frame, x in zip(frames, X.T, strict=True):
        windows = frame.unfold(0, 8, 1).unfold(1, 8, 1).reshape(25, 64)
        at = (windows == x).all(dim=1).nonzero()[:, 0].tolist()
        assert at, "the digit is nowhere in its frame"
        assert frame.sum() == x.sum()
        places.update(at)
    assert places == set(range(25))
    # The place goes with the picture, whatever stands beside it.
    assert torch.equal(script("cats").moved(X[:, 5:6])[:, 0], frames[5].flatten())


@pytest.mark.parametrize("name", NAMES)
def test_learning_is_autograds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lesson = script("cats")
    digits = load("digits", dtype=torch.float32, seed=2)
    data = type(digits)(
        "few", Split(digits.train.X[:, :70], digits.train.Y[:, :70]), digits.test, digits.classes, digits.image, 1.0
    )
    answers = []
    for engine in (lesson.ManualEngine, TorchEngine):
        monkeypatch.setattr(lesson, "ManualEngine", engine)
        ((_, trained),) = lesson.learn(name, data, 1, 5)
        answers.append(trained.cost_and_predictions(data.test.X, data.test.Y)[1])
    torch.testing.assert_close(*answers, rtol=1e-3, atol=1e-4)


def test_refusals() -> None:
    with pytest.raises(InputError, match=r"^--starts 0: expected a whole number, 1 or more$"):
        script("cats").Config(starts=0).check()
    with pytest.raises(InputError, match=r"^--data moons: expected pictures of two classes"):
        script("cats").Config(data="moons").check()


def test_the_courses_files(cat_files: tuple[Path, Path]) -> None:
    data = script("cats").Config(data=str(cat_files[0])).load(0)
    assert (data.train.m, data.test.m, data.n_x) == (209, 50, 12288)
    assert [script("cats").network(name, data).first for name in NAMES] == [0, 0, 0, 1]
