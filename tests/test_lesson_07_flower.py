"""Lesson 7: what a straight line can tell of the flower, and what one hidden layer can."""

from pathlib import Path

import pytest
import torch
from lessons import Told, script, small
from sklearn.linear_model import LogisticRegression

from torchbasics.data import load
from torchbasics.training.record import accuracy

# Printed in the course's notebook, in percent, by the number of units.
PRINTED = {4: 90.5}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder: Path = tmp_path_factory.mktemp("flower")
    return small("flower", folder, sizes=(1, 4), iterations=1200)


def test_a_hidden_layer_gets_what_a_line_cannot(told: Told) -> None:
    numbers = told.verdict.numbers
    assert told.verdict.holds, told.verdict.words
    assert numbers["best size"] == 4
    for part in ("train", "test"):
        values = told.curve(part, "accuracy_by_units")
        assert values == pytest.approx({n: numbers[f"{part} accuracy, {n} units"] for n in (0, 1, 4)})
        assert values[4] > values[0] + 0.3
    assert set(told.curve("4 units", "cost")) == set(range(0, 1200, 50))


def test_logistic_regression_is_scikit_learns(told: Told) -> None:
    train = load("flower", dtype=torch.float64, seed=2).train
    line = LogisticRegression(C=float("inf"), tol=1e-10).fit(train.X.T.numpy(), train.Y[0].numpy())
    assert line.score(train.X.T.numpy(), train.Y[0].numpy()) == told.verdict.numbers["train accuracy, 0 units"] == 0.47


@pytest.mark.parametrize("size", [0, 1])
def test_a_line_crosses_a_circle_twice_or_never(size: int) -> None:
    lesson = script("flower")
    network = lesson.network(size, seed=2)
    generator = torch.Generator().manual_seed(1)
    seen = set()
    for _ in range(30):
        for _, parameter in network.notes_parameters():
            parameter.data.normal_(generator=generator)
        seen.add(lesson.crossings(network))
    assert seen == {0, 2}


def test_crossings_of_a_known_boundary() -> None:
    # tanh(-9 (|x1| - 1)), nearly: both lines x1 = 1 and x1 = -1 cross the circle of radius 2, and miss that of 1/2.
    lesson = script("flower")
    network = lesson.network(2, seed=2)
    parameters = dict(network.notes_parameters())
    parameters["W1"].data.copy_(torch.tensor([[9.0, 0.0], [-9.0, 0.0]]))
    parameters["b1"].data.fill_(9.0)
    parameters["W2"].data.fill_(1.0)
    parameters["b2"].data.fill_(-1.0)
    assert lesson.crossings(network) == 4
    assert lesson.crossings(network, radius=0.5) == 0


@pytest.mark.slow
def test_accuracies_are_the_courses() -> None:
    lesson = script("flower")
    train = load("flower", dtype=torch.float64, seed=2).train
    for size, printed in PRINTED.items():
        network = lesson.network(size, seed=2)
        optimizer = lesson.GradientDescent(network.parameters(), 1.2)
        for _ in range(5000):
            network.cost(train.X, train.Y)
            network.backward()
            optimizer.step()
        assert 100 * accuracy(network(train.X), train.Y) == pytest.approx(printed), size


def test_options_that_cannot_be_used_are_refused() -> None:
    for options, words in (
        ({"sizes": (0, 4)}, "--sizes 0 4: expected"),
        ({"sizes": ()}, "--sizes : expected"),
        ({"iterations": 0}, "--iterations 0: expected"),
        ({"learning_rate": -1.0}, "--learning-rate -1.0: expected a positive number"),
    ):
        with pytest.raises(ValueError, match=words):
            script("flower").Config(**options).check()
