r"""How W starts: $W^{[l]} = \text{scale} \cdot \text{randn}(n^{[l]}, n^{[l-1]})$ and $b^{[l]} = 0$.

Every parameter whose name begins with W is a weight, as Wax and Waa of a recurrence are, and so is E of an embedding;
n[l-1] is the size of one of its rows, f_H f_W n_C_prev of a convolution. gamma starts at 1, and b, beta and all others
at 0.

| name | scale | source |
|---|---|---|
| zeros | 0 | week 2, logistic regression; with hidden units the symmetry is never broken (week 3) |
| small | 0.01 | week 3, "Random initialization" |
| sqrt | sqrt(1 / n[l-1]) | week 4's application |
| he | sqrt(2 / n[l-1]) | He et al. 2015, for ReLU |
| xavier | sqrt(2 / (n[l-1] + n[l])) | Glorot and Bengio 2010, for tanh |

The numbers come from NumPy's legacy generator (`np.random.seed(seed)`, then `np.random.randn`, W1 first), whose stream
is frozen for good: a seed gives the course's own numbers, and the same ones on any device and in any dtype.
"""

import math
from collections.abc import Callable

import numpy as np
import torch

from torchbasics.errors import InputError, nearest
from torchbasics.network import Network

SCALES: dict[str, Callable[[int, int], float]] = {
    "zeros": lambda n, n_prev: 0.0,
    "small": lambda n, n_prev: 0.01,
    "sqrt": lambda n, n_prev: math.sqrt(1 / n_prev),
    "he": lambda n, n_prev: math.sqrt(2 / n_prev),
    "xavier": lambda n, n_prev: math.sqrt(2 / (n_prev + n)),
}


def initialise(network: Network, init: str, seed: int) -> Network:
    """Give every W its scaled normal numbers, every b its zeros and every gamma its ones, in place; return the network.

    Raises `InputError` for an unknown name.
    """
    if init not in SCALES:
        raise InputError(f"no initialisation is called {init!r}; {nearest(init, SCALES)}")
    generator = np.random.RandomState(seed)
    for name, parameter in network.notes_parameters():
        if name.startswith(("W", "E")):
            n, n_prev = parameter.shape[0], parameter[0].numel()
            W = generator.randn(n, n_prev) * SCALES[init](n, n_prev)
            parameter.data.copy_(torch.from_numpy(W).view(parameter.shape))
        else:
            parameter.data.fill_(name.startswith("gamma"))
    return network
