"""Training: two engines in step, batches, divergence, and what the runs learn."""

import contextlib
import errno
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import sklearn.linear_model
import sklearn.neural_network
import torch
from PIL import Image

import torchbasics.training.pictures
import torchbasics.training.run
from runs import assert_same, finished, quiet, small
from torchbasics.data.base import Split
from torchbasics.errors import InputError
from torchbasics.training import checkpoint, config, log
from torchbasics.training.batches import Batches
from torchbasics.training.config import TrainConfig
from torchbasics.training.engines import OPTIMIZERS
from torchbasics.training.loop import descend
from torchbasics.training.predict import predict
from torchbasics.training.record import Recorder, accuracy
from torchbasics.training.run import Run, create, resume, train

# Of the pictures that are trained on.
M, N_X = 23, 5 * 4 * 3

pytestmark = pytest.mark.usefixtures("nothing_drawn")


def sigmoid(Z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-Z))


def numpy_cost(parameters: dict[str, np.ndarray], X: np.ndarray, Y: np.ndarray) -> float:
    """J of a ReLU network with a sigmoid at its end, as the notes write it."""
    A, L = X, len(parameters) // 2
    for layer in range(1, L + 1):
        Z = parameters[f"W{layer}"] @ A + parameters[f"b{layer}"]
        A = np.maximum(Z, 0) if layer < L else sigmoid(Z)
    return float(-np.mean(Y * np.log(A) + (1 - Y) * np.log(1 - A)))


def notes_parameters(run: Run) -> dict[str, np.ndarray]:
    return {name: parameter.detach().numpy().copy() for name, parameter in run.network.notes_parameters()}


# Two engines in step


@pytest.mark.parametrize("batch_size", [None, 5])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_both_engines_start_equal_see_equal_batches_and_stay_equal(
    pictures: str, optimizer: str, batch_size: int | None
) -> None:
    rate = 0.005 if optimizer in ("rmsprop", "adagrad", "adam", "adamw") else 0.05
    run = create(small(pictures, optimizer=optimizer, batch_size=batch_size, learning_rate=rate))
    manual, twin = run.engines
    seen: dict[str, list[tuple[torch.Tensor, torch.Tensor]]] = {"manual": [], "torch": []}
    for engine in run.engines:
        original = engine.cost_and_gradients

        def spy(X: torch.Tensor, Y: torch.Tensor, name: str = engine.name, original: Any = original) -> torch.Tensor:
            seen[name].append((X.clone(), Y.clone()))
            return original(X, Y)

        engine.cost_and_gradients = spy
    pairs = list(run.network.pairs(twin.module))
    assert all(torch.equal(ours, theirs.view_as(ours)) for _, ours, theirs in pairs)
    start = [ours.clone() for _, ours, _ in pairs]
    costs: list[list[float]] = []

    def watch(i: int, J: list[torch.Tensor], X: torch.Tensor, Y: torch.Tensor) -> None:
        costs.append([j.item() for j in J])

    assert descend(run.engines, run.batches, range(30), watch, lambda: False, run.seconds) == 30
    assert len(seen["manual"]) == 30
    assert_same(seen["manual"], seen["torch"])
    assert np.abs(np.subtract(*np.transpose(costs))).max() < 1e-13
    for (name, ours, theirs), before in zip(pairs, start, strict=True):
        assert (ours - theirs.view_as(ours)).abs().max() < 1e-12, name
        # The two are one another's witness only if they learned, in memory of their own.
        assert not torch.equal(ours, before), name
        assert ours.data_ptr() != theirs.data_ptr(), name
    assert manual.module is not twin.module


