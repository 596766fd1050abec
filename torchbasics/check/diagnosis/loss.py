"""The cost and the output's activation: recognised by dJ/dA, and what goes wrong where the backward sweep starts.

Legend: A the predictions, Y the labels, D = dJ/dA in the user's convention, c the number in front: D = c * template.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from torchbasics.check.diagnosis.activation import sigmoid
from torchbasics.check.diagnosis.edges import Edge, Slip, agree, coefficient
from torchbasics.check.step import Array


@dataclass(frozen=True)
class Loss:
    """dL/dA of one example by its template, and what it fuses to through the activation of the output."""

    name: str
    template: Callable[[Array, Array], Array]
    text: str
    through: str
    """The activation with which dZ = c (A - Y)."""


BINARY = Loss(
    "binary cross-entropy",
    lambda A, Y: (A - Y) / (A * (1 - A)),
    "(-({Y} / {A}) + (1 - {Y}) / (1 - {A}))",
    "sigmoid",
)
SQUARED = Loss("squared error", lambda A, Y: A - Y, "({A} - {Y})", "identity")
CROSS = Loss("cross-entropy", lambda A, Y: -Y / A, "-({Y} / {A})", "softmax")


@dataclass(frozen=True)
class Cost:
    """J as recognised at one forward quantity A."""

    loss: Loss
    A_label: str
    Y_label: str
    A: Array
    Y: Array
    c: float
    D: Array

    def front(self, m: int) -> str:
        """C as it is written in front of a formula."""
        for factor, text in (
            (1.0, ""),
            (1 / m, "1/m "),
            (2.0, "2 "),
            (2 / m, "2/m "),
            (0.5, "1/2 "),
            (0.5 / m, "1/(2m) "),
        ):
            if abs(self.c / factor - 1) < 1e-5:
                return text
        return f"{self.c:.4g} "


FEW = 2
"""So few entries fit anything."""


def softmax(Z: Array, axis: int) -> Array:
    """exp(Z) over its sum along the axis."""
    shifted = np.exp(Z - Z.max(axis=axis, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=axis, keepdims=True))


def labels_like(A: Array, values: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
    """What may be the labels of A: an array of its shape, or a vector of classes, as one-hot."""
    for label, Y in sorted(values.items(), key=lambda item: not item[0].startswith(("Y", "y"))):
        if Y.shape == A.shape:
            yield label, Y
        elif Y.size == A.size and A.size > 1:
            yield label, Y.reshape(A.shape)
        elif Y.size > 1 and A.ndim == 2 and (np.round(Y) == Y).all() and Y.min() >= 0:
            for axis in (0, 1):
                if Y.size == A.shape[1 - axis] and Y.max() < A.shape[axis]:
                    # An identity of that size may not fit into memory.
                    hot = (Y.reshape(-1, 1) == np.arange(A.shape[axis])) * 1.0
                    yield label, hot.T if axis == 0 else hot


def _meant(c: float, D: Array) -> bool:
    """Whether the fit says something: some c makes any number of any other; that it is 2, 1/2 or 1/m has a reason."""
    return c > 0 and (D.size > FEW or min(abs(k - round(k)) for k in (c, 1 / c)) < 1e-9 * max(c, 1 / c))


def recognised(A_label: str, A: Array, D: Array, values: Mapping[str, Array], rounding: float) -> Iterator[Cost]:
    """The costs whose dJ/dA is D."""
    if not np.isfinite(D).all() or not D.any() or A.shape != D.shape:
        return
    for Y_label, Y in labels_like(A, {label: value for label, value in values.items() if label != A_label}):
        for loss in (BINARY, CROSS, SQUARED):
            template = loss.template(A, Y)
            if np.isfinite(template).all() and template.any():
                c = coefficient(D, template)
                if _meant(c, D) and agree(D, c * template, rounding):
                    yield Cost(loss, A_label, Y_label, A, Y, c, D)


def fused(
    Z_label: str, Z: Array, D: Array, values: Mapping[str, Array], rounding: float
) -> Iterator[tuple[str, int, Cost]]:
    """The costs that take Z itself, D = dJ/dZ = c (A - Y) with an A that has no name: (activation, axis, cost)."""
    for Y_label, Y in labels_like(Z, {label: value for label, value in values.items() if label != Z_label}):
        guesses = [("sigmoid", -1, BINARY, sigmoid(Z))]
        guesses += [("softmax", axis, CROSS, softmax(Z, axis)) for axis in range(Z.ndim) if Z.shape[axis] > 1]
        for name, axis, loss, A in guesses:
            c = coefficient(D, A - Y)
            if _meant(c, D) and D.any() and agree(D, c * (A - Y), rounding):
                cost = Cost(loss, f"{name}({Z_label})", Y_label, A, Y, c, c * loss.template(A, Y))
                yield name, axis, cost


def loss_edge(J_label: str, cost: Cost, m: int) -> Edge:
    """The edge from A to J; G is what the sweep starts with, already in D."""
    text = cost.front(m) + cost.loss.text.format(A=cost.A_label, Y=cost.Y_label)
    return Edge(J_label, cost.A_label, "loss", lambda G: cost.D, lambda G: text, lambda: loss_slips(cost))


def loss_slips(cost: Cost) -> Iterator[Slip]:
    """Mistakes in dA."""
    c, A, Y, A_label, Y_label = cost.c, cost.A, cost.Y, cost.A_label, cost.Y_label
    if cost.loss is BINARY:
        bracket = f"the minus of -({Y_label}/{A_label} - (1-{Y_label})/(1-{A_label})) doesn't reach the second term: "
        yield Slip(
            "parenthesis",
            bracket + f"entries with {Y_label} = 0 have the wrong sign; {{formula}}",
            lambda G: c * (-Y / A - (1 - Y) / (1 - A)),
        )
        yield Slip(
            "parenthesis",
            f"the minus of {Y_label}/{A_label} is missing: entries with {Y_label} = 1 have the wrong sign; {{formula}}",
            lambda G: c * (Y / A + (1 - Y) / (1 - A)),
        )
        yield Slip(
            "assigned_not_accumulated",
            f"only the term of {Y_label} = 1 is left of {{formula}}",
            lambda G: c * (-Y / A),
        )
        yield Slip(
            "assigned_not_accumulated",
            f"only the term of {Y_label} = 0 is left of {{formula}}",
            lambda G: c * ((1 - Y) / (1 - A)),
        )
    yield from difference_slips(cost)


def difference_slips(cost: Cost) -> Iterator[Slip]:
    """Mistakes in A - Y."""
    c, A, Y, A_label, Y_label = cost.c, cost.A, cost.Y, cost.A_label, cost.Y_label
    plus = f"{A_label} + {Y_label} stands for {A_label} - {Y_label} in {{formula}}"
    yield Slip("operand_sign", plus, lambda G: c * (A + Y))
    lost = f"{A_label} {A.shape} minus a vector of {Y.size} labels broadcasts to {(A.size, A.size)}: keep {Y_label} as "
    yield Slip("keepdims_lost", f"{lost}{A.shape} in {{formula}}", lambda G: c * _outer(A, Y))
    yield Slip("keepdims_lost", f"{lost}{A.shape} in {{formula}}", lambda G: c * _outer(A, Y).T)
    yield Slip("operand_sign", f"{Y_label} is left out of {{formula}}", lambda G: c * A)


def _outer(A: Array, Y: Array) -> Array:
    """What A - Y broadcasts to when one of the two has lost its unit axis: NaN where A has more than one."""
    if A.ndim != 2 or 1 not in A.shape:
        return np.full(A.shape, np.nan)
    return A.reshape(-1, 1) - Y.reshape(1, -1)


def output_edge(edge: Edge, cost: Cost, m: int, slope: Callable[[Array], Array], Z: Array) -> Edge:
    """The edge of the output's activation, written A - Y where it fuses with the cost and nobody named dA."""
    text = f"{cost.front(m)}({cost.A_label} - {cost.Y_label})"

    def slips() -> Iterator[Slip]:
        yield from edge.slips()
        yield from difference_slips(cost)
        c, A, Y = cost.c, cost.A, cost.Y
        twice = f"the derivative of {cost.loss.through} is already in {{formula}}, and is there once more"
        if cost.loss is CROSS:
            yield Slip("softmax_twice", twice, lambda G: slope(c * (A - Y)))
            yield Slip("extra_output_derivative", twice, lambda G: c * (A - Y) * A * (1 - A))
        fed_Z = f"{edge.input} - {cost.Y_label} stands for {cost.A_label} - {cost.Y_label} in {{formula}}"
        yield Slip("derivative_fed_Z", fed_Z, lambda G: c * (Z - Y))

    return replace(edge, formula=lambda G: edge.formula(G) if f"d{cost.A_label}" == G else text, slips=slips)


