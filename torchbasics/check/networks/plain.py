"""The twin as a whole, in one plain pass: what the gradients are given right values everywhere."""

import copy

import torch
from torch import Tensor, nn

from torchbasics.check.networks.local import pairs_of
from torchbasics.check.networks.penalised import penalty_cost
from torchbasics.check.networks.rounding import BOUND, unit
from torchbasics.check.networks.sampling import SAMPLES, Run, sample
from torchbasics.check.networks.sweep import Sweep
from torchbasics.layers import Layer
from torchbasics.network import is_weight
from torchbasics.notation import examples_first, examples_last
from torchbasics.regularisation import Penalty


class Plain:
    """X -> parts -> J with every value kept under its label: X, W1, b1, Z1, A1, ..., J."""

    def __init__(
        self,
        layers: list[Layer],
        names: list[str],
        own_names: list[dict[str, str]],
        parts: list[nn.Module],
        cost: nn.Module,
        X: Tensor,
        Y: Tensor,
        penalties: list[Penalty],
    ) -> None:
        self.shapes: dict[str, torch.Size] = {}
        A = examples_first(X).detach().requires_grad_()
        self.nodes: dict[str, Tensor] = {"X": A}
        for name, notes, layer, module in zip(names, own_names, layers, parts, strict=True):
            for own_name, ours, theirs in pairs_of(layer, module):
                self.nodes[notes[own_name]] = theirs
                self.shapes[notes[own_name]] = ours.shape
            self.nodes[name] = A = module(A)
        self.nodes["J"] = cost(A, examples_first(Y))
        weights = [value for label, value in self.nodes.items() if label in self.shapes and is_weight(label)]
        if penalties and weights:
            self.nodes["J"] = self.nodes["J"] + penalty_cost(penalties, weights, Y.shape[-1])

    @classmethod
    def of(cls, done: Sweep) -> "Plain":
        """The plain pass at a sweep's X and Y."""
        return cls(
            done.layers, done.names, done.own_names, done.parts, done.cost, done.inputs[0], done.Y, done.penalties
        )

    def value(self, label: str) -> Tensor:
        """In the notes' shape."""
        return self._last(label, self.nodes[label].detach())

    def vjp(self, output: str, label: str, cotangent: Tensor) -> Tensor | None:
        """cotangent * d output / d label, or None where the one does not depend on the other."""
        if output not in self.nodes or label not in self.nodes or output in self.shapes or output == "X":
            return None
        at = self.nodes[output]
        seed = cotangent if at.ndim == 0 else examples_first(cotangent)
        if seed.shape != at.shape:
            return None
        (found,) = torch.autograd.grad(at, self.nodes[label], seed, retain_graph=True, allow_unused=True)
        return None if found is None else self._last(label, found)

    def gradient(self, label: str) -> Tensor:
        """dJ/d label."""
        found = self.vjp("J", label, torch.ones_like(self.nodes["J"]))
        return torch.zeros_like(self.value(label)) if found is None else found

    def gradients(self) -> list[Tensor]:
        """dJ/d label of every parameter, in one backward pass."""
        labels = list(self.shapes)
        found = torch.autograd.grad(self.nodes["J"], [self.nodes[label] for label in labels], allow_unused=True)
        return [
            torch.zeros_like(self.value(label)) if gradient is None else self._last(label, gradient)
            for label, gradient in zip(labels, found, strict=True)
        ]

    def _last(self, label: str, value: Tensor) -> Tensor:
        if label in self.shapes:
            return value.reshape(self.shapes[label])
        return value if value.ndim == 0 else examples_last(value)


def right_overall(done: Sweep) -> dict[str, bool]:
    """Whether each parameter's gradient by hand is the whole twin's, to the rounding of its largest entry."""
    plain, hand = Plain.of(done), done.backward()
    labels = list(plain.shapes)
    right = plain.gradients()

    def side(dtype: torch.dtype) -> list[Run]:
        *parts, cost = (copy.deepcopy(module).to(dtype) for module in [*done.parts, done.cost])

        def run(inputs: list[Tensor]) -> list[Tensor | None]:
            names = done.names, done.own_names
            again = Plain(done.layers, *names, parts, cost, inputs[0], done.Y.to(dtype), done.penalties)
            return list(again.gradients())

        return [run]

    fixed = int(next(done.layers[0].parts())[1].takes_tokens)
    sides = {dtype: side(dtype) for dtype in (torch.float32, torch.float64)}
    S = sample(sides, [done.inputs[0]], [*right], SAMPLES, SAMPLES, fixed)
    verdicts = {}
    for label, value, sigma in zip(labels, right, S, strict=True):
        yours = hand[f"d{label}"]
        assert sigma is not None
        allowed = BOUND * unit(value.dtype) * sigma.max().item() + torch.finfo(value.dtype).tiny
        fits = yours is not None and yours.shape == value.shape and bool(((yours - value).abs() <= allowed).all())
        verdicts[f"d{label}"] = fits
    return verdicts
