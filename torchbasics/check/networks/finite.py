r"""Every gradient without autograd: perturb Z[l], rerun only the layers above, and use that Z is linear in W.

$$dz_{ji} = \frac{\partial\mathcal L_i}{\partial z_{ji}} = \frac1h \operatorname{Im} \mathcal L_i(z_{ji} + \mathrm i h),
  \qquad dW = \frac1m\, dZ\, A_{prev}^T, \qquad db = \frac1m \sum_i dZ^{(i)}$$

Examples do not mix, so that unit j is perturbed in all examples at once, and all n[l] units are one batch of n[l] m
examples through the small layers above: nothing is rerun for each of the n[l] n[l-1] weights. With h = 1e-20 nothing
cancels, and the step is exact to rounding. The complex forward is written out below for the stock parts that have one;
above any other part, the step is a central difference through the part itself.
"""

import contextlib
import copy
from collections.abc import Callable, Iterator
from typing import cast

import torch
from torch import Tensor, nn

from torchbasics.check.networks.local import pairs_of, quotient, reference_of
from torchbasics.check.networks.penalised import penalty_slopes
from torchbasics.losses import PerExample
from torchbasics.network import Network, is_weight
from torchbasics.notation import examples_first
from torchbasics.regularisation import Penalty

STEP = 1e-20
# Entries of one batch: 2**22 complex numbers are 64 MiB.
BATCH = 2**22


def _sigmoid(Z: Tensor) -> Tensor:
    positive = Z.real >= 0
    decay = torch.exp(torch.where(positive, -Z, Z))
    return torch.where(positive, 1 / (1 + decay), decay / (1 + decay))


def _piecewise(Z: Tensor, slope: float) -> Tensor:
    return torch.where(Z.real > 0, Z, slope * Z)


def _linear(module: nn.Linear, A: Tensor) -> Tensor:
    return A @ module.weight.T.to(A.dtype) + module.bias.to(A.dtype)


COMPLEX: dict[type[nn.Module], Callable[[nn.Module, Tensor], Tensor]] = {
    nn.Linear: lambda module, A: _linear(cast(nn.Linear, module), A),
    nn.Sigmoid: lambda module, Z: _sigmoid(Z),
    nn.Tanh: lambda module, Z: torch.tanh(Z),
    nn.ReLU: lambda module, Z: _piecewise(Z, 0.0),
    nn.LeakyReLU: lambda module, Z: _piecewise(Z, cast(nn.LeakyReLU, module).negative_slope),
}
"""The analytic continuation of each stock part; at a kink, the side that torch takes."""


def _squared_error(A: Tensor, Y: Tensor) -> Tensor:
    return (A - Y) ** 2


def _cross_entropy(A: Tensor, Y: Tensor) -> Tensor:
    log_A, log_1_A = (torch.where(P.abs() > torch.e**-100, torch.log(P), -100.0) for P in (A, 1 - A))
    return -(Y * log_A + (1 - Y) * log_1_A)


def _fused_cross_entropy(Z: Tensor, Y: Tensor) -> Tensor:
    positive = Z.real >= 0
    return torch.where(positive, Z, 0) - Y * Z + torch.log1p(torch.exp(torch.where(positive, -Z, Z)))


COMPLEX_LOSSES: dict[type[nn.Module], Callable[[Tensor, Tensor], Tensor]] = {
    nn.MSELoss: _squared_error,
    nn.BCELoss: _cross_entropy,
    nn.BCEWithLogitsLoss: _fused_cross_entropy,
}
"""One loss per prediction, as the stock parts with reduction="sum" add them up."""


def finite_reference(network: Network, X: Tensor, Y: Tensor) -> dict[str, Tensor]:
    """{"dW1", "db1", ...}: the gradient of J by every parameter, float64, in the notes' shapes, without autograd.

    A parameter of a layer whose twin is not `nn.Linear` is perturbed entry by entry.
    """
    parts = [copy.deepcopy(reference_of(layer)).double() for layer in network.sequence]
    loss = copy.deepcopy(reference_of(network.loss)).double()
    gradients: dict[str, Tensor] = {}
    with torch.no_grad():
        values = [examples_first(X.double())]
        for part in parts:
            values.append(part(values[-1]))
        labels = examples_first(Y.double())
        for k, (notes, layer, part) in enumerate(zip(network.own_names, network.sequence, parts, strict=True)):
            above = parts[k + 1 :]
            pairs = pairs_of(layer, part)
            if not pairs:
                continue
            if type(part) is nn.Linear and _separate(above, values[k + 1], values[-1]):
                dZ = slopes(above, loss, values[k + 1], labels)
                found = {"weight": dZ.T @ values[k] / len(dZ), "bias": dZ.mean(0)}
                for own_name, ours, _ in pairs:
                    gradients[f"d{notes[own_name]}"] = found[layer.twin_names[own_name]].reshape(ours.shape)
            else:
                for own_name, ours, theirs in pairs:
                    gradient = _entry_by_entry(parts[k:], loss, values[k], labels, theirs)
                    gradients[f"d{notes[own_name]}"] = gradient.reshape(ours.shape)
        for penalty in network.penalties:
            assert isinstance(penalty, Penalty)
            for name, weight in network.notes_parameters():
                if is_weight(name):
                    gradients[f"d{name}"] += penalty_slopes(penalty, weight.double(), len(labels))
    return gradients


