r"""Costs: the mean over the m examples of the losses, and where the backward sweep starts.

Legend: n_y outputs (1 in the notes), m examples; $\hat Y = A^{[L]}$ (n_y, m), Y (n_y, m), J ().

$$J = \frac1m \sum_{i=1}^m \mathcal L(\hat y^{(i)}, y^{(i)}), \qquad
  dA^{[L]} = \frac{\partial}{\partial A^{[L]}} \sum_i \mathcal L^{(i)} = m\,\frac{\partial J}{\partial A^{[L]}}$$

With more than one output an example's loss is the sum over its outputs. Source: week 2, "Logistic regression cost
function", and week 3, "Gradient descent for neural networks".
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from torchbasics.errors import InputError


class Loss(nn.Module, ABC):
    """J from what the last layer gives, and the first step of the backward sweep."""

    A: Tensor
    Y: Tensor

    @abstractmethod
    def forward(self, A: Float[Tensor, "..."], Y: Float[Tensor, "..."]) -> Float[Tensor, ""]:
        """Compute J and cache what `backward` needs."""

    @abstractmethod
    def backward(self) -> Float[Tensor, "n_y m"]:
        """Compute the derivative of the sum of the losses by what `forward` was given."""

    @abstractmethod
    def twin(self) -> nn.Module:
        """Return the stock `torch.nn` loss, which takes (m, n_y) predictions and labels."""

    def output(self, A: Float[Tensor, "n_y m"]) -> Float[Tensor, "n_y m"]:
        """The predictions A[L]: what the last layer gives, unless the loss has the last activation in it."""
        return A

    def output_twin(self) -> nn.Module:
        """The stock module that does what `output` does."""
        return nn.Identity()


class SquaredError(Loss):
    r"""$\mathcal L(\hat y, y) = \frac12 (\hat y - y)^2$, and dA = A - Y.

    The notes set it aside for logistic regression: with a sigmoid it is not convex in w.
    """

    def forward(self, A: Float[Tensor, "..."], Y: Float[Tensor, "..."]) -> Float[Tensor, ""]:
        """J = 1/m sum of (A - Y)^2 / 2."""
        _same_shape(A, Y)
        self.A, self.Y = A, Y
        m = Y.shape[-1]
        return ((A - Y) ** 2 / 2).sum() / m

    def backward(self) -> Float[Tensor, "n_y m"]:
        """dA = A - Y."""
        return self.A - self.Y

    def twin(self) -> nn.Module:
        """`nn.MSELoss`, halved and averaged over the examples."""
        return PerExample(nn.MSELoss(reduction="sum"), factor=0.5)


class BinaryCrossEntropy(Loss):
    r"""$\mathcal L(\hat y, y) = -\big(y \log \hat y + (1-y) \log(1-\hat y)\big)$, through A.

    $$\frac{\partial\mathcal L}{\partial\hat y} = -\frac{y}{\hat y} + \frac{1-y}{1-\hat y}
      = \frac{\hat y - y}{\hat y(1-\hat y)}$$

    A sigmoid saturates: from z = 17 in float32 (37 in float64) A is exactly 1 and can no longer say how wrong it is.
    As `nn.BCELoss` does, each logarithm is kept at or above -100 and the denominator at or above 1e-12, so that J and
    dA stay finite. Beyond |z| = 27.6, where A (1 - A) is below 1e-12, a wrong example's dZ = dA A (1 - A) shrinks from
    1 to 0, and nothing is learned from it. `SigmoidCrossEntropy` has no such limit.
    """

    def forward(self, A: Float[Tensor, "..."], Y: Float[Tensor, "..."]) -> Float[Tensor, ""]:
        """J = -1/m sum of Y log A + (1 - Y) log(1 - A)."""
        _same_shape(A, Y)
        self.A, self.Y = A, Y
        m = Y.shape[-1]
        log_A, log_1_A = torch.log(A).clamp(min=-100), torch.log1p(-A).clamp(min=-100)
        return -(Y * log_A + (1 - Y) * log_1_A).sum() / m

    def backward(self) -> Float[Tensor, "n_y m"]:
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

    def forward(self, Z: Float[Tensor, "..."], Y: Float[Tensor, "..."]) -> Float[Tensor, ""]:
        """J = 1/m sum of max(Z, 0) - Y Z + log(1 + exp(-|Z|))."""
        _same_shape(Z, Y)
        self.A, self.Y = torch.sigmoid(Z), Y
        m = Y.shape[-1]
        return (Z.clamp(min=0) - Y * Z + torch.log1p(torch.exp(-Z.abs()))).sum() / m

    def backward(self) -> Float[Tensor, "n_y m"]:
        """dZ = A - Y."""
        return self.A - self.Y

    def output(self, Z: Float[Tensor, "n_y m"]) -> Float[Tensor, "n_y m"]:
        """A[L] = sigmoid(Z[L])."""
        return torch.sigmoid(Z)

    def output_twin(self) -> nn.Sigmoid:
        """`nn.Sigmoid`."""
        return nn.Sigmoid()

    def twin(self) -> nn.Module:
        """`nn.BCEWithLogitsLoss`, averaged over the examples."""
        return PerExample(nn.BCEWithLogitsLoss(reduction="sum"))


class PerExample(nn.Module):
    """A stock loss with `reduction="sum"` as the notes' cost: factor / m times the sum over (m, n_y) predictions."""

    def __init__(self, loss: nn.Module, factor: float = 1.0) -> None:
        super().__init__()
        self.loss = loss
        self.factor = factor

    def forward(self, predictions: Float[Tensor, "m n_y"], labels: Float[Tensor, "m n_y"]) -> Float[Tensor, ""]:
        """J."""
        J: Tensor = self.loss(predictions, labels) * (self.factor / len(labels))
        return J


def _same_shape(A: Tensor, Y: Tensor) -> None:
    # Without this, Y (m,) against A (1, m) would pass, and A - Y of (m, 1) and (m,) would silently be (m, m).
    if A.shape != Y.shape:
        raise InputError(
            f"the labels Y have shape {tuple(Y.shape)} and the predictions {tuple(A.shape)}: both need (n_y, m), "
            "one example per column; reshape a vector of labels to (1, m)"
        )
