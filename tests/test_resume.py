"""Stopped, killed, resumed: bit for bit what one session gives; and checkpoints that lose nothing."""

import os
import pickle
import shutil
import signal
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import pytest
import torch

import torchbasics.training.pictures
import torchbasics.training.run
from runs import assert_same_run, finished, listing, quiet, small
from torchbasics.errors import InputError
from torchbasics.training import checkpoint, log
from torchbasics.training.config import TrainConfig
from torchbasics.training.record import Recorder
from torchbasics.training.run import create, resume, train

pytestmark = pytest.mark.usefixtures("nothing_drawn")


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


def test_every_model_goes_on(pictures: str) -> None:
    for model, layers in (("logistic", None), ("shallow", None), ("deep", ("60,5,4,1",))):
        settings = TrainConfig(model, pictures, layers=layers, runs_dir=Path(pictures).parent / "runs", iterations=9)
        whole, part = finished(settings), finished(replace(settings, iterations=4))
        assert train(resume(part, 9), quiet()) == 0
        assert_same_run(part, whole)


def test_links_to_data_are_followed_by_name(pictures: str) -> None:
    store = Path(pictures).parent / "store"
    store.mkdir()
    for k, kind in enumerate(("train", "test")):
        file = Path(pictures).with_name(f"{kind}_small.h5")
        file.rename(store / f"blob{k}")
        file.symlink_to(store / f"blob{k}")
    assert train(resume(finished(small(pictures, iterations=2)), 4), quiet()) == 0


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
    said = console.file.getvalue()
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


def test_a_run_whose_log_was_removed_goes_on(pictures: str) -> None:
    folder = finished(small(pictures, iterations=4))
    (folder / log.NAME).unlink()
    assert train(resume(folder, 6), quiet()) == 0
    assert [step.iteration for step in log.read(folder)[1]] == [4, 5]


# Checkpoints


@pytest.mark.parametrize("failing", ["torch.save", "os.fsync", "os.replace"])
def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    checkpoint.save(tmp_path, {"format": checkpoint.FORMAT, "W": torch.ones(3)})
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
        checkpoint.save(tmp_path, {"format": checkpoint.FORMAT, "W": torch.zeros(300)})
    assert listing(tmp_path) == before


def test_a_checkpoint_reaches_the_disk_before_it_takes_the_old_ones_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.save(tmp_path, {"format": checkpoint.FORMAT, "k": 1})
    fsync, at_fsync = os.fsync, []

    def spy(descriptor: int) -> None:
        size = os.fstat(descriptor).st_size
        at_fsync.append((size, checkpoint.load(tmp_path)["k"]))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    path = checkpoint.save(tmp_path, {"format": checkpoint.FORMAT, "k": 2})
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
    torch.save({"format": checkpoint.FORMAT, "W": torch.ones(100)}, path)
    whole = path.read_bytes()
    if kind.startswith("cut"):
        path.write_bytes(whole[: {"cut to nothing": 0, "cut short": 100, "cut at the end": len(whole) - 1}[kind]])
    elif kind == "text":
        path.write_text("hello\n")
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("a", "b")
    elif kind == "pickle":
        path.write_bytes(pickle.dumps({"format": checkpoint.FORMAT}))
    elif kind == "malicious pickle":
        path.write_bytes(pickle.dumps(Malicious(folder / "owned"), protocol=2))
    elif kind == "malicious torch":
        torch.save({"format": checkpoint.FORMAT, "W": Malicious(folder / "owned")}, path)
    elif kind == "list":
        torch.save([1], path)
    elif kind == "old format":
        torch.save({"format": checkpoint.FORMAT - 1}, path)
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
        checkpoint.save(tmp_path / name, {"format": checkpoint.FORMAT})
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="has runs a, b; "):
        checkpoint.load(tmp_path / "empty")
