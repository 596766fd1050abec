"""Ratios: which number of this step a constant factor is."""

import re
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from torchbasics.check.diagnosis.loss import SQUARED
from torchbasics.check.diagnosis.scene import Scene
from torchbasics.check.diagnosis.ways import Candidate
from torchbasics.check.step import Step

# Fractions of numbers up to this may be constants that have nothing to do with sizes.
SMALL = 6


def sizes(step: Step) -> dict[int, str]:
    """The sizes of the step's axes but m and 1, by what the notes call them."""
    named: dict[int, str] = {}
    for symbol in (_layer, _end, _axis):
        for label, value in step.forward.items():
            for axis, size in enumerate(value.shape):
                text = symbol(label, value.ndim, axis)
                if text and size not in (1, step.m):
                    named.setdefault(size, text)
    for label, value in step.forward.items():
        if value.ndim > 2:
            for axes in (value.shape[1:3], value.shape[2:], value.shape[:2], value.shape[1:]):
                area = int(np.prod(axes))
                if area not in (1, step.m):
                    named.setdefault(area, " x ".join(str(size) for size in axes) + f" of {label}")
    return named


def _layer(label: str, ndim: int, axis: int) -> str:
    layer = re.fullmatch(r"[ZzAa](\d+)", label)
    return f"n[{layer[1]}]" if layer and ndim == 2 else ""


def _end(label: str, ndim: int, axis: int) -> str:
    return f"n_{label.lower()}" if label in ("X", "x", "Y", "y") and ndim == 2 else ""


def _axis(label: str, ndim: int, axis: int) -> str:
    return f"the size of axis {axis} of {label}"


def is_parameter(scene: Scene) -> bool:
    """Whether the gradient is one that the notes divide by m; in autograd's convention that is all of them."""
    return abs(scene.s - 1) > 1e-12 or scene.step.convention == 1


Factor = tuple[float, str, str, bool]
"""(k, id, text, certain); {formula} in the text stands for what it should be."""


def common(scene: Scene) -> Iterator[Factor]:
    """The factors that everybody forgets."""
    m = scene.step.m
    yield -1.0, "sign_flipped", "the sign is flipped: {formula}", True
    if m > 1:
        missing = "the 1/m of {formula} is missing" if is_parameter(scene) else "it is m times {formula}"
        yield float(m), "one_over_m_missing", f"{missing} (m = {m})", True
        twice = "1/m is there twice: {formula}"
        if not is_parameter(scene):
            twice = "1/m is in it, where it belongs into dW and db: {formula}"
        yield 1 / m, "one_over_m_twice", f"{twice} (m = {m})", True
    why = " (the squared error's 2 and 1/2)" if is_squared(scene) else ""
    yield 2.0, "factor_two", f"a factor 2 too many{why}: {{formula}}", True
    yield 0.5, "factor_two", f"a factor 2 is missing{why}: {{formula}}", True
    yield from named(scene)


def is_squared(scene: Scene) -> bool:
    """Whether the cost is a squared error."""
    return any(cost.loss is SQUARED for cost in scene.graph.costs.values())


def rare(scene: Scene) -> Iterator[Factor]:
    """The same of the sizes of the step's axes."""
    m = scene.step.m
    for size, name in sizes(scene.step).items():
        for k, what in (
            (m / size, f"divided by {name} = {size}, not by m = {m}"),
            (1 / size, f"divided by {name} = {size} as well"),
            (float(size), f"multiplied by {name} = {size}"),
        ):
            plain = Fraction(k).limit_denominator(SMALL)
            # 4/5 may be a keep_prob of 0.8, 3 a constant; 7/13 is nobody's.
            anybody = max(plain.numerator, plain.denominator) <= SMALL and abs(float(plain) - k) < 1e-12
            if anybody and (plain in (2, Fraction(1, 2)) or k in (m, 1 / m)) and name.startswith("the size"):
                continue
            text = f"it is {plain} times {{formula}}, as if {what}" if anybody else f"it is {what}: {{formula}}"
            yield k, "divided_by_other", text, not anybody and not name.startswith("the size")
    if m > 2:
        fewer = f"it is divided by m - 1 = {m - 1}, not by m: {{formula}}"
        yield m / (m - 1), "divided_by_other", fewer, m > SMALL


def named(scene: Scene) -> Iterator[Factor]:
    """The numbers that the user named."""
    step = scene.step
    for name, value in step.scalars.items():
        if name == "return" or name in step.forward or name in step.backward or value == step.forward.get("J"):
            continue
        if not np.isfinite(value) or value in (0.0, 1.0, -1.0, 2.0, 0.5, float(step.m)):
            continue
        low = name.lower()
        if "keep" in low:
            yield value, "dropout_scale_missing", f"/ {name} is left out of {{formula}}", True
            yield 1 / value, "dropout_scale_missing", f"/ {name} is there once too often: {{formula}}", True
        elif low.startswith(("f", "size", "k", "pool")) and value == int(value):
            yield value**2, "average_missing", f"1/{name}^2 is left out of {{formula}}", True
            yield value, "average_missing", f"1/{name} stands for 1/{name}^2 in {{formula}}", True
        else:
            # A counter of a loop is a small number too.
            telling = not (value == int(value) and abs(value) <= SMALL)
            yield value, "divided_by_other", f"it is multiplied by {name} = {value:g}: {{formula}}", telling
            yield 1 / value, "divided_by_other", f"it is divided by {name} = {value:g}: {{formula}}", telling


def candidates(scene: Scene) -> Iterator[Candidate]:
    """The right value times each of the common factors."""
    for k, id, text, certain in common(scene):
        yield Candidate(id, text, k * scene.step.right, certain=certain)


def last_candidates(scene: Scene) -> Iterator[Candidate]:
    """The right value times a size; or twice, as a second run gives where nothing is zeroed."""
    for k, id, text, certain in rare(scene):
        yield Candidate(id, text, k * scene.step.right, certain=certain)
    if _is_leaf(scene) and not is_squared(scene):
        text = "it is twice {formula}, as if the gradients of two calls were added up and never zeroed"
        yield Candidate("gradients_not_zeroed", text, 2 * scene.step.right, certain=False)


def _is_leaf(scene: Scene) -> bool:
    """Whether nothing that has a name goes into the quantity, as into a parameter."""
    step = scene.step
    ones = np.ones_like(step.forward[step.of])
    return all(step.vjp(step.of, label, ones) is None for label in scene.graph.values if label != step.of)
