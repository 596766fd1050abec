r"""The linear layer: $Z^{[l]} = W^{[l]} A^{[l-1]} + b^{[l]}$.

Legend: m examples, n_prev = n[l-1] units in, n = n[l] units out.

| symbol | shape |
|---|---|
| W, dW | (n, n_prev) |
| b, db | (n, 1) |
| A_prev, dA_prev | (n_prev, m) |
| Z, dZ | (n, m) |
"""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from torchbasics.errors import InputError
from torchbasics.layers.base import Layer, parameter


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
