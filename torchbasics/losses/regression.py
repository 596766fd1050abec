r"""Losses of predictions that may be any number, by the error $r = \hat y - y$."""

import math

from jaxtyping import Float
from torch import Tensor, nn

from torchbasics.errors import InputError
from torchbasics.losses.base import Loss, PerExample, same_shape


class SquaredError(Loss):
    r"""$\mathcal L(\hat y, y) = \frac12 (\hat y - y)^2$, and dA = A - Y.

    The notes set it aside for logistic regression: with a sigmoid it is not convex in w.
    """

    A: Tensor
    Y: Tensor

    def forward(self, A: Float[Tensor, "..."], Y: Float[Tensor, "..."]) -> Float[Tensor, ""]:
        """J = 1/m sum of (A - Y)^2 / 2."""
        same_shape(A, Y)
        self.A, self.Y = A, Y
        m = Y.shape[-1]
        return ((A - Y) ** 2 / 2).sum() / m

    def backward(self) -> Float[Tensor, "n_y *T m"]:
        """dA = A - Y."""
        return self.A - self.Y

    def twin(self) -> nn.Module:
        """`nn.MSELoss`, halved and averaged over the examples."""
        return PerExample(nn.MSELoss(reduction="sum"), factor=0.5)


class Huber(Loss):
    r"""The squared error of small errors, and of large ones a straight line, so that no outlier rules the gradient.

    With $r = \hat y - y$ and $c = \min(\max(r, -\delta), \delta)$, r cut off at delta:

    $$\mathcal L = c\,\big(r - \tfrac12 c\big) = \begin{cases} \frac12 r^2 & |r| \le \delta \\
      \delta\,(|r| - \frac12\delta) & |r| > \delta, \end{cases} \qquad \frac{\partial\mathcal L}{\partial\hat y} = c.$$

    Both pieces have the slope $\pm\delta$ where they meet, so there is no side to take. With a large delta this is the
    squared error; unlike that, it does not overflow at r = 1e30. Source: Huber, "Robust Estimation of a Location
    Parameter".

    >>> import torch
    >>> loss = Huber(delta=1.0)
    >>> loss(torch.tensor([[0.5, -1000.0]]), torch.zeros(1, 2))
    tensor(499.8125)
    >>> loss.backward()
    tensor([[ 0.5000, -1.0000]])
    """

    error: Tensor

    def __init__(self, delta: float = 1.0) -> None:
        super().__init__()
        if not 0 < delta < math.inf:
            raise InputError(f"Huber got delta {delta}, expected delta > 0: the error up to which it is squared")
        self.delta = delta

    def forward(self, A: Float[Tensor, "..."], Y: Float[Tensor, "..."]) -> Float[Tensor, ""]:
        """J = 1/m sum of C (R - C / 2), where R = A - Y and C is R between -delta and delta."""
        same_shape(A, Y)
        m = Y.shape[-1]
        self.error = A - Y
        cut = self.error.clamp(-self.delta, self.delta)
        return (cut * (self.error - cut / 2)).sum() / m

    def backward(self) -> Float[Tensor, "n_y *T m"]:
        """dA = A - Y between -delta and delta."""
        return self.error.clamp(-self.delta, self.delta)

    def twin(self) -> nn.Module:
        """`nn.HuberLoss`, averaged over the examples."""
        return PerExample(nn.HuberLoss(reduction="sum", delta=self.delta))

    def extra_repr(self) -> str:
        """Delta, as `print(network)` shows it."""
        return f"delta={self.delta}"
