"""Steps made by hand: a forward sweep in torch, gradients as a learner has them, and what autograd says of each.

A model is a function of its leaves and of `tap`, which it calls on every quantity that has a name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from torchbasics.check.step import Array, Step

Tap = Callable[[str, Tensor], Tensor]
Model = Callable[[Mapping[str, Tensor], Tap], Tensor]


@dataclass
class Program:
    """A model at its inputs, and the gradients that the learner has."""

    model: Model
    inputs: dict[str, Array]
    parameters: tuple[str, ...]
    m: int
    claims: tuple[str, ...]
    """The forward quantities whose gradients the learner has, from the last to the first."""

    scalars: dict[str, float] = field(default_factory=dict)
    locals: dict[str, Array] = field(default_factory=dict)
    notes: bool = True
    """The notes' convention, dZ = m dJ/dZ; else autograd's."""

    rounding: float = 2.0**-53

    _runs: dict[str, tuple[dict[str, Tensor], dict[str, Tensor]]] = field(default_factory=dict, init=False)
    """By the quantity cut off, for the diagnosis asks for dozens of vjps: kept from the first of them on."""

    @property
    def convention(self) -> float:
        return float(self.m) if self.notes else 1.0

    def rounded(self, value: Array) -> Array:
        """As the learner's dtype has it."""
        return value.astype(np.float32).astype(float) if self.rounding > 1e-10 else value.astype(float)

    def run(self, cut: frozenset[str] = frozenset()) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Every quantity as it was computed, and as it goes on: a leaf of its own if cut."""
        computed: dict[str, Tensor] = {}
        going_on: dict[str, Tensor] = {}

        def tap(label: str, value: Tensor) -> Tensor:
            computed[label] = value
            going_on[label] = value.detach().requires_grad_() if label in cut else value
            return going_on[label]

        leaves = {name: tap(name, torch.from_numpy(self.rounded(value))) for name, value in self.inputs.items()}
        tap("J", self.model(leaves, tap))
        return computed, going_on

    def vjp(self, output: str, of: str, cotangent: Array) -> Array | None:
        if of not in self._runs:
            self._runs[of] = self.run(frozenset([of]))
        computed, going_on = self._runs[of]
        if output == of or not computed[output].requires_grad:
            return None
        weight = torch.from_numpy(np.array(cotangent, dtype=float).reshape(computed[output].shape))
        (found,) = torch.autograd.grad(computed[output], going_on[of], weight, retain_graph=True, allow_unused=True)
        return None if found is None else found.numpy()

    def forward(self) -> dict[str, Array]:
        computed, _ = self.run()
        return {label: self.rounded(value.detach().numpy()) for label, value in computed.items()}

    def gradients(self) -> dict[str, Array]:
        """The right gradients of what the learner has, in the learner's convention and dtype."""
        return {f"d{of}": self.rounded(self.overall(of)) for of in self.claims}

    def overall(self, of: str) -> Array:
        found = self.vjp("J", of, np.ones(()))
        assert found is not None
        return found if of in self.parameters else found * self.convention

    def step(self, of: str, yours: Array, backward: dict[str, Array]) -> Step:
        """The step at `of` for the learner's own gradients, `yours` among them."""
        computed, going_on = self.run(frozenset([*self.claims, of]))
        scale = 1 / self.convention if of in self.parameters else 1.0
        paths: dict[str, Array] = {}
        for end in (*self.claims, "J"):
            if end == of or not computed[end].requires_grad:
                continue
            G = np.full((), self.convention) if end == "J" else backward[f"d{end}"]
            (part,) = torch.autograd.grad(
                computed[end], going_on[of], torch.from_numpy(np.array(G)), retain_graph=True, allow_unused=True
            )
            if part is not None:
                paths[end] = scale * part.numpy()
        return Step(
            name=f"d{of}",
            of=of,
            yours=np.asarray(yours, dtype=float),
            right=np.asarray(sum(paths.values())),
            overall=self.overall(of),
            rounding=self.rounding,
            m=self.m,
            convention=self.convention,
            forward=self.forward(),
            backward={**backward, f"d{of}": np.asarray(yours, dtype=float)},
            scalars={"m": float(self.m), **self.scalars},
            locals=self.locals,
            paths=paths,
            vjp=self.vjp,
        )
