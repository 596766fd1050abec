r"""What recurrent layers share: $a^{\langle t\rangle}$ from $a^{\langle t-1\rangle}$ and $x^{\langle t\rangle}$.

Legend: m examples of T steps, n_x numbers at each step, n_a units; k blocks of n_a rows in the parameters, one for each
gate: 1 in `RNN`, 3 in `GRU`, 4 in `LSTM`. $a^{\langle 0\rangle} = 0$.

| symbol | shape |
|---|---|
| A_prev, its steps x<t>, and dA_prev | (n_x, T, m) |
| A, its steps a<t>, and dA | (n_a, T, m); (2 n_a, T, m) in both directions, the last n_a from the way back |
| Wax, dWax | (k n_a, n_x) |
| Waa, dWaa | (k n_a, n_a) |
| ba, dba; in `GRU` bax, baa | (k n_a, 1) |

**Backward through time.** Every kind has $z^{\langle t\rangle} = W_{ax} x^{\langle t\rangle} + W_{aa}
a^{\langle t-1\rangle} + b_a$ and makes $a^{\langle t\rangle}$ of it. Of what $a^{\langle t\rangle}$ does to the losses,
$dA^{\langle t\rangle}$ comes from above, and the rest from the next step, so that the sweep goes from the last step to
the first:

$$da^{\langle t\rangle} = dA^{\langle t\rangle} + W_{aa}^T\, dz^{\langle t+1\rangle}, \qquad
  dz^{\langle T+1\rangle} = 0.$$

Each kind has its own rule from $da^{\langle t\rangle}$ to $dz^{\langle t\rangle}$. The steps share their parameters, so
that their parts add up:

$$dW_{ax} = \frac1m \sum_t dz^{\langle t\rangle} x^{\langle t\rangle T}, \quad
  dW_{aa} = \frac1m \sum_t dz^{\langle t\rangle} a^{\langle t-1\rangle T}, \quad
  db_a = \frac1m \sum_t \sum_i dz^{\langle t\rangle(i)}, \quad
  dx^{\langle t\rangle} = W_{ax}^T\, dz^{\langle t\rangle}.$$

Only the products with $W_{aa}$ have to wait for one another. All others take many steps at once, as rows: in here,
sequences lie as (T, m, n).

**Lengths.** Where `lengths` (m,) says that an example has fewer than T steps, its a<t> are 0 from there on, nothing
flows back from them, and its way back begins at its own last step: as `nn.utils.rnn.pack_padded_sequence` has it.

Source: course 5, week 1, "Backpropagation through time", "Bidirectional RNN" and "Deep RNNs".
"""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from torchbasics.errors import InputError
from torchbasics.layers.base import Layer, checked_lengths, parameter, positive_sizes

# The sweeps go by stretches of steps: as many as have so many numbers in a, 1 MiB in float32. What is made of them is
# still in the processor's cache when the products take it, and the products are large enough to be fast.
STRETCH = 2**18

Blocks = Sequence[Tensor]
"""dz<t> of each gate, (steps, m, n_a)."""

Cache = tuple[Tensor, Tensor, list[tuple[Tensor, ...]]]
"""x<t>; a<0> to a<T>; what else the way back through time needs, by stretch."""


