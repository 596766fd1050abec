"""What is said about a network's wrong quantities: a third value, the line, the cause, and what comes out overall."""

import copy
import inspect
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from torchbasics.check.networks.local import pairs_of, quotient
from torchbasics.check.networks.penalised import penalty_slopes
from torchbasics.check.networks.plain import Plain, right_overall
from torchbasics.check.networks.rounding import unit
from torchbasics.check.networks.sweep import Sweep
from torchbasics.check.report import Quantity, Report
from torchbasics.check.step import Array, Step
from torchbasics.layers import Layer
from torchbasics.losses import Loss
from torchbasics.network import is_weight
from torchbasics.notation import examples_first, examples_last


def explain(report: Report, done: Sweep, right: Mapping[str, Tensor], convention: float) -> None:
    """Complete the wrong quantities of `report`, and say what comes out overall; `right` holds the local references."""
    # Imported here, so that a network without a mistake does not wait for the catalogue.
    from torchbasics.check.diagnosis import diagnose

    layers = done.layers
    plain = Plain.of(done)
    forward = {label: _array(value) for label, value in done.forward().items()}
    for quantity in report.wrong:
        if not quantity.name.startswith("d"):
            part: Layer | Loss = done.network.loss
            if quantity.name != "J":
                part = layers[done.names.index(quantity.name)]
            quantity.line = _line(part, "forward")
            continue
        k, own_name = done.place(quantity.name)
        part = layers[k] if k < len(layers) else done.network.loss
        quantity.line = _line(part, "backward")
        if quantity.name not in right:  # its backward raised
            continue
        if quantity.worst_index is not None:
            quantity.difference_quotient = _difference_quotient(done, k, own_name, quantity.worst_index, convention)
        if (step := _step(done, plain, forward, quantity, right[quantity.name], convention)) is not None:
            quantity.causes, note = diagnose(step)
            quantity.note = quantity.note or note
    report.reason = _overall(report, done)


def _overall(report: Report, done: Sweep) -> str:
    """Where it first goes wrong, and whether the final gradients are right all the same."""
    first = f"first wrong: {next(report.wrong).name}; "
    verdicts = right_overall(done)
    wrong = [name for name, is_right in verdicts.items() if not is_right]
    if not wrong:
        return first + "the final gradients are right all the same: what is wrong cancels, or reaches none of them"
    rest = "" if len(wrong) < len(verdicts) else ", which is all of them"
    return f"{first}of the final gradients {', '.join(wrong)} are wrong{rest}"


def _difference_quotient(done: Sweep, k: int, own_name: str, index: tuple[int, ...], convention: float) -> float | None:
    """The local derivative at one entry without autograd, in float64; None where the reference knows one dtype only."""
    A = done.inputs[k].double().clone()
    try:
        if k == len(done.parts):
            loss, labels = copy.deepcopy(done.cost).double(), examples_first(done.Y.double())
            return convention * quotient(lambda: loss(examples_first(A), labels), A, index, torch.ones(()))
        module = copy.deepcopy(done.parts[k]).double()
        dA = done.outward[k]
        assert dA is not None
        at, scale, penalty = A, 1.0, 0.0
        if own_name:
            layer = done.layers[k]
            at = next(
                theirs.data.view(ours.shape) for name, ours, theirs in pairs_of(layer, module) if name == own_name
            )
            scale = 1 / convention
            if is_weight(done.own_names[k][own_name]):
                penalty = sum(penalty_slopes(one, at[index], done.m).item() for one in done.penalties)
        return penalty + scale * quotient(lambda: examples_last(module(examples_first(A))), at, index, dA.double())
    except RuntimeError:
        return None


def _step(
    done: Sweep, plain: Plain, forward: Mapping[str, Array], quantity: Quantity, right: Tensor, convention: float
) -> Step | None:
    hand = done.backward()
    yours = hand[quantity.name]
    if yours is None:
        return None
    of = quantity.name[1:]
    scale = convention if of in done.names else 1.0

    def vjp(output: str, label: str, cotangent: Array) -> Array | None:
        came = torch.tensor(np.asarray(cotangent)).to(plain.nodes["J"])
        value = plain.vjp(output, label, came)
        return None if value is None else _array(value)

    through = [*done.names, "J"][done.place(quantity.name)[0]]
    return Step(
        name=quantity.name,
        of=of,
        yours=_array(yours),
        right=_array(right),
        overall=_array(plain.gradient(of) * scale),
        rounding=unit(yours.dtype),
        m=done.m,
        convention=convention,
        forward=forward,
        backward={label: _array(value) for label, value in hand.items() if value is not None},
        scalars={"m": float(done.m)},
        paths={through: _array(right)},
        vjp=vjp,
    )


def _array(value: Tensor) -> Array:
    array: Array = value.detach().double().cpu().numpy()
    return array


def _line(part: Layer | Loss, method: str) -> int | None:
    """Where the user's own class defines the method; None for one of this package's."""
    if type(part).__module__.startswith("torchbasics."):
        return None
    try:
        return inspect.getsourcelines(getattr(type(part), method))[1]
    except (OSError, TypeError):
        return None
