"""Lesson 8: accuracy over the sizes of data and network, its parts and its errors computed anew."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from lessons import Told, script, small

from torchbasics.data import load
from torchbasics.data.base import Split
from torchbasics.errors import InputError
from torchbasics.training.batches import Batches
from torchbasics.training.engines import TorchEngine


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder: Path = tmp_path_factory.mktemp("scale")
    return small("scale", folder, examples=(20, 5000), updates=40, starts=2)


def test_curves_and_corners(told: Told) -> None:
    numbers = told.verdict.numbers
    for name in ("small", "medium", "large"):
        curve = told.curve(name, "test accuracy")
        assert set(curve) == {20, 1437}
        for count, share in curve.items():
            assert numbers[f"{name}, {count}"] == pytest.approx(share, rel=1e-6)
    assert numbers["data"] == pytest.approx(numbers["large, 1437"] - numbers["large, 20"], abs=1e-12)
    assert numbers["size"] == pytest.approx(numbers["large, 1437"] - numbers["small, 1437"], abs=1e-12)
    # Of seeds 1 to 5 the smallest gains were 0.075 and 0.237.
    assert numbers["data"] > 0.03
    assert numbers["size"] > 0.1
    assert min(numbers["error, data"], numbers["error, size"]) > 0


def test_the_error_of_a_gain() -> None:
    before, after = np.array([0.8, 0.9, 0.85]), np.array([0.9, 0.95, 1.0])
    gain, error = script("scale").gain(before.tolist(), after.tolist(), 100)
    assert gain == pytest.approx(0.1)
    binomial = (0.85 * 0.15 + 0.95 * 0.05) / 100
    assert error == pytest.approx(math.sqrt((before.var(ddof=1) + after.var(ddof=1)) / 3 + binomial))


def test_a_smaller_part_is_in_every_larger_one(monkeypatch: pytest.MonkeyPatch) -> None:
    lesson, data = script("scale"), load("digits", dtype=torch.float32, seed=1)
    parts: list[Split] = []

    def batches(split: Split, size: int, seed: int) -> Batches:
        parts.append(split)
        return Batches(split, size, seed)

    monkeypatch.setattr(lesson, "Batches", batches)
    for count in (90, 200, data.train.m):
        lesson.accuracy(data, (2, 4), count, 1, 6)
    assert [part.m for part in parts] == [90, 200, 1437]
    for part in parts:
        assert torch.equal(part.X, parts[-1].X[:, : part.m])
        assert torch.equal(part.Y, parts[-1].Y[:, : part.m])
    assert torch.equal(parts[-1].X.sort(dim=1).values, data.train.X.sort(dim=1).values)


@pytest.mark.parametrize("count", [40, 150])
def test_accuracy_is_autograds(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lesson, data = script("scale"), load("digits", dtype=torch.float32, seed=3)
    by_hand = lesson.accuracy(data, (4, 8), count, 15, 2)
    monkeypatch.setattr(lesson, "ManualEngine", TorchEngine)
    # An answer within rounding of 1/2 may fall on either side.
    assert by_hand == pytest.approx(lesson.accuracy(data, (4, 8), count, 15, 2), abs=1.5 / 360)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"updates": 0}, "--updates 0: expected a whole number, 1 or more"),
        ({"starts": 1}, "--starts 1: expected a whole number, 2 or more"),
        ({"examples": (0, 5)}, "--examples 0 5: expected whole numbers, 1 or more"),
        ({"examples": (2000, 3000)}, "--examples 2000 3000: digits has 1437 training examples"),
        ({"data": "moons"}, "--data moons: expected pictures of two classes"),
    ],
)
def test_refusals(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as refused:
        script("scale").Config(**options).check()
    assert str(refused.value).startswith(message)


def test_the_courses_files(cifar_cat_files: tuple[Path, Path]) -> None:
    config = script("scale").Config(data=str(cifar_cat_files[0]))
    assert script("scale").counts(config, config.load(0)) == [100, 300, 1000, 4000]