class Recurrent(Layer):
    """Several levels one on top of the other, each of which goes through time in one direction or in both.

    With `num_layers`, level l takes the a<t> of level l - 1 and has parameters of its own. With `bidirectional`, each
    level goes through its sequences from their ends as well, with the parameters Wax_back, Waa_back and so on.

    Raises `InputError` for sequences of another n_x, without a step, or whose lengths do not fit.
    """

    symbol = "A"
    blocks: ClassVar[int]
    """Of n_a rows in each parameter."""
    biases: ClassVar[tuple[str, ...]] = ("ba",)
    stock: ClassVar[type[nn.RNN | nn.GRU | nn.LSTM]]
    twin_names: ClassVar[dict[str, str]] = {"Wax": "weight_ih", "Waa": "weight_hh", "ba": "bias_ih"}
    span: "Span"

    def __init__(self, n_x: int, n_a: int, num_layers: int = 1, bidirectional: bool = False) -> None:
        super().__init__()
        positive_sizes(type(self).__name__, n_x=n_x, n_a=n_a, num_layers=num_layers)
        self.n_x, self.n_a, self.num_layers, self.bidirectional = n_x, n_a, num_layers, bidirectional
        self.lengths: Tensor | None = None
        # By way, "" and "_back".
        self.caches: dict[str, Cache] = {}
        if num_layers > 1:
            below = [n_x, *[2 * n_a if bidirectional else n_a] * (num_layers - 1)]
            self.layers = nn.ModuleList(type(self)(n, n_a, bidirectional=bidirectional) for n in below)
            return
        for way in ("", "_back") if bidirectional else ("",):
            for name, columns in (("Wax", n_x), ("Waa", n_a), *((bias, 1) for bias in self.biases)):
                self.register_parameter(name + way, parameter(torch.zeros(self.blocks * n_a, columns)))

    @abstractmethod
    def sweep(self, X: Float[Tensor, "T m n_x"], way: str) -> Float[Tensor, "T m n_a"]:
        """One level's a<t> from its x<t>, with the parameters of this way; fills the cache."""

    @abstractmethod
    def sweep_back(self, dA: Float[Tensor, "T m n_a"], way: str) -> Iterator[tuple[slice, Blocks, Blocks]]:
        """Yield (steps, dz<t> for Wax's products, dz<t> for Waa's) of each stretch, the last one first."""

    @property
    def levels(self) -> list["Recurrent"]:
        """The lowest first; this layer itself, unless it is made of several."""
        # nn.ModuleList holds plain Modules for mypy.
        return list(self.layers) if self.num_layers > 1 else [self]  # type: ignore[arg-type]

    def parts(self) -> Iterator[tuple[str, Layer]]:
        """Yield (prefix, level) of each."""
        for k, level in enumerate(self.levels):
            yield f"layers.{k}." if self.num_layers > 1 else "", level

    def forward(self, A_prev: Float[Tensor, "..."]) -> Float[Tensor, "n T m"]:
        """The highest level's a<t> at every step."""
        called = f"{type(self).__name__}({self.n_x}, {self.n_a})"
        if A_prev.ndim != 3 or A_prev.shape[0] != self.n_x or A_prev.numel() == 0:
            raise InputError(
                f"{called} got A_prev of shape {tuple(A_prev.shape)}, expected ({self.n_x}, T, m), T and m 1 or "
                "more: the numbers of one step first, the examples last"
            )
        lengths = checked_lengths(self.lengths, A_prev, called)
        for level in self.levels:
            level.caches.clear()  # before this sweep, which may use the memory, rather than after it
        self.span = Span(lengths, A_prev)
        A = self.span.kept(A_prev.permute(1, 2, 0)).contiguous()
        for level in self.levels:
            ways = [level.sweep(A, "")]
            if self.bidirectional:
                ways.append(self.span.reversed(level.sweep(self.span.reversed(A), "_back")))
            A = self.span.kept(torch.cat(ways, dim=2) if self.bidirectional else ways[0])
        return A.permute(2, 0, 1)

    def gradients(self, dA: Float[Tensor, "n T m"]) -> None:
        """The gradients of every level's parameters."""
        self.levels_back(dA, inner=False)

    def backward(self, dA: Float[Tensor, "n T m"]) -> Float[Tensor, "n_x T m"]:
        """The lowest level's dx<t> = Wax^T dz<t> at every step, and the gradients."""
        return self.levels_back(dA, inner=True).permute(2, 0, 1)

    def levels_back(self, dA: Float[Tensor, "n T m"], inner: bool) -> Float[Tensor, "steps m n_x"]:
        """From the highest level to the lowest, which forms its dx<t> only if it is `inner`."""
        dX = dA.permute(1, 2, 0)
        for k, level in reversed([*enumerate(self.levels)]):
            wanted = inner or k > 0
            dA_ahead, *dA_others = self.span.kept(dX).split(self.n_a, dim=-1)
            dX = level.level_back(dA_ahead, "", wanted)
            for dA_other in dA_others:
                dX_back = level.level_back(self.span.reversed(dA_other), "_back", wanted)
                if wanted:
                    dX += self.span.reversed(dX_back)
        return dX

    def level_back(self, dA: Float[Tensor, "T m n_a"], way: str, inner: bool) -> Float[Tensor, "steps m n_x"]:
        """The gradients of one level's parameters of this way; dx<t> = Wax^T dz<t>, of no step unless `inner`."""
        X, a, _ = self.caches[way]
        m = X.shape[1]
        Wax, Waa, *biases = (self.get_parameter(name + way) for name in ("Wax", "Waa", *self.biases))
        sums = (torch.zeros_like(values) for values in (X if inner else X[:0], Wax, Waa, *biases))
        dX, dWax, dWaa, *dbiases = sums
        for steps, dZ_x, dZ_a in self.sweep_back(dA, way):
            x, a_prev = X[steps].flatten(0, 1), a[steps].flatten(0, 1)
            for k in range(self.blocks):
                rows = slice(k * self.n_a, (k + 1) * self.n_a)
                dz_x, dz_a = dZ_x[k].flatten(0, 1), dZ_a[k].flatten(0, 1)
                dWax[rows].addmm_(dz_x.T, x, alpha=1 / m)
                dWaa[rows].addmm_(dz_a.T, a_prev, alpha=1 / m)
                for db, dz in zip(dbiases, (dz_x, dz_a), strict=False):
                    db[rows] += dz.sum(dim=0).unsqueeze(1) / m
                if inner:
                    dX[steps].flatten(0, 1).addmm_(dz_x, Wax[rows])
        Wax.grad, Waa.grad = dWax, dWaa
        for b, db in zip(biases, dbiases, strict=True):
            b.grad = db
        return dX

    def stretches(self, X: Float[Tensor, "T m n_x"]) -> list[slice]:
        """All of the steps, as many at once as make a stretch."""
        T, m, _ = X.shape
        count = max(1, STRETCH // (m * self.n_a))
        return [slice(first, min(first + count, T)) for first in range(0, T, count)]

    def twin(self) -> "StockRecurrent":
        """`nn.RNN`, `nn.GRU` or `nn.LSTM` with equal parameters, and with the lengths as they are now."""
        # On "meta" the constructor draws no numbers from torch's global generator, only to have them overwritten.
        part = self.stock(
            self.n_x, self.n_a, self.num_layers, batch_first=True, bidirectional=self.bidirectional, device="meta"
        )
        for _, ours, name in self._matched():
            setattr(part, name, nn.Parameter(ours.detach().clone().view(part.get_parameter(name).shape)))
        for name, spare in list(part.named_parameters()):
            if spare.is_meta:
                # A second bias where one does it all: zeros in a buffer, so that no optimizer moves them.
                delattr(part, name)
                part.register_buffer(name, next(self.parameters()).new_zeros(spare.shape))
                setattr(part, name, part.get_buffer(name))  # which alone tells nn.RNN of it
        part.flatten_parameters()  # into one piece of memory, where cuDNN wants it
        return StockRecurrent(part, self.lengths)

    def pairs(self, twin: nn.Module) -> Iterator[tuple[str, nn.Parameter, nn.Parameter]]:
        """Wax with weight_ih_l0, Wax_back with weight_ih_l0_reverse, layers.1.Wax with weight_ih_l1, and so on."""
        assert isinstance(twin, StockRecurrent)
        for name, ours, theirs in self._matched():
            yield name, ours, twin.part.get_parameter(theirs)

    def _matched(self) -> Iterator[tuple[str, nn.Parameter, str]]:
        for k, (prefix, level) in enumerate(self.parts()):
            for name, ours in level.named_parameters():
                own, _, back = name.partition("_")
                yield prefix + name, ours, f"{self.twin_names[own]}_l{k}{'_reverse' if back else ''}"

    def extra_repr(self) -> str:
        """The sizes, as `print(network)` shows them."""
        options = f", num_layers={self.num_layers}" if self.num_layers > 1 else ""
        return f"n_x={self.n_x}, n_a={self.n_a}{options}{', bidirectional' if self.bidirectional else ''}"


class Span:
    """The steps that each example has: all T of A_prev, or as many as its length says."""

    def __init__(self, lengths: Int[Tensor, " m"] | None, A_prev: Float[Tensor, "n_x T m"]) -> None:
        self.beyond: Tensor | None = None
        if lengths is not None:
            _, T, m = A_prev.shape
            t = torch.arange(T, device=A_prev.device).unsqueeze(1)
            self.beyond = t >= lengths
            self.order = torch.where(self.beyond, t, lengths - 1 - t)
            self.examples = torch.arange(m, device=A_prev.device)

    def kept(self, A: Float[Tensor, "T m n"]) -> Float[Tensor, "T m n"]:
        """A, with 0 beyond each example's last step."""
        return A if self.beyond is None else A.masked_fill(self.beyond.unsqueeze(2), 0)

    def reversed(self, A: Float[Tensor, "T m n"]) -> Float[Tensor, "T m n"]:
        """Each example's steps from its last to its first; what lies beyond stays where it is."""
        return A.flip(0) if self.beyond is None else A[self.order, self.examples]


class StockRecurrent(nn.Module):
    """A stock recurrent part as a twin: (m, n_x, T) -> (m, n, T), packed where the sequences differ in length."""

    def __init__(self, part: nn.RNNBase, lengths: Tensor | None) -> None:
        super().__init__()
        self.part = part
        self.lengths = lengths

    def forward(self, A_prev: Float[Tensor, "m n_x T"]) -> Float[Tensor, "m n T"]:
        """A."""
        X = A_prev.transpose(1, 2)
        A: Tensor
        if self.lengths is None:
            A, _ = self.part(X)
        else:
            packed = pack_padded_sequence(
                X, self.lengths.to("cpu", torch.int64), batch_first=True, enforce_sorted=False
            )
            A, _ = pad_packed_sequence(self.part(packed)[0], batch_first=True, total_length=X.shape[1])
        return A.transpose(1, 2)


def products(
    W: Float[Tensor, "rows n_x"], b: Float[Tensor, "rows 1"], X: Float[Tensor, "T m n_x"], blocks: int
) -> Float[Tensor, "blocks T m n"]:
    """W x<t> + b at these steps, apart for each of the blocks of rows."""
    T, m, n_x = X.shape
    x = X.flatten(0, 1).expand(blocks, T * m, n_x)
    return torch.baddbmm(b.view(blocks, 1, -1), x, W.view(blocks, -1, n_x).mT).view(blocks, T, m, -1)


def from_zero(X: Float[Tensor, "T m n_x"], n: int) -> Float[Tensor, "T+1 m n"]:
    """Room for a<0> to a<T>, of which a<0> = 0 is there: step t of X, counted from 0, goes from a[t] to a[t + 1]."""
    T, m, _ = X.shape
    a = X.new_empty(T + 1, m, n)
    a[0] = 0
    return a


def rest(A: Float[Tensor, "*n"], share: Float[Tensor, "*n"], out: Float[Tensor, "*n"]) -> None:
    """out = A * (1 - share), at once."""
    torch.addcmul(A, A, share, value=-1, out=out)
