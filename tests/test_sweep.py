"""Sweeps: every combination once, bit for bit as train gives it, however often the sweep was stopped or killed."""

import csv
import itertools
import json
import math
import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2, list_session_groups
from tensorboard.plugins.hparams.backend_context import Context

from runs import assert_same_run, finished, listing, quiet, small
from torchbasics.cli import main
from torchbasics.data import load
from torchbasics.errors import InputError
from torchbasics.training import checkpoint, log
from torchbasics.training.config import TrainConfig
from torchbasics.training.loop import stop_on_ctrl_c
from torchbasics.training.record import Recorder
from torchbasics.training.run import resume, train
from torchbasics.training.sweep import one, table, workers
from torchbasics.training.sweep.command import results_of, run
from torchbasics.training.sweep.one import NAME as RESULT
from torchbasics.training.sweep.one import Outcome, result, train_one
from torchbasics.training.sweep.plan import NAME as SETTINGS
from torchbasics.training.sweep.plan import alone, plan
from torchbasics.training.sweep_config import LISTS, SweepConfig

pytestmark = pytest.mark.usefixtures("nothing_drawn")

FOUR = [f"learning_rate={rate},layers={sizes}" for rate in ("0.05", "0.2") for sizes in ("60-6-4-1", "60-3-1")]


def sweep_of(pictures: str, **changes: Any) -> SweepConfig:
    """Two rates of two networks on 23 pictures, one run after the other in this process."""
    values: dict[str, Any] = {
        "data": pictures,
        "learning_rate": (0.05, 0.2),
        "layers": ("60,6,4,1", "60,3,1"),
        "iterations": 20,
        "jobs": 1,
        "name": "swept",
        "runs_dir": Path(pictures).parent / "runs",
    }
    return SweepConfig(**(values | changes))


def folder_of(config: SweepConfig) -> Path:
    return config.runs_dir / (config.name or "")


def alone_trained(config: SweepConfig, **changes: Any) -> Path:
    """A run by itself, beside those of the sweep."""
    settings = small(config.data or "", engine="manual", **changes)
    return finished(replace(settings, runs_dir=folder_of(config)))


# What is trained


def test_every_combination_is_trained_as_train_does(pictures: str) -> None:
    config = sweep_of(pictures)
    assert run(config, quiet()) == 0
    folder = folder_of(config)
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == sorted(FOUR)
    for rate in (0.05, 0.2):
        for layers in ("60,6,4,1", "60,3,1"):
            whole = alone_trained(config, layers=(layers,), learning_rate=rate)
            assert_same_run(folder / f"learning_rate={rate},layers={layers.replace(',', '-')}", whole)


def test_all_that_can_vary_reaches_the_run_and_its_name(pictures: str) -> None:
    some = {"learning_rate": (1e-7, 0.1), "activation": ("tanh", "elu"), "init": ("he", "xavier")}
    some |= {"optimizer": ("adam", "momentum"), "batch_size": (5, 23)}
    others = {"l2": (0.0, 0.5), "l1": (0.0, 0.25), "keep_prob": (0.5, 1.0), "seed": (1, 7)}
    nothing = {"layers": None, "learning_rate": None}
    for name, chosen in (
        ("learning_rate=1e-07,activation=elu,init=he,optimizer=momentum,batch_size=5", some),
        ("l2=0.5,l1=0.25,keep_prob=0.5,seed=7", others),
    ):
        planned = plan(sweep_of(pictures, **(nothing | chosen), name=str(len(chosen))))
        assert len(planned.runs) == 2 ** len(chosen)
        found = [f"{option}={format(getattr(planned.runs[name], option))}" for option in chosen]
        assert ",".join(found) == name
    cells = plan(sweep_of("digits", model="rnn", **nothing, cell=("gru", "lstm"), name="cells"))
    assert {name: run.cell for name, run in cells.runs.items()} == {"cell=gru": "gru", "cell=lstm": "lstm"}


# Results


