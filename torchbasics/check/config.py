"""What `torchbasics check` is told. Nothing heavy is imported here, so that `--help` answers at once."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from torchbasics.arguments import left_out
from torchbasics.check.options import Options
from torchbasics.errors import InputError


@dataclass(frozen=True)
class CheckConfig:
    """Say of a hand-derived backward, quantity by quantity, whether it is right, and where and why it is wrong.

    A file is checked by RUNNING it, in a process of its own with a limit on time and memory. That is no sandbox: its
    code can do whatever you can. Exit code 2 if any file could not be checked, else 1 if any is wrong, else 0.
    """

    files: Annotated[
        tuple[Path, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="FILE...", help_behavior_hint="(default: everything built in)"),
    ] = ()
    """Python files or notebooks with a forward, a cost and a hand-derived backward, in NumPy or torch."""

    forward: Annotated[str | None, left_out("NAME", "found by its name")] = None
    """The function that computes the predictions, or everything."""

    cost: Annotated[str | None, left_out("NAME", "found by its name")] = None
    """The function that computes J."""

    backward: Annotated[str | None, left_out("NAME", "found by its name")] = None
    """The function that computes the gradients."""

    shape: Annotated[tuple[str, ...], left_out("NAME=N,N...", "the file's, or drawn")] = ()
    """Shapes of inputs and parameters, such as W1=5,4 X=4,7. Give it after the files."""

    layers: Annotated[tuple[str, ...] | None, left_out("n_x,...,n_y", "the file's, or drawn")] = None
    """Layer sizes, such as 5,4,3,1."""

    seed: int = 0
    """Seed of the input values that are drawn."""

    dtype: Literal["float64", "float32"] = "float64"
    """Of the input values that are drawn."""

    json: Annotated[Path | None, left_out("OUT", "none")] = None
    """Write everything that was found as JSON."""

    html: Annotated[Path | None, left_out("OUT", "none")] = None
    """Write one self-contained page, with pictures of where the entries are wrong."""

    run: Annotated[Path | None, left_out("DIR", "none")] = None
    """Write it for TensorBoard, to a folder that is new or empty."""

    jobs: Annotated[int | None, left_out("N", "one per processor")] = None
    """Files checked at a time."""

    timeout: float = 60.0
    """Seconds that each file may take."""

    memory: float = 4.0
    """GiB that each process of a file may allocate. Linux only."""

    def check(self) -> None:
        """Refuse what no file could make right, before any is run."""
        for path in self.files:
            if path.is_dir():
                raise InputError(f"{path} is a folder; expected .py or .ipynb files, such as {path}/*.py")
            if path.suffix not in (".py", ".ipynb"):
                raise InputError(
                    f"{path} is neither a .py nor an .ipynb file; expected one with a hand-derived backward"
                )
            if not path.is_file():
                raise InputError(f"{path}: there is no such file")
        if not 0 <= self.seed < 2**32:
            raise InputError(f"--seed {self.seed}: expected 0 to 4294967295, the seeds that NumPy's generator takes")
        if self.jobs is not None and self.jobs < 1:
            raise InputError(f"--jobs {self.jobs}: expected 1 or more")
        if not 0 < self.timeout < float("inf"):
            raise InputError(f"--timeout {self.timeout:g}: expected a positive number of seconds, such as 60")
        if not 0 < self.memory < float("inf"):
            raise InputError(f"--memory {self.memory:g}: expected a positive number of GiB, such as 4")

    def options(self) -> Options:
        """What holds for each file. Raises `InputError` for a shape or sizes that are none."""
        shape = {}
        for word in self.shape:
            name, _, sizes = word.partition("=")
            if not name.isidentifier():
                raise InputError(f"--shape {word}: expected NAME=SIZE,SIZE, such as W1=5,4; files go before it")
            # A scalar has no sizes: b= is ().
            shape[name] = _sizes(f"--shape {word}", sizes, "W1=5,4") if sizes else ()
        # A space may stand between two sizes, in place of a comma or after it.
        text = None if self.layers is None else ",".join(word.removesuffix(",") for word in self.layers)
        layers = None if text is None else _sizes(f"--layers {text}", text, "5,4,3,1")
        if layers is not None and len(layers) < 2:
            raise InputError(f"--layers {text}: expected two sizes or more, such as 5,4,3,1")
        return Options(self.forward, self.cost, self.backward, shape, layers, self.seed, self.dtype)

    def processes(self) -> int:
        """How many files are checked at a time."""
        free = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return min(self.jobs or free, len(self.files))


def _sizes(argument: str, text: str, example: str) -> tuple[int, ...]:
    parts = text.removesuffix(",").split(",")
    if not all(part.isascii() and part.isdecimal() and 0 < int(part) < 2**31 for part in parts):
        raise InputError(f"{argument}: expected positive whole numbers, such as {example}")
    return tuple(int(part) for part in parts)
