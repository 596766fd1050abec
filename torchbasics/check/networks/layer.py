"""One layer or one loss by itself, with a random cotangent, against its twin, autograd and central differences."""

import copy
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from torchbasics.check.networks.differences import Difference
from torchbasics.check.networks.judge import absent
from torchbasics.check.networks.kept import kept
from torchbasics.check.networks.local import (
    Local,
    OwnCost,
    OwnForward,
    by_hand,
    pairs_of,
    reference_of,
)
from torchbasics.check.networks.part import ByHand, Judged, Labels, judge_layer, judge_loss
from torchbasics.check.report import Quantity, Report
from torchbasics.layers import Layer
from torchbasics.losses import Loss, PerExample
from torchbasics.notation import examples_first, examples_last

# Up to so many entries of a gradient, each is held against a central difference; above, the worst one is.
EVERY_ENTRY = 1000
# A central difference is right to about 1e-10 of the derivatives' size; a mistake is larger.
CLOSE = 1e-7

Derivative = Callable[[str, tuple[int, ...]], Difference | None]
"""(quantity, index) -> its derivative by differences, or None where there is none."""


def check_layer(layer: Layer, A_prev: Tensor, *, seed: int = 0) -> Report:
    """Judge A, dA_prev and the parameters' gradients at A_prev (n_prev, m) and a random dA.

    `backward` and `gradients` have to write the same. The layer is left as it was, its gradients, running statistics
    and what it keeps for `backward` included.
    """
    with kept(layer):
        return _check_layer(layer, A_prev, seed)


def _check_layer(layer: Layer, A_prev: Tensor, seed: int) -> Report:
    module = reference_of(layer)
    A = layer(A_prev).detach().clone()
    g = torch.Generator().manual_seed(seed)
    dA = torch.randn(A.shape, generator=g, dtype=A.dtype)
    m = float(A_prev.shape[-1])
    step = Local(layer, module, A_prev, dA, m, inner=True)
    values = by_hand(layer, A_prev, dA, inner=True)
    alone = by_hand(layer, A_prev, dA, inner=False).gradients
    gradients = {name: values.gradients.get(name) for name, _ in layer.named_parameters()}
    names = {name: name for name in gradients}
    judged = judge_layer(step, ByHand(A, values.dA_prev, gradients), Labels("A", "A_prev", names))
    report = _report(type(layer).__name__, judged, isinstance(module, OwnForward))
    for name, gradient in gradients.items():
        if gradient is not None and (name not in alone or not torch.equal(alone[name], gradient)):
            note = f"gradients does not write the d{name} that backward writes; as a first layer only gradients runs"
            report.quantities.append(absent(f"d{name} (gradients)", note))
    yours = {"dA_prev": values.dA_prev} | {f"d{name}": value for name, value in gradients.items()}
    _confirm(report, yours, _layer_differences(step))
    return _conclude(report)


def check_loss(loss: Loss, A: Tensor, Y: Tensor) -> Report:
    """Judge J and dA at the predictions A (n_y, m) and the labels Y (n_y, m); the loss is left as it was."""
    with kept(loss):
        return _check_loss(loss, A, Y)


def _check_loss(loss: Loss, A: Tensor, Y: Tensor) -> Report:
    module = reference_of(loss)
    J = loss(A, Y).detach().clone()
    dA = loss.backward().detach().clone()
    m = float(A.shape[-1])
    judged = judge_loss(loss, module, A, Y, J, dA, m, "A")
    report = _report(type(loss).__name__, judged, isinstance(module, OwnCost))
    cost, labels = copy.deepcopy(module).double(), examples_first(Y.double())
    at = A.double().clone()
    one = torch.ones((), dtype=torch.float64)

    def J_there() -> Tensor:
        found: Tensor = cost(examples_first(at), labels)
        return found

    here = _here(J_there)

    def difference(name: str, index: tuple[int, ...]) -> Difference | None:
        if here is None or _kept_small(module, A[index].item()):
            return None
        return Difference(J_there, here, at, index, one, m)

    _confirm(report, {"dA": dA}, difference)
    return _conclude(report)


def _report(name: str, judged: Judged, own: bool) -> Report:
    report = Report(name, "unchecked", convention="the notes': dA = m dJ/dA")
    if judged.forward is not None:
        report.quantities.append(judged.forward)
    report.quantities += judged.backward
    if own:
        report.notes.append(f"{name} has no twin: its own forward is the reference, and is not judged")
    return report


def _conclude(report: Report) -> Report:
    report.verdict = "wrong" if any(report.wrong) else "right"
    report.reason = "equal to torch.nn, autograd and central differences" if report else ""
    return report


def _layer_differences(step: Local) -> Derivative:
    module = copy.deepcopy(step.module).double()
    at = step.A_prev.double().clone()
    places = {"dA_prev": (at, 1.0)}
    for name, ours, theirs in pairs_of(step.layer, module):
        places[f"d{name}"] = (theirs.data.view(ours.shape), 1 / step.convention)
    assert step.dA is not None
    dA = step.dA.double()

    def A() -> Tensor:
        return examples_last(module(examples_first(at)))

    here = _here(A)

    def difference(name: str, index: tuple[int, ...]) -> Difference | None:
        if here is None or (name == "dA_prev" and next(step.layer.parts())[1].takes_tokens):
            return None
        place, scale = places[name]
        return Difference(A, here, place, index, dA, scale)

    return difference


def _here(f: Callable[[], Tensor]) -> Tensor | None:
    """f(), or None where the reference works in one dtype only, and that is not float64."""
    try:
        with torch.no_grad():
            return f().clone()
    except RuntimeError:
        return None


def _kept_small(module: nn.Module, a: float) -> bool:
    """Where `nn.BCELoss` keeps its denominator at 1e-12: its derivative is none of its cost there, on purpose."""
    return isinstance(module, PerExample) and isinstance(module.loss, nn.BCELoss) and a * (1 - a) < 1.01e-12


def _confirm(report: Report, yours: dict[str, Tensor | None], difference: Derivative) -> None:
    """Hold every gradient against central differences too, the third value of the report."""
    for quantity in report.quantities:
        value = yours.get(quantity.name)
        if value is None or quantity.worst_index is None:
            continue
        largest = float(value.abs().max())
        # float32's own rounding comes on top, and autograd has judged it entry by entry.
        close = max(CLOSE, 64 * torch.finfo(value.dtype).eps) * max(1.0, largest if math.isfinite(largest) else 1.0)
        if (at_worst := difference(quantity.name, quantity.worst_index)) is not None:
            quantity.difference_quotient = at_worst.value(close)
        if quantity.verdict == "wrong":
            continue
        every = np.ndindex(*value.shape) if value.numel() <= EVERY_ENTRY else [quantity.worst_index]
        for index in every:
            here = difference(quantity.name, index)
            expected = None if here is None else here.contradicts(value[index].item(), close)
            if expected is not None:
                _contradict(quantity, value, index, expected)
                break


def _contradict(quantity: Quantity, yours: Tensor, index: tuple[int, ...], expected: float) -> None:
    quantity.verdict, quantity.worst_index = "wrong", index
    quantity.yours, quantity.reference = yours[index].item(), expected
    quantity.reference_kind, quantity.difference_quotient = "central difference", expected
    quantity.rounding_units = math.inf
    quantity.note = "equal to autograd of the twin, whose own backward a central difference contradicts"
