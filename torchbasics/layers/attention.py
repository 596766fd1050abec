r"""Attention: every step t of a sequence looks at the steps s that its query and their keys agree on.

Legend: m examples of T steps, n features, h heads of d = n / h features each; t a query's step, s a key's.

| symbol | shape |
|---|---|
| Q, K, V and O of one example and head, dQ, dK, dV, dO | (T, d) |
| P, dP, dS | (T, T): row t has what step t gets from each step s |
| A_prev of `ScaledDotProductAttention` = [Q; K; V], dA_prev | (3n, T, m), the n rows of each head after head |
| A_prev of `MultiHeadAttention`, dA_prev | (n, T, m) |
| A, dA of both | (n, T, m), head after head |
| Wqkv = [Wq; Wk; Wv], dWqkv, and bqkv, dbqkv | (3n, n), (3n, 1) |
| Wo, dWo, and bo, dbo | (n, n), (n, 1) |

For each example and head, with softmax along the rows,

$$S = \tfrac1{\sqrt d}\, Q K^T, \qquad P = \operatorname{softmax}(S), \qquad O = P V.$$

**Backward.** $o_{tj} = \sum_s p_{ts} v_{sj}$ is a product of two matrices, so that $dV = P^T dO$ and
$dP = dO\, V^T$. Row t of P is the softmax of row t of S, whose derivative is
$\partial p_{tr} / \partial s_{ts} = p_{tr} (1_{r=s} - p_{ts})$:

$$ds_{ts} = \sum_r dp_{tr}\, p_{tr} (1_{r=s} - p_{ts}) = p_{ts} \Big( dp_{ts} - \sum_r dp_{tr}\, p_{tr} \Big).$$

The sum needs no P at all: $\sum_r dp_{tr} p_{tr} = \sum_r \sum_j do_{tj} v_{rj} p_{tr} = \sum_j do_{tj} o_{tj}$,
which is d products instead of T. And as S is $Q K^T$ times a factor, $dQ = \frac1{\sqrt d} dS\, K$ and
$dK = \frac1{\sqrt d} dS^T Q$.

**Hidden keys.** What a query may not look at has p = 0, as if s = -inf: later steps if `causal`, where `mask` (T, T) is
False, and steps beyond an example's end by `lengths` (m,). A query that may look at nothing has P = 0 in its whole row,
hence o = 0, and nothing flows back through it; so have all queries of an example of length 0. `torch.nn` has it so too.
The queries beyond an example's end look at its steps as the others do: it is for the loss to leave them out.

**Memory.** Only Q, K, V and O are kept. P, T / d times as large, is computed anew on the way back, and never as a
whole: the sweeps go head by head over blocks of examples and queries whose scores stay in the processor's cache.

Source: course 5, week 4, "Self-Attention" and "Multi-Head Attention"; Vaswani et al. 2017, "Attention Is All You Need";
Dao et al. 2022, "FlashAttention", for the row sum and for P computed anew.
"""

import functools
import math
from collections.abc import Iterator
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from torchbasics.errors import InputError
from torchbasics.layers.base import Layer, checked_lengths, parameter, positive_sizes

# Scores of one head at a time: of such blocks, each 1 MiB in float32, P and dS stay within a processor's cache.
BLOCK = 2**18
# Queries at a time where later keys are hidden: a block leaves out the keys that are later than all of its queries.
CAUSAL_ROWS = 64


