r"""The linear layer: $Z^{[l]} = W^{[l]} A^{[l-1]} + b^{[l]}$, for a vector or at every step of a sequence.

Legend: m examples, n_prev = n[l-1] units in, n = n[l] units out.

| symbol | shape |
|---|---|
| W, dW | (n, n_prev) |
| b, db | (n, 1) |
| A_prev, dA_prev | (n_prev, m); of sequences (n_prev, T, m) |
| Z, dZ | (n, m); of sequences (n, T, m) |
"""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from torchbasics.errors import InputError
from torchbasics.layers.base import FeaturesLast, Layer, parameter, positive_sizes


class Linear(Layer):
    r"""Z = W A_prev + b.

    Backward, with $z_{ji} = \sum_k w_{jk} a_{ki} + b_j$ for example i, and the sum of the losses
    $\mathcal L = \sum_i \mathcal L_i = m J$:

    $$\frac{\partial J}{\partial w_{jk}} = \frac1m \sum_i \frac{\partial\mathcal L}{\partial z_{ji}}\, a_{ki}, \qquad
      \frac{\partial J}{\partial b_j} = \frac1m \sum_i \frac{\partial\mathcal L}{\partial z_{ji}}, \qquad
      \frac{\partial\mathcal L}{\partial a_{ki}} = \sum_j w_{jk} \frac{\partial\mathcal L}{\partial z_{ji}}.$$

    W and b start at zero; `torchbasics.initialisation` breaks the symmetry.

    Source: week 3, "Backpropagation intuition", and week 4, "Forward and backward propagation".

    >>> layer = Linear(n_prev=3, n=2)
    >>> layer(torch.ones(3, 5)).shape
    torch.Size([2, 5])
    """

    symbol = "Z"
    twin_names: ClassVar[dict[str, str]] = {"W": "weight", "b": "bias"}
    A_prev: Tensor

    def __init__(self, n_prev: int, n: int) -> None:
        super().__init__()
        positive_sizes(type(self).__name__, n_prev=n_prev, n=n)
        self.W = parameter(torch.zeros(n, n_prev))
        self.b = parameter(torch.zeros(n, 1))

    def forward(self, A_prev: Float[Tensor, "..."]) -> Float[Tensor, "n m"]:
        """Z = W A_prev + b."""
        n, n_prev = self.W.shape
        if A_prev.ndim != 2 or A_prev.shape[0] != n_prev:
            raise InputError(
                f"Linear({n_prev}, {n}) got A_prev of shape {tuple(A_prev.shape)}, expected ({n_prev}, m): "
                "one example per column, so transpose examples that are rows"
            )
        self.A_prev = A_prev
        return torch.addmm(self.b, self.W, A_prev)

    def gradients(self, dZ: Float[Tensor, "n m"]) -> None:
        """dW = 1/m dZ A_prev^T, db = 1/m sum of dZ over the examples."""
        m = dZ.shape[-1]
        # dZ (n, m) is divided rather than dW (n, n_prev): the same numbers, and fewer where the layer is wide.
        dZ_over_m = dZ / m
        self.W.grad = dZ_over_m @ self.A_prev.T
        self.b.grad = dZ_over_m.sum(dim=1, keepdim=True)

    def backward(self, dZ: Float[Tensor, "n m"]) -> Float[Tensor, "n_prev m"]:
        """dA_prev = W^T dZ, and the gradients."""
        self.gradients(dZ)
        return self.W.T @ dZ

    def twin(self) -> nn.Linear:
        """`nn.Linear` with weight = W and bias = b as a vector."""
        n, n_prev = self.W.shape
        # On "meta" the constructor draws no numbers from torch's global generator, only to have them overwritten.
        linear = nn.Linear(n_prev, n, device="meta")
        linear.weight = nn.Parameter(self.W.detach().clone())
        linear.bias = nn.Parameter(self.b.detach().squeeze(1).clone())
        return linear

    def extra_repr(self) -> str:
        """The sizes, as `print(network)` shows them."""
        return f"n_prev={self.W.shape[1]}, n={self.W.shape[0]}"


