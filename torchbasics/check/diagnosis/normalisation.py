r"""Batch normalisation: recognised by values, and what goes wrong in its gradient.

Legend: x_hat = (x - mean) / s with s = sqrt(var + eps) along some axes; U = dx_hat;
dx = (U - mean(U) - x_hat mean(U x_hat)) / s.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from torchbasics.check.diagnosis.edges import Edge, Slip, agree
from torchbasics.check.step import Array

Axes = tuple[int, ...]


@dataclass(frozen=True)
class Normalised:
    """x_hat from x."""

    x: Array
    x_hat: Array
    s: Array
    axes: Axes
    ddof: int

    @property
    def count(self) -> int:
        """How many numbers each mean is over."""
        return int(np.prod([self.x.shape[axis] for axis in self.axes]))


def axes_of(ndim: int) -> Iterator[Axes]:
    """The axes that statistics are taken over: examples, or units; of images all but the channels, or the examples."""
    if ndim == 2:
        yield from ((1,), (0,))
    elif ndim == 4:
        yield from ((0, 1, 2), (0, 2, 3), (1, 2, 3))


def recognised(x: Array, Q: Array, rounding: float) -> Normalised | None:
    """How Q is x normalised; None if it isn't."""
    if x.shape != Q.shape:
        return None
    for axes in axes_of(x.ndim):
        count = int(np.prod([x.shape[axis] for axis in axes]))
        if count < 2 or count == x.size:
            continue
        centred = x - x.mean(axis=axes, keepdims=True)
        variance = x.var(axis=axes, keepdims=True)
        s = np.sqrt((centred**2).sum(axis=axes, keepdims=True) / (Q**2).sum(axis=axes, keepdims=True))
        if not agree(Q, centred / s, rounding):
            continue
        for ddof in (0, 1):
            epsilon = s**2 - variance * count / (count - ddof)
            slack = 1e4 * rounding * float(np.max(s**2))
            if epsilon.max() - epsilon.min() <= slack and -slack <= epsilon.min() and epsilon.max() < 0.1:
                return Normalised(x, Q, s, axes, ddof)
    return None


def affine(x: Array, Q: Array, values: Mapping[str, Array], rounding: float) -> tuple[Normalised, str, str] | None:
    """How Q = gamma x_hat + beta for an x_hat without a name: (normalised, gamma's label, beta's)."""
    for axes in axes_of(x.ndim):
        shape = x.mean(axis=axes, keepdims=True).shape
        per_unit = {k: v.reshape(shape) for k, v in values.items() if v.size == np.prod(shape) and v.size > 1}
        for beta, gamma in permutations(per_unit, 2):
            found = recognised(x, np.asarray((Q - per_unit[beta]) / per_unit[gamma]), rounding)
            if found:
                return found, gamma, beta
    return None


def normalisation_edge(x_label: str, label: str, found: Normalised) -> Edge:
    """The edge from x to x_hat."""
    s, x_hat, axes, count = found.s, found.x_hat, found.axes, found.count - found.ddof

    def mean(U: Array) -> Array:
        return np.asarray(U.mean(axis=axes, keepdims=True))

    def along(U: Array, n: int) -> Array:
        return np.asarray(x_hat * (U * x_hat).sum(axis=axes, keepdims=True) / n)

    def pull(U: Array) -> Array:
        return np.asarray((U - mean(U) - along(U, count)) / s)

    def slips() -> Iterator[Slip]:
        yield Slip(
            "batchnorm_mean_path",
            f"the path through the mean is left out: {{formula}}; mean(d{label}) is missing",
            lambda U: (U - along(U, count)) / s,
        )
        yield Slip(
            "batchnorm_variance_path",
            f"the path through the variance is left out: {{formula}}; {label} mean(d{label} * {label}) is missing",
            lambda U: (U - mean(U)) / s,
        )
        both = "the paths through the mean and the variance are left out: {formula}"
        yield Slip("batchnorm_mean_path", both, lambda U: U / s)
        yield Slip("batchnorm_variance_path", both, lambda U: U / s)
        yield Slip(
            "derivative_missing", "/ sqrt(var + eps) is left out of {formula}", lambda U: U - mean(U) - along(U, count)
        )
        squared = "{formula} is divided by var + eps, not by its square root"
        yield Slip("derivative_missing", squared, lambda U: pull(U) / s)
        yield Slip(
            "operand_sign", "the term of the mean has the wrong sign in {formula}", lambda U: pull(U) + 2 * mean(U) / s
        )
        variance = "the term of the variance has the wrong sign in {formula}"
        yield Slip("operand_sign", variance, lambda U: pull(U) + 2 * along(U, count) / s)
        n = found.count
        other = n - 1 if found.ddof == 0 else n
        text = f"{other} stands for {count} under the variance in {{formula}}: x_hat is divided with {count}"
        yield Slip("batchnorm_ddof", text, lambda U: (U - mean(U) - along(U, other)) / s)
        yield Slip("batchnorm_ddof", text, lambda U: (U - mean(U) - along(U, count)) / s * np.sqrt(other / count))
        yield Slip("batchnorm_ddof", text, lambda U: (U - mean(U) - along(U, other)) / s * np.sqrt(other / count))
        yield Slip(
            "batchnorm_ddof", text, lambda U: (U - U.sum(axis=axes, keepdims=True) / other - along(U, other)) / s
        )
        yield Slip("average_missing", "the means are sums in {formula}", lambda U: (U - n * mean(U) - along(U, 1)) / s)
        yield Slip(
            "average_missing", "mean(d{label}) is a sum in {formula}", lambda U: (U - n * mean(U) - along(U, count)) / s
        )
        yield Slip("average_missing", "mean(U x_hat) is a sum in {formula}", lambda U: (U - mean(U) - along(U, 1)) / s)
        inner = "the term of the variance in {formula} lacks the factor x_hat"
        yield Slip("batchnorm_variance_path", inner, lambda U: (U - mean(U) - mean(U * x_hat)) / s)

    return Edge(
        label,
        x_label,
        "other",
        pull,
        lambda U: f"({U} - mean({U}) - {label} mean({U} * {label})) / sqrt(var + eps)",
        slips,
    )


def path_kind(of: Array, through: Array, rounding: float) -> str | None:
    """Whether `through` is the mean or the variance (or its square root, or its inverse) of `of` along some axes."""
    for axes in axes_of(of.ndim):
        mean, variance = of.mean(axis=axes), of.var(axis=axes)
        square = (of**2).mean(axis=axes)
        flat = through.reshape(-1)
        if flat.size != mean.size:
            continue
        if agree(flat, mean.reshape(-1), rounding):
            return "batchnorm_mean_path"
        for spread in (variance.reshape(-1), square.reshape(-1)):
            for value in (spread, np.sqrt(spread), 1 / np.sqrt(spread)):
                # eps makes them differ a little; nothing else comes so near in every unit.
                if np.allclose(flat, value, rtol=1e-2):
                    return "batchnorm_variance_path"
    return None
