"""A network's sweeps against its `torch.nn` twin, step by step: each judged given the network's own values."""

from typing import Any

import torch
from torch import Tensor, nn

from torchbasics.check.networks.explain import explain
from torchbasics.check.networks.judge import absent
from torchbasics.check.networks.kept import kept
from torchbasics.check.networks.local import Local, pairs_of, reference_of
from torchbasics.check.networks.part import ByHand, Judged, Labels, judge_layer, judge_loss
from torchbasics.check.networks.penalised import cost_of_penalties, penalty_gradients
from torchbasics.check.networks.sweep import Sweep, first_line, sweep
from torchbasics.check.report import Quantity, Report
from torchbasics.errors import InputError
from torchbasics.network import Network


def check_network(network: Network, X: Any, Y: Any, *, twin: nn.Module | None = None) -> Report:
    """Judge every Z, A, J, dA, dZ, dW and db of one step at X (n_x, m) and Y (n_y, m).

    The twin is `network.twin()` unless another `nn.Sequential` is given, with equal parameters. A layer or a loss whose
    `twin` raises `NotImplementedError` is held against autograd of its own forward, which itself is then not judged.
    The network is left as it was, its gradients, its running statistics and what its layers keep included. Raises
    `InputError` for X, Y or a twin that does not fit.
    """
    with kept(network, *([] if twin is None else [twin])):
        return _check(network, X, Y, twin)


def _check(network: Network, X: Any, Y: Any, twin: nn.Module | None) -> Report:
    X, Y = _tensor("X", X, network), _tensor("Y", Y, network)
    parts, cost = _parts(network, twin), reference_of(network.loss)
    report = Report(f"{type(network).__name__} {_sizes(network)}".rstrip(), "unchecked")
    try:
        done = sweep(network, parts, cost, X, Y)
    except InputError:
        raise
    except Exception as error:  # whatever the user's own forward may raise
        report.reason = f"its forward sweep raised {type(error).__name__}: {first_line(error)}"
        return report
    return _judge(report, done)


def _judge(report: Report, done: Sweep) -> Report:
    convention = float(done.m)
    judged = _judge_all(done, convention)
    report.convention = "the notes': dZ = m dJ/dZ, dA = m dJ/dA"
    if done.m > 1 and _wrong(judged[-1].backward):
        # Autograd's convention shows at both ends: at the loss, and in a gradient that has no 1/m to add.
        other = _judge_all(done, 1.0)
        right = {entry.name for part in other[:-1] for entry in part.backward if entry.verdict == "right"}
        if not _wrong(other[-1].backward) and any(done.place(name)[1] for name in right):
            convention, judged = 1.0, other
            report.convention = "autograd's: dZ = dJ/dZ, dA = dJ/dA"
    report.quantities = [part.forward for part in judged if part.forward is not None]
    report.quantities += [quantity for part in reversed(judged) for quantity in part.backward]
    report.notes += done.unjudged_forward()
    for name, why in done.unjudged_backward():
        report.notes.append(why)
        if name in done.backward() and done.backward()[name] is None:
            report.quantities.append(absent(name, why))
    wrong = _wrong(report.quantities)
    report.verdict = "wrong" if wrong or done.failure else "right"
    if wrong:
        explain(report, done, {name: value for part in judged for name, value in part.right.items()}, convention)
    elif not done.failure:
        report.reason = "every step equals torch.nn and autograd to rounding, and so do the final gradients"
    return report


def _judge_all(done: Sweep, convention: float) -> list[Judged]:
    """Layer by layer, and the loss last."""
    judged, names = [], done.names
    for k, (layer, module) in enumerate(zip(done.layers, done.parts, strict=True)):
        A_prev, A, dA = done.inputs[k], done.inputs[k + 1], done.outward[k]
        dA_prev = done.outward[k - 1] if k else None
        judgeable = dA is not None and dA.shape == A.shape
        penalties = penalty_gradients(done, k)
        inner = dA_prev is not None
        step = Local(layer, module, A_prev, dA if judgeable else None, convention, inner, penalties)
        labels = Labels(names[k], names[k - 1] if k else "X", done.own_names[k])
        judged.append(judge_layer(step, ByHand(A, dA_prev, done.gradients[k]), labels))
    last = done.inputs[-1], done.Y, done.J, done.outward[-1]
    judged.append(judge_loss(done.network.loss, done.cost, *last, convention, names[-1], cost_of_penalties(done)))
    return judged


def _wrong(quantities: list[Quantity]) -> list[Quantity]:
    return [quantity for quantity in quantities if quantity.verdict == "wrong"]


def _parts(network: Network, twin: nn.Module | None) -> list[nn.Module]:
    """The reference of every layer."""
    layers = network.sequence
    if twin is None:
        parts = [reference_of(layer) for layer in layers]
    elif isinstance(twin, nn.Sequential) and len(twin) == len(layers):
        parts = list(twin)
    else:
        came = f"{len(twin)} modules" if isinstance(twin, nn.Sequential) else f"a {type(twin).__name__}"
        raise InputError(f"the twin is {came}, expected an nn.Sequential of {len(layers)}, one per layer")
    for notes, layer, part in zip(network.own_names, layers, parts, strict=True):
        for own_name, ours, theirs in pairs_of(layer, part):
            if ours.numel() != theirs.numel() or not torch.equal(ours, theirs.reshape(ours.shape)):
                raise InputError(
                    f"the twin's {notes[own_name]} differs from the network's: copy the network's parameters "
                    "into it, or leave it to network.twin()"
                )
    return parts


def _tensor(name: str, values: Any, network: Network) -> Tensor:
    """X or Y as a tensor of the network's dtype, or an `InputError`."""
    try:
        tensor = torch.as_tensor(values).detach()
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{name} is a {type(values).__name__}, expected a tensor or an array of numbers") from error
    dtype = next((parameter.dtype for parameter in network.parameters()), tensor.dtype)
    if tensor.is_floating_point() and tensor.dtype != dtype:
        came, expected = (str(kind).removeprefix("torch.") for kind in (tensor.dtype, dtype))
        raise InputError(f"{name} is {came} and the network {expected}: use network.to({name}.dtype)")
    if tensor.ndim == 0 or tensor.numel() == 0:
        raise InputError(f"{name} has shape {tuple(tensor.shape)}, expected (n, m), one example per column")
    tensor = tensor.to(dtype)
    # The sum is finite only if every entry is, and one pass; large entries may overflow it.
    if not torch.isfinite(tensor.sum()) and not torch.isfinite(tensor).all():
        index = tuple(int(i) for i in torch.nonzero(~torch.isfinite(tensor))[0])
        raise InputError(f"{name} is {tensor[index].item()} at {index}, expected finite numbers: mend or drop it")
    return tensor


def _sizes(network: Network) -> str:
    weights = [layer.get_parameter("W") for layer in network.sequence if "W" in dict(layer.named_parameters())]
    return "-".join(str(n) for n in [*(W.shape[1] for W in weights[:1]), *(W.shape[0] for W in weights)])
