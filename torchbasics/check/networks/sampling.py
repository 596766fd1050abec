"""The rounding of a step that `rounding` has no formula for, by repeating it: see there.

What a first, small sample finds too large for rounding is held against a large one, which counts in what the order of
the sums can do (`sums`).
It needs nothing of a layer but what `Layer` promises, so that a recurrence is judged as it comes, and a derivation of
your own.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from torchbasics.check.networks.local import (
    Local,
    OwnCost,
    OwnForward,
    Values,
    by_hand,
    cost_and_slope,
    evaluate,
    pairs_of,
)
from torchbasics.check.networks.rounding import LAYERS, LOSSES, unit
from torchbasics.check.networks.sums import SHAKE, ShakenSums
from torchbasics.losses import Loss

# Large against float32's rounding, so that each sample is rounded anew; small against 1, so that it is the same step.
JITTER = 2.0**-12
# A sigma estimated from 12 samples is 3 times too small once in 10^4 entries; then 40 samples decide.
SAMPLES, MORE_SAMPLES = 12, 40

Run = Callable[[list[Tensor]], list[Tensor | None]]


def layer_sigma(step: Local, right: Values, exact: bool) -> Values:
    """S of every quantity of a layer's step, in the place of its value; `exact` once a first estimate has failed it."""
    rule = LAYERS.get(type(step.layer))
    if rule is not None and not isinstance(step.module, OwnForward):
        return rule(step, right, exact)
    names = list(right.gradients)
    inputs = [step.A_prev, *([] if step.dA is None else [step.dA]), *(step.layer.get_parameter(name) for name in names)]
    outputs = [right.A, right.dA_prev, *right.gradients.values()]
    sides = {dtype: _sides_of_layer(step, names, dtype) for dtype in (torch.float32, torch.float64)}
    _, first = next(step.layer.parts())
    S = sample(sides, inputs, outputs, *_counts(exact), fixed=int(first.takes_tokens))
    assert S[0] is not None
    return Values(S[0], S[1], {name: value for name, value in zip(names, S[2:], strict=True) if value is not None})


def loss_sigma(
    loss: Loss,
    module: nn.Module,
    A: Tensor,
    Y: Tensor,
    convention: float,
    right: tuple[Tensor, Tensor],
    exact: bool,
) -> tuple[Tensor, Tensor]:
    """S of J and of dA."""
    rule = LOSSES.get(type(loss))
    if rule is not None and not isinstance(module, OwnCost):
        S_J, S_dA = rule(A, Y, *right)
        return S_J, S_dA
    sides = {dtype: _sides_of_loss(loss, module, Y, convention, dtype) for dtype in (torch.float32, torch.float64)}
    S = sample(sides, [A], list(right), *_counts(exact))
    assert S[0] is not None
    assert S[1] is not None
    return S[0], S[1]


def _sides_of_layer(step: Local, names: list[str], dtype: torch.dtype) -> list[Run]:
    layer = copy.deepcopy(step.layer).to(dtype)
    module = copy.deepcopy(step.module).to(dtype)
    pairs = pairs_of(layer, module)

    def collect(values: Values) -> list[Tensor | None]:
        return [values.A, values.dA_prev, *(values.gradients.get(name) for name in names)]

    def fill(parameters: list[Tensor]) -> None:
        given = dict(zip(names, parameters, strict=True))
        for name, ours, theirs in pairs:
            if name in given:
                ours.data.copy_(given[name])
                theirs.data.copy_(given[name].reshape(theirs.shape))

    def hand(inputs: list[Tensor]) -> list[Tensor | None]:
        if step.dA is None:
            fill(inputs[1:])
            return [layer(inputs[0]).detach(), None]
        fill(inputs[2:])
        values = by_hand(layer, inputs[0], inputs[1], step.inner)
        return collect(values)

    def reference(inputs: list[Tensor]) -> list[Tensor | None]:
        dA = None if step.dA is None else inputs[1]
        fill(inputs[1 if dA is None else 2 :])
        return collect(evaluate(layer, module, inputs[0], dA, step.convention, step.inner))

    return [hand, reference]


def _sides_of_loss(loss: Loss, module: nn.Module, Y: Tensor, convention: float, dtype: torch.dtype) -> list[Run]:
    copied, labels = copy.deepcopy(loss).to(dtype), Y.to(dtype)
    module = copy.deepcopy(module).to(dtype)

    def hand(inputs: list[Tensor]) -> list[Tensor | None]:
        J = copied(inputs[0], labels)
        return [J.detach(), copied.backward().detach()]

    def reference(inputs: list[Tensor]) -> list[Tensor | None]:
        return list(cost_and_slope(module, inputs[0], labels, convention))

    return [hand, reference]


def sample(
    sides: dict[torch.dtype, list[Run]],
    inputs: list[Tensor],
    outputs: list[Tensor | None],
    count: int,
    shaken: int,
    fixed: int = 0,
) -> list[Tensor | None]:
    """S of each output: the root mean square of the sides' rounding and of the spread, and 2 times the value at least.

    Of `count` samples; the first `shaken` of them say what the order of the sums can do. `sides` are the
    implementations in float32 and in float64, the reference last; `outputs` its values at `inputs`, of which the first
    `fixed` are exact, as tokens are.
    """
    g = torch.Generator().manual_seed(0)
    variances = [None if value is None else torch.zeros_like(value, dtype=torch.float64) for value in outputs]

    def add(new: list[Tensor | None] | None, old: list[Tensor | None] | None, scale: float) -> None:
        for variance, a, b in zip(variances, new or [], old or [], strict=False):
            if variance is not None and a is not None and b is not None and a.shape == b.shape == variance.shape:
                # What overflows in float32 alone says nothing about float64.
                variance.add_(((a.double() - b.double()) / scale).square_().nan_to_num_(0, 0, 0))

    for k in range(count):
        jittered = [value.float() for value in inputs[:fixed]]
        jittered += [
            (value * (1 + JITTER * torch.randn(value.shape, generator=g, dtype=value.dtype))).float()
            for value in inputs[fixed:]
        ]
        for narrow_side, wide_side in zip(sides[torch.float32], sides[torch.float64], strict=True):
            narrow = _run(narrow_side, jittered)
            wide = _run(wide_side, [value.double() for value in jittered])
            add(narrow, wide, unit(torch.float32))
            if k < shaken:
                with ShakenSums(g):
                    off = _run(wide_side, [value.double() for value in jittered])
                add(off, wide, SHAKE * (shaken / count) ** 0.5)
        # The reference comes last.
        add(wide, outputs, JITTER)
    S: list[Tensor | None] = []
    for variance, value in zip(variances, outputs, strict=True):
        if variance is None or value is None:
            S.append(None)
        else:
            S.append(torch.maximum((variance / count / 2).sqrt().to(value.dtype), 2 * value.abs()))
    return S


def _counts(exact: bool) -> tuple[int, int]:
    return (MORE_SAMPLES, SAMPLES) if exact else (SAMPLES, 0)


def _run(side: Run, inputs: list[Tensor]) -> list[Tensor | None] | None:
    """What the side gives, or None where it works in one dtype only."""
    try:
        return side(inputs)
    except RuntimeError:
        return None
