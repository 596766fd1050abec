"""Sums, differences, products and quotients of named arrays, with NumPy's broadcasting.

Legend: Q = P + R, P - R, P * R, P / R; a smaller operand's gradient is summed over the axes it was stretched along.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from torchbasics.check.diagnosis.edges import Edge, Kind, Slip, agree, bracketed, coefficient
from torchbasics.check.step import Array


def unbroadcast(G: Array, shape: tuple[int, ...]) -> Array:
    """G summed to the shape that was stretched to G's; G itself where it is smaller than that."""
    if G.shape == shape or G.ndim < len(shape):
        return G
    G = np.asarray(G.sum(axis=tuple(range(G.ndim - len(shape)))))
    stretched = tuple(axis for axis, size in enumerate(shape) if size == 1 and G.shape[axis] != 1)
    return np.asarray(G.sum(axis=stretched, keepdims=True))


def normalised(P: Array) -> bool:
    """Whether P has mean 0 and nearly variance 1 along some axes, as what batch normalisation scales has."""
    for axis in (0, -1, (0, 2, 3), (0, 1, 2)):
        if P.ndim > 1 and (isinstance(axis, int) or P.ndim == 4):
            mean, variance = np.abs(P.mean(axis=axis)).max(), P.var(axis=axis)
            if mean < 1e-4 and np.abs(variance - 1).max() < 1e-2:
                return True
    return False


def multiple(label: str, Q: Array, values: Mapping[str, Array], rounding: float) -> Edge | None:
    """The edge into Q from an array that it is a constant multiple of, as dropout's A / keep_prob is."""
    for name, P in reversed(list(values.items())):
        if P.shape != Q.shape or not P.any():
            continue
        k = coefficient(Q, P)
        if k and abs(k - 1) > 1e-6 and agree(Q, k * P, rounding):
            return _multiple_edge(label, name, k, bool((P == 0).any()) and k > 1)
    return None


def _multiple_edge(label: str, name: str, k: float, dropped: bool) -> Edge:
    factor = f"/ {1 / k:.6g}" if abs(k) > 1 else f"* {k:.6g}"

    def slips() -> Iterator[Slip]:
        id = "dropout_scale_missing" if dropped else "derivative_missing"
        yield Slip(id, f"{factor} is left out of {{formula}}", lambda G: G)
        yield Slip(id, f"{factor} is there twice: {{formula}}", lambda G: k * k * G)
        yield Slip(id, f"{factor} is the wrong way round: {{formula}}", lambda G: G / k)

    return Edge(label, name, "other", lambda G: k * G, lambda G: f"{bracketed(G)} {factor}", slips)