class _Attention(Layer):
    """P V and its way back, with the features of a step side by side, (m, T, n): as memory lies.

    `lengths` and `mask` hold for the calls that follow, and for a twin made afterwards.
    """

    Z: Tensor
    O: Tensor  # noqa: E741  # the papers' letter

    def __init__(self, heads: int, causal: bool) -> None:
        super().__init__()
        positive_sizes(type(self).__name__, heads=heads)
        self.heads, self.causal = heads, causal
        self.lengths: Tensor | None = None
        """How many steps each example has, (m,): the keys from there on are hidden. None is T for all."""
        self.mask: Tensor | None = None
        """(T, T) of bool: whether query t may look at key s. None lets every query look at every key."""

    def attend(self, Z: Float[Tensor, "m T rows"]) -> Float[Tensor, "m T n"]:
        """O = softmax(Q K^T / sqrt(d)) V, from Z = [Q; K; V]."""
        m, T, rows = Z.shape
        self.Z, self.O = Z, Z.new_empty(m, T, rows // 3)
        (q, k, v), (o,), (room,) = self._heads(Z, 3), self._heads(self.O, 1), self._room(1)
        for examples, queries, keys in self._blocks():
            hidden = self._hidden(examples, queries, keys)
            for head in range(self.heads):
                at, seen = (head, examples, queries), (head, examples, keys)
                torch.bmm(self._weights(q[at], k[seen], hidden, room), v[seen], out=o[at])
        return self.O

    def attend_back(self, dO: Float[Tensor, "m T n"]) -> Float[Tensor, "m T rows"]:
        """dZ = [dQ; dK; dV]."""
        dZ = torch.zeros_like(self.Z)  # as every block adds to dK and dV
        (q, k, v), (o,), (do,) = self._heads(self.Z, 3), self._heads(self.O, 1), self._heads(dO, 1)
        (dq, dk, dv), (room, dS_room) = self._heads(dZ, 3), self._room(2)
        factor = 1 / math.sqrt(q.shape[-1])
        for examples, queries, keys in self._blocks():
            hidden = self._hidden(examples, queries, keys)
            for head in range(self.heads):
                at, seen = (head, examples, queries), (head, examples, keys)
                P = self._weights(q[at], k[seen], hidden, room)
                dv[seen].baddbmm_(P.mT, do[at])
                # dS / sqrt(d) = P * (dP - row_sum) / sqrt(d), the factor and the sum within the product.
                row_sum = (do[at] * o[at]).sum(dim=-1, keepdim=True)
                dS = dS_room[: P.numel()].view(P.shape).copy_(row_sum)
                dS.baddbmm_(do[at], v[seen].mT, beta=-factor, alpha=factor).mul_(P)
                torch.bmm(dS, k[seen], out=dq[at])
                dk[seen].baddbmm_(dS.mT, q[at])
        return dZ

    def _weights(self, q: Tensor, k: Tensor, hidden: Tensor | None, room: Tensor) -> Tensor:
        """P of one head of a block: (examples, queries, keys), in the room."""
        shape = (len(q), q.shape[1], k.shape[1])
        P, factor = room[: math.prod(shape)].view(shape), 1 / math.sqrt(q.shape[-1])
        if hidden is None:
            P.baddbmm_(q, k.mT, beta=0, alpha=factor)
        else:
            P.copy_(hidden).baddbmm_(q, k.mT, alpha=factor)
        torch.softmax(P, dim=-1, out=P)
        if hidden is not None and (self.mask is not None or self.lengths is not None):
            P *= (hidden.amax(dim=-1, keepdim=True) == 0).to(P.dtype)
        return P

    def _hidden(self, examples: slice, queries: slice, keys: slice) -> Tensor | None:
        """What to add to a block's scores, (examples or 1, queries or 1, keys); None where nothing is hidden.

        Not -inf, of which a whole row would make 0 / 0: so far below any score, exp gives exactly 0 beside one that
        counts, and a row in which none does can be set to 0 afterwards.
        """
        device, dtype = self.Z.device, self.Z.dtype
        found: list[Tensor] = []
        s = torch.arange(keys.stop, device=device)
        if self.causal:
            found.append((s[queries, None] >= s)[None])
        if self.mask is not None:
            found.append(self.mask[None, queries, keys].to(device))
        if self.lengths is not None:
            found.append((s < self.lengths[examples, None].to(device))[:, None])
        if not found:
            return None
        visible = functools.reduce(torch.logical_and, found)
        return visible.to(dtype).sub_(1).mul_(torch.finfo(dtype).max / 2)

    def _sizes(self) -> tuple[int, int]:
        """How many examples make a block, and how many queries of each."""
        m, T, _ = self.Z.shape
        queries = min(T, max(1, BLOCK // T), CAUSAL_ROWS if self.causal else T)
        return min(m, max(1, BLOCK // (queries * T))), queries

    def _blocks(self) -> Iterator[tuple[slice, slice, slice]]:
        """The examples of each block, its queries, and the keys that they may look at."""
        m, T, _ = self.Z.shape
        examples, queries = self._sizes()
        for i in range(0, m, examples):
            for t in range(0, T, queries):
                stop = min(t + queries, T)
                yield slice(i, min(i + examples, m)), slice(t, stop), slice(0, stop if self.causal else T)

    def _room(self, parts: int) -> Tensor:
        """Room for so many times the scores of a block: new memory for every block would take as long as its products.

        Each has its numbers in one row, of which a smaller block takes the first.
        """
        return self.Z.new_empty(parts, math.prod(self._sizes()) * self.Z.shape[1])

    def _heads(self, Z: Tensor, parts: int) -> tuple[Tensor, ...]:
        """(m, T, parts n) as views (h, m, T, d), one of each part.

        Of each head they are stacks of matrices, from and into which products go without a copy.
        """
        heads: Tensor = Z.unflatten(-1, (parts, self.heads, -1)).permute(2, 3, 0, 1, 4)
        return heads.unbind(0)

    def _check(self, A_prev: Tensor, called: str) -> None:
        """The steps, and what hides them."""
        _, T, m = A_prev.shape
        if T == 0 or m == 0:
            raise InputError(f"{called} got A_prev of shape {tuple(A_prev.shape)}, expected T and m of 1 or more")
        checked_lengths(self.lengths, A_prev, called, least=0)
        mask: object = self.mask
        if mask is None or (isinstance(mask, Tensor) and mask.shape == (T, T) and mask.dtype == torch.bool):
            return
        found = f"{mask.dtype} and shape {tuple(mask.shape)}" if isinstance(mask, Tensor) else type(mask).__name__
        raise InputError(
            f"{called} got a mask of {found} for A_prev {tuple(A_prev.shape)}, expected torch.bool and {(T, T)}: "
            "mask[t, s] is True where query t may look at key s"
        )

    def extra_repr(self) -> str:
        """Heads and direction, as `print(network)` shows them."""
        return f"heads={self.heads}, causal={self.causal}"


class ScaledDotProductAttention(_Attention):
    r"""A = softmax(Q K^T / sqrt(d)) V for each head of each example, with A_prev = [Q; K; V].

    dA_prev = [dQ; dK; dV]: see the head of this file. Raises `InputError` for an A_prev that is not (3n, T, m) with n a
    multiple of `heads`, and for a mask or lengths that do not fit it.

    >>> layer = ScaledDotProductAttention(heads=2)
    >>> layer(torch.ones(12, 7, 5)).shape
    torch.Size([4, 7, 5])
    """

    symbol = "A"

    def __init__(self, heads: int = 1, causal: bool = False) -> None:
        super().__init__(heads, causal)

    def forward(self, A_prev: Float[Tensor, "..."]) -> Float[Tensor, "n T m"]:
        """A = softmax(Q K^T / sqrt(d)) V."""
        called = f"ScaledDotProductAttention(heads={self.heads})"
        if A_prev.ndim != 3 or len(A_prev) == 0 or len(A_prev) % (3 * self.heads):
            raise InputError(
                f"{called} got A_prev of shape {tuple(A_prev.shape)}, expected (3n, T, m), which is Q, K and V "
                f"stacked: the first axis has to be a multiple of 3 heads = {3 * self.heads}"
            )
        self._check(A_prev, called)
        return self.attend(A_prev.permute(2, 1, 0).contiguous()).permute(2, 1, 0)

    def backward(self, dA: Float[Tensor, "n T m"]) -> Float[Tensor, "3*n T m"]:
        """dA_prev = [dQ; dK; dV]."""
        return self.attend_back(dA.permute(2, 1, 0)).permute(2, 1, 0)

    def twin(self) -> "StockAttention":
        """`torch.nn.functional.scaled_dot_product_attention`, with mask and lengths as they are now."""
        return StockAttention(self)


class MultiHeadAttention(_Attention):
    r"""A = Wo O + bo with O = softmax(Q K^T / sqrt(d)) V for each head, and [Q; K; V] = Wqkv A_prev + bqkv.

    Self-attention: every step asks, and is asked, by linear functions of itself. The steps share the parameters, so
    that their gradients are sums over the steps, and J is the mean over the m examples. With Z = [Q; K; V],

    $$dW_o = \frac1m \sum_t dA^{\langle t\rangle} O^{\langle t\rangle T}, \qquad dO = W_o^T dA, \qquad
      dW_{qkv} = \frac1m \sum_t dZ^{\langle t\rangle} A_{prev}^{\langle t\rangle T}, \qquad
      dA_{prev} = W_{qkv}^T dZ,$$

    db alike without the second factor, and the way from dO to dZ at the head of this file. Raises `InputError` for
    heads that do not divide n, an A_prev that is not (n, T, m), and for a mask or lengths that do not fit it.

    >>> layer = MultiHeadAttention(n=4, heads=2)
    >>> layer(torch.ones(4, 7, 5)).shape
    torch.Size([4, 7, 5])
    """

    symbol = "Z"
    twin_names: ClassVar[dict[str, str]] = {
        "Wqkv": "part.in_proj_weight",
        "bqkv": "part.in_proj_bias",
        "Wo": "part.out_proj.weight",
        "bo": "part.out_proj.bias",
    }
    rows: Tensor

    def __init__(self, n: int, heads: int, causal: bool = False) -> None:
        super().__init__(heads, causal)
        positive_sizes("MultiHeadAttention", n=n)
        if n % heads:
            raise InputError(
                f"MultiHeadAttention got n {n} and heads {heads}: each head has n / heads of the features, so take "
                "heads that divide n"
            )
        self.Wqkv = parameter(torch.zeros(3 * n, n))
        self.bqkv = parameter(torch.zeros(3 * n, 1))
        self.Wo = parameter(torch.zeros(n, n))
        self.bo = parameter(torch.zeros(n, 1))

    def forward(self, A_prev: Float[Tensor, "..."]) -> Float[Tensor, "n T m"]:
        """A = Wo O + bo."""
        n, called = len(self.Wo), f"MultiHeadAttention({len(self.Wo)}, {self.heads})"
        if A_prev.ndim != 3 or len(A_prev) != n:
            raise InputError(
                f"{called} got A_prev of shape {tuple(A_prev.shape)}, expected ({n}, T, m): features first, steps "
                "second, examples last"
            )
        self._check(A_prev, called)
        _, T, m = A_prev.shape
        # (n, T, m) -> (m T, n): one row per step of an example, as memory lies.
        self.rows = A_prev.permute(2, 1, 0).reshape(m * T, n)
        Z = torch.addmm(self.bqkv.T, self.rows, self.Wqkv.T).view(m, T, 3 * n)
        return torch.addmm(self.bo.T, self.attend(Z).view(m * T, n), self.Wo.T).view(m, T, n).permute(2, 1, 0)

    def gradients(self, dA: Float[Tensor, "n T m"]) -> None:
        """dWo, dbo, dWqkv and dbqkv."""
        self._gradients(dA)

    def backward(self, dA: Float[Tensor, "n T m"]) -> Float[Tensor, "n T m"]:
        """dA_prev = Wqkv^T dZ, and the gradients."""
        n, T, m = dA.shape
        return (self._gradients(dA) @ self.Wqkv).view(m, T, n).permute(2, 1, 0)

    def _gradients(self, dA: Tensor) -> Tensor:
        """dZ as (m T, 3n), and the gradients, where the 1/m goes into the smaller dW."""
        n, T, m = dA.shape
        dA_rows = dA.permute(2, 1, 0).reshape(m * T, n)
        self.Wo.grad = (dA_rows.T @ self.O.view(m * T, n)).div_(m)
        self.bo.grad = dA_rows.sum(dim=0)[:, None] / m
        dZ = self.attend_back((dA_rows @ self.Wo).view(m, T, n)).view(m * T, 3 * n)
        self.Wqkv.grad = (dZ.T @ self.rows).div_(m)
        self.bqkv.grad = dZ.sum(dim=0)[:, None] / m
        return dZ

    def twin(self) -> "StockSelfAttention":
        """`nn.MultiheadAttention` with equal weights, and with mask and lengths as they are now."""
        n = len(self.Wo)
        # On "meta" the constructor draws no numbers from torch's global generator, only to have them overwritten.
        part = nn.MultiheadAttention(n, self.heads, batch_first=True, device="meta")
        part.in_proj_weight = nn.Parameter(self.Wqkv.detach().clone())
        part.in_proj_bias = nn.Parameter(self.bqkv.detach().squeeze(1).clone())
        part.out_proj.weight = nn.Parameter(self.Wo.detach().clone())
        part.out_proj.bias = nn.Parameter(self.bo.detach().squeeze(1).clone())
        return StockSelfAttention(part, self)

    def extra_repr(self) -> str:
        """The sizes, as `print(network)` shows them."""
        return f"n={len(self.Wo)}, {super().extra_repr()}"


class _Stock(nn.Module):
    """A stock part's `heads`, `causal`, `lengths` and `mask`, and what they let it look at."""

    def __init__(self, layer: _Attention) -> None:
        super().__init__()
        self.heads, self.causal = layer.heads, layer.causal
        self.lengths = None if layer.lengths is None else layer.lengths.clone()
        self.mask = None if layer.mask is None else layer.mask.clone()

    def steps(self, T: int, device: torch.device) -> Bool[Tensor, "T T"] | None:
        """Which steps each step may look at in any example."""
        if not self.causal:
            return None if self.mask is None else self.mask.to(device)
        mask = torch.ones(T, T, dtype=torch.bool, device=device) if self.mask is None else self.mask.to(device)
        return mask.tril()

    def over(self, T: int, device: torch.device) -> Bool[Tensor, "m T"] | None:
        """Which steps are beyond their example's end."""
        if self.lengths is None:
            return None
        ends: Int[Tensor, " m"] = self.lengths.to(device, torch.int64)
        return torch.ones(len(ends), T, dtype=torch.int64, device=device).cumsum(1) > ends[:, None]


class StockAttention(_Stock):
    """(m, 3n, T) -> (m, n, T) by `scaled_dot_product_attention`."""

    def forward(self, A_prev: Float[Tensor, "m rows T"]) -> Float[Tensor, "m n T"]:
        """A."""
        T, device = A_prev.shape[-1], A_prev.device
        Q, K, V = (part.unflatten(1, (self.heads, -1)).mT for part in A_prev.chunk(3, dim=1))
        mask, over = self.steps(T, device), self.over(T, device)
        if over is not None:
            mask = ~over[:, None, None] if mask is None else mask & ~over[:, None, None]
        alone = self.causal and self.mask is None and over is None
        A = scaled_dot_product_attention(Q, K, V, attn_mask=None if alone else mask, is_causal=alone)
        return A.mT.flatten(1, 2)


class StockSelfAttention(_Stock):
    """(m, n, T) -> (m, n, T) by `nn.MultiheadAttention`."""

    def __init__(self, part: nn.MultiheadAttention, layer: _Attention) -> None:
        super().__init__(layer)
        self.part = part

    def forward(self, A_prev: Float[Tensor, "m n T"]) -> Float[Tensor, "m n T"]:
        """A."""
        X, T = A_prev.mT, A_prev.shape[-1]
        mask = self.steps(T, A_prev.device)
        hidden = {
            "key_padding_mask": self.over(T, A_prev.device),
            "attn_mask": None if mask is None else ~mask,
            "is_causal": self.causal and self.mask is None,
        }
        # In eval mode without autograd it would take another path, where a query that may look at nothing gives NaN.
        # Its mode decides nothing else, as it has no dropout.
        self.part.train()
        A: Tensor = self.part(X, X, X, need_weights=False, **hidden)[0]
        return A.mT
