"""Z = W A_prev + b in all its orientations: recognised by values, and what goes wrong in dW, db and dA_prev.

Legend: the canonical form is Z (n, m), W (n, p), A (p, m), b (n); a `Matrix` holds a user's array and whether it is the
canonical one transposed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from torchbasics.check.diagnosis.edges import Edge, Pull, Slip, agree, transposed
from torchbasics.check.step import Array


@dataclass(frozen=True)
class Matrix:
    """A user's array by its label, and how it lies to the canonical one."""

    label: str
    value: Array
    flip: bool

    @property
    def canonical(self) -> Array:
        """The value in the canonical orientation; a vector is a column."""
        value = self.value[:, None] if self.value.ndim == 1 else self.value
        return value.T if self.flip else value

    def stored(self, canonical: Array) -> Array:
        """A canonical array of any size in the user's orientation."""
        stored = canonical.T if self.flip else canonical
        return stored.reshape(self.value.shape) if stored.size == self.value.size else stored

    def text(self, transpose: bool = False) -> str:
        """The canonical matrix, or its transpose, written with the user's label."""
        return transposed(self.label, self.flip != transpose)


@dataclass(frozen=True)
class Linear:
    """Z = W A + b."""

    Z: Matrix
    W: Matrix
    A: Matrix
    b: str | None
    bias: Array | None


def is_matrix(value: Array) -> bool:
    """Whether an array can be a factor: a matrix, or a vector that is taken as a column."""
    return value.ndim in (1, 2) and value.size > 1


def products(shape: tuple[int, int], values: Mapping[str, Array]) -> Iterator[tuple[Matrix, Matrix]]:
    """Pairs of arrays, transposed or not, whose product has the shape."""
    columns = {
        label: value[:, None] if value.ndim == 1 else value for label, value in values.items() if is_matrix(value)
    }
    for left, P in columns.items():
        for left_flip in (False, True):
            rows, inner = P.T.shape if left_flip else P.shape
            if rows != shape[0]:
                continue
            for right, Q in columns.items():
                for right_flip in (False, True):
                    if right != left and (Q.T.shape if right_flip else Q.shape) == (inner, shape[1]):
                        yield Matrix(left, values[left], left_flip), Matrix(right, values[right], right_flip)


def as_matrix(Z: Array) -> Array:
    """Z with a vector as a column."""
    return Z[:, None] if Z.ndim == 1 else Z


def recognised(label: str, Z: Array, values: Mapping[str, Array], m: int, rounding: float) -> Iterator[Linear]:
    """The products of two of `values`, and a bias among them, that give Z."""
    if Z.ndim not in (1, 2) or Z.size == 0:
        return
    square = as_matrix(Z)
    for P, Q in products((square.shape[0], square.shape[1]), values):
        # Two columns tell most pairs apart before the whole product is formed.
        probe = square[:2] - P.canonical[:2] @ Q.canonical
        if not (np.isfinite(probe).all() and _bias_like(probe, square, rounding)):
            continue
        rest = square - P.canonical @ Q.canonical
        if agree(square, square - rest, rounding):
            yield oriented(label, Z, P, Q, None, None, m)
            continue
        for name, bias in values.items():
            if name not in (P.label, Q.label) and agree(
                square, P.canonical @ Q.canonical + _spread(bias, square), rounding
            ):
                yield oriented(label, Z, P, Q, name, bias, m)
                break


def _bias_like(rest: Array, Z: Array, rounding: float) -> bool:
    scale = float(np.abs(Z).max())
    return agree(rest, rest[:, :1] + 0 * rest, rounding, scale) or agree(rest, rest[:1] + 0 * rest, rounding, scale)


def _spread(bias: Array, Z: Array) -> Array:
    """The bias as NumPy would add it; NaN where it can't, or where it isn't one number per unit."""
    try:
        spread = np.broadcast_to(bias, Z.shape)
    except ValueError:
        return np.full(Z.shape, np.nan)
    return spread if bias.size < Z.size or Z.size == 1 else np.full(Z.shape, np.nan)


