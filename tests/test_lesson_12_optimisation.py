"""Lesson 12: the ways to descend and the gap, each against autograd and torch's own losses and optimizers."""

import statistics
from pathlib import Path

import pytest
import torch
from lessons import Told, script, small

from torchbasics.data import load
from torchbasics.data.base import Split
from torchbasics.errors import InputError
from torchbasics.initialisation import initialise
from torchbasics.models import deep
from torchbasics.training.batches import Batches
from torchbasics.training.engines import ManualEngine, TorchEngine

SMALL = {"hidden": (16,), "passes": 2, "starts": 1, "examples": 40, "gap_passes": 20, "gap_starts": 2}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder: Path = tmp_path_factory.mktemp("optimisation")
    return small("optimisation", folder, **SMALL)


def test_numbers_are_those_of_the_curves(told: Told) -> None:
    numbers = told.verdict.numbers
    for way in ("full batch", "mini-batch", "momentum", "adam", "adam decaying"):
        costs = told.curve(way, "cost")
        assert set(costs) == {1, 2}
        assert numbers[f"mean cost, {way}"] == pytest.approx(statistics.fmean(costs.values()), rel=1e-6)
    for name in ("nothing", "L2", "dropout"):
        train, test = (told.curve(name, f"{part} cost")[20] for part in ("training", "test"))
        assert numbers[f"gap, {name}"] == pytest.approx(test - train, abs=1e-6)
        if name != "nothing":
            narrower = numbers["gap, nothing"] - numbers[f"gap, {name}"]
            assert numbers[f"narrower by, {name}"] == pytest.approx(narrower, abs=1e-12)
            assert numbers[f"error, {name}"] > 0


def test_two_passes_tell_the_ways_apart(told: Told) -> None:
    cost = {name.removeprefix("mean cost, "): value for name, value in told.verdict.numbers.items()}
    assert cost["full batch"] > cost["mini-batch"] > max(cost["momentum"], cost["adam"])
    assert told.verdict.numbers["narrower by, L2"] > 0


@pytest.mark.parametrize("way", ["full batch", "mini-batch", "momentum", "adam", "adam decaying"])
def test_every_way_is_autograds(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lesson = script("optimisation")
    config = lesson.Config(hidden=(5,), passes=3)
    data = load("digits", dtype=torch.float64, seed=2)
    rate = lesson.WAYS[way][1][1]
    by_hand = lesson.descent(config, data, way, rate, seed=4)
    monkeypatch.setattr(lesson, "ManualEngine", TorchEngine)
    assert by_hand == pytest.approx(lesson.descent(config, data, way, rate, seed=4), rel=1e-9)


@pytest.mark.parametrize(("l2", "keep_prob"), [(0.0, 1.0), (0.7, 1.0), (0.0, 0.6)])
def test_every_fit_is_autograds(l2: float, keep_prob: float, monkeypatch: pytest.MonkeyPatch) -> None:
    lesson = script("optimisation")
    config = lesson.Config(hidden=(5,), examples=70, gap_passes=2)
    data = load("digits", dtype=torch.float64, seed=2)
    by_hand = lesson.fit(config, data, 4, l2, keep_prob)
    monkeypatch.setattr(lesson, "ManualEngine", TorchEngine)
    by_autograd = lesson.fit(config, data, 4, l2, keep_prob)
    assert by_hand.train == pytest.approx(by_autograd.train, rel=1e-9)
    assert by_hand.test == pytest.approx(by_autograd.test, rel=1e-9)
    assert by_hand.right == by_autograd.right


def test_the_penalty_shrinks_the_weights_and_is_not_in_the_gap() -> None:
    # One pass over 32 examples is one step of Adam, whose J is written out here.
    lesson = script("optimisation")
    config = lesson.Config(hidden=(4,), examples=32, gap_passes=1)
    data = load("digits", dtype=torch.float64, seed=1)
    network = initialise(deep([64, 4, 1]).double(), "he", 3)
    W = [parameter.detach().clone().requires_grad_() for parameter in network.parameters()]
    order = torch.randperm(data.train.m, generator=torch.Generator().manual_seed(3))[:32]
    optimizer = torch.optim.Adam(W, lr=0.003)

    def loss(split: Split) -> torch.Tensor:
        Z = W[2] @ torch.relu(W[0] @ split.X + W[1]) + W[3]
        return torch.nn.functional.binary_cross_entropy_with_logits(Z, split.Y)

    few = Split(data.train.X[:, order], data.train.Y[:, order])
    (loss(few) + 5.0 / (2 * 32) * (W[0].square().sum() + W[2].square().sum())).backward()
    optimizer.step()
    found = lesson.fit(config, data, 3, 5.0, 1.0)
    assert found.train == pytest.approx([loss(few).item()], rel=1e-10)
    assert found.gap == pytest.approx((loss(data.test) - loss(few)).item(), rel=1e-9)


def test_a_pass_sees_every_example_once_at_the_notes_rate() -> None:
    data = load("digits", dtype=torch.float32, seed=1)
    few = Split(data.train.X[:, :150], data.train.Y[:, :150])
    engine = ManualEngine(initialise(deep([64, 1]), "zeros", 1), "gd", 0.8)
    seen: list[torch.Tensor] = []
    batches = Batches(few, 64, 1)
    take = batches.next

    def next_batch() -> tuple[torch.Tensor, torch.Tensor]:
        X, Y = take()
        seen.append(X)
        return X, Y

    batches.next = next_batch  # type: ignore[method-assign]
    rates = []
    for k in script("optimisation").passes(engine, batches, 3, decay=0.5):
        assert [X.shape[1] for X in seen] == [64, 64, 22]
        assert torch.equal(torch.cat(seen, dim=1).sort(dim=1).values, few.X.sort(dim=1).values)
        seen.clear()
        rates.append((k, engine.optimizer.param_groups[0]["lr"]))
    assert rates == [(k, pytest.approx(0.8 / (1 + 0.5 * k))) for k in (1, 2, 3)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"passes": 0}, "--passes 0: expected a whole number, 1 or more"),
        ({"gap_starts": 1}, "--gap-starts 1: expected a whole number, 2 or more"),
        ({"hidden": ()}, "--hidden : expected"),
        ({"l2": -1.0}, "--l2 -1.0: expected a positive number"),
        ({"keep_prob": 1.0}, "--keep-prob 1.0: expected a share"),
        ({"data": "zen"}, "--data zen: expected examples of two classes"),
    ],
)
def test_refusals(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as refused:
        script("optimisation").Config(**options).check()
    assert str(refused.value).startswith(message)
