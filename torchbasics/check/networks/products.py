r"""S of the layers whose every quantity is a sum of products: convolutions, linear layers over time, lookups, maxima.

Such a step is linear in A_prev, in W and in dZ. The squares whose sum S asks for (`rounding`) are therefore added up by
the same step of W^2, A_prev^2 and dZ^2, and the terms counted by that of ones, whatever the window, its stride,
dilation, padding and groups are:

$$S^2\Big(\sum_k w_k a_k\Big) = \frac k2\, f(W^2, A^2) + \frac k3\, f(W, A)^2, \qquad k = f(1, 1).$$

Tokens, and the numbers that a maximum chooses from, are not squared: they only say which terms there are.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from torchbasics.check.networks.local import Local, Values, evaluate, pairs_of
from torchbasics.layers.pool import MaxPool2d


def sums_of_products(step: Local, right: Values, exact: bool) -> Values:
    """S of a step; unless `exact`, in the step's own dtype, where squares may underflow and S come out too small."""
    dtype = torch.float64 if exact else step.A_prev.dtype
    squares = _same_step(step, lambda values: values.to(dtype).square())
    terms = _same_step(step, lambda values: torch.ones_like(values, dtype=dtype))

    def S(value: Tensor, squared: Tensor, k: Tensor, more: int = 0) -> Tensor:
        scatter, whole = (k / 2 + more) * squared, (k / 3 + more) * value.to(dtype).square()
        return (scatter + whole).sqrt().nan_to_num(0, 0, 0).to(value)

    # b is one more term, and the last sum A.
    b = dict(step.layer.named_parameters()).get("b", right.A.new_zeros(1)).view(-1, *(1,) * (right.A.ndim - 1))
    S_A = S(right.A - b, squares.A, terms.A) + (terms.A / 2).sqrt().to(b) * b.abs() + right.A.abs()
    if _chooses(step):
        S_A = 2 * right.A.abs()
    if step.dA is None:
        return Values(S_A, None, {})
    c = step.convention
    # Two more roundings for the 1/m.
    gradients = {
        name: S(value * c, squares.gradients[name], terms.gradients[name], more=2) / c
        for name, value in right.gradients.items()
    }
    S_dA: Tensor | None = None
    if right.dA_prev is not None and squares.dA_prev is not None and terms.dA_prev is not None:
        S_dA = S(right.dA_prev, squares.dA_prev, terms.dA_prev, more=2)
    return Values(S_A, S_dA, gradients)


def _same_step(step: Local, change: Callable[[Tensor], Tensor]) -> Values:
    """The reference's step of changed values, without b and without the 1/m."""
    dA = None if step.dA is None else change(step.dA)
    A_prev = step.A_prev if _chooses(step) else change(step.A_prev)
    module = copy.deepcopy(step.module).to(A_prev.dtype if dA is None else dA.dtype)
    for name, _, theirs in pairs_of(step.layer, module):
        theirs.data = torch.zeros_like(theirs) if name == "b" else change(theirs.data)
    return evaluate(step.layer, module, A_prev, dA, 1.0, step.inner)


def _chooses(step: Local) -> bool:
    return step.layer.takes_tokens or isinstance(step.layer, MaxPool2d)
