"""Every claim against central differences, where the program can't be traced: its names are found all the same."""

import numpy as np

from torchbasics.check.program.differences import STEP, Differences
from torchbasics.check.program.judge import Judged
from torchbasics.check.program.matching import Claim
from torchbasics.check.program.recorded import Run, parameters
from torchbasics.check.program.sweep import Arrived, Scale
from torchbasics.check.step import Array

ENTRIES = 200
"""Of a larger array, as many entries as this are drawn; the others are not judged."""


def judge_by_differences(checked: Run) -> tuple[list[Judged], Scale]:
    """The claims, each given the user's downstream gradients, and the convention that leaves least of them wrong."""
    values = checked.recording.values
    held = {
        claim.candidates[0]: values[claim.value].content
        for claim in checked.claims
        if values[claim.value].content.shape == values[claim.candidates[0]].content.shape
    }
    differences = Differences(checked.program, checked.plan, checked.inputs, checked.recording, held, checked.upstream)
    measured = {claim.key: _measure(differences, checked, claim.candidates[0]) for claim in checked.claims}
    constant = frozenset(parameters(checked))
    best: tuple[int, Scale, list[Judged]] | None = None
    for factor in dict.fromkeys((float(checked.m), 1.0)):
        scale = Scale(factor, constant)
        judged = [_judged(checked, claim, measured[claim.key], scale) for claim in checked.claims]
        wrong = sum(not one.right for one in judged)
        if best is None or wrong < best[0]:
            best = wrong, scale, judged
    assert best is not None
    return best[2], best[1]


def _measure(differences: Differences, checked: Run, target: int) -> tuple[list[tuple[int, ...]], Array]:
    """Entries and, for each, the difference quotients at two steps: (entry, step, (J, held))."""
    value = checked.recording.values[target]
    entries = [tuple(int(i) for i in entry) for entry in np.ndindex(value.content.shape)]
    if len(entries) > ENTRIES:
        chosen = np.random.default_rng(0).choice(len(entries), ENTRIES, replace=False)
        entries = [entries[i] for i in sorted(chosen)]
    quotients = [[differences.at(value, entry, step)[0] for step in (STEP, 4 * STEP)] for entry in entries]
    return entries, np.array(quotients).reshape(len(entries), 2, 2)


def _judged(checked: Run, claim: Claim, measured: tuple[list[tuple[int, ...]], Array], scale: Scale) -> Judged:
    target = claim.candidates[0]
    shape = checked.recording.values[target].content.shape
    yours = checked.recording.values[claim.value].content
    entries, quotients = measured
    combined = (quotients[..., 0] + quotients[..., 1] / scale.factor) * scale.of(target)
    if yours.size != np.prod(shape, dtype=int) or (yours.shape != shape and yours.size != 1):
        reference = np.full(shape, np.nan)
        for entry, value in zip(entries, combined[:, 0], strict=True):
            reference[entry] = value
        return Judged(Arrived(claim, target, reference, yours), np.ones(shape), np.full(yours.shape, np.inf), KIND)
    reference = yours.reshape(shape).copy()
    units = np.zeros(shape)
    largest = float(np.abs(combined[:, 0]).max(initial=0.0))
    for entry, (near, far) in zip(entries, combined, strict=True):
        # The two steps part by sixteen times what the nearer is off; below that, the rounding of the two costs remains.
        # What the program sums up may be as large as the largest entry, and rounds so.
        rounding = checked.rounding * (abs(near) + largest * checked.longest**0.5)
        noise = abs(near - far) / 4 + 1e-9 * max(largest, checked_size(checked)) + rounding
        reference[entry] = near
        units[entry] = abs(yours.reshape(shape)[entry] - near) / noise
    units[~np.isfinite(yours.reshape(shape))] = np.inf
    return Judged(Arrived(claim, target, reference, yours.reshape(shape)), np.ones(shape), units, KIND)


KIND = "central difference"


def checked_size(checked: Run) -> float:
    """The size of the cost, whose rounding is what limits a difference of two of them."""
    J = checked.outcome.J
    return 1e-2 * abs(float(np.sum(np.asarray(J, dtype=np.float64)))) if J is not None else 1e-2
