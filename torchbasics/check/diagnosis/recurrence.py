"""Simple recurrences a_t = g(Wx x_t + Wa a_(t-1) + b): recognised by values, and what goes wrong back through time.

Legend: the canonical form is x (T, p, m), a (T, n, m), Wx (n, p), Wa (n, n), b (n); a cell is T = 1.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice, product

import numpy as np

from torchbasics.check.diagnosis.activation import RELU, SIGMOID, TANH, Activation
from torchbasics.check.diagnosis.edges import Edge, Slip, agree
from torchbasics.check.diagnosis.linear import Linear, Matrix, bias_gradient
from torchbasics.check.step import Array

# Where time, units and examples are among the user's axes.
LAYOUTS = ((2, 0, 1), (1, 2, 0), (0, 1, 2), (0, 2, 1))
IDENTITY = Activation("identity", lambda Z: Z, np.ones_like, np.ones_like, "1")


@dataclass(frozen=True)
class Recurrence:
    """The canonical arrays of one recurrence, by their labels where they have one."""

    g: Activation
    x: Array
    Wx: Array
    Wa: Array
    b: Array
    a0: Array
    labels: Mapping[str, str]
    """ "x", "Wx", "Wa", "b", "a0": the user's label of each; those without one are missing."""

    flips: Mapping[str, bool]
    layout: tuple[int, ...]
    shapes: Mapping[str, tuple[int, ...]]
    values: Mapping[str, Array]
    """The user's array of each."""

    a: list[Array] = field(default_factory=list)
    """a_1, ..., a_T."""

    def g_input(self) -> Array:
        """What g is applied to in a single cell."""
        return np.asarray(self.Wx @ self.x[0] + self.Wa @ self.a0 + self.b)

    def product(self, weight: str, other: str, name: str, Z: Array, flip: bool) -> Linear:
        """One of a cell's two products, with the bias at the first."""
        labels, values = self.labels, self.values
        W = Matrix(labels[weight], values[weight], self.flips[weight])
        A = Matrix(labels[other], values[other], self.flips[other])
        b = labels.get("b") if weight == "Wx" else None
        return Linear(Matrix(name, Z, flip), W, A, b, None if b is None else values["b"])

    def run(self) -> None:
        """Fill `a`."""
        self.a.clear()
        a = self.a0
        for x in self.x:
            a = self.g.g(self.Wx @ x + self.Wa @ a + self.b)
            self.a.append(a)


@dataclass(frozen=True)
class Fault:
    """What one mistaken sweep back through time does otherwise."""

    carry: bool = True
    keep: tuple[int | None, int | None] = (None, None)
    """From where to where terms are added up, in the order of the sweep."""

    reach: int | None = None
    """How many steps the carry goes on for."""

    slope: bool = True
    transpose: bool = True
    own: bool = False
    """Waa's gradient is taken with a_t, not with a_(t-1)."""

    arriving: bool = True
    """What arrives at each step is added to the carry, not lost."""


def sweep(recurrence: Recurrence, G: Array, fault: Fault) -> dict[str, Array]:
    """The canonical gradients of x, Wx, Wa, b and a0, G (T, n, m) being what arrives at each a_t."""
    T = len(recurrence.a)
    before = [recurrence.a0, *recurrence.a[:-1]]
    carry = np.zeros_like(recurrence.a0)
    dx = np.zeros_like(recurrence.x)
    terms: list[tuple[Array, Array, Array]] = []
    for t in reversed(range(T)):
        da = carry if not fault.arriving and t < T - 1 else G[t] + carry
        slope = recurrence.g.from_A(recurrence.a[t]) if recurrence.g.from_A else (recurrence.a[t] > 0) * 1.0
        dz = da * slope if fault.slope else da
        dx[t] = recurrence.Wx.T @ dz
        source = recurrence.a[t] if fault.own else before[t]
        terms.append((dz @ recurrence.x[t].T, dz @ source.T, dz))
        back = recurrence.Wa.T @ dz if fault.transpose else recurrence.Wa @ dz
        last = back
        stop = not fault.carry or (fault.reach is not None and T - t >= fault.reach)
        carry = np.zeros_like(back) if stop else back
    kept = terms[slice(*fault.keep)]
    return {
        "x": dx,
        "Wx": np.asarray(sum(term[0] for term in kept)),
        "Wa": np.asarray(sum(term[1] for term in kept)),
        "b": np.asarray(sum(term[2] for term in kept)),
        "a0": last if fault.carry else carry,
    }


