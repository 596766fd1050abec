"""One step back along the graph of a forward sweep, right and mistaken.

Legend: G is the gradient of an edge's output, in the user's convention for intermediates; a pull takes it to the
gradient of the edge's input, in the same convention.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from torchbasics.check.step import Array

Real = Array | np.float64
"""NumPy gives a number, not an array, for arithmetic on arrays without axes."""

Pull = Callable[[Array], Array]
Kind = Literal["weight", "bias", "input", "activation", "loss", "carry", "other"]


@dataclass(frozen=True)
class Slip:
    """A mistake in one pull."""

    id: str
    text: str
    """One sentence; {formula} stands for what the step should be, {k} for the coefficient of `free`."""

    pull: Pull
    free: Pull | None = None
    """The mistake is `pull` plus this times a number that only the user knows, such as a learning rate."""


def no_slips() -> Iterator[Slip]:
    """The slips of an edge at which no mistake is known."""
    return iter(())


@dataclass(frozen=True)
class Edge:
    """How `output` was computed from `input`, as its pull."""

    output: str
    input: str
    kind: Kind
    pull: Pull
    formula: Callable[[str], str]
    """The right pull in the notes' symbols, given how G is written."""

    slips: Callable[[], Iterator[Slip]] = no_slips


def agree(a: Real, b: Real, rounding: float, scale: float = 0.0) -> bool:
    """Whether two arrays of one shape are equal but for rounding of numbers of size max(|a|, |b|, scale)."""
    if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return False
    if a.size == 0:
        return True
    scale = max(scale, float(np.abs(a).max()), float(np.abs(b).max()))
    return bool(np.abs(a - b).max() <= 64 * a.size**0.5 * rounding * scale)


def stands_out(residual: Array, value: Array, rounding: float) -> bool:
    """Whether one entry is further off than rounding takes any of the others."""
    size = residual.size
    if size < 8:
        return False
    worst = int(residual.argmax())
    others = np.sqrt(max(float(residual @ residual) - float(residual[worst]) ** 2, 0.0) / (size - 1))
    entry = max(abs(float(value[worst])), np.sqrt(float(value @ value) / size))
    return bool(residual[worst] > 30 * others + 16 * rounding * entry)


def coefficient(values: Real, direction: Real) -> float:
    """k of the least squares fit values = k direction; 0 where the direction vanishes."""
    square = float((direction * direction).sum())
    return float((values * direction).sum()) / square if square > 0 else 0.0


def bracketed(expression: str) -> str:
    """The expression as a factor: in brackets unless it is a single symbol or stands in brackets already."""
    if re.fullmatch(r"[\w'^.-]+(\[[^]]*\])?(\(\d+\))?|\([^()]*\)(\^T)?|1/m \([^()]*\)", expression):
        return expression
    return f"({expression})"


def transposed(expression: str, flip: bool = True) -> str:
    """The expression, transposed if `flip`."""
    return f"{bracketed(expression)}^T" if flip else bracketed(expression)


def series(label: str) -> str:
    """A label without the number of its time step."""
    return re.sub(r"[\d()\[\]]+$", "", label)
