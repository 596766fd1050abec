'''What every lesson stands on: its options, its folder, its progress bar, its curves and its verdict.

A lesson's script is a docstring, whose first line is the claim, a dataclass of options and one function:

```python
"""The claim, in one line.

How it is shown, with the formulas and where in the notes they stand.
"""

@dataclass(frozen=True)
class Config(LessonConfig):
    starts: int = 40
    """How many starting points."""

def experiment(config: Config, lesson: Lesson) -> Verdict:
    for i in lesson.track(range(config.starts), "descending"):
        lesson.scalars("log loss", i, {"cost": J})
    lesson.show(figure)
    return Verdict(J < 0.1, f"... {J:.3f}", {"cost": J})

if __name__ == "__main__":
    main(Config, experiment)
```

A run's folder is runs/lessons/NAME, numbered where that is taken, one higher than the highest:

| file | what |
|---|---|
| verdict.json | the claim, whether it held, the sentence, its numbers, the options; written last |
| picture.png | the picture, also in TensorBoard's Images |
| RUN/events... | the curves of each RUN, for TensorBoard |
'''

import itertools
import json
import math
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import tyro
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.utils.tensorboard import summary

from torchbasics import exits
from torchbasics.arguments import parse_options
from torchbasics.board import Board
from torchbasics.errors import InputError
from torchbasics.lessons.catalogue import NAME_PATTERN
from torchbasics.lessons.config import refuse_seed
from torchbasics.lessons.results import PICTURE, VERDICT, numbered
from torchbasics.training.pictures import pixels, save_figure

T = TypeVar("T")


@dataclass(frozen=True)
class LessonConfig:
    """The options that every lesson has."""

    seed: int = 1
    """Seed of all that is random."""

    runs_dir: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("runs")
    """The lesson's folder is DIR/lessons/NAME, numbered if taken."""

    def check(self) -> None:
        """Raise `InputError` for options that can't be used, before anything is written."""
        refuse_seed(self.seed)


C = TypeVar("C", bound=LessonConfig)


@dataclass(frozen=True)
class Verdict:
    """Whether the claim held, in one sentence with its number, and the numbers by name."""

    holds: bool
    words: str
    numbers: Mapping[str, float]


class Lesson:
    """What an experiment writes to while it runs."""

    def __init__(self, folder: Path, console: Console) -> None:
        self.folder = folder
        self._console = console
        self._boards: dict[str, Board] = {}
        self._shown = False

    def track(self, items: Sequence[T], words: str = "") -> Iterator[T]:
        """Yield the items, with a progress bar over them that says what they are."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        # Where there is no terminal, a bar that goes leaves an empty line.
        hidden = not self._console.is_terminal
        with Progress(*columns, console=self._console, transient=True, disable=hidden) as bar:
            task = bar.add_task(words, total=len(items))
            for item in items:
                yield item
                bar.advance(task)

    def board(self, run: str = ".") -> Board:
        """TensorBoard's event file of one run, such as "sigmoid", beside which the others are compared."""
        if run not in self._boards:
            self._boards[run] = Board(self.folder / run)
        return self._boards[run]

    def scalars(self, run: str, step: int, values: Mapping[str, float]) -> None:
        """One point on each of a run's curves."""
        self.board(run).scalars(step, values)

    def show(self, figure: Figure) -> None:
        """The lesson's picture: picture.png, and TensorBoard's Images."""
        assert not self._shown, "a lesson has one picture"
        self._shown = True
        save_figure(figure, self.folder / PICTURE)
        self.board().add(0, summary.image("picture", pixels(figure), dataformats="HWC"))

    def close(self) -> None:
        """Close every file."""
        for board in self._boards.values():
            board.close()


def run(config: C, experiment: Callable[[C, Lesson], Verdict], script: Path, console: Console) -> tuple[Path, Verdict]:
    """Run the experiment of a script; return its folder and its verdict.

    Raises `InputError` for options that can't be used; nothing is written then.
    """
    config.check()
    match = NAME_PATTERN.fullmatch(script.name)
    assert match is not None, script
    folder = _make_folder(config.runs_dir, match["name"])
    claim = (sys.modules[experiment.__module__].__doc__ or "").strip().partition("\n")[0]
    console.print(f"{int(match['number'])} {match['name']}: {claim}", highlight=False, markup=False, soft_wrap=True)
    start = time.perf_counter()
    lesson = Lesson(folder, console)
    try:
        verdict = experiment(config, lesson)
        lesson.board().add(0, summary.text("verdict", sentence(verdict)))
    finally:
        lesson.close()
    content = {
        "lesson": int(match["number"]),
        "name": match["name"],
        "claim": claim,
        "holds": verdict.holds,
        "words": verdict.words,
        "numbers": {name: _plain(value) for name, value in verdict.numbers.items()},
        "options": {name: _plain(value) for name, value in asdict(config).items()},
        "arguments": _arguments(config),
        "seconds": time.perf_counter() - start,
    }
    temporary = folder / f"{VERDICT}.tmp"
    temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")
    temporary.replace(folder / VERDICT)
    console.print(sentence(verdict), highlight=False, markup=False, soft_wrap=True)
    for what, where in (
        ("picture:", folder / PICTURE),
        ("curves:", f"tensorboard --logdir {shlex.quote(str(folder))}"),
    ):
        console.print(f"{what:9} {where}", highlight=False, markup=False, soft_wrap=True)
    return folder, verdict


def main(config: type[C], experiment: Callable[[C, Lesson], Verdict]) -> NoReturn:
    """A lesson's own command line: exit code 0 where its claim held, 1 where it didn't, 2 for what can't be used."""
    exits.run(lambda: _main(config, experiment))


def _main(config: type[C], experiment: Callable[[C, Lesson], Verdict]) -> int:
    module = sys.modules[experiment.__module__]
    assert module.__file__ is not None
    script = Path(module.__file__)
    options: C = parse_options(config, sys.argv[1:], prog=script.name, description=(module.__doc__ or "").strip())
    _, verdict = run(options, experiment, script, Console())
    return 0 if verdict.holds else 1


def sentence(verdict: Verdict) -> str:
    """The verdict as one line."""
    return f"{'holds' if verdict.holds else 'does not hold'}: {verdict.words}"


def _arguments(config: LessonConfig) -> list[str]:
    """The options that are not at their defaults, as arguments of the script."""
    words = []
    for field in fields(config):
        value, name = getattr(config, field.name), field.name.replace("_", "-")
        if value == field.default:
            continue
        if isinstance(value, bool):
            words.append(f"--{name}" if value else f"--no-{name}")
        else:
            words += [f"--{name}", *map(str, value if isinstance(value, tuple) else (value,))]
    return words


def _plain(value: object) -> object:
    """What JSON has a notation for: a path, and a number that is not finite, are written as words ("inf")."""
    if isinstance(value, Path) or (isinstance(value, float) and not math.isfinite(value)):
        return str(value)
    return value


def _make_folder(runs_dir: Path, name: str) -> Path:
    """Make runs_dir/lessons/NAME, or NAME-2, ...: none is ever written over, and the newest counts highest."""
    for number in itertools.count(max(numbered(runs_dir, name), default=0) + 1):
        folder = runs_dir / "lessons" / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            # Another process was first.
            continue
        except OSError as error:
            raise InputError(f"can't make {folder}: {error.strerror}; choose another --runs-dir") from error
        break
    return folder
