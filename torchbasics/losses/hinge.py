"""The loss of the support vector machine, on the labels 0 and 1 of the notes."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from torchbasics.errors import InputError
from torchbasics.losses.base import Loss, PerExample, one_of, same_shape


class Hinge(Loss):
    r"""$\mathcal L(z, y) = \max(0,\, 1 - s z)$ with $s = 2y - 1$: the label 1 is read as +1, and 0 as -1.

    It asks for a score on the right side of 0 and at least 1 away, and no more than that:

    $$\frac{\partial\mathcal L}{\partial z} = \begin{cases} -s & s z < 1 \\ 0 & s z \ge 1. \end{cases}$$

    At s z = 1 exactly any value between the two is a subgradient; 0 is torch's.

    The prediction is label 1 where z > 0. `output` says so as sigmoid(z) > 1/2, on the scale of the other losses: it
    puts the examples in the order of their scores, but is no probability, which a hinge doesn't estimate.

    Source: Cortes and Vapnik, "Support-Vector Networks".

    >>> loss = Hinge()
    >>> loss(torch.tensor([[0.25, -1.0, 1000.0]]), torch.tensor([[1.0, 0.0, 0.0]]))
    tensor(333.9167)
    >>> loss.backward()
    tensor([[-1.,  0.,  1.]])
    """

    excess: Tensor
    Y: Tensor

    def forward(self, Z: Float[Tensor, "..."], Y: Float[Tensor, "..."]) -> Float[Tensor, ""]:
        """J = 1/m sum of max(0, 1 - (2Y - 1) Z)."""
        same_shape(Z, Y)
        wrong = (Y != 0) & (Y != 1)
        if wrong.any():
            raise InputError(
                f"Hinge got the label {one_of(wrong, Y)}, expected 0 or 1, which it reads as -1 and +1 itself"
            )
        self.excess, self.Y = torch.relu(1 - (2 * Y - 1) * Z), Y
        m = Y.shape[-1]
        return self.excess.sum() / m

    def backward(self) -> Float[Tensor, "n_y *T m"]:
        """dZ = -(2Y - 1) where the loss is above 0, else 0."""
        return (1 - 2 * self.Y) * torch.sign(self.excess)

    def output(self, Z: Float[Tensor, "n_y *T m"]) -> Float[Tensor, "n_y *T m"]:
        """A[L] = sigmoid(Z[L]), above 1/2 where Z[L] > 0."""
        return torch.sigmoid(Z)

    def output_twin(self) -> nn.Sigmoid:
        """`nn.Sigmoid`."""
        return nn.Sigmoid()

    def twin(self) -> nn.Module:
        """`nn.MarginRankingLoss` of Z against 0, averaged over the examples."""
        return PerExample(AboveOrBelow0(nn.MarginRankingLoss(margin=1, reduction="sum")))


class AboveOrBelow0(nn.Module):
    """`nn.MarginRankingLoss` asks x1 to be above x2 where its target is 1, and below where it is -1; x2 is 0 here."""

    def __init__(self, loss: nn.MarginRankingLoss) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, Z: Float[Tensor, "m n_y *T"], Y: Float[Tensor, "m n_y *T"]) -> Float[Tensor, ""]:
        """The sum of max(0, -(2Y - 1) (Z - 0) + 1)."""
        summed: Tensor = self.loss(Z, torch.zeros_like(Z), 2 * Y - 1)
        return summed
