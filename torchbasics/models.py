"""The notes' networks, a few lines each: logistic regression, one hidden layer, L layers, and the networks for pictures
and sequences.

With one output they end in one sigmoid unit trained on the fused cross-entropy, so that A[L] is the probability of
label 1; with n_y > 1 outputs, in a softmax, and A[L] has the probability of every label.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torchbasics.errors import InputError
from torchbasics.layers import (
    ELU,
    GELU,
    GRU,
    LSTM,
    RNN,
    Concatenate,
    Conv2d,
    Dropout,
    Embedding,
    Flatten,
    Images,
    Last,
    Layer,
    LayerNorm,
    LeakyReLU,
    Linear,
    LinearOverTime,
    MaxPool2d,
    MeanOverTime,
    MultiHeadAttention,
    PositionalEncoding,
    ReLU,
    Residual,
    Rows,
    Sigmoid,
    SiLU,
    Slice,
    Softplus,
    Tanh,
)
from torchbasics.losses import Loss, SigmoidCrossEntropy, SoftmaxCrossEntropy
from torchbasics.network import Network

ACTIVATIONS: dict[str, Callable[[], Layer]] = {
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "relu": ReLU,
    "leaky-relu": LeakyReLU,
    "elu": ELU,
    "gelu": GELU,
    "silu": SiLU,
    "softplus": Softplus,
}
CELLS: dict[str, Callable[[int, int], Layer]] = {"rnn": RNN, "gru": GRU, "lstm": LSTM}


@dataclass(frozen=True)
class Inputs:
    """What one example is, as far as a network has to know it.

    A vector of n_x numbers, which may hold a picture in its first H W C and `structured` others below; a sequence of
    `steps` vectors of n_x numbers; or `steps` tokens, numbered 0 to `tokens` - 1.
    """

    n_x: int
    image: tuple[int, int, int] | None = None
    """(H, W, C)"""
    structured: int = 0
    steps: int = 0
    tokens: int = 0

    @property
    def kind(self) -> str:
        """What the examples are, in words."""
        if self.tokens or self.steps:
            return "a text" if self.tokens else "sequences"
        if self.image is None:
            return "vectors"
        return "pictures with other inputs beside them" if self.structured else "pictures"

    @property
    def model(self) -> str:
        """The model that is made for such examples."""
        models = {"a text": "rnn", "sequences": "rnn", "vectors": "deep", "pictures": "cnn"}
        return models.get(self.kind, "hybrid")


def logistic(n_x: int) -> Network:
    """yhat = sigmoid(W1 x + b1), the notes' w being W1^T. Source: week 2, "Logistic regression"."""
    return deep([n_x, 1])


def shallow(n_x: int, n_h: int, activation: Callable[[], Layer] = Tanh) -> Network:
    """One hidden layer of n_h units. Source: week 3, "Neural network representation"."""
    return deep([n_x, n_h, 1], activation)


def deep(
    layers: Sequence[int], activation: Callable[[], Layer] = ReLU, keep_prob: float = 1.0, seed: int = 0
) -> Network:
    """[LINEAR -> g] (L - 1 times) -> LINEAR -> SIGMOID for layers = [n_x, n[1], ..., n[L]], or SOFTMAX if n[L] > 1.

    With keep_prob < 1 there is dropout after every g, whose masks go by the seed (course 2, week 1, "Dropout
    regularization").

    Raises `InputError` unless there are two sizes or more, all positive. Source: week 4, "Deep L-layer neural network".

    >>> deep([12288, 20, 7, 5, 1]).names
    ['Z1', 'A1', 'Z2', 'A2', 'Z3', 'A3', 'Z4']
    """
    if len(layers) < 2 or min(layers) < 1:
        raise InputError(
            f"layer sizes {list(layers)}: expected [n_x, ..., 1], two or more positive numbers, as in [64, 20, 7, 5, 1]"
        )
    return Network(_fully_connected(layers, activation, keep_prob, seed), _loss(layers[-1]))


