"""The cross-entropy of labels 0 and 1: the notes' loss, through A and straight from Z."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from torchbasics.losses.base import Loss, PerExample, same_shape


class BinaryCrossEntropy(Loss):
    r"""$\mathcal L(\hat y, y) = -\big(y \log \hat y + (1-y) \log(1-\hat y)\big)$, through A.

    $$\frac{\partial\mathcal L}{\partial\hat y} = -\frac{y}{\hat y} + \frac{1-y}{1-\hat y}
      = \frac{\hat y - y}{\hat y(1-\hat y)}$$

    A sigmoid saturates: from z = 17 in float32 (37 in float64) A is exactly 1 and can no longer say how wrong it is.
    As `nn.BCELoss` does, each logarithm is kept at or above -100 and the denominator at or above 1e-12, so that J and
    dA stay finite. Beyond |z| = 27.6, where A (1 - A) is below 1e-12, a wrong example's dZ = dA A (1 - A) shrinks from
    1 to 0, and nothing is learned from it. `SigmoidCrossEntropy` has no such limit.
    """

    A: Tensor
    Y: Tensor

    def forward(self, A: Float[Tensor, "..."], Y: Float[Tensor, "..."]) -> Float[Tensor, ""]:
        """J = -1/m sum of Y log A + (1 - Y) log(1 - A)."""
        same_shape(A, Y)
        self.A, self.Y = A, Y
        m = Y.shape[-1]
        log_A, log_1_A = torch.log(A).clamp(min=-100), torch.log1p(-A).clamp(min=-100)
        return -(Y * log_A + (1 - Y) * log_1_A).sum() / m

    def backward(self) -> Float[Tensor, "n_y *T m"]:
        """dA = -(Y / A) + (1 - Y) / (1 - A) = (A - Y) / (A (1 - A))."""
        return (self.A - self.Y) / (self.A * (1 - self.A)).clamp(min=1e-12)

    def twin(self) -> nn.Module:
        """`nn.BCELoss`, averaged over the examples."""
        return PerExample(nn.BCELoss(reduction="sum"))


class SigmoidCrossEntropy(Loss):
    r"""The output's sigmoid and the binary cross-entropy in one: J straight from Z[L], and dZ[L] = A[L] - Y.

    With $a = \sigma(z)$, $-\log a = \log(1+e^{-z})$ and $-\log(1-a) = z + \log(1+e^{-z})$:

    $$\mathcal L = (1-y)\,z + \log(1+e^{-z}) = \max(z, 0) - y z + \log(1+e^{-|z|}),$$
    $$dz = da\; a(1-a) = \frac{a-y}{a(1-a)}\; a(1-a) = a - y.$$

    No exponential overflows and no logarithm meets 0, so that J is right at any z: z = 1000 with y = 0 costs 1000.

    >>> loss = SigmoidCrossEntropy()
    >>> loss(torch.tensor([[1000.0, -1000.0]]), torch.tensor([[0.0, 0.0]]))
    tensor(500.)
    >>> loss.backward()
    tensor([[1., 0.]])
    """

    A: Tensor
    Y: Tensor

    def forward(self, Z: Float[Tensor, "..."], Y: Float[Tensor, "..."]) -> Float[Tensor, ""]:
        """J = 1/m sum of max(Z, 0) - Y Z + log(1 + exp(-|Z|))."""
        same_shape(Z, Y)
        self.A, self.Y = torch.sigmoid(Z), Y
        m = Y.shape[-1]
        return (Z.clamp(min=0) - Y * Z + torch.log1p(torch.exp(-Z.abs()))).sum() / m

    def backward(self) -> Float[Tensor, "n_y *T m"]:
        """dZ = A - Y."""
        return self.A - self.Y

    def output(self, Z: Float[Tensor, "n_y *T m"]) -> Float[Tensor, "n_y *T m"]:
        """A[L] = sigmoid(Z[L])."""
        return torch.sigmoid(Z)

    def output_twin(self) -> nn.Sigmoid:
        """`nn.Sigmoid`."""
        return nn.Sigmoid()

    def twin(self) -> nn.Module:
        """`nn.BCEWithLogitsLoss`, averaged over the examples."""
        return PerExample(nn.BCEWithLogitsLoss(reduction="sum"))
