"""What is known about a wrong gradient that no known mistake explains: shape, ratio, and where it is wrong."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from torchbasics.check.diagnosis.edges import agree, coefficient
from torchbasics.check.step import Array, Step

Mask = np.ndarray[Any, np.dtype[np.bool_]]


def describe(step: Step) -> str:
    """One sentence."""
    yours, right = step.yours, step.right
    if yours.size == 0:
        return f"it is empty, of shape {yours.shape}; expected {right.shape}"
    if not np.isfinite(yours).all():
        return _not_finite(yours)
    if yours.shape != right.shape:
        return _shape(step)
    if not yours.any():
        return "all entries are zero"
    if agree(yours, step.overall, step.rounding):
        return "it is right overall, but isn't computed from your own gradients above it, of which one is wrong"
    few = _few_apart(step)
    if few:
        return few
    k = coefficient(yours, right)
    if right.size > 1 and agree(yours, k * right, step.rounding):
        return f"it is {k:.6g} times the right value everywhere, which is no number of this step"
    return "; ".join((*_where(step), *_per_axis(step), *_residual(step))) or _range(step)


def _few_apart(step: Step) -> str:
    """A constant ratio, other than 1, in all entries but one or a few."""
    yours, right = step.yours, step.right
    used = right != 0
    if used.sum() < 8:
        return ""
    k = float(np.median(yours[used] / right[used]))
    off = np.abs(yours - k * right) > 64 * step.rounding * max(1.0, abs(k)) * np.abs(right).max()
    count = int(off.sum())
    if not 0 < count <= max(1, right.size // 50) or abs(k - 1) < 1e-9 or k == 0:
        return ""
    first = tuple(int(i) for i in np.argwhere(off)[0])
    return f"it is {k:.6g} times the right value in every entry but {first if count == 1 else count}"


def _not_finite(yours: Array) -> str:
    bad = ~np.isfinite(yours)
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    kinds = ", ".join(kind for kind, found in (("NaN", np.isnan(yours)), ("inf", np.isinf(yours))) if found.any())
    return f"{int(bad.sum())} of {bad.size} entries are {kinds}, the first at {first}"


def _shape(step: Step) -> str:
    yours, right = step.yours, step.right
    start = f"shape {yours.shape}, expected {right.shape}"
    if yours.ndim == 2 and yours.T.shape == right.shape and agree(yours.T, right, step.rounding):
        return f"{start}: it is transposed"
    if yours.size == right.size and agree(yours.reshape(right.shape), right, step.rounding):
        return f"{start}: the values are right"
    if yours.size == right.size:
        return f"{start}"
    try:
        spread = np.broadcast_shapes(yours.shape, right.shape) == yours.shape
    except ValueError:
        spread = False
    if spread:
        return f"{start}: a sum over axis {_stretched(yours.shape, right.shape)} is missing"
    lost = [axis for axis, size in enumerate(right.shape) if size not in yours.shape]
    return f"{start}: axis {lost[0]} of size {right.shape[lost[0]]} is lost" if lost else start


def _stretched(larger: tuple[int, ...], smaller: tuple[int, ...]) -> int:
    padded = (1,) * (len(larger) - len(smaller)) + smaller
    return next((axis for axis, (a, b) in enumerate(zip(larger, padded, strict=True)) if a != b), 0)


def _wrong(step: Step) -> Mask:
    scale = max(float(np.abs(step.right).max()), float(np.abs(step.yours).max()))
    error = np.abs(step.yours - step.right)
    # Entries far smaller than the largest are judged against the smallest error that stands out.
    limit = min(64 * step.rounding * scale, 0.01 * float(error.max()))
    return np.asarray(error > limit)


def _where(step: Step) -> Iterator[str]:
    wrong = _wrong(step)
    count = int(wrong.sum())
    if count == wrong.size or count == 0:
        return
    if count == 1:
        index = tuple(int(i) for i in np.argwhere(wrong)[0])
        zero = ", which is zero" if step.yours[index] == 0 else ""
        yield f"one entry is wrong, {index}{zero}"
        return
    masked = list(_masks(step, wrong))
    small = np.abs(step.right) < 1e-5
    if not masked and not step.right[wrong].any():
        yield f"the {count} wrong entries should be zero"
        return
    if not masked and (wrong <= small).all() and not step.yours[wrong].any():
        yield f"the {count} wrong entries are zero, and the right ones all smaller than 1e-5"
        return
    yield from masked
    yield from _slices(step, wrong, count)


def _masks(step: Step, wrong: Mask) -> Iterator[str]:
    for label, value in step.forward.items():
        if (value.shape == wrong.shape and label != step.of) or (
            value.shape == wrong.shape and value.min() < 0 < value.max()
        ):
            tests = {
                f"{label} < 0": value < 0,
                f"{label} > 0": value > 0,
                f"{label} = 0": value == 0,
                f"{label} = 1": value == 1,
            }
            for text, mask in tests.items():
                if mask.any() and not mask.all() and (wrong == mask).all():
                    yield f"wrong exactly where {text}"
                    return


def _slices(step: Step, wrong: Mask, count: int) -> Iterator[str]:
    names = ("rows", "columns") if wrong.ndim == 2 else tuple(f"slices along axis {axis}" for axis in range(wrong.ndim))
    if wrong.ndim == 1:
        names = ("entries",)
    for axis, size in enumerate(wrong.shape):
        others = tuple(other for other in range(wrong.ndim) if other != axis)
        some = wrong.any(axis=others)
        bad = [int(i) for i in np.flatnonzero(some)]
        if 0 < len(bad) < size:
            examples = " (examples)" if size == step.m else ""
            right_in = size - len(bad)
            shown = ", ".join(str(i) for i in bad[:8]) + (", ..." if len(bad) > 8 else "")
            yield f"wrong only in {names[axis]} {shown}{examples}; the other {right_in} are right"
    border = np.ones(wrong.shape, dtype=bool)
    if wrong.ndim == 4:
        for spatial in ((1, 2), (2, 3)):
            inner = [slice(1, -1) if axis in spatial else slice(None) for axis in range(4)]
            border[:] = True
            border[tuple(inner)] = False
            if not border.all() and not (wrong & ~border).any():
                yield "wrong only at the border"
                return
    yield f"{count} of {wrong.size} entries are wrong"


def _per_axis(step: Step) -> Iterator[str]:
    """Constant ratios per row or column, and whose numbers they are."""
    yours, right = step.yours, step.right
    if yours.ndim < 2 or 1 in yours.shape:
        return
    for axis in range(yours.ndim):
        others = tuple(other for other in range(yours.ndim) if other != axis)
        square = (right * right).sum(axis=others, keepdims=True)
        ratio = np.divide(
            (yours * right).sum(axis=others, keepdims=True), square, out=np.zeros_like(square), where=square > 0
        )
        if agree(yours, ratio * right, step.rounding):
            whose = _whose(step, ratio.reshape(-1))
            what = "row" if yours.ndim == 2 and axis == 0 else "column" if yours.ndim == 2 else f"index of axis {axis}"
            yield f"yours / right is constant in each {what}{whose}, from {ratio.min():.4g} to {ratio.max():.4g}"
            return


def _whose(step: Step, ratio: Array) -> str:
    for label, value in {**step.forward, **step.locals}.items():
        if value.size == ratio.size and ratio.size > 1:
            flat = value.reshape(-1)
            if agree(ratio, flat, 1e3 * step.rounding):
                return f", and equals {label}"
            if flat.all() and agree(ratio, 1 / flat, 1e3 * step.rounding):
                return f", and equals 1 / {label}"
    return ""


def _residual(step: Step) -> Iterator[str]:
    """What yours - right is a multiple of."""
    rest = step.yours - step.right
    for label, value in {**step.forward, **step.backward, **step.locals}.items():
        if value.shape == rest.shape and rest.size > 2 and label != step.name and value.any():
            k = coefficient(rest, value)
            if agree(rest, k * value, step.rounding, float(np.abs(step.right).max())) and np.abs(rest).max() > 1e4 * (
                step.rounding * np.abs(step.right).max()
            ):
                yield f"yours - right = {k:.6g} {label}"
                return


def _range(step: Step) -> str:
    used = step.right != 0
    if not used.any():
        return "the right value is zero everywhere"
    ratio = step.yours[used] / step.right[used]
    if ratio.size == 1:
        return f"it is {float(ratio[0]):.4g} times the right value: no known mistake gives it"
    return f"yours / right goes from {ratio.min():.4g} to {ratio.max():.4g}: no known mistake gives it"
