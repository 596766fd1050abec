"""The checker on trial: each mutant's source in a file, and what `torchbasics check` says of it."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from torchbasics.check.file import check_file
from torchbasics.check.options import Options
from torchbasics.check.report import Report

from .mutant import Mutant
from .pairs import Pair
from .programs import PROGRAMS, Program


def options(program: Program, seed: int, sizes: tuple[int, ...] = (), dtype: str = "float64") -> Options:
    """What a user would say: names of functions where they are unusual, sizes where nothing in the file tells them."""
    random = np.random.default_rng(seed)
    names = {"forward": program.forward, "cost": program.cost or None, "backward": program.backward}
    shape: dict[str, tuple[int, ...]] = {}
    if program.forward == "propagate":
        n, m = (int(size) for size in random.choice(np.arange(2, 14), 2, replace=False))
        shape = {"w": (n, 1), "b": (), "X": (n, m), "Y": (1, m)}
    return Options(
        **(names if program.named else {}),
        shape=shape,
        layers=sizes or program.sizes(random) or None,
        seed=seed,
        dtype="float32" if dtype == "float32" else "float64",
    )


def of_source(name: str, source: str, asked: Options) -> Report:
    """Check `source` as a file of the user's."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{name}.py")
        path.write_text(source)
        try:
            return check_file(path, asked)
        except Exception as error:
            # A crash of the checker is one mistake missed, or one false alarm; the others are still to be tried.
            return Report(str(path), "unchecked", f"the checker raised {error!r}")


def of_mutant(planted: Mutant, seed: int, dtype: str = "float64") -> Report:
    """Check one mutant."""
    return of_source(planted.program, planted.source, options(PROGRAMS[planted.program], seed, planted.sizes, dtype))


def named(causes: list[str], planted: Mutant) -> bool:
    """The right cause, alone or among several that are said to coincide; the report states no others."""
    return any(cause in planted.causes for cause in causes)


def judge(planted: Mutant, said: Report) -> tuple[bool, bool, bool]:
    """(found, located, named) of one mutant."""
    first = next(said.wrong, None)
    if said.verdict != "wrong" or first is None:
        return False, False, False
    located = planted.locates(first.name)
    return True, located, located and named([cause.id for cause in first.causes], planted)


def judge_pair(pair: Pair, said: Report) -> tuple[bool, bool, bool]:
    """(both found, at both quantities, both named) of two mistakes in one file."""
    outcomes = []
    for planted in (pair.first, pair.second):
        here = [each for each in said.wrong if planted.locates(each.name)]
        outcomes.append((bool(here), any(named([cause.id for cause in each.causes], planted) for each in here)))
    both = all(located for located, _ in outcomes)
    return both, both, both and all(right for _, right in outcomes)


@dataclass(frozen=True)
class Outcome:
    """What became of one mutant or pair; unlike a `Report` it is small enough to be sent from process to process."""

    found: bool
    located: bool
    named: bool
    said: str
    """In a line, what the report says is wrong, and why."""


def try_mutant(planted: Mutant, seed: int = 0) -> Outcome:
    """Check one mutant."""
    said = of_mutant(planted, seed)
    return Outcome(*judge(planted, said), _in_a_line(said))


def try_pair(pair: Pair, seed: int = 0) -> Outcome:
    """Check two mistakes in one file."""
    said = of_mutant(pair.both, seed)
    return Outcome(*judge_pair(pair, said), _in_a_line(said))


def _in_a_line(said: Report) -> str:
    wrong = ", ".join(f"{each.name} {[cause.id for cause in each.causes]}" for each in said.wrong)
    return " ".join(filter(None, (said.verdict, said.reason, wrong)))


@dataclass
class Tally:
    """One row of the table."""

    mutants: int = 0
    found: int = 0
    located: int = 0
    named: int = 0

    def add(self, outcome: Outcome) -> None:
        """One more mutant."""
        self.mutants += 1
        self.found += outcome.found
        self.located += outcome.located
        self.named += outcome.named


@dataclass
class Trial:
    """The table by row, and a line for each thing that went wrong."""

    rows: dict[str, Tally] = field(default_factory=dict)
    misses: list[str] = field(default_factory=list)
    total: Tally = field(default_factory=Tally)

    def add(self, row: str, title: str, outcome: Outcome) -> None:
        """Count one outcome."""
        self.rows.setdefault(row, Tally()).add(outcome)
        self.total.add(outcome)
        outcomes = {"missed": outcome.found, "elsewhere": outcome.located, "unnamed": outcome.named}
        what = next((word for word, well in outcomes.items() if not well), "")
        if what:
            self.misses.append(f"{what}: {title}: {outcome.said}")


@dataclass(frozen=True)
class Right:
    """A file that is right, and how it is to be checked."""

    title: str
    name: str
    source: str
    asked: Options


def right(program: Program, seed: int, dtype: str) -> Right:
    """A correct program at one seed and the sizes that go with it."""
    return Right(f"{program.name} {dtype} seed {seed}", program.name, program.source, options(program, seed, (), dtype))


def equivalent(planted: Mutant, seed: int) -> Right:
    """What looks like a mistake and is none."""
    asked = options(PROGRAMS[planted.program], seed, planted.sizes)
    return Right(planted.title, planted.program, planted.source, asked)


def try_right(file: Right) -> tuple[str, float]:
    """("" or the false alarm in a line, the largest rounding_units)."""
    said = of_source(file.name, file.source, file.asked)
    if said.verdict == "right":
        return "", max((each.rounding_units for each in said.quantities), default=0.0)
    wrong = ", ".join(f"{each.name} at {each.rounding_units:.1f} units" for each in said.wrong)
    return f"{file.title}: {said.verdict} {said.reason} {wrong}", 0.0
