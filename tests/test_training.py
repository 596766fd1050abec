"""Training: two engines in step, batches, checkpoints that lose nothing, divergence, and the configuration."""

import contextlib
import errno
import inspect
import io
import json
import os
import pickle
import shutil
import signal
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import h5py
import numpy as np
import pytest
import sklearn.linear_model
import sklearn.neural_network
import torch
from PIL import Image
from rich.console import Console

import torchbasics.training.pictures
import torchbasics.training.run
from torchbasics.data import NAMES
from torchbasics.data.base import Split
from torchbasics.errors import InputError
from torchbasics.initialisation import SCALES
from torchbasics.models import ACTIVATIONS
from torchbasics.training import checkpoint, config, log
from torchbasics.training.batches import Batches
from torchbasics.training.config import LEARNING_RATES, MODEL_DEFAULTS, OPTIMIZER_RATES, TrainConfig
from torchbasics.training.engines import ENGINES, OPTIMIZERS
from torchbasics.training.loop import descend
from torchbasics.training.predict import predict
from torchbasics.training.record import Recorder, accuracy
from torchbasics.training.run import Run, create, free_folder, pick_device, resume, train

M, M_TEST, N_X = 23, 9, 5 * 4 * 3


@pytest.fixture(autouse=True)
def nothing_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take most of so short a run; test_tensorboard.py looks at them."""
    monkeypatch.setattr(torchbasics.training.pictures, "save_figure", lambda figure, path: None)
    monkeypatch.setattr(torchbasics.training.pictures, "mistakes", lambda data, probabilities: None)


@pytest.fixture
def pictures(tmp_path: Path) -> str:
    """23 and 9 random pictures, 5x4x3: 23 is prime, so that every batch size leaves a remainder."""
    random = np.random.default_rng(0)
    for kind, m in (("train", M), ("test", M_TEST)):
        with h5py.File(tmp_path / f"{kind}_small.h5", "w") as file:
            file[f"{kind}_set_x"] = random.integers(0, 256, (m, 5, 4, 3), dtype=np.uint8)
            file[f"{kind}_set_y"] = np.arange(m) % 2
    return str(tmp_path / "train_small.h5")


def small(pictures: str, **changes: Any) -> TrainConfig:
    """A few updates of 60-6-4-1, beside its data."""
    values: dict[str, Any] = {"layers": ("60,6,4,1",), "iterations": 20, "learning_rate": 0.05}
    return TrainConfig("deep", pictures, runs_dir=Path(pictures).parent / "runs", **(values | changes))


def quiet() -> Console:
    return Console(file=io.StringIO())


def finished(settings: TrainConfig) -> Path:
    run = create(settings)
    assert train(run, quiet()) == 0
    return run.folder


def assert_same(a: Any, b: Any, where: str = "") -> None:
    """Equal to the last bit, however nested."""
    assert type(a) is type(b), where
    if isinstance(a, dict):
        assert list(a) == list(b), where
        for key in a:
            assert_same(a[key], b[key], f"{where}/{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for k, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}/{k}")
    elif isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype, where
        assert torch.equal(a, b), where
    else:
        assert a == b, where


def assert_same_run(folder: Path, expected: Path) -> None:
    """Parameters, optimizers, batch order and every row of the log: equal to the last bit. Only clocks may differ."""
    ours, theirs = ({**checkpoint.load(run), "seconds": None} for run in (folder, expected))
    ours["config"], theirs["config"] = ({**saved["config"], "run": None} for saved in (ours, theirs))
    assert_same(ours, theirs)
    assert (folder / log.NAME).read_text() == (expected / log.NAME).read_text()


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

        engine.cost_and_gradients = spy  # type: ignore[method-assign]
    pairs = list(run.network.pairs(twin.module))  # type: ignore[arg-type]
    assert all(torch.equal(ours, theirs.view_as(ours)) for _, ours, theirs in pairs)
    start = [ours.clone() for _, ours, _ in pairs]
    costs: list[list[float]] = []
    watch = lambda i, J, X, Y: costs.append([j.item() for j in J])  # noqa: E731
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
    watch = lambda i, J, X, Y: costs.append([j.item() for j in J])  # noqa: E731
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


# Stopped, killed, resumed


class Killed(BaseException):
    """What nothing in the package catches."""


def checkpoint_only_at(monkeypatch: pytest.MonkeyPatch, iteration: int, after: Callable[[Path], None]) -> None:
    """A run that writes one checkpoint, at `iteration`, as if CHECKPOINT_SECONDS had passed just then."""
    save = checkpoint.save
    monkeypatch.setattr(torchbasics.training.run, "CHECKPOINT_SECONDS", -1.0)

    def spy(folder: Path, content: dict[str, Any]) -> Path:
        if content["iteration"] == iteration:
            save(folder, content)
            monkeypatch.setattr(torchbasics.training.run, "CHECKPOINT_SECONDS", 1e9)
            after(folder)
        return folder / checkpoint.NAME

    monkeypatch.setattr(checkpoint, "save", spy)


RESUMABLE = [{"optimizer": "gd"}, {"optimizer": "adam", "batch_size": 5, "learning_rate": 0.005}]
RESUMABLE += [{"optimizer": "momentum", "batch_size": 7, "engine": "torch"}]
RESUMABLE += [{"optimizer": "rmsprop", "batch_size": 4, "engine": "manual", "learning_rate": 0.005, "dtype": "float32"}]


@pytest.mark.parametrize("settings", RESUMABLE, ids=lambda s: s["optimizer"])
def test_killed_right_after_a_checkpoint_and_resumed_is_as_never_killed(
    pictures: str, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    whole = finished(small(pictures, **settings))
    run = create(small(pictures, **settings))
    killed = run.folder.with_name("killed")
    with monkeypatch.context() as patch:
        # What a copy of the folder has is what the operating system has: nothing more survives kill -9.
        checkpoint_only_at(patch, 7, lambda folder: shutil.copytree(folder, killed))
        train(run, quiet())
    going_on = resume(killed, None)
    assert (going_on.start, going_on.iterations) == (7, range(7, 20))
    assert train(going_on, quiet()) == 0
    assert_same_run(killed, whole)


@pytest.mark.parametrize("settings", RESUMABLE[:2], ids=lambda s: s["optimizer"])
def test_rows_written_after_the_last_checkpoint_are_replaced_on_resume(
    pictures: str, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    whole = finished(small(pictures, **settings))
    run = create(small(pictures, **settings))
    step = Recorder.step

    def killed_at_13(self: Recorder, i: int, *rest: Any) -> None:
        if i == 13:
            self.drain()
            raise Killed
        step(self, i, *rest)

    with monkeypatch.context() as patch:
        checkpoint_only_at(patch, 7, lambda folder: None)
        patch.setattr(Recorder, "step", killed_at_13)
        with pytest.raises(Killed):
            train(run, quiet())
    with (run.folder / log.NAME).open("a") as file:
        file.write("13,0.7,0.")  # the kill came in the middle of a row
    assert [s.iteration for s in log.read(run.folder)[1]] == list(range(13))
    assert train(resume(run.folder, None), quiet()) == 0
    assert_same_run(run.folder, whole)


@pytest.mark.parametrize("settings", RESUMABLE[:2], ids=lambda s: s["optimizer"])
def test_ctrl_c_ends_after_the_iteration_in_hand_and_the_run_goes_on(
    pictures: str, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    whole = finished(small(pictures, **settings))
    run = create(small(pictures, **settings))
    step = Recorder.step
    handler = signal.getsignal(signal.SIGINT)

    def pressed(self: Recorder, i: int, *rest: Any) -> None:
        if i == 8:
            signal.raise_signal(signal.SIGINT)
        step(self, i, *rest)

    console = quiet()
    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "step", pressed)
        assert train(run, console) == 130
    assert signal.getsignal(signal.SIGINT) is handler
    assert checkpoint.load(run.folder)["iteration"] == 9
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert "stopped after 9 of 20 iterations" in " ".join(said.split())
    assert f"torchbasics resume {run.folder}" in said
    assert train(resume(run.folder, None), quiet()) == 0
    assert_same_run(run.folder, whole)


def test_a_second_ctrl_c_stops_at_once(pictures: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed_twice(self: Recorder, i: int, *rest: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Recorder, "step", pressed_twice)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(create(small(pictures)), quiet())
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_finished_run_takes_more_iterations(pictures: str) -> None:
    settings = {"optimizer": "adam", "batch_size": 5, "learning_rate": 0.005}
    whole = finished(small(pictures, **settings))
    part = finished(small(pictures, **settings, iterations=11))
    with pytest.raises(InputError, match="has its 11 iterations; give --iterations with more than 11"):
        resume(part, None)
    for fewer in (11, 3):
        with pytest.raises(InputError, match="more than 11"):
            resume(part, fewer)
    assert train(resume(part, 20), quiet()) == 0
    assert_same_run(part, whole)


def test_no_number_of_iterations_below_1_is_taken_for_left_out(pictures: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = create(small(pictures))
    checkpoint_only_at(monkeypatch, 7, lambda folder: None)
    train(run, quiet())
    for none in (0, -1):
        with pytest.raises(InputError, match="--iterations"):
            resume(run.folder, none)


def test_a_run_goes_on_from_another_folder(pictures: str, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Path(pictures).parent
    (here / "elsewhere").mkdir()
    (here / "test_small.h5").rename(here / "held_out.h5")
    monkeypatch.chdir(here)
    folder = finished(small("train_small.h5", test_data=Path("held_out.h5"), iterations=3)).resolve()
    monkeypatch.chdir(here / "elsewhere")
    assert train(resume(folder, 5), quiet()) == 0


def test_changed_data_is_refused_on_resume(pictures: str) -> None:
    folder = finished(small(pictures, iterations=2))
    with h5py.File(pictures, "a") as file:
        for key in ("train_set_x", "train_set_y"):
            kept = file[key][:-1]
            del file[key]
            file[key] = kept
    with pytest.raises(InputError, match="has changed; train a new run"):
        resume(folder, 9)


def test_flipped_labels_are_other_data(pictures: str) -> None:
    folder = finished(small(pictures, iterations=2))
    with h5py.File(Path(pictures).with_name("test_small.h5"), "a") as file:
        file["test_set_y"][...] = 1 - file["test_set_y"][...]
    with pytest.raises(InputError, match="has changed; train a new run"):
        resume(folder, 9)


def test_a_damaged_log_is_refused_before_any_training(pictures: str) -> None:
    folder = finished(small(pictures, iterations=3))
    (folder / log.NAME).write_text("iteration,cost_manual,cost_torch,largest_dW_difference\n1,a,b,c\n")
    before = (folder / checkpoint.NAME).read_bytes()
    with pytest.raises(InputError, match=r"log.csv, row 2 is not as train wrote it"):
        train(resume(folder, 9), quiet())
    assert (folder / checkpoint.NAME).read_bytes() == before


def test_a_full_disk_ends_the_run_with_one_line(pictures: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = create(small(pictures, iterations=3))

    def full(folder: Path, content: dict[str, Any]) -> Path:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(checkpoint, "save", full)
    with pytest.raises(InputError, match="No space left on device; make room, and go on with 'torchbasics resume"):
        train(run, quiet())


def test_layers_that_no_memory_holds_are_refused(pictures: str) -> None:
    settings = small(pictures, layers=("60,100000000000,1",))
    with pytest.raises(InputError, match="no memory for them; give smaller sizes"):
        create(settings)
    assert not settings.runs_dir.exists()


def test_an_optimizer_that_scales_its_steps_has_its_own_default_rate() -> None:
    for optimizer, rate in OPTIMIZER_RATES.items():
        for data in ("digits", "cats.h5"):
            assert TrainConfig("deep", data, optimizer=optimizer).resolve(64).learning_rate == rate  # type: ignore[arg-type]
    assert TrainConfig("deep", "digits", optimizer="momentum").resolve(64).learning_rate == 0.03


def test_a_cost_that_ended_above_its_start_is_said(pictures: str) -> None:
    console = quiet()
    train(create(small(pictures, learning_rate=50.0, iterations=2)), console)
    assert "and ended above it: try a smaller --learning-rate" in console.file.getvalue()  # type: ignore[attr-defined]


def test_another_number_of_threads_is_said_on_resume(pictures: str) -> None:
    folder = finished(small(pictures, iterations=2))
    saved = checkpoint.load(folder)
    checkpoint.save(folder, {**saved, "threads": 7})
    with pytest.warns(UserWarning, match="trained with 7 threads and goes on with 1: .* not be bit for bit"):
        resume(folder, 9)


def test_a_log_cut_anywhere_in_its_last_rows_still_reads(pictures: str) -> None:
    folder = finished(small(pictures, iterations=6))
    text, (_, steps) = (folder / log.NAME).read_bytes(), log.read(folder)
    # 17 significant digits or an exponent come back as the same float64.
    rows = [line.split(",") for line in text.decode().splitlines()]
    assert rows[0] == ["iteration", "cost_manual", "cost_torch", "largest_dW_difference"]
    assert [[float(value) for value in row] for row in rows[1:]] == [[s.iteration, *s.costs, s.gap] for s in steps]
    for kept in range(text.index(b"\n") + 1, len(text)):
        (folder / log.NAME).write_bytes(text[:kept])
        whole_rows = text[:kept].count(b"\n") - 1
        read = log.read(folder)[1]
        assert read in (steps[:whole_rows], steps[: whole_rows + 1]), text[:kept].splitlines()[-1]


# Checkpoints


def listing(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("failing", ["torch.save", "os.fsync", "os.replace"])
def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    checkpoint.save(tmp_path, {"format": 1, "W": torch.ones(3)})
    before = listing(tmp_path)
    assert list(before) == [checkpoint.NAME]

    def broken_save(content: object, file: Any) -> None:
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    def broken(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    if failing == "torch.save":
        monkeypatch.setattr(torch, "save", broken_save)
    elif failing == "os.fsync":
        monkeypatch.setattr(os, "fsync", broken)
    else:
        monkeypatch.setattr(os, "replace", broken)
        monkeypatch.setattr(Path, "replace", broken)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(tmp_path, {"format": 1, "W": torch.zeros(300)})
    assert listing(tmp_path) == before


def test_a_checkpoint_reaches_the_disk_before_it_takes_the_old_ones_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.save(tmp_path, {"format": 1, "k": 1})
    fsync, at_fsync = os.fsync, []

    def spy(descriptor: int) -> None:
        size = os.fstat(descriptor).st_size
        at_fsync.append((size, checkpoint.load(tmp_path)["k"]))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    path = checkpoint.save(tmp_path, {"format": 1, "k": 2})
    # The whole file, while the old one still stood; then the directory, with the new one in it.
    assert at_fsync[0] == (path.stat().st_size, 1)
    assert [k for _, k in at_fsync[1:]] == [2]
    assert os.listdir(tmp_path) == [checkpoint.NAME]


class Malicious:
    """Would create a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


