"""The command line: dataclass configurations in, exit codes out. Nothing heavy is imported before a command runs.

| exit code | meaning |
|---|---|
| 0 | done; of a check, all is right; of lessons, every claim held |
| 1 | of a check, something is wrong; of lessons, a claim did not hold |
| 2 | something given can't be used; one line on standard error says what, and nothing was written |
|   | of a check also: a file could not be checked; its report says why; of lessons also: one failed |
| 130 | stopped by Ctrl-C; a training run keeps what it has, lessons the verdicts that they have |
| 141 | whoever read the output closed it before its end |
"""

import functools
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn, get_args

import tyro

from torchbasics import __version__, exits
from torchbasics.arguments import left_out, parse
from torchbasics.check.config import CheckConfig
from torchbasics.errors import InputError
from torchbasics.graph.config import GraphConfig
from torchbasics.lessons.config import LessonsConfig
from torchbasics.training.config import Model, TrainConfig
from torchbasics.training.sweep_config import SweepConfig

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class ResumeConfig:
    """Go on with a run that was stopped, killed, or is to have more iterations, as if it had never ended."""

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """The run's folder, such as runs/deep-digits, or its name in ./runs."""

    iterations: Annotated[int | None, left_out("N", "what the run was started with")] = None
    """Parameter updates in all."""


@dataclass(frozen=True)
class PredictConfig:
    """Classify pictures from files with a trained run; each gets its likeliest class and a probability."""

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """The run's folder, such as runs/deep-digits, or its name in ./runs."""

    images: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IMAGE...", help_behavior_hint="")]
    """Pictures of any size: JPEG, PNG, GIF, WebP or BMP; colour, grey or transparent."""


@dataclass(frozen=True)
class DataConfig:
    """Turn pictures into HDF5 files in the course's schema, train_NAME.h5 and test_NAME.h5."""

    action: tyro.conf.Positional[Literal["build"]]
    """What to do."""

    source: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")]
    """A folder with a folder of pictures per class, or a torchvision data set's name, such as CIFAR10."""

    out_dir: Path = Path()
    """Where the two files go."""

    name: Annotated[str | None, left_out("NAME", "the source's")] = None
    """NAME in the files' names."""

    size: int = 64
    """Height and width in pixels."""

    positive: Annotated[str | None, left_out("CLASS", "the second of two classes")] = None
    """The class that gets label 1, such as cat; all others get label 0."""

    test_fraction: float = 0.2
    """Examples held out for the test set, where the source has none of its own."""

    seed: int = 1
    """Seed of that split and of --limit's choice."""

    root: Path = Path("data")
    """Where torchvision keeps its downloads."""

    download: bool = False
    """Let torchvision download what isn't there."""

    limit: Annotated[int | None, left_out("N", "all")] = None
    """At most this many examples per file."""


@dataclass(frozen=True)
class BenchConfig:
    """Measure each layer's step by hand against its torch.nn twin's with autograd: time and memory, in one process."""

    what: tyro.conf.Positional[Literal["layers"]]
    """What to measure."""

    names: Annotated[
        tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="NAME...", help_behavior_hint="")
    ] = ()
    """Some layers, such as Conv2d LSTM. (default: every layer)"""

    rounds: int = 11
    """Steps of each side, of whose times the median is taken."""

    threads: int = 1
    """Threads of torch's."""


COMMANDS = {
    "train": TrainConfig,
    "resume": ResumeConfig,
    "sweep": SweepConfig,
    "predict": PredictConfig,
    "data": DataConfig,
    "check": CheckConfig,
    "graph": GraphConfig,
    "bench": BenchConfig,
    "lessons": LessonsConfig,
}

