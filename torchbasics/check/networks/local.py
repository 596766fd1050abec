r"""One layer's step of the sweeps on its own, and what its reference makes of the same inputs.

Given the derivation's own A_prev and dA, both sides compute A, dA_prev and the gradients of the parameters; the
reference by `torch.nn` and autograd:

$$dA_{prev} = \Big(\frac{\partial A}{\partial A_{prev}}\Big)^T dA, \qquad
  dW = \frac1c \Big(\frac{\partial A}{\partial W}\Big)^T dA$$

with c = m in the notes' convention and c = 1 in autograd's. Since both begin at the same numbers, an earlier mistake
stains nothing here. This is what a tensor hook at every quantity does in one backward pass from J, which records what
arrives and passes on the derivation's value in its place; layer by layer it judges the forward sweep as well, at the
same cost.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from torchbasics.errors import InputError
from torchbasics.layers.base import Layer
from torchbasics.losses import Loss
from torchbasics.notation import examples_first, examples_last


class OwnForward(nn.Module):
    """The layer's own forward behind a twin's face, examples first: the reference where there is no twin."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.layer = copy.deepcopy(layer)
        for parameter in self.layer.parameters():
            parameter.requires_grad_()

    def forward(self, A_prev: Tensor) -> Tensor:
        """A."""
        # A layer may work in place, which autograd forbids on a leaf. What it caches, graph and all, goes into a
        # shallow copy, so that this module can still be copied.
        return examples_first(copy.copy(self.layer)(examples_last(A_prev).clone()))


class OwnCost(nn.Module):
    """The loss's own forward behind a twin's face."""

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.loss = copy.deepcopy(loss)

    def forward(self, predictions: Tensor, labels: Tensor) -> Tensor:
        """J."""
        J: Tensor = copy.copy(self.loss)(examples_last(predictions).clone(), examples_last(labels))
        return J


def reference_of(part: Layer | Loss) -> nn.Module:
    """The twin, or the part's own forward where `twin` raises `NotImplementedError` or returns nothing."""
    module: object
    try:
        module = part.twin()
    except NotImplementedError:
        module = None
    if module is None:
        return OwnForward(part) if isinstance(part, Layer) else OwnCost(part)
    if not isinstance(module, nn.Module):
        raise InputError(f"{type(part).__name__}.twin() returned {module!r}, expected a module of stock torch.nn parts")
    return module.train(part.training)


def pairs_of(layer: Layer, module: nn.Module) -> list[tuple[str, nn.Parameter, nn.Parameter]]:
    """(name, the layer's parameter, the reference's) for every parameter; an `InputError` for one without a partner."""
    if isinstance(module, OwnForward):
        return [(name, ours, module.layer.get_parameter(name)) for name, ours in layer.named_parameters()]
    try:
        pairs = list(layer.pairs(module))
    except (AttributeError, KeyError) as error:
        raise InputError(
            f"{type(layer).__name__} and its twin {type(module).__name__} do not match: {error.args[0]}; "
            "twin_names maps each parameter's name to its name in the twin"
        ) from error
    missing = sorted({name for name, _ in layer.named_parameters()} - {name for name, _, _ in pairs})
    if missing:
        raise InputError(
            f"{type(layer).__name__} has the parameter {missing[0]}, which twin_names maps to none of its twin's: "
            "add it, and its gradient can be judged"
        )
    return pairs


@dataclass(frozen=True)
class Values:
    """What one side computes in a layer's step; `dA_prev` and `gradients` as far as they were asked for."""

    A: Tensor
    dA_prev: Tensor | None
    gradients: dict[str, Tensor]


@dataclass(frozen=True)
class Local:
    """A layer's step: what goes in, on which both sides agree."""

    layer: Layer
    module: nn.Module
    A_prev: Tensor
    dA: Tensor | None
    """None where only the forward can be judged."""
    convention: float
    inner: bool
    """Whether dA_prev is wanted; the first layer of a network never forms it."""
    penalties: dict[str, Tensor] = field(default_factory=dict)
    """What the network's penalties add to the parameters' gradients, by their own names."""

    def reference(self) -> Values:
        """The reference's values, in the derivation's shapes."""
        return evaluate(self.layer, self.module, self.A_prev, self.dA, self.convention, self.inner)


def evaluate(
    layer: Layer, module: nn.Module, A_prev: Tensor, dA: Tensor | None, convention: float, inner: bool
) -> Values:
    """A, dA_prev and gradients by `module` and autograd, shaped as the layer's."""
    first = examples_first(A_prev).detach()
    if dA is None:
        with torch.no_grad():
            return Values(examples_last(module(first)), None, {})
    A = module(first.requires_grad_(inner))
    pairs = pairs_of(layer, module)
    wanted = [theirs for _, _, theirs in pairs] + ([first] if inner else [])
    if A.shape != examples_first(dA).shape or not A.requires_grad:
        return Values(examples_last(A.detach()), None, {})
    # dA is divided rather than the gradients, which are larger where the layer is wide.
    found = torch.autograd.grad(A, wanted, examples_first(dA / convention), allow_unused=True)
    filled = [torch.zeros_like(at) if value is None else value for at, value in zip(wanted, found, strict=True)]
    gradients = {name: value.reshape(ours.shape) for (name, ours, _), value in zip(pairs, filled, strict=False)}
    return Values(examples_last(A.detach()), examples_last(filled[-1]) * convention if inner else None, gradients)


def by_hand(layer: Layer, A_prev: Tensor, dA: Tensor, inner: bool) -> Values:
    """A, dA_prev and gradients by the layer itself; a gradient that it does not write is absent."""
    for parameter in layer.parameters():
        parameter.grad = None
    # A backward may work in place on what it is given.
    A = layer(A_prev).detach().clone()
    dA_prev: Tensor | None = None
    if inner:
        dA_prev = layer.backward(dA.clone())
    else:
        layer.gradients(dA.clone())
    gradients = {name: at.grad for name, at in layer.named_parameters() if at.grad is not None}
    return Values(A, None if dA_prev is None else dA_prev.detach(), gradients)


def cost_and_slope(module: nn.Module, A: Tensor, Y: Tensor, convention: float) -> tuple[Tensor, Tensor]:
    """J and dA = c dJ/dA by the reference of a loss."""
    first = examples_first(A).detach().requires_grad_()
    J = module(first, examples_first(Y))
    (slope,) = torch.autograd.grad(J, first)
    return J.detach(), examples_last(slope) * convention


def quotient(f: Callable[[], Tensor], at: Tensor, index: tuple[int, ...], cotangent: Tensor) -> float:
    """d<cotangent, f>/d(at[index]) by a central difference; `at` is float64, changed in place and put back.

    The outputs are subtracted before they are summed, so that those which do not depend on the entry add no rounding.
    """
    value = at[index].item()
    # Truncation h^2/6 f''' and rounding eps/h f are both about 1e-10 for f of order 1.
    h = 1e-5 * max(1.0, abs(value))
    with torch.no_grad():
        at[index] = value + h
        # A reshaped `at` would change with it.
        above, upper = f().clone(), at[index].item()
        at[index] = value - h
        below, lower = f().clone(), at[index].item()
        at[index] = value
        return float(((above - below) * cotangent).sum() / (upper - lower))
