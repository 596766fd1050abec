"""The command line: dataclass configurations in, exit codes out. Nothing heavy is imported before a command runs.

| exit code | meaning |
|---|---|
| 0 | done |
| 2 | something given can't be used; one line on standard error says what, and nothing was written |
| 130 | stopped by Ctrl-C; a training run keeps what it has |
"""

import contextlib
import io
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from torchbasics import __version__
from torchbasics.errors import InputError, nearest
from torchbasics.training.config import TrainConfig, left_out

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class ResumeConfig:
    """Go on with a run that was stopped, killed, or is to have more iterations, as if it had never ended."""

    run: tyro.conf.Positional[Path]
    """The run's folder, such as runs/deep-digits, or its name in ./runs."""

    iterations: Annotated[int | None, left_out("N", "what the run was started with")] = None
    """Parameter updates in all."""


@dataclass(frozen=True)
class PredictConfig:
    """Classify pictures from files with a trained run; each gets the probability of label 1."""

    run: tyro.conf.Positional[Path]
    """The run's folder, such as runs/deep-digits, or its name in ./runs."""

    images: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IMAGE...")]
    """Pictures of any size: JPEG, PNG, GIF or WebP; colour, grey or transparent."""


@dataclass(frozen=True)
class DataConfig:
    """Turn pictures into HDF5 files in the course's schema, train_NAME.h5 and test_NAME.h5."""

    action: tyro.conf.Positional[Literal["build"]]
    """What to do."""

    source: tyro.conf.Positional[str]
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


COMMANDS = {"train": TrainConfig, "resume": ResumeConfig, "predict": PredictConfig, "data": DataConfig}

Command = (
    Annotated[TrainConfig, tyro.conf.subcommand("train")]
    | Annotated[ResumeConfig, tyro.conf.subcommand("resume")]
    | Annotated[PredictConfig, tyro.conf.subcommand("predict")]
    | Annotated[DataConfig, tyro.conf.subcommand("data")]
)

DESCRIPTION = """The networks of the Neural Networks and Deep Learning notes, hand-derived beside torch.nn.

'torchbasics train' alone trains a deep network on handwritten digits with both engines."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that the arguments (by default the process's own) name, and exit."""
    try:
        sys.exit(_run(sys.argv[1:] if arguments is None else list(arguments)))
    except InputError as error:
        print(f"torchbasics: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def _run(arguments: list[str]) -> int:
    if arguments == ["--version"]:
        print(f"torchbasics {__version__}")
        return 0
    match _parse(arguments):
        case TrainConfig() as config:
            from torchbasics.training.run import create, train

            return train(create(config), _console())
        case ResumeConfig() as config:
            from torchbasics.training.run import resume, train

            return train(resume(_find(config.run), config.iterations), _console())
        case PredictConfig() as config:
            return _predict(config)
        case DataConfig() as config:
            return _build(config)


def _parse(arguments: list[str]) -> TrainConfig | ResumeConfig | PredictConfig | DataConfig:
    """tyro's parse, whose error panels become one `InputError` line."""
    panel = io.StringIO()
    try:
        with contextlib.redirect_stderr(panel):
            return tyro.cli(
                Command,
                prog="torchbasics",
                description=DESCRIPTION,
                args=arguments,
                config=(tyro.conf.FlagCreatePairsOff,),
            )
    except SystemExit as exit:
        if exit.code in (0, None):
            raise
    raise InputError(_one_line(panel.getvalue(), arguments))


def _one_line(panel: str, arguments: list[str]) -> str:
    """What tyro's panel says above its first rule, with the nearest of the names that would have been right."""
    rows = [row.strip("│ ").strip() for row in panel.splitlines()[1:]]
    message = " ".join(rows[: next((k for k, row in enumerate(rows) if row.startswith(("─", "╰"))), len(rows))])
    if message.startswith("invalid choice"):
        given, argument, *choices = re.findall(r"'([^']*)'", message)
        return f"{argument} {given}: {nearest(given, choices)}"
    if message.startswith("Unrecognized options:"):
        command = arguments[0] if arguments[0] in COMMANDS else ""
        known = [f"--{field.name.replace('_', '-')}" for field in fields(COMMANDS[command])] if command else COMMANDS
        given = next(word for word in re.split(r"[:,\s]+", message)[2:] if word)
        return f"{given} is not known; {nearest(given, known)}"
    return f"{message}; see torchbasics --help"


def _find(run: Path) -> Path:
    """The run's folder: the path itself, or that name in ./runs."""
    return Path("runs") / run if not run.exists() and (Path("runs") / run).exists() else run


def _predict(config: PredictConfig) -> int:
    from torchbasics.training.predict import predict

    if not config.images:
        raise InputError("predict: no picture was given; expected torchbasics predict RUN IMAGE...")
    positive, predictions = predict(_find(config.run), config.images)
    width = max(len(str(prediction.path)) for prediction in predictions)
    for prediction in predictions:
        print(f"{prediction.path!s:{width}}  {prediction.name}  p({positive}) = {prediction.p:.4f}")
    return 0


def _build(config: DataConfig) -> int:
    from torchbasics.data.build import build

    with _progress("pictures") as progress:
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
    for path in paths:
        print(f"wrote {path}")
    print(f"train on it: torchbasics train --data {paths[0]}")
    return 0


def _console() -> "Console":
    from rich.console import Console

    return Console()


@contextlib.contextmanager
def _progress(unit: str) -> Iterator[Callable[[int, int], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    with Progress(BarColumn(), MofNCompleteColumn(), TextColumn(unit), TimeRemainingColumn()) as bar:
        task = bar.add_task("")
        yield lambda done, total: bar.update(task, completed=done, total=total)