def damaged(kind: str, folder: Path) -> None:
    path = folder / checkpoint.NAME
    torch.save({"format": 1, "W": torch.ones(100)}, path)
    whole = path.read_bytes()
    if kind.startswith("cut"):
        path.write_bytes(whole[: {"cut to nothing": 0, "cut short": 100, "cut at the end": len(whole) - 1}[kind]])
    elif kind == "text":
        path.write_text("hello\n")
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("a", "b")
    elif kind == "pickle":
        path.write_bytes(pickle.dumps({"format": 1}))
    elif kind == "malicious pickle":
        path.write_bytes(pickle.dumps(Malicious(folder / "owned"), protocol=2))
    elif kind == "malicious torch":
        torch.save({"format": 1, "W": Malicious(folder / "owned")}, path)
    elif kind == "list":
        torch.save([1], path)
    elif kind == "old format":
        torch.save({"format": 0}, path)
    elif kind == "state_dict":
        torch.save(torch.nn.Linear(2, 1).state_dict(), path)


DAMAGES = ["cut to nothing", "cut short", "cut at the end", "text", "zip", "list", "old format", "state_dict"]
DAMAGES += ["pickle", "malicious pickle", "malicious torch"]


@pytest.mark.parametrize("kind", DAMAGES)
def test_what_is_no_checkpoint_is_refused_and_never_executed(tmp_path: Path, kind: str) -> None:
    damaged(kind, tmp_path)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with pytest.raises(InputError, match="train the run again") as refusal:
            checkpoint.load(tmp_path)
    assert not said, "one line is enough"
    message = str(refusal.value)
    assert str(tmp_path / checkpoint.NAME) in message
    assert message.isprintable(), "a newline or a terminal escape"
    # torch's own text invites its reader to load the file unsafely.
    assert "weights_only" not in message
    assert "you have two options" not in message
    assert not (tmp_path / "owned").exists()


