"""Kinks: where a derivative jumps, whatever lies between its two sides is right."""

from collections.abc import Callable

import torch
from torch import Tensor

from torchbasics.check.networks.rounding import BOUND, unit

# Of moves, each tried with its opposite, so that every entry is moved to both sides; more where that shows a kink, for
# of nine equal maxima each has to be the largest once.
DRAWS, MORE_DRAWS = 4, 64


def between_sides(
    derivative: Callable[[Tensor], Tensor], at: Tensor, yours: Tensor, right: Tensor, S: Tensor
) -> Tensor:
    """Where `yours` lies between values that the derivative takes within rounding of `at`, which are far apart.

    Every entry of `at` is moved by up to 4 u of its size to either side, and an exact 0 by 4 u of the others' size.
    """
    g = torch.Generator().manual_seed(0)
    size = at.abs()
    typical = float(size.double().square().mean().sqrt()) or 1.0
    reach = 4 * unit(at.dtype) * torch.where(size == 0, typical, size)
    low, high, between = right, right, torch.zeros_like(yours, dtype=torch.bool)
    for k in range(MORE_DRAWS):
        # By different amounts, or equal numbers would stay equal.
        moves = (2 * torch.rand(at.shape, generator=g, dtype=torch.float64) - 1).to(at) * reach
        try:
            sides = derivative(at + moves), derivative(at - moves)
        except RuntimeError:  # beyond the edge of where it is defined, as nn.BCELoss is beyond [0, 1]
            return torch.zeros_like(yours, dtype=torch.bool)
        low = torch.minimum(low, torch.minimum(*sides))
        high = torch.maximum(high, torch.maximum(*sides))
        # S is that of this side; the other side's value has two roundings of its own.
        allowed = BOUND * unit(at.dtype) * torch.maximum(S, 2 * torch.maximum(-low, high))
        allowed += torch.finfo(right.dtype).tiny
        # A steep but smooth derivative changes a little within rounding; a jump is as large as the derivative itself.
        jumps = high - low > 100 * allowed
        between = (yours >= low - allowed) & (yours <= high + allowed) & jumps
        unexplained = ((yours - right).abs() > allowed) & ~between
        if not unexplained.any() or (k + 1 >= DRAWS and not jumps.any()):
            break
    return between & ~_more_than_shared(derivative, at, reach, yours - right, between, allowed)


def _more_than_shared(
    derivative: Callable[[Tensor], Tensor], at: Tensor, reach: Tensor, off: Tensor, between: Tensor, allowed: Tensor
) -> Tensor:
    """Entries that share one derivative, as equal maxima of a window do, and have not the right one together.

    Each alone may have all of it, or none. Moved by the same to the same side they stay equal, and there is no kink:
    along that way what all of an example's have together is right, or it is wrong.
    """
    if off.shape != at.shape or not between.any():
        return torch.zeros_like(between)
    # Each by its own size would part those that are equal to rounding only; all by the largest does not.
    move = reach.amax()
    sharing = between & ((derivative(at + move) - derivative(at - move)).abs() <= 100 * allowed)
    together, error = (
        torch.where(sharing, values, 0).flatten(0, -2).sum(dim=0) if at.ndim > 1 else values.new_zeros(at.shape)
        for values in (off, allowed)
    )
    return sharing & (together.abs() > error)
