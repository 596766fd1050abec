"""Mistakes in the lines that every dense layer has, dW, db, dA and dZ, for every layer of every such program.

A program's way of writing is a `Style`; its layers are `Layer`s. The mistakes are the same lines as the same learner
would have written them wrong.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from .mutant import Mutant, mutant


@dataclass(frozen=True)
class Style:
    """How one learner writes a product, a mean over examples and a sum."""

    outer: str
    """d a^T."""

    back: str
    """w^T d."""

    scale: str = "1 / {m} * {x}"
    total: str = "np.sum({d}, {axes})"
    total_free: str = "np.sum({d})"
    db: str = ""
    """1/m times the total, unless it is written another way."""

    def dW(self, d: str, a: str, m: str = "m") -> str:
        """1/m d a^T."""
        return self.scale.format(m=m, x=self.outer.format(d=d, a=a))

    def bias(self, d: str, m: str = "m", axes: str = "axis=1, keepdims=True") -> str:
        """1/m sum of d."""
        return self.scale.format(m=m, x=self.total.format(d=d, axes=axes))

    def db_line(self, d: str) -> str:
        """The right one, as this learner writes it."""
        return self.db.format(d=d) if self.db else self.bias(d)


COURSE = Style("np.dot({d}, {a}.T)", "np.dot({w}.T, {d})")
COURSE_OVER_M = Style("np.dot({d}, {a}.T)", "np.dot({w}.T, {d})", "{x} / {m}")
DOT = Style("{d}.dot({a}.T)", "{w}.T.dot({d})")
MATMUL = Style("np.matmul({d}, {a}.T)", "np.matmul({w}.T, {d})")
AT = Style("{d} @ {a}.T", "{w}.T @ {d}", "{x} / {m}")
AT_METHOD = Style("{d} @ {a}.T", "{w}.T @ {d}", "{x} / {m}", "{d}.sum({axes})", "{d}.sum()")
EINSUM = Style(
    'np.einsum("im,jm->ij", {d}, {a})',
    'np.einsum("ij,im->jm", {w}, {d})',
    "{x} / {m}",
    "{d}.sum({axes})",
    "{d}.sum()",
    "{d}.mean(axis=1, keepdims=True)",
)


@dataclass(frozen=True)
class Layer:
    """Layer l of a program: the names of what is at hand, and its dZ line."""

    l: int  # noqa: E741  the notes' letter
    A_prev: str
    dZ_line: str
    """The right side of dZ = ..., with {dA} and {g}; at the output it is the whole of it, without either."""

    activation: str = ""
    """tanh, relu, sigmoid or leaky; "" at the output."""

    derivative: str = ""
    """g' as the learner wrote it."""

    dA_named: bool = True
    has_A: bool = True
    """A[l] is at hand in the backward function, so that it can be mistaken for A[l-1]."""


def wrong_derivatives(activation: str, A: str, Z: str) -> Iterator[tuple[str, str]]:
    """(cause, what stands in the place of g') for a hidden layer."""
    match activation:
        case "tanh":
            yield "derivative_fed_A", f"(1 - np.tanh({A}) ** 2)"
            yield "derivative_fed_Z", f"(1 - {Z} ** 2)"
            yield "function_for_derivative", f"np.tanh({Z})"
            yield "function_for_derivative", A
            yield "other_activation", f"{A} * (1 - {A})"
            yield "other_activation", f"({Z} > 0)"
        case "relu":
            yield "function_for_derivative", f"np.maximum(0, {Z})"
            # Without its mask the layer has g' = 1, which is also what leaving g' out gives.
            yield "mask_always_true|derivative_missing", f"({A} >= 0)"
            yield "other_activation", f"(1 - {A} ** 2)"
            yield "other_activation", f"{A} * (1 - {A})"
        case "sigmoid":
            yield "derivative_fed_A", f"sigmoid({A}) * (1 - sigmoid({A}))"
            yield "derivative_fed_Z", f"{Z} * (1 - {Z})"
            yield "function_for_derivative", A
            yield "function_for_derivative", f"sigmoid({Z})"
            yield "other_activation", f"(1 - {A} ** 2)"
            yield "other_activation", f"({Z} > 0)"
        case "leaky":
            yield "function_for_derivative", f"np.where({Z} > 0, {Z}, SLOPE * {Z})"
            yield "other_activation", f"({Z} > 0)"
            yield "other_activation", f"{A} * (1 - {A})"


def of_dW(program: str, style: Style, layer: Layer, addend: str = "") -> Iterator[Mutant]:
    """dW[l] = 1/m dZ[l] A[l-1]^T; `addend` is what the program adds to it."""
    l, dZ, A_prev = layer.l, f"dZ{layer.l}", layer.A_prev  # noqa: E741
    old = f"    dW{l} = {style.dW(dZ, A_prev)}{addend}\n"

    def wrong(cause: str, right_side: str) -> Mutant:
        return mutant(program, f"dW{l}", cause, old, f"    dW{l} = {right_side}{addend}\n")

    yield wrong("one_over_m_missing", style.outer.format(d=dZ, a=A_prev))
    yield wrong("divided_by_other", style.dW(dZ, A_prev, "X.shape[0]"))
    if layer.activation:
        yield wrong("divided_by_other", style.dW(dZ, A_prev, f"{dZ}.shape[0]"))
    yield wrong(
        "factor_two",
        "2 * " + style.dW(dZ, A_prev) if style.scale[0] == "{" else "2 / m * " + style.outer.format(d=dZ, a=A_prev),
    )
    yield wrong("transpose_missing", style.dW(A_prev, dZ))
    if not addend:
        yield wrong("sign_flipped|operand_sign", "-" + style.dW(dZ, A_prev))
    if layer.has_A:
        yield wrong("A_for_A_prev", style.dW(dZ, f"A{l}"))