def told(config: SweepConfig) -> str:
    console = quiet()
    console.width = 200
    assert run(config, console) == 0
    said: str = console.file.getvalue()  # type: ignore[attr-defined]
    return said


def test_the_table_has_the_best_first_and_the_file_has_all_digits(pictures: str) -> None:
    config = sweep_of(pictures, learning_rate=(0.05, 0.2, 1e200), layers=("60,6,4,1", "60,3,1"), engine="both")
    said = told(config)
    results = results_of(plan(config))
    with (folder_of(config) / table.NAME).open() as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["run"] for row in rows) == sorted(results)
    assert [row["outcome"] for row in rows] == ["finished"] * 4 + ["diverged"] * 2
    order = [(-float(row["test_accuracy_manual"]), float(row["cost_manual"])) for row in rows[:4]]
    assert order == sorted(order)
    for row in rows:
        found = results[row["run"]]
        assert {name: str(value) for name, value in found["hyperparameters"].items()}.items() <= row.items()
        assert row["run"].startswith(f"learning_rate={float(row['learning_rate']):g},")
        for engine, figures in found["results"].items():
            assert all(float(row[f"{name}_{engine}"]) == value for name, value in figures.items())
    shown = [line.split() for line in said.splitlines() if "60-" in line]
    assert [line[1] for line in shown] == [row["layers"] for row in rows]
    assert shown[0][2:5] == [
        f"{float(rows[0]['test_accuracy_manual']):.2%}",
        f"{float(rows[0]['train_accuracy_manual']):.2%}",
        f"{float(rows[0]['cost_manual']):.6g}",
    ]
    assert [line[2:] for line in shown[4:]] == [["diverged"]] * 2
    assert "4 finished, 2 diverged" in said
    assert f"tensorboard --logdir {folder_of(config)}  (HParams tab)" in said


def test_figures_are_those_of_the_parameters_that_were_kept(pictures: str) -> None:
    config = sweep_of(pictures, layers=None, learning_rate=(0.05, 0.2), model="logistic")
    run(config, quiet())
    planned = plan(config)
    for name, found in results_of(planned).items():
        saved = checkpoint.load(planned.folder / name)["engines"]["manual"]["parameters"]
        w, b = (value.numpy() for value in saved.values())
        data = load(pictures, dtype=torch.float64, seed=1)
        figures = found["results"]["manual"]
        for part, split in (("train", data.train), ("test", data.test)):
            Y, A = split.Y.numpy(), 1 / (1 + np.exp(-(w @ split.X.numpy() + b)))
            assert figures[f"{part}_accuracy"] == np.mean((A > 0.5) == Y)
            if part == "train":
                assert figures["cost"] == pytest.approx(-np.mean(Y * np.log(A) + (1 - Y) * np.log(1 - A)), rel=1e-12)


def test_only_twenty_rows_are_shown(pictures: str) -> None:
    config = sweep_of(pictures, learning_rate=None, layers=("60,1",), seed=tuple(range(23)), iterations=1)
    said = told(config)
    assert "and 3 more" in said
    assert sum("%" in line for line in said.splitlines()) == 20
    with (folder_of(config) / table.NAME).open() as file:
        assert len(list(csv.DictReader(file))) == 23


def hparams_sessions(folder: Path) -> tuple[list[str], list[Any]]:
    """The names of the metrics and the rows of the HParams tab, from TensorBoard's own reading of the files."""
    events = EventMultiplexer().AddRunsFromDirectory(str(folder)).Reload()
    backend = Context(TBContext(data_provider=MultiplexerDataProvider(events, str(folder))))
    context = RequestContext()
    content = backend.hparams_metadata(context, "")
    experiment = backend.experiment_from_metadata(context, "", True, content, [])
    every = [api_pb2.STATUS_UNKNOWN, api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE, api_pb2.STATUS_RUNNING]
    request = api_pb2.ListSessionGroupsRequest(slice_size=100, allowed_statuses=every, include_metrics=True)
    groups = list_session_groups.Handler(context, backend, "", request).run().session_groups
    return [metric.name.tag for metric in experiment.metric_infos], list(groups)


