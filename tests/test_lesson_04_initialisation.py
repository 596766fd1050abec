"""Lesson 4: zero initialisation keeps hidden units identical for ever; random numbers break it, at the right scale."""

import json
import math
import re
from pathlib import Path

import pytest
import torch
from lessons import Told, script, small
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from torchbasics.data.base import Split
from torchbasics.lessons.lesson import Lesson, LessonConfig, Verdict
from torchbasics.lessons.results import newest
from torchbasics.network import Network
from torchbasics.notation import examples_first
from torchbasics.optim import GradientDescent


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder: Path = tmp_path_factory.mktemp("initialisation")
    return small("initialisation", folder, iterations=150, depth=9, width=24)


@pytest.fixture
def data() -> Split:
    generator = torch.Generator().manual_seed(0)
    X = torch.rand(6, 40, generator=generator, dtype=torch.float64)
    return Split(X, (X[:1] + X[1:2] > 1.1).double())


def by_autograd(network: Network, data: Split) -> dict[str, Tensor]:
    """dJ/dW1, dJ/db1, ... of the network's twin."""
    twin = network.twin()
    network.twin_cost(twin)(twin(examples_first(data.X)), examples_first(data.Y)).backward()
    return {name: theirs.grad for name, _, theirs in network.pairs(twin) if theirs.grad is not None}


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
def test_from_zeros_nothing_but_the_last_bias_has_a_gradient_where_g_of_0_is_0(activation: str, data: Split) -> None:
    network = script("initialisation").network([6, 8, 4, 1], activation, "zeros", 1)
    gradients = by_autograd(network, data)
    moving = {name for name, gradient in gradients.items() if gradient.any()}
    assert len(gradients) == 6
    # Of sigmoid, a = 1/2 in the last hidden layer moves W[L] too, and the layers below once W[L] is no longer 0.
    assert moving == ({"W3", "b3"} if activation == "sigmoid" else {"b3"})


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_equal_units_are_one_unit(activation: str, data: Split) -> None:
    # n units that stay alike are one whose output is read n times: Z2 = n v g(w x + b) + c, and by the chain rule each
    # of the n has 1/n of dJ/dv, dJ/dw and dJ/db. Trained so by autograd, the one gives what the n give.
    n, alpha = 4, 0.5
    network = script("initialisation").network([6, n, 1], activation, "constant", 1)
    optimizer = GradientDescent(network.parameters(), alpha)
    w, b, v, c = (
        torch.full(shape, start, dtype=torch.float64)
        for shape, start in (((1, 6), 0.1), ((), 0.0), ((), 0.1), ((), 0.0))
    )
    for _ in range(25):
        J = network.cost(data.X, data.Y)
        network.backward()
        optimizer.step()
        for parameter in (w, b, v, c):
            parameter.requires_grad_()
        expected = binary_cross_entropy_with_logits(n * v * getattr(torch, activation)(w @ data.X + b) + c, data.Y)
        gradients = torch.autograd.grad(expected, (w, b, v, c))
        shares = (n, n, n, 1)
        w, b, v, c = (
            (parameter - alpha * gradient / share).detach()
            for parameter, gradient, share in zip((w, b, v, c), gradients, shares, strict=True)
        )
        torch.testing.assert_close(J, expected.detach(), rtol=1e-12, atol=0)
    found = dict(network.notes_parameters())
    torch.testing.assert_close(found["W1"].data, w.expand(n, -1), rtol=1e-11, atol=1e-13)
    torch.testing.assert_close(found["W2"].data, v.expand(1, n), rtol=1e-11, atol=1e-13)


def test_units_apart_sees_one_unit_in_one_place(data: Split) -> None:
    lesson = script("initialisation")
    for name, place in (("W1", (3, 2)), ("b1", (3, 0)), ("W2", (0, 3))):
        network = lesson.network([6, 8, 1], "sigmoid", "constant", 1)
        network.cost(data.X, data.Y)
        network.backward()
        assert lesson.units_apart(network) < 1e-15
        dict(network.notes_parameters())[name].data[place] += 1e-6
        assert lesson.units_apart(network) == pytest.approx(1e-6, rel=1e-6)