def oriented(label: str, Z: Array, P: Matrix, Q: Matrix, b: str | None, bias: Array | None, m: int) -> Linear:
    """Z = P Q + b as W A + b: A is the factor that has the examples."""
    rows, columns = as_matrix(Z).shape
    examples_first = rows == m and (columns != m or Q.label[:1] in "Ww")
    if not examples_first:
        return Linear(Matrix(label, Z, False), P, Q, b, bias)
    W, A = Matrix(Q.label, Q.value, not Q.flip), Matrix(P.label, P.value, not P.flip)
    return Linear(Matrix(label, Z, True), W, A, b, bias)


def bias_gradient(G: Array, bias: Array) -> Array:
    """The sum over the examples of canonical G (n, m), in the shape of the bias."""
    return np.asarray(G.sum(axis=1).reshape(bias.shape) if bias.size == G.shape[0] else G.sum().reshape(bias.shape))


class LinearEdges:
    """The edges into Z of one `Linear`; `values` are all arrays, `gradients` the user's, `scale` a parameter's."""

    def __init__(
        self, linear: Linear, values: Mapping[str, Array], gradients: Mapping[str, Array], m: int, scale: float
    ) -> None:
        self.linear, self.values, self.gradients, self.m, self.scale = linear, values, gradients, m, scale

    def edges(self) -> Iterator[Edge]:
        """To W, to A and to b."""
        Z, W, A, b = self.linear.Z, self.linear.W, self.linear.A, self.linear.b
        yield Edge(Z.label, W.label, "weight", self.to_W, self._W_formula, self.weight_slips)
        yield Edge(Z.label, A.label, "input", self.to_A, self._A_formula, self.input_slips)
        if b is not None:
            yield Edge(Z.label, b, "bias", self.to_b, lambda G: f"sum over the examples of {G}", self.bias_slips)

    def to_W(self, G: Array) -> Array:
        """G A^T."""
        return self.linear.W.stored(self._canonical(G) @ self.linear.A.canonical.T)

    def to_A(self, G: Array) -> Array:
        """W^T G."""
        return self.linear.A.stored(self.linear.W.canonical.T @ self._canonical(G))

    def to_b(self, G: Array) -> Array:
        """The sum of G over the examples."""
        assert self.linear.bias is not None
        return bias_gradient(self._canonical(G), self.linear.bias)

    def _canonical(self, G: Array) -> Array:
        return Matrix(self.linear.Z.label, G, self.linear.Z.flip).canonical

    def _W_formula(self, G: str) -> str:
        Z, W, A = self.linear.Z, self.linear.W, self.linear.A
        if W.flip:
            return f"{A.text()} {transposed(G, not Z.flip)}"
        return f"{transposed(G, Z.flip)} {A.text(transpose=True)}"

    def _A_formula(self, G: str) -> str:
        Z, W, A = self.linear.Z, self.linear.W, self.linear.A
        if A.flip:
            return f"{transposed(G, not Z.flip)} {W.text()}"
        return f"{W.text(transpose=True)} {transposed(G, Z.flip)}"

    def _dW(self, G: Array) -> Array:
        """The user's canonical dW, or what it should be."""
        W = self.linear.W
        own = self.gradients.get(f"d{W.label}")
        if own is not None and own.shape == W.value.shape:
            return Matrix(W.label, own, W.flip).canonical
        return self._right_dW(G)

    def _right_dW(self, G: Array) -> Array:
        return np.asarray(self.scale * self._canonical(G) @ self.linear.A.canonical.T)

    def weight_slips(self) -> Iterator[Slip]:
        """Mistakes in dW = 1/m dZ A_prev^T."""
        W, A = self.linear.W, self.linear.A
        for label, value in self.values.items():
            if label in (A.label, W.label) or value.ndim != 2 or self.m not in value.shape:
                continue
            flip = A.flip if value.shape == A.value.shape else value.shape[1] != self.m
            other = Matrix(label, value, flip).canonical
            yield Slip(
                "A_for_A_prev",
                f"{label} stands where {{formula}} has {A.label}",
                lambda G, other=other: W.stored(self._canonical(G) @ other.T),  # type: ignore[misc]
            )
        yield Slip(
            "transpose_missing",
            f"{{formula}} is computed without the transpose of {A.label}",
            lambda G: W.stored(self._canonical(G) @ A.canonical),
        )
        yield Slip("elementwise_for_dot", "* stands for the matrix product of {formula}", lambda G: G * A.value)
        for which, example in (("last", slice(-1, None)), ("first", slice(0, 1))):
            yield Slip(
                "assigned_not_accumulated",
                f"only the {which} example's term of {{formula}} is left: = stands for += over the examples",
                lambda G, e=example: W.stored(self._canonical(G)[:, e] @ A.canonical[:, e].T),  # type: ignore[misc]
            )
        yield Slip("A_for_A_prev", f"the factor {A.label} is left out of {{formula}}", self._without_A)
        yield from self._instead_of_dZ(self.to_W)

    def _instead_of_dZ(self, pull: Pull) -> Iterator[Slip]:
        """A quantity where its gradient belongs: z for dz."""
        Z = self.linear.Z
        for label, value in self.values.items():
            if value.shape == Z.value.shape and not label.startswith("d"):
                text = f"{label} stands where {{formula}} has d{Z.label}"
                yield Slip("wrong_operand", text, lambda G, value=value: pull(value))  # type: ignore[misc]

    def _without_A(self, G: Array) -> Array:
        W = self.linear.W
        return W.stored(np.broadcast_to(self._canonical(G).sum(axis=1, keepdims=True), W.canonical.shape))

    def input_slips(self) -> Iterator[Slip]:
        """Mistakes in dA_prev = W^T dZ."""
        W, A = self.linear.W, self.linear.A
        yield Slip(
            "transpose_missing",
            f"{{formula}} is computed with {W.text()}, without the transpose",
            lambda G: A.stored(W.canonical @ self._canonical(G)),
        )
        yield Slip("elementwise_for_dot", "* stands for the matrix product of {formula}", lambda G: G * W.value.T)
        yield Slip("elementwise_for_dot", "* stands for the matrix product of {formula}", lambda G: G * W.value)
        yield Slip(
            "dW_for_W",
            f"d{W.label} stands where {{formula}} has {W.label}",
            lambda G: A.stored(self._dW(G).T @ self._canonical(G)),
        )
        yield Slip(
            "dW_for_W",
            f"d{W.label} stands where {{formula}} has {W.label}",
            lambda G: A.stored(self._right_dW(G).T @ self._canonical(G)),
        )
        yield Slip(
            "W_updated_first",
            f"{W.label} has been updated, {W.label} - {{k}} d{W.label}, before {{formula}} uses it",
            self.to_A,
            lambda G: A.stored(-self._dW(G).T @ self._canonical(G)),
        )
        for label, value in self.values.items():
            if label != W.label and value.shape == W.value.shape:
                other = Matrix(label, value, W.flip).canonical
                yield Slip(
                    "wrong_operand",
                    f"{label} stands where {{formula}} has {W.label}",
                    lambda G, other=other: A.stored(other.T @ self._canonical(G)),  # type: ignore[misc]
                )
        yield from self._instead_of_dZ(self.to_A)

    def bias_slips(self) -> Iterator[Slip]:
        """Mistakes in db = 1/m sum of dZ over the examples."""
        n = self.linear.W.canonical.shape[0]
        Z, W, b = self.linear.Z.label, self.linear.W.label, self.linear.b
        yield Slip(
            "db_no_axis",
            f"d{b} is summed over the units as well: the axis is missing from the sum of {{formula}}",
            lambda G: np.asarray(G.sum()),
        )
        yield Slip(
            "db_averaged_over_units",
            f"d{b} is one number, averaged over the {n} units: {{formula}} has one per unit",
            lambda G: np.asarray(G.sum() / n),
        )
        yield Slip(
            "db_wrong_axis",
            f"d{b} is summed over the units, not over the examples as {{formula}} is",
            lambda G: self._canonical(G).sum(axis=0),
        )
        yield Slip("db_wrong_axis", f"d{Z} is not summed over the examples, as {{formula}} is", lambda G: G)
        for axis in (1, 0):
            yield Slip(
                "db_from_dW",
                f"d{b} is a sum of d{W}'s {'rows' if axis else 'columns'}: it should be {{formula}}",
                lambda G, axis=axis: self._dW(G).sum(axis=axis) / self.scale,  # type: ignore[misc]
            )
        for which, example in (("last", -1), ("first", 0)):
            yield Slip(
                "assigned_not_accumulated",
                f"only the {which} example's term of {{formula}} is left: = stands for += over the examples",
                lambda G, e=example: bias_gradient(self._canonical(G)[:, [e]], self._bias()),  # type: ignore[misc]
            )

    def _bias(self) -> Array:
        assert self.linear.bias is not None
        return self.linear.bias