def test_the_hparams_tab_has_one_session_for_each_run_and_engine(pictures: str) -> None:
    config = sweep_of(pictures, learning_rate=(1e200, 0.2), engine="both")
    run(config, quiet())
    results = results_of(plan(config))
    metrics, groups = hparams_sessions(folder_of(config))
    assert metrics == ["result/cost", "result/train_accuracy", "result/test_accuracy"]
    sessions = {session.name: group for group in groups for session in group.sessions}
    assert sorted(sessions) == sorted(f"{name}/{engine}" for name in results for engine in ("manual", "torch"))
    assert len(groups) == len(sessions), "two runs are taken for one"
    for name, group in sessions.items():
        run_name, engine = name.split("/")
        found = results[run_name]
        values = {key: getattr(value, value.WhichOneof("kind")) for key, value in group.hparams.items()}
        assert values["engine"] == engine
        for option, value in found["hyperparameters"].items():
            assert values[option] == value
        shown = {metric.name.tag.removeprefix("result/"): metric.value for metric in group.metric_values}
        if found["outcome"] == "diverged":
            assert group.sessions[0].status == api_pb2.STATUS_FAILURE
            assert shown == {}
        else:
            assert group.sessions[0].status == api_pb2.STATUS_SUCCESS
            assert shown == pytest.approx({key: found["results"][engine][key] for key in shown}, rel=1e-6)
            assert len(shown) == 3
    assert {found["outcome"] for found in results.values()} == {"finished", "diverged"}


# Stopped, killed, gone on with


def interrupted_at(monkeypatch: pytest.MonkeyPatch, run_number: int, iteration: int, act: Callable[[], None]) -> None:
    """Something that happens in the middle of one of the runs."""
    step, counts = Recorder.step, {"runs": 0}

    def spy(self: Recorder, i: int, *rest: Any) -> None:
        counts["runs"] += i == 0
        if (counts["runs"], i) == (run_number, iteration):
            act()
        step(self, i, *rest)

    monkeypatch.setattr(Recorder, "step", spy)


class Killed(BaseException):
    """What nothing in the package catches."""


def killed() -> None:
    raise Killed