class LinearOverTime(Layer):
    r"""Z<t> = W A_prev<t> + b at every step t of a sequence, with the same W and b.

    The steps are more examples of one linear layer, but J is still the mean over the m sequences:

    $$\frac{\partial J}{\partial W} = \frac1m \sum_{t=1}^{T} dZ^{\langle t\rangle} A_{prev}^{\langle t\rangle T}, \qquad
      \frac{\partial J}{\partial b} = \frac1m \sum_t \sum_i dZ^{\langle t\rangle(i)}, \qquad
      dA_{prev}^{\langle t\rangle} = W^T dZ^{\langle t\rangle}.$$

    Source: course 5, week 1, "Recurrent neural network model", where yhat<t> is made by it, with Wya and by.

    >>> layer = LinearOverTime(n_prev=3, n=2)
    >>> layer(torch.ones(3, 7, 5)).shape
    torch.Size([2, 7, 5])
    """

    symbol = "Z"
    twin_names: ClassVar[dict[str, str]] = {"W": "part.weight", "b": "part.bias"}
    rows: Tensor

    def __init__(self, n_prev: int, n: int) -> None:
        super().__init__()
        positive_sizes(type(self).__name__, n_prev=n_prev, n=n)
        self.W = parameter(torch.zeros(n, n_prev))
        self.b = parameter(torch.zeros(n, 1))

    def forward(self, A_prev: Float[Tensor, "..."]) -> Float[Tensor, "n T m"]:
        """Z<t> = W A_prev<t> + b."""
        n, n_prev = self.W.shape
        if A_prev.ndim != 3 or A_prev.shape[0] != n_prev:
            raise InputError(
                f"LinearOverTime({n_prev}, {n}) got A_prev of shape {tuple(A_prev.shape)}, expected ({n_prev}, T, m): "
                "features first, steps second, examples last"
            )
        _, T, m = A_prev.shape
        # (n_prev, T, m) -> (m T, n_prev): one row per step of an example, as memory lies.
        self.rows = A_prev.permute(2, 1, 0).reshape(m * T, n_prev)
        return torch.addmm(self.b.T, self.rows, self.W.T).view(m, T, n).permute(2, 1, 0)

    def gradients(self, dZ: Float[Tensor, "n T m"]) -> None:
        """dW = 1/m sum over t of dZ<t> A_prev<t>^T, db = 1/m sum of dZ over steps and examples."""
        self._gradients(self._rows(dZ), dZ.shape[-1])

    def backward(self, dZ: Float[Tensor, "n T m"]) -> Float[Tensor, "n_prev T m"]:
        """dA_prev<t> = W^T dZ<t>, and the gradients."""
        _, T, m = dZ.shape
        rows = self._rows(dZ)
        self._gradients(rows, m)
        return (rows @ self.W).view(m, T, -1).permute(2, 1, 0)

    def _rows(self, dZ: Tensor) -> Tensor:
        return dZ.permute(2, 1, 0).reshape(-1, dZ.shape[0])

    def _gradients(self, dZ_rows: Tensor, m: int) -> None:
        # Here dW is the smaller: a sequence's steps are as many as further examples.
        self.W.grad = (dZ_rows.T @ self.rows).div_(m)
        self.b.grad = dZ_rows.sum(dim=0)[:, None] / m

    def twin(self) -> nn.Module:
        """`nn.Linear`, which takes any number of leading axes, with the features moved to the last."""
        n, n_prev = self.W.shape
        linear = nn.Linear(n_prev, n, device="meta")
        linear.weight = nn.Parameter(self.W.detach().clone())
        linear.bias = nn.Parameter(self.b.detach().squeeze(1).clone())
        return FeaturesLast(linear)

    def extra_repr(self) -> str:
        """The sizes, as `print(network)` shows them."""
        return f"n_prev={self.W.shape[1]}, n={self.W.shape[0]}"
