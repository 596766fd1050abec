"""One run of a sweep, from wherever it was left to its result."""

import contextlib
import io
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from torchbasics.errors import InputError
from torchbasics.training import report
from torchbasics.training.config import TrainConfig
from torchbasics.training.record import Diverged
from torchbasics.training.run import Run, carry_out, create, resume
from torchbasics.training.sweep.plan import write_json

NAME = "result.json"


@dataclass(frozen=True)
class Outcome:
    """How a run came out: "finished" or "diverged", which are results; "stopped" by Ctrl-C; "failed", and why."""

    kind: str
    why: str = ""


def train_one(config: TrainConfig) -> Outcome:
    """Train the run, or what is left of it, and write its result."""
    try:
        run = _run(config)
    except InputError as error:
        return Outcome("failed", str(error))
    outcome, results = Outcome("finished"), {}
    try:
        ended = carry_out(run, Console(file=io.StringIO()))
        if ended.interrupted:
            return Outcome("stopped")
        results = ended.results
    except Diverged as error:
        outcome = Outcome("diverged", str(error))
    except OSError as error:
        return _not_written(run, error)
    content = {
        "outcome": outcome.kind,
        "why": outcome.why,
        "hyperparameters": report.hyperparameters(run),
        "results": {name: {**result, "seconds": run.seconds[name]} for name, result in results.items()},
    }
    try:
        write_json(run.folder / NAME, content)
    except OSError as error:
        return _not_written(run, error)
    return outcome


def _not_written(run: Run, error: OSError) -> Outcome:
    return Outcome("failed", f"can't write to {run.folder}: {error.strerror}")


def _run(config: TrainConfig) -> Run:
    """The run as its checkpoint left it, or a new one in place of one that never had a checkpoint."""
    assert config.run is not None
    folder = config.runs_dir / config.run
    with contextlib.suppress(InputError):
        # One with all its iterations and no result was killed while it was being evaluated: it begins anew.
        return resume(folder, None)
    if folder.exists():
        shutil.rmtree(folder)
    return create(config)


def result(folder: Path) -> dict[str, Any] | None:
    """What a run has come to; None while it has not, or is not there."""
    try:
        content = json.loads((folder / NAME).read_text())
    except FileNotFoundError:
        return None
    except ValueError:
        raise InputError(f"{folder / NAME} is not as sweep wrote it; remove {folder}, and it begins anew") from None
    assert isinstance(content, dict)
    return content
