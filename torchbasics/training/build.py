"""From a resolved configuration and what the data is to the network."""

from torchbasics.data.base import Data
from torchbasics.errors import InputError
from torchbasics.models import ACTIVATIONS, CELLS, Inputs, cnn, deep, hybrid, rnn, transformer
from torchbasics.network import Network
from torchbasics.regularisation import L1, L2
from torchbasics.training.config import TrainConfig


def inputs_of(data: Data) -> Inputs:
    """What a network has to know of the data's examples."""
    image = data.image
    return Inputs(
        n_x=data.n_x,
        image=None if image is None else (image.height, image.width, image.channels),
        structured=data.structured,
        steps=data.train.X.shape[1] if data.train.X.ndim == 3 else 0,
        tokens=data.tokens,
    )


def build(config: TrainConfig, inputs: Inputs) -> Network:
    """The network of a resolved configuration, with its parameters not yet drawn.

    Raises `InputError` for a model that does not go with such inputs.
    """
    assert config.activation is not None
    assert config.keep_prob is not None
    activation = ACTIVATIONS[config.activation]
    dropout = config.keep_prob, config.seed
    _, *hidden, n_y = config.sizes
    match config.model:
        case "cnn":
            network = cnn(inputs, hidden, n_y, activation, *dropout)
        case "rnn":
            network = rnn(inputs, hidden, n_y, CELLS[config.cell or "lstm"])
        case "hybrid":
            network = hybrid(inputs, hidden, n_y, activation, *dropout)
        case "transformer":
            network = transformer(inputs, hidden, n_y, activation)
        case model:
            if inputs.steps or inputs.tokens:
                raise InputError(
                    f"{model} takes vectors, and this data is {inputs.kind}; train rnn or transformer on it"
                )
            network = deep(config.sizes, activation, *dropout)
    network.penalties.extend(penalty(strength) for penalty, strength in ((L2, config.l2), (L1, config.l1)) if strength)
    return network
