"""What a network's penalties add to J and to the gradients, by stock parts and autograd."""

import torch
from torch import Tensor

from torchbasics.check.networks.local import pairs_of
from torchbasics.check.networks.sweep import Sweep
from torchbasics.network import is_weight
from torchbasics.regularisation import Penalty


def penalty_gradients(done: Sweep, k: int) -> dict[str, Tensor]:
    """By the own names of layer k's weights, in their shapes."""
    penalties = done.penalties
    if not penalties:
        return {}
    found = {}
    for own_name, ours, theirs in pairs_of(done.layers[k], done.parts[k]):
        if is_weight(done.own_names[k][own_name]):
            leaf = theirs.detach().clone().requires_grad_()
            (gradient,) = torch.autograd.grad(penalty_cost(penalties, [leaf], done.m), leaf)
            found[own_name] = gradient.reshape(ours.shape)
    return found


def cost_of_penalties(done: Sweep) -> tuple[Tensor, Tensor] | None:
    """The penalties' term of J, and its S, a sum of k terms of one sign; None without penalties."""
    weights = [
        theirs.detach()
        for notes, layer, part in zip(done.own_names, done.layers, done.parts, strict=True)
        for own_name, _, theirs in pairs_of(layer, part)
        if is_weight(notes[own_name])
    ]
    if not done.penalties or not weights:
        return None
    value = penalty_cost(done.penalties, weights, done.m)
    k = sum(W.numel() for W in weights)
    return value, (k / 3 + 3) ** 0.5 * value.abs()


def penalty_cost(penalties: list[Penalty], weights: list[Tensor], m: int) -> Tensor:
    """Their sum."""
    return torch.stack([penalty.twin_cost(weights, m) for penalty in penalties]).sum()


def penalty_slopes(penalty: Penalty, W: Tensor, m: int) -> Tensor:
    """The derivative of the penalty by each weight without autograd: no other weight enters a weight's own term."""
    h = 1e-5
    each = torch.func.vmap(lambda w: penalty.twin_cost([w[None]], m))
    found: Tensor = (each(W.flatten() + h) - each(W.flatten() - h)) / (2 * h)
    return found.view(W.shape)
