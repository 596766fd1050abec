"""Steps whose formula nobody knows, through the derivative that the checker found: elementwise ones and all others."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from torchbasics.check.diagnosis.activation import KNOWN
from torchbasics.check.diagnosis.edges import Edge, Slip, agree
from torchbasics.check.step import Array

Vjp = Callable[[str, str, Array], Array | None]


def generic_edge(label: str, name: str, values: Mapping[str, Array], vjp: Vjp, rounding: float) -> Edge | None:
    """The edge from `name` to `label` by its vjp; None if there is none."""
    Q, P = values[label], values[name]
    slope = vjp(label, name, np.ones_like(Q))
    if slope is None:
        return None
    probe = np.asarray(np.random.default_rng(0).normal(size=Q.shape))
    probed = vjp(label, name, probe)
    if P.shape == Q.shape and probed is not None and agree(probed, probe * slope, rounding):
        return _elementwise(label, name, slope, values, rounding)

    def pull(G: Array) -> Array:
        found = vjp(label, name, G)
        return np.zeros_like(P) if found is None else found

    return Edge(label, name, "other", pull, lambda G: f"(what {G} gives through {label})")


def _elementwise(label: str, name: str, slope: Array, values: Mapping[str, Array], rounding: float) -> Edge:
    P, Q = values[name], values[label]
    same = {key: value for key, value in values.items() if value.shape == slope.shape and key != label}
    text = f"{label}'({name})"
    parts: tuple[str, str] | None = None
    for left, L in same.items():
        if agree(slope, L, rounding):
            text = left
        if agree(slope, 1 - L, rounding):
            text = f"(1 - {left})"
        for right, R in same.items():
            if left != right and agree(slope, L - R, rounding):
                text, parts = f"({left} - {right})", (left, right)

    def slips() -> Iterator[Slip]:
        yield Slip("derivative_missing", f"the factor {text} is left out of {{formula}}", lambda G: G)
        if parts is not None:
            left, right = same[parts[0]], same[parts[1]]
            plus = f"{parts[0]} + {parts[1]} stands for {text} in {{formula}}"
            yield Slip("operand_sign", plus, lambda G: G * (left + right))
            for kept, term in ((parts[0], left), (parts[1], -right)):
                only = f"{name} is used twice in {label}: only the term with {kept} is left of {{formula}}"
                yield Slip("assigned_not_accumulated", only, lambda G, term=term: G * term)  # type: ignore[misc]
        yield Slip("extra_output_derivative", f"the factor {text} is there twice: {{formula}}", lambda G: G * slope**2)
        yield Slip("function_for_derivative", f"{label} itself stands for {text} in {{formula}}", lambda G: G * Q)
        for key, value in same.items():
            other = f"{key} stands for {text} in {{formula}}"
            yield Slip("derivative_fed_A", other, lambda G, value=value: G * value)  # type: ignore[misc]
            one_minus = f"1 - {key} stands for {text} in {{formula}}"
            yield Slip("derivative_fed_A", one_minus, lambda G, value=value: G * (1 - value))  # type: ignore[misc]
        for g in KNOWN:
            other = f"{g.text.format(Z=name, A=label)}, {g.name}'s derivative, stands for {text} in {{formula}}"
            yield Slip("other_activation", other, lambda G, g=g: G * g.from_Z(P))  # type: ignore[misc]

    return Edge(label, name, "other", lambda G: G * slope, lambda G: f"{G} * {text}", slips)
