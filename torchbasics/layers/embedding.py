r"""The embedding: each token's own vector, looked up.

Legend: m examples of T tokens, whole numbers from 0 to vocabulary - 1; n numbers in a vector.

| symbol | shape |
|---|---|
| E, dE | (vocabulary, n) |
| A_prev, the tokens | (T, m) |
| A, dA | (n, T, m) |

The notes have E the other way round, (n, vocabulary), and look up by a product with a one-hot vector, $e_w = E\, o_w$.
"""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from torchbasics.errors import InputError
from torchbasics.layers.base import Layer, parameter, positive_sizes


class Embedding(Layer):
    r"""A<t> = the row of E that the token at t says.

    Backward: a row has a part in every place where its token stands, so that

    $$dE_w = \frac1m \sum_{i, t:\; w^{(i)\langle t\rangle} = w} dA^{(i)\langle t\rangle},$$

    and 0 for a token that does not come up. Tokens have no derivative: dA_prev is 0.

    Like all of X, tokens arrive as floating point numbers. Raises `InputError` for one that is not whole or outside the
    vocabulary. Source: course 5, week 2, "Embedding matrix".

    >>> layer = Embedding(vocabulary=10, n=3)
    >>> layer(torch.tensor([[7.0, 0.0], [9.0, 7.0]])).shape
    torch.Size([3, 2, 2])
    """

    symbol = "A"
    takes_tokens = True
    twin_names: ClassVar[dict[str, str]] = {"E": "part.weight"}
    tokens: Tensor

    def __init__(self, vocabulary: int, n: int) -> None:
        super().__init__()
        positive_sizes("Embedding", vocabulary=vocabulary, n=n)
        self.E = parameter(torch.zeros(vocabulary, n))

    def forward(self, A_prev: Float[Tensor, "..."]) -> Float[Tensor, "n T m"]:
        """The rows of E."""
        vocabulary, n = self.E.shape
        if A_prev.ndim != 2 or A_prev.numel() == 0:
            raise InputError(
                f"Embedding({vocabulary}, {n}) got A_prev of shape {tuple(A_prev.shape)}, expected (T, m), T and m 1 "
                "or more: one token for each step, the examples last"
            )
        tokens = A_prev.long()
        unknown = (tokens != A_prev) | (tokens < 0) | (tokens >= vocabulary)
        if unknown.any():
            t, i = (int(index) for index in torch.nonzero(unknown)[0])
            raise InputError(
                f"Embedding({vocabulary}, {n}) got token {A_prev[t, i].item():g} at step {t} of example {i}, expected "
                f"a whole number from 0 to {vocabulary - 1}"
            )
        # (T, m) -> (m T): one row of E per step of an example, as sequences lie in memory.
        self.tokens = tokens.T.flatten()
        T, m = A_prev.shape
        return self.E.index_select(0, self.tokens).view(m, T, n).permute(2, 1, 0)

    def gradients(self, dA: Float[Tensor, "n T m"]) -> None:
        """dE: 1/m of each token's dA, added up."""
        m = dA.shape[-1]
        rows = dA.permute(2, 1, 0).flatten(0, 1)
        self.E.grad = torch.zeros_like(self.E).index_add_(0, self.tokens, rows, alpha=1 / m)

    def backward(self, dA: Float[Tensor, "n T m"]) -> Float[Tensor, "T m"]:
        """dA_prev = 0, and the gradients."""
        self.gradients(dA)
        return torch.zeros_like(dA[0])

    def twin(self) -> "StockEmbedding":
        """`nn.Embedding` with weight = E."""
        # On "meta" the constructor draws no numbers from torch's global generator, only to have them overwritten.
        vocabulary, n = self.E.shape
        part = nn.Embedding(vocabulary, n, device="meta")
        part.weight = nn.Parameter(self.E.detach().clone())
        return StockEmbedding(part)

    def extra_repr(self) -> str:
        """The sizes, as `print(network)` shows them."""
        return f"vocabulary={self.E.shape[0]}, n={self.E.shape[1]}"


class StockEmbedding(nn.Module):
    """`nn.Embedding` as a twin: tokens (m, T) as floating point numbers -> (m, n, T)."""

    def __init__(self, part: nn.Embedding) -> None:
        super().__init__()
        self.part = part

    def forward(self, A_prev: Float[Tensor, "m T"]) -> Float[Tensor, "m n T"]:
        """A."""
        A: Tensor = self.part(A_prev.long())
        return A.movedim(-1, 1)
