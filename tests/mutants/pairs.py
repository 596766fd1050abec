"""Two mistakes in one file, at different quantities."""

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .mutant import Mutant
from .programs import PROGRAMS, draw, gradients, load


@dataclass(frozen=True)
class Pair:
    """Both mistakes, the edits of one after those of the other."""

    first: Mutant
    second: Mutant

    @cached_property
    def both(self) -> Mutant:
        """As one mutant; its quantity is the first's."""
        return Mutant(
            self.first.program,
            self.first.quantity,
            self.first.cause,
            (*self.first.edits, *self.second.edits),
            self.first.sizes or self.second.sizes,
        )

    @property
    def runs(self) -> bool:
        """Neither undoes the other's edit, and the shapes of the two get through the sweep."""
        program = PROGRAMS[self.both.program]
        try:
            namespace = load(self.both.source)
            gradients(program, namespace, draw(program, namespace, 0, self.both.sizes))
        except (AssertionError, ValueError, IndexError):
            return False
        return True


# These take the place of the whole chain below the cost, so that a mistake in dA[L] is no part of what they differ by.
UNCHAINED = {"extra_output_derivative", "softmax_twice", "stale_dA", "keepdims_lost"}


def _independent(first: Mutant, second: Mutant) -> bool:
    """Each is a mistake beside the other too, and the same one."""
    causes = {first.causes[0], second.causes[0]}
    quantities = {first.quantity, second.quantity}
    if len(quantities) == 1 or any("|" in quantity for quantity in quantities) or "gradients_not_zeroed" in causes:
        return False
    if first.sizes and second.sizes and first.sizes != second.sizes:
        return False
    if "db_from_dA" in causes and causes & {"derivative_missing", "mask_always_true", "output_derivative_missing"}:
        return False  # With dZ = dA, db from dA is right.
    whole = causes & UNCHAINED or any("Y - A" in new for planted in (first, second) for _, new in planted.edits)
    return not (whole and any(quantity.startswith("dA") for quantity in quantities))


def pairs(mutants: list[Mutant], per_program: int = 8, seed: int = 0) -> list[Pair]:
    """Up to `per_program` pairs of each program, drawn."""
    random = np.random.default_rng(seed)
    chosen: list[Pair] = []
    for program in PROGRAMS:
        own = [planted for planted in mutants if planted.program == program]
        together = [pair for pair in itertools.combinations(own, 2) if _independent(*pair)]
        runnable = (Pair(*together[index]) for index in random.permutation(len(together)))
        chosen += itertools.islice((pair for pair in runnable if pair.runs), per_program)
    return chosen
