"""How far predicted probabilities are from target probabilities, through their logarithms."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from torchbasics.errors import InputError
from torchbasics.losses.base import Loss, PerExample, one_of, same_shape

# Probabilities that came through bfloat16 still add up to 1 within this, and those that nobody normalised do not.
TOLERANCE = 1e-2


class KLDivergence(Loss):
    r"""$\mathcal L = \sum_k y_k \log\frac{y_k}{\hat y_k} = \sum_k y_k\,(\log y_k - a_k)$ with $a = \log\hat y$.

    A holds log-probabilities, as `LogSoftmax` gives them, and each column of Y probabilities that add up to 1: of
    labels that are not sure, or of another network's predictions (distillation). An outcome with y = 0 costs nothing,
    0 log 0 = 0, even where a is -inf; `nn.KLDivLoss` gives NaN there.

    $$\frac{\partial\mathcal L}{\partial a_k} = -y_k, \qquad
      dz_j = da_j - e^{a_j}\sum_k da_k = e^{a_j} - y_j$$

    through the log-softmax: the softmax cross-entropy's, for the two differ by $\sum_k y_k \log y_k$, which no
    parameter changes. It is 0 where the columns agree and positive elsewhere.

    Source: Kullback and Leibler, "On Information and Sufficiency".

    >>> loss = KLDivergence()
    >>> loss(torch.tensor([[-1000.0], [0.0]]), torch.tensor([[1.0], [0.0]]))
    tensor(1000.)
    >>> loss.backward()
    tensor([[-1.],
            [-0.]])
    """

    Y: Tensor

    def forward(self, A: Float[Tensor, "..."], Y: Float[Tensor, "..."]) -> Float[Tensor, ""]:
        """J = 1/m sum of Y (log Y - A)."""
        same_shape(A, Y)
        _probabilities(Y)
        if A.max() > TOLERANCE:
            raise InputError(
                f"KLDivergence got the log-probability {one_of(A > TOLERANCE, A)}, expected 0 or less: "
                "let the last layer be LogSoftmax, not Softmax or none"
            )
        self.Y = Y
        m = Y.shape[-1]
        return torch.where(Y == 0, 0, Y * (torch.log(Y) - A)).sum() / m

    def backward(self) -> Float[Tensor, "n_y *T m"]:
        """dA = -Y."""
        return -self.Y

    def output(self, A: Float[Tensor, "n_y *T m"]) -> Float[Tensor, "n_y *T m"]:
        """The probabilities exp(A)."""
        return torch.exp(A)

    def output_twin(self) -> nn.Softmax:
        """`nn.Softmax`, which of log-probabilities is exp: they are what they are less the log of a sum of 1."""
        return nn.Softmax(dim=1)

    def twin(self) -> nn.Module:
        """`nn.KLDivLoss`, averaged over the examples."""
        return PerExample(nn.KLDivLoss(reduction="sum"))


def _probabilities(Y: Tensor) -> None:
    if Y.min() < 0:
        raise InputError(f"KLDivergence got the probability {one_of(Y < 0, Y)}, expected 0 or more")
    total = Y.sum(dim=0, keepdim=True)
    wrong = ~((total - 1).abs() <= TOLERANCE)
    if wrong.any():
        raise InputError(
            f"KLDivergence got a column of Y that adds up to {one_of(wrong, total)}, expected 1: "
            "probabilities over the outputs, axis 0"
        )
