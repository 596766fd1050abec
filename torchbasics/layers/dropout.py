r"""Inverted dropout: in training each unit of each example is kept with probability keep_prob, and stretched to match.

$$D \sim \text{Bernoulli}(keep\_prob), \qquad A = \frac{A_{prev} * D}{keep\_prob}, \qquad
  dA_{prev} = \frac{dA * D}{keep\_prob}$$

D has the shape of A_prev, (n, m) or any other, and is a constant in the derivative. Since E[D] = keep_prob, A is
A_prev on average, so that in use, after `eval()`, nothing is to be done: A = A_prev.

**The mask** is a function of the layer's `seed`, of how many times it has been drawn anew, and of the shape of A_prev:
`forward` repeats itself until `redraw`, as gradient checks and central differences need it, and a run that goes on from
a `state_dict`, or another engine of the same network, meets the same masks. It is drawn on the CPU with the examples
first, and is the same on any device and in any dtype.

Source: course 2, week 1, "Dropout regularization"; Srivastava et al. 2014.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from torchbasics.errors import InputError
from torchbasics.layers.base import Layer
from torchbasics.notation import examples_last


class Dropout(Layer):
    """A = A_prev * D / keep_prob in training, A = A_prev in use.

    Two layers with the same seed would drop the same units wherever their shapes agree, so that each layer of a network
    needs a seed of its own, and has to be given one: the number of the layer will do. `redraws` is a buffer, and goes
    with `state_dict`.

    Raises `InputError` for a keep_prob outside (0, 1] and for a negative seed.

    >>> dropout = Dropout(keep_prob=0.5, seed=3)
    >>> dropout(torch.ones(20, 30)).unique()
    tensor([0., 2.])
    >>> dropout.eval()(torch.ones(20, 30)).unique()
    tensor([1.])
    """

    symbol = "A"
    redraws: Tensor
    D_over_keep_prob: Tensor | None

    def __init__(self, keep_prob: float, seed: int) -> None:
        super().__init__()
        if not 0 <= 1 - keep_prob < 1:
            raise InputError(
                f"Dropout got keep_prob {keep_prob}, expected 0 < keep_prob <= 1 and not so small that 1 - keep_prob "
                "rounds to 1: the share of units to keep, where torch.nn.Dropout wants p, the share to drop"
            )
        if seed < 0:
            raise InputError(f"Dropout got seed {seed}, expected 0 or more, another one for each layer of a network")
        self.keep_prob = keep_prob
        self.seed = seed
        self.register_buffer("redraws", torch.zeros((), dtype=torch.long))

    def redraw(self) -> None:
        """Have another mask from now on."""
        self.redraws += 1

    def forward(self, A_prev: Float[Tensor, "*n m"]) -> Float[Tensor, "*n m"]:
        """A = A_prev * D / keep_prob, or A_prev in use."""
        self.D_over_keep_prob = self._mask(A_prev) if self.training else None
        return A_prev if self.D_over_keep_prob is None else A_prev * self.D_over_keep_prob

    def backward(self, dA: Float[Tensor, "*n m"]) -> Float[Tensor, "*n m"]:
        """dA_prev = dA * D / keep_prob, or dA in use."""
        return dA if self.D_over_keep_prob is None else dA * self.D_over_keep_prob

    def _mask(self, A_prev: Tensor) -> Tensor:
        """D / keep_prob, laid out in memory as A_prev is: an element-wise product of two layouts is slow."""
        generator = torch.Generator().manual_seed(mask_seed(self.seed, self.redraws))
        # nn.Dropout has it from p, as rounded; of a small keep_prob that is some roundings off.
        keep_prob = 1 - (1 - self.keep_prob)
        *n, m = A_prev.shape
        D = torch.empty(m, *n, dtype=A_prev.dtype).bernoulli_(keep_prob, generator=generator)
        return torch.empty_like(A_prev).copy_(examples_last(D.div_(keep_prob)))

    def twin(self) -> "SeededDropout":
        """`nn.Dropout` that draws the same masks."""
        return SeededDropout(1 - self.keep_prob, self.seed, self.redraws.clone())

    def extra_repr(self) -> str:
        """What makes it, as `print(network)` shows it."""
        return f"keep_prob={self.keep_prob}, seed={self.seed}"


class SeededDropout(nn.Module):
    """`nn.Dropout` whose masks are a function of the seed and of how many times they have been drawn anew.

    Torch's own generator, from which it draws, is put back afterwards. What is dropped out of is an array of ones, in
    one layout and on the CPU: the stock mask depends on the layout and on the device of what it is drawn for.
    """

    redraws: Tensor

    def __init__(self, p: float, seed: int, redraws: Tensor) -> None:
        super().__init__()
        self.dropout = nn.Dropout(p)
        self.seed = seed
        self.register_buffer("redraws", redraws)

    def redraw(self) -> None:
        """Have another mask from now on."""
        self.redraws += 1

    def forward(self, A_prev: Float[Tensor, "m *n"]) -> Float[Tensor, "m *n"]:
        """A."""
        if not self.training:
            return A_prev
        with torch.random.fork_rng(devices=[]):
            # torch.manual_seed would seed every device's generator, and leave them so.
            torch.default_generator.manual_seed(mask_seed(self.seed, self.redraws))
            mask: Tensor = self.dropout(torch.ones(A_prev.shape, dtype=A_prev.dtype))
        return A_prev * mask.to(A_prev.device)


def mask_seed(seed: int, redraws: Tensor) -> int:
    """A seed for a generator; seed + redraws would give one layer the next one's masks a step later."""
    return int(np.random.SeedSequence([seed, int(redraws)]).generate_state(1)[0])