def test_no_checkpoint_says_which_runs_there_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no run with a checkpoint at .*absent: .* has no runs"):
        checkpoint.load(tmp_path / "absent")
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        checkpoint.save(tmp_path / name, {"format": 1})
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="has runs a, b; "):
        checkpoint.load(tmp_path / "empty")


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


# Configuration


def test_the_choices_are_those_that_there_are() -> None:
    assert get_args(config.Activation) == tuple(ACTIVATIONS)
    assert get_args(config.Init) == tuple(SCALES)
    assert get_args(config.Optimizer) == tuple(OPTIMIZERS)
    assert get_args(config.Engine) == (*ENGINES, "both")
    assert get_args(config.Model) == tuple(MODEL_DEFAULTS)
    assert tuple(LEARNING_RATES) == NAMES
    assert TrainConfig().data in NAMES
    # The help names what a field left out becomes, and the data there is.
    source = inspect.getsource(TrainConfig)
    assert f'"""{", ".join(NAMES[:-1])} or {NAMES[-1]};' in source
    for key, values in (("activation", ACTIVATIONS), ("init", SCALES)):
        assert f"{key}: Annotated" in source
        assert f'left_out("{{{",".join(values)}}}"' in source


def test_a_configuration_survives_json() -> None:
    full = TrainConfig(
        model="shallow",
        data="a.h5",
        test_data=Path("b.h5"),
        layers=("3", "2", "1"),
        activation="tanh",
        iterations=5,
        learning_rate=0.1,
        optimizer="adam",
        batch_size=2,
        init="he",
        run="name",
        runs_dir=Path("elsewhere"),
    )
    for settings in (TrainConfig(), full):
        assert TrainConfig.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
        assert TrainConfig.from_dict(settings.to_dict()) == settings


