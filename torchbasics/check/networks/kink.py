"""Kinks: where a derivative jumps, whatever lies between its two sides is right."""

from collections.abc import Callable

import torch
from torch import Tensor

from torchbasics.check.networks.rounding import BOUND, unit

# Of signs, each tried with its opposite, so that every entry is moved to both sides.
DRAWS = 4


def between_sides(
    derivative: Callable[[Tensor], Tensor], at: Tensor, yours: Tensor, right: Tensor, S: Tensor
) -> Tensor:
    """Where `yours` lies between values that the derivative takes within rounding of `at`, which are far apart.

    Every entry of `at` is moved by 4 u of its size to either side, and an exact 0 by 4 u of the others' size.
    """
    g = torch.Generator().manual_seed(0)
    size = at.abs()
    typical = float(size.double().square().mean().sqrt()) or 1.0
    reach = 4 * unit(at.dtype) * torch.where(size == 0, typical, size)
    low, high = right, right
    for _ in range(DRAWS):
        moves = (torch.randint(0, 2, at.shape, generator=g).to(at) * 2 - 1) * reach
        try:
            sides = derivative(at + moves), derivative(at - moves)
        except RuntimeError:  # beyond the edge of where it is defined, as nn.BCELoss is beyond [0, 1]
            return torch.zeros_like(yours, dtype=torch.bool)
        low = torch.minimum(low, torch.minimum(*sides))
        high = torch.maximum(high, torch.maximum(*sides))
    # S is that of this side; the other side's value has two roundings of its own.
    S = torch.maximum(S, 2 * torch.maximum(-low, high))
    allowed = BOUND * unit(at.dtype) * S + torch.finfo(right.dtype).tiny
    # A steep but smooth derivative changes a little within rounding; a jump is as large as the derivative itself.
    return (yours >= low - allowed) & (yours <= high + allowed) & (high - low > 100 * allowed)