def faults(T: int, linear: bool) -> Iterator[tuple[str, str, Fault]]:
    """(id, text, fault) for T steps; terms are in the order of the sweep, the last step first."""
    if not linear:
        yield "derivative_missing", "the activation's derivative is left out of {formula}", Fault(slope=False)
    yield "transpose_missing", "Waa stands for Waa^T in the carry of {formula}", Fault(transpose=False)
    yield "A_for_A_prev", "a_t stands for a_(t-1) in {formula}", Fault(own=True)
    if T > 1:
        dropped = "the carry da_prev isn't passed on to the step before: {formula}"
        yield "carry_dropped", dropped, Fault(carry=False)
        first = "= stands for += over time: only the first step's term of {formula} is left"
        yield "assigned_not_accumulated", first, Fault(keep=(-1, None))
        yield "assigned_not_accumulated", first.replace("first", "last"), Fault(keep=(0, 1))
        over = "the carry replaces what arrives at each step, where {formula} adds the two"
        yield "assigned_not_accumulated", over, Fault(arriving=False)
        for k in range(2, T):
            text = f"the sweep back through time ends after {k} of {T} steps: {{formula}}"
            yield "truncated", text, Fault(keep=(0, k))
            yield "truncated", text, Fault(reach=k)


def recognised(
    Q: Array, values: Mapping[str, Array], weights: Mapping[str, Array], m: int, rounding: float
) -> Iterator[Recurrence]:
    """The recurrences whose states, or whose last state, are Q; `weights` are the values that can be a parameter."""
    for x_label, x_value in values.items():
        for layout in LAYOUTS if x_value.ndim == 3 else ((),) if x_value.ndim == 2 and Q.ndim == 2 else ():
            x = x_value.transpose(layout) if layout else x_value[None]
            flip = False
            if not layout and x.shape[2] != m:
                x, flip = x.swapaxes(1, 2), True
            a = Q.transpose(layout) if Q.ndim == 3 and layout else Q[None]
            if a.shape[2] != x.shape[2] and Q.ndim == 2:
                a = a.swapaxes(1, 2)
            if x.shape[2] == m and a.shape[2] == m:
                yield from _weights(a, Q.ndim == 3, x_label, x, layout, flip, values, weights, rounding)


def _weights(
    a: Array,
    whole: bool,
    x_label: str,
    x: Array,
    layout: tuple[int, ...],
    flip: bool,
    values: Mapping[str, Array],
    weights: Mapping[str, Array],
    rounding: float,
) -> Iterator[Recurrence]:
    (n, m), p = a.shape[1:], x.shape[1]
    inputs = list(_matrices(weights, (n, p), x_label))
    states = list(_matrices(weights, (n, n), x_label))
    if len(x) == 1:
        states = [
            (k, v.T if f else v, f)
            for k, v in weights.items()
            for f in (False, True)
            if v.ndim == 2 and k != x_label and (v.T if f else v).shape[0] == n
        ]
    biases = [(k, v) for k, v in weights.items() if v.size == n and v.ndim <= 2]
    likely = _biasable(a[-1], rounding) if len(x) == 1 else None
    # Where all sizes are equal everything fits everything; a limit keeps that from taking minutes.
    for (wx, Wx, wx_flip), (wa, Wa, wa_flip) in islice(product(inputs, states), 64):
        if wx == wa:
            continue
        starts: list[tuple[str, Array, bool]] = [
            found for found in _matrices(values, (Wa.shape[1], m), "") if found[0] not in (x_label, wx, wa)
        ]
        if len(x) > 1:
            starts.append(("", np.zeros((n, m)), False))
        if likely is not None:
            starts = [found for found in starts if likely(Wx @ x[0] + Wa @ found[1])]
        for (b, bias), (a0, start, a0_flip) in islice(product([*biases, ("", np.zeros(n))], starts), 256):
            if b in (wx, wa) and b:
                continue
            labels = {"x": x_label, "Wx": wx, "Wa": wa, "b": b, "a0": a0}
            for g in (TANH, SIGMOID, RELU, IDENTITY):
                recurrence = Recurrence(
                    g,
                    x,
                    Wx,
                    Wa,
                    bias.reshape(-1, 1),
                    start,
                    {part: label for part, label in labels.items() if label},
                    {"x": flip, "Wx": wx_flip, "Wa": wa_flip, "a0": a0_flip},
                    layout,
                    {part: values[label].shape for part, label in labels.items() if label},
                    {part: values[label] for part, label in labels.items() if label},
                )
                recurrence.run()
                states_of = np.stack(recurrence.a)
                if agree(states_of if whole else states_of[-1:], a, rounding):
                    yield recurrence
                    return