def test_the_runs_config_file_says_what_it_was_trained_with(pictures: str) -> None:
    run = create(TrainConfig("shallow", pictures, runs_dir=Path(pictures).parent / "runs"))
    written = TrainConfig.from_dict(json.loads((run.folder / "config.json").read_text()))
    assert written == run.config
    assert (written.layers, written.activation, written.init) == (("60", "7", "1"), "relu", "small")
    assert (written.iterations, written.learning_rate) == (2500, 0.0075)


@pytest.mark.parametrize(
    ("model", "layers", "expected"),
    [
        ("logistic", (), [60, 1]),
        ("shallow", (), [60, 7, 1]),
        ("deep", (), [60, 20, 7, 5, 1]),
        ("deep", ("60,1",), [60, 1]),
        ("deep", ("60", "3", "1"), [60, 3, 1]),
        ("deep", ("60,", "3,1"), [60, 3, 1]),
        ("shallow", ("60,4,1",), [60, 4, 1]),
    ],
)
def test_layer_sizes(model: config.Model, layers: tuple[str, ...], expected: list[int]) -> None:
    settings = TrainConfig(model, layers=layers) if layers else TrainConfig(model)
    assert settings.layer_sizes(60) == expected


@pytest.mark.parametrize(
    ("model", "layers", "message"),
    [
        ("deep", "61,5,1", "--layers 61,5,1: the first size must be n_x = 60, .* as in 60,20,7,5,1"),
        ("deep", "60,5,2", "the last size must be 1"),
        ("deep", "60", "two or more positive sizes"),
        ("deep", "60,0,1", "two or more positive sizes"),
        ("deep", "60,-4,1", "two or more positive sizes"),
        ("deep", "60,five,1", "--layers 60,five,1: expected whole numbers, such as 60,20,7,5,1"),
        ("deep", "60,2.5,1", "whole numbers"),
        ("deep", ",", "two or more positive sizes"),
        ("logistic", "60,5,1", "logistic takes 2 sizes, such as 60,1; deep takes any number"),
        ("shallow", "60,5,4,1", "shallow takes 3 sizes, such as 60,7,1"),
    ],
)
def test_bad_layer_sizes(pictures: str, model: config.Model, layers: str, message: str) -> None:
    settings = TrainConfig(model, pictures, layers=(layers,), runs_dir=Path(pictures).parent / "runs")
    with pytest.raises(InputError, match=message):
        create(settings)
    assert not settings.runs_dir.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": 0.0}, "--learning-rate 0.0: expected a positive number"),
        ({"learning_rate": -0.1}, "--learning-rate -0.1"),
        ({"learning_rate": float("nan")}, "--learning-rate nan"),
        ({"learning_rate": float("inf")}, "--learning-rate inf"),
        ({"iterations": 0}, "--iterations 0: expected 1 or more"),
        ({"batch_size": 0}, "--batch-size 0: expected 1 or more"),
        ({"batch_size": -5}, "--batch-size -5"),
        ({"batch_size": 24}, "--batch-size 24: there are only 23 training examples"),
        ({"seed": -1}, "--seed -1: expected 0 to 4294967295"),
        ({"seed": 2**32}, "--seed 4294967296"),
        ({"model": "logistic", "activation": "relu"}, "logistic regression has no hidden layer"),
        ({"device": "cuda"}, "--device cuda: torch finds no such device here"),
        ({"run": "a/b"}, "--run 'a/b': expected a name without folders"),
        ({"run": ""}, "--run ''"),
        ({"run": "."}, "--run '.'"),
        ({"run": ".."}, r"--run '\.\.'"),
        ({"run": "r" * 300}, "--run"),
    ],
)
def test_bad_values_are_refused_before_anything_is_written(
    pictures: str, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], message: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    settings = replace(TrainConfig("deep", pictures, runs_dir=Path(pictures).parent / "runs"), **changes)
    before = listing(Path(pictures).parent)
    with pytest.raises(InputError, match=message) as refusal:
        create(settings)
    assert "\n" not in str(refusal.value)
    assert listing(Path(pictures).parent) == before
    assert not settings.runs_dir.exists()