def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(pictures: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = sweep_of(pictures)
    folder = folder_of(config)
    console = quiet()
    with monkeypatch.context() as patch:
        interrupted_at(patch, 2, 8, lambda: signal.raise_signal(signal.SIGINT))
        assert run(config, console) == 130
    assert f"sweep --resume {folder}" in console.file.getvalue()  # type: ignore[attr-defined]
    assert [result(folder / name) is not None for name in FOUR] == [True, False, False, False]
    assert checkpoint.load(folder / FOUR[1])["iteration"] == 9
    assert not (folder / FOUR[2]).exists()
    first = listing(folder / FOUR[0])
    begun = []
    step = Recorder.step
    monkeypatch.setattr(Recorder, "step", lambda self, i, *rest: (begun.append(i), step(self, i, *rest)))
    assert run(config, quiet()) == 0
    # The first is not touched, the second goes on, the others begin.
    assert begun == [*range(9, 20), *range(20), *range(20)]
    assert listing(folder / FOUR[0]) == first
    assert_same_run(folder / FOUR[1], alone_trained(config, layers=("60,3,1",), learning_rate=0.05))


def test_killed_runs_begin_anew_and_become_what_they_would_have_been(
    pictures: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = sweep_of(pictures)
    folder = folder_of(config)
    with monkeypatch.context() as patch:
        interrupted_at(patch, 2, 8, killed)
        with pytest.raises(Killed):
            run(config, quiet())
    assert (folder / FOUR[1] / log.NAME).exists()
    assert not (folder / FOUR[1] / checkpoint.NAME).exists()
    # The third as if it had been killed between its last checkpoint and its result.
    assert train_one(plan(config).runs[FOUR[2]]) == Outcome("finished")
    before = (folder / FOUR[2] / RESULT).read_text()
    (folder / FOUR[2] / RESULT).unlink()
    begun = []
    step = Recorder.step
    monkeypatch.setattr(Recorder, "step", lambda self, i, *rest: (begun.append(i), step(self, i, *rest)))
    assert run(SweepConfig(resume=folder, jobs=1), quiet()) == 0
    # That one is only evaluated: its clock is the first training's.
    assert begun == [*range(20), *range(20)]
    assert (folder / FOUR[2] / RESULT).read_text() == before
    for name, layers, rate in ((FOUR[1], "60,3,1", 0.05), (FOUR[2], "60,6,4,1", 0.2)):
        assert_same_run(folder / name, alone_trained(config, layers=(layers,), learning_rate=rate))


def test_what_was_done_to_a_run_by_hand_is_never_lost(pictures: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = sweep_of(pictures, layers=("60,3,1",), batch_size=(5, 7))
    folder = folder_of(config)
    runs = plan(config).runs
    ended, further, damaged, other = runs
    for name in (ended, further):
        with monkeypatch.context() as patch:
            interrupted_at(patch, 1, 8, lambda: signal.raise_signal(signal.SIGINT))
            assert train_one(runs[name]) == Outcome("stopped")
    assert train(resume(folder / ended, None), quiet()) == 0
    assert train(resume(folder / further, 40), quiet()) == 0
    (folder / damaged).mkdir()
    (folder / damaged / checkpoint.NAME).write_text("of another version")
    assert train_one(replace(runs[other], batch_size=5)) == Outcome("finished")
    (folder / other / RESULT).unlink()
    # With all its updates it is evaluated, as one that was never stopped.
    whole = alone_trained(config, layers=("60,3,1",), batch_size=5, learning_rate=0.05)
    assert train_one(runs[ended]) == Outcome("finished")
    assert_same_run(folder / ended, whole)
    found = result(folder / ended)
    assert found is not None
    figures = (figure for figure in hparams_sessions(folder / ended)[1][0].metric_values)
    assert {figure.name.tag.removeprefix("result/"): figure.value for figure in figures} == pytest.approx(
        {name: value for name, value in found["results"]["manual"].items() if name != "seconds"}, rel=1e-6
    )
    for name, said in (
        (further, "gone on with by resume, or trained otherwise (--iterations is 40 there, and 20 in the sweep)"),
        (damaged, "is damaged, or was not written by train"),
        (other, "(--batch-size is 5 there, and 7 in the sweep)"),
    ):
        before = listing(folder / name)
        outcome = train_one(runs[name])
        assert outcome.kind == "failed"
        assert said in outcome.why
        assert listing(folder / name) == before
    (folder / ended / RESULT).unlink()
    (folder / ended / log.NAME).unlink()
    assert "has no log.csv any more" in train_one(runs[ended]).why


def test_a_run_that_fails_is_said_and_is_tried_again(pictures: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = sweep_of(pictures)
    save = checkpoint.save

    def full(folder: Path, content: dict[str, Any]) -> Path:
        if folder.name == FOUR[1]:
            raise OSError(28, "No space left on device")
        return save(folder, content)

    def full_already(config: TrainConfig) -> Any:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(one, "create", full_already)
        why = f"can't write to {folder_of(config) / FOUR[0]}: No space left on device"
        assert train_one(plan(config).runs[FOUR[0]]) == Outcome("failed", why)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", full)
        with pytest.raises(InputError, match=rf"{FOUR[1]} failed: can't write to .*: No space left on device"):
            run(config, quiet())
    assert [result(folder_of(config) / name) is not None for name in FOUR] == [True, False, True, True]
    assert run(config, quiet()) == 0


# Processes


def logging(folder: Path) -> bool:
    return (folder / log.NAME).is_file() and (folder / log.NAME).stat().st_size > 100


def test_processes_that_die_fail_their_run_alone_and_ctrl_c_reaches_the_others_once(
    pictures: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = sweep_of(pictures, iterations=10**6)
    planned = plan(config)
    names = list(planned.runs)
    waited = workers.wait
    pids: dict[str, int] = {}
    begin = workers._Worker.begin

    def beginning(self: workers._Worker, config: TrainConfig) -> None:
        assert self.process.pid is not None
        pids[config.run or ""] = self.process.pid
        begin(self, config)

    acts = iter(
        [
            (names[:2], lambda: os.kill(pids[names[0]], signal.SIGKILL)),
            (names[1:3], lambda: signal.raise_signal(signal.SIGINT)),
        ]
    )
    due = [next(acts)]

    looks = itertools.count()

    def looking(connections: Sequence[Connection], seconds: float) -> list[Any]:
        # Each takes `seconds` at most: no run that hangs keeps the test for ever.
        assert next(looks) < 600, f"{due} has not come"
        if due and all(logging(planned.folder / name) for name in due[0][0]):
            due.pop()[1]()
            due.extend(itertools.islice(acts, 1))
        return waited(connections, seconds)

    # Forks, which don't wait for torch to be imported again; the next test has a process as users get it.
    monkeypatch.setattr(workers, "PROCESSES", multiprocessing.get_context("fork"))
    monkeypatch.setattr(workers._Worker, "begin", beginning)
    monkeypatch.setattr(workers, "wait", looking)
    outcomes: dict[str, Outcome] = {}
    with stop_on_ctrl_c() as stop:
        workers.train_all(
            list(planned.runs.values()),
            2,
            stop,
            lambda config: None,
            lambda config, outcome: outcomes.update({config.run or "": outcome}),
        )
    assert list(pids) == names[:3]
    assert outcomes.pop(names[0]) == Outcome(
        "failed", "its process was killed, perhaps because the machine ran out of memory; try fewer --jobs"
    )
    assert outcomes == dict.fromkeys(names[1:3], Outcome("stopped"))
    for name in names[1:3]:
        assert 0 < checkpoint.load(planned.folder / name)["iteration"] < 10**6
    for pid in pids.values():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_ctrl_c_while_a_process_starts_ends_it_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted:
        def __init__(self, **_: Any) -> None: ...

        def start(self) -> None:
            # As of a sweep that sends a run, and Ctrl-C, before the new thread has said that it goes.
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(workers.threading, "Thread", Interrupted)
    monkeypatch.setattr(workers.os, "setsid", lambda: None)
    ours, theirs = multiprocessing.Pipe()
    before = signal.getsignal(signal.SIGINT)
    try:
        workers.serve(theirs)
    except KeyboardInterrupt:
        pytest.fail("the process would end with a traceback")
    finally:
        signal.signal(signal.SIGINT, before)
        ours.close()
        theirs.close()


class Slow:
    """A process that takes its time to end: `seconds`, of those that one waits for it."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.exitcode = seconds, None

    def join(self, timeout: float = math.inf) -> None:
        if self.exitcode is None and timeout >= self.seconds:
            self.exitcode = 3

    def kill(self) -> None:
        if self.exitcode is None:
            self.seconds, self.exitcode = 0, -9


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(5, "its process ended with exit code 3"), (60, "its process gave no outcome, and did not end in 10 seconds")],
)
def test_a_process_has_time_to_end_before_it_is_killed(seconds: float, said: str) -> None:
    worker = object.__new__(workers._Worker)
    worker.process = Slow(seconds)  # type: ignore[assignment]
    worker.connection, theirs = multiprocessing.Pipe()
    theirs.close()
    assert worker.died() == said
    assert worker.connection.closed
    assert worker.process.exitcode is not None


def test_a_process_trains_as_this_one_does_and_ends_when_the_sweep_is_killed(pictures: str) -> None:
    config = sweep_of(pictures)
    planned = plan(config)
    worker = workers._Worker()
    try:
        worker.begin(planned.runs[FOUR[0]])
        assert worker.outcome() == Outcome("finished")
        assert_same_run(planned.folder / FOUR[0], alone_trained(config))
        worker.begin(replace(planned.runs[FOUR[1]], iterations=10**6))
        # What the operating system does with the pipe of a sweep that is killed.
        worker.connection.close()
        worker.process.join(60)
        assert worker.process.exitcode == 1
    finally:
        worker.process.kill()


# Refused


REFUSED = [
    ({"learning_rate": (0.1, 0.0)}, "--learning-rate 0.0: expected a positive number"),
    ({"learning_rate": ()}, "--learning-rate: its values are missing"),
    ({"learning_rate": (0.1, 0.2, 0.1)}, "--learning-rate: 0.1 is there twice"),
    ({"learning_rate": (0.1,), "layers": None}, "nothing varies; give an option two or more values"),
    ({"seed": tuple(range(101)), "batch_size": tuple(range(1, 101))}, "40,400 combinations are more than 10,000"),
    ({"layers": ("60,5,1", "60,5,3")}, "--layers 60,5,3: the last size must be 1"),
    ({"layers": ("60,5,1", "61,5,1")}, "--layers 61,5,1: the first size must be n_x = 60"),
    ({"layers": ("60,5,1", "60,05,1")}, "layers=60-5-1 is there twice"),
    ({"layers": ("60,5,1", "60" + ",2" * 120 + ",1")}, "too long"),
    ({"batch_size": (5, 24)}, "--batch-size 24: there are only 23 training examples"),
    ({"model": "logistic", "layers": None, "activation": ("relu", "tanh")}, "--activation: logistic regression has no"),
    ({"model": "hybrid", "layers": None}, "hybrid needs pictures with structured inputs"),
    ({"jobs": 0}, "--jobs 0: expected 1 or more"),
    ({"name": "a/b"}, "--name 'a/b': expected a name without folders"),
    ({"iterations": 0}, "--iterations 0"),
    ({"data": "absent.h5"}, "no such file"),
    ({"resume": Path("somewhere")}, "has its own settings: give no other option but --jobs"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED, ids=[str(k) for k in range(len(REFUSED))])
def test_what_cannot_be_used_is_refused_in_one_line_with_nothing_written(
    pictures: str, changes: dict[str, Any], message: str
) -> None:
    config = sweep_of(pictures, **changes)
    with pytest.raises(InputError) as refusal:
        run(config, quiet())
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not config.runs_dir.exists()


def test_unknown_choices_are_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for words, line in (
        (["--activation", "relu", "tanhh"], "did you mean 'tanh'?"),
        (["--learning-rate", "0.1", "fast"], "--learning-rate 0.1 fast: expected a number"),
        (["--learning-rate"], "--learning-rate: its values are missing"),
        (["--resume", "absent"], "no sweep is in absent"),
    ):
        with pytest.raises(SystemExit) as exit:
            main(["sweep", *words])
        assert exit.value.code == 2
        said = capsys.readouterr().err
        assert line in said
        assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_other_settings_and_other_folders_are_refused_and_left_alone(pictures: str) -> None:
    config = sweep_of(pictures)
    plan(config)
    folder = folder_of(config)
    before = listing(folder)
    assert list(before) == [SETTINGS]
    for changes, said in (
        ({"learning_rate": (0.05, 0.3)}, r"--learning-rate was 0.05 0.2, and is 0.05 0.3 here\); go on with it by"),
        ({"iterations": 30}, r"--iterations was 20, and is 30 here"),
        ({"activation": ("tanh",)}, r"--activation was left out, and is tanh here"),
    ):
        with pytest.raises(InputError, match=said):
            plan(replace(config, **changes))
    (config.runs_dir / "mine").mkdir()
    (config.runs_dir / "mine" / "notes").touch()
    with pytest.raises(InputError, match=r"no sweep is in .*mine: it has no sweep\.json"):
        plan(replace(config, name="mine"))
    with alone(folder), pytest.raises(InputError, match="another sweep is under way"):
        run(config, quiet())
    assert listing(folder) == before
    assert plan(replace(config, jobs=2)).runs == plan(SweepConfig(resume=folder)).runs
    for damage in ("{", "[]", "{}", json.dumps({"settings": {"model": "deep"}})):
        (folder / SETTINGS).write_text(damage)
        for again in (config, SweepConfig(resume=folder)):
            with pytest.raises(InputError, match=r"sweep\.json is not as sweep wrote it"):
                plan(again)
    (folder / SETTINGS).unlink()
    (folder / SETTINGS).mkdir()
    with pytest.raises(InputError, match=r"sweep\.json can't be read: Is a directory"):
        plan(config)


def test_a_sweep_that_was_killed_before_its_settings_were_written_begins_anew(
    pictures: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = sweep_of(pictures)
    for reason in (Killed(), OSError(28, "No space left on device")):

        def fail(descriptor: int, reason: BaseException = reason) -> None:
            raise reason

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fail)
            with pytest.raises(Killed if isinstance(reason, Killed) else InputError):
                plan(config)
        assert list(listing(folder_of(config))) == [f"{SETTINGS}.tmp"]
    planned = plan(config)
    assert list(listing(planned.folder)) == [SETTINGS]
    assert plan(config) == planned


# A result that the table could show.
WHOLE = {
    "outcome": "finished",
    "why": "",
    "hyperparameters": dict.fromkeys(LISTS, 1),
    "results": {"manual": {"cost": 0.5, "train_accuracy": 1, "test_accuracy": 1, "seconds": 0.1}},
}


@pytest.mark.parametrize(
    "content",
    [
        "{", "{}", "[]", "null", '"finished"',
        *(json.dumps({**WHOLE, name: value}) for name in WHOLE for value in ({}, [], None, "other")
          if (name, value) != ("why", "other")),
        json.dumps({**WHOLE, "results": {"manual": {"cost": 0.5}}}),
        json.dumps({**WHOLE, "results": {"manual": 3}}),
        json.dumps({**WHOLE, "outcome": "diverged"}),
    ],
)  # fmt: skip
def test_a_damaged_result_is_one_line(content: str, tmp_path: Path) -> None:
    (tmp_path / RESULT).write_text(json.dumps(WHOLE))
    assert result(tmp_path) == WHOLE
    (tmp_path / RESULT).write_text(content)
    with pytest.raises(InputError, match=r"result\.json is not as sweep wrote it; remove it, and it is written again"):
        result(tmp_path)


def test_a_file_in_place_of_a_run_is_one_line(pictures: str) -> None:
    config = sweep_of(pictures)
    plan(config)
    (folder_of(config) / FOUR[1]).write_text("my own")
    with pytest.raises(InputError, match=r"result\.json can't be read: Not a directory; move .*60-3-1 elsewhere"):
        run(config, quiet())
    assert sorted(listing(folder_of(config))) == sorted([SETTINGS, FOUR[1]])


def test_going_on_takes_no_other_folder() -> None:
    for changes in ({"runs_dir": Path("elsewhere")}, {"name": "other"}, {"iterations": 3}):
        with pytest.raises(InputError, match="has its own settings: give no other option but --jobs"):
            SweepConfig(resume=Path("runs/swept"), jobs=2, **changes).check()
    SweepConfig(resume=Path("runs/swept"), jobs=2).check()


def test_changed_data_is_refused(pictures: str) -> None:
    config = sweep_of(pictures)
    plan(config)
    with h5py.File(pictures, "a") as file:
        file["train_set_y"][...] = 1 - file["train_set_y"][...]
    for again in (config, SweepConfig(resume=folder_of(config))):
        with pytest.raises(InputError, match="it has changed; choose another --name"):
            plan(again)
