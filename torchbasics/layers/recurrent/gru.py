"""The gated recurrent unit: a gate says, unit by unit, how much of a<t-1> is kept."""

from collections.abc import Iterator
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from torchbasics.layers.recurrent.through_time import Blocks, Recurrent, from_zero, products, rest


class GRU(Recurrent):
    r"""a<t> = Gamma_z * a<t-1> + (1 - Gamma_z) * c~.

    $$\Gamma_r = \sigma(z_r), \quad \Gamma_z = \sigma(z_z), \quad \tilde c = \tanh(W_{ax}^{(c)} x^{\langle t\rangle} +
      b_{ax}^{(c)} + \Gamma_r * s), \quad s = W_{aa}^{(c)} a^{\langle t-1\rangle} + b_{aa}^{(c)}.$$

    Wax, Waa, bax and baa have the rows of Gamma_r, then of Gamma_z, then of c~, as torch.nn has them, n_a each. Only in
    c~ are the two biases two: the other rows of bax and baa do the same, and get the same gradient.

    The course's GRU has $\Gamma_u = 1 - \Gamma_z$, and resets before the product, $W_{aa}^{(c)} (\Gamma_r *
    a^{\langle t-1\rangle})$; torch resets after it.

    Backward, by the product rule, $\sigma' = \sigma (1 - \sigma)$ and $\tanh' = 1 - \tanh^2$:

    $$dz_c = da * (1 - \Gamma_z) * (1 - \tilde c^2), \qquad
      dz_z = da * (a^{\langle t-1\rangle} - \tilde c) * \Gamma_z * (1 - \Gamma_z),$$
    $$ds = dz_c * \Gamma_r, \qquad dz_r = dz_c * s * \Gamma_r * (1 - \Gamma_r).$$

    The products with Wax, and bax, receive $(dz_r, dz_z, dz_c)$, and those with Waa, and baa, $(dz_r, dz_z, ds)$.
    $a^{\langle t-1\rangle}$ receives $da * \Gamma_z$ on top.

    Shapes, what else there is to the backward, and errors: `torchbasics.layers.recurrent.through_time`.

    Source: course 5, week 1, "Gated Recurrent Unit (GRU)"; Cho et al. 2014.

    >>> layer = GRU(n_x=3, n_a=2, bidirectional=True)
    >>> layer(torch.ones(3, 7, 5)).shape
    torch.Size([4, 7, 5])
    """

    blocks = 3
    biases = ("bax", "baa")
    stock = nn.GRU
    twin_names: ClassVar[dict[str, str]] = {
        "Wax": "weight_ih",
        "Waa": "weight_hh",
        "bax": "bias_ih",
        "baa": "bias_hh",
    }

    def sweep(self, X: Float[Tensor, "T m n_x"], way: str) -> Float[Tensor, "T m n_a"]:
        """a<t> = Gamma_z * a<t-1> + (1 - Gamma_z) * c~."""
        Wax, Waa, bax, baa = (self.get_parameter(name + way) for name in ("Wax", "Waa", "bax", "baa"))
        n_a, m = self.n_a, X.shape[1]
        rz, c = slice(0, 2 * n_a), slice(2 * n_a, None)
        b, W_rz = torch.cat([bax[rz] + baa[rz], bax[c]]), Waa[rz].view(2, n_a, n_a).mT
        a = from_zero(X, n_a)
        kept: list[tuple[Tensor, ...]] = []
        for steps in self.stretches(X):
            a_prev, a_next = a[steps], a[1:][steps]
            gates, s = products(Wax, b, X[steps], 3), torch.empty_like(a_prev)
            Gamma_r, Gamma_z, c_tilde = gates
            for t in range(len(s)):
                gates[:2, t].baddbmm_(a_prev[t].expand(2, m, n_a), W_rz).sigmoid_()
                torch.addmm(baa[c].view(-1), a_prev[t], Waa[c].T, out=s[t])
                c_tilde[t].addcmul_(Gamma_r[t], s[t]).tanh_()
                torch.lerp(c_tilde[t], a_prev[t], Gamma_z[t], out=a_next[t])
            kept.append((gates, s))
        self.caches[way] = X, a, kept
        return a[1:]

    def sweep_back(self, dA: Float[Tensor, "T m n_a"], way: str) -> Iterator[tuple[slice, Blocks, Blocks]]:
        """dz_r, dz_z, dz_c and ds, from da<t> = dA<t> + da<t+1> * Gamma_z<t+1> + Waa^T (dz_r, dz_z, ds)<t+1>."""
        X, a, kept = self.caches[way]
        (W_r, W_z, W_c), onward = self.get_parameter("Waa" + way).chunk(3), X.new_zeros(a.shape[1:])
        for steps, (gates, s) in reversed([*zip(self.stretches(X), kept, strict=True)]):
            Gamma_r, Gamma_z, c_tilde = gates
            dZ, dS = torch.empty_like(gates), torch.empty_like(s)
            dZ_r, dZ_z, dZ_c = dZ
            # At first what dz_z and dz_c are multiples of da by, and dz_r of dz_c, at all of these steps at once.
            torch.mul(s, Gamma_r, out=dZ_r)
            rest(dZ_r, Gamma_r, out=dZ_r)
            torch.mul(a[steps] - c_tilde, Gamma_z, out=dZ_z)
            rest(dZ_z, Gamma_z, out=dZ_z)
            rest(1 - Gamma_z, c_tilde**2, out=dZ_c)
            dA_steps = dA[steps].contiguous()
            for t in reversed(range(len(dS))):
                da = dA_steps[t] + onward
                dZ[1:, t] *= da
                dZ_r[t] *= dZ_c[t]
                torch.mul(dZ_c[t], Gamma_r[t], out=dS[t])
                onward = da * Gamma_z[t]
                onward.addmm_(dZ_r[t], W_r).addmm_(dZ_z[t], W_z).addmm_(dS[t], W_c)
            yield steps, [dZ_r, dZ_z, dZ_c], [dZ_r, dZ_z, dS]