def test_the_cost_is_the_one_before_the_update(pictures: str) -> None:
    # Logistic regression by NumPy alone, J printed before each update as the notes do.
    run = create(TrainConfig("logistic", pictures, iterations=40, learning_rate=0.3, runs_dir=Path(pictures).parent))
    X, Y = run.data.train.X.numpy(), run.data.train.Y.numpy()
    costs: list[list[float]] = []

    def watch(i: int, J: list[torch.Tensor], X: torch.Tensor, Y: torch.Tensor) -> None:
        costs.append([j.item() for j in J])

    descend(run.engines, run.batches, run.iterations, watch, lambda: False, run.seconds)
    w, b = np.zeros((N_X, 1)), 0.0
    for row in costs:
        A = sigmoid(w.T @ X + b)
        J = -np.mean(Y * np.log(A) + (1 - Y) * np.log(1 - A))
        assert row == pytest.approx([J, J], rel=1e-13)
        w, b = w - 0.3 * X @ (A - Y).T / M, b - 0.3 * np.mean(A - Y)
    assert len(costs) == 40
    learned = notes_parameters(run)["W1"].T
    assert learned == pytest.approx(w, rel=1e-11)


def test_every_logged_cost_of_a_deep_network_is_that_of_its_parameters_and_batch(
    pictures: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = create(small(pictures, batch_size=5, iterations=12))
    expected = []
    step = Recorder.step

    def spy(self: Recorder, i: int, costs: list[torch.Tensor], X: torch.Tensor, Y: torch.Tensor) -> None:
        expected.append((i, numpy_cost(notes_parameters(run), X.numpy(), Y.numpy())))
        step(self, i, costs, X, Y)

    monkeypatch.setattr(Recorder, "step", spy)
    train(run, quiet())
    names, steps = log.read(run.folder)
    assert names == ["manual", "torch"]
    assert [s.iteration for s in steps] == list(range(12)) == [i for i, _ in expected]
    for s, (_, J) in zip(steps, expected, strict=True):
        assert s.costs == pytest.approx((J, J), rel=1e-13)


def test_the_loop_stops_between_updates_and_says_how_many_it_made(pictures: str) -> None:
    run = create(small(pictures))
    answers = iter([False, False, True])
    done = descend(run.engines, run.batches, range(20), lambda *_: None, lambda: next(answers), run.seconds)
    other = create(small(pictures))
    descend(other.engines, other.batches, range(3), lambda *_: None, lambda: False, other.seconds)
    assert done == 3
    for engine, expected in zip(run.engines, other.engines, strict=True):
        assert_same(engine.state(), engine.state())
        assert_same(engine.state()["parameters"], expected.state()["parameters"])
        assert run.seconds[engine.name] > 0


# Batches


def numbered(m: int) -> Split:
    """Example k has x = k, y = k mod 2, so that a batch names its examples."""
    return Split.from_rows(np.arange(m)[:, None], np.arange(m) % 2, torch.float64)


@pytest.mark.parametrize("size", [1, 5, 22])
def test_each_pass_visits_every_example_once_in_a_new_order(size: int) -> None:
    batches = Batches(numbered(M), size, seed=3)
    passes = []
    for _ in range(4):
        visited: list[int] = []
        sizes = []
        while len(visited) < M:
            X, Y = batches.next()
            assert torch.equal(Y, X % 2), "a label went to another example"
            visited += X.int().flatten().tolist()
            sizes.append(X.shape[1])
        assert sorted(visited) == list(range(M))
        assert sizes == [size] * (M // size) + [M % size] * (M % size > 0)
        passes.append(visited)
    assert len({tuple(order) for order in passes}) == 4
    assert list(range(M)) not in passes


def test_all_examples_in_their_order_when_no_batch_size_is_given() -> None:
    split = numbered(M)
    for size in (None, M):
        X, Y = Batches(split, size, seed=3).next()
        assert torch.equal(X, split.X)
        assert torch.equal(Y, split.Y)


def test_batches_depend_on_the_seed_alone_and_go_on_where_they_were_saved() -> None:
    first, second, other = Batches(numbered(M), 5, 3), Batches(numbered(M), 5, 3), Batches(numbered(M), 5, 4)
    drawn = [first.next()[0].tolist() for _ in range(7)]
    torch.manual_seed(99)
    assert drawn == [second.next()[0].tolist() for _ in range(7)]
    assert drawn != [other.next()[0].tolist() for _ in range(7)]
    saved = first.state()
    expected = [first.next()[0].tolist() for _ in range(12)]
    restored = Batches(numbered(M), 5, seed=1000)
    restored.next()
    restored.restore(saved)
    assert [restored.next()[0].tolist() for _ in range(12)] == expected


# Divergence

HUGE = {"layers": ("60,6,4,1",), "activation": "relu", "learning_rate": 1e200}


@pytest.mark.parametrize("engine", ["both", "manual", "torch"])
def test_a_diverging_run_stops_with_advice_and_keeps_its_log(pictures: str, engine: str) -> None:
    run = create(small(pictures, engine=engine, **HUGE))
    with pytest.raises(InputError) as refusal:
        train(run, quiet())
    message = str(refusal.value)
    names, steps = log.read(run.folder)
    last = steps[-1]
    assert not last.finite
    assert all(step.finite for step in steps[:-1])
    assert [step.iteration for step in steps] == list(range(len(steps)))
    k = next(k for k, cost in enumerate(last.costs) if not np.isfinite(cost))
    assert (
        f"the cost became {last.costs[k]} at iteration {last.iteration} ({names[k]}) at learning rate 1e+200" in message
    )
    assert "try --learning-rate 1e+199" in message
    assert str(run.folder) in message
    assert "\n" not in message
    assert not (run.folder / checkpoint.NAME).exists()


def test_divergence_leaves_the_checkpoint_before_it(pictures: str) -> None:
    folder = finished(small(pictures, iterations=3))
    before = (folder / checkpoint.NAME).read_bytes()
    going_on = resume(folder, 30)
    for engine in going_on.engines:
        engine.optimizer.param_groups[0]["lr"] = 1e200
    with pytest.raises(InputError, match="the cost became"):
        train(going_on, quiet())
    assert (folder / checkpoint.NAME).read_bytes() == before


def test_a_cost_lost_by_the_last_update_is_a_divergence_too(pictures: str) -> None:
    # The recorded cost is the one before the update: this run's only row is fine, and its parameters are worthless.
    run = create(small(pictures, iterations=1, **HUGE))
    with pytest.raises(InputError, match="the cost became"):
        train(run, quiet())
    assert not (run.folder / checkpoint.NAME).exists()


def test_no_checkpoint_is_written_of_parameters_whose_cost_is_lost(
    pictures: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torchbasics.training.run, "CHECKPOINT_SECONDS", -1.0)  # after every update
    run = create(small(pictures, **HUGE))
    with pytest.raises(InputError, match="the cost became"):
        train(run, quiet())
    assert not (run.folder / checkpoint.NAME).exists()


def test_weights_too_large_for_a_histogram_are_no_crash(pictures: str) -> None:
    # tanh keeps the cost finite, at 1e300: to go on and to call it diverged are both right.
    run = create(small(pictures, activation="tanh", layers=("60,7,1",), learning_rate=1e300, iterations=40))
    with contextlib.suppress(InputError):
        assert train(run, quiet()) == 0
    assert len(log.read(run.folder)[1]) > 1


def test_a_bias_too_large_for_bins_is_no_crash(tmp_path: Path) -> None:
    # One number b of 1e15: NumPy has no 64 bins between b - 1/2 and b + 1/2.
    run = create(TrainConfig("logistic", "digits", learning_rate=1e16, iterations=30, runs_dir=tmp_path))
    assert train(run, quiet()) == 0
    assert run.network.get_parameter("layers.0.b").abs() > 1e12


def test_a_cost_that_ended_above_its_start_is_said(pictures: str) -> None:
    console = quiet()
    train(create(small(pictures, learning_rate=50.0, iterations=2)), console)
    assert "and ended above it: try a smaller --learning-rate" in console.file.getvalue()


def test_a_full_disk_ends_the_run_with_one_line(pictures: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = create(small(pictures, iterations=3))

    def full(folder: Path, content: dict[str, Any]) -> Path:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(checkpoint, "save", full)
    with pytest.raises(InputError, match="No space left on device; make room, and go on with 'torchbasics resume"):
        train(run, quiet())


# It learns: scikit-learn is the witness


def trained(model: config.Model, data: str, tmp_path: Path, **changes: Any) -> Run:
    run = create(TrainConfig(model, data, runs_dir=tmp_path, **changes))
    descend(run.engines, run.batches, run.iterations, lambda *_: None, lambda: False, run.seconds)
    return run


def rows(split: Split) -> tuple[np.ndarray, np.ndarray]:
    return split.X.T.numpy(), split.Y[0].numpy()


def test_logistic_regression_reaches_the_minimum_that_scikit_learn_finds(tmp_path: Path) -> None:
    # The moons overlap for a straight line, so that the minimum without a penalty is one point.
    run = trained("logistic", "moons", tmp_path, engine="manual", learning_rate=2.0, iterations=4000)
    witness = sklearn.linear_model.LogisticRegression(C=1e12, tol=1e-12, max_iter=1000).fit(*rows(run.data.train))
    parameters = notes_parameters(run)
    assert parameters["W1"] == pytest.approx(witness.coef_, rel=1e-4)
    assert parameters["b1"].item() == pytest.approx(witness.intercept_.item(), rel=1e-4)


@pytest.mark.parametrize(
    ("model", "data", "engine"),
    [
        ("logistic", "digits", "manual"),
        ("logistic", "breast-cancer", "torch"),
        ("shallow", "breast-cancer", "manual"),
        ("deep", "breast-cancer", "torch"),
        ("deep", "digits", "manual"),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_defaults_reach_what_scikit_learn_reaches(
    model: config.Model, data: str, engine: config.Engine, tmp_path: Path
) -> None:
    # Half of the default updates are already enough, except for the deep network on the digits.
    iterations = None if (model, data) == ("deep", "digits") else 1200
    run = trained(model, data, tmp_path, engine=engine, iterations=iterations)
    if model == "logistic":
        witness = sklearn.linear_model.LogisticRegression(max_iter=1000)
    else:
        hidden = {"shallow": (7,), "deep": (20, 7, 5)}[model]
        witness = sklearn.neural_network.MLPClassifier(hidden, max_iter=300, random_state=1)
    witness.fit(*rows(run.data.train))
    _, A = run.engines[0].cost_and_predictions(run.data.test.X, run.data.test.Y)
    assert accuracy(A, run.data.test.Y) >= witness.score(*rows(run.data.test)) - 0.015
    assert accuracy(A, run.data.test.Y) == np.mean((A[0].numpy() > 0.5) == (run.data.test.Y[0].numpy() == 1))


def test_pictures_are_refused_by_a_run_on_other_pixels(pictures: str, tmp_path: Path) -> None:
    # A picture is brought to [0, 1]; a network trained on 0 to 255 as float32 would say something, and be wrong.
    for kind in ("train", "test"):
        with h5py.File(Path(pictures).with_name(f"{kind}_small.h5"), "a") as file:
            pixels = file[f"{kind}_set_x"][...].astype(np.float32)
            del file[f"{kind}_set_x"]
            file[f"{kind}_set_x"] = pixels
    folder = finished(small(pictures, iterations=2, learning_rate=1e-6))
    Image.new("RGB", (9, 7)).save(tmp_path / "black.png")
    with pytest.raises(InputError, match="was trained on pixels from 0 to 255"):
        predict(folder, [tmp_path / "black.png"])


def test_small_networks_take_one_thread_and_give_the_others_back(pictures: str) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        seen = []
        run = create(small(pictures, iterations=2))
        run.engines[0].update = lambda: seen.append(torch.get_num_threads())
        train(run, quiet())
        assert seen == [1, 1]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
