r"""How much of a difference rounding alone can make: every value that the program names, a little off, four times.

The program is run again with each named value $v$ made $v' = v(1 + \epsilon\xi)$, $\xi$ normal, which the reference
is evaluated with, and made $v'(1 + \epsilon\xi')$ for what follows in the program. The first stands for the rounding of
$v$ itself, that both sides know; the second for the roundings on the way to the next value. The spread of
yours - reference over $\epsilon$ is how strongly each entry answers to such errors: $S$, per entry. A sum over $k$
terms adds up to $k$ roundings of its own, whose random walk multiplies it by $\sqrt{1 + k/2}$. What the program
computes between its names rounds as well: see `noise`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from torchbasics.check.program.inputs import own
from torchbasics.check.program.noise import noisy
from torchbasics.check.program.tape import Value, is_float, leaves, plain, put
from torchbasics.check.step import Array

SAMPLES = 4


class Jitter:
    """What a `Follower` puts in a value's place, and the values as they were before."""

    def __init__(self, size: float, seed: int) -> None:
        self.size = size
        self.generator = np.random.default_rng(seed)
        self.contents: dict[int, Array] = {}

    def inputs(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs, a little off."""
        given = own(inputs)
        for path, value in list(leaves(given)):
            if is_float(value) and type(value) is not float:
                put(given, path, self._off(value))
        return given

    def replace(self, value: Value, held: Any, in_place: bool) -> Any:
        """See `tape.Follower`."""
        if type(held) is float:
            self.contents[value.index] = plain(held)
            return held
        rounded = self._off(held)
        self.contents[value.index] = plain(rounded)
        off = self._off(rounded)
        if in_place and isinstance(held, np.ndarray | torch.Tensor):
            held[...] = off
            return held
        return off

    def _off(self, held: Any) -> Any:
        values = plain(held)
        if np.array_equal(values, np.round(values)):
            # Labels, one-hot rows and masks are exact.
            return held
        factor = 1 + self.size * self.generator.normal(size=values.shape)
        if isinstance(held, torch.Tensor):
            return held * torch.from_numpy(np.asarray(factor)).to(held.dtype)
        off = np.asarray(np.asarray(held) * factor, dtype=held.dtype)
        return noisy(off, self.size, self.generator) if off.ndim else off[()]
