"""Activations A = g(Z): recognised by their values, and what goes wrong in dZ = dA * g'(Z)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np

from torchbasics.check.diagnosis.edges import Edge, Slip, agree
from torchbasics.check.step import Array

LEAKS = (0.01, 0.1, 0.2, 0.3, 0.05, 0.001)


@dataclass(frozen=True)
class Activation:
    """g and its derivative, from Z and, where the course writes it so, from A."""

    name: str
    g: Callable[[Array], Array]
    from_Z: Callable[[Array], Array]
    from_A: Callable[[Array], Array] | None
    text: str
    """g' with {Z} and {A} for the symbols."""


def sigmoid(Z: Array) -> Array:
    """1 / (1 + exp(-Z)), without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * Z))


def leaky(slope: float) -> Activation:
    """max(slope Z, Z)."""
    return Activation(
        "leaky ReLU",
        lambda Z: np.where(Z > 0, Z, slope * Z),
        lambda Z: np.where(Z > 0, 1.0, slope),
        None,
        f"(1 where {{Z}} > 0, else {slope:g})",
    )


SIGMOID = Activation(
    "sigmoid", sigmoid, lambda Z: sigmoid(Z) * (1 - sigmoid(Z)), lambda A: A * (1 - A), "{A} * (1 - {A})"
)
TANH = Activation("tanh", np.tanh, lambda Z: 1 - np.tanh(Z) ** 2, lambda A: 1 - A**2, "(1 - {A}^2)")
RELU = Activation("ReLU", lambda Z: np.maximum(Z, 0), lambda Z: np.asarray((Z > 0) * 1.0), None, "({Z} > 0)")
SOFTPLUS = Activation("softplus", lambda Z: np.logaddexp(0, Z), sigmoid, None, "sigmoid({Z})")
EXPONENTIAL = Activation("exp", np.exp, np.exp, lambda A: A, "{A}")
ELU = Activation(
    "ELU",
    lambda Z: np.where(Z > 0, Z, np.expm1(np.minimum(Z, 0))),
    lambda Z: np.where(Z > 0, 1.0, np.exp(np.minimum(Z, 0))),
    None,
    "(1 where {Z} > 0, else exp({Z}))",
)
SWISH = Activation(
    "swish",
    lambda Z: Z * sigmoid(Z),
    lambda Z: sigmoid(Z) * (1 + Z * (1 - sigmoid(Z))),
    None,
    "sigmoid({Z}) * (1 + {Z} * (1 - sigmoid({Z})))",
)
KNOWN = (SIGMOID, TANH, RELU, SOFTPLUS, EXPONENTIAL, ELU, SWISH)


def recognised(Z: Array, A: Array, rounding: float) -> Activation | None:
    """The activation that takes Z to A, if it is one of the known."""
    for activation in KNOWN:
        if agree(activation.g(Z), A, rounding):
            # Without a negative entry ReLU is the identity, and so is every leak.
            return None if activation.name == "ReLU" and (Z > 0).all() else activation
    below = Z < 0
    if below.any() and agree(A[~below], Z[~below], rounding):
        slope = float(A[below].sum() / Z[below].sum())
        if 0 < slope < 1 and agree(A, np.where(below, slope * Z, Z), rounding):
            return leaky(float(f"{slope:.6g}"))
    return None


def elementwise(
    g: Activation, Z: Array, A: Array, labels: tuple[str, str], relatives: Mapping[str, Array] | None = None
) -> Edge:
    """The edge from Z to A = g(Z); labels are Z's and A's, relatives the other quantities of the shape."""
    Z_label, A_label = labels
    # Near saturation 1 - A has few digits, and only the A that the program has gives the same ones.
    slope = g.from_A(A) if g.from_A is not None else g.from_Z(Z)
    text = g.text.format(Z=Z_label, A=A_label)
    return Edge(
        A_label,
        Z_label,
        "activation",
        lambda G: G * slope,
        lambda G: f"{G} * {text}",
        lambda: chain(slips(g, Z, A, slope, labels), _of_relatives(labels, relatives or {})),
    )


def slips(g: Activation, Z: Array, A: Array, slope: Array, labels: tuple[str, str]) -> Iterator[Slip]:
    """What goes wrong in dA * g'(Z); `slope` is g'(Z)."""
    Z_label, A_label = labels
    text = g.text.format(Z=Z_label, A=A_label)
    yield Slip("derivative_missing", f"{g.name}'s derivative, {text}, is left out of {{formula}}", lambda G: G)
    if g.name in ("ReLU", "leaky ReLU"):
        always = f"the mask of {{formula}} is true everywhere, as {A_label} >= 0 is; it should be {Z_label} > 0"
        yield Slip("mask_always_true", always, lambda G: G)
        wrong_way = f"the mask of {{formula}} is the wrong way round: it keeps where {Z_label} <= 0"
        yield Slip("other_activation", wrong_way, lambda G: G * (1.0 - (Z > 0)))
        of_G = f"the mask of {{formula}} is taken from the gradient's sign, not from {Z_label} > 0"
        yield Slip("other_activation", of_G, lambda G: G * (G > 0))
    twice = f"{g.name}'s derivative, {text}, is there twice: {{formula}} has it once"
    yield Slip("extra_output_derivative", twice, lambda G: G * slope * slope)
    yield Slip(
        "derivative_fed_A",
        f"{g.name}' is taken at {A_label}, not at {Z_label}, in {{formula}}",
        lambda G: G * g.from_Z(A),
    )
    if g.from_A is not None:
        from_A = g.from_A
        fed = g.text.format(Z=Z_label, A=Z_label)
        yield Slip(
            "derivative_fed_Z",
            f"{fed} is written with {Z_label}, where {{formula}} has {A_label}",
            lambda G: G * from_A(Z),
        )
    yield Slip(
        "function_for_derivative",
        f"{g.name} itself, {A_label}, stands where {{formula}} has its derivative",
        lambda G: G * A,
    )
    if g is TANH:
        yield Slip(
            "operand_sign", f"1 + {A_label}^2 stands for 1 - {A_label}^2 in {{formula}}", lambda G: G * (1 + A**2)
        )
    if g is SIGMOID:
        yield Slip("operand_sign", f"1 + {A_label} stands for 1 - {A_label} in {{formula}}", lambda G: G * A * (1 + A))
    yield from others(g, Z, A, labels)
    yield Slip("stale_dA", f"the upstream d{A_label} is left out of {{formula}}", lambda G: slope)


def others(g: Activation, Z: Array, A: Array, labels: tuple[str, str]) -> Iterator[Slip]:
    """Another activation's derivative, from Z or from A."""
    Z_label, A_label = labels
    for other in (*KNOWN, *(leaky(slope) for slope in LEAKS)):
        if other.text == g.text:
            continue
        # ELU and softplus are common only as the activation itself.
        if other.name in ("softplus", "exp", "ELU", "swish") and g.name in ("sigmoid", "tanh", "ReLU", "leaky ReLU"):
            continue
        text = other.text.format(Z=Z_label, A=A_label)
        needs = A_label if f"({Z_label})" in A_label else f"{A_label} = {g.name}({Z_label})"
        says = f"{text} is the derivative of {other.name}, and {needs} needs {{formula}}"
        from_Z = other.from_Z(Z)
        yield Slip("other_activation", says, lambda G, slope=from_Z: G * slope)  # type: ignore[misc]
        if other.from_A is not None:
            from_A = other.from_A(A)
            yield Slip("other_activation", says, lambda G, slope=from_A: G * slope)  # type: ignore[misc]


def _of_relatives(labels: tuple[str, str], relatives: Mapping[str, Array]) -> Iterator[Slip]:
    """Derivatives taken at another quantity of the shape: of another layer, or after dropout."""
    for label, value in relatives.items():
        itself = f"{label} stands where {{formula}} has the derivative"
        yield Slip("function_for_derivative", itself, lambda G, value=value: G * value)  # type: ignore[misc]
        for other in (SIGMOID, TANH, RELU):
            text = f"{other.text.format(Z=label, A=label)} stands for the derivative of {labels[1]} in {{formula}}"
            from_A = (other.from_A or other.from_Z)(value)
            yield Slip("other_activation", text, lambda G, slope=from_A: G * slope)  # type: ignore[misc]
