"""Dropout under one name: A = g(Z), then A = A * D / keep_prob, of which a `Step` has the last A and the last dA.

Legend: H = g(Z) is the A before its dropout; a reading is the step with H among the quantities and dA where it belongs.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from torchbasics.check.diagnosis.activation import KNOWN, LEAKS, Activation, leaky
from torchbasics.check.diagnosis.regularisation import Dropout, masks, recognised
from torchbasics.check.step import Array, Step

Vjp = Callable[[str, str, Array], Array | None]


@dataclass(frozen=True)
class Reused:
    """A label whose first value, H = g(Z), has no label of its own."""

    label: str
    Z: str
    g: Activation
    H: Array
    dropout: Dropout

    @property
    def first(self) -> str:
        """What H is called: relu(Z1)."""
        name = {"ReLU": "relu", "leaky ReLU": "leaky_relu"}.get(self.g.name, self.g.name)
        return f"{name}({self.Z})"


def found(step: Step) -> dict[str, Reused]:
    """The labels that dropout reuses, in the order of the sweep."""
    zeros_and_ones = dict(masks({**step.forward, **step.locals}))
    if not zeros_and_ones:
        return {}
    labels = list(step.forward)
    reused: dict[str, Reused] = {}
    for position, label in enumerate(labels):
        A = step.forward[label]
        if not any(D.shape == A.shape and not A[D == 0].any() for key, D in zeros_and_ones.items() if key != label):
            continue
        for Z in reversed(labels[:position]):
            one = _of(step, Z, label, {key: D for key, D in zeros_and_ones.items() if key not in (Z, label)})
            if one is not None:
                reused[label] = one
                break
    return reused


def _of(step: Step, Z: str, label: str, zeros_and_ones: dict[str, Array]) -> Reused | None:
    value, A = step.forward[Z], step.forward[label]
    if value.shape != A.shape:
        return None
    for g in (*KNOWN, *(leaky(slope) for slope in LEAKS)):
        H = g.g(value)
        if any(before.shape == H.shape and np.array_equal(before, H) for before in step.forward.values()):
            continue
        for dropout in recognised(H, A, zeros_and_ones, step.rounding):
            return Reused(label, Z, g, H, dropout)
    return None


def readings(step: Step) -> Iterator[tuple[Step, dict[str, str]]]:
    """The step as it may be meant, and what the gradients of its new labels are called; the step itself where nothing
    is reused."""
    reused = list(found(step).values())
    called = {f"d{one.first}": f"d{one.label}" for one in reused}
    base = step
    for one in reused:
        base = _with(base, one, one.first, one.H, one.dropout.D / one.dropout.keep_prob)
        dA = step.backward.get(f"d{one.label}")
        # The mask's zeros are in every dA but the one that comes from the layer above.
        if one.label != step.of and dA is not None and dA.shape == one.H.shape and not dA[one.dropout.D == 0].any():
            base = _moved(base, one)
    yield base, called
    for one in reused:
        D, keep = one.dropout.D, one.dropout.keep_prob
        if one.label == step.of:
            yield _of_earlier(base, one, one.first), called
            for label, factor, rest in (
                (f"{one.first} * {one.dropout.D_label}", D, np.asarray(1 / keep)),
                (f"{one.first} / keep_prob", np.asarray(1 / keep), D),
            ):
                middle = _with(base, one, label, one.H * factor, rest)
                yield _of_earlier(middle, one, label), {**called, f"d{label}": f"d{one.label}"}
        elif one.label in step.paths and f"d{one.label}" in base.backward:
            yield _moved(base, one), called


def _with(step: Step, one: Reused, name: str, value: Array, rest: Array) -> Step:
    """With the A before its dropout, or in the middle of it, among the quantities; A = value * rest."""
    forward: dict[str, Array] = {}
    for label, before in step.forward.items():
        if label == one.label:
            forward[name] = value
        forward[label] = before
    vjp = step.vjp

    def with_value(output: str, of: str, cotangent: Array) -> Array | None:
        if of == name:
            G = cotangent if output == one.label else vjp(output, one.label, cotangent)
            return None if G is None else np.asarray(G.reshape(value.shape) * rest)
        if output == name:
            G = cotangent.reshape(value.shape) * one.g.from_Z(step.forward[one.Z])
            return np.asarray(G) if of == one.Z else vjp(one.Z, of, np.asarray(G))
        return vjp(output, of, cotangent)

    return replace(step, forward=forward, vjp=with_value)


def _moved(step: Step, one: Reused) -> Step:
    """With the user's dA as that of H."""
    backward = {f"d{one.first}" if name == f"d{one.label}" else name: G for name, G in step.backward.items()}
    paths = {one.first if name == one.label else name: part for name, part in step.paths.items()}
    return replace(step, backward=backward, paths=paths)


def _of_earlier(step: Step, one: Reused, label: str) -> Step:
    """With the dA that is judged as that of an earlier A; a later one is not known."""
    backward = {name: G for name, G in step.backward.items() if name != f"d{one.label}"}
    return replace(step, of=label, name=f"d{label}", backward={**backward, f"d{label}": step.yours}, paths={})