def test_what_is_left_out_becomes_the_models_and_the_datas_own() -> None:
    resolved = TrainConfig("shallow", "flower").resolve(2)
    assert (resolved.layers, resolved.activation, resolved.init) == (("2", "7", "1"), "tanh", "small")
    assert (resolved.iterations, resolved.learning_rate) == (2500, 1.2)
    given = TrainConfig("deep", "flower", layers=("2,3,1",), activation="sigmoid", iterations=7, learning_rate=9.0)
    assert given.resolve(2) == replace(given, layers=("2", "3", "1"), init="sqrt")
    rates = [TrainConfig(model, "cats.h5").resolve(9).learning_rate for model in MODEL_DEFAULTS]
    assert rates == [0.005, 0.0075, 0.0075]


def test_a_run_without_a_name_is_numbered_and_none_is_overwritten(tmp_path: Path) -> None:
    unnamed = TrainConfig("deep", "somewhere/train_cats.h5", runs_dir=tmp_path)
    for name in ("deep-cats", "deep-cats-2", "deep-cats-3"):
        folder = free_folder(unnamed)
        assert folder == tmp_path / name
        folder.mkdir()
    named = replace(unnamed, run="mine")
    assert free_folder(named) == tmp_path / "mine"
    (tmp_path / "mine").mkdir()
    with pytest.raises(
        InputError, match=r"exists; go on with it by 'torchbasics resume .*mine --iterations N', or choose"
    ):
        free_folder(named)