@pytest.mark.parametrize(
    ("start", "scale"), [("he", math.sqrt(2 / 300)), ("xavier", math.sqrt(1 / 300)), ("small", 0.01)]
)
def test_a_layer_of_relu_multiplies_the_mean_square_by_half_of_n_times_the_variance(start: str, scale: float) -> None:
    network = script("initialisation").network([300] * 6 + [1], "relu", start, 3)
    record: dict[str, Tensor] = {}
    network.cost(torch.randn(300, 60, dtype=torch.float64), torch.ones(1, 60, dtype=torch.float64), record)
    squares = [record[f"A{layer}"].square().mean().item() for layer in range(1, 6)]
    factor = (squares[-1] / squares[0]) ** (1 / 4)
    assert factor == pytest.approx(300 * scale**2 / 2, rel=0.15)


def test_the_large_start_is_the_small_one_enlarged() -> None:
    lesson = script("initialisation")
    for start, scale in lesson.LARGE.items():
        W = lesson.network([64, 400, 1], "tanh", start, 1).layers[0].W
        assert W.std().item() == pytest.approx(scale, rel=0.02)


def test_follow_has_autograds_gradients(data: Split) -> None:
    lesson = script("initialisation")
    network = lesson.network([6, 5, 4, 1], "tanh", "he", 2)
    signal, norms = lesson.follow(network, data)
    gradients = by_autograd(network, data)
    assert norms == pytest.approx([gradients[f"W{layer}"].norm().item() for layer in (1, 2, 3)], rel=1e-12)
    twin = network.twin()
    A2 = twin[:4](examples_first(data.X))
    assert len(signal) == 2
    assert signal[1] == pytest.approx(A2.std().item(), rel=1e-12)


@pytest.mark.filterwarnings("error")
def test_random_units_that_do_not_move_break_nothing_and_what_is_dead_or_lost_is_said(tmp_path: Path) -> None:
    told = small("initialisation", tmp_path, iterations=1, depth=5, width=1)
    numbers = told.verdict.numbers
    assert not told.verdict.holds
    # They are apart by 0.05 before the first update, and no further after it.
    assert numbers["random_growth"] == pytest.approx(1, abs=0.1)
    assert numbers["relu_he_signal"] == 0
    assert max(map(len, re.findall(r"[\d.]+", told.verdict.words))) < 8


def test_a_number_that_is_lost_is_written_as_json_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def experiment(config: LessonConfig, lesson: Lesson) -> Verdict:
        lesson.show(Figure())
        return Verdict(False, "lost", {"J": math.inf, "dJ": math.nan, "m": 3.0})

    monkeypatch.setattr(script("initialisation"), "experiment", experiment)
    told = small("initialisation", tmp_path)
    text = (told.folder / "verdict.json").read_text()
    # NaN and Infinity are Python's own, and no JSON.
    assert json.loads(text, parse_constant=pytest.fail)["numbers"] == {"J": "inf", "dJ": "nan", "m": 3.0}
    found = newest(tmp_path, "initialisation")
    assert found is not None
    assert found.numbers["J"] == math.inf


def test_units_stay_alike_and_scale_decides_what_learns(told: Told) -> None:
    numbers = told.verdict.numbers
    assert told.verdict.holds
    assert numbers["equal_apart"] < 1e-9
    assert numbers["random_growth"] > 2
    assert 0.01 < numbers["tanh_xavier_signal"] < 1
    assert numbers["tanh_let_through_10_randn"] < 0.1 < 0.9 < numbers["tanh_let_through_small"]
    # n s^2 / 2 with n = 24 over the 7 steps between the 8 hidden layers; a network so narrow strays from the mean.
    for start, s2 in (("small", 0.01**2), ("randn", 1.0)):
        assert numbers[f"relu_{start}_signal"] == pytest.approx((24 * s2 / 2) ** 3.5, rel=0.9)
    assert told.curve("small, relu, 9 layers", "cost")[90] == pytest.approx(math.log(2), abs=0.01)
