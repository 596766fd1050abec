"""One run of a sweep, from wherever it was left to its result."""

import io
import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from torchbasics.errors import InputError
from torchbasics.training import checkpoint, log, report
from torchbasics.training.config import TrainConfig
from torchbasics.training.given import settled
from torchbasics.training.record import Diverged
from torchbasics.training.run import Run, carry_out, create, resume
from torchbasics.training.sweep.plan import write_json
from torchbasics.training.sweep_config import LISTS

NAME = "result.json"
# Of each engine.
_FIGURES = ("cost", "train_accuracy", "test_accuracy", "seconds")


@dataclass(frozen=True)
class Outcome:
    """How a run came out: "finished" or "diverged", which are results; "stopped" by Ctrl-C; "failed", and why."""

    kind: str
    why: str = ""


def train_one(config: TrainConfig) -> Outcome:
    """Train the run, or what is left of it, and write its result."""
    assert config.run is not None
    folder = config.runs_dir / config.run
    try:
        return _train(_run(folder, config))
    except InputError as error:
        return Outcome("failed", str(error))
    except OSError as error:
        return Outcome("failed", f"can't write to {folder}: {error.strerror}")


def _train(run: Run) -> Outcome:
    outcome, results = Outcome("finished"), {}
    try:
        ended = carry_out(run, Console(file=io.StringIO()))
        if ended.interrupted:
            return Outcome("stopped")
        results = ended.results
    except Diverged as error:
        outcome = Outcome("diverged", str(error))
    content = {
        "outcome": outcome.kind,
        "why": outcome.why,
        "hyperparameters": report.hyperparameters(run),
        "results": {name: {**result, "seconds": run.seconds[name]} for name, result in results.items()},
    }
    write_json(run.folder / NAME, content)
    return outcome


def _run(folder: Path, config: TrainConfig) -> Run:
    """The run as its checkpoint left it, or a new one in place of one that never had a checkpoint.

    Raises `InputError` for a checkpoint that can't be gone on with, or has other settings: it is left as it is.
    """
    try:
        (folder / checkpoint.NAME).lstat()
    except FileNotFoundError:
        if folder.exists():
            shutil.rmtree(folder)
        return create(config)
    saved = checkpoint.load(folder)
    found = TrainConfig.from_dict(saved["config"])
    assert found.iterations is not None
    trained = saved["iteration"] >= found.iterations
    # Nothing is left to do where it was killed before it was evaluated, or resumed by hand.
    run = resume(folder, saved["iteration"] + 1 if trained else None)
    run.config = found
    _require_same(folder, found, settled(config, run.data))
    if trained:
        if not (folder / log.NAME).exists():
            raise InputError(f"{folder} has no {log.NAME} any more; restore it, or remove {folder}, and it begins anew")
        X, Y = run.batches.next()
        for engine in run.engines:
            # What is shown at the end has gradients, which no checkpoint has.
            engine.cost_and_gradients(X, Y)
            # That moved batch norm's running statistics.
            engine.restore(saved["engines"][engine.name])
    return run


def _require_same(folder: Path, found: TrainConfig, expected: TrainConfig) -> None:
    """Raise `InputError` unless the run was trained as the sweep has it, wherever the sweep's folder is by now."""
    ours, theirs = replace(expected, runs_dir=found.runs_dir).to_dict(), found.to_dict()
    differing = [option for option in ours if ours[option] != theirs[option]]
    if differing:
        option = differing[0]
        raise InputError(
            f"{folder} was gone on with by resume, or trained otherwise (--{option.replace('_', '-')} is "
            f"{theirs[option]} there, and {ours[option]} in the sweep); move it elsewhere, and it begins anew"
        )


def result(folder: Path) -> dict[str, Any] | None:
    """What a run has come to; None while it has not, or is not there."""
    try:
        content = json.loads((folder / NAME).read_text())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{folder / NAME} can't be read: {error.strerror}; move {folder} elsewhere") from None
    except ValueError:
        content = None
    if not _is_result(content):
        raise InputError(f"{folder / NAME} is not as sweep wrote it; remove it, and it is written again")
    assert isinstance(content, dict)
    return content


def _is_result(content: Any) -> bool:
    """Whether it has all that the table shows."""
    match content:
        case {"outcome": kind, "why": str(), "hyperparameters": dict(values), "results": dict(found)}:
            return (
                kind == ("finished" if found else "diverged")
                and set(LISTS) <= set(values)
                and all(isinstance(figures, dict) and _are_figures(figures) for figures in found.values())
            )
    return False


def _are_figures(figures: dict[str, Any]) -> bool:
    return all(isinstance(figures.get(name), int | float) for name in _FIGURES)