def test_the_device_is_one_that_is_there_and_holds_the_dtype(monkeypatch: pytest.MonkeyPatch) -> None:
    def machine(cuda: bool, mps: bool) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    machine(cuda=False, mps=False)
    assert pick_device("auto", "float64").type == "cpu"
    for absent in ("cuda", "mps"):
        with pytest.raises(InputError, match=rf"--device {absent}: .*finds: cpu\); leave --device out"):
            pick_device(absent, "float32")
    machine(cuda=True, mps=False)
    assert pick_device("auto", "float64").type == "cuda"
    machine(cuda=False, mps=True)
    assert pick_device("auto", "float32").type == "mps"
    assert pick_device("auto", "float64").type == "cpu"
    with pytest.raises(InputError, match="mps has no float64: add --dtype float32"):
        pick_device("mps", "float64")


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


def test_a_run_whose_log_was_removed_goes_on(pictures: str) -> None:
    folder = finished(small(pictures, iterations=4))
    (folder / log.NAME).unlink()
    assert train(resume(folder, 6), quiet()) == 0
    assert [step.iteration for step in log.read(folder)[1]] == [4, 5]


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
        run.engines[0].update = lambda: seen.append(torch.get_num_threads())  # type: ignore[method-assign]
        train(run, quiet())
        assert seen == [1, 1]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
