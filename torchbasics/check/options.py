"""What the user may say about a file that is to be checked; everything has a default that is found out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Options:
    """How to check one file."""

    forward: str | None = None
    """The function that computes the predictions (or everything, as `propagate` does)."""

    cost: str | None = None
    """The function that computes J."""

    backward: str | None = None
    """The function that computes the gradients."""

    shape: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Shapes of inputs by name, such as W1=(5, 4)."""

    layers: tuple[int, ...] | None = None
    """Layer sizes n[0], ..., n[L]."""

    seed: int = 0
    """Seed of the input values that are drawn."""

    dtype: Literal["float64", "float32"] = "float64"
    """Of the input values that are drawn."""
