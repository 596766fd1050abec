r"""Where in the sequence a step stands, as numbers of its own: attention alone treats the steps as a set.

Legend: m examples of T steps t = 0, ..., T - 1, n features. A_prev, A, dA_prev, dA: (n, T, m); E: (n, T).

$$e_{2k,t} = \sin\frac{t}{10000^{2k/n}}, \qquad e_{2k+1,t} = \cos\frac{t}{10000^{2k/n}}$$

Two rows are one rotation, of $2\pi$ steps to the turn in the first pair and up to 10000 times slower in the last, so
that a step further is the same rotation wherever it begins.

Source: course 5, week 4, "Transformer Network"; Vaswani et al. 2017, "Attention Is All You Need", section 3.5.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from torchbasics.errors import InputError
from torchbasics.layers.base import Layer, positive_sizes


class PositionalEncoding(Layer):
    """A = A_prev + E, the same for every example; dA_prev = dA, as E depends on nothing.

    Raises `InputError` for an A_prev that is not (n, T, m).

    >>> PositionalEncoding(n=2)(torch.zeros(2, 3, 1))[..., 0]
    tensor([[ 0.0000,  0.8415,  0.9093],
            [ 1.0000,  0.5403, -0.4161]])
    """

    symbol = "A"

    def __init__(self, n: int) -> None:
        super().__init__()
        positive_sizes("PositionalEncoding", n=n)
        self.n = n
        self.E: Tensor | None = None

    def forward(self, A_prev: Float[Tensor, "..."]) -> Float[Tensor, "n T m"]:
        """A = A_prev + E."""
        if A_prev.ndim != 3 or len(A_prev) != self.n:
            raise InputError(
                f"PositionalEncoding({self.n}) got A_prev of shape {tuple(A_prev.shape)}, expected ({self.n}, T, m): "
                "features first, steps second, examples last"
            )
        T = A_prev.shape[1]
        if self.E is None or self.E.shape[1] != T or (self.E.dtype, self.E.device) != (A_prev.dtype, A_prev.device):
            self.E = encoding(self.n, T).to(A_prev.device, A_prev.dtype)
        return A_prev + self.E[..., None]

    def backward(self, dA: Float[Tensor, "n T m"]) -> Float[Tensor, "n T m"]:
        """dA_prev = dA."""
        return dA

    def twin(self) -> "StockPositionalEncoding":
        """The sum of A_prev and an E of its own."""
        return StockPositionalEncoding()

    def extra_repr(self) -> str:
        """The size, as `print(network)` shows it."""
        return f"n={self.n}"


def encoding(n: int, T: int) -> Float[Tensor, "n T"]:
    """E in float64, whatever it is added to: t / 10000^(2k/n) in float32 would be off by 1e-3 at t = 10^4."""
    row = torch.arange(n, dtype=torch.float64)[:, None]
    angle = torch.arange(T, dtype=torch.float64) / 10000 ** (2 * (row // 2) / n)
    return torch.where(row % 2 == 0, angle.sin(), angle.cos())


class StockPositionalEncoding(nn.Module):
    """(m, n, T) -> (m, n, T), with e^(i angle) in polar form: its real part is the cosine, its imaginary part the sine.

    The rates 10000^(-2k/n) come by the exponential of a logarithm, and the angles as their outer product with t.
    """

    def forward(self, A_prev: Float[Tensor, "m n T"]) -> Float[Tensor, "m n T"]:
        """A."""
        _, n, T = A_prev.shape
        rates = torch.exp(torch.arange(0, n, 2, dtype=torch.float64) * (-math.log(10000.0) / n))
        angles = torch.outer(rates, torch.arange(T, dtype=torch.float64))
        turns = torch.view_as_real(torch.polar(torch.ones_like(angles), angles))
        E = turns.flip(-1).movedim(-1, 1).flatten(0, 1)[:n]
        return A_prev + E.to(A_prev.device, A_prev.dtype)
