"""What is known about one wrong quantity: all that the diagnosis works from.

Legend: values are float64 arrays in the shapes of the user's program; `forward` and `backward` are keyed by the labels
that the report shows (Z1, A1, W1, J; dZ2, dW2).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Step:
    """One step of the user's backward sweep that came out wrong."""

    name: str
    """The gradient, such as "dW1"."""

    of: str
    """What it is the gradient of, such as "W1": a key of `forward`."""

    yours: Array
    right: Array
    """The right value given the user's own downstream gradients, in the user's convention."""

    overall: Array
    """The right value by plain autograd, given right downstream values, in the user's convention."""

    rounding: float
    """The unit roundoff of the user's dtype, 2**-53 or 2**-24."""

    m: int
    """Examples."""

    convention: float
    """Intermediate gradients of the user are this times dJ/d(that): m in the notes' convention, 1 in autograd's."""

    forward: Mapping[str, Array]
    """Every labelled value of the forward sweep, inputs and parameters among them, in the order they came."""

    backward: Mapping[str, Array]
    """The user's own gradients by label, in the order of the backward sweep."""

    scalars: Mapping[str, float] = field(default_factory=dict)
    """Numbers that the user named: m, lambd, keep_prob, learning_rate, stride, pad."""

    locals: Mapping[str, Array] = field(default_factory=dict)
    """Other arrays that the user named and that are neither of the above: masks, x_hat, exps."""

    paths: Mapping[str, Array] = field(default_factory=dict)
    """`right` split by where it comes from: {"Z2": the part through Z2, "J": the direct part}; they sum to it."""

    outer: Array | None = None
    """Where `yours` is meant for what `of` is made from, before its activation: the right value for `of` itself."""

    handed: frozenset[str] = frozenset()
    """What cells hand on and use themselves, as an LSTM's c_next: its gradient is what comes from the next cell."""

    vjp: Callable[[str, str, Array], Array | None] = lambda output, of, cotangent: None
    """(output, input, cotangent) -> cotangent * d output / d input for two forward labels, with every quantity between
    them free; None if the one does not depend on the other."""
