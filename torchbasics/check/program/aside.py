"""What is set aside because it can't be told which value it is the gradient of.

An array that is filled in a loop and used on the way, or a name that every round of a loop gives to another value, has
a gradient for each moment; a program may keep any of them under the name, or a part of one. Where every gradient of a
parameter and everything else that the backward returns is right, or what follows from it is right without it and wrong
with it, such a one is no mistake.
"""

import numpy as np

from torchbasics.check.program.matching import Claim
from torchbasics.check.program.recorded import Run, parameters
from torchbasics.check.program.sweep import Arrived, Scale, sweep
from torchbasics.check.program.tape import is_float, leaves, plain
from torchbasics.check.program.trace import Trace
from torchbasics.check.step import Array


def ends_right(checked: Run, trace: Trace, scale: Scale, reading: list[Claim]) -> bool:
    """Whether the parameters' gradients, and whatever else is returned, are right all the way from J."""
    if checked.failure or checked.second:
        return False
    ends = [claim for claim in reading if _is_end(checked, claim)]
    true = sweep(trace, [], {}, scale, checked.upstream).gradients
    tolerance = tolerance_of(checked)
    for claim in ends:
        target = claim.candidates[0]
        if target not in true:
            return False
        arrived = Arrived(claim, target, np.asarray(true[target] * scale.of(target)), checked.contents[claim.value])
        if not close(arrived, tolerance):
            return False
    return bool(ends)


def set_aside(checked: Run, trace: Trace, scale: Scale, reading: list[Claim]) -> tuple[list[Claim], list[Claim]]:
    """(what is judged, what is set aside)."""
    tolerance, aside = tolerance_of(checked), list[Claim]()
    left = _wrong(checked, trace, scale, reading, tolerance)
    excused = bool(left) and ends_right(checked, trace, scale, reading)
    while misread := [claim for claim in left if not _is_end(checked, claim) and _has_moments(checked, claim)]:
        rest = [claim for claim in reading if claim not in misread]
        still = _wrong(checked, trace, scale, rest, tolerance)
        # What was misread makes what is computed from it look wrong; a mistake makes what is computed from it be wrong.
        if not excused and len(still) >= len(left) - len(misread):
            break
        reading, left, aside = rest, still, [*aside, *misread]
    return reading, aside


def _wrong(checked: Run, trace: Trace, scale: Scale, reading: list[Claim], tolerance: float) -> list[Claim]:
    arrived = sweep(trace, reading, checked.contents, scale, checked.upstream, tolerance=tolerance).arrived
    return [a.claim for a in arrived if not close(a, tolerance)]


def _is_end(checked: Run, claim: Claim) -> bool:
    if claim.candidates[0] in parameters(checked):
        return True
    content = checked.contents[claim.value]
    returned = [plain(value) for _, value in leaves(checked.outcome.result) if is_float(value)]
    return any(np.array_equal(content, value) for value in returned)


def _has_moments(checked: Run, claim: Claim) -> bool:
    """Whether it is the gradient of what was filled after it was made, or of what has one name in every round."""
    value = checked.recording.values[claim.candidates[0]]
    return value.first < value.cut or checked.forward.labels[value.index].endswith(")")


def tolerance_of(checked: Run) -> float:
    """What is no mistake, relatively, before its rounding is known."""
    return 1e-6 if checked.rounding < 1e-10 else 1e-3


def close(a: Arrived, tolerance: float) -> bool:
    """Whether what the user has is what arrived, relative to its largest entry."""
    if not comparable(a.yours, a.reference):
        return False
    largest = np.abs(a.reference).max(initial=0.0)
    return bool(np.abs(a.yours.reshape(a.reference.shape) - a.reference).max(initial=0.0) <= tolerance * largest)


def comparable(yours: Array, reference: Array) -> bool:
    """Whether entry stands beside entry: of one shape, a single number, or (n,) for (1, n), which an update takes."""
    if yours.size != reference.size:
        return False
    lacking = reference.ndim - yours.ndim
    return yours.size == 1 or (lacking >= 0 and (1,) * lacking + yours.shape == reference.shape)
