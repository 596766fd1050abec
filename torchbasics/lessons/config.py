"""What `torchbasics lessons` is told. Nothing heavy is imported here, so that `--help` answers at once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from torchbasics.arguments import left_out
from torchbasics.errors import InputError


@dataclass(frozen=True)
class LessonsConfig:
    """List the lessons, each a claim of the notes; or run some, and gather verdicts and pictures on one page.

    Exit code 2 if any lesson failed, else 1 if any claim did not hold, else 0.
    """

    lessons: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="LESSON...", help_behavior_hint="(default: none is run, all are listed)"),
    ] = ()
    """Names or numbers, such as vanishing 3, or all."""

    seed: Annotated[int | None, left_out("SEED", "each lesson's own")] = None
    """Seed of all that is random."""

    runs_dir: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("runs")
    """Each lesson's folder is DIR/lessons/NAME, numbered if taken."""

    data_dir: Annotated[Path | None, left_out("DIR", "each lesson's built-in data")] = None
    """Where the course's pictures are, for the lessons that can use them."""

    page: Annotated[Path | None, left_out("FILE", "lessons/index.html in --runs-dir")] = None
    """Where the page goes: every lesson's newest verdict, with its numbers and its picture."""

    def check(self) -> None:
        """Refuse what no lesson could make right, before any is run."""
        if self.seed is not None:
            refuse_seed(self.seed)
        for option, value in (("--data-dir", self.data_dir), ("--page", self.page)):
            if value is not None and not self.lessons:
                raise InputError(f"{option} {value}: no lesson is to be run; name some, or all of them: lessons all")


def refuse_seed(seed: int) -> None:
    """Raise `InputError` for a seed that NumPy's generator or torch's doesn't take."""
    if not 0 <= seed < 2**32:
        raise InputError(f"--seed {seed}: expected a whole number from 0 to 4294967295; choose another")
