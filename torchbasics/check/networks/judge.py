"""One quantity against its reference: right within rounding, or wrong, and where it is worst."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from torchbasics.check.networks.rounding import BOUND, unit
from torchbasics.check.report import Quantity

Sigma = Callable[[bool], Tensor]
"""S of every entry; called with True for the exact one once the first has been exceeded."""


def judge(name: str, yours: Tensor | None, right: Tensor, sigma: Sigma, kind: str) -> Quantity:
    """The verdict on one quantity; `yours` is None where the derivation gave nothing."""
    shape = tuple(right.shape)
    if yours is None:
        return _unlike(name, (), kind, f"nothing was written, expected shape {shape}")
    if yours.shape != right.shape:
        return _unlike(name, tuple(yours.shape), kind, f"has shape {tuple(yours.shape)}, expected {shape}")
    yours = yours.to(right.dtype)
    if torch.equal(yours, right):
        # Two implementations that call the same kernel agree bit for bit, and nothing else has to be computed.
        return _quantity(name, yours, right, (0,) * right.ndim, 0.0, 0.0, kind)
    quantity = verdict(name, yours, right, units(yours, right, sigma(False)), kind)
    if quantity.verdict == "wrong":
        quantity = verdict(name, yours, right, units(yours, right, sigma(True)), kind)
    return quantity


def units(yours: Tensor, right: Tensor, S: Tensor) -> Tensor:
    """|yours - right| / (u S) entry by entry."""
    # The smallest normal number stands in where S is 0, and excuses what underflows.
    allowed = (S * unit(right.dtype)).add_(torch.finfo(right.dtype).tiny)
    return (yours - right).abs_().div_(allowed).contiguous()


def verdict(name: str, yours: Tensor, right: Tensor, ratio: Tensor, kind: str) -> Quantity:
    """The quantity as `ratio`, its error in units of rounding, has it."""
    worst = int(ratio.argmax())  # NaN counts as the largest
    value = ratio.view(-1)[worst].item()
    if not math.isfinite(value):
        # Infinities and NaN that both sides have are no difference; one that only one has is.
        same = (yours == right) | (yours.isnan() & right.isnan())
        ratio = ratio.nan_to_num(math.inf).masked_fill_(same, 0.0)
        worst = int(ratio.argmax())
        value = ratio.view(-1)[worst].item()
    index = tuple(int(i) for i in np.unravel_index(worst, right.shape))
    low, high = torch.aminmax(right)
    largest, off = max(-low.item(), high.item()), torch.linalg.vector_norm(yours - right, torch.inf).item()
    relative = off / largest if largest else (math.inf if off else 0.0)
    quantity = _quantity(name, yours, right, index, value, relative, kind)
    if quantity.verdict == "wrong":
        quantity.differs = (ratio > BOUND).cpu().numpy()
        quantity.error = (yours.double() - right.double()).cpu().numpy()
    return quantity


def _quantity(
    name: str, yours: Tensor, right: Tensor, index: tuple[int, ...], value: float, relative: float, kind: str
) -> Quantity:
    return Quantity(
        name=name,
        verdict="right" if value <= BOUND else "wrong",
        line=None,
        shape=tuple(yours.shape),
        rounding_units=value,
        relative_error=relative,
        worst_index=index,
        yours=yours[index].item(),
        reference=right[index].item(),
        reference_kind=kind,
    )


def absent(name: str, note: str) -> Quantity:
    """A quantity that should be there and is not."""
    return _unlike(name, (), "autograd", note)


def _unlike(name: str, shape: tuple[int, ...], kind: str, note: str) -> Quantity:
    return Quantity(name, "wrong", None, shape, math.inf, math.inf, None, None, None, kind, note=note)
