r"""What sums can lose in another order: runs in which every sum is off at random by its S.

Where a library adds a sum up in blocks in float32, it may do so term after term in float64, or on another machine: the
rounding that float32 shows is then not what float64's can be. So every sum of a step, its products of matrices and
convolutions included, is given an error of the size that adding one term after another has (`rounding`),

$$S^2\Big(\sum_k w_k a_k\Big) = \frac k2 \sum_k w_k^2 a_k^2 + \frac k3 \Big(\sum_k w_k a_k\Big)^2,$$

and what comes of it at the end of the step is as large as what the order of the sums can do there. The operations are
seen below autograd, the backward's own included. The squares are added up by the same operation of squared arguments,
the terms counted by that of ones. What a fused operation adds up inside, such as `nn.LayerNorm`'s, is not seen.
"""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

# Large against float64's rounding, and small against 1, however many terms there are.
SHAKE = 2.0**-26

SUMS = {
    *("mm", "bmm", "mv", "dot", "addmm", "addmm_", "addmv", "addmv_", "baddbmm", "baddbmm_"),
    *("convolution", "convolution_backward", "sum", "cumsum", "index_add", "index_add_", "scatter_add"),
    *("scatter_add_", "embedding_dense_backward", "col2im", "unfold_backward"),
}
"""Torch's operations that are sums of products of their arguments."""


class ShakenSums(TorchDispatchMode):
    """Within, every sum in float64 is off by SHAKE times its S times a normal number."""

    def __init__(self, g: torch.Generator) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self.g = g

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Only to keep torch's compiler out of here would torch import it, which takes seconds."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """What `func` gives, off."""
        kwargs, name = kwargs or {}, func._schema.name.removeprefix("aten::")
        if name not in SUMS and name != "mean":
            return func(*args, **kwargs)
        # Before an operation that works in place.
        squares, terms = (
            func(*tree_map(change, args), **{key: _factor(change, value) for key, value in kwargs.items()})
            for change in (_square, _one)
        )
        found = func(*args, **kwargs)
        together = zip(*map(_tuple, (found, squares, terms)), strict=True)
        for value, squared, k in together:
            if isinstance(value, Tensor) and value.dtype == torch.float64:
                if name == "mean":  # each of the n terms is divided by n
                    k = args[0].numel() / max(1, value.numel())
                    squared = squared / k
                # Where a square overflows, as that of the score of a hidden key does, the sum stays as it is.
                S = (k / 2 * squared + k / 3 * value.square()).sqrt().nan_to_num_(0, 0, 0)
                # Whole numbers, as in a mask that is counted, add up without rounding.
                S.masked_fill_((value.frac() == 0) & (squared.frac() == 0) & (squared < 2.0**53), 0)
                value.add_(S.mul_(torch.randn(S.shape, generator=self.g, dtype=S.dtype).to(S)), alpha=SHAKE)
        return found


def _tuple(values: Any) -> tuple[Any, ...]:
    return values if isinstance(values, tuple) else (values,)


def _square(value: Any) -> Any:
    return value.square() if _is_factor(value) else value


def _one(value: Any) -> Any:
    return torch.ones_like(value) if _is_factor(value) else value


def _is_factor(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _factor(change: Any, value: Any) -> Any:
    """Of a keyword too: alpha and beta are numbers by which the terms are multiplied."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return change(torch.tensor(float(value))).item()
    return tree_map(change, value)