def is_exact(network: Network) -> bool:
    """Whether every step is a complex one, and none a central difference."""
    return _analytic([reference_of(layer) for layer in network.sequence], reference_of(network.loss))


def slopes(above: list[nn.Module], loss: nn.Module, Z: Tensor, labels: Tensor) -> Tensor:
    """dZ (m, n): the derivative of each example's loss by its own row of Z (m, n)."""
    m, n = Z.shape
    width = max([n, *(module.out_features for module in above if isinstance(module, nn.Linear))])
    units = max(1, BATCH // (m * width))
    eye = torch.eye(n, dtype=Z.dtype, device=Z.device)
    blocks = [_block(above, loss, Z, labels, directions) for directions in eye.split(units)]
    return torch.cat(blocks).T


def _block(above: list[nn.Module], loss: nn.Module, Z: Tensor, labels: Tensor, directions: Tensor) -> Tensor:
    """(units, m): the derivatives along each direction (units, n), one row per unit."""
    m, count = len(Z), len(directions)
    repeated = labels.repeat(count, *(1,) * (labels.ndim - 1))
    if _analytic(above, loss):
        assert isinstance(loss, PerExample)
        A = torch.complex(Z.expand(count, *Z.shape), STEP * directions[:, None].expand(count, *Z.shape)).flatten(0, 1)
        for module in above:
            A = COMPLEX[type(module)](module, A)
        losses = loss.factor * COMPLEX_LOSSES[type(loss.loss)](A, repeated)
        return losses.imag.sum(1).reshape(count, m) / STEP
    # 1e-5 balances truncation h^2 against rounding eps/h, near 1e-10 both.
    h = 1e-5

    def losses_at(sign: int) -> Tensor:
        A = (Z + sign * h * directions[:, None]).flatten(0, 1)
        for module in above:
            A = module(A)
        # As a batch of one each, an example's cost is its loss.
        each: Tensor = torch.func.vmap(loss)(A[:, None], repeated[:, None])
        return each.reshape(count, m)

    with _lengths(above, lambda lengths: lengths.repeat(count)):
        return (losses_at(1) - losses_at(-1)) / (2 * h)


def _analytic(above: list[nn.Module], loss: nn.Module) -> bool:
    known = isinstance(loss, PerExample) and type(loss.loss) in COMPLEX_LOSSES
    return known and all(type(module) in COMPLEX for module in above)


def _separate(above: list[nn.Module], Z: Tensor, predictions: Tensor) -> bool:
    """Whether the parts above treat each example by itself: the last one alone gives what it gave among the others.

    The first one would not tell a dropout, whose mask begins alike however many examples there are.
    """
    if all(type(module) in COMPLEX for module in above):
        return True
    A = Z[-1:]
    try:
        with _lengths(above, lambda lengths: lengths[-1:]):
            for module in above:
                A = module(A)
    except (RuntimeError, ValueError):  # nn.BatchNorm1d does not train on one example
        return False
    return A.shape[1:] == predictions.shape[1:] and torch.allclose(A, predictions[-1:], rtol=1e-9, atol=1e-12)


@contextlib.contextmanager
def _lengths(parts: list[nn.Module], of: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Within, those parts that go by their examples' lengths have the lengths of other examples."""
    kept = [
        (module, lengths)
        for part in parts
        for module in part.modules()
        if isinstance(lengths := getattr(module, "lengths", None), Tensor)
    ]
    for module, lengths in kept:
        module.lengths = of(lengths)
    try:
        yield
    finally:
        for module, lengths in kept:
            module.lengths = lengths


def _entry_by_entry(
    parts: list[nn.Module], loss: nn.Module, A_prev: Tensor, labels: Tensor, parameter: nn.Parameter
) -> Tensor:
    def J() -> Tensor:
        A = A_prev
        for part in parts:
            A = part(A)
        cost: Tensor = loss(A, labels)
        return cost

    gradient = torch.empty_like(parameter)
    one = parameter.new_ones(())
    for entry in range(parameter.numel()):
        index = tuple(int(i) for i in torch.unravel_index(torch.tensor(entry), parameter.shape))
        gradient[index] = quotient(J, parameter.data, index, one)
    return gradient
