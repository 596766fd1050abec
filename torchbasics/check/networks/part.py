"""The verdicts on one layer's step, and on one loss's, whoever ran it: a network's sweep, or a check of the part."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from torchbasics.check.networks.judge import Sigma, judge, units, verdict
from torchbasics.check.networks.kink import between_sides
from torchbasics.check.networks.local import Local, OwnCost, OwnForward, Values, cost_and_slope
from torchbasics.check.networks.sampling import layer_sigma, loss_sigma
from torchbasics.check.report import Quantity
from torchbasics.losses import Loss


@dataclass(frozen=True)
class ByHand:
    """What a derivation gave in one step; None where it gave nothing."""

    A: Tensor
    dA_prev: Tensor | None
    gradients: dict[str, Tensor | None]


@dataclass(frozen=True)
class Labels:
    """The notes' names of a layer's values: what comes out, what goes in, and its parameters by their own names."""

    A: str
    A_prev: str
    parameters: dict[str, str]


@dataclass(frozen=True)
class Judged:
    """The verdicts on a step, and the reference's values by the quantities' names; `forward` is None without a twin."""

    forward: Quantity | None
    backward: list[Quantity]
    right: dict[str, Tensor]


def judge_layer(step: Local, hand: ByHand, labels: Labels) -> Judged:
    """A, then the parameters' gradients, then dA_prev where the step is `inner`; only A where `step.dA` is None."""
    reference = step.reference()
    sigma = functools.cache(lambda exact: layer_sigma(step, reference, exact))
    if isinstance(step.module, OwnForward):
        return _backward_of_layer(step, hand, labels, reference, sigma)
    forward = judge(labels.A, hand.A, reference.A, lambda exact: sigma(exact).A, "torch.nn twin")
    judged = replace(_backward_of_layer(step, hand, labels, reference, sigma), forward=forward)
    if forward.verdict == "right":
        return judged
    forward.note = forward.note or f"differs from nn.{type(step.module).__name__} of the same {labels.A_prev}"
    return _or_its_own(
        judged, labels.A, lambda: judge_layer(replace(step, module=OwnForward(step.layer)), hand, labels)
    )


def judge_loss(
    loss: Loss,
    module: nn.Module,
    A: Tensor,
    Y: Tensor,
    J: Tensor,
    dA: Tensor | None,
    convention: float,
    label: str,
    penalty: tuple[Tensor, Tensor] | None = None,
) -> Judged:
    """J, and dA where it was computed; `label` is that of A, and `penalty` the weights' term of J with its S."""
    reference = cost_and_slope(module, A, Y, convention)
    sigma = functools.cache(lambda exact: loss_sigma(loss, module, A, Y, convention, reference, exact))
    name, right = f"d{label}", reference[1]
    backward = []
    if dA is not None:
        quantity = judge(name, dA, right, lambda exact: sigma(exact)[1], "autograd")
        if quantity.verdict == "wrong":

            def derivative(moved: Tensor) -> Tensor:
                return cost_and_slope(module, moved, Y, convention)[1]

            quantity = _at_kinks(quantity, derivative, A, dA, right, sigma(True)[1], label)
        backward.append(quantity)
    judged = Judged(None, backward, {name: right})
    if isinstance(module, OwnCost):
        return judged
    right_J: Tensor = reference[0]
    S_J: Sigma = lambda exact: sigma(exact)[0]  # noqa: E731  # as those below, but of a pair
    if penalty is not None:
        right_J, S_J = right_J + penalty[0], _plus(S_J, penalty[1])
    forward = judge("J", J, right_J, S_J, "torch.nn twin")
    judged = replace(judged, forward=forward)
    if forward.verdict == "right":
        return judged
    forward.note = forward.note or f"differs from torch.nn's cost of the same {label}"
    return _or_its_own(judged, "J", lambda: judge_loss(loss, OwnCost(loss), A, Y, J, dA, convention, label, penalty))


def _backward_of_layer(
    step: Local, hand: ByHand, labels: Labels, reference: Values, sigma: Callable[[bool], Values]
) -> Judged:
    backward: list[Quantity] = []
    right: dict[str, Tensor] = {}
    for own_name, value in reference.gradients.items():
        name = f"d{labels.parameters[own_name]}"
        S = _gradient(sigma, own_name)
        if (penalty := step.penalties.get(own_name)) is not None:
            # Rounded three times: lambda / m, its product with W, and the sum.
            value, S = value + penalty, _plus(S, 3 * penalty.abs())
        right[name] = value
        backward.append(judge(name, hand.gradients[own_name], value, S, "autograd"))
    if reference.dA_prev is not None:
        name = f"d{labels.A_prev}"
        right[name] = reference.dA_prev
        S = _of_input(sigma)
        quantity = judge(name, hand.dA_prev, reference.dA_prev, S, "autograd")
        if quantity.verdict == "wrong" and hand.dA_prev is not None:

            def derivative(A_prev: Tensor) -> Tensor:
                moved = replace(step, A_prev=A_prev).reference().dA_prev
                assert moved is not None
                return moved

            arguments = (derivative, step.A_prev, hand.dA_prev, reference.dA_prev, S(True))
            quantity = _at_kinks(quantity, *arguments, labels.A_prev)
        backward.append(quantity)
    return Judged(None, backward, right)


def _or_its_own(judged: Judged, label: str, against_its_own: Callable[[], Judged]) -> Judged:
    """Where the forward is wrong, a derivative of that very forward is no second mistake."""
    try:
        own = against_its_own()
    except RuntimeError:  # autograd cannot go through it
        return judged
    by_name = {quantity.name: quantity for quantity in own.backward if quantity.verdict == "right"}
    for k, quantity in enumerate(judged.backward):
        if quantity.verdict == "wrong" and quantity.name in by_name:
            judged.backward[k] = by_name[quantity.name]
            judged.backward[k].note = f"the derivative of its own forward, whose {label} is wrong"
            judged.right[quantity.name] = own.right[quantity.name]
    return judged


def _plus(S: Sigma, more: Tensor) -> Sigma:
    """S of a sum whose other term has a rounding of its own."""
    return lambda exact: torch.hypot(S(exact), more)


def _gradient(sigma: Callable[[bool], Values], name: str) -> Callable[[bool], Tensor]:
    return lambda exact: sigma(exact).gradients[name]


def _of_input(sigma: Callable[[bool], Values]) -> Callable[[bool], Tensor]:
    def S(exact: bool) -> Tensor:
        value = sigma(exact).dA_prev
        assert value is not None
        return value

    return S


def _at_kinks(
    quantity: Quantity,
    derivative: Callable[[Tensor], Tensor],
    at: Tensor,
    yours: Tensor,
    right: Tensor,
    S: Tensor,
    label: str,
) -> Quantity:
    """The quantity without the entries where `yours` only took another side of a kink than the reference."""
    if yours.shape != right.shape:
        return quantity
    yours = yours.to(right.dtype)
    ratio = units(yours, right, S)
    excused = between_sides(derivative, at, yours, right, S) & (ratio > 0)
    count = int(excused.sum())
    if not count:
        return quantity
    first = tuple(int(i) for i in torch.nonzero(excused)[0])
    where = f"{label} is {at[first].item():.3g}" if at.shape == excused.shape else f"{label} is within rounding of it"
    note = f"takes the other side of a kink in {count} entries, the first at {first}, where {where}: either is right"
    quantity = verdict(quantity.name, yours, right, ratio.masked_fill(excused, 0.0), quantity.reference_kind)
    quantity.note = note
    return quantity
