"""Steps that are wrong: a case's mistake in place of the right gradient, or the right one damaged."""

from collections.abc import Callable

import numpy as np
from diagnosis_cases import Case
from diagnosis_steps import Program

from torchbasics.check.step import Array, Step


def planted(case: Case, seed: int, single: bool) -> tuple[Step, Program]:
    """The step of a case."""
    id, make, of, wrong = case
    program = make(np.random.default_rng(seed))
    program.rounding = 2.0**-24 if single else 2.0**-53
    if id == "pool_ties":
        program.inputs["A_prev"] = np.round(program.inputs["A_prev"])
    right = program.gradients()
    values = {**program.forward(), **right, **program.locals}
    if single:
        values = {name: value.astype(np.float32) for name, value in values.items()}
    steps = max((value.shape[2] for value in values.values() if value.ndim == 3), default=0)
    yours = wrong({**values, **program.scalars, "m": program.m, "T": steps})
    return program.step(of, np.asarray(yours, dtype=float), right), program


def damaged(
    make: Callable[[np.random.Generator], Program], of: str, damage: Callable[[Array], Array], single: bool = False
) -> Step:
    """A step whose gradient was right before it was damaged."""
    program = make(np.random.default_rng(5))
    program.rounding = 2.0**-24 if single else 2.0**-53
    right = program.gradients()
    return program.step(of, damage(right[f"d{of}"].copy()), right)
