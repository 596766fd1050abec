"""The notes' networks, a few lines each: logistic regression, one hidden layer, L layers.

All end in one sigmoid unit trained on the fused cross-entropy, so that A[L] is the probability of label 1.
"""

import itertools
from collections.abc import Callable, Sequence

from torchbasics.errors import InputError
from torchbasics.layers import Layer, LeakyReLU, Linear, ReLU, Sigmoid, Tanh
from torchbasics.losses import SigmoidCrossEntropy
from torchbasics.network import Network

ACTIVATIONS: dict[str, Callable[[], Layer]] = {
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "relu": ReLU,
    "leaky-relu": LeakyReLU,
}


def logistic(n_x: int) -> Network:
    """yhat = sigmoid(W1 x + b1), the notes' w being W1^T. Source: week 2, "Logistic regression"."""
    return deep([n_x, 1])


def shallow(n_x: int, n_h: int, activation: Callable[[], Layer] = Tanh) -> Network:
    """One hidden layer of n_h units. Source: week 3, "Neural network representation"."""
    return deep([n_x, n_h, 1], activation)


def deep(layers: Sequence[int], activation: Callable[[], Layer] = ReLU) -> Network:
    """[LINEAR -> g] (L - 1 times) -> LINEAR -> SIGMOID for layers = [n_x, n[1], ..., n[L]].

    Raises `InputError` unless there are two sizes or more, all positive. Source: week 4, "Deep L-layer neural network".

    >>> deep([12288, 20, 7, 5, 1]).names
    ['Z1', 'A1', 'Z2', 'A2', 'Z3', 'A3', 'Z4']
    """
    if len(layers) < 2 or min(layers) < 1:
        raise InputError(
            f"layer sizes {list(layers)}: expected [n_x, ..., 1], two or more positive numbers, as in [64, 20, 7, 5, 1]"
        )
    parts: list[Layer] = []
    for n_prev, n in itertools.pairwise(layers):
        parts += [Linear(n_prev, n), activation()]
    # The last activation is the sigmoid, which the fused loss has in it.
    return Network(parts[:-1], SigmoidCrossEntropy())
