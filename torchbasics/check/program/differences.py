"""Central differences on the program as it stands, injected at the taps: the reference that needs no tracing.

One entry of one value is moved at its cut; downstream values that the user has gradients of are held where they were,
and what they would have moved by is weighed with the user's own gradients:

    dJ/dX = change of J / change of X  +  1/factor  sum over the held D of  <user's dD, change of D> / change of X

with the factor of the user's convention, m or 1, so that the two sums serve either.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from torchbasics.check.program.find import Plan
from torchbasics.check.program.inputs import own
from torchbasics.check.program.run import Outcome, forward
from torchbasics.check.program.source import Program
from torchbasics.check.program.tape import Follower, Recording, Value, at, leaves, plain, put
from torchbasics.check.step import Array

STEP = 6e-6
"""Near the cube root of the unit roundoff, where truncation and rounding of a central difference meet."""


@dataclass
class Differences:
    """The program's own forward sweep in float64, ready to be moved a little."""

    program: Program
    plan: Plan
    inputs: Mapping[str, Any]
    recording: Recording
    held: Mapping[int, Array]
    """The user's gradients by the value that they belong to."""

    upstream: Mapping[int, Array]
    """The gradients of the outputs by position, where the program has no cost."""

    def objective(self, target: Value, entry: tuple[int, ...], change: float) -> Array:
        """(J, what the held values weigh) with one entry of the target moved."""
        total = 0.0

        def moved(held: Any, in_place: bool) -> Any:
            if isinstance(held, np.ndarray | torch.Tensor) and in_place:
                held[entry] += change
                return held
            copied = held.clone() if isinstance(held, torch.Tensor) else np.array(held)
            copied[entry] += change
            return copied if copied.ndim or isinstance(held, torch.Tensor) else copied[()]

        def replace(value: Value, held: Any, in_place: bool) -> Any:
            nonlocal total
            if value.index == target.index:
                return moved(held, in_place)
            if value.index in self.held and value.cut > target.cut:
                base = value.content
                change_of = np.where(np.isfinite(base), plain(held).reshape(base.shape) - base, 0.0)
                total += float(np.sum(self.held[value.index] * change_of))
                if isinstance(held, torch.Tensor):
                    back: Any = torch.from_numpy(base.copy()).to(held.dtype)
                else:
                    back = base.copy() if base.ndim else base[()]
                if in_place:
                    held[...] = back
                    return held
                return back
            return held

        given = double(own(self.inputs))
        if target.cut < 0:
            put(given, target.path, moved(at(given, target.path), False))
        outcome = forward(self.program, self.plan, self.program.namespace, given, Follower(self.recording, replace))
        if self.upstream:
            return np.array([0.0, total + self._weighed(outcome)])
        return np.array([float(np.sum(plain(outcome.J))), total])

    def at(self, target: Value, entry: tuple[int, ...], step: float = STEP) -> Array:
        """The central difference at one entry, the one-sided ones from above and from below: rows of (J, held)."""
        h = step * max(1.0, abs(float(target.content[entry])))
        above, here, below = (self.objective(target, entry, change) for change in (h, 0.0, -h))
        return np.array([(above - below) / (2 * h), (above - here) / h, (here - below) / h])

    def _weighed(self, outcome: Outcome) -> float:
        """The outputs, each weighed with the gradient that was given for it."""
        return sum(float(np.sum(given * plain(outcome.outputs[at_]))) for at_, given in self.upstream.items())

    def along(self, directions: Mapping[int, Array]) -> float:
        """The derivative of the objective along a direction in all inputs at once."""
        by_path = {self.recording.values[index].path: direction for index, direction in directions.items()}

        def value(step: float) -> float:
            given = double(own(self.inputs))
            for path, direction in by_path.items():
                old = at(given, path)
                change = torch.from_numpy(direction) if isinstance(old, torch.Tensor) else direction
                put(given, path, old + step * change)
            outcome = forward(self.program, self.plan, self.program.namespace, given, None)
            if self.upstream:
                return self._weighed(outcome)
            return float(np.sum(plain(outcome.J)))

        return (value(STEP) - value(-STEP)) / (2 * STEP)


def double(inputs: dict[str, Any]) -> dict[str, Any]:
    """The inputs in float64, in which a difference of two costs still means something."""
    for path, value in list(leaves(inputs)):
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            put(inputs, path, value.to(torch.float64))
        elif isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "f":
            put(inputs, path, np.asarray(value, dtype=np.float64)[()])
    return inputs