def _biasable(A: Array, rounding: float) -> Callable[[Array], bool]:
    """Whether some g(Z + b) can be A; far cheaper than to try every b, and never wrong where it says no."""
    inverses = []
    with np.errstate(all="ignore"):
        for inside, inverse in (
            (np.abs(A) < 0.99, np.arctanh(A)),
            ((A > 0.01) & (A < 0.99), np.log(A / (1 - A))),
            (A > 0, A),
            (A == A, A),
        ):
            if inside.sum() > len(A):
                inverses.append((inside, inverse))
    slack = 1e6 * rounding

    def likely(Z: Array) -> bool:
        for inside, inverse in inverses:
            rest = np.where(inside, inverse - Z, np.nan)
            widths = np.nanmax(np.where(inside, rest, -np.inf), axis=1) - np.nanmin(
                np.where(inside, rest, np.inf), axis=1
            )
            if np.nanmax(widths) <= slack * (1 + float(np.abs(Z).max())):
                return True
        # Saturated everywhere: nothing can be excluded.
        return not inverses

    return likely


def _matrices(values: Mapping[str, Array], shape: tuple[int, int], but: str) -> Iterator[tuple[str, Array, bool]]:
    for label, value in values.items():
        if value.ndim == 2 and label != but:
            for flip in (False, True):
                if (value.T if flip else value).shape == shape:
                    yield label, value.T if flip else value, flip


def edges(label: str, Q: Array, recurrence: Recurrence) -> Iterator[Edge]:
    """To every array of the recurrence that has a label."""

    def arriving(G: Array) -> Array:
        if Q.ndim == 3:
            return G.transpose(recurrence.layout)
        G = G if G.shape == recurrence.a0.shape or recurrence.a[0].shape == G.shape else G.T
        return np.concatenate([np.zeros((len(recurrence.a) - 1, *G.shape)), G[None]])

    def user(part: str, value: Array) -> Array:
        if part == "b":
            return bias_gradient(value, np.empty(recurrence.shapes["b"]))
        if part == "x" and recurrence.layout:
            return value.transpose(np.argsort(recurrence.layout))
        value = value[0] if part == "x" else value
        return value.T if recurrence.flips[part] else value

    for part, name in recurrence.labels.items():

        def pull(G: Array, fault: Fault = Fault(), part: str = part) -> Array:
            return np.asarray(user(part, sweep(recurrence, arriving(G), fault)[part]))

        def slips(pull: Callable[..., Array] = pull) -> Iterator[Slip]:
            for id, text, fault in faults(len(recurrence.a), recurrence.g is IDENTITY):
                yield Slip(id, text, lambda G, fault=fault: pull(G, fault))  # type: ignore[misc]

        kind = {"Wx": "weight", "Wa": "weight", "b": "bias", "a0": "carry"}.get(part, "input")
        yield Edge(label, name, kind, pull, lambda G, part=part: _formula(recurrence, part, G), slips)  # type: ignore[misc,arg-type]


def _formula(recurrence: Recurrence, part: str, G: str) -> str:
    names = recurrence.labels
    dz = G if recurrence.g is IDENTITY else f"({G} * g')"
    if len(recurrence.a) > 1:
        dz = "dz_t"
    over = "" if len(recurrence.a) == 1 else "sum over t of "
    text = {
        "Wx": f"{over}{dz} {names['x']}_t^T",
        "Wa": f"{over}{dz} {names.get('a0', 'a')}_(t-1)^T",
        "b": f"{over}sum over the examples of {dz}",
        "x": f"{names['Wx']}^T {dz}",
        "a0": f"{names['Wa']}^T {dz}",
    }[part]
    if len(recurrence.a) == 1:
        return text.replace("_t^T", "^T").replace("_(t-1)^T", "^T")
    return f"{text}, dz_t = (d a_t + {names['Wa']}^T dz_(t+1)) * g'"