def of_db(program: str, style: Style, layer: Layer) -> Iterator[Mutant]:
    """db[l] = 1/m sum of dZ[l] over the examples."""
    l, dZ = layer.l, f"dZ{layer.l}"  # noqa: E741
    old = f"    db{l} = {style.db_line(dZ)}\n"

    def wrong(cause: str, right_side: str) -> Mutant:
        return mutant(program, f"db{l}", cause, old, f"    db{l} = {right_side}\n")

    yield wrong("one_over_m_missing", style.total.format(d=dZ, axes="axis=1, keepdims=True"))
    yield wrong("divided_by_other", style.bias(dZ, "X.shape[0]"))
    yield wrong("db_wrong_axis", style.bias(dZ, axes="axis=0, keepdims=True"))
    yield wrong("db_from_dW", f"np.sum(dW{l}, axis=1, keepdims=True)")
    if not layer.activation:
        return  # With one unit, the sums over units and the lost axes below are no mistakes.
    yield wrong("db_no_axis", style.scale.format(m="m", x=style.total_free.format(d=dZ)))
    yield wrong("db_no_axis", style.bias(dZ, axes="keepdims=True"))
    yield wrong("keepdims_lost", style.bias(dZ, axes="axis=1"))
    yield wrong("db_averaged_over_units", f"np.mean({dZ})")
    yield wrong("db_averaged_over_units", f"np.mean({dZ}) * np.ones(({dZ}.shape[0], 1))")
    if layer.dA_named:
        yield wrong("db_from_dA", style.bias(f"dA{l}"))


def of_dZ_hidden(program: str, style: Style, layer: Layer) -> Iterator[Mutant]:
    """dZ[l] = dA[l] * g'(Z[l]), or W[l+1]^T dZ[l+1] * g'(Z[l]) in one line."""
    l = layer.l  # noqa: E741
    dA = f"dA{l}" if layer.dA_named else style.back.format(w=f"W{l + 1}", d=f"dZ{l + 1}")
    right = layer.dZ_line.format(dA=dA, g=layer.derivative)
    old = f"    dZ{l} = {right}\n"

    def wrong(cause: str, right_side: str) -> Mutant:
        return mutant(program, f"dZ{l}", cause, old, f"    dZ{l} = {right_side}\n")

    missing = "derivative_missing|mask_always_true" if layer.activation == "relu" else "derivative_missing"
    yield wrong(missing, dA)
    for cause, g in wrong_derivatives(layer.activation, f"A{l}", f"Z{l}"):
        yield wrong(cause, layer.dZ_line.format(dA=dA, g=g))
    yield wrong("one_over_m_twice", "1 / m * " + right)
    yield wrong("sign_flipped|operand_sign", "-" + right)


def of_dA(program: str, style: Style, layer: Layer) -> Iterator[Mutant]:
    """dA[l] = W[l+1]^T dZ[l+1]."""
    l, W, dZ = layer.l, f"W{layer.l + 1}", f"dZ{layer.l + 1}"  # noqa: E741
    name = f"dA{l}" if layer.dA_named else f"dZ{l}"
    right = style.back.format(w=W, d=dZ)

    def whole(side: str) -> str:
        return f"    {name} = {side if layer.dA_named else layer.dZ_line.format(dA=side, g=layer.derivative)}\n"

    def wrong(cause: str, line: str) -> Mutant:
        return mutant(program, name, cause, whole(right), line)

    yield wrong("dW_for_W", whole(style.back.format(w="d" + W, d=dZ)))
    for rate in ("0.1", "1.2"):
        update = f"    learning_rate = {rate}\n    {W} = {W} - learning_rate * d{W}\n"
        yield wrong("W_updated_first", update + whole(right))
    if layer.dA_named:
        yield wrong("factor_two", whole("2 * " + right))
        yield wrong("sign_flipped|operand_sign", whole("-" + right))
        yield wrong("one_over_m_twice", whole("1 / m * " + right))


def of_output(program: str, layer: Layer, labels: str = "Y") -> Iterator[Mutant]:
    """dZ[L] = A[L] - Y."""
    l, A = layer.l, f"A{layer.l}"  # noqa: E741
    old = f"    dZ{l} = {A} - {labels}\n"

    def wrong(quantity: str, cause: str, right_side: str) -> Mutant:
        return mutant(program, quantity, cause, old, f"    dZ{l} = {right_side}\n")

    yield wrong(f"dZ{l}", "sign_flipped|operand_sign", f"{labels} - {A}")
    yield wrong(f"dZ{l}", "extra_output_derivative", f"({A} - {labels}) * {A} * (1 - {A})")
    yield wrong(f"dZ{l}", "factor_two", f"2 * ({A} - {labels})")
    # Read as autograd's dJ/dZ, this dZ is right, and the 1/m of dW is the one too many.
    yield wrong(f"dZ{l}|dW{l}", "one_over_m_twice", f"({A} - {labels}) / m")
