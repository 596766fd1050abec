"""Lesson 11: the size and the content that stride, padding and pooling give, by loops and by the notes' own example."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from lessons import Told, script, small

from torchbasics.errors import InputError
from torchbasics.layers import AvgPool2d, MaxPool2d


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder: Path = tmp_path_factory.mktemp("windows")
    return small("windows", folder, shrink=8)


def strength(picture: np.ndarray, s: int) -> np.ndarray:
    """|Z| of the vertical edges: left column less right column under each window, which the filter comes to."""
    left, right = picture[:, :-2], picture[:, 2:]
    Z = sum((left - right)[i : len(picture) - 2 + i] for i in range(3))
    return np.abs(np.asarray(Z)[::s, ::s])


def pooled(A: np.ndarray, f: int, of: str) -> np.ndarray:
    """The largest or the mean of each f by f pixels."""
    rows, columns = (n // f for n in A.shape)
    blocks = A[: rows * f, : columns * f].reshape(rows, f, columns, f)
    return np.asarray(blocks.max(axis=(1, 3)) if of == "max" else blocks.mean(axis=(1, 3)))


@pytest.mark.parametrize(("n", "f", "p", "s"), [(7, 3, 0, 2), (6, 3, 1, 1), (8, 3, 0, 4), (5, 4, 2, 3), (4, 4, 0, 3)])
def test_places_are_counted(n: int, f: int, p: int, s: int) -> None:
    starts = [start for start in range(-p, n + p, s) if start + f <= n + p]
    assert script("windows").n_out(n, f, p, s) == len(starts) == math.floor((n + 2 * p - f) / s) + 1


def test_the_notes_example() -> None:
    # Course 4, week 1, "Edge detection example": a bright half beside a dark one.
    lesson = script("windows")
    picture = torch.tensor([[10.0, 10, 10, 0, 0, 0]] * 6, dtype=torch.float64).view(1, 6, 6, 1)
    expected = torch.tensor([[0.0, 30, 30, 0]] * 4, dtype=torch.float64)
    Z = lesson.convolution(lesson.VERTICAL)(picture)
    assert torch.equal(Z[0, :, :, 0], expected)
    assert torch.equal(lesson.convolution(lesson.HORIZONTAL)(picture.transpose(1, 2))[0, :, :, 0], expected.T)
    # With zeros around, the bright half ends at the picture's left side, and more so where the window is all inside.
    same = lesson.convolution(lesson.VERTICAL, p=1)(picture)[0, :, :, 0]
    assert same[2].tolist() == [-30, 0, 30, 30, 0, 0]
    assert same[0].tolist() == [-20, 0, 20, 20, 0, 0]


def test_numbers_by_hand(told: Told) -> None:
    numbers = told.verdict.numbers
    assert told.verdict.holds
    assert numbers["wrong sizes"] == 0
    picture = script("windows").photograph("china", 8)[0, :, :, 0].numpy()
    assert picture.shape == (53, 80)
    for name, size in (("max", 2), ("max", 4), ("average", 2), ("average", 4)):
        E = strength(picture, 1)
        reached = E[: len(E) // size * size, : E.shape[1] // size * size]
        strongest = pooled(E, size, name).max() / reached.max()
        assert numbers[f"strongest after {name} {size}"] == pytest.approx(strongest, rel=1e-12)
        assert told.curve(name, "strongest edge")[size] == pytest.approx(strongest, rel=1e-6)
    for name in ("nothing", "stride 2", "stride 4", "max 2", "max 4", "average 2", "average 4"):
        way, _, size = name.partition(" ")
        changed, spread = [], []
        for before, after in ((picture[:, :-1], picture[:, 1:]), (picture[:-1], picture[1:])):
            A, A_moved = (strength(part, int(size) if way == "stride" else 1) for part in (before, after))
            if way in ("max", "average"):
                A, A_moved = (pooled(part, int(size), way) for part in (A, A_moved))
            changed.append(((A_moved - A) ** 2).sum())
            spread.append(A.var() * A.size)
        expected = math.sqrt(sum(changed) / sum(spread))
        assert numbers[f"change after {name}"] == pytest.approx(expected, rel=1e-10), name


@pytest.mark.parametrize("photograph", ["china", "flower"])
@pytest.mark.parametrize("shrink", [4, 16])
def test_pooling_is_steadier_than_a_stride(photograph: str, shrink: int) -> None:
    lesson = script("windows")
    picture = lesson.photograph(photograph, shrink)
    for size in (2, 4):
        pools = [lesson.change(pool(size), picture) for pool in (MaxPool2d, AvgPool2d)]
        assert max(pools) < 0.9 * min(lesson.change(None, picture), lesson.change(None, picture, size))


def test_refuses_a_photograph_made_too_small() -> None:
    with pytest.raises(InputError, match=r"^--shrink 17: expected 1 to 16"):
        script("windows").Config(shrink=17).check()
