"""The simple recurrent layer: a<t> = tanh(Waa a<t-1> + Wax x<t> + ba)."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from torchbasics.layers.recurrent.through_time import Blocks, Recurrent, from_zero


class RNN(Recurrent):
    r"""a<t> = tanh(Waa a<t-1> + Wax x<t> + ba).

    Backward, by $\tanh' = 1 - \tanh^2$:

    $$dz^{\langle t\rangle} = da^{\langle t\rangle} * \big(1 - (a^{\langle t\rangle})^2\big).$$

    Shapes, what else there is to the backward, and errors: `torchbasics.layers.recurrent.through_time`. The twin has a
    second bias beside ba, which stays 0.

    Source: course 5, week 1, "Recurrent Neural Network Model" and "Backpropagation through time".

    >>> layer = RNN(n_x=3, n_a=2)
    >>> layer(torch.ones(3, 7, 5)).shape
    torch.Size([2, 7, 5])
    """

    blocks = 1
    stock = nn.RNN

    def sweep(self, X: Float[Tensor, "T m n_x"], way: str) -> Float[Tensor, "T m n_a"]:
        """a<t> = tanh(Waa a<t-1> + Wax x<t> + ba)."""
        Wax, Waa, ba = (self.get_parameter(name + way) for name in ("Wax", "Waa", "ba"))
        a = from_zero(X, self.n_a)
        for steps in self.stretches(X):
            a_prev, a_next = a[steps], a[1:][steps]
            torch.addmm(ba.view(-1), X[steps].flatten(0, 1), Wax.T, out=a_next.flatten(0, 1))
            for t in range(len(a_next)):
                a_next[t].addmm_(a_prev[t], Waa.T).tanh_()
        self.caches[way] = X, a, []
        return a[1:]

    def sweep_back(self, dA: Float[Tensor, "T m n_a"], way: str) -> Iterator[tuple[slice, Blocks, Blocks]]:
        """dz<t> = da<t> * (1 - a<t>^2)."""
        X, a, _ = self.caches[way]
        Waa, onward = self.get_parameter("Waa" + way), X.new_zeros(a.shape[1:])
        for steps in reversed(self.stretches(X)):
            a_next, dZ = a[1:][steps], torch.empty_like(a[1:][steps])
            dZ.copy_(dA[steps])  # of which the sweep makes da<t>, and dz<t> of it
            for t in reversed(range(len(dZ))):
                dZ[t] += onward
                dZ[t] *= 1 - a_next[t] ** 2
                onward = dZ[t] @ Waa
            yield steps, [dZ], [dZ]