DESCRIPTION = """The networks of the Neural Networks and Deep Learning notes, hand-derived beside torch.nn.

'torchbasics check FILE' says whether a derivation of your own is right, and where and why it is not.
'torchbasics train' alone trains a deep network on handwritten digits with both engines."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command that the arguments (by default the process's own) name, and exit."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    # Let threads that wait for one another sleep: by default they spin, and where other programs run too, they take the
    # core from the very thread that is waited for. OpenMP reads this as torch is loaded, which no command has done yet.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    exits.run(lambda: _run(given))


def _run(arguments: list[str]) -> int:
    if arguments[:1] == ["graph"] and len(arguments) > 1 and re.match(r"-(?!-|h$)", arguments[1]):
        # An expression that begins with a minus is no option.
        arguments = ["graph", f" {arguments[1]}", *arguments[2:]]
    if arguments == ["--version"]:
        print(f"torchbasics {__version__}")
        return 0
    match parse(COMMANDS, arguments, prog="torchbasics", description=DESCRIPTION):
        case CheckConfig() as config:
            from torchbasics.check.command import run

            return run(config, _console())
        case TrainConfig() as config:
            from torchbasics.training.run import create, train

            return train(create(config), _console())
        case ResumeConfig() as config:
            from torchbasics.training.run import resume, train

            return train(resume(_find(config.run), config.iterations), _console())
        case SweepConfig() as config:
            from torchbasics.training.sweep.command import run as sweep

            return sweep(config, _console())
        case PredictConfig() as config:
            return _predict(config)
        case GraphConfig() as config:
            return _graph(config)
        case BenchConfig() as config:
            return _bench(config)
        case LessonsConfig() as config:
            from torchbasics.lessons import command

            return command.run(config, _console())
        case config:
            return _build(config)


def _find(run: Path) -> Path:
    """The run's folder: the path itself if a run is there, or else that name in ./runs."""
    from torchbasics.training.checkpoint import NAME

    runs = Path("runs")
    is_name = len(run.parts) == 1 and runs.is_dir() and not (run / NAME).is_file()
    return runs / run if is_name else run


def _predict(config: PredictConfig) -> int:
    from torchbasics.training.predict import predict

    if not config.images:
        raise InputError("predict: no picture was given; expected torchbasics predict RUN IMAGE...")
    predictions = predict(_find(config.run), config.images)
    width = max(len(str(prediction.path)) for prediction in predictions)
    for prediction in predictions:
        print(f"{prediction.path!s:{width}}  {prediction.name}  p({prediction.of}) = {prediction.p:.4f}")
    return 0


def _graph(config: GraphConfig) -> int:
    from torchbasics.graph.command import run
    from torchbasics.training.example import example

    layers = None if config.layers is None else (config.layers,)
    examples = 5 if config.examples is None else config.examples
    models = {
        model: functools.partial(example, TrainConfig(model, config.data, layers=layers, seed=config.seed), examples)
        for model in get_args(Model)
    }
    return run(config, models, _console())


def _bench(config: BenchConfig) -> int:
    import torch
    from rich.box import SIMPLE_HEAD
    from rich.progress import track
    from rich.table import Table

    from torchbasics.bench import ALLOWED, chosen, measure

    for name, value in (("rounds", config.rounds), ("threads", config.threads)):
        if value < 1:
            raise InputError(f"--{name} {value}: expected 1 or more")
    console = _console()
    # Where a line is shorter, as where there is no terminal, the table would break its words.
    console.width = max(console.width, 100)
    table = Table(title=f"forward + backward, float32, {config.threads} thread(s)", box=SIMPLE_HEAD)
    for heading in ("layer", "A_prev", "by hand\nms", "twin\nms", "ratio\n", "by hand\nMiB", "twin\nMiB", "ratio\n"):
        table.add_column(heading, justify="left" if heading in ("layer", "A_prev") else "right")
    cases = chosen(config.names)
    torch.set_num_threads(config.threads)
    slower = []
    for name, case in track(cases.items(), description="", console=console, transient=True):
        found = measure(case, config.rounds)
        if found.time_ratio > ALLOWED:
            slower.append(name)
        times = (f"{1e3 * seconds:.1f}" for seconds in found.seconds)
        peaks = (f"{size / 2**20:.1f}" for size in found.peak)
        shape = "x".join(map(str, case.shape))
        table.add_row(name, shape, *times, f"{found.time_ratio:.2f}", *peaks, f"{found.memory_ratio:.2f}")
    console.print(table)
    console.print(
        f"{len(cases) - len(slower)} of {len(cases)} by hand in at most {ALLOWED} times the twin's time"
        + (f"; slower: {', '.join(slower)}" if slower else ""),
        highlight=False,
    )
    return 0


def _build(config: DataConfig) -> int:
    from rich.progress import Progress

    from torchbasics.data.build import build

    bar = Progress()
    task = bar.add_task("pictures")

    def progress(done: int, total: int) -> None:
        # Not before there is something to count: of bad input nothing is to be seen but its one line.
        bar.start()
        bar.update(task, completed=done, total=total)

    try:
        paths = build(
            config.source,
            out_dir=config.out_dir,
            name=config.name,
            size=config.size,
            positive=config.positive,
            test_fraction=config.test_fraction,
            seed=config.seed,
            root=config.root,
            download=config.download,
            limit=config.limit,
            progress=progress,
        )
    finally:
        if bar.live.is_started:
            bar.stop()
    for path in paths:
        print(f"wrote {path}")
    print(f"train on it: torchbasics train --data {paths[0]}")
    return 0


def _console() -> "Console":
    from rich.console import Console

    return Console()
