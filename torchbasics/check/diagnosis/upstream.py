"""Layers on their own: which of the forward quantities the gradient belongs to that the backward function was given.

A `Step` has it among `locals` under the user's name, or not at all where the user's gradient is that very array.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from torchbasics.check.diagnosis.edges import agree
from torchbasics.check.step import Array, Step


def with_given(step: Step) -> tuple[Step, dict[str, str]]:
    """The step with the given gradient among the user's, and what the user calls it."""
    if "J" in step.forward or "J" not in step.paths:
        return step, {}
    found = _found(step)
    if found is None:
        return step, {}
    name, G, output = found
    paths = {output if frontier == "J" else frontier: part for frontier, part in step.paths.items()}
    called = {f"d{output}": name} if name else {}
    return replace(step, backward={f"d{output}": G, **step.backward}, paths=paths), called


def _found(step: Step) -> tuple[str, Array, str] | None:
    """(name, gradient, output): what gives the right value, or else what has the output's name."""
    given = {name: value for name, value in step.locals.items() if name.startswith("d") and value.size > 1}
    # Where dxhat = dout, the array that was given is known as dxhat, rightly or wrongly.
    claimed = [("", G) for G in (*step.backward.values(), step.yours) if G.size > 1]
    for name, G in (*given.items(), *claimed):
        for output in _outputs(step, G):
            pulled = step.vjp(output, step.of, G)
            if pulled is not None and pulled.shape == step.right.shape:
                for s in (1.0, 1 / step.convention):
                    if agree(step.paths["J"], s * pulled, 100 * step.rounding):
                        return name, G, output
    for name, G in given.items():
        if name[1:] in step.forward and step.forward[name[1:]].shape == G.shape and name not in step.backward:
            return name, G, name[1:]
    return None


def _outputs(step: Step, G: Array) -> Iterator[str]:
    """The quantities of G's shape that it can be the gradient of, the last first."""
    for label in reversed(list(step.forward)):
        value = step.forward[label]
        if value.shape == G.shape and label != step.of and np.isfinite(G).all() and f"d{label}" not in step.backward:
            yield label
