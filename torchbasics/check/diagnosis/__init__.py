"""Why a gradient is wrong: every mistake of the catalogue recomputed from the user's own arrays and compared.

How the forward sweep was computed is recognised from the arrays (`recognise`), never from source. Each step back
along it (`edges`) has a right pull and the mistaken ones that people write; a cause is named only where the gradient
that such a mistake gives equals the user's to rounding.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from torchbasics.check.diagnosis import factors, mistaken, over_time, scale, whole
from torchbasics.check.diagnosis.edges import agree, coefficient, stands_out
from torchbasics.check.diagnosis.pattern import describe
from torchbasics.check.diagnosis.reused import readings
from torchbasics.check.diagnosis.scene import Scene
from torchbasics.check.diagnosis.upstream import with_given
from torchbasics.check.diagnosis.ways import Candidate
from torchbasics.check.report import Cause
from torchbasics.check.step import Array, Step

# Ids whose value another id explains more exactly when both match: the second is dropped.
NARROWER = (
    ("operand_sign", "sign_flipped"),
    ("l2_missing", "assigned_not_accumulated"),
    ("regularisation_sign", "l2_coefficient"),
    ("one_over_m_missing", "gradients_not_zeroed"),
    ("divided_by_other", "gradients_not_zeroed"),
    ("average_missing", "gradients_not_zeroed"),
    ("average_missing", "divided_by_other"),
)


def diagnose(step: Step) -> tuple[list[Cause], str]:
    """The causes that explain `step.yours`, the likeliest first, and what is known besides.

    More than one cause, each not `certain`, means that they can't be told apart by these values; two `certain` ones
    were made together. No cause means that nothing known explains it.
    """
    note = describe(step)
    usable = step.yours.size and step.right.size and np.isfinite(step.yours).all() and np.isfinite(step.right).all()
    if not usable:
        return [], note
    with np.errstate(all="ignore"):
        if step.handed:
            in_cell = list(_distinct(_matching(step, float(np.abs(step.right).max()), factors.candidates(step))))
            if in_cell:
                certain = len(in_cell) == 1 and in_cell[0].certain
                formula = f"d{step.of} as the cell's two outputs give it"
                return [
                    Cause(one.id, one.text.replace("{formula}", f"d{step.of}"), formula, certain) for one in in_cell
                ], _shape_note(step)
        scene, called = _read(step)
        candidates = list(_candidates(scene))
        found = list(_distinct(_matching(step, scene.magnitude, candidates)))
        if found:
            certain = len(found) == 1 and found[0].certain
            return [_cause(scene, one.id, one.text, certain, called) for one in found], _shape_note(step)
        return [_cause(scene, id, text, True, called) for id, text in _together(scene, candidates)], note


def _read(step: Step) -> tuple[Scene, dict[str, str]]:
    """The first reading of the step whose gradient is understood, and what its new labels' gradients are called."""
    first: tuple[Scene, dict[str, str]] | None = None
    step, given = with_given(step)
    for reading, called in readings(step):
        scene = Scene(reading)
        if scene.chains:
            return scene, {**given, **called}
        first = first or (scene, {**given, **called})
    assert first is not None
    return first


def _candidates(scene: Scene) -> Iterator[Candidate]:
    """Every mistake, the likeliest first."""
    return itertools.chain(
        scale.candidates(scene),
        whole.candidates(scene),
        mistaken.candidates(scene),
        over_time.candidates(scene),
        scale.last_candidates(scene),
    )


def _shape_note(step: Step) -> str:
    return "" if step.yours.shape == step.right.shape else f"shape {step.yours.shape}, expected {step.right.shape}"


def _matching(step: Step, magnitude: float, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
    for candidate in candidates:
        value = _shaped(np.asarray(candidate.value), step)
        if value is None:
            continue
        if candidate.free is None:
            if _explains(step, magnitude, value):
                yield candidate
            continue
        free = np.asarray(candidate.free)
        if free.shape != value.shape or free.size < 3 or not free.any():
            continue
        k = coefficient(step.yours - value, free)
        # A multiple that rounding alone could give explains nothing.
        if abs(k) * np.abs(free).max() > 1e4 * step.rounding * magnitude and _explains(
            step, magnitude, value + k * free
        ):
            yield replace(candidate, text=candidate.text.replace("{k}", f"{k:.6g}"))


def _shaped(value: Array, step: Step) -> Array | None:
    """The value in the shape of the user's, where only unit axes and the stretching of one number are in between."""
    if value.shape == step.yours.shape:
        return value
    if value.size == 1:
        return np.full(step.yours.shape, float(value.reshape(-1)[0]))
    squeezed = tuple(size for size in value.shape if size != 1)
    if squeezed == tuple(size for size in step.yours.shape if size != 1):
        return value.reshape(step.yours.shape)
    return None


def _explains(step: Step, magnitude: float, value: Array) -> bool:
    """Whether the value is the user's to rounding, and explains nearly all of the error."""
    if not np.isfinite(value).all() or not agree(step.yours, value, step.rounding, magnitude):
        return False
    if stands_out(np.abs(step.yours - value).reshape(-1), value.reshape(-1), step.rounding):
        return False
    if step.yours.shape != step.right.shape:
        return True
    return bool(np.abs(step.yours - value).max() <= 0.1 * np.abs(step.yours - step.right).max())


def _distinct(found: Iterable[Candidate]) -> Iterator[Candidate]:
    """Each id once, but for numbers that coincide; without those that a narrower one explains."""
    kept: dict[tuple[str, str], Candidate] = {}
    for one in found:
        kept.setdefault((one.id, one.text if one.id == "divided_by_other" else ""), one)
    ids = {one.id for one in kept.values()}
    dropped = {wider for narrower, wider in NARROWER if narrower in ids}
    if len(ids) > 1:
        # What equals another gradient of the user's because of a named mistake is no mix-up of the two.
        dropped.add("stale_dA")
    return (one for one in kept.values() if one.id not in dropped)


def _together(scene: Scene, candidates: Iterable[Candidate]) -> list[tuple[str, str]]:
    """Two mistakes at once: one of the candidates times one of the step's numbers."""
    step = scene.step
    # In so few entries of single precision two numbers agree by chance.
    if step.yours.size < 3 and step.rounding > 1e-10:
        return []
    numbers = [number for number in (*scale.common(scene), *scale.rare(scene)) if number[-1]]
    for candidate in candidates:
        value = _shaped(np.asarray(candidate.value), step)
        if (
            value is None
            or candidate.free is not None
            or not candidate.certain
            or not np.isfinite(value).all()
            or not value.any()
        ):
            continue
        ratio = coefficient(step.yours, value)
        if not agree(step.yours, ratio * value, step.rounding):
            continue
        for k, id, text, _ in numbers:
            if abs(ratio / k - 1) <= 1e3 * step.rounding * step.yours.size**0.5:
                return [(candidate.id, candidate.text), (id, text)]
    return []


def _cause(scene: Scene, id: str, text: str, certain: bool, called: Mapping[str, str]) -> Cause:
    formula = scene.formula()
    text = text.replace("{formula}", formula)
    for name, plain in called.items():
        text, formula = (re.sub(rf"\b{re.escape(name)}(?!\w)", plain, said) for said in (text, formula))
    return Cause(id, text, formula, certain)
