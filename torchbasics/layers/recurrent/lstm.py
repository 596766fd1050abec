"""Long short-term memory: a cell c<t> beside a<t>, with gates for what comes in, what stays and what goes out."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from torchbasics.layers.recurrent.through_time import Blocks, Recurrent, from_zero, products, rest


class LSTM(Recurrent):
    r"""c<t> = Gamma_f * c<t-1> + Gamma_i * c~, a<t> = Gamma_o * tanh(c<t>).

    $$\Gamma_i = \sigma(z_i), \quad \Gamma_f = \sigma(z_f), \quad \tilde c = \tanh(z_c), \quad \Gamma_o = \sigma(z_o)$$

    Wax, Waa and ba have the rows of Gamma_i (the notes' Gamma_u), then of Gamma_f, then of c~, then of Gamma_o, as
    torch.nn has them, n_a each.

    Backward, by the product rule, $\sigma' = \sigma (1 - \sigma)$ and $\tanh' = 1 - \tanh^2$. $c^{\langle t\rangle}$
    too goes two ways, into $a^{\langle t\rangle}$ and into $c^{\langle t+1\rangle}$; where no step is said, it is t:

    $$dc = da * \Gamma_o * (1 - \tanh^2 c) + dc^{\langle t+1\rangle} * \Gamma_f^{\langle t+1\rangle},$$
    $$d\Gamma_i = dc * \tilde c, \quad d\Gamma_f = dc * c^{\langle t-1\rangle}, \quad d\tilde c = dc * \Gamma_i, \quad
      d\Gamma_o = da * \tanh c,$$
    $$dz = d\Gamma * \Gamma * (1 - \Gamma) \text{ for each gate}, \qquad dz_c = d\tilde c * (1 - \tilde c^2).$$

    Shapes, what else there is to the backward, and errors: `torchbasics.layers.recurrent.through_time`. The twin has a
    second bias beside ba, which stays 0.

    Source: course 5, week 1, "Long Short Term Memory (LSTM)"; Hochreiter and Schmidhuber 1997.

    >>> layer = LSTM(n_x=3, n_a=2, num_layers=2)
    >>> layer(torch.ones(3, 7, 5)).shape
    torch.Size([2, 7, 5])
    """

    blocks = 4
    stock = nn.LSTM

    def sweep(self, X: Float[Tensor, "T m n_x"], way: str) -> Float[Tensor, "T m n_a"]:
        """c<t> = Gamma_f * c<t-1> + Gamma_i * c~, a<t> = Gamma_o * tanh(c<t>)."""
        Wax, Waa, ba = (self.get_parameter(name + way) for name in ("Wax", "Waa", "ba"))
        n_a, m = self.n_a, X.shape[1]
        W = Waa.view(4, n_a, n_a).mT
        a, c = from_zero(X, n_a), from_zero(X, n_a)
        kept: list[tuple[Tensor, ...]] = []
        for steps in self.stretches(X):
            a_prev, a_next, c_prev, c_next = a[steps], a[1:][steps], c[steps], c[1:][steps]
            gates, tanh_c = products(Wax, ba, X[steps], 4), torch.empty_like(c_next)
            Gamma_i, Gamma_f, c_tilde, Gamma_o = gates
            for t in range(len(tanh_c)):
                gates[:, t].baddbmm_(a_prev[t].expand(4, m, n_a), W)
                gates[:2, t].sigmoid_()
                c_tilde[t].tanh_()
                Gamma_o[t].sigmoid_()
                torch.mul(Gamma_f[t], c_prev[t], out=c_next[t]).addcmul_(Gamma_i[t], c_tilde[t])
                torch.tanh(c_next[t], out=tanh_c[t])
                torch.mul(Gamma_o[t], tanh_c[t], out=a_next[t])
            kept.append((gates, c_prev, tanh_c))
        self.caches[way] = X, a, kept
        return a[1:]

    def sweep_back(self, dA: Float[Tensor, "T m n_a"], way: str) -> Iterator[tuple[slice, Blocks, Blocks]]:
        """dz of every gate, from da<t> = dA<t> + Waa^T dz<t+1> and dc<t>."""
        X, a, kept = self.caches[way]
        W_i, W_f, W_c, W_o = self.get_parameter("Waa" + way).chunk(4)
        dz, dc = X.new_zeros(4, *a.shape[1:]), X.new_zeros(a.shape[1:])
        for steps, (gates, c_prev, tanh_c) in reversed([*zip(self.stretches(X), kept, strict=True)]):
            Gamma_i, Gamma_f, c_tilde, Gamma_o = gates
            dZ, through_a, a_next = torch.empty_like(gates), torch.empty_like(tanh_c), a[1:][steps]
            dZ_i, dZ_f, dZ_c, dZ_o = dZ
            # At first what dz is a multiple of dc by, or of da, at all of these steps at once. No square is needed:
            # Gamma_i * c_tilde is there for dz_i, and Gamma_o * tanh(c) is a.
            torch.mul(c_tilde, Gamma_i, out=dZ_i)
            torch.addcmul(Gamma_i, dZ_i, c_tilde, value=-1, out=dZ_c)
            rest(dZ_i, Gamma_i, out=dZ_i)
            torch.mul(c_prev, Gamma_f, out=dZ_f)
            rest(dZ_f, Gamma_f, out=dZ_f)
            rest(a_next, Gamma_o, out=dZ_o)
            torch.addcmul(Gamma_o, a_next, tanh_c, value=-1, out=through_a)
            dA_steps = dA[steps].contiguous()
            for t in reversed(range(len(tanh_c))):
                da = torch.addmm(dA_steps[t], dz[0], W_i).addmm_(dz[1], W_f).addmm_(dz[2], W_c).addmm_(dz[3], W_o)
                dc.addcmul_(da, through_a[t])
                dZ[:3, t] *= dc
                dZ_o[t] *= da
                dc *= Gamma_f[t]
                dz = dZ[:, t]
            yield steps, [dZ_i, dZ_f, dZ_c, dZ_o], [dZ_i, dZ_f, dZ_c, dZ_o]
