"""What a sweep is told. Nothing heavy is imported here, so that `--help` answers at once.

Every field's docstring is its help text on the command line.
"""

import itertools
import math
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, get_args

import tyro

from torchbasics.arguments import left_out
from torchbasics.errors import InputError
from torchbasics.training.config import (
    Activation,
    Cell,
    Device,
    Dtype,
    Engine,
    Init,
    Model,
    Optimizer,
    TrainConfig,
)

MOST_RUNS = 10_000
# The options that take several values, in the order in which the runs' names have them; the last changes fastest.
LISTS = (
    "learning_rate",
    "layers",
    "activation",
    "cell",
    "init",
    "optimizer",
    "batch_size",
    "l2",
    "l1",
    "keep_prob",
    "seed",
)
# What does not change what the runs are.
_ASIDE = ("jobs", "name", "runs_dir", "resume")


def _several(choices: Any) -> Any:
    return left_out("{" + ",".join(get_args(choices)) + "} ...", "as train")


@dataclass(frozen=True)
class SweepConfig:
    """Train a run for every combination of the values given, and compare them; given again, it goes on."""

    model: tyro.conf.Positional[Model] = "deep"
    """The model of every run, as for train."""

    data: Annotated[str | None, left_out("NAME|FILE|DIR", "as train")] = None
    """The data of every run, as for train."""

    test_data: Annotated[Path | None, left_out("FILE", "as train")] = None
    """The HDF5 file with the test set."""

    learning_rate: Annotated[tuple[float, ...] | None, left_out("ALPHA ...", "as train")] = None
    """Values of alpha, such as 0.01 0.03 0.1."""

    layers: Annotated[tuple[str, ...] | None, left_out("n_x,...,1 ...", "as train")] = None
    """Depths and widths, such as 64,5,1 64,20,7,5,1: sizes with commas, and a space before the next network's."""

    activation: Annotated[tuple[Activation, ...] | None, _several(Activation)] = None
    """Activations of the hidden layers."""

    cell: Annotated[tuple[Cell, ...] | None, _several(Cell)] = None
    """Recurrent layers of rnn."""

    init: Annotated[tuple[Init, ...] | None, _several(Init)] = None
    """Initial weights."""

    optimizer: Annotated[tuple[Optimizer, ...] | None, _several(Optimizer)] = None
    """Ways to descend."""

    batch_size: Annotated[tuple[int, ...] | None, left_out("N ...", "as train")] = None
    """Examples per update."""

    l2: Annotated[tuple[float, ...] | None, left_out("LAMBDA ...", "0")] = None
    """Strengths of the L2 penalty."""

    l1: Annotated[tuple[float, ...] | None, left_out("LAMBDA ...", "0")] = None
    """Strengths of the L1 penalty."""

    keep_prob: Annotated[tuple[float, ...] | None, left_out("P ...", "as train")] = None
    """Shares of units that dropout keeps."""

    seed: Annotated[tuple[int, ...] | None, left_out("SEED ...", "1")] = None
    """Seeds: how much is luck."""

    iterations: Annotated[int | None, left_out("N", "as train")] = None
    """Parameter updates of every run."""

    engine: Engine = "manual"
    """Gradients by hand, by autograd through the torch.nn twin, or both."""

    device: Device = "auto"
    """auto takes a GPU if there is one."""

    dtype: Annotated[Dtype | None, left_out("{float32,float64}", "as train")] = None
    """The precision of every run."""

    jobs: Annotated[int | None, left_out("N", "one per processor")] = None
    """Runs trained at a time, each by a process of its own with one thread."""

    name: Annotated[str | None, left_out("NAME", "sweep-MODEL-DATA")] = None
    """The sweep's name."""

    runs_dir: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("runs")
    """The sweep goes to DIR/NAME, and each run to a folder in it that is named by what varies."""

    resume: Annotated[Path | None, left_out("SWEEP", "none")] = None
    """Go on with the sweep in this folder, such as runs/NAME, with its own settings."""

    def check(self) -> None:
        """Refuse what no data could make right, before anything is read or written."""
        if self.jobs is not None and self.jobs < 1:
            raise InputError(f"--jobs {self.jobs}: expected 1 or more")
        if self.resume is not None:
            if replace(self, jobs=None, resume=None) != SweepConfig():
                raise InputError(f"--resume {self.resume} has its own settings: give no other option but --jobs")
            return
        for option, values in self._lists().items():
            given = f"--{option.replace('_', '-')}"
            if not values:
                raise InputError(f"{given}: its values are missing; give one or more, or leave it out")
            twice = [value for k, value in enumerate(values) if value in values[:k]]
            if twice:
                raise InputError(f"{given}: {twice[0]} is there twice; give each value once")
        count = math.prod(len(values) for values in self._lists().values())
        if count > MOST_RUNS:
            raise InputError(f"{count:,} combinations are more than {MOST_RUNS:,}; give fewer values of some option")
        if count == 1:
            raise InputError(
                "sweep: nothing varies; give an option two or more values, such as --learning-rate 0.01 0.03 0.1"
            )
        for config in self.combinations():
            config.check()

    @property
    def varied(self) -> tuple[str, ...]:
        """The options with more than one value."""
        return tuple(name for name, values in self._lists().items() if len(values) > 1)

    def combinations(self) -> Iterator[TrainConfig]:
        """Each combination as `torchbasics train` would get it, not yet named."""
        lists = self._lists()
        for values in itertools.product(*lists.values()):
            chosen: dict[str, Any] = dict(zip(lists, values, strict=True))
            if "layers" in chosen:
                chosen["layers"] = (chosen["layers"],)
            yield TrainConfig(
                model=self.model,
                data=self.data,
                test_data=self.test_data,
                engine=self.engine,
                iterations=self.iterations,
                device=self.device,
                dtype=self.dtype,
                **chosen,
            )

    def settings(self) -> dict[str, Any]:
        """What the runs are, as JSON gives it back."""
        values = {name: value for name, value in asdict(self).items() if name not in _ASIDE}
        return {
            name: str(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
        }

    @classmethod
    def from_settings(cls, settings: dict[str, Any], **aside: Any) -> "SweepConfig":
        """The inverse of `settings`; `aside` are jobs, name and runs_dir."""
        if set(settings) != {field.name for field in fields(cls)} - set(_ASIDE):
            raise ValueError("other settings than a sweep's")
        values: dict[str, Any]
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
        test_data = values.pop("test_data")
        return cls(**values, test_data=None if test_data is None else Path(test_data), **aside)

    def processes(self, runs: int) -> int:
        """How many of so many runs are trained at a time."""
        free = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return min(self.jobs or free, runs)

    def _lists(self) -> dict[str, tuple[Any, ...]]:
        return {name: getattr(self, name) for name in LISTS if getattr(self, name) is not None}