def cnn(
    inputs: Inputs,
    hidden: Sequence[int],
    n_y: int = 1,
    activation: Callable[[], Layer] = ReLU,
    keep_prob: float = 1.0,
    seed: int = 0,
) -> Network:
    """[CONV 3x3 -> g -> POOL 2x2] for every hidden size but the last -> FC -> g -> FC: LeNet's order on pictures.

    A picture's height and width halve in every POOL. With keep_prob < 1 there is dropout before and after the first FC,
    which has most of the weights. Source: course 4, week 1, "CNN example", after LeCun et al. 1998.

    >>> cnn(Inputs(n_x=3072, image=(32, 32, 3)), [16, 32, 64]).names
    ['A0', 'Z1', 'A1', "A1'", 'Z2', 'A2', "A2'", "A2''", 'Z3', 'A3', 'Z4']
    """
    if inputs.image is None or inputs.structured:
        raise InputError(f"cnn needs pictures, and this data is {inputs.kind}; train {inputs.model} on it")
    convolutions, n = _convolutions(inputs.image, "cnn", hidden, activation)
    connected = _fully_connected([n, hidden[-1], n_y], activation, keep_prob, seed)
    if keep_prob < 1:
        # The seeds above it are seed + 1, seed + 2, ...: no two layers of a network may share their masks.
        connected.insert(0, Dropout(keep_prob, seed))
    return Network([*convolutions, *connected], _loss(n_y))


def rnn(inputs: Inputs, hidden: Sequence[int], n_y: int = 1, cell: Callable[[int, int], Layer] = LSTM) -> Network:
    """A recurrent layer for every hidden size -> FC, after the last step: one answer for a sequence, or for a picture
    read row by row. Of a text, an answer at every step: the token that follows.

    Raises `InputError` for no hidden size, and for inputs that are no sequence. Source: course 5, week 1, "Different
    types of RNNs" (many-to-one) and "Language model and sequence generation".

    >>> rnn(Inputs(n_x=3, steps=7), [5]).names
    ['A1', "A1'", 'Z2']
    """
    if not hidden:
        raise InputError("rnn with no hidden size: expected one for every recurrent layer, as in 64")
    reading, n = _sequence(inputs, "rnn", hidden[0])
    layers = list(reading)
    for n_a in hidden:
        layers.append(cell(n, n_a))
        n = n_a
    layers += [LinearOverTime(n, n_y)] if inputs.tokens else [Last(), Linear(n, n_y)]
    return Network(layers, _loss(n_y))


def transformer(
    inputs: Inputs, hidden: Sequence[int], n_y: int = 1, activation: Callable[[], Layer] = GELU, heads: int = 4
) -> Network:
    """An encoder block of width n = hidden[0], with hidden[1] units inside its feed-forward part.

    x + positions -> x + attention(norm(x)) -> x + feed-forward(norm(x)) -> norm -> mean over the steps -> FC. Of a
    text, an answer at every step, with attention to the steps before it only.

    Source: Vaswani et al. 2017, with the norms before the parts (Xiong et al. 2020).
    """
    if len(hidden) != 2 or hidden[0] % heads or hidden[0] % 2:
        raise InputError(
            f"transformer with hidden sizes {list(hidden)}: expected two, the width, which is even and divides into "
            f"{heads} heads, and the units of its feed-forward part, as in 32,64"
        )
    n, n_inner = hidden
    reading, n_in = _sequence(inputs, "transformer", n)
    layers = list(reading)
    if not inputs.tokens:
        layers.append(LinearOverTime(n_in, n))
    layers += [
        PositionalEncoding(n),
        Residual([LayerNorm(n), MultiHeadAttention(n, heads, causal=inputs.tokens > 0)]),
        Residual([LayerNorm(n), LinearOverTime(n, n_inner), activation(), LinearOverTime(n_inner, n)]),
        LayerNorm(n),
    ]
    layers += [LinearOverTime(n, n_y)] if inputs.tokens else [MeanOverTime(), Linear(n, n_y)]
    return Network(layers, _loss(n_y))