class Arithmetic:
    """The edges into Q, if it is a sum, difference, product or quotient of two of `values`."""

    def __init__(self, label: str, Q: Array, values: Mapping[str, Array], rounding: float) -> None:
        self.label, self.Q, self.values, self.rounding = label, Q, values, rounding

    def edges(self) -> list[Edge]:
        """Two edges, or none."""
        operands = {name: value for name, value in self.values.items() if self._fits(value) and value.size > 1}
        full = [name for name, value in operands.items() if value.shape == self.Q.shape]
        for left in full:
            for right in operands:
                if left != right:
                    edges = self._pair(left, right)
                    if edges:
                        return edges
        return self._affine(full, operands)

    def _fits(self, value: Array) -> bool:
        try:
            return bool(np.broadcast_shapes(value.shape, self.Q.shape) == self.Q.shape)
        except ValueError:
            return False

    def _pair(self, left: str, right: str) -> list[Edge]:
        P, R, Q = self.values[left], self.values[right], self.Q
        if agree(Q, P + R, self.rounding):
            return [self._plain(left, P), self._plain(right, R)]
        if agree(Q, P - R, self.rounding):
            return [self._plain(left, P), self._subtracted(right, R)]
        if agree(Q, R - P, self.rounding):
            return [self._plain(right, R), self._subtracted(left, P)]
        if agree(Q, P * R, self.rounding):
            return [self._factor(left, right), self._factor(right, left)]
        if agree(Q, P / R, self.rounding):
            return [self._dividend(left, right), self._divisor(right, left)]
        return []

    def _affine(self, full: list[str], operands: Mapping[str, Array]) -> list[Edge]:
        """Q = P * R + S with R and S smaller, as batch normalisation's gamma and beta are."""
        small = [name for name, value in operands.items() if value.shape != self.Q.shape]
        for P in full:
            for R in small:
                for S in small:
                    if R != S and agree(self.Q, self.values[P] * self.values[R] + self.values[S], self.rounding):
                        return [self._factor(P, R), self._factor(R, P), self._plain(S, self.values[S])]
        return []

    def _plain(self, name: str, value: Array) -> Edge:
        shape = value.shape
        text = "" if shape == self.Q.shape else "sum of "
        return Edge(
            self.label,
            name,
            "other" if shape == self.Q.shape else "bias",
            lambda G: unbroadcast(G, shape),
            lambda G: f"{text}{G}",
            lambda: _sum_slips(lambda G: G, self.Q.shape, shape),
        )

    def _subtracted(self, name: str, value: Array) -> Edge:
        shape = value.shape

        def slips() -> Iterator[Slip]:
            sign = f"the minus in front of {name} in {self.label} is lost: {{formula}}"
            yield Slip("operand_sign", sign, lambda G: unbroadcast(G, shape))
            yield from _sum_slips(lambda G: -G, self.Q.shape, shape)

        text = "-" if shape == self.Q.shape else "-sum of "
        return Edge(
            self.label, name, "other", lambda G: -unbroadcast(G, shape), lambda G: f"{text}{bracketed(G)}", slips
        )

    def _factor(self, name: str, other: str) -> Edge:
        shape, R = self.values[name].shape, self.values[other]

        def slips() -> Iterator[Slip]:
            gamma = R.shape != self.Q.shape and normalised(self.values[name])
            left_out = "batchnorm_gamma_missing" if gamma else "derivative_missing"
            yield Slip(left_out, f"the factor {other} is left out of {{formula}}", lambda G: unbroadcast(G, shape))
            for label, value in self.values.items():
                if value.shape == R.shape and label != other:
                    yield Slip(
                        "A_for_A_prev",
                        f"{label} stands where {{formula}} has {other}",
                        lambda G, value=value: unbroadcast(G * value, shape),  # type: ignore[misc]
                    )
            yield Slip("derivative_missing", f"{{formula}} divides by {other}", lambda G: unbroadcast(G / R, shape))
            yield from _sum_slips(lambda G: G * R, self.Q.shape, shape)

        text = f"{{}} * {other}" if shape == self.Q.shape else f"sum of {{}} * {other}"
        kind: Kind = "other" if shape == self.Q.shape else "weight"
        return Edge(
            self.label, name, kind, lambda G: unbroadcast(G * R, shape), lambda G: text.format(bracketed(G)), slips
        )

    def _dividend(self, name: str, other: str) -> Edge:
        shape, R = self.values[name].shape, self.values[other]

        def slips() -> Iterator[Slip]:
            yield Slip("derivative_missing", f"/ {other} is left out of {{formula}}", lambda G: unbroadcast(G, shape))
            times = f"{{formula}} is multiplied by {other}, not divided"
            yield Slip("derivative_missing", times, lambda G: unbroadcast(G * R, shape))
            squared = f"{{formula}} is divided by {other}^2"
            yield Slip("derivative_missing", squared, lambda G: unbroadcast(G / R**2, shape))

        return Edge(
            self.label, name, "other", lambda G: unbroadcast(G / R, shape), lambda G: f"{bracketed(G)} / {other}", slips
        )

    def _divisor(self, name: str, other: str) -> Edge:
        R, P = self.values[name], self.values[other]

        def slips() -> Iterator[Slip]:
            sign = f"the minus of d(1/{name}) = -1/{name}^2 is lost: {{formula}}"
            yield Slip("operand_sign", sign, lambda G: unbroadcast(G * P / R**2, R.shape))
            square = f"{name} is not squared: {{formula}}"
            yield Slip("derivative_missing", square, lambda G: unbroadcast(-G * P / R, R.shape))
            whole = f"the derivative of 1/{name} is left out: {{formula}}"
            yield Slip("derivative_missing", whole, lambda G: unbroadcast(G * P, R.shape))
            yield from _sum_slips(lambda G: -G * P / R**2, self.Q.shape, R.shape)

        return Edge(
            self.label,
            name,
            "other",
            lambda G: unbroadcast(-G * P / R**2, R.shape),
            lambda G: f"-sum of {bracketed(G)} * {other} / {name}^2",
            slips,
        )


def _sum_slips(pull: Callable[[Array], Array], full: tuple[int, ...], shape: tuple[int, ...]) -> Iterator[Slip]:
    """Mistakes in the sum that a stretched operand's gradient needs; `pull` gives the terms."""
    if shape == full:
        return
    units = int(np.prod(shape))
    yield Slip(
        "db_no_axis", "the sum of {formula} has no axis: it is over everything", lambda G: np.asarray(pull(G).sum())
    )
    average = "{formula} is averaged over everything, with no axis"
    yield Slip("db_averaged_over_units", average, lambda G: np.asarray(pull(G).sum() / units))
    for axis in range(len(full)):
        wrong = "the sum of {formula} is over the wrong axis"
        yield Slip("db_wrong_axis", wrong, lambda G, axis=axis: np.asarray(pull(G).sum(axis=axis)))  # type: ignore[misc]
    yield Slip("db_wrong_axis", "the sum of {formula} is missing", pull)
    last = "only the last example's term of {formula} is left"
    yield Slip("assigned_not_accumulated", last, lambda G: pull(G)[..., -1:].reshape(shape))
    yield Slip("assigned_not_accumulated", last, lambda G: pull(G)[-1:].reshape(shape))
