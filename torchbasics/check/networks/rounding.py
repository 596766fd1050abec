r"""What rounding alone can do to each entry of one step: S, one sigma in units of the unit roundoff u = eps/2.

Two implementations of the same formula, at the same inputs, may differ by $6\sqrt2\,u\,S$. A dot product of k terms
adds them one after another: the partial sums grow as $\sqrt i$ by what scatters in the terms, as i by their mean, and
each is rounded once,

$$S^2\Big(\sum_k w_k a_k\Big) = \frac k2 \sum_k w_k^2 a_k^2 + \frac k3 \Big(\sum_k w_k a_k\Big)^2 .$$

| step | S |
|---|---|
| Z = W A + b | the dot product's, b being one more term, and its last sum Z |
| dA_prev = W^T dZ, dW = 1/m dZ A^T, db = 1/m sum dZ | the dot product's, and two more roundings for the 1/m |
| convolutions, lookups and other sums of products | the dot product's too (`torchbasics.check.networks.products`) |
| A = sigmoid(Z), tanh(Z) | 2 A; 2 A + 1, which allows tanh from exponentials |
| dZ = dA A (1 - A) | dA (2 A (1 - A) + 2 A abs(1 - 2 A)): what A carries, and its own |
| dZ = dA (1 - A^2) | dA (2 (1 - A^2) + 4 A^2 + 2 A + 1) |
| ReLU, leaky ReLU, dropout and what only moves numbers, both ways | 2 times the value |
| A = A_prev + E, E the sine of an angle t e^x | 2 A_prev + 2 E + angle (abs(x) + 3), the angle's in float64 |
| A = softmax(Z) | A (e + sum of A e + sqrt(n_y / 3) + 4), where e = max Z - Z is what the exponent is rounded from |
| dZ = A (dA - sum of A dA) | that of A times (dA - sum), and A times that of the sum, 2 dA and 2 sum |
| A = log softmax(Z) | A + e + abs(max Z) + abs(log sum) + sum of softmax e + sqrt(n_y / 3) + 2 |
| dZ = dA - softmax sum of dA | that of softmax, S of A and abs(A) + 3 times it, times the sum; softmax times its; dZ |
| squared error | that of a sum of m n_y terms with 3 roundings each; dA: 2 abs(A - Y) |
| cross-entropy through A | the same; dA: 4 times the value, more in saturation |
| cross-entropy through Z | the same of terms L + abs(Z); dZ: 2 A + 2 abs(A - Y) |

A layer or loss that is not in this table, a subclass included, is *sampled* (`torchbasics.check.networks.sampling`):
its step and the reference's are repeated at inputs jittered by random relative amounts, in float32 and in float64. What
the two differ by is a sample of the rounding; the spread over the jitter, scaled back, adds what rounded inputs do, and
errors in the sums (`torchbasics.check.networks.sums`) what another order does.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from torchbasics.check.networks.local import Local, Values
from torchbasics.check.networks.products import sums_of_products
from torchbasics.layers import (
    Dropout,
    Embedding,
    Layer,
    LeakyReLU,
    Linear,
    LinearOverTime,
    LogSoftmax,
    PositionalEncoding,
    ReLU,
    Sigmoid,
    Slice,
    Softmax,
    Tanh,
)
from torchbasics.layers.conv import Conv1d, Conv2d, ConvTranspose2d
from torchbasics.layers.pool import MaxPool2d
from torchbasics.layers.reshape import Flatten, Images, Last, Rows
from torchbasics.losses import BinaryCrossEntropy, Loss, SigmoidCrossEntropy, SquaredError

# Products of a product from which on its S is first bounded by a quarter of them.
LARGE = 2**24

BOUND = 6 * 2**0.5
"""In sigmas: beyond it, a difference between two implementations is no rounding."""


def unit(dtype: torch.dtype) -> float:
    """The unit roundoff u: 2**-53 in float64, 2**-24 in float32."""
    return torch.finfo(dtype).eps / 2


def dot_sigma(left: Tensor, right: Tensor, product: Tensor, exact: bool, more: int = 0) -> Tensor:
    """S of `product` = left @ right, (n, k) and (k, m); `more` roundings of the result come on top.

    Unless `exact`, it is a lower bound, of a large product at a quarter of the cost: a sum of squares is at least what
    a part of it comes to, and a square that underflows is 0. What keeps within it is right; the rest is judged again.
    """
    k = left.shape[1]
    if exact:
        # Scaled row by row and column by column, nothing underflows or overflows.
        rows = left.double().abs().amax(1, keepdim=True).clamp(min=1e-300)
        columns = right.double().abs().amax(0, keepdim=True).clamp(min=1e-300)
        scatter = ((left.double() / rows).square() @ (right.double() / columns).square()).sqrt() * rows * columns
        S = torch.hypot((k / 2 + more) ** 0.5 * scatter, (k / 3 + more) ** 0.5 * product.double().abs())
        return S.to(product.dtype)
    part = slice(None)
    if left.shape[0] * k * right.shape[1] > LARGE:
        # Every fourth row of memory, or the first quarter of each: what is skipped need not be read.
        part = slice(0, None, 4) if right.stride(0) > 1 else slice(0, k // 4)
    variance = left[:, part].square() @ right[part].square()
    S = variance.mul_(k / 2 + more).addcmul_(product, product, value=k / 3 + more).sqrt_()
    return S.nan_to_num_(0, 0, 0)


def _linear(step: Local, right: Values, exact: bool) -> Values:
    layer = step.layer
    assert isinstance(layer, Linear)
    W, b, A_prev = layer.W, layer.b, step.A_prev
    S_Z = dot_sigma(W, A_prev, right.A - b, exact) + (W.shape[1] / 2) ** 0.5 * b.abs() + right.A.abs()
    if step.dA is None or not right.gradients:
        return Values(S_Z, None, {})
    dZ = step.dA / step.convention
    S_dW = dot_sigma(dZ, A_prev.T, right.gradients["W"], exact, more=2)
    S_db = dot_sigma(dZ, dZ.new_ones(dZ.shape[1], 1), right.gradients["b"], exact, more=2)
    S_dA = None if right.dA_prev is None else dot_sigma(W.T, step.dA, right.dA_prev, exact, more=2)
    return Values(S_Z, S_dA, {"W": S_dW, "b": S_db})


def _sigmoid(step: Local, right: Values, exact: bool) -> Values:
    A = right.A
    slope = 2 * A * (1 - A) + 2 * A * (1 - 2 * A).abs()
    return Values(2 * A, None if step.dA is None else step.dA.abs() * slope, {})


def _tanh(step: Local, right: Values, exact: bool) -> Values:
    A = right.A.abs()
    slope = 2 * (1 - A**2) + 4 * A**2 + 2 * A + 1
    return Values(2 * A + 1, None if step.dA is None else step.dA.abs() * slope, {})


def _mask(step: Local, right: Values, exact: bool) -> Values:
    return Values(2 * right.A.abs(), None if right.dA_prev is None else 2 * right.dA_prev.abs(), {})


def _softmax(step: Local, right: Values, exact: bool) -> Values:
    Z, A, dA = step.A_prev, right.A, step.dA
    n_y = len(A)
    exponent = Z.amax(dim=0, keepdim=True) - Z
    S_A = A * (exponent + (A * exponent).sum(dim=0, keepdim=True) + (n_y / 3) ** 0.5 + 4)
    if dA is None:
        return Values(S_A, None, {})
    # Where a is nearly 1 the two terms cancel, and 1 - a has only the digits that rounding a has left.
    s = (A * dA).sum(dim=0, keepdim=True)
    scatter = torch.linalg.vector_norm(torch.hypot(S_A, (n_y / 2) ** 0.5 * A) * dA, dim=0, keepdim=True)
    S_s = torch.hypot(scatter, (n_y / 3) ** 0.5 * s)
    S_dZ = torch.hypot(S_A * (dA - s), A * torch.hypot(S_s, torch.hypot(2 * dA, 2 * s)))
    return Values(S_A, S_dZ, {})


def _log_softmax(step: Local, right: Values, exact: bool) -> Values:
    Z, A, dA = step.A_prev, right.A, step.dA
    n_y, P = len(A), right.A.exp()
    largest = Z.amax(dim=0, keepdim=True)
    # z less the largest z and log sum, or less the two together: each is rounded, and so are the exponents in the sum.
    exponent = largest - Z
    log_sum = exponent + A
    S_sum = (P * exponent).sum(dim=0, keepdim=True) + (n_y / 3) ** 0.5 + 2
    S_A = A.abs() + exponent + largest.abs() + log_sum.abs() + S_sum
    if dA is None:
        return Values(S_A, None, {})
    s = dA.sum(dim=0, keepdim=True)
    S_s = torch.hypot((n_y / 2) ** 0.5 * torch.linalg.vector_norm(dA, dim=0, keepdim=True), (n_y / 3) ** 0.5 * s)
    # exp(A) has what A carries, and what rounding the exponent adds.
    S_P = P * (S_A + A.abs() + 3)
    assert right.dA_prev is not None
    S_dZ = torch.hypot(torch.hypot(S_P * s, P * S_s), right.dA_prev)
    return Values(S_A, S_dZ, {})


def _encoding(step: Local, right: Values, exact: bool) -> Values:
    """E is made in float64 whatever the dtype, and its angles, t times 10000^(-2k/n), reach T."""
    A_prev = step.A_prev
    n, T, _ = A_prev.shape
    k = torch.arange(n, dtype=torch.float64)[:, None, None] // 2
    exponent = math.log(10000) * 2 * k / n
    angle = torch.arange(T, dtype=torch.float64)[:, None] * torch.exp(-exponent)
    S_E = angle * (exponent + 3) * (unit(torch.float64) / unit(A_prev.dtype))
    S_A = 2 * A_prev.abs() + 2 * (right.A - A_prev).abs() + S_E.to(A_prev)
    return Values(S_A, None if right.dA_prev is None else 2 * right.dA_prev.abs(), {})


LAYERS: dict[type[Layer], Callable[[Local, Values, bool], Values]] = {
    Linear: _linear,
    **dict.fromkeys((LinearOverTime, Conv1d, Conv2d, ConvTranspose2d, Embedding, MaxPool2d), sums_of_products),
    Sigmoid: _sigmoid,
    Tanh: _tanh,
    **dict.fromkeys((ReLU, LeakyReLU, Dropout, Slice, Flatten, Images, Rows, Last), _mask),
    Softmax: _softmax,
    LogSoftmax: _log_softmax,
    PositionalEncoding: _encoding,
}
"""S of each quantity of a step, in the place of its value, given the reference's values. By exact type: a subclass may
compute otherwise."""


def _mean(terms: Tensor, J: Tensor) -> Tensor:
    """S of J = 1/m times the sum of terms of this size."""
    k, m = terms.numel(), terms.shape[-1]
    S: Tensor = (k / 2 + 3) ** 0.5 * torch.linalg.vector_norm(terms) / m + (k / 3 + 3) ** 0.5 * J.abs()
    return S


def _squared_error(A: Tensor, Y: Tensor, J: Tensor, dA: Tensor) -> tuple[Tensor, Tensor]:
    return _mean((A - Y) ** 2 / 2, J), 2 * dA.abs()


def _cross_entropy(A: Tensor, Y: Tensor, J: Tensor, dA: Tensor) -> tuple[Tensor, Tensor]:
    L = -(Y * torch.log(A).clamp(min=-100) + (1 - Y) * torch.log1p(-A).clamp(min=-100))
    # The 1e-12 that keeps the denominator from 0 is a float32 number in nn.BCELoss, whatever the dtype; and where it
    # does, A / m may already have underflowed.
    kept = torch.where(A * (1 - A) < 1.01e-12, unit(torch.float32) / unit(A.dtype), 0.0)
    S_dA = 4 * dA.abs() + kept * (dA.abs() + A.shape[-1] * torch.finfo(A.dtype).tiny / 1e-12)
    return _mean(L, J), S_dA


def _fused_cross_entropy(Z: Tensor, Y: Tensor, J: Tensor, dZ: Tensor) -> tuple[Tensor, Tensor]:
    # With y = 1 and a large z, z - y z is 0 only after both have been rounded.
    L = Z.clamp(min=0) - Y * Z + torch.log1p(torch.exp(-Z.abs()))
    S_dZ: Tensor = 2 * torch.sigmoid(Z) + 2 * dZ.abs()
    return _mean(L + Z.abs(), J), S_dZ


LOSSES: dict[type[Loss], Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]] = {
    SquaredError: _squared_error,
    BinaryCrossEntropy: _cross_entropy,
    SigmoidCrossEntropy: _fused_cross_entropy,
}
"""S of J and of dA, given A, Y and the reference's J and dA. By exact type."""
