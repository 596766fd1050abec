r"""Softmax and its logarithm over the outputs, axis 0: they mix the entries of a column, and never two columns.

$$a_j = \frac{e^{z_j}}{\sum_k e^{z_k}}, \qquad
  \frac{\partial a_k}{\partial z_j} = a_k\,(\delta_{kj} - a_j), \qquad
  \frac{\partial \log a_k}{\partial z_j} = \delta_{kj} - a_j$$

with $\delta_{kj} = 1$ for k = j and 0 otherwise. The largest z of a column is subtracted from all of them first, which
changes no a and keeps every exponential at or below 1.

torch has the backward of either in one pass over memory, here it takes three of softmax, which costs nothing beside the
exponentials, and four of its logarithm, whose exp(A) is computed anew: a fifth of the time of a step.

Shapes: Z, A, dZ and dA are alike, (n_y, m), or (n_y, T, m) with a softmax at every time step. Source: Improving Deep
Neural Networks, week 3, "Softmax regression".
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from torchbasics.layers.base import Layer


class Softmax(Layer):
    r"""A = exp(Z) / sum of exp(Z) over the outputs: every column holds probabilities that add up to 1.

    $dz_j = \sum_k da_k\,a_k (\delta_{kj} - a_j) = a_j \big(da_j - \sum_k da_k a_k\big)$, so that every column of dZ
    adds up to 0: the same number added to all z of a column changes nothing.

    Followed by a cross-entropy, `torchbasics.losses.SoftmaxCrossEntropy` is both in one, and keeps its digits where an
    a rounds to 0 or 1.

    >>> Softmax()(torch.tensor([[1000.0, 0.0], [1000.0, -1000.0]]))
    tensor([[0.5000, 1.0000],
            [0.5000, 0.0000]])
    """

    symbol = "A"
    A: Tensor

    def forward(self, Z: Float[Tensor, "n_y *T m"]) -> Float[Tensor, "n_y *T m"]:
        """A = softmax(Z)."""
        self.A = over_outputs(torch.softmax, Z)
        return self.A

    def backward(self, dA: Float[Tensor, "n_y *T m"]) -> Float[Tensor, "n_y *T m"]:
        """dZ = A * (dA - sum(dA * A))."""
        dA_A = dA * self.A
        return dA_A.addcmul_(self.A, dA_A.sum(dim=0), value=-1)

    def twin(self) -> nn.Softmax:
        """`nn.Softmax` over its second axis."""
        return nn.Softmax(dim=1)


class LogSoftmax(Layer):
    r"""A = Z - log of the sum of exp(Z) over the outputs: the logarithms of the probabilities, never above 0.

    $dz_j = \sum_k da_k (\delta_{kj} - e^{a_j}) = da_j - e^{a_j} \sum_k da_k$, where $e^{a_j}$ is the softmax.

    >>> LogSoftmax()(torch.tensor([[1000.0], [0.0]]))
    tensor([[    0.],
            [-1000.]])
    """

    symbol = "A"
    A: Tensor

    def forward(self, Z: Float[Tensor, "n_y *T m"]) -> Float[Tensor, "n_y *T m"]:
        """A = log softmax(Z)."""
        self.A = over_outputs(torch.log_softmax, Z)
        return self.A

    def backward(self, dA: Float[Tensor, "n_y *T m"]) -> Float[Tensor, "n_y *T m"]:
        """dZ = dA - exp(A) * sum(dA)."""
        # As in `smooth`, 2^(a log2 e) is the faster exp(a), and as right: a itself is rounded.
        softmax = (self.A * math.log2(math.e)).exp2_()
        return torch.addcmul(dA, softmax, dA.sum(dim=0), value=-1, out=softmax)

    def twin(self) -> nn.LogSoftmax:
        """`nn.LogSoftmax` over its second axis."""
        return nn.LogSoftmax(dim=1)


def over_outputs(f: Callable[[Tensor, int], Tensor], Z: Float[Tensor, "n_y *T m"]) -> Float[Tensor, "n_y *T m"]:
    """f(Z, 0), with the axes in the order in which the numbers lie in memory, or torch would first copy them all."""
    order = sorted(range(Z.ndim), key=Z.stride, reverse=True)
    A = f(Z.permute(order), order.index(0))
    return A.permute([order.index(axis) for axis in range(Z.ndim)])