def softmax_edge(Z_label: str, A_label: str, A: Array, axis: int) -> Edge:
    """The edge from Z to A = softmax(Z): dZ = A (dA - sum of A dA)."""

    def inner(G: Array) -> Array:
        return np.asarray((A * G).sum(axis=axis, keepdims=True))

    def slips() -> Iterator[Slip]:
        yield Slip(
            "softmax_diagonal_only",
            f"only the diagonal of softmax's Jacobian, {A_label} * (1 - {A_label}), is in {{formula}}",
            lambda G: A * (1 - A) * G,
        )
        yield Slip(
            "softmax_outer_missing",
            f"the part -{A_label} {A_label}^T of softmax's Jacobian is left out of {{formula}}",
            lambda G: A * G,
        )
        yield Slip("derivative_missing", "softmax's Jacobian is left out of {formula}", lambda G: G)
        yield Slip(
            "softmax_twice",
            "softmax's Jacobian is applied twice: {formula} has it once",
            lambda G: _jacobian(A, _jacobian(A, G, axis), axis),
        )
        yield Slip(
            "operand_sign",
            f"the part {A_label} {A_label}^T of softmax's Jacobian has the wrong sign in {{formula}}",
            lambda G: A * (G + inner(G)),
        )
        total = f"the sum of {A_label} * d{A_label} in {{formula}}"
        for other in range(A.ndim):
            if other != axis:
                text = f"{total} is taken along axis {other}, not along axis {axis}"
                yield Slip("softmax_wrong_axis", text, lambda G, other=other: _jacobian(A, G, other))  # type: ignore[misc]
        every = f"{total} is taken over everything, not along axis {axis}"
        yield Slip("softmax_wrong_axis", every, lambda G: A * (G - (A * G).sum()))
        weight = f"{A_label} is left out of the sum in {{formula}}"
        yield Slip("softmax_sum_weight", weight, lambda G: A * (G - G.sum(axis=axis, keepdims=True)))
        outer = f"the diagonal of softmax's Jacobian, {A_label}, is left out of {{formula}}"
        yield Slip("softmax_diagonal_missing", outer, lambda G: -A * inner(G))
        front = f"{A_label} in front of the bracket is left out of {{formula}}"
        yield Slip("derivative_missing", front, lambda G: G - inner(G))

    return Edge(
        A_label,
        Z_label,
        "activation",
        lambda G: _jacobian(A, G, axis),
        lambda G: f"{A_label} * ({G} - sum over the classes of {A_label} * {G})",
        slips,
    )


def _jacobian(A: Array, G: Array, axis: int) -> Array:
    return np.asarray(A * (G - (A * G).sum(axis=axis, keepdims=True)))