def hybrid(
    inputs: Inputs,
    hidden: Sequence[int],
    n_y: int = 1,
    activation: Callable[[], Layer] = ReLU,
    keep_prob: float = 1.0,
    seed: int = 0,
) -> Network:
    """A picture through [CONV -> g -> POOL], the inputs below it through FC -> g; joined, and then FC -> g -> FC.

    The last hidden size is that of both fully connected layers, the others are the convolutions' channels. Source:
    week 1, "Supervised learning with neural networks", where a hybrid network joins kinds of data that need their own.
    """
    if inputs.image is None or not inputs.structured:
        raise InputError(
            f"hybrid needs pictures with structured inputs beside them, as --data digit-sums has, and this data is "
            f"{inputs.kind}; train {inputs.model} on it"
        )
    convolutions, n = _convolutions(inputs.image, "hybrid", hidden, activation)
    pixels, n_h = inputs.n_x - inputs.structured, hidden[-1]
    joined = Concatenate(
        [
            [Slice(0, pixels), *convolutions],
            [Slice(pixels, inputs.n_x), Linear(inputs.structured, n_h), activation()],
        ]
    )
    return Network([joined, *_fully_connected([n + n_h, n_h, n_y], activation, keep_prob, seed)], _loss(n_y))


def _fully_connected(sizes: Sequence[int], activation: Callable[[], Layer], keep_prob: float, seed: int) -> list[Layer]:
    parts: list[Layer] = []
    for depth, (n_prev, n) in enumerate(itertools.pairwise(sizes), start=1):
        parts.append(Linear(n_prev, n))
        # The last activation is the sigmoid or the softmax, which the fused loss has in it.
        if depth < len(sizes) - 1:
            parts.append(activation())
            if keep_prob < 1:
                parts.append(Dropout(keep_prob, seed + depth))
    return parts


def _loss(n_y: int) -> Loss:
    return SigmoidCrossEntropy() if n_y == 1 else SoftmaxCrossEntropy()


def _convolutions(
    image: tuple[int, int, int], model: str, hidden: Sequence[int], activation: Callable[[], Layer]
) -> tuple[list[Layer], int]:
    """[CONV -> g -> POOL] for every hidden size but the last, flattened, and how many numbers come out."""
    if len(hidden) < 2:
        raise InputError(f"{model} with hidden sizes {list(hidden)}: expected channels and then units, as in 16,32,64")
    channels, (height, width, n_C_prev) = hidden[:-1], image
    if min(height, width) < 2 ** len(channels):
        raise InputError(
            f"{len(channels)} POOLs halve a picture of {height}x{width} to nothing; give fewer convolutions"
        )
    layers: list[Layer] = [Images(height, width, n_C_prev)]
    for n_C in channels:
        layers += [Conv2d(n_C_prev, n_C, 3, padding=1), activation(), MaxPool2d(2)]
        n_C_prev, height, width = n_C, height // 2, width // 2
    return [*layers, Flatten()], n_C_prev * height * width


def _sequence(inputs: Inputs, model: str, n: int) -> tuple[list[Layer], int]:
    """What makes a sequence (n_in, T, m) of X, and n_in; tokens are embedded in n numbers each."""
    if inputs.tokens:
        return [Embedding(inputs.tokens, n)], n
    if inputs.steps:
        return [], inputs.n_x
    if inputs.image is None or inputs.structured:
        raise InputError(
            f"{model} needs sequences, a text, or pictures to read row by row, and this data is {inputs.kind}; train "
            f"{inputs.model} on it"
        )
    height, width, channels = inputs.image
    return [Rows(height, width, channels)], width * channels
