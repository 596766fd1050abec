"""The run's own log, `log.csv`: the cost before every update, and how far the engines part, with all digits."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torchbasics.errors import InputError

NAME = "log.csv"


@dataclass(frozen=True)
class Step:
    """What one iteration showed before its update. `gap` is the largest |dW_manual - dW_torch|, where both run."""

    iteration: int
    costs: tuple[float, ...]
    gap: float | None

    @property
    def finite(self) -> bool:
        """Whether every engine still has a cost."""
        return all(math.isfinite(cost) for cost in self.costs)

    @property
    def cost_difference(self) -> float:
        """|J_manual - J_torch|."""
        return abs(self.costs[0] - self.costs[-1])


class Log:
    """Writes rows of iteration, one cost per engine and, with two engines, the largest |dW_manual - dW_torch|.

    Python writes the shortest digits that read back as the same float64, so nothing is rounded.
    With `start`, the rows of an earlier session before that iteration are kept, and the rest is written anew.
    """

    def __init__(self, folder: Path, engines: Sequence[str], start: int = 0) -> None:
        # Whoever has removed the log still has the run.
        earlier = read(folder)[1] if start and (folder / NAME).exists() else []
        kept = [step for step in earlier if step.iteration < start]
        gap = ["largest_dW_difference"] if len(engines) == 2 else []
        temporary = folder / f"{NAME}.tmp"
        self._open(temporary, "w")
        self._writer.writerow(["iteration", *(f"cost_{name}" for name in engines), *gap])
        for step in kept:
            self.add(step)
        self.close()
        temporary.replace(folder / NAME)
        self._open(folder / NAME, "a")

    def _open(self, path: Path, mode: str) -> None:
        self._file = path.open(mode, newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")

    def add(self, step: Step) -> None:
        """Append one row."""
        self._writer.writerow([step.iteration, *step.costs, *([] if step.gap is None else [step.gap])])

    def flush(self) -> None:
        """Hand every row to the operating system."""
        self._file.flush()

    def close(self) -> None:
        """Flush and close."""
        self._file.close()


def read(folder: Path) -> tuple[list[str], list[Step]]:
    """The engines' names and every step of a run's log; a last row that a kill cut short is left out.

    Raises `InputError` for a file that was not written by `Log`.
    """
    text = (folder / NAME).read_text()
    whole = text[: text.rindex("\n") + 1] if "\n" in text else ""
    header, *rows = list(csv.reader(whole.splitlines())) or [[]]
    engines = [column.removeprefix("cost_") for column in header if column.startswith("cost_")]
    steps = []
    try:
        for iteration, *values in rows:
            costs = tuple(float(value) for value in values[: len(engines)])
            steps.append(Step(int(iteration), costs, float(values[-1]) if len(engines) == 2 else None))
    except (ValueError, IndexError):
        raise InputError(
            f"{folder / NAME}, row {len(steps) + 2} is not as train wrote it; restore the file, or remove it to go on "
            "without the earlier costs"
        ) from None
    return engines, steps
